/** The package as it is published: what installs it finds its modules, its types and nothing that doesn't belong. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { publint } from 'publint';

const run = promisify(execFile);
const npm = fileURLToPath(new URL('../../../dist/npm', import.meta.url));
const require = createRequire(import.meta.url);
let folder;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'xfskit-published-'));
  await mkdir(join(folder, 'node_modules'));
  await cp(npm, join(folder, 'node_modules/xfskit'), { recursive: true });
  await writeFile(join(folder, 'package.json'), JSON.stringify({ type: 'module' }));
});

after(() => rm(folder, { recursive: true }));

test('publint finds nothing', async () => {
  const { messages } = await publint({ pkgDir: npm, strict: true });
  assert.deepEqual(messages, []);
});

test('types are right for whoever imports', async () => {
  const attw = join(dirname(require.resolve('@arethetypeswrong/cli/package.json')), 'dist/index.js');
  // A module of WebAssembly has no types.
  const options = ['--pack', npm, '--profile', 'esm-only', '--exclude-entrypoints', './xfskit.wasm', '--no-color'];
  await run(process.execPath, [attw, ...options], { cwd: folder });
});

for (const name of ['xfskit', 'xfskit/node']) {
  test(`Node imports ${name}`, async () => {
    const script = `
      import { Volume } from '${name}';
      const volume = await Volume.open({ store: 'memory', create: { size: 64 * 1024 * 1024 } });
      await volume.promises.writeFile('/f', 'works');
      console.log(await volume.promises.readFile('/f', 'utf8'));
      await volume.close();
    `;
    const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script], { cwd: folder });
    assert.equal(stdout, 'works\n');
  });
}

test('its types are enough for TypeScript in strict mode', async () => {
  await writeFile(join(folder, 'use.ts'), `
    import { Volume, constants, type Stats, type FileHandle, type Dirent } from 'xfskit';
    const volume: Volume = await Volume.open({ store: 'memory', create: { size: 1 } });
    const text: string = await volume.promises.readFile('/f', 'utf8');
    const bytes: Uint8Array<ArrayBuffer> = await volume.promises.readFile('/f');
    const stats: Stats = await volume.promises.stat('/f');
    const big: bigint = (await volume.promises.stat('/f', { bigint: true })).size;
    const names: string[] = await volume.promises.readdir('/');
    const entries: Dirent[] = await volume.promises.readdir('/', { withFileTypes: true });
    const handle: FileHandle = await volume.promises.open('/f', constants.O_RDWR);
    const stream: ReadableStream<Uint8Array<ArrayBuffer>> = volume.exportImage();
    export { text, bytes, stats, big, names, entries, handle, stream };
  `);
  const lib = ['es2022', 'esnext.disposable', 'dom', 'dom.iterable', 'dom.asynciterable'].join(',');
  const tsc = join(dirname(require.resolve('typescript/package.json')), 'bin/tsc');
  const options = ['--noEmit', '--strict', '--target', 'es2022', '--module', 'nodenext', '--lib', lib, '--types', '', 'use.ts'];
  await run(process.execPath, [tsc, ...options], { cwd: folder }).catch((error) => assert.fail(error.stdout));
});

test('only what is needed is in it', async () => {
  assert.deepEqual((await readdir(npm)).sort(), ['README.md', 'dist', 'package.json']);
});
