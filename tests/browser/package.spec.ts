// The package as a page without any tools uses it: one `<script type="module">`, and a worker that it starts itself.

import type { Page } from '@playwright/test';
import type * as Package from '../../wasm/package/src/index.ts';
import { start } from './chromium.js';
import { expect, test } from './fixtures.ts';

declare global {
  interface Window {
    xfskit: typeof Package;
  }
}

const CREATE = { size: 512 * 1024 * 1024 };

async function open(page: Page, address: string): Promise<void> {
  await page.goto(`${address}/pages/package.html`);
  await page.waitForFunction(() => 'xfskit' in window);
}

for (const store of ['opfs', 'indexeddb'] as const) {
  test(`a file in ${store} is there when the page is loaded anew, and in the next browser`, async ({
    page,
    context,
    profile,
    address,
  }) => {
    const write = async (given: { store: typeof store; create: typeof CREATE }) => {
      const volume = await window.xfskit.Volume.open({ ...given, name: 'lasting' });
      await volume.promises.mkdir('/folder');
      await volume.promises.writeFile('/folder/file', 'still here');
      await volume.sync();
      const text = await volume.promises.readFile('/folder/file', 'utf8');
      await volume.close();
      return text;
    };
    const read = async (given: { store: typeof store }) => {
      const volume = await window.xfskit.Volume.open({ ...given, name: 'lasting' });
      const text = await volume.promises.readFile('/folder/file', 'utf8');
      await volume.close();
      return text;
    };

    await open(page, address);
    expect(await page.evaluate(write, { store, create: CREATE })).toBe('still here');
    await page.reload();
    await page.waitForFunction(() => 'xfskit' in window);
    expect(await page.evaluate(read, { store })).toBe('still here');
    await context.close();

    const again = await start(profile);
    const second = await again.newPage();
    await open(second, address);
    const text = await second.evaluate(read, { store });
    await again.close();
    expect(text).toBe('still here');
  });
}

test('a volume that one tab writes is busy in another, and open for reading', async ({ page, context, address }) => {
  await open(page, address);
  await page.evaluate(async (create) => {
    const volume = await window.xfskit.Volume.open({ store: 'opfs', name: 'shared', create });
    await volume.promises.writeFile('/file', 'for both');
    await volume.sync();
    Object.assign(window, { volume });
  }, CREATE);

  const other = await context.newPage();
  await open(other, address);
  const outcome = await other.evaluate(async () => {
    const { Volume } = window.xfskit;
    const code = await Volume.open({ store: 'opfs', name: 'shared' }).then(
      () => 'opened',
      (error: { code?: string }) => error.code,
    );
    const volume = await Volume.open({ store: 'opfs', name: 'shared', readOnly: true });
    const text = await volume.promises.readFile('/file', 'utf8');
    await volume.close();
    return { code, text };
  });
  expect(outcome).toEqual({ code: 'EBUSY', text: 'for both' });
});
