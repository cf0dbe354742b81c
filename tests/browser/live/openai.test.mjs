// The official client, unchanged, against our server; a direct call says the same.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import OpenAI from 'openai';
import { startServer } from './helpers.mjs';

let address;
let openai;
before(async (t) => {
  address = await startServer(t);
  openai = new OpenAI({ baseURL: `${address}/v1`, apiKey: 'none is needed', maxRetries: 0 });
});

const user = (content) => [{ role: 'user', content }];

async function direct(path, body) {
  const headers = { 'Content-Type': 'application/json', Accept: 'application/json' };
  return (await fetch(`${address}/${path}`, { method: 'POST', headers, body: JSON.stringify(body) })).json();
}

test('a streamed chat completion is the direct call, piece by piece', async () => {
  const whole = await direct('tasks/story', { about: 'seeds, quickly' });
  const stream = await openai.chat.completions.create({
    model: 'story', messages: user('seeds, quickly'), stream: true, stream_options: { include_usage: true },
  });
  const pieces = [];
  let reason;
  let usage;
  for await (const chunk of stream) {
    if (chunk.choices[0]?.delta?.content) pieces.push(chunk.choices[0].delta.content);
    reason ??= chunk.choices[0]?.finish_reason;
    usage = chunk.usage ?? usage;
  }
  assert.equal(pieces.join(''), whole.response);
  assert.ok(pieces.length > 40, `${pieces.length} pieces`);
  assert.equal(reason, 'stop');
  assert.deepEqual(usage, whole.usage);
});

test("the client's own accumulator agrees", async () => {
  const whole = await direct('tasks/recipe', { dish: 'cake, quickly' });
  const stream = openai.chat.completions.stream({ model: 'recipe', messages: user('cake, quickly') });
  let said = '';
  stream.on('content', (delta) => (said += delta));
  const final = await stream.finalChatCompletion();
  assert.deepEqual(JSON.parse(final.choices[0].message.content), whole.value);
  assert.equal(said, final.choices[0].message.content);
});

test('arguments by name go in as JSON', async () => {
  const answer = await openai.chat.completions.create({
    model: 'recipe', messages: user(JSON.stringify({ dish: 'cake, quickly', servings: 4, style: 'festive' })),
  });
  assert.equal(JSON.parse(answer.choices[0].message.content).title, 'Apple cake');
});

test('a text completion streams from a model that is passed through', async () => {
  const whole = await openai.completions.create({ model: 'paced-1', prompt: 'Once, quickly' });
  const stream = await openai.completions.create({ model: 'paced-1', prompt: 'Once, quickly', stream: true });
  let text = '';
  for await (const chunk of stream) text += chunk.choices[0]?.text ?? '';
  assert.equal(text, whole.choices[0].text);
});

test('a chat has a history', async () => {
  const messages = [...user('One, quickly'), { role: 'assistant', content: 'Two' }, ...user('Three, quickly')];
  const answer = await openai.chat.completions.create({ model: 'Talker', messages });
  assert.match(answer.choices[0].message.content, /^A robot/);
});

test('the models are listed', async () => {
  const names = [];
  for await (const model of openai.models.list()) names.push(model.id);
  const listed = ['Guide', 'Librarian', 'Talker', 'Teller', 'broken', 'look', 'markup', 'paced-1', 'rank', 'recipe', 'story', 'support'];
  assert.deepEqual(names.sort(), listed);
});

test('an unknown model is the error that the client knows', async () => {
  await assert.rejects(openai.chat.completions.create({ model: 'gone', messages: user('x') }), OpenAI.NotFoundError);
});

test('a stream that fails in the middle throws', async () => {
  const stream = await openai.chat.completions.create({ model: 'broken', messages: user('x, quickly'), stream: true });
  let text = '';
  await assert.rejects(async () => {
    for await (const chunk of stream) text += chunk.choices[0]?.delta?.content ?? '';
  }, OpenAI.APIError);
  assert.equal(text, 'This will not ');
});

test('leaving a stream leaves the server well', async () => {
  const stream = await openai.chat.completions.create({ model: 'story', messages: user('slowly, left early'), stream: true });
  for await (const chunk of stream) if (chunk.choices[0]?.delta?.content) break;
  assert.equal((await direct('tasks/rank', { message: 'quickly' })).value, 4);
});
