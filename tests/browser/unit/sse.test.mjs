import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseSSE } from '../../../declarai_like/serve/static/declarai.js';

const collect = async (stream, options) => {
  const events = [];
  for await (const event of parseSSE(stream, options)) events.push(event);
  return events;
};
const bytes = (text) => new TextEncoder().encode(text);
const data = async (...chunks) => (await collect(ReadableStream.from(chunks.map(bytes)))).map((event) => event.data);

const BODY = [
  '\uFEFF: a comment\n',
  'id: s-1\nevent: delta\ndata: Grüße 👋\n\n',
  'id: s-2\r\n: ping\r\ndata: two\r\ndata:  lines\r\n\r\n',
  'data\r\rdata:\r\r',
  'retry: 20\nid\ndata:x\nunknown: y\n\n',
  'data: never ended\n',
].join('');
const EVENTS = [
  { event: 'delta', data: 'Grüße 👋', id: 's-1', retry: undefined },
  { event: 'message', data: 'two\n lines', id: 's-2', retry: undefined },
  { event: 'message', data: '', id: 's-2', retry: undefined },
  { event: 'message', data: '', id: 's-2', retry: undefined },
  { event: 'message', data: 'x', id: '', retry: 20 },
];

test('a body cut at any byte gives the same events', async () => {
  const whole = bytes(BODY);
  for (let at = 0; at <= whole.length; at++) {
    assert.deepEqual(await collect(ReadableStream.from([whole.slice(0, at), whole.slice(at)])), EVENTS, `cut at ${at}`);
  }
});

test('a body that comes byte by byte gives the same events', async () => {
  assert.deepEqual(await collect(ReadableStream.from(Array.from(bytes(BODY), (byte) => Uint8Array.of(byte)))), EVENTS);
});

test('strings are taken as bytes are', async () => {
  assert.deepEqual(await collect(ReadableStream.from(Array.from(BODY))), EVENTS);
});

test('an event is given when its blank line has come, although a line feed may follow', async () => {
  const body = new TransformStream();
  const writer = body.writable.getWriter();
  const events = parseSSE(body.readable);
  writer.write(bytes('data: 1\r\n\r'));
  assert.equal((await events.next()).value.data, '1');
  writer.write(bytes('\ndata: 2\r\n\r\n'));
  assert.equal((await events.next()).value.data, '2');
});

test('an event without data is none', async () => {
  assert.deepEqual(await data('event: delta\nid: 1\n\ndata: 1\n\n'), ['1']);
});

test('an id with a null character is ignored', async () => {
  const [event] = await collect(ReadableStream.from([bytes('id: 1\nid: 2\0\ndata: x\n\n')]));
  assert.equal(event.id, '1');
});

test('separators of JavaScript that are none in SSE do not end a line', async () => {
  assert.deepEqual(await data('data: a\u2028b\u0085c\n\n'), ['a\u2028b\u0085c']);
});

test('only one byte order mark is dropped', async () => {
  const body = '\uFEFFdata: 1\n\n\uFEFFdata: 2\n\n';
  assert.deepEqual(await data(body), ['1']);
  assert.deepEqual((await collect(ReadableStream.from(body))).map((event) => event.data), ['1']);
});

test('silence ends in an error, and the stream is cancelled', async () => {
  let cancelled = false;
  const silent = new ReadableStream({ cancel: () => (cancelled = true) });
  await assert.rejects(collect(silent, { idleSeconds: 0.01 }), /nothing has arrived for 0.01 s/);
  assert.ok(cancelled);
});

test('a reader who leaves cancels the stream', async () => {
  let cancelled = false;
  const body = new ReadableStream({ pull: (to) => to.enqueue(bytes('data: 1\n\n')), cancel: () => (cancelled = true) });
  for await (const event of parseSSE(body)) if (event) break;
  assert.ok(cancelled);
});

test('a long line in many chunks is read in linear time', async () => {
  const piece = bytes('x'.repeat(1000));
  const time = async (count) => {
    const start = performance.now();
    const chunks = [bytes('data: '), ...Array(count).fill(piece), bytes('\n\n')];
    assert.equal((await collect(ReadableStream.from(chunks)))[0].data.length, 1000 * count);
    return performance.now() - start;
  };
  await time(1000);
  const once = await time(2000);
  assert.ok((await time(16000)) < 40 * once, 'eight times the length took more than forty times as long');
});
