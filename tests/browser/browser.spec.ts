// What the other tests take for granted of the browser: files in OPFS that last, and room for them.

import { start } from './chromium.js';
import { expect, test } from './fixtures.ts';

test('what is written into OPFS is there in the next browser', async ({ page, context, profile, address }) => {
  await page.goto(`${address}/pages/empty.html`);
  await page.evaluate(async () => {
    const root = await navigator.storage.getDirectory();
    const file = await root.getFileHandle('lasting', { create: true });
    const writable = await file.createWritable();
    await writable.write('still here');
    await writable.close();
  });
  await context.close();

  const again = await start(profile);
  const second = await again.newPage();
  await second.goto(`${address}/pages/empty.html`);
  const text = await second.evaluate(async () => {
    const root = await navigator.storage.getDirectory();
    const file = await (await root.getFileHandle('lasting')).getFile();
    return file.text();
  });
  await again.close();
  expect(text).toBe('still here');
});
