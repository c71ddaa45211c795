// Two tabs at one volume: one writes, the other one reads what that one has, live.

import type { Page } from '@playwright/test';
import type * as Package from '../../wasm/package/src/index.ts';
import { expect, test } from './fixtures.ts';

declare const xfskit: typeof Package;
declare const volume: Package.Volume;
declare const seen: string[];

const SIZE = 256 * 1024 * 1024;

async function open(page: Page, address: string): Promise<void> {
  await page.goto(`${address}/pages/empty.html`);
  await page.evaluate(async () => {
    const url = '/npm/dist/index.js';
    Object.assign(window, { xfskit: await import(url) });
  });
}

for (const store of ['opfs', 'indexeddb'] as const) {
  test(`a second tab reads what the first one writes: ${store}`, async ({ page, context, address }) => {
    await open(page, address);
    await page.evaluate(
      async ({ store, size }) => {
        const volume = await xfskit.Volume.open({ store, name: 'both', create: { size } });
        Object.assign(window, { volume });
        await volume.promises.writeFile('/file', 'not yet durable');
        await volume.promises.writeFile('/large', new Uint8Array(5_000_000).fill(7));
      },
      { store, size: SIZE },
    );

    const other = await context.newPage();
    await open(other, address);
    const first = await other.evaluate(async (store) => {
      const { Volume } = xfskit;
      const busy = await Volume.open({ store, name: 'both' }).catch((error: { code: string }) => error.code);
      const removed = await Volume.delete({ store, name: 'both' }).catch((error: { code: string }) => error.code);
      const volume = await Volume.open({ store, name: 'both', readOnly: true });
      Object.assign(window, { volume, seen: [] });
      const { promises } = volume;
      // Begins before the next change, which is made when this has returned.
      const changes = promises.watch('/')[Symbol.asyncIterator]();
      const next = changes.next();
      void (async () => {
        for (let change = await next; change.done !== true; change = await changes.next()) seen.push(String(change.value.filename));
      })();
      const refused = await promises.writeFile('/file', 'x').catch((error: { code: string }) => error.code);
      const handle = await promises.open('/file');
      const { bytesRead } = await handle.read(new Uint8Array(3));
      await handle.close();
      const text = await promises.readFile('/file', 'utf8');
      const large = (await promises.readFile('/large')).every((byte) => byte === 7);
      return { busy, removed, refused, bytesRead, text, large };
    }, store);
    expect(first).toEqual({ busy: 'EBUSY', removed: 'EBUSY', refused: 'EROFS', bytesRead: 3, text: 'not yet durable', large: true });

    await page.evaluate(() => volume.promises.writeFile('/file', 'changed'));
    await other.waitForFunction(() => seen.includes('file'));
    expect(await other.evaluate(() => volume.promises.readFile('/file', 'utf8'))).toBe('changed');

    await page.evaluate(() => volume.close());
    const after = await other.evaluate(async (store) => {
      const { Volume } = xfskit;
      // The writer is gone, which its lock tells.
      let gone: string | undefined;
      while (gone === undefined) gone = await volume.promises.readFile('/file').then(() => undefined, (error) => error.code);
      const again = await Volume.open({ store, name: 'both' });
      const text = await again.promises.readFile('/file', 'utf8');
      const { findings } = await again.check();
      await again.close();
      await Volume.delete({ store, name: 'both' });
      return { gone, text, findings, left: await Volume.list({ store }) };
    }, store);
    expect(after).toEqual({ gone: 'EBADF', text: 'changed', findings: [], left: [] });
  });
}

test('a tab that is closed lets go of its volume', async ({ page, context, address }) => {
  await open(page, address);
  await page.evaluate(async (size) => {
    const volume = await xfskit.Volume.open({ store: 'opfs', name: 'left', create: { size } });
    await volume.promises.writeFile('/durable', 'yes', { flush: true });
  }, SIZE);
  const other = await context.newPage();
  await open(other, address);
  await page.close();
  const text = await other.evaluate(async () => {
    for (;;) {
      try {
        const volume = await xfskit.Volume.open({ store: 'opfs', name: 'left' });
        const text = await volume.promises.readFile('/durable', 'utf8');
        await volume.close();
        return text;
      } catch (error) {
        if ((error as { code?: string }).code !== 'EBUSY') throw error;
      }
    }
  });
  expect(text).toBe('yes');
});
