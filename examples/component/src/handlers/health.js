export function health(_request, response) {
  response.writeHead(200, { 'content-type': 'application/json' }).end('{"status":"ok"}');
}
