// The page in Chromium: what a person who uses it sees.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { readFile } from 'node:fs/promises';
import { before, test } from 'node:test';
import { grown, open, startChromium, startProxy, startServer, timesAsked } from './helpers.mjs';

const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

let address;
let browser;
before(async (t) => {
  [address, browser] = await Promise.all([startServer(t), startChromium(t)]);
});

const STORY = /^A robot swept .* planted it\.$/;
const PHONE = { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true };
const state = (page, words) => page.locator('#state', { hasText: words }).waitFor();
const isRefused = (status) => (fault) => fault.includes(`status of ${status}`);

async function tell(page, about) {
  await page.fill('#field-about', about);
  await page.click('#run');
}

/** Nothing of the page fails the rules of WCAG 2.2 A and AA that axe can check. */
async function accessible(page, where) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() =>
    window.axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }),
  );
  const told = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`);
  assert.deepEqual(told, [], where);
}

test('a question is typed, and its answer grows', async (t) => {
  const page = await open(t, browser, address);
  await page.locator('#field-about').pressSequentially('a robot');
  await page.click('#run');
  const text = page.locator('#text');
  const lengths = [];
  for (let length = 0; lengths.length < 8; length = lengths.at(-1)) lengths.push((await grown(text, length)).length);
  assert.ok(lengths.at(-1) < 250, 'it was watched while it grew');
  assert.match(await page.locator('#tokens').textContent(), /^≈ \d+$/);
  await state(page, 'Complete');
  assert.match(await text.textContent(), STORY);
  assert.equal(await page.locator('#tokens').textContent(), '48');
  assert.match(await page.locator('#first').textContent(), /^\d+ ms$/);
  assert.equal(await page.locator('#count').textContent(), String(await page.locator('#deltas li').count()));
  await page.locator('#deltas summary').first().click();
  const raw = JSON.parse(await page.locator('#deltas pre').first().textContent());
  assert.deepEqual(raw.choices[0].delta, { content: 'A ' });
});

test('a reload in the middle shows the text so far and the rest, and the model is asked once', async (t) => {
  const page = await open(t, browser, address);
  await tell(page, 'reloaded twice');
  for (const length of [20, 90]) {
    const before = await grown(page.locator('#text'), length);
    const first = await page.locator('#first').textContent();
    await page.reload();
    const after = await grown(page.locator('#text'));
    assert.ok(after.startsWith(before), `${after} goes on from ${before}`);
    assert.equal(await page.locator('#first').textContent(), first);
    assert.equal(await page.locator('#field-about').inputValue(), 'reloaded twice');
  }
  await state(page, 'Complete');
  assert.match(await page.locator('#text').textContent(), STORY);
  assert.equal(await timesAsked(address, 'reloaded twice'), 1);
  await page.reload();
  await page.locator('#run').waitFor();
  assert.equal(await page.locator('#answer').isVisible(), false);
});

test('a reload before the first token goes on too, and the model is asked once', async (t) => {
  const page = await open(t, browser, address);
  await tell(page, 'late, reloaded at once');
  await state(page, 'Waiting for the first token');
  while (!(await timesAsked(address, 'late, reloaded at once'))) await page.waitForTimeout(20);
  await page.reload();
  await page.waitForFunction(() => document.getElementById('field-about')?.value === 'late, reloaded at once');
  await state(page, 'Waiting for the first token');
  await state(page, 'Complete');
  assert.match(await page.locator('#text').textContent(), STORY);
  assert.equal(await timesAsked(address, 'late, reloaded at once'), 1);
});

test('a reload before the first token of a chat goes on too', async (t) => {
  const page = await open(t, browser, `${address}/#/chats/Talker`);
  await page.getByLabel('message').fill('late, in a chat');
  await page.getByLabel('message').press('Enter');
  while (!(await timesAsked(address, 'late, in a chat'))) await page.waitForTimeout(20);
  await page.reload();
  await state(page, 'Complete');
  assert.match(await page.locator('#turns li').last().locator('.text').textContent(), STORY);
  assert.equal(await timesAsked(address, 'late, in a chat'), 1);
});

test('an answer of many seconds shows that it is under way', async (t) => {
  const page = await open(t, browser, address);
  await tell(page, 'late, and waited for');
  await state(page, 'Waiting for the first token');
  const time = page.locator('#time');
  const before = await time.textContent();
  await page.waitForFunction((was) => document.getElementById('time').textContent !== was, before);
  assert.equal(await page.locator('#text').getAttribute('aria-busy'), 'true');
  if (process.env.PICTURE) await page.screenshot({ path: `${process.env.PICTURE}-waiting.png` });
  await page.click('#stop');
  await state(page, 'Stopped');
});

test('what an answer that is not kept any more leaves is told in words', async (t) => {
  const page = await open(t, browser, address, { expected: isRefused(410) });
  await page.evaluate(() => {
    const ask = { kind: 'tasks', name: 'story', args: { about: 'long ago' } };
    sessionStorage.setItem('declarai:run', JSON.stringify({ ask, resume: `${'0'.repeat(32)}-0`, text: '' }));
  });
  await page.goto(address);
  await page.getByRole('alert').filter({ hasText: 'The answer is not kept any more. Ask again.' }).waitFor();
  assert.equal(await page.locator('#field-about').inputValue(), 'long ago');
});

test('a cut connection is mended without a word', async (t) => {
  const proxy = await startProxy(t, address);
  const page = await open(t, browser, proxy.address, { expected: (fault) => fault.includes('ERR_CONNECTION_RESET') });
  await tell(page, 'cut off');
  await grown(page.locator('#text'), 40);
  proxy.cut();
  await state(page, 'Complete');
  assert.match(await page.locator('#text').textContent(), STORY);
  assert.equal(await timesAsked(address, 'cut off'), 1);
});

test('a typed value grows while it is written', async (t) => {
  const page = await open(t, browser, `${address}/#/tasks/recipe`);
  await page.fill('#field-dish', 'cake, slowly');
  await page.click('#run');
  await page.locator('#value-state', { hasText: 'partial' }).waitFor();
  const partial = JSON.parse(await grown(page.locator('#value'), 10));
  assert.equal(partial.steps?.length === 4, false);
  await page.locator('#value-state', { hasText: 'validated' }).waitFor();
  const value = JSON.parse(await page.locator('#value').textContent());
  assert.deepEqual([value.title, value.minutes, value.steps.length], ['Apple cake', 55, 4]);
});

test('the form is made from the schema, and gives values of its types', async (t) => {
  const page = await open(t, browser, `${address}/#/tasks/recipe`);
  await page.locator('#signature', { hasText: /^\(dish: string, servings\?: integer, .* → Recipe$/ }).waitFor();
  const sent = () => page.waitForRequest((request) => request.method() === 'POST').then((request) => request.postDataJSON());
  await page.getByLabel('dish').fill('quickly');
  let body = sent();
  await page.click('#run');
  assert.deepEqual(await body, { dish: 'quickly', servings: 2, style: 'plain', vegetarian: false });
  await state(page, 'Complete');

  await page.getByLabel('servings').fill('4');
  await page.getByLabel('style').selectOption('festive');
  await page.getByLabel('vegetarian').check();
  await page.getByLabel('without').fill('nuts\n\nmilk\n');
  await page.getByLabel('pantry').fill('{"shelf": ');
  await page.click('#run');
  assert.match(await page.locator('#field-pantry').evaluate((field) => field.validationMessage), /^This is no JSON/);
  await page.getByLabel('pantry').fill('{"shelf": "top", "count": 3}');
  body = sent();
  await page.click('#run');
  assert.deepEqual(await body, {
    dish: 'quickly', servings: 4, style: 'festive', vegetarian: true, without: ['nuts', 'milk'], pantry: { shelf: 'top', count: 3 },
  });
  await state(page, 'Complete');
});

test('what the server refuses is told', async (t) => {
  const page = await open(t, browser, `${address}/#/tasks/recipe`, { expected: isRefused(422) });
  await page.getByLabel('dish').fill('quickly');
  await page.getByLabel('pantry').fill('{"shelf": 1}');
  await page.click('#run');
  await page.getByRole('alert').filter({ hasText: 'pantry' }).waitFor();
  await state(page, 'Failed');
});

test('an answer that breaks off is told, and what came stays', async (t) => {
  const page = await open(t, browser, `${address}/#/tasks/broken`);
  await tell(page, 'quickly');
  await page.getByRole('alert').filter({ hasText: /./ }).waitFor();
  await state(page, 'Failed');
  assert.equal(await page.locator('#text').textContent(), 'This will not ');
  assert.equal(await page.locator('#text').getAttribute('aria-busy'), null);
});

test('stop ends the stream, and what came stays', async (t) => {
  const page = await open(t, browser, address);
  await tell(page, 'slowly, stopped');
  await grown(page.locator('#text'), 20);
  await page.click('#stop');
  await state(page, 'Stopped');
  const text = await page.locator('#text').textContent();
  assert.ok(text.length >= 20 && text.length < 250);
  assert.equal(await page.locator('#run').isEnabled(), true);
});

test('markup in an answer stays text', async (t) => {
  const page = await open(t, browser, `${address}/#/tasks/markup`);
  await tell(page, 'quickly');
  await state(page, 'Complete');
  assert.match(await page.locator('#text').textContent(), /^<img src=x onerror/);
  assert.equal(await page.locator('main img, main script').count(), 0);
  assert.equal(await page.title(), 'markup');
});

test('a chat remembers across reloads, also one in the middle, until it is told to forget', async (t) => {
  const page = await open(t, browser, `${address}/#/chats/Librarian`);
  const turns = page.locator('#turns li');
  await page.getByText('Good evening. Which book?').waitFor();
  await page.getByLabel('language').fill('English');
  await page.getByLabel('message').fill('First, quickly');
  await page.getByLabel('message').press('Enter');
  await state(page, 'Complete');
  await page.getByLabel('message').fill('A second one');
  await page.click('#run');
  await page.locator('#turns li').nth(4).waitFor();
  await grown(turns.nth(4).locator('.text'), 60);
  await page.reload();
  const before = await grown(turns.nth(4).locator('.text'), 59);
  assert.ok(before.startsWith('A robot swept'));
  await state(page, 'Complete');
  assert.equal(await timesAsked(address, 'A second one'), 1);
  await page.reload();
  await turns.nth(4).waitFor();
  assert.equal(await turns.count(), 5);
  assert.match(await turns.nth(4).locator('.text').textContent(), STORY);
  assert.equal(await page.getByLabel('language').inputValue(), 'English');
  await page.click('#forget');
  await turns.nth(1).waitFor({ state: 'detached' });
  await page.reload();
  await turns.first().waitFor();
  assert.equal(await turns.count(), 1);
});

test('values of a chat have labels, and the defaults of its class', async (t) => {
  const page = await open(t, browser, `${address}/#/chats/Guide`);
  assert.equal(await page.getByLabel('language').inputValue(), 'English');
  await page.getByLabel('city').fill('Oslo');
  const sent = page.waitForRequest((request) => request.method() === 'POST').then((request) => request.postDataJSON());
  await page.getByLabel('message').fill('Hello, quickly');
  await page.getByLabel('message').press('Enter');
  assert.deepEqual(await sent, { message: 'Hello, quickly', values: { city: 'Oslo', language: 'English' } });
  await state(page, 'Complete');
});

test('the reference tells what each route takes, and leads to where it can be tried', async (t) => {
  const page = await open(t, browser, `${address}/docs`);
  const part = page.locator('section', { has: page.getByRole('heading', { name: 'POST /tasks/recipe' }) });
  const kinds = await part.locator('tr td:nth-child(3)').allTextContents();
  assert.deepEqual(kinds.slice(0, 6), ['string', 'integer', '"plain", "festive"', 'boolean', 'array of string or null', 'recipe.Pantry or null']);
  await accessible(page, 'the reference');
  await part.getByRole('link', { name: 'Try it' }).click();
  await page.getByLabel('dish').fill('quickly');
  await page.click('#run');
  await state(page, 'Complete');
});

test('what is being said stays in sight above the place where one writes', async (t) => {
  const page = await open(t, browser, `${address}/#/chats/Librarian`);
  await page.getByLabel('language').fill('English');
  for (const count of [3, 5, 7]) {
    await page.getByLabel('message').fill('Once more, quickly');
    await page.getByLabel('message').press('Enter');
    await page.locator('#turns li').nth(count - 1).waitFor();
    await state(page, 'Complete');
  }
  await page.getByLabel('message').fill('And once more');
  await page.getByLabel('message').press('Enter');
  await grown(page.locator('#turns li').nth(8).locator('.text'), 200);
  const [text, form] = await page.evaluate(() =>
    ['#turns li:last-child .text', '#form'].map((found) => document.querySelector(found).getBoundingClientRect()),
  );
  assert.ok(text.bottom <= form.top, `${text.bottom} is below ${form.top}`);
});

test('a new conversation leaves the old one as it is', async (t) => {
  const page = await open(t, browser, `${address}/#/chats/Talker`);
  await page.getByLabel('message').fill('Hello, quickly');
  await page.getByLabel('message').press('Enter');
  await state(page, 'Complete');
  await page.click('#renew');
  await page.locator('#turns li').first().waitFor({ state: 'detached' });
});

test('a stopped turn is shown as such, and the message is given back', async (t) => {
  const page = await open(t, browser, `${address}/#/chats/Talker`);
  await page.getByLabel('message').fill('Never mind, slowly');
  await page.getByLabel('message').press('Enter');
  await grown(page.locator('#turns li').nth(1).locator('.text'), 10);
  await page.click('#stop');
  await state(page, 'Stopped');
  assert.equal(await page.locator('#turns .lost').count(), 2);
  assert.equal(await page.getByLabel('message').inputValue(), 'Never mind, slowly');
});

test('what is asked before the conversation has come is answered below it, once', async (t) => {
  const page = await open(t, browser, address);
  let release;
  const held = new Promise((resolve) => (release = resolve));
  await page.route('**/chats/Talker/*', async (route) => {
    await held;
    await route.continue();
  });
  await page.getByRole('link', { name: 'Talker' }).click();
  await page.getByLabel('message').fill('Hello, quickly');
  await page.getByLabel('message').press('Enter');
  await page.getByLabel('message').press('Enter');
  assert.equal(await page.locator('#turns li').count(), 0);
  release();
  await state(page, 'Complete');
  assert.equal(await page.locator('#turns li').count(), 2);
});

const CAT = { name: 'cat.gif', mimeType: 'image/gif', buffer: Buffer.from('GIF89a......') };
const NOTES = { name: 'notes.txt', mimeType: 'text/plain', buffer: Buffer.from('hi') };

test('files are chosen, or dropped on their field, and sent with the rest', async (t) => {
  const page = await open(t, browser, `${address}/#/tasks/look`);
  assert.equal(await page.locator('#signature').textContent(), '(photo: image, pages?: document[] | null) → string');
  await page.setInputFiles('#field-photo', CAT);
  const transfer = await page.evaluateHandle(() => {
    const made = new DataTransfer();
    made.items.add(new File(['one'], 'one.txt', { type: 'text/plain' }));
    made.items.add(new File(['two'], 'two.txt', { type: 'text/plain' }));
    return made;
  });
  await page.locator('.field.drop').nth(1).dispatchEvent('drop', { dataTransfer: transfer });
  await accessible(page, 'files');
  await page.click('#run');
  await state(page, 'Complete');
  assert.match(await page.locator('#text').textContent(), STORY);
  const asked = await (await fetch(`${address}/asked`)).json();
  const told = Object.keys(asked).find((about) => about.includes('image/gif'));
  assert.equal(told.match(/<Document/g).length, 2);
});

test('files go with a message, and are shown by their names', async (t) => {
  const page = await open(t, browser, `${address}/#/chats/Talker`);
  await page.setInputFiles('#field-files', [CAT, NOTES]);
  await page.fill('#field-message', 'What are these quickly?');
  await page.click('#run');
  await state(page, 'Complete');
  assert.match(await page.locator('#turns li.user').last().textContent(), /What are these quickly\?\n\[cat\.gif\]\n\[notes\.txt\]$/);
  assert.equal(await page.locator('#field-files').evaluate((field) => field.files.length), 0);
});

test('choosing something else leaves the stream', async (t) => {
  const page = await open(t, browser, address);
  await tell(page, 'slowly, left for another');
  await grown(page.locator('#text'), 10);
  await page.getByRole('link', { name: 'Talker' }).click();
  await page.getByRole('heading', { name: 'Talker' }).waitFor();
  assert.equal(await page.locator('#wire').isVisible(), false);
  await page.reload();
  await page.getByRole('heading', { name: 'Talker' }).waitFor();
  assert.equal(await page.locator('#wire').isVisible(), false);
});

test('a token is asked for, and kept for this tab', async (t) => {
  const guarded = await startServer(t, { token: 'open sesame' });
  const page = await open(t, browser, guarded, { expected: isRefused(401) });
  await page.getByLabel('Token').fill('wrong');
  await page.getByLabel('Token').press('Enter');
  await page.getByRole('alert').filter({ hasText: 'token' }).waitFor();
  await accessible(page, 'the login');
  await page.getByLabel('Token').fill('open sesame');
  await page.getByLabel('Token').press('Enter');
  await tell(page, 'quickly');
  await state(page, 'Complete');
  await page.reload();
  await page.locator('#field-about').waitFor();
  assert.doesNotMatch(page.url() + (await page.content()), /sesame/);
});

test('it works where the app is mounted under a prefix', async (t) => {
  const page = await open(t, browser, `${address}/under/a/prefix/`);
  await tell(page, 'quickly');
  await state(page, 'Complete');
});

test('it works by keyboard alone', async (t) => {
  const page = await open(t, browser, address);
  await page.locator('#field-about').focus();
  await page.keyboard.type('slowly, by keyboard');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await grown(page.locator('#text'), 10);
  assert.equal(await page.evaluate(() => document.activeElement.id), 'stop');
  await page.keyboard.press('Enter');
  await state(page, 'Stopped');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'run');
});

test('the theme follows the system until it is chosen, and the choice stays', async (t) => {
  const page = await open(t, browser, address, { options: { colorScheme: 'dark' } });
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const dark = await ground();
  await page.getByRole('button', { name: 'Light theme' }).click();
  const light = await ground();
  assert.notEqual(light, dark);
  await page.reload();
  assert.equal(await ground(), light);
  await page.getByRole('button', { name: 'Dark theme' }).click();
  assert.equal(await ground(), dark);
});

const paid = async () => (await fetch(`${address}/paid`)).json();
const card = (page, number) => page.getByRole('article').nth(number);

test('a call that waits is shown with what it would do, and is run when it is approved', async (t) => {
  const page = await open(t, browser, `${address}/#/tasks/support`);
  const before = (await paid()).length;
  await page.fill('#field-message', 'order 7 never came');
  await page.click('#run');
  await page.getByRole('heading', { name: 'Waits for your approval: refund' }).waitFor();
  await state(page, 'Waits for a decision');
  assert.equal(await page.locator('#text').textContent(), 'Let me see.');
  assert.deepEqual(JSON.parse(await card(page, 0).locator('pre').textContent()), { order: '7', amount: 250 });
  await accessible(page, 'a call that waits');
  await page.reload();
  await card(page, 0).waitFor();
  assert.equal((await paid()).length, before, 'nothing was run');
  if (process.env.PICTURE) await page.screenshot({ path: `${process.env.PICTURE}-task.png` });
  await page.getByRole('button', { name: 'Approve', exact: true }).dblclick();
  await state(page, 'Complete');
  assert.equal(await page.locator('#text').textContent(), 'This is what was done: refunded 250.00.');
  assert.deepEqual((await paid()).slice(before), [250]);
  assert.equal(await page.locator('#waiting').isVisible(), false);
});

test('a call is denied with a reason, another one is run with other arguments', async (t) => {
  const page = await open(t, browser, `${address}/#/chats/Teller`);
  const before = (await paid()).length;
  await page.getByLabel('message').fill('orders 8 and 9');
  await page.getByLabel('message').press('Enter');
  await card(page, 1).waitFor();
  await page.getByLabel('message').fill('hello?');
  await page.getByLabel('message').press('Enter');
  await page.getByRole('alert').filter({ hasText: 'Decide about what waits first' }).waitFor();
  await card(page, 0).getByLabel('Reason to deny, shown to the model').fill('it was delivered');
  await card(page, 0).getByRole('button', { name: 'Deny' }).click();
  await page.waitForFunction(() => document.querySelectorAll('#waiting .call').length === 1);
  await card(page, 0).getByRole('button', { name: 'Change the arguments' }).click();
  const json = card(page, 0).getByLabel('Arguments, as JSON');
  await json.fill('{"amount": ');
  await card(page, 0).getByRole('button', { name: 'Approve these' }).click();
  assert.match(await json.evaluate((element) => element.validationMessage), /no JSON/);
  await json.fill('{"amount": 20}');
  if (process.env.PICTURE) await page.screenshot({ path: `${process.env.PICTURE}-chat.png` });
  await accessible(page, 'changing arguments');
  await card(page, 0).getByRole('button', { name: 'Approve these' }).click();
  await state(page, 'Complete');
  const said = 'This is what was done: denied: it was delivered; refunded 20.00.';
  assert.equal(await page.locator('#turns li').last().locator('.text').textContent(), said);
  assert.deepEqual((await paid()).slice(before), [20]);
  await page.reload();
  await page.locator('#turns li', { hasText: said }).waitFor();
  assert.equal(await page.locator('#waiting').isVisible(), false);
});

test('a run that the server has forgotten says so, and waits no more', async (t) => {
  const page = await open(t, browser, `${address}/#/tasks/support`, { expected: isRefused(404) });
  await page.fill('#field-message', 'order 7');
  await page.click('#run');
  await card(page, 0).waitFor();
  await page.route('**/decisions?*', (route) => route.fulfill({ status: 404, json: { error: { message: 'there is no such run', status: 404 } } }));
  await page.getByRole('button', { name: 'Deny' }).click();
  await page.getByRole('alert').filter({ hasText: 'there is no such run (404)' }).waitFor();
  assert.equal(await page.locator('#waiting').isVisible(), false);
});

for (const [name, options] of Object.entries({ light: { colorScheme: 'light' }, dark: { colorScheme: 'dark' }, phone: PHONE })) {
  test(`it is accessible and fits: ${name}`, async (t) => {
    const page = await open(t, browser, `${address}/#/tasks/recipe`, { options });
    const fits = async (where) => {
      await accessible(page, where);
      const [wide, inner] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
      assert.ok(wide <= inner, `${where}: ${wide} px of ${inner}`);
    };
    await page.locator('#field-dish').waitFor();
    await fits('a form');
    await page.getByLabel('dish').fill('cake, slowly');
    await page.click('#run');
    await page.locator('#value-state', { hasText: 'partial' }).waitFor();
    await fits('while it streams');
    await page.click('#stop');
    await page.goto(`${address}/#/chats/Librarian`);
    await page.getByLabel('language').fill('English');
    await page.getByLabel('message').fill('quickly');
    await page.getByLabel('message').press('Enter');
    await state(page, 'Complete');
    await fits('a chat');
  });
}
