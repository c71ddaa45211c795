import { defineConfig } from '@playwright/test';

// Limits catch what hangs; none of them says how fast anything must be. Nothing is retried: a test that passes the
// second time has found something.
export default defineConfig({
  testDir: '.',
  testMatch: '*.spec.ts',
  outputDir: '../../target/browser/results',
  workers: 1,
  retries: 0,
  forbidOnly: true,
  timeout: 300_000,
  expect: { timeout: 60_000 },
  reporter: [['list']],
  use: { actionTimeout: 60_000, navigationTimeout: 120_000 },
});
