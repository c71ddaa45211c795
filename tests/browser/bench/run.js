// @ts-check
// Times xfskit beside what else keeps files in a browser, all in one run of one browser. `--rounds N` for more or less
// than five. Everybody has a turn in each round, so that what disturbs the machine disturbs all of them.

import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';
import { profile, start } from '../chromium.js';
import { serve } from '../server.js';
import { median, print } from './table.js';

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '5' } } });
const ROUNDS = Number(values.rounds);
const SMALL = ['raw OPFS', 'xfskit, OPFS', 'xfskit, IndexedDB', 'zenfs, OPFS', 'zenfs, IndexedDB', 'lightning-fs'];
const OTHERS = ['zenfs, OPFS', 'zenfs, IndexedDB', 'lightning-fs'];

/** @typedef {Record<string, number>} Times milliseconds by what was done */

/** @param {string} path relative to this file */
const here = (path) => fileURLToPath(new URL(path, import.meta.url));

await build({
  entryPoints: [here('worker.js')],
  bundle: true,
  format: 'esm',
  target: 'es2022',
  outdir: here('../../../target/browser/bench'),
  logLevel: 'warning',
});
const server = await serve();
const storage = await profile();
const browser = await start(storage.folder);
try {
  await run();
} finally {
  await browser.close();
  await storage.remove();
  await server.close();
}

async function run() {
  /** @type {Record<string, Times[]>} */
  const times = {};
  /** @param {string} who @param {Promise<Times>} measured */
  const note = async (who, measured) => {
    (times[who] ??= []).push(await measured);
    process.stderr.write('.');
  };
  const page = await browser.newPage();
  await page.goto(`${server.address}/pages/bench.html`);
  await page.waitForFunction(() => 'measure' in window);
  /** @param {string} measure @param {string} [argument] @returns {Promise<Times>} */
  const measure = (measure, argument) =>
    // @ts-expect-error The page defines it.
    page.evaluate(([measure, argument]) => window.measure(measure, argument), [measure, argument]);

  for (let round = 0; round < ROUNDS; round += 1) {
    await note('big, raw', measure('raw'));
    await note('big, xfskit', measure('volume'));
    for (const who of SMALL) await note(who, measure('small', who));
    await note('package', startPackage());
    await note('playground', startPlayground());
  }
  process.stderr.write('\n');

  /** @param {string} who @param {string[]} what */
  const total = (who, what) =>
    median((times[who] ?? []).map((one) => what.reduce((sum, name) => sum + (one[name] ?? NaN), 0)));
  report(total);
}

/** @param {(who: string, what: string[]) => number} total */
function report(total) {
  const all = ['write', 'list', 'read'];
  const best = OTHERS.reduce((a, b) => (total(a, all) <= total(b, all) ? a : b));
  /** @param {string} work @param {string} what @param {number} wanted */
  const big = (work, what, wanted) => ({
    work,
    who: 'raw OPFS',
    theirs: total('big, raw', [what]),
    ours: total('big, xfskit', [what]),
    wanted,
  });
  /** @param {string} who @param {string} us @param {number} wanted */
  const small = (who, us, wanted) => ({
    work: `5 000 files of 1 KiB, ${us}`,
    who,
    theirs: total(who, all),
    ours: total(us, all),
    wanted,
  });
  console.log(`medians of ${ROUNDS} rounds\n`);
  print([
    big('256 MiB written, 1 MiB a call', 'write', 0.85),
    big('256 MiB read, 1 MiB a call', 'read', 0.85),
    big('20 000 reads of 4 KiB at random', 'randomRead', 0.7),
    big('256 MiB cloned, or copied', 'clone', 100),
    small('raw OPFS', 'xfskit, OPFS', 5),
    small(best, 'xfskit, OPFS', 3),
    small(best, 'xfskit, IndexedDB', 1.5),
  ]);
  console.log('\n5 000 files of 1 KiB, ms          write    list    read');
  for (const who of SMALL) {
    const parts = all.map((what) => total(who, [what]).toFixed(0).padStart(8));
    console.log(`  ${who.padEnd(28)}${parts.join('')}`);
  }
  console.log('\nfrom nothing to a usable volume or page, ms (wanted: package 100, page 1 000)');
  for (const what of ['package', 'playground']) {
    console.log(`  ${what.padEnd(28)}${total(what, ['usable']).toFixed(0).padStart(8)}`);
  }
}

/** Milliseconds from importing the package to a volume that can be used, with its worker. */
async function startPackage() {
  const page = await browser.newPage();
  await page.goto(`${server.address}/pages/empty.html`);
  const usable = await page.evaluate(async () => {
    const begun = performance.now();
    const built = '/npm/dist/index.js';
    const { Volume } = await import(built);
    const volume = await Volume.open({ store: 'memory', name: 'start', create: { size: 64 << 20 } });
    const taken = performance.now() - begun;
    await volume.close();
    return taken;
  });
  await page.close();
  return { usable };
}

/** Milliseconds from the navigation until the playground's first button can be pressed. */
async function startPlayground() {
  const page = await browser.newPage();
  await page.goto(`${server.address}/`, { waitUntil: 'commit' });
  const button = page.getByRole('button', { name: /^Make a / }).first();
  await button.click({ trial: true });
  const usable = await page.evaluate(() => performance.now());
  await page.close();
  return { usable };
}
