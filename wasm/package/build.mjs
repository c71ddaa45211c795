/** Builds `dist/` here, and with it the package in `dist/npm` of the repository. `generated/` has wasm-bindgen's output. */
import { execFileSync } from 'node:child_process';
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const here = dirname(fileURLToPath(import.meta.url));
const generated = join(here, 'generated');
const dist = join(here, 'dist');
const npm = join(here, '../../dist/npm');

await rm(dist, { recursive: true, force: true });

const common = {
  bundle: true,
  format: 'esm',
  target: 'es2022',
  outdir: dist,
  alias: { '#glue': join(generated, 'xfskit.js') },
  legalComments: 'none',
  logLevel: 'warning',
};
const source = (name) => join(here, 'src', `${name}.ts`);
// What a page loads and what Node loads share their parts; a worker is one file.
await build({ ...common, entryPoints: [source('index')], splitting: true, platform: 'browser' });
await build({ ...common, entryPoints: [source('node')], platform: 'node' });
await build({ ...common, entryPoints: [source('worker')], platform: 'browser' });
await cp(join(generated, 'xfskit_bg.wasm'), join(dist, 'xfskit_bg.wasm'));

const tsc = createRequire(import.meta.url).resolve('typescript/package.json');
execFileSync(process.execPath, [join(dirname(tsc), 'bin/tsc'), '--emitDeclarationOnly'], { cwd: here, stdio: 'inherit' });

// The package as it is published: without what only its making needs.
const manifest = JSON.parse(await readFile(join(here, 'package.json'), 'utf8'));
delete manifest.scripts;
delete manifest.devDependencies;
await rm(npm, { recursive: true, force: true });
await mkdir(npm, { recursive: true });
await cp(dist, join(npm, 'dist'), { recursive: true });
await cp(join(here, 'README.md'), join(npm, 'README.md'));
await writeFile(join(npm, 'package.json'), `${JSON.stringify(manifest, undefined, 2)}\n`);
