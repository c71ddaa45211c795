// What every test starts from: a server, and a page in a browser with storage of its own that lasts.

import { test as base, type BrowserContext, type Page } from '@playwright/test';
import { profile as newProfile, start, type Options } from './chromium.js';
import { serve } from './server.js';

interface OfWorker {
  /** The address of the server, without a slash at the end. */
  address: string;
}

interface OfTest {
  /** Set by `test.use({ chromiumOptions: … })`: how Chromium is started. */
  chromiumOptions: Options;
  /** The folder with the browser's storage; a second browser may use it when the first is closed. */
  profile: string;
  context: BrowserContext;
  page: Page;
}

export const test = base.extend<OfTest, OfWorker>({
  address: [
    async ({}, use) => {
      const server = await serve();
      await use(server.address);
      await server.close();
    },
    { scope: 'worker' },
  ],
  chromiumOptions: [{}, { option: true }],
  profile: async ({}, use) => {
    const { folder, remove } = await newProfile();
    await use(folder);
    await remove();
  },
  context: async ({ profile, chromiumOptions }, use) => {
    const context = await start(profile, chromiumOptions);
    await use(context);
    await context.close();
  },
  page: async ({ context }, use) => {
    await use(context.pages()[0] ?? (await context.newPage()));
  },
});

export { expect } from '@playwright/test';
