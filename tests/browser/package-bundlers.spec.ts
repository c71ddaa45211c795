// The package in a page that a bundler made: its worker and its module are found, without anything to set.

import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Page } from '@playwright/test';
import sirv from 'sirv';
import { build, createServer as createViteServer } from 'vite';
import webpack from 'webpack';
import { expect, test } from './fixtures.ts';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const FOLDER = join(HERE, '../../target/browser/consumer');

/** What somebody writes who has installed the package. */
const MAIN = `
import { Volume } from 'xfskit';

const said = [];
for (const options of [{ store: 'opfs' }, { store: 'indexeddb' }, { store: 'memory' }, { store: 'memory', thread: 'here' }]) {
  const volume = await Volume.open({ ...options, name: 'consumer', create: { size: 64 * 1024 * 1024 } });
  await volume.promises.writeFile('/hello', 'hello');
  said.push(await volume.promises.readFile('/hello', 'utf8'));
  await volume.close();
}
document.body.textContent = said.join(' ');
document.title = 'done';
`;
const PAGE = '<!doctype html><html lang="en"><head><title>begun</title><script type="module" src="./main.js"></script></head><body></body></html>';

test.beforeAll(async () => {
  await rm(FOLDER, { recursive: true, force: true });
  await mkdir(join(FOLDER, 'node_modules'), { recursive: true });
  // A copy, as an installation leaves it.
  await cp(join(HERE, '../../dist/npm'), join(FOLDER, 'node_modules/xfskit'), { recursive: true });
  const manifest = { name: 'consumer', private: true, type: 'module', dependencies: { xfskit: '*' } };
  await writeFile(join(FOLDER, 'package.json'), JSON.stringify(manifest));
  await writeFile(join(FOLDER, 'main.js'), MAIN);
  await writeFile(join(FOLDER, 'index.html'), PAGE);
});

async function expectHello(page: Page, url: string): Promise<void> {
  await page.goto(url);
  await page.waitForFunction(() => document.title === 'done');
  expect(await page.textContent('body')).toBe('hello hello hello hello');
}

async function served(folder: string, work: (url: string) => Promise<void>): Promise<void> {
  const handle = sirv(folder, { dev: true });
  const server: Server = createServer((request, response) => handle(request, response, () => void response.writeHead(404).end()));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    await work(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

test('Vite, as it builds', async ({ page }) => {
  const outDir = join(FOLDER, 'vite');
  await build({ root: FOLDER, logLevel: 'error', configFile: false, build: { outDir, target: 'es2022', emptyOutDir: true } });
  await served(outDir, (url) => expectHello(page, url));
});

test('Vite, as it serves while one works', async ({ page }) => {
  const server = await createViteServer({
    root: FOLDER, logLevel: 'error', configFile: false, cacheDir: join(FOLDER, 'cache'), server: { host: '127.0.0.1', port: 0, watch: null },
  });
  try {
    await server.listen();
    await expectHello(page, server.resolvedUrls?.local[0] ?? '');
  } finally {
    await server.close();
  }
});

test('webpack', async ({ page }) => {
  const path = join(FOLDER, 'webpack');
  const compiler = webpack({
    mode: 'production', context: FOLDER, entry: './main.js', output: { path }, experiments: { topLevelAwait: true }, performance: { hints: false },
  });
  const errors = await new Promise<unknown>((resolve, reject) => {
    compiler?.run((error, stats) => (error ? reject(error) : resolve(stats?.toJson({ all: false, errors: true }).errors)));
  });
  await new Promise<void>((resolve) => compiler?.close(() => resolve()));
  expect(errors).toEqual([]);
  const html = await readFile(join(FOLDER, 'index.html'), 'utf8');
  await writeFile(join(path, 'index.html'), html);
  await served(path, (url) => expectHello(page, url));
});
