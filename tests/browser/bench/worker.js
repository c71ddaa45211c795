// @ts-check
// Does what the page asks for, in a dedicated worker: the only place with sync access handles.

import * as big from './big.js';
import * as small from './small.js';

/** @type {Record<string, (argument: string) => Promise<unknown>>} */
const MEASURES = { raw: big.raw, volume: big.volume, small: small.run };

self.addEventListener('message', async ({ data }) => {
  try {
    const measure = MEASURES[data.measure];
    if (measure === undefined) throw new Error(`no measure is called ${data.measure}`);
    self.postMessage({ outcome: await measure(data.argument) });
  } catch (error) {
    self.postMessage({ error: error instanceof Error ? error.stack : String(error) });
  }
});
