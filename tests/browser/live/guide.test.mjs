// The JavaScript of docs/guides/browser.md runs, block after block, as a reader would paste it.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { transform } from 'esbuild';
import { startServer } from './helpers.mjs';

const guide = await readFile(new URL('../../../docs/guides/browser.md', import.meta.url), 'utf8');
const blocks = (kind) => Array.from(guide.matchAll(new RegExp(`^\`\`\`${kind}\\n(.*?)^\`\`\``, 'gms')), ([, code]) => code);

test('the JavaScript of the guide runs', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'guide-'));
  t.after(() => rm(folder, { recursive: true }));
  await cp(fileURLToPath(new URL('../../../declarai_like/serve/static/declarai.js', import.meta.url)), join(folder, 'declarai.js'));
  await writeFile(join(folder, 'package.json'), '{"type": "module"}');
  const code = blocks('js').join('\n').replaceAll('http://127.0.0.1:8000', await startServer(t));
  await writeFile(join(folder, 'guide.js'), code);
  const { stdout } = await promisify(execFile)('node', ['guide.js'], { cwd: folder });
  assert.equal(stdout.match(/A robot swept .* planted it\./g).length, 5);
  assert.match(stdout, /^4 complete \d+$/m);
  assert.match(stdout, /^This is what was done: denied: too much\.$/m);
  assert.match(stdout, /^422 InvalidArguments .*servings/m);
});

test('the React of the guide compiles', async () => {
  for (const code of blocks('jsx')) await transform(code, { loader: 'jsx' });
});
