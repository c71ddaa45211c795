// @ts-check
// Many small files, in whatever keeps files in a browser: written, listed and read back.

import LightningFS from '@isomorphic-git/lightning-fs';
import { mount, promises, resolveMountConfig, umount } from '@zenfs/core';
import { IndexedDB, WebAccess } from '@zenfs/dom';
import { openVolume, root, tag } from './places.js';

export const FILES = 5000;
const FILE_BYTES = 1024;
const VOLUME_BYTES = 256 << 20;

/**
 * @typedef {object} Place
 * @property {(name: string, bytes: Uint8Array) => Promise<unknown>} write
 * @property {() => Promise<number>} list how many there are
 * @property {(name: string) => Promise<Uint8Array>} read
 * @property {() => Promise<unknown>} settle what is not durable yet becomes so, as far as it knows how
 * @property {() => Promise<unknown>} remove
 */

/** @type {Record<string, () => Promise<Place>>} */
const PLACES = {
  async 'raw OPFS'() {
    const name = tag();
    const folder = await (await root()).getDirectoryHandle(name, { create: true });
    return {
      async write(name, bytes) {
        const handle = await (await folder.getFileHandle(name, { create: true })).createSyncAccessHandle();
        handle.write(bytes);
        handle.close();
      },
      async list() {
        let count = 0;
        for await (const _ of folder.keys()) count += 1;
        return count;
      },
      async read(name) {
        return new Uint8Array(await (await (await folder.getFileHandle(name)).getFile()).arrayBuffer());
      },
      // A flush of each file would be fair, and take minutes: it is given an advantage instead.
      async settle() {},
      remove: async () => (await root()).removeEntry(name, { recursive: true }),
    };
  },
  'xfskit, OPFS': () => ofVolume('opfs'),
  'xfskit, IndexedDB': () => ofVolume('indexeddb'),
  async 'zenfs, OPFS'() {
    const name = tag();
    const handle = await (await root()).getDirectoryHandle(name, { create: true });
    const place = await ofZenfs(name, { backend: WebAccess, handle });
    return { ...place, remove: async () => (place.remove(), (await root()).removeEntry(name, { recursive: true })) };
  },
  async 'zenfs, IndexedDB'() {
    const name = tag();
    const place = await ofZenfs(name, { backend: IndexedDB, storeName: name });
    return { ...place, remove: async () => (place.remove(), indexedDB.deleteDatabase(name)) };
  },
  async 'lightning-fs'() {
    const name = tag();
    const fs = new LightningFS(name).promises;
    await fs.mkdir('/files');
    return {
      write: (name, bytes) => fs.writeFile(`/files/${name}`, bytes),
      list: async () => (await fs.readdir('/files')).length,
      read: (name) => /** @type {Promise<Uint8Array>} */ (fs.readFile(`/files/${name}`)),
      settle: () => fs.flush(),
      remove: async () => indexedDB.deleteDatabase(name),
    };
  },
};

/**
 * @param {'opfs' | 'indexeddb'} store
 * @returns {Promise<Place>}
 */
async function ofVolume(store) {
  const { volume, remove } = await openVolume(store, VOLUME_BYTES);
  await volume.promises.mkdir('/files');
  return {
    write: (name, bytes) => volume.promises.writeFile(`/files/${name}`, bytes),
    list: async () => (await volume.promises.readdir('/files')).length,
    read: (name) => /** @type {Promise<Uint8Array>} */ (volume.promises.readFile(`/files/${name}`)),
    settle: () => volume.sync(),
    async remove() {
      await volume.close();
      await remove();
    },
  };
}

/**
 * @param {string} name
 * @param {any} config
 * @returns {Promise<Place>}
 */
async function ofZenfs(name, config) {
  const filesystem = await resolveMountConfig(config);
  const folder = `/${name}`;
  mount(folder, filesystem);
  await promises.mkdir(`${folder}/files`);
  return {
    write: (name, bytes) => promises.writeFile(`${folder}/files/${name}`, bytes),
    list: async () => (await promises.readdir(`${folder}/files`)).length,
    read: (name) => promises.readFile(`${folder}/files/${name}`),
    settle: async () => filesystem.sync(),
    remove: async () => umount(folder),
  };
}

export const CONTENDERS = Object.keys(PLACES);

/**
 * Milliseconds for all files written, listed, and read.
 *
 * @param {string} contender
 */
export async function run(contender) {
  const open = PLACES[contender];
  if (open === undefined) throw new Error(`no contender is called ${contender}`);
  const place = await open();
  const names = Array.from({ length: FILES }, (_, n) => `file-${String(n).padStart(5, '0')}`);
  const bytes = crypto.getRandomValues(new Uint8Array(FILE_BYTES));

  const begun = performance.now();
  for (const name of names) await place.write(name, bytes);
  await place.settle();
  const written = performance.now();
  const count = await place.list();
  const listed = performance.now();
  let total = 0;
  for (const name of names) total += (await place.read(name)).length;
  const read = performance.now();

  await place.remove();
  if (count !== FILES || total !== FILES * FILE_BYTES) {
    throw new Error(`${contender} has ${count} files and ${total} bytes`);
  }
  return { write: written - begun, list: listed - written, read: read - listed };
}
