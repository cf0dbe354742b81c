// Ask the site's own search, its worker and its index, in node: `node search.mjs SITE QUERY...` prints what it finds.
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { runInThisContext } from "node:vm";

const [site, ...queries] = process.argv.slice(2);
const workers = join(site, "assets/javascripts/workers");
const [worker] = readdirSync(workers).filter((name) => /^search\..*\.js$/.test(name));
const told = [];
let waiting;
globalThis.self = globalThis;
globalThis.location = { href: "http://localhost/" };
globalThis.addEventListener = (_, listener) => { globalThis.hear = listener; };
globalThis.postMessage = (message) => waiting(message);
runInThisContext(readFileSync(join(workers, worker), "utf-8"));
const ask = (type, data) => new Promise((resolve) => { waiting = resolve; globalThis.hear({ data: { type, data } }); });

const index = JSON.parse(readFileSync(join(site, "search/search_index.json"), "utf-8"));
await ask(0, { ...index, options: { suggest: false } }); // set up
for (const query of queries) {
  const { data } = await ask(2, query);
  told.push(data.items.map((page) => page[0].location));
}
console.log(JSON.stringify(told));
