// examples/serve_local.py: the page answers from the embedded model, without a key. The pictures of the guide are taken
// here too, where PICTURES names a folder for them.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { grown, open, startChromium } from './helpers.mjs';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const pictures = process.env.PICTURES;
const picture = (page, name) => pictures && page.screenshot({ path: join(pictures, `serve-${name}.png`) });
const ended = (page) => page.locator('#state', { hasText: /Complete|Truncated/ }).waitFor();

let address;
let browser;
before(async (t) => {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address();
  probe.close();
  const cwd = await mkdtemp(join(tmpdir(), 'serve-'));
  const { OPENAI_API_KEY, DECLARAI_OPENAI_API_KEY, ...env } = process.env;
  const python = env.PYTHON ?? here('../../../.venv/bin/python');
  const child = spawn(python, [here('../../../examples/serve_local.py'), port], { cwd, env, stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(async () => {
    child.kill();
    await once(child, 'exit');
    await rm(cwd, { recursive: true });
  });
  [address] = await once(createInterface(child.stdout), 'line');
  for (let tries = 0; tries < 200 && !(await fetch(address).catch(() => null)); tries++) await sleep(50);
  browser = await startChromium(t);
});

test('a task of the example answers from the embedded model', async (t) => {
  const page = await open(t, browser, address, {
    options: { viewport: { width: 360, height: 900 }, isMobile: true, deviceScaleFactor: 2 },
  });
  await page.fill('#field-movie', 'Avengers');
  await page.click('#run');
  await grown(page.locator('#text'), 60);
  await ended(page);
  assert.ok(Number(await page.locator('#tokens').textContent()) > 5);
  await page.evaluate(() => scrollTo(0, 0));
  await picture(page, 'phone');
});

test('a typed task of the example grows and is a list', async (t) => {
  const page = await open(t, browser, `${address}/#/tasks/people`, {
    options: { viewport: { width: 1280, height: 800 }, colorScheme: 'light' },
  });
  await page.fill('#field-text', 'Ada is 36 and lives in London. Grace is 41 and lives in New York.');
  await page.click('#run');
  await page.locator('#value', { hasText: 'London' }).waitFor();
  await picture(page, 'light');
  await ended(page);
  const people = JSON.parse(await page.locator('#value').textContent());
  assert.deepEqual(Object.keys(people[0]), ['name', 'age', 'city']);
});

test('the chat of the example answers from the embedded model', async (t) => {
  const page = await open(t, browser, `${address}/#/chats/Critic`, {
    options: { viewport: { width: 1280, height: 800 }, colorScheme: 'dark' },
  });
  await page.getByLabel('readers').fill('children');
  for (const [message, count] of [['I have seen Alien.', 3], ['What is a thriller?', 5]]) {
    await page.getByLabel('message').fill(message);
    await page.getByLabel('message').press('Enter');
    await page.locator('#turns li').nth(count - 1).waitFor();
    await grown(page.locator('#turns li').nth(count - 1).locator('.text'), 40);
    if (count === 5) await picture(page, 'dark');
    await ended(page);
  }
  await page.reload();
  await page.locator('#turns li').nth(4).waitFor();
});
