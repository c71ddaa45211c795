import { defineConfig } from '@playwright/test';

// Limits catch what hangs; none of them says how fast anything must be. A browser on a busy machine is not always
// itself: a test may be tried again, and the report then calls it flaky, which is something to look at.
export default defineConfig({
  testDir: '.',
  testMatch: '*.spec.ts',
  outputDir: '../../target/browser/results',
  workers: 1,
  retries: 2,
  forbidOnly: true,
  timeout: 300_000,
  expect: { timeout: 60_000 },
  reporter: [['list']],
  use: { actionTimeout: 60_000, navigationTimeout: 120_000 },
});
