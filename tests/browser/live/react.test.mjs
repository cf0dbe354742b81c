// The hook in a small built page of another origin, in development mode and under StrictMode.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { grown, open, startChromium, startProxy, startServer, timesAsked } from './helpers.mjs';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const STORY = /^A robot swept .* planted it\.$/;

let address;
let browser;
let front;
before(async (t) => {
  const { outputFiles } = await build({
    entryPoints: [here('../react/main.tsx')],
    bundle: true,
    write: false,
    format: 'esm',
    jsx: 'automatic',
    define: { 'process.env.NODE_ENV': '"development"' },
    nodePaths: [here('../node_modules')],
  });
  const page = '<!doctype html><html lang="en"><link rel="icon" href="data:,"><div id="root"></div><script type="module" src="main.js"></script>';
  const server = createServer((request, response) =>
    request.url.startsWith('/main.js')
      ? response.setHeader('Content-Type', 'text/javascript').end(outputFiles[0].text)
      : response.setHeader('Content-Type', 'text/html').end(page),
  ).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => (server.closeAllConnections(), server.close()));
  front = `http://127.0.0.1:${server.address().port}`;
  [address, browser] = await Promise.all([startServer(t, { cors: [front] }), startChromium(t)]);
});

async function start(t, question, { server = address, expected } = {}) {
  const page = await open(t, browser, `${front}/?server=${server}`, { expected });
  await page.getByLabel('Question').fill(question);
  await page.getByRole('button', { name: 'Ask' }).click();
  return [page, page.locator('output')];
}

test('a question is typed, and its answer grows', async (t) => {
  const [page, output] = await start(t, 'asked in React');
  const lengths = [];
  for (let length = 0; lengths.length < 8; length = lengths.at(-1)) lengths.push((await grown(output, length)).length);
  assert.equal(await output.getAttribute('aria-busy'), 'true');
  await page.locator('output[aria-busy=false]').waitFor();
  assert.match(await output.textContent(), STORY);
  assert.equal(await timesAsked(address, 'asked in React'), 1);
});

test('a connection that is cut in the middle brings the rest', async (t) => {
  const proxy = await startProxy(t, address);
  const [page, output] = await start(t, 'cut in React', {
    server: proxy.address,
    expected: (fault) => fault.includes('ERR_CONNECTION_RESET'),
  });
  const before = await grown(output, 40);
  proxy.cut();
  const after = await grown(output, before.length + 40);
  assert.ok(after.startsWith(before));
  await page.locator('output[aria-busy=false]').waitFor();
  assert.match(await output.textContent(), STORY);
  assert.equal(await timesAsked(address, 'cut in React'), 1);
});

test('stop keeps what has come and is no error', async (t) => {
  const [page, output] = await start(t, 'slowly, stopped in React');
  await grown(output, 20);
  await page.getByRole('button', { name: 'Stop' }).click();
  await page.locator('output[aria-busy=false]').waitFor();
  const text = await output.textContent();
  await page.waitForTimeout(150);
  assert.equal(await output.textContent(), text);
  assert.equal(await page.getByRole('alert').count(), 0);
});

test('a new question takes the place of the one before', async (t) => {
  const [page, output] = await start(t, 'slowly, the first');
  await grown(output, 1);
  await page.getByLabel('Question').fill('quickly, the second');
  await page.getByRole('button', { name: 'Ask' }).click();
  await page.locator('output[aria-busy=false]').waitFor();
  assert.match(await output.textContent(), STORY);
});

test('unmounting closes the connection', async (t) => {
  const [page, output] = await start(t, 'slowly, left in React');
  await grown(output, 10);
  const closed = page.waitForEvent('requestfailed', (request) => request.url().endsWith('/v1/chat/completions'));
  await page.getByRole('button', { name: 'Toggle' }).click();
  assert.equal((await closed).failure().errorText, 'net::ERR_ABORTED');
  await page.getByRole('button', { name: 'Toggle' }).click();
  assert.equal(await output.textContent(), '');
});

test('what goes wrong is an error of the hook', async (t) => {
  const [page] = await start(t, 'x', {
    server: 'http://127.0.0.1:9',
    expected: (fault) => /ERR_(CONNECTION_REFUSED|UNSAFE_PORT)/.test(fault),
  });
  await page.getByRole('alert').filter({ hasText: 'connection_error' }).waitFor();
});
