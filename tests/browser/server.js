// @ts-check
// Serves what was built, over loopback only: the playground at `/`, the package at `/npm/`, pages for tests at
// `/pages/`, scripts that were built for them at `/built/`. No header is set that a plain static host would not set. Run as a program, it prints the address.

import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';
import sirv from 'sirv';

const HOST = '127.0.0.1';

/** @param {string} path relative to the repository's root */
const below = (path) => fileURLToPath(new URL(`../../${path}`, import.meta.url));

/**
 * @param {number} port 0 for any that is free
 * @returns {Promise<{ address: string, close: () => Promise<void> }>}
 */
export async function serve(port = 0) {
  // `dev` reads files when they are asked for, so that what is built anew is served at once.
  const folders = [
    { prefix: '/npm/', handle: sirv(below('dist/npm'), { dev: true }) },
    { prefix: '/pages/', handle: sirv(below('tests/browser/pages'), { dev: true }) },
    { prefix: '/built/', handle: sirv(below('target/browser'), { dev: true }) },
    { prefix: '/', handle: sirv(below('www/dist'), { dev: true }) },
  ];
  const server = createServer((request, response) => {
    const url = request.url ?? '/';
    const folder = folders.find(({ prefix }) => url.startsWith(prefix));
    const absent = () => {
      response.writeHead(404).end('not found\n');
    };
    if (folder === undefined) {
      absent();
      return;
    }
    request.url = url.slice(folder.prefix.length - 1);
    folder.handle(request, response, absent);
  });
  await new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, HOST, () => resolve(undefined));
  });
  const bound = server.address();
  if (bound === null || typeof bound === 'string') {
    throw new Error('the server has no port');
  }
  const close = async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  return { address: `http://${HOST}:${bound.port}`, close };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const wanted = Number(process.argv[2] ?? 8080);
  const busy = (/** @type {NodeJS.ErrnoException} */ error) => {
    if (error.code !== 'EADDRINUSE') throw error;
    return serve();
  };
  const { address } = await serve(wanted).catch(busy);
  console.log(`the playground is at ${address}/ (Ctrl-C ends it)`);
}
