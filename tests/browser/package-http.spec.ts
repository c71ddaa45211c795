// An image on a web server of another origin, read by ranges and changed in a store of the browser.

import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from './fixtures.ts';
import type * as Package from '../../wasm/package/src/index.ts';

declare const xfskit: typeof Package;

const MIB = 1024 * 1024;

/** A plain server of one image, whose headers a page of another origin may not all see. */
async function serveImage(image: Buffer): Promise<{ url: string; sent: () => number; change: () => void; close: () => Promise<void> }> {
  let version = 1;
  let sent = 0;
  const server: Server = createServer((request, response) => {
    const headers = {
      'access-control-allow-origin': '*', 'access-control-expose-headers': 'etag', 'access-control-allow-headers': 'range', 'accept-ranges': 'bytes', etag: `"${version}"`,
    };
    const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '');
    if (request.url !== '/image' || request.method === 'OPTIONS') {
      response.writeHead(request.method === 'OPTIONS' ? 204 : 404, headers).end();
    } else if (request.method === 'HEAD' || range === null) {
      response.writeHead(200, { ...headers, 'content-length': image.length });
      response.end(request.method === 'HEAD' ? undefined : image);
    } else {
      const part = image.subarray(Number(range[1]), Number(range[2]) + 1);
      sent += part.length;
      response.writeHead(206, { ...headers, 'content-length': part.length, 'content-range': `bytes ${range[1]}-${range[2]}/${image.length}` });
      response.end(part);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const close = async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  return { url: `http://127.0.0.1:${port}/image`, sent: () => sent, change: () => (version += 1), close };
}

async function image(): Promise<Buffer> {
  const path = '../../dist/npm/dist/node.js';
  const { Volume } = (await import(path)) as typeof Package;
  const volume = await Volume.open({ store: 'memory', create: { size: 256 * MIB } });
  await volume.promises.mkdir('/folder');
  for (let i = 0; i < 100; i++) await volume.promises.writeFile(`/folder/${i}`, `file ${i}`);
  await volume.promises.writeFile('/large', new Uint8Array(8 * MIB).fill(5));
  const parts: Uint8Array[] = [];
  for await (const part of volume.exportImage() as unknown as AsyncIterable<Uint8Array>) parts.push(part);
  await volume.close();
  return Buffer.concat(parts);
}

test('an image on a server is read by ranges, and changed in an overlay', async ({ page, address }) => {
  const server = await serveImage(await image());
  try {
    await page.goto(`${address}/pages/empty.html`);
    await page.evaluate(async () => {
      const url = '/npm/dist/index.js';
      Object.assign(window, { xfskit: await import(url) });
    });
    const alone = await page.evaluate(async (http) => {
      const volume = await xfskit.Volume.open({ store: { http } });
      const text = await volume.promises.readFile('/folder/77', 'utf8');
      const refused = await volume.promises.writeFile('/x', '').catch((error: { code: string }) => error.code);
      await volume.close();
      return { text, refused };
    }, server.url);
    expect(alone).toEqual({ text: 'file 77', refused: 'EROFS' });
    // Only what was read came over the wire: not the large file.
    expect(server.sent()).toBeLessThan(8 * MIB);

    for (const overlay of ['memory', 'opfs', 'indexeddb'] as const) {
      const outcome = await page.evaluate(
        async ({ http, overlay }) => {
          const open = () => xfskit.Volume.open({ store: { http, overlay }, name: 'over' });
          const check = async (volume: Package.Volume) => [
            await volume.promises.readFile('/folder/5', 'utf8'),
            await volume.promises.readFile('/folder/6', 'utf8'),
            (await volume.promises.readFile('/clone'))[4_000_000],
            (await volume.promises.readFile('/large'))[4_000_000],
            (await volume.check()).summary.damage,
          ];
          let volume = await open();
          await volume.promises.writeFile('/folder/5', 'changed');
          await volume.clone('/large', '/clone');
          const handle = await volume.promises.open('/clone', 'r+');
          await handle.write(Uint8Array.of(9), 0, 1, 4_000_000);
          await handle.close();
          const before = await check(volume);
          await volume.close();
          if (overlay === 'memory') return { before };
          volume = await open();
          const after = await check(volume);
          await volume.close();
          // Who only reads sees what was changed as well.
          const reader = await xfskit.Volume.open({ store: { http, overlay }, name: 'over', readOnly: true });
          const read = await reader.promises.readFile('/folder/5', 'utf8');
          const refused = await reader.promises.writeFile('/x', '').catch((error: { code: string }) => error.code);
          await reader.close();
          return { before, after, read, refused };
        },
        { http: server.url, overlay },
      );
      const expected = ['changed', 'file 6', 9, 5, 0];
      expect(outcome.before).toEqual(expected);
      if (overlay !== 'memory') expect(outcome).toMatchObject({ after: expected, read: 'changed', refused: 'EROFS' });
    }

    server.change();
    const stale = await page.evaluate(async (http) => {
      const errors: Record<string, string> = {};
      for (const overlay of ['opfs', 'indexeddb'] as const) {
        const opening = xfskit.Volume.open({ store: { http, overlay }, name: 'over' });
        errors[overlay] = await opening.then(() => 'opened', (error: { code: string }) => error.code);
      }
      const missing = await xfskit.Volume.open({ store: { http: `${http}-not` } }).catch((error: { code: string }) => error.code);
      return { ...errors, missing };
    }, server.url);
    expect(stale).toEqual({ opfs: 'ESTALE', indexeddb: 'ESTALE', missing: 'ENOENT' });
  } finally {
    await server.close();
  }
});
