/** xfskit in browsers. */
import { browser } from './browser.ts';
import { setPlatform } from './platform.ts';

setPlatform(browser);

export * from './api.ts';
