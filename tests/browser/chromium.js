// @ts-check
// How Chromium is started for tests and timings. Run as a program, it tells whether Chromium starts here at all.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from '@playwright/test';

/** It may run as root, and must not talk to hosts of its own accord. */
const ARGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** A driver that hangs is given up after this, in milliseconds; it has nothing to do with how fast the machine is. */
const START_LIMIT = 120_000;
/** How often a browser that does not come up is started in all. */
const STARTS = 3;

/**
 * @typedef {object} Options
 * @property {string[]} [args] more arguments for Chromium
 * @property {{ width: number, height: number }} [viewport]
 */

/**
 * Starts a browser whose storage is in `folder` and is there again when the folder is used again. A context in memory
 * only, as Playwright makes by default, is a private window: it has another quota, and flushes cost nothing in it.
 *
 * @param {string} folder
 * @param {Options} [options]
 */
export async function start(folder, options = {}) {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await chromium.launchPersistentContext(folder, {
        executablePath: process.env['XFSKIT_CHROMIUM'] ?? '/usr/bin/chromium',
        headless: true,
        args: [...ARGS, ...(options.args ?? [])],
        viewport: options.viewport ?? { width: 1280, height: 800 },
        timeout: START_LIMIT,
      });
    } catch (error) {
      if (attempt === STARTS) throw error;
    }
  }
}

/** A folder for a browser's storage, and how to be rid of it. */
export async function profile() {
  const folder = await mkdtemp(join(tmpdir(), 'xfskit-profile-'));
  return { folder, remove: () => rm(folder, { recursive: true, force: true, maxRetries: 10 }) };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { folder, remove } = await profile();
  try {
    const context = await start(folder);
    console.log(`Chromium ${context.browser()?.version() ?? ''} starts`);
    await context.close();
  } finally {
    await remove();
  }
}
