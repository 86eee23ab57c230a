const kept = [];

export function orders(request, response) {
  if (request.method === 'POST') {
    let body = '';
    request.on('data', (part) => (body += part));
    request.on('end', () => {
      kept.push(JSON.parse(body));
      response.writeHead(201).end();
    });
    return;
  }
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(kept));
}
