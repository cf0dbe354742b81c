/** The side of the page that shows how an answer arrives: times, tokens, and each delta as it was sent. */

import { make } from './fields.js';

const ROWS = 400; // deltas that stay in the document; all are counted

const byId = (id) => document.getElementById(id);
const seconds = (milliseconds) => (milliseconds < 1000 ? `${Math.round(milliseconds)} ms` : `${(milliseconds / 1000).toFixed(2)} s`);

/** What is shown of one delta: the provider's own words for it where they were sent. */
const inShort = ({ delta, raw }) => JSON.stringify(raw?.choices?.[0]?.delta ?? { content: delta });

export class Wire {
  #waiting = []; // deltas that have no row yet
  #frame = 0;
  #clock = 0;

  /** Begin; `seen` is what `seen` was before a reload, if there was one. */
  start(seen = { startedAt: Date.now(), times: [], first: null, words: 0 }) {
    Object.assign(this, { seen, ended: null, done: null });
    this.#waiting = [];
    byId('deltas').replaceChildren();
    byId('wire').hidden = false;
    clearInterval(this.#clock);
    this.#clock = setInterval(() => this.#soon(), 100);
    this.#say(seen.times.length ? 'Waiting' : 'Waiting for the first token', 'waiting');
    this.#soon();
  }

  get #elapsed() {
    return Date.now() - this.seen.startedAt;
  }

  /** A delta has come. The first one often says no more than who speaks. */
  delta(event) {
    const { seen } = this;
    const at = this.#elapsed;
    this.#say('Streaming', 'streaming');
    seen.times.push(at);
    if (event.delta) {
      seen.first ??= at;
      seen.words++;
    }
    this.#waiting.push({ event, at, number: seen.times.length });
    this.#soon();
  }

  /** The answer has ended. */
  end(done) {
    this.done = done;
    const reason = done.finish_reason && done.finish_reason !== 'stop' ? ` (${done.finish_reason})` : '';
    this.#stop(`${done.outcome[0].toUpperCase()}${done.outcome.slice(1)}${reason}`, done.outcome);
  }

  /** It has ended otherwise. */
  fail(words, kind = 'failed') {
    this.#stop(words, kind);
  }

  #stop(words, kind) {
    this.ended = this.#elapsed;
    clearInterval(this.#clock);
    this.#say(words, kind);
    this.#soon();
  }

  #say(words, kind) {
    const state = byId('state');
    if (state.textContent !== words) state.textContent = words; // each change is read aloud
    state.dataset.kind = kind;
  }

  // What has come since the last frame is shown at once: a fast stream costs no more than the screen can show.
  #soon() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.#rows();
      this.#numbers();
      this.#draw();
    });
  }

  #rows() {
    const list = byId('deltas');
    const following = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
    const shown = this.#waiting.slice(-ROWS);
    this.#waiting = [];
    list.append(...shown.map(row));
    while (list.children.length > ROWS) list.firstElementChild.remove();
    const earlier = this.seen.times.length - list.children.length;
    byId('earlier').hidden = earlier <= 0;
    byId('earlier').textContent = `${earlier} earlier ones are not shown.`;
    if (following && shown.length) list.scrollTop = list.scrollHeight;
  }

  #numbers() {
    const { seen, done, ended } = this;
    const { times, first, words } = seen;
    const tokens = done?.usage?.completion_tokens;
    const writing = (times.at(-1) - first) / 1000;
    byId('first').textContent = first === null ? '–' : seconds(first);
    byId('tokens').textContent = tokens ?? (words ? `≈ ${words}` : '–');
    byId('tokens').title = tokens ? 'As the model told' : 'As many as deltas with text; the exact number comes with the end';
    byId('rate').textContent = words > 1 && writing > 0 ? (((tokens ?? words) - 1) / writing).toFixed(0) : '–';
    byId('time').textContent = seconds(ended ?? this.#elapsed);
    byId('count').textContent = String(times.length);
  }

  /** A stroke for each delta on a line of time, which begins with the question and ends now. */
  #draw() {
    const canvas = byId('arrivals');
    const { width, height } = canvas.getBoundingClientRect();
    const scale = window.devicePixelRatio;
    Object.assign(canvas, { width: width * scale, height: height * scale });
    const pen = canvas.getContext('2d');
    pen.scale(scale, scale);
    pen.fillStyle = getComputedStyle(canvas).color;
    const whole = Math.max(this.ended ?? this.#elapsed, 1);
    pen.globalAlpha = 0.7;
    for (const at of this.seen.times) pen.fillRect((Math.min(at, whole) / whole) * (width - 2), 0, 1.5, height);
  }
}

/** One delta: its number, its time and its words; opened, all that was sent. */
function row({ event, at, number }) {
  const details = make('details', {}, make(
    'summary',
    {},
    make('span', { className: 'number' }, String(number)),
    make('span', { className: 'at' }, seconds(at)),
    make('code', {}, inShort(event)),
  ));
  details.addEventListener(
    'toggle',
    () => details.append(make('pre', {}, JSON.stringify(event.raw ?? event, null, 2))),
    { once: true },
  );
  return make('li', {}, details);
}
