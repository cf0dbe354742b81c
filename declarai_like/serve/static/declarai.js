/**
 * Streams from a declarai_like server, in browsers and in node 18 or later. No dependencies.
 *
 *     import { Client } from './declarai.js';
 *
 *     const client = new Client({ baseUrl: 'http://127.0.0.1:8000' });
 *     for await (const event of client.task('about', { movie: 'Avengers' })) {
 *       if (event.type === 'delta') output.textContent += event.delta;
 *     }
 *
 * A stream whose connection drops is taken up where it stopped, and the model is not asked again. One that cannot be
 * taken up throws: half an answer never looks like a whole one. The types are in `declarai.d.ts`.
 */

const DONE = '[DONE]';
const FIRST_DELAY = 250; // milliseconds until a dropped stream is asked for again; doubles with each failure
const LONGEST_DELAY = 4000;

/** What went wrong: `type`, `status` and `code` as the server tells them, and `response`, the text that had arrived. */
export class StreamError extends Error {
  constructor(message, { type = 'error', status = null, code = null, retryable = false, response = '', cause } = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'StreamError';
    Object.assign(this, { type, status, code, retryable, response });
  }
}

/** Text, cut anywhere, to server-sent events, by the rules of the WHATWG. It reads nothing itself. */
class Parser {
  #unended = []; // pieces of a line whose end has not come
  #afterCR = false;
  #data = [];
  #event = '';
  #id = '';
  #retry;

  /** Take the next text and give the events that it completes. */
  feed(text) {
    if (this.#afterCR && text) {
      this.#afterCR = false;
      if (text[0] === '\n') text = text.slice(1);
    }
    const lines = text.split(/\r\n|\r|\n/);
    const rest = lines.pop();
    const events = [];
    for (const line of lines) {
      const event = this.#line(this.#unended.length ? this.#unended.join('') + line : line);
      this.#unended = [];
      if (event) events.push(event);
    }
    if (rest) this.#unended.push(rest);
    if (text.endsWith('\r')) this.#afterCR = true;
    return events;
  }

  #line(line) {
    if (line === '') return this.#dispatch();
    const colon = line.indexOf(':');
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1);
    if (field === 'data') this.#data.push(value);
    else if (field === 'event') this.#event = value;
    else if (field === 'id' && !value.includes('\0')) this.#id = value;
    else if (field === 'retry' && /^[0-9]+$/.test(value)) this.#retry = Number(value);
    return null;
  }

  #dispatch() {
    const event = { event: this.#event || 'message', data: this.#data.join('\n'), id: this.#id, retry: this.#retry };
    const empty = this.#data.length === 0;
    this.#event = '';
    this.#data = [];
    return empty ? null : event;
  }
}

/**
 * Read server-sent events from a `ReadableStream` or any async iterable of bytes or strings.
 * It throws when nothing has come for `idleSeconds`: a dead connection does not say that it is dead.
 */
export async function* parseSSE(stream, { idleSeconds = Infinity } = {}) {
  const parser = new Parser();
  const decoder = new TextDecoder(); // drops a byte order mark, and keeps a character that is split between chunks
  let first = true;
  for await (const chunk of chunksOf(stream, idleSeconds)) {
    let text = typeof chunk === 'string' ? chunk : decoder.decode(chunk, { stream: true });
    if (first && text) {
      first = false;
      if (text[0] === '\uFEFF') text = text.slice(1);
    }
    yield* parser.feed(text);
  }
}

// Safari's streams are no async iterables, so they are read by a reader everywhere.
async function* chunksOf(stream, idleSeconds) {
  if (typeof stream.getReader !== 'function') {
    yield* stream;
    return;
  }
  const reader = stream.getReader();
  try {
    for (;;) {
      const { done, value } = await within(idleSeconds, reader.read());
      if (done) return;
      yield value;
    }
  } finally {
    reader.cancel().catch(() => {}); // nobody wants the rest, or there is none
  }
}

async function within(seconds, promise) {
  if (seconds === Infinity) return promise;
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`nothing has arrived for ${seconds} s`)), seconds * 1000);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const abort = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', abort);
      resolve();
    }, milliseconds);
    signal.addEventListener('abort', abort, { once: true });
  });
}

const parse = (data) => {
  try {
    return JSON.parse(data);
  } catch (cause) {
    throw new StreamError(`expected JSON, got ${data.slice(0, 80)}`, { type: 'protocol_error', cause });
  }
};

const told = ({ message = 'the server told of an error', type, status, code, retryable }, httpStatus) =>
  new StreamError(message, { type, status: status ?? httpStatus, code, retryable });

/** Reads the events of a task or chat: deltas, then one that is done, or one that waits for decisions. */
class EventReader {
  text = '';
  outcome = null;

  get finished() {
    return this.outcome !== null;
  }

  read({ event, data, id }) {
    const body = parse(data);
    if (event === 'error') throw told(body.error ?? {});
    if (event === 'done') {
      this.text = body.response ?? this.text;
      this.outcome = { type: 'done', id, ...body, finishReason: body.finish_reason ?? null };
      return this.outcome;
    }
    if (event === 'pending') return (this.outcome = { type: 'pending', id, ...body });
    if (event !== 'delta') return null; // of a later version
    this.text += body.delta;
    return { type: 'delta', id, ...body };
  }
}

/** Reads chunks in OpenAI's format, of chats and of texts. */
class ChunkReader {
  text = '';
  outcome = { response: '', model: null, finish_reason: null, finishReason: null, usage: null };
  #named = false;

  // Servers that send no [DONE] have said all with the finish reason; where events have ids, the rest can be fetched.
  get finished() {
    return this.outcome.finishReason !== null && !this.#named;
  }

  read({ event, data, id }) {
    const chunk = parse(data);
    if (event === 'error' || chunk.error) throw told(chunk.error ?? {});
    this.#named ||= id !== '';
    for (const choice of chunk.choices ?? []) {
      choice.finishReason = choice.finish_reason ?? null;
      if (choice.index) continue;
      this.text += choice.delta?.content ?? choice.text ?? '';
      const reason = choice.finishReason ?? this.outcome.finishReason;
      Object.assign(this.outcome, { finish_reason: reason, finishReason: reason });
    }
    Object.assign(this.outcome, { response: this.text, model: chunk.model ?? this.outcome.model });
    this.outcome.usage = chunk.usage ?? this.outcome.usage;
    return chunk;
  }
}

/**
 * One answer, read once: an async iterator. `result` is a promise of its end; awaiting it reads what nobody has read.
 * `abort()`, leaving the loop and the caller's `signal` all close the connection; `stop()` stops the model too.
 */
export class Stream {
  /** The id of the last event. `{ resume: stream.lastEventId }` asks for what comes after it. */
  lastEventId;

  #open;
  #tellServer;
  #newName; // what this stream will be called by its server
  #name = null; // what it is called, once it was asked for
  #ended = false;
  #reader;
  #retries;
  #idleSeconds;
  #controller = new AbortController();
  #steps;
  #begun = false;
  #result;
  #settle;

  constructor(open, tellServer, reader, { signal, resume = null, retries = 5, idleSeconds = 60 } = {}, newName = null) {
    this.lastEventId = resume;
    this.#newName = resume ? null : newName;
    this.#open = open;
    this.#tellServer = tellServer;
    this.#reader = reader;
    this.#retries = retries;
    this.#idleSeconds = idleSeconds;
    this.#result = new Promise((resolve, reject) => (this.#settle = { resolve, reject }));
    this.#result.catch(() => {}); // the loop throws the same
    this.#steps = this.#read(signal);
  }

  /** The text so far, of what this stream has read. */
  get response() {
    return this.#reader.text;
  }

  /** `{ resume: stream.start }` asks for all of this stream again, from its first event; null until it was asked for. */
  get start() {
    return this.lastEventId?.replace(/-\d+$/, '-0') ?? (this.#name && `${this.#name}-0`);
  }

  /** How the answer ended. Rejects with what the loop throws. */
  get result() {
    if (!this.#begun) this.#drain();
    return this.#result;
  }

  /** Close the connection; the server keeps the answer for a while. A loop that is waiting throws `reason`. */
  abort(reason = new DOMException('the stream was aborted', 'AbortError')) {
    this.#controller.abort(reason);
    this.#settle.reject(reason);
  }

  /** Do what `abort` does, and tell the server that nobody will come back: the model stops at once. */
  stop() {
    if (this.#name && !this.#ended) this.#tellServer(this.#name);
    this.#name = null;
    this.abort();
  }

  next() {
    this.#begun = true;
    return this.#steps.next();
  }

  return(value) {
    this.abort();
    return this.#steps.return(value);
  }

  [Symbol.asyncIterator]() {
    return this;
  }

  async #drain() {
    try {
      while (!(await this.next()).done);
    } catch {
      // the result says it
    }
  }

  async *#read(outer) {
    const { signal } = this.#controller;
    const abort = () => this.abort(outer.reason);
    outer?.addEventListener('abort', abort, { once: true });
    try {
      if (outer?.aborted) abort();
      signal.throwIfAborted();
      yield* this.#attempts(signal);
      this.#end(this.#reader.outcome);
    } catch (error) {
      if (error instanceof StreamError) error.response = this.response;
      this.#settle.reject(error);
      throw error;
    } finally {
      this.#ended = true;
      outer?.removeEventListener('abort', abort);
    }
  }

  // A loop is shown what waits; who awaits the result has no value then.
  #end(outcome) {
    if (outcome.type !== 'pending') return this.#settle.resolve(outcome);
    const error = new StreamError('tool calls wait for decisions', { type: 'pending', response: this.response });
    return this.#settle.reject(Object.assign(error, { pending: outcome }));
  }

  /** Read one connection after the other until the answer has ended. */
  async *#attempts(signal) {
    for (let failures = 0, delay = FIRST_DELAY; ; failures++) {
      let cause;
      try {
        for await (const event of this.#events(signal)) {
          failures = 0;
          delay = event.retry ?? FIRST_DELAY;
          if (event.id) this.lastEventId = event.id;
          if (event.data === DONE) return;
          const item = this.#reader.read(event);
          if (item) yield item;
        }
      } catch (error) {
        signal.throwIfAborted();
        if (error instanceof StreamError) throw error;
        cause = error;
      }
      if (this.#reader.finished) return;
      if (!this.lastEventId || failures >= this.#retries) throw this.#interrupted(cause);
      await pause(Math.min(delay * 2 ** failures, LONGEST_DELAY), signal);
    }
  }

  async *#events(signal) {
    this.#name ??= this.#newName;
    const reply = await this.#connect(signal);
    this.#name = reply.headers.get('X-Stream-Id'); // a server may have no names, or its own
    if (this.#name) this.lastEventId ??= `${this.#name}-0`;
    yield* parseSSE(reply.body, { idleSeconds: this.#idleSeconds });
  }

  // What may pass is tried again when a stream is taken up, and only then: the first request may have asked the model.
  async #connect(signal) {
    try {
      return await this.#open(this.lastEventId, signal, this.#newName);
    } catch (error) {
      if (this.lastEventId && error.retryable) throw new Error(error.message, { cause: error });
      throw error;
    }
  }

  #interrupted(cause) {
    const message = 'the stream broke off before the answer had ended';
    return new StreamError(message, { type: 'stream_interrupted', retryable: true, cause });
  }
}

/** One conversation with a chat. The server keeps what was said. */
export class Chat {
  #client;
  #path;

  constructor(client, name, session) {
    this.name = name;
    this.session = session;
    this.#client = client;
    this.#path = `chats/${encodeURIComponent(name)}/${encodeURIComponent(session)}`;
  }

  /**
   * Say something; `values` fill the system prompt. Gives a `Stream` of events, as `Client.task` does. While tool calls of
   * the last turn wait it is refused, unless `pending` is `'deny'`.
   */
  send(message, { values, files, pending, frames, ...options } = {}) {
    const body = { message, ...(values !== undefined && { values }), ...(files?.length && { files }), ...(pending && { pending }) };
    return this.#client.stream(withFrames(`${this.#path}/messages`, frames), body, new EventReader(), options);
  }

  /** What was said: `[{ role, content }]`. */
  async history({ signal } = {}) {
    return (await this.#client.json('GET', this.#path, { signal })).messages;
  }

  /** Make the server forget this conversation. */
  async forget({ signal } = {}) {
    await this.#client.json('DELETE', this.#path, { signal });
  }
}

/**
 * A server. `baseUrl` is its address (in a browser `''` is the page's own), `token` the one it was given, `fetch`
 * another transport, `retries` how often in a row a dropped stream is asked for, `idleSeconds` the longest silence.
 */
export class Client {
  #baseUrl;
  #token;
  #fetch;
  #defaults;

  constructor({ baseUrl = '', token = null, fetch = (...args) => globalThis.fetch(...args), ...defaults } = {}) {
    this.#baseUrl = String(baseUrl).replace(/\/+$/, '');
    this.#token = token;
    this.#fetch = fetch;
    this.#defaults = defaults;
  }

  /** The names that `model` may have: `[{ id, ... }]`. */
  async models({ signal } = {}) {
    return (await this.json('GET', 'v1/models', { signal })).data;
  }

  /** What can be asked: `[{ name, streaming, parameters, returns }]`, the last two as JSON Schema. */
  tasks({ signal } = {}) {
    return this.json('GET', 'tasks', { signal });
  }

  /** Who can be talked to: `[{ name, greeting, values }]`. */
  chats({ signal } = {}) {
    return this.json('GET', 'chats', { signal });
  }

  /**
   * Call a task with an object of arguments. Gives a `Stream` of `{ type: 'delta', delta }` and, at the end,
   * `{ type: 'done', value, response, outcome, usage, ... }`. `frames` adds to the deltas: 'partial', 'cumulative', 'raw'.
   * If tool calls wait, the end is `{ type: 'pending', run, round, kind, pending }`, and `result` rejects: `decide` goes on.
   */
  task(name, args = {}, { frames, ...options } = {}) {
    return this.stream(withFrames(`tasks/${encodeURIComponent(name)}`, frames), args, new EventReader(), options);
  }

  /**
   * Decide about tool calls that wait: `waiting` is the event that told of them, `decisions` are by the calls' ids: `true`,
   * `false`, `{ approve: newArguments }`, `{ deny: reason }`, `{ provide: value }`, `{ answer: [...] }` or `{ rerun: true }`.
   * Gives the rest of the answer, as `task` does. To send it twice does nothing twice.
   */
  decide(waiting, decisions, { frames, ...options } = {}) {
    const path = withFrames(`runs/${encodeURIComponent(waiting.run)}/decisions`, frames);
    return this.stream(path, { round: waiting.round, decisions }, new EventReader(), options);
  }

  /** A conversation with a chat, by its id: 1 to 64 letters, digits, `_` and `-`. Who knows it can read it. */
  chat(name, session) {
    return new Chat(this, name, session);
  }

  /** Stream a chat completion in OpenAI's format. Names of parameters may be camelCase. */
  chatCompletionStream(params, options) {
    return this.stream('v1/chat/completions', wire({ ...params, stream: true }), new ChunkReader(), options);
  }

  /** Stream a text completion in OpenAI's format. */
  completionStream(params, options) {
    return this.stream('v1/completions', wire({ ...params, stream: true }), new ChunkReader(), options);
  }

  /** @internal */
  stream(path, body, reader, options) {
    const open = async (lastEventId, signal, name) => {
      const place = lastEventId ? { 'Last-Event-ID': lastEventId } : name && { 'X-Stream-Id': name };
      const headers = { Accept: 'text/event-stream', ...place };
      const reply = await this.#request('POST', path, { body, headers, signal });
      const type = reply.headers.get('Content-Type') ?? 'nothing';
      if (type.startsWith('text/event-stream')) return reply;
      reply.body?.cancel().catch(() => {});
      throw new StreamError(`expected an event stream, got ${type}`, { type: 'protocol_error', status: reply.status });
    };
    const tellServer = (name) => {
      this.#request('DELETE', `streams/${encodeURIComponent(name)}`, { headers: {}, keepalive: true }).catch(() => {});
    };
    const name = path.startsWith('v1/') ? null : newName(); // servers of OpenAI's format may refuse the header
    return new Stream(open, tellServer, reader, { ...this.#defaults, ...options }, name);
  }

  /** @internal */
  async json(method, path, { signal } = {}) {
    const reply = await this.#request(method, path, { headers: { Accept: 'application/json' }, signal });
    const text = await reply.text();
    return text ? parse(text) : null;
  }

  async #request(method, path, { body, headers, signal, keepalive }) {
    if (this.#token) headers.Authorization = `Bearer ${this.#token}`;
    const form = formOf(body);
    if (body !== undefined && !form) headers['Content-Type'] = 'application/json';
    let reply;
    try {
      reply = await this.#fetch(`${this.#baseUrl}/${path}`, { method, headers, signal, keepalive, body: form ?? JSON.stringify(body) });
    } catch (cause) {
      signal?.throwIfAborted();
      throw new StreamError('the server cannot be reached', { type: 'connection_error', retryable: true, cause });
    }
    if (reply.ok) return reply;
    throw await refusal(reply);
  }
}

/** Nobody can guess it. Without `crypto` (node 18) the server gives the name. */
const newName = () =>
  globalThis.crypto ? Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('') : null;

const isFile = (value) => typeof Blob !== 'undefined' && value instanceof Blob;

/** A body that has files as a form: each file under its name, texts as they are, other values as JSON; else `null`. */
function formOf(body) {
  const fields = Object.entries(body ?? {});
  if (!fields.some(([, value]) => [value].flat().some(isFile))) return null;
  const form = new FormData();
  for (const [name, value] of fields) {
    if (value === undefined) continue;
    const files = [value].flat();
    if (files.some(isFile)) files.forEach((file) => form.append(name, file, file.name ?? name));
    else form.append(name, typeof value === 'string' ? value : JSON.stringify(value));
  }
  return form;
}

async function refusal(reply) {
  const text = await reply.text().catch(() => '');
  try {
    return told(JSON.parse(text).error, reply.status);
  } catch {
    const retryable = reply.status === 429 || reply.status >= 500; // a proxy's page, not the server's word
    return new StreamError(`the server answered ${reply.status}`, { type: 'http_error', status: reply.status, retryable });
  }
}

const withFrames = (path, frames = []) => (frames.length ? `${path}?frames=${frames.join(',')}` : path);

const snake = (name) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
const snakeKeys = (object) => Object.fromEntries(Object.entries(object).map(([name, value]) => [snake(name), value]));

/** Parameters as they are sent: only their own names are changed, never names inside the caller's data. */
function wire(params) {
  const body = snakeKeys(params);
  if (body.stream_options) body.stream_options = snakeKeys(body.stream_options);
  return body;
}
