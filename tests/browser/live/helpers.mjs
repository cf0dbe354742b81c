// What the live tests share: the server in a process of its own, a proxy whose connections can be cut, and Chromium.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const PATIENCE = 90_000; // milliseconds; the embedded model is slow on a machine that does other things as well
const here = (path) => fileURLToPath(new URL(path, import.meta.url));

/** Start the server; gives its address. It ends with the test file. */
export async function startServer(t, { token = '', cors = [] } = {}) {
  const python = process.env.PYTHON ?? here('../../../.venv/bin/python');
  const child = spawn(python, [here('../server.py'), token, ...cors], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => child.kill());
  const [address] = await once(createInterface(child.stdout), 'line');
  return address;
}

/** A TCP proxy before a server: `cut()` breaks every connection that is open. */
export async function startProxy(t, address) {
  const { hostname, port } = new URL(address);
  const open = new Set();
  const proxy = createServer((client) => {
    const server = connect(port, hostname);
    for (const [from, to] of [[client, server], [server, client]]) {
      open.add(from);
      from.pipe(to);
      from.on('error', () => {}).on('close', () => (open.delete(from), to.destroy()));
    }
  }).listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  t.after(() => proxy.close());
  return {
    address: `http://127.0.0.1:${proxy.address().port}`,
    cut: () => open.forEach((socket) => socket.resetAndDestroy()),
  };
}

/** How often the model was asked about something. */
export async function timesAsked(address, about) {
  const asked = await (await fetch(`${address}/asked`)).json();
  return Object.entries(asked).reduce((sum, [what, times]) => sum + (what.includes(about) ? times : 0), 0);
}

export async function startChromium(t) {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
  t.after(() => browser.close());
  return browser;
}

/** Open a page; everything that it logs or throws, and every request to another host, is a failure at the end. */
export async function open(t, browser, address, { options = {}, expected = () => false } = {}) {
  const context = await browser.newContext({ viewport: { width: 1360, height: 860 }, ...options });
  context.setDefaultTimeout(PATIENCE);
  const page = await context.newPage();
  const faults = [];
  page.on('pageerror', (error) => faults.push(String(error)));
  page.on('console', (message) => message.type() === 'error' && faults.push(message.text()));
  page.on('request', (request) => new URL(request.url()).hostname === '127.0.0.1' || faults.push(request.url()));
  await page.goto(address);
  t.after(async () => {
    await context.close();
    const unexpected = faults.filter((fault) => !expected(fault));
    if (unexpected.length) throw new Error(`the page had faults: ${unexpected.join('\n')}`);
  });
  return page;
}

/** Wait until a text has grown beyond `length`, and give it. */
export async function grown(locator, length = 0) {
  for (const end = Date.now() + PATIENCE; Date.now() < end; ) {
    const text = await locator.textContent();
    if (text.length > length) return text;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error(`the text has not grown beyond ${length} characters`);
}
