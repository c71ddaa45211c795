// The README's page, as a reader would paste it: served beside the package, opened twice.

import { readFile } from 'node:fs/promises';
import { expect, test } from './fixtures.ts';

test('the page in the README keeps what it wrote', async ({ page, address }) => {
  const readme = await readFile(new URL('../../README.md', import.meta.url), 'utf8');
  const [, html] = readme.match(/```html tour\n([\s\S]*?)\n```/) ?? [];
  expect(html, 'the README has a page').toBeDefined();
  await page.route('**/tour/', (route) => route.fulfill({ contentType: 'text/html', body: html }));
  await page.route('**/tour/xfskit/**', async (route) => {
    const url = route.request().url().replace('/tour/xfskit/', '/npm/dist/');
    await route.fulfill({ response: await route.fetch({ url }) });
  });
  const visit = /\d{4}-\d\d-\d\dT/g;
  await page.goto(`${address}/tour/`);
  await expect(page.locator('#out')).toHaveText(/^opfs: \d{4}-/);
  await page.reload();
  await expect.poll(async () => ((await page.locator('#out').textContent()) ?? '').match(visit)?.length).toBe(2);
});
