/** Tool calls that wait: what each would do, and the buttons that decide about it. */

import { fieldsOf, make } from './fields.js';

const TITLES = {
  approval: 'Waits for your approval',
  input: 'Waits for your answer',
  outcome: 'Was started, and nobody knows how it ended',
};
const pretty = (value) => JSON.stringify(value, null, 2);

/** Say why calls wait. */
export const titleOf = ({ kind, pending }) => `${TITLES[kind]}: ${pending.map(({ name }) => name).join(', ')}`;

/** One card for each call; `decide(id, decision)` is called with what its buttons say. */
export function cardsOf({ kind, pending }, decide) {
  const partsOf = { approval, input, outcome }[kind];
  return pending.map((call) => {
    const title = make('h3', { id: `call-${call.id}` }, make('code', {}, call.name));
    const tell = (decision) => decide(call.id, decision);
    return make('article', { className: 'call', 'aria-labelledby': title.id }, title, ...partsOf(call, tell));
  });
}

function button(words, onclick, className = '') {
  return make('button', { type: 'button', className, onclick }, words);
}

/** A labelled control on a line of its own. */
function labelled(words, element) {
  element.id = `decision-${crypto.getRandomValues(new Uint32Array(1))[0]}`;
  return make('div', { className: 'field' }, make('label', { htmlFor: element.id }, words), element);
}

/** The JSON of a text area, or `undefined` after telling what is wrong with it. */
function jsonOf(element) {
  try {
    return JSON.parse(element.value);
  } catch (error) {
    element.setCustomValidity(`This is no JSON: ${error.message}`);
    element.reportValidity();
    return undefined;
  }
}

function jsonArea(value) {
  return make('textarea', { className: 'code', rows: 3, spellcheck: false, value, oninput: ({ target }) => target.setCustomValidity('') });
}

function approval(call, tell) {
  const reason = make('input', { type: 'text', maxLength: 500 });
  const changed = jsonArea(pretty(call.arguments));
  const change = () => {
    const value = jsonOf(changed);
    if (value !== undefined) tell({ approve: value });
  };
  const editor = make('div', { hidden: true }, labelled('Arguments, as JSON', changed), button('Approve these', change, 'main'));
  const edit = button('Change the arguments', () => {
    editor.hidden = !editor.hidden;
    edit.setAttribute('aria-expanded', String(!editor.hidden));
    if (!editor.hidden) changed.focus();
  });
  edit.setAttribute('aria-expanded', 'false');
  const deny = () => tell(reason.value.trim() ? { deny: reason.value.trim() } : false);
  return [
    shown(call),
    make('div', { className: 'actions' }, button('Approve', () => tell(true), 'main'), edit),
    editor,
    labelled('Reason to deny, shown to the model', reason),
    make('div', { className: 'actions' }, button('Deny', deny)),
  ];
}

function outcome(call, tell) {
  const value = jsonArea('');
  const provide = () => {
    const given = jsonOf(value);
    if (given !== undefined) tell({ provide: given });
  };
  return [
    shown(call),
    labelled('What it gave, as JSON, if you found out', value),
    make('div', { className: 'actions' }, button('It gave this', provide, 'main'), button('Run it again', () => tell({ rerun: true }))),
  ];
}

function input(call, tell) {
  const parts = call.questions.map((question) => ({ question, fields: question.kind === 'form' ? fieldsOf(question.schema ?? {}, call.id) : null }));
  const answer = () => {
    const form = cards.find((card) => card.querySelector(':invalid'));
    if (form) return form.querySelector(':invalid').reportValidity();
    const answers = parts.map(({ fields }) => (fields ? fields.read() : true));
    if (!answers.includes(null)) tell({ answer: answers });
    return undefined;
  };
  const cards = parts.map(({ question, fields }) => make(
    'div',
    {},
    make('p', {}, `${question.server} asks: ${question.message}`),
    ...(question.url ? [make('p', {}, make('code', {}, question.url))] : []),
    ...(fields?.rows ?? []),
  ));
  const decline = () => tell({ answer: parts.map(() => null) });
  return [...cards, make('div', { className: 'actions' }, button('Answer', answer, 'main'), button('Decline', decline))];
}

const shown = (call) => make('pre', { tabIndex: 0, 'aria-label': `Arguments of ${call.name}` }, pretty(call.arguments));
