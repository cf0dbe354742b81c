/** The page: choose a task or a chat, fill in its arguments, and watch the answer arrive. */

import { cardsOf, titleOf } from './decisions.js';
import { Client } from './declarai.js';
import { fieldsOf, fileField, make, signature } from './fields.js';
import { Wire } from './wire.js';

const byId = (id) => document.getElementById(id);
const server = new URL('..', import.meta.url); // this module is at static/page.js, wherever the app is mounted
const kept = (key) => JSON.parse(sessionStorage.getItem(`declarai:${key}`) ?? 'null');

function keep(key, value) {
  try {
    if (value === null) sessionStorage.removeItem(`declarai:${key}`);
    else sessionStorage.setItem(`declarai:${key}`, JSON.stringify(value));
  } catch {
    // the store is full: a reload will not find this, and nothing else depends on it
  }
}

const wire = new Wire();
let client;
let served = { tasks: [], chats: [] };
let current = null; // { kind, info, fields, chat? }: what is chosen
let running = null; // { stream, ask }: what is being answered

const hash = (kind, name) => `#/${kind}/${encodeURIComponent(name)}`;
const show = (id, shown) => (byId(id).hidden = !shown);

function notice(message) {
  show('notice', Boolean(message));
  byId('notice').textContent = message ?? '';
}

// ---------------------------------------------------------------------------------------------- what there is to ask

async function connect() {
  client = new Client({ baseUrl: server, token: kept('token') });
  try {
    const [tasks, chats] = await Promise.all([client.tasks(), client.chats()]);
    served = { tasks, chats };
  } catch (error) {
    show('login', error.status === 401);
    show('work', false);
    notice(error.status === 401 && !kept('token') ? null : error.message);
    if (error.status === 401) byId('token').focus();
    return;
  }
  notice(null);
  show('login', false);
  byId('menu').replaceChildren(...menuPart('Tasks', 'tasks'), ...menuPart('Chats', 'chats'));
  await choose();
  await takeUp();
}

function menuPart(title, kind) {
  if (!served[kind].length) return [];
  const links = served[kind].map(({ name }) => make('li', {}, make('a', { href: hash(kind, name) }, name)));
  return [make('h2', {}, title), make('ul', { 'aria-label': title }, ...links)];
}

/** Show what the address names, or the first there is. */
async function choose() {
  const [, kind, name] = location.hash.match(/^#\/(tasks|chats)\/(.+)$/) ?? [];
  const info = served[kind]?.find((one) => hash(kind, one.name) === location.hash || one.name === name);
  if (!info) {
    const [first] = [...served.tasks.map((one) => ['tasks', one]), ...served.chats.map((one) => ['chats', one])];
    if (!first) return notice('Nothing is served here yet: give serve.app() tasks or chats.');
    history.replaceState(null, '', hash(first[0], first[1].name));
    return choose();
  }
  if (running) leave();
  current = { kind, info };
  for (const link of byId('menu').querySelectorAll('a')) {
    if (link.getAttribute('href') === hash(kind, info.name)) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  document.title = info.name;
  byId('name').textContent = info.name;
  notice(null);
  show('work', true);
  show('wire', false);
  show('answer', false);
  byId('work').className = kind;
  showWaiting();
  return kind === 'tasks' ? showTask(info) : showChat(info);
}

function showTask(info) {
  current.fields = fieldsOf(info.parameters);
  byId('signature').textContent = signature(info);
  byId('fields').replaceChildren(...current.fields.rows);
  byId('run').textContent = 'Run';
  for (const id of ['turns', 'renew', 'forget']) show(id, false);
}

async function showChat(info) {
  current.fields = fieldsOf(info.values, 'value');
  current.fields.fill(kept(`values:${info.name}`) ?? {});
  current.message = fieldsOf({ properties: { message: { type: 'string' } }, required: ['message'] });
  byId('signature').textContent = '';
  const { rows } = current.fields;
  const missing = rows.some((row) => row.querySelector(':invalid'));
  const values = make('details', { className: 'values', open: missing }, make('summary', {}, 'Values of the system prompt'), ...rows);
  current.files = fileField('files', { kind: 'file', several: true });
  byId('fields').replaceChildren(...(rows.length ? [values] : []), ...current.message.rows, current.files.row);
  byId('field-message').placeholder = `Write to ${info.name}`;
  byId('run').textContent = 'Send';
  for (const id of ['turns', 'renew', 'forget']) show(id, true);
  await showConversation();
}

/** Show what was said. Nothing is asked before it is there: it would take the place of what is being answered. */
function showConversation() {
  current.loading = loadConversation();
  return current.loading;
}

async function loadConversation() {
  const chosen = current;
  const { name } = current.info;
  const key = `declarai:session:${server.pathname}:${name}`;
  const session = localStorage.getItem(key) ?? newSession();
  localStorage.setItem(key, session);
  current.chat = client.chat(name, session);
  try {
    const said = await current.chat.history();
    if (current !== chosen) return;
    Object.assign(current, { count: said.length, isOld: false });
    byId('turns').replaceChildren(...said.map(({ role, content }) => turn(role, content)));
    if (!said.length && chosen.info.greeting) byId('turns').append(turn('assistant', chosen.info.greeting));
  } catch (error) {
    notice(error.message);
  }
}

// `crypto.randomUUID` is missing where the page comes over plain HTTP from another machine.
const newSession = () =>
  Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, '0')).join('');

function turn(role, content) {
  const words = make('div', { className: 'text' }, content);
  return make('li', { className: role }, make('span', { className: 'role' }, role === 'user' ? 'You' : current.info.name), words);
}

// ------------------------------------------------------------------------------------------------------ one question

/** Ask what the form says. */
async function submit() {
  const values = current.fields.read();
  if (values === null) return;
  if (current.kind === 'tasks') {
    answer({ kind: 'tasks', name: current.info.name, args: values });
    return;
  }
  const { message } = current.message.read();
  const files = current.files.read();
  const more = { ...(Object.keys(values).length && { values }), ...(files && { files }) };
  keep(`values:${current.info.name}`, values);
  const chosen = current;
  if (chosen.isWaiting) return;
  if (kept(waitingKey())) return notice('Decide about what waits first, or forget this conversation.');
  chosen.isWaiting = true;
  await (chosen.isOld ? showConversation() : chosen.loading);
  chosen.isWaiting = false;
  if (current !== chosen) return;
  answer({ kind: 'chats', name: current.info.name, session: current.chat.session, message, ...more, count: current.count });
}

/** Send what is asked (anew, or `resume` after a reload) and show what comes. */
async function answer(ask, { resume = null, text = '', seen } = {}) {
  leave();
  const frames = ['partial', 'raw'];
  const { name, args, session, message, values, files, waiting, decisions } = ask;
  const stream = waiting
    ? client.decide(waiting, decisions, { frames, resume })
    : ask.kind === 'tasks'
      ? client.task(name, args, { frames, resume })
      : client.chat(name, session).send(message, { values, files, frames, resume });
  notice(null);
  show('waiting', false);
  if (!waiting) keep(waitingKey(), null);
  const screen = new Screen(place(ask), current.info.returns ?? null, text);
  const mine = { stream, ask, screen };
  running = mine;
  wire.start(seen);
  busy(true);
  try {
    for await (const event of stream) {
      if (running !== mine) return;
      if (event.type === 'delta') {
        wire.delta(event);
        screen.delta(event);
      } else if (event.type === 'pending') {
        wire.fail('Waits for a decision', 'waiting');
        screen.stop();
        keep(waitingKey(), { event, ask });
      } else {
        wire.end(event);
        keep(waitingKey(), null);
        screen.end(event);
        if (ask.kind === 'chats') current.count += 2;
      }
    }
  } catch (error) {
    if (running === mine) failed(error, ask, screen);
  } finally {
    if (running === mine) {
      running = null;
      forgetRun();
      busy(false);
      showWaiting({ focus: true });
    }
  }
}

const waitingKey = () => `waiting:${current.kind}:${current.info.name}`;

/** Show the calls that wait for a decision, if any do. */
function showWaiting({ focus = false } = {}) {
  const waiting = kept(waitingKey());
  show('waiting', Boolean(waiting));
  if (!waiting) return;
  const { event, ask } = waiting;
  byId('waiting-title').textContent = titleOf(event);
  byId('calls').replaceChildren(...cardsOf(event, (id, decision) => answer({ ...ask, waiting: event, decisions: { [id]: decision } })));
  if (focus) byId('waiting-title').focus();
}

/** Make room for an answer; gives the element that its text goes into. */
function place(ask) {
  if (ask.kind === 'tasks') {
    show('answer', true);
    show('value-part', current.info.returns !== null);
    byId('text').classList.toggle('code', current.info.returns !== null);
    const { top } = byId('answer').getBoundingClientRect();
    if (top > 0.6 * innerHeight) byId('run').scrollIntoView();
    return byId('text');
  }
  if (ask.waiting) {
    const last = byId('turns').lastElementChild;
    if (last?.className !== 'assistant' || last.querySelector('.text').textContent) byId('turns').append(turn('assistant', ''));
    return byId('turns').lastElementChild.querySelector('.text');
  }
  const names = (ask.files ?? []).map((file) => `[${file.name}]`);
  byId('turns').append(turn('user', [ask.message, ...names].join('\n')), turn('assistant', ''));
  byId('field-message').value = '';
  current.files.clear();
  byId('fields').querySelector('details')?.removeAttribute('open');
  document.body.style.setProperty('--compose', `${byId('form').offsetHeight}px`);
  const { lastElementChild: last } = byId('turns');
  last.scrollIntoView({ block: 'end' });
  return last.querySelector('.text');
}

function busy(is) {
  const [from, to] = is ? [byId('run'), byId('stop')] : [byId('stop'), byId('run')];
  to.disabled = false;
  if (document.activeElement === from) to.focus(); // who works by keyboard is not thrown back to the top
  from.disabled = true;
  byId('renew').disabled = is;
  byId('forget').disabled = is;
}

function failed(error, ask, screen) {
  screen.stop();
  if (ask.kind === 'chats' && !ask.waiting) takeBack(ask.message);
  if (ask.waiting && error.status === 404) keep(waitingKey(), null);
  if (error.name === 'AbortError') return wire.fail('Stopped', 'cancelled');
  wire.fail(error.type === 'stream_interrupted' ? 'Interrupted' : 'Failed');
  const isGone = error.status === 410; // what was asked before a reload
  notice(isGone ? 'The answer is not kept any more. Ask again.' : `${error.message}${error.status ? ` (${error.status})` : ''}`);
  if (error.status === 401) connect();
}

/** A turn has not ended here: say so, and give the message back. Whether the server kept it is asked before the next. */
function takeBack(message) {
  current.isOld = true;
  for (const lost of [...byId('turns').children].slice(-2)) lost.classList.add('lost');
  byId('field-message').value ||= message;
}

/** Close the stream that runs, if one does: something else was chosen. */
function leave() {
  const left = running;
  running = null;
  left?.stream.stop();
  if (left) {
    wire.fail('Stopped', 'cancelled');
    forgetRun();
    busy(false);
  }
}

/** The text and the value of an answer, written once for each frame of the screen. */
class Screen {
  #fresh = '';
  #parsed;
  #frame = 0;

  constructor(element, returns, text) {
    this.element = element;
    this.returns = returns;
    this.node = new Text(text);
    element.replaceChildren(this.node);
    element.setAttribute('aria-busy', 'true');
    if (returns) this.#value(undefined, 'waiting');
  }

  delta(event) {
    this.#fresh += event.delta;
    if (event.parsed !== undefined) this.#parsed = event.parsed;
    this.#frame ||= requestAnimationFrame(() => this.flush());
  }

  end(done) {
    this.stop();
    if (this.node.data !== done.response) this.node.data = done.response;
    if (this.returns) this.#value(done.value, 'validated');
  }

  stop() {
    this.flush();
    this.element.removeAttribute('aria-busy');
  }

  flush() {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    const following = this.element.getBoundingClientRect().bottom <= innerHeight;
    this.node.appendData(this.#fresh);
    this.#fresh = '';
    if (following) this.element.scrollIntoView({ block: 'nearest' });
    if (this.returns && this.#parsed !== undefined && this.#parsed !== null) this.#value(this.#parsed, 'partial');
  }

  #value(value, state) {
    byId('value').textContent = value === undefined ? '' : JSON.stringify(value, null, 2);
    byId('value-state').textContent = state;
    byId('value-state').dataset.kind = state;
  }
}

// ------------------------------------------------------------------------------------------- a reload in the middle

// The server keeps a stream for a while after its reader has gone. So the page keeps what it asked, the last event's id
// and the text so far; after a reload it asks for what comes after that event, and the model is not asked again.

function remember() {
  if (!running || hasFiles(running.ask)) return; // files do not outlive the page, and without them it is another question
  const { stream, ask, screen } = running;
  screen.flush();
  keep('run', { ask, resume: stream.lastEventId ?? stream.start, text: screen.node.data, seen: wire.seen });
}

const hasFiles = ({ files, args }) => [files, ...Object.values(args ?? {})].flat().some((value) => value instanceof File);

// A page that is going sees its connections fail; that is no end of the stream.
let going = false;
const forgetRun = () => going || keep('run', null);

async function takeUp() {
  const run = kept('run');
  if (!run || current?.kind !== run.ask.kind || current.info.name !== run.ask.name) return;
  const stored = run.ask.kind === 'chats' && current.count > run.ask.count; // the turn has ended since
  if (stored || run.ask.session !== current.chat?.session) return forgetRun();
  current.fields.fill(run.ask.args ?? run.ask.values ?? {});
  if (run.resume) return answer(run.ask, run);
  current.message?.fill(run.ask); // it was not asked yet: the reader decides whether to ask
  forgetRun();
}

addEventListener('pagehide', () => {
  remember();
  going = true;
});
addEventListener('pageshow', () => (going = false));
setInterval(remember, 1000); // a tab that the system ends is not told

// ------------------------------------------------------------------------------------------------------ the controls

byId('form').addEventListener('submit', (event) => {
  event.preventDefault();
  submit();
});

byId('form').addEventListener('keydown', (event) => {
  const chatting = current?.kind === 'chats' && event.target.id === 'field-message' && !event.shiftKey;
  if (event.key !== 'Enter' || event.isComposing || !(chatting || event.ctrlKey || event.metaKey)) return;
  event.preventDefault();
  if (!running) byId('form').requestSubmit();
});

byId('stop').addEventListener('click', () => running?.stream.stop());

byId('renew').addEventListener('click', async () => {
  localStorage.removeItem(`declarai:session:${server.pathname}:${current.info.name}`);
  keep(waitingKey(), null);
  showWaiting();
  show('wire', false);
  await showConversation();
  byId('field-message').focus();
});

byId('forget').addEventListener('click', async () => {
  try {
    await current.chat.forget();
    keep(waitingKey(), null);
    showWaiting();
    show('wire', false);
    await showConversation();
  } catch (error) {
    notice(error.message);
  }
});

byId('login').addEventListener('submit', (event) => {
  event.preventDefault();
  keep('token', byId('token').value);
  byId('token').value = '';
  connect();
});

addEventListener('hashchange', () => location.hash.startsWith('#/') && choose());

const prefersDark = matchMedia('(prefers-color-scheme: dark)');

function theme(chosen) {
  const dark = chosen === null ? prefersDark.matches : chosen === 'dark';
  if (chosen !== null) document.documentElement.dataset.theme = chosen;
  byId('theme').textContent = dark ? 'Light theme' : 'Dark theme';
  byId('theme').onclick = () => {
    localStorage.setItem('declarai:theme', dark ? 'light' : 'dark');
    theme(dark ? 'light' : 'dark');
  };
}

theme(localStorage.getItem('declarai:theme'));
prefersDark.addEventListener('change', () => theme(localStorage.getItem('declarai:theme')));
byId('host').textContent = server.host;
connect();
