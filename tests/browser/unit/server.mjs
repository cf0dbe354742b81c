// A real HTTP server on loopback whose answers a test writes, one handler for each request that will come.
import { once } from 'node:events';
import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from '../../../declarai_like/serve/static/declarai.js';

export const SSE = { 'Content-Type': 'text/event-stream' };

/** Serve; `requests` fills with `{ method, url, headers, body, closed }`. Gives a client beside. */
export async function serving(t, handlers, options = {}) {
  const requests = [];
  const server = createServer(async (request, response) => {
    const handler = handlers[requests.length];
    const { method, url, headers } = request;
    const seen = { method, url, headers, closed: once(response, 'close') };
    requests.push(seen);
    let body = '';
    for await (const chunk of request) body += chunk;
    seen.body = body && (headers['content-type'].startsWith('multipart/') ? body : JSON.parse(body));
    if (!handler) response.writeHead(500).end('this request was not expected');
    else await handler(response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => (server.closeAllConnections(), server.close()));
  const baseUrl = `http://127.0.0.1:${server.address().port}`;
  return { requests, baseUrl, client: new Client({ baseUrl, ...options }) };
}

/** Answer with a body, as SSE unless told. */
export const answer = (body, headers = SSE, status = 200) => (response) => response.writeHead(status, headers).end(body);

/** Send a body and then break the connection. */
export const drop = (body, headers = SSE) => async (response) => {
  response.writeHead(200, headers).write(body);
  await sleep(20);
  response.destroy();
};

/** Send a body and then nothing, until the other side goes. */
export const hang = (body, headers = SSE) => (response) => response.writeHead(200, headers).write(body);

export const delta = (text, id, more = {}) => `id: ${id}\nevent: delta\ndata: ${JSON.stringify({ delta: text, ...more })}\n\n`;
export const done = (response, id, more = {}) =>
  `id: ${id}\nevent: done\ndata: ${JSON.stringify({ value: response, response, model: 'm', finish_reason: 'stop', outcome: 'complete', usage: null, ...more })}\n\ndata: [DONE]\n\n`;
export const chunk = (choice, more = {}) =>
  `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', created: 1, model: 'm', choices: [{ index: 0, delta: {}, finish_reason: null, ...choice }], ...more })}\n\n`;
export const refused = (status, type) =>
  answer(JSON.stringify({ error: { type, message: `said ${type}`, status, code: null, retryable: status === 429 } }), { 'Content-Type': 'application/json' }, status);
