// Our own client against our own server, in node.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { Client } from '../../../declarai_like/serve/static/declarai.js';
import { startProxy, startServer, timesAsked } from './helpers.mjs';

let address;
let client;
before(async (t) => {
  address = await startServer(t);
  client = new Client({ baseUrl: address });
});

test('the value of a task grows and is then whole', async () => {
  const stream = client.task('recipe', { dish: 'quickly' }, { frames: ['partial', 'cumulative', 'raw'] });
  const steps = [];
  for await (const event of stream) {
    if (event.type === 'delta') {
      assert.equal(event.response, stream.response);
      assert.equal(typeof event.raw, 'object');
      if (event.parsed?.steps) steps.push(event.parsed.steps.length);
    }
  }
  const { value, outcome, finishReason, usage } = await stream.result;
  assert.deepEqual([value.steps.length, outcome, finishReason], [4, 'complete', 'stop']);
  assert.ok(usage.completion_tokens > 10);
  assert.deepEqual([...new Set(steps)].filter((count) => count > 0), [1, 2, 3, 4]);
});

test("both of the seed's streams work", async () => {
  let text = '';
  const messages = [{ role: 'user', content: 'quickly' }];
  for await (const chunk of client.chatCompletionStream({ model: 'story', messages, maxTokens: 500 })) {
    text += chunk.choices[0]?.delta?.content ?? '';
  }
  let again = '';
  for await (const chunk of client.completionStream({ prompt: 'quickly', model: 'paced-1', maxTokens: 500 })) {
    again += chunk.choices[0]?.text ?? '';
  }
  assert.match(text, /^A robot .* planted it\.$/);
  assert.equal(again, text);
});

test('a stream whose connections are cut arrives whole, and the model is asked once', async (t) => {
  const proxy = await startProxy(t, address);
  const stream = new Client({ baseUrl: proxy.address }).task('story', { about: 'cut twice' });
  const ids = [];
  for await (const event of stream) {
    ids.push(Number(event.id.split('-').pop()));
    if (ids.length === 5 || ids.length === 20) proxy.cut();
  }
  const { response } = await stream.result;
  assert.match(response, /planted it\.$/);
  assert.deepEqual(ids, Array.from(ids, (_, n) => n + 1));
  assert.equal(await timesAsked(address, 'cut twice'), 1);
});

test('a stream can be read again from its start', async () => {
  const first = client.task('story', { about: 'quickly, twice' });
  const { response } = await first.result;
  const again = client.task('story', { about: 'quickly, twice' }, { resume: first.start });
  assert.equal((await again.result).response, response);
  await assert.rejects(client.task('story', { about: 'other' }, { resume: first.start }).result, { status: 409 });
  await assert.rejects(client.task('story', { about: 'x' }, { resume: 'gone-1' }).result, { status: 410 });
});

test('a chat remembers until it is told to forget', async () => {
  const chat = client.chat('Librarian', 'a1');
  await chat.send('quickly', { values: { language: 'English' } }).result;
  const said = await chat.history();
  assert.deepEqual(said.map(({ role }) => role), ['assistant', 'user', 'assistant']);
  assert.equal(said[1].content, 'quickly');
  await chat.forget();
  assert.ok((await chat.history()).length < 2);
});

test('what does not fit is refused with the name of the field', async () => {
  await assert.rejects(client.task('recipe', { dish: 'x', servings: 'many' }).result, (error) => {
    assert.deepEqual([error.status, error.type, error.retryable], [422, 'InvalidArguments', false]);
    assert.match(error.message, /servings/);
    return true;
  });
});

test('an error in the middle keeps the text and tells nothing of the inside', async () => {
  const stream = client.task('broken', { about: 'quickly' });
  await assert.rejects(stream.result, (error) => {
    assert.equal(error.response, 'This will not ');
    assert.doesNotMatch(error.message, /secret/);
    return true;
  });
});
