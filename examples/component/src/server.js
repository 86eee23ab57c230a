import { createServer } from 'node:http';
import { health } from './handlers/health.js';
import { orders } from './handlers/orders.js';

const routes = new Map([
  ['/healthz', health],
  ['/orders', orders],
]);

createServer((request, response) => {
  const handle = routes.get(new URL(request.url, 'http://localhost').pathname);
  if (handle) return handle(request, response);
  response.writeHead(404).end();
}).listen(process.env.PORT ?? 8080);
