/** xfskit in Node: volumes in files and in memory. */
import { readFile, unlink } from 'node:fs/promises';
import { fsError } from './errors.ts';
import { type Platform, setPlatform } from './platform.ts';

const node: Platform = {
  preferred: ['memory'],
  stores: async () => {
    const [{ openFile }, { openMemory }] = await Promise.all([import('./stores/file.ts'), import('./stores/memory.ts')]);
    return { file: openFile, memory: openMemory };
  },
  wasm: () => readFile(new URL('./xfskit_bg.wasm', import.meta.url)),
  list: async () => [],
  delete: async (store, name) => {
    if (store !== 'file') throw fsError('ENOENT', 'unlink', name);
    const { isBeingWritten } = await import('./stores/file.ts');
    if (isBeingWritten(name)) throw fsError('EBUSY', 'unlink', name);
    await unlink(name);
  },
};

setPlatform(node);

export * from './api.ts';
