import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { inspect } from 'node:util';
import { Client, StreamError } from '../../../declarai_like/serve/static/declarai.js';
import { SSE, answer, chunk, delta, done, drop, hang, refused, serving } from './server.mjs';

const all = async (stream) => {
  const items = [];
  for await (const item of stream) items.push(item);
  return items;
};
const MESSAGES = [{ role: 'user', content: 'Tell me a story about a robot' }];
const JSON_TYPE = { 'Content-Type': 'application/json' };

test('a chat completion streams as the seed page shows it', async (t) => {
  const body = chunk({ delta: { role: 'assistant', content: '' } }) + chunk({ delta: { content: 'Once' } });
  const end = chunk({ finish_reason: 'stop' }) + chunk({}, { choices: [], usage: { total_tokens: 9 } }) + 'data: [DONE]\n\n';
  const { client, requests } = await serving(t, [answer(body + end)]);
  let text = '';
  let reason;
  const stream = client.chatCompletionStream({ model: 'llama-3.1-8b', messages: MESSAGES, maxTokens: 500 });
  for await (const item of stream) {
    const content = item.choices[0]?.delta?.content;
    if (content) text += content;
    if (item.choices[0]?.finishReason) reason = item.choices[0].finishReason;
  }
  assert.equal(text, 'Once');
  assert.equal(reason, 'stop');
  assert.deepEqual(requests[0].body, { model: 'llama-3.1-8b', messages: MESSAGES, max_tokens: 500, stream: true });
  assert.deepEqual(await stream.result, {
    response: 'Once', model: 'm', finish_reason: 'stop', finishReason: 'stop', usage: { total_tokens: 9 },
  });
});

test('a text completion streams as the seed page shows it', async (t) => {
  const piece = (text, reason = null) => `data: ${JSON.stringify({ choices: [{ index: 0, text, finish_reason: reason }] })}\n\n`;
  const { client, requests } = await serving(t, [answer(piece('Once ') + piece('upon', 'length') + 'data: [DONE]\n\n')]);
  let text = '';
  for await (const item of client.completionStream({ prompt: 'Story:', model: 'm', maxTokens: 200 })) text += item.choices[0].text;
  assert.equal(text, 'Once upon');
  assert.equal(requests[0].url, '/v1/completions');
});

test('only names of parameters are rewritten, not the data in them', async (t) => {
  const { client, requests } = await serving(t, [answer('data: [DONE]\n\n')]);
  const tools = [{ parameters: { maxItems: 1 } }];
  await client.chatCompletionStream({ model: 'm', messages: [], streamOptions: { includeUsage: true }, tools }).result;
  assert.deepEqual(requests[0].body, { model: 'm', messages: [], stream: true, stream_options: { include_usage: true }, tools });
});

test('a server that says no [DONE] has said all with the finish reason', async (t) => {
  const { client } = await serving(t, [answer(chunk({ delta: { content: 'Hi' }, finish_reason: 'stop' }))]);
  assert.equal((await client.chatCompletionStream({ model: 'm', messages: MESSAGES }).result).response, 'Hi');
});

test('where events have ids, the end after the finish reason is fetched', async (t) => {
  const usage = 'id: s-2\n' + chunk({}, { choices: [], usage: { total_tokens: 3 } }) + 'data: [DONE]\n\n';
  const first = 'retry: 1\nid: s-1\n' + chunk({ delta: { content: 'Hi' }, finish_reason: 'stop' });
  const { client } = await serving(t, [drop(first), answer(usage)]);
  assert.deepEqual((await client.chatCompletionStream({ model: 'm', messages: MESSAGES }).result).usage, { total_tokens: 3 });
});

test('a task gives deltas and then its value', async (t) => {
  const body = delta('[1', 's-1', { parsed: [1] }) + delta(', 2]', 's-2') + done('[1, 2]', 's-3', { value: [1, 2] });
  const { client, requests } = await serving(t, [answer(body)], { token: 'open sesame' });
  const stream = client.task('a/b', { of: 'x' }, { frames: ['partial', 'raw'] });
  const events = await all(stream);
  assert.deepEqual(events.slice(0, 2), [
    { type: 'delta', id: 's-1', delta: '[1', parsed: [1] },
    { type: 'delta', id: 's-2', delta: ', 2]' },
  ]);
  assert.deepEqual(events[2].value, [1, 2]);
  assert.equal(events[2].finishReason, 'stop');
  assert.equal(await stream.result, events[2]);
  assert.equal(stream.response, '[1, 2]');
  const { method, url, headers, body: sent } = requests[0];
  assert.deepEqual([method, url, sent], ['POST', '/tasks/a%2Fb?frames=partial,raw', { of: 'x' }]);
  assert.equal(headers.authorization, 'Bearer open sesame');
  assert.equal(headers.accept, 'text/event-stream');
});

test('the result alone reads the stream', async (t) => {
  const { client } = await serving(t, [answer(delta('Hi', 's-1') + done('Hi', 's-2'))]);
  assert.equal((await client.task('a').result).value, 'Hi');
});

test('a stream that nobody reads asks nothing', async (t) => {
  const { client, requests } = await serving(t, []);
  client.task('a');
  await new Promise(setImmediate);
  assert.equal(requests.length, 0);
});

test('events of a later version are passed over', async (t) => {
  const { client } = await serving(t, [answer('event: thought\ndata: {}\n\n' + done('Hi', 's-1'))]);
  assert.equal((await all(client.task('a'))).length, 1);
});

test('a dropped stream goes on where it stopped, with the same request', async (t) => {
  const { client, requests } = await serving(t, [
    drop('retry: 1\n' + delta('Hel', 's-1') + delta('lo ', 's-2') + 'id: s-3\nevent: delta\ndata: {"del'),
    drop(delta('wor', 's-3')),
    answer(delta('ld', 's-4') + done('Hello world', 's-5')),
  ]);
  const stream = client.task('a', { x: 1 });
  const text = (await all(stream)).map((event) => event.delta ?? '').join('');
  assert.equal(text, 'Hello world');
  assert.deepEqual(requests.map(({ headers }) => headers['last-event-id']), [undefined, 's-2', 's-3']);
  assert.deepEqual(requests.map(({ body }) => body), [{ x: 1 }, { x: 1 }, { x: 1 }]);
  assert.equal(stream.lastEventId, 's-5');
  assert.equal(stream.start, 's-0');
});

test('a stream that drops before its first event goes on by the name in the header', async (t) => {
  const { client, requests } = await serving(t, [
    drop('retry: 1\n: ping\n', { ...SSE, 'X-Stream-Id': 'a-1' }),
    answer(done('Hi', 'a-1-1')),
  ]);
  assert.equal((await client.task('a').result).value, 'Hi');
  assert.equal(requests[1].headers['last-event-id'], 'a-1-0');
});

test('a stream is named by its client, so that it can be taken up before anything has come', async (t) => {
  const { client, requests } = await serving(t, [() => {}, answer(done('Hi', 's-1'))]);
  const stream = client.task('a');
  assert.equal(stream.start, null, 'it was not asked for');
  const waiting = stream.next().catch((error) => error.name);
  while (!requests.length) await new Promise((resolve) => setTimeout(resolve, 5));
  const name = requests[0].headers['x-stream-id'];
  assert.match(name, /^[0-9a-f]{32}$/);
  assert.equal(stream.start, `${name}-0`);
  stream.abort();
  assert.equal(await waiting, 'AbortError');
  await client.task('a', {}, { resume: stream.start }).result;
  assert.deepEqual([requests[1].headers['last-event-id'], requests[1].headers['x-stream-id']], [`${name}-0`, undefined]);
});

test('a stream in the format of OpenAI is not named: their servers may refuse the header', async (t) => {
  const { client, requests } = await serving(t, [answer(chunk({ finish_reason: 'stop' }) + 'data: [DONE]\n\n')]);
  const stream = client.chatCompletionStream({ model: 'm', messages: MESSAGES });
  await stream.result;
  assert.deepEqual([requests[0].headers['x-stream-id'], stream.start], [undefined, null]);
});

test('a stream can be taken up by another reader', async (t) => {
  const { client, requests } = await serving(t, [answer(delta('lo', 's-2') + done('Hello', 's-3'))]);
  const stream = client.task('a', {}, { resume: 's-1' });
  assert.equal((await stream.result).response, 'Hello');
  assert.equal(stream.response, 'Hello');
  assert.equal(requests[0].headers['last-event-id'], 's-1');
});

test('a stream without ids is not asked for again, and throws', async (t) => {
  const { client, requests } = await serving(t, [drop(chunk({ delta: { content: 'Half' } }))]);
  const error = await client.chatCompletionStream({ model: 'm', messages: MESSAGES }).result.catch((caught) => caught);
  assert.ok(error instanceof StreamError);
  assert.deepEqual([error.type, error.response, requests.length], ['stream_interrupted', 'Half', 1]);
});

test('an end in good order that comes too early throws as well', async (t) => {
  const { client } = await serving(t, [answer(chunk({ delta: { content: 'Half' } }))]);
  await assert.rejects(all(client.chatCompletionStream({ model: 'm', messages: MESSAGES })), { type: 'stream_interrupted' });
});

test('tries are counted anew when something has come', async (t) => {
  const drops = [1, 2, 3, 4].map((n) => drop('retry: 1\n' + delta(String(n), `s-${n}`)));
  const { client } = await serving(t, [...drops, answer(done('1234', 's-5'))], { retries: 1 });
  assert.equal((await client.task('a').result).value, '1234');
});

test('the server tells how long to wait', async (t) => {
  const { client } = await serving(t, [drop('retry: 500\n' + delta('Hi', 's-1')), answer(done('Hi', 's-2'))]);
  const start = performance.now();
  await client.task('a').result;
  assert.ok(performance.now() - start >= 490);
});

test('tries are counted while nothing new comes', async (t) => {
  const first = drop('retry: 1\n' + delta('Half', 's-1'));
  const { client, requests } = await serving(t, [first, drop(': ping\n'), drop(''), answer('')], { retries: 2 });
  await assert.rejects(client.task('a').result, { type: 'stream_interrupted', response: 'Half', retryable: true });
  assert.equal(requests.length, 3);
});

test("a proxy's failure while a stream is taken up is passing", async (t) => {
  const { client } = await serving(t, [
    drop('retry: 1\n' + delta('Hel', 's-1')),
    answer('<h1>Bad gateway</h1>', { 'Content-Type': 'text/html' }, 502),
    refused(429, 'too_many_requests'),
    answer(delta('lo', 's-2') + done('Hello', 's-3')),
  ]);
  assert.equal((await client.task('a').result).value, 'Hello');
});

test('a stream that is gone throws what the server says', async (t) => {
  const { client, requests } = await serving(t, [drop('retry: 1\n' + delta('Half', 's-1')), refused(410, 'stream_gone')]);
  const expected = { name: 'StreamError', type: 'stream_gone', status: 410, message: 'said stream_gone', response: 'Half' };
  await assert.rejects(client.task('a').result, expected);
  assert.equal(requests.length, 2);
});

test('silence counts as a drop', async (t) => {
  const { client, requests } = await serving(
    t,
    [hang('retry: 1\n' + delta('Hel', 's-1')), answer(delta('lo', 's-2') + done('Hello', 's-3'))],
    { idleSeconds: 0.05 },
  );
  assert.equal((await client.task('a').result).value, 'Hello');
  assert.equal(requests[1].headers['last-event-id'], 's-1');
});

test('an error event throws and is not asked about again', async (t) => {
  const error = { type: 'rate_limited', message: 'slow down', status: 429, code: 'x', retryable: true };
  const body = delta('Half', 's-1') + `id: s-2\nevent: error\ndata: ${JSON.stringify({ error })}\n\n`;
  const { client, requests } = await serving(t, [answer(body)]);
  await assert.rejects(all(client.task('a')), { ...error, response: 'Half' });
  assert.equal(requests.length, 1);
});

test('an error within a stream of chunks throws', async (t) => {
  const { client } = await serving(t, [answer('data: {"error": {"message": "overloaded", "type": "server_error"}}\n\n')]);
  await assert.rejects(all(client.chatCompletionStream({ model: 'm', messages: [] })), { message: 'overloaded', type: 'server_error' });
});

test('a refused request throws what the server says, and is not sent again', async (t) => {
  const { client, requests } = await serving(t, [refused(422, 'invalid_arguments')]);
  await assert.rejects(all(client.task('a')), { type: 'invalid_arguments', status: 422, retryable: false });
  assert.equal(requests.length, 1);
});

test('what is no event stream is no answer', async (t) => {
  const { client } = await serving(t, [answer('{}', JSON_TYPE)]);
  await assert.rejects(all(client.task('a')), { type: 'protocol_error', message: 'expected an event stream, got application/json' });
});

test('data that is no JSON is an error', async (t) => {
  const { client } = await serving(t, [answer('event: delta\ndata: {oops\n\n')]);
  await assert.rejects(all(client.task('a')), { type: 'protocol_error', message: 'expected JSON, got {oops' });
});

test('a server that cannot be reached is an error of its own', async () => {
  const client = new Client({ baseUrl: 'http://127.0.0.1:9' });
  await assert.rejects(client.tasks(), { type: 'connection_error', status: null, retryable: true });
  await assert.rejects(all(client.task('a')), { type: 'connection_error' });
});

test('leaving the loop closes the connection', async (t) => {
  const { client, requests } = await serving(t, [hang(delta('Hi', 's-1'))]);
  const stream = client.task('a');
  for await (const event of stream) if (event.delta) break;
  await requests[0].closed;
  await assert.rejects(stream.result, { name: 'AbortError' });
});

test('abort ends a waiting loop and closes the connection', async (t) => {
  const { client, requests } = await serving(t, [hang(delta('Hi', 's-1'))]);
  const stream = client.task('a');
  await stream.next();
  const waiting = stream.next();
  stream.abort();
  await assert.rejects(waiting, { name: 'AbortError' });
  await requests[0].closed;
  assert.equal(stream.response, 'Hi');
});

test('stop tells a server that names its streams, once, and not after the end', async (t) => {
  const named = { ...SSE, 'X-Stream-Id': 's' };
  const nothing = (response) => response.writeHead(204).end();
  const { client, requests } = await serving(t, [hang(delta('Hi', 's-1'), named), nothing, answer(done('Hi', 's-1'), named)], {
    token: 't',
  });
  const stream = client.task('a');
  await stream.next();
  const waiting = stream.next();
  stream.stop();
  stream.stop();
  await assert.rejects(waiting, { name: 'AbortError' });
  while (requests.length < 2) await pause(5);
  const { method, url, headers } = requests[1];
  assert.deepEqual([method, url, headers.authorization], ['DELETE', '/streams/s', 'Bearer t']);
  const ended = client.task('a');
  await ended.result;
  ended.stop();
  await pause(50);
  assert.equal(requests.length, 3);
});

test("the caller's signal ends the stream with its reason", async (t) => {
  const { client, requests } = await serving(t, [hang(delta('Hi', 's-1'))]);
  const controller = new AbortController();
  const stream = client.task('a', {}, { signal: controller.signal });
  await stream.next();
  const waiting = stream.next();
  controller.abort(new Error('enough'));
  await assert.rejects(waiting, { message: 'enough' });
  await requests[0].closed;
});

test('a signal that is aborted already lets nothing be sent', async (t) => {
  const { client, requests } = await serving(t, []);
  await assert.rejects(all(client.task('a', {}, { signal: AbortSignal.abort() })), { name: 'AbortError' });
  assert.equal(requests.length, 0);
});

test('abort ends the pause between two tries', async (t) => {
  const { client } = await serving(t, [drop('retry: 60000\n' + delta('Hi', 's-1'))]);
  const stream = client.task('a');
  await stream.next();
  const waiting = stream.next();
  setTimeout(() => stream.abort(), 60);
  const start = performance.now();
  await assert.rejects(waiting, { name: 'AbortError' });
  assert.ok(performance.now() - start < 2000);
});

test('the end is not waited for once all has been said', async (t) => {
  const { client, requests } = await serving(t, [hang(done('Hi', 's-1'))]);
  assert.equal((await client.task('a').result).value, 'Hi');
  await requests[0].closed;
});

test('of several choices the first is the text', async (t) => {
  const body = chunk({ delta: { content: 'one' } }) + chunk({ index: 1, delta: { content: 'two' } }) + chunk({ finish_reason: 'stop' });
  const { client } = await serving(t, [answer(`${body}data: [DONE]\n\n`)]);
  assert.equal((await client.chatCompletionStream({ model: 'm', messages: [], n: 2 }).result).response, 'one');
});

test('a chat sends, tells what was said, and forgets', async (t) => {
  const history = [{ role: 'user', content: 'Hello' }];
  const { client, requests } = await serving(t, [
    answer(done('Hi', 's-1')),
    answer(done('Hi', 's-1')),
    answer(JSON.stringify({ messages: history }), JSON_TYPE),
    (response) => response.writeHead(204).end(),
  ]);
  const chat = client.chat('Support', 'a_1');
  await chat.send('Hello', { values: { product: 'P' }, frames: ['raw'] }).result;
  await chat.send('Bye').result;
  assert.deepEqual(await chat.history(), history);
  assert.equal(await chat.forget(), undefined);
  assert.deepEqual(requests.map(({ method, url, body }) => [method, url, body]), [
    ['POST', '/chats/Support/a_1/messages?frames=raw', { message: 'Hello', values: { product: 'P' } }],
    ['POST', '/chats/Support/a_1/messages', { message: 'Bye' }],
    ['GET', '/chats/Support/a_1', ''],
    ['DELETE', '/chats/Support/a_1', ''],
  ]);
});

test('what is served can be listed', async (t) => {
  const list = [{ name: 'a' }];
  const { client, requests } = await serving(t, [
    answer(JSON.stringify(list), JSON_TYPE),
    answer(JSON.stringify(list), JSON_TYPE),
    answer(JSON.stringify({ object: 'list', data: list }), JSON_TYPE),
  ]);
  assert.deepEqual([await client.tasks(), await client.chats(), await client.models()], [list, list, list]);
  assert.deepEqual(requests.map(({ url }) => url), ['/tasks', '/chats', '/v1/models']);
});

test('a token shows nowhere', () => {
  const client = new Client({ baseUrl: 'http://127.0.0.1:9/', token: 'canary' });
  assert.doesNotMatch(inspect(client, { depth: 9, showHidden: true }) + JSON.stringify(client), /canary/);
});

const parts = ({ headers, body }) => {
  const [, boundary] = headers['content-type'].match(/boundary=(.*)$/);
  return body.split(`--${boundary}`).slice(1, -1).map((part) => {
    const [head, value] = part.trim().split('\r\n\r\n');
    return [head.match(/name="([^"]*)"/)[1], head.match(/filename="([^"]*)"/)?.[1], value];
  });
};

test('files are sent as a form: texts as they are, other values as JSON', async (t) => {
  const { client, requests } = await serving(t, [answer(done('A cat', 's-1')), answer(done('Two', 's-1'))]);
  const photo = new File(['GIF89a'], 'cat.gif', { type: 'image/gif' });
  await client.task('caption', { photo, style: 'warm', words: 3, skip: undefined }).result;
  assert.deepEqual(parts(requests[0]), [['photo', 'cat.gif', 'GIF89a'], ['style', undefined, 'warm'], ['words', undefined, '3']]);
  await client.chat('Bot', 's').send('These?', { values: { mood: 'kind' }, files: [photo, new Blob(['hi'])] }).result;
  assert.deepEqual(parts(requests[1]), [
    ['message', undefined, 'These?'], ['values', undefined, '{"mood":"kind"}'], ['files', 'cat.gif', 'GIF89a'], ['files', 'files', 'hi'],
  ]);
});

test('a form whose stream drops is sent again with its files', async (t) => {
  const { client, requests } = await serving(t, [drop('retry: 1\n' + delta('A ', 's-1')), answer(delta('cat', 's-2') + done('A cat', 's-3'))]);
  assert.equal((await client.task('caption', { photo: new Blob(['GIF89a']) }).result).response, 'A cat');
  assert.equal(requests[1].headers['last-event-id'], 's-1');
  assert.deepEqual(parts(requests[1]), parts(requests[0]));
});

test('no files are no form', async (t) => {
  const { client, requests } = await serving(t, [answer(done('Hi', 's-1'))]);
  await client.chat('Bot', 's').send('Hello', { files: [] }).result;
  assert.deepEqual(requests[0].body, { message: 'Hello' });
});
