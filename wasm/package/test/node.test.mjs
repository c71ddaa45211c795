/** A volume does what Node's own `fs.promises` does: Node is the referee. */
import assert from 'node:assert/strict';
import * as nodeFs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Volume } from '../dist/node.js';
import { scenarios } from './scenarios.mjs';
import { WebWorker } from './webworker.mjs';

const MIB = 1 << 20;
const home = process.cwd();
let folder;

before(async () => {
  folder = await nodeFs.mkdtemp(join(tmpdir(), 'xfskit-node-'));
  // As a volume, which has no umask: files are made with 644 and folders with 755.
  process.umask(0o022);
});

after(async () => {
  process.chdir(home);
  await nodeFs.rm(folder, { recursive: true });
});

/** Runs a scenario; the outcome of each step as text. */
async function outcomes(fs, scenario) {
  const told = [];
  const step = async (name, work) => {
    let outcome;
    try {
      outcome = shown(await work());
    } catch (error) {
      const { code, errno, syscall, path, dest, message } = error;
      outcome = `throws ${shown([error.name, code, errno, syscall, path, dest, message])}`;
    }
    told.push(`${name}: ${outcome}`);
  };
  await scenario(fs, step);
  return told;
}

function shown(value) {
  return JSON.stringify(value, (_key, part) => {
    if (typeof part === 'bigint') return `${part}n`;
    if (part?.type === 'Buffer') return `bytes ${Buffer.from(part.data).toString('hex')}`;
    return part;
  });
}

const wasm = await nodeFs.readFile(new URL('../dist/xfskit_bg.wasm', import.meta.url));

let count = 0;

const stores = {
  memory: () => ({ store: 'memory' }),
  file: () => ({ store: 'file', name: join(folder, `image-${count++}`) }),
  'memory, in a worker': () => ({ store: 'memory', thread: 'worker', wasm, worker: () => new WebWorker(new URL('../dist/worker.js', import.meta.url)) }),
};

for (const [store, options] of Object.entries(stores)) {
  describe(`as Node does: a volume in ${store}`, () => {
    for (const [name, scenario] of Object.entries(scenarios)) {
      test(name, async () => {
        const place = join(folder, `${store}-${count++}`);
        await nodeFs.mkdir(place);
        process.chdir(place);
        const expected = await outcomes(nodeFs, scenario);
        const volume = await Volume.open({ ...options(), create: { size: 64 * MIB } });
        try {
          assert.deepEqual(await outcomes(volume.promises, scenario), expected);
          const { findings } = await volume.check();
          assert.deepEqual(findings, []);
        } finally {
          await volume.close();
        }
      });
    }
  });
}
