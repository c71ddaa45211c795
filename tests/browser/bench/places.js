// @ts-check
// Where measures keep their files; each has a name that no other one has.

let count = 0;

/** A name of its own. */
export function tag() {
  count += 1;
  return `bench-${Date.now()}-${count}`;
}

/** OPFS. */
export function root() {
  return navigator.storage.getDirectory();
}

/** @returns {Promise<typeof import('../../../wasm/package/src/index.ts')>} the package, as it is built */
export function xfskit() {
  const built = '/npm/dist/index.js';
  return import(built);
}

/**
 * A fresh volume of `size` bytes, with its engine in this thread.
 *
 * @param {'opfs' | 'indexeddb'} store
 * @param {number} size
 */
export async function openVolume(store, size) {
  const { Volume } = await xfskit();
  const name = tag();
  const volume = await Volume.open({ store, name, create: { size }, thread: 'here' });
  return { volume, remove: () => Volume.delete({ store, name }) };
}
