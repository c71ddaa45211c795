/** What a browser has: OPFS, IndexedDB, memory, and workers. */
import { fsError } from './errors.ts';
import type { StoreName } from './options.ts';
import type { Platform } from './platform.ts';
import { deleteIndexedDb, listIndexedDb } from './stores/indexeddb.ts';
import { deleteOpfs, listOpfs } from './stores/opfs.ts';

export const browser: Platform = {
  preferred: ['opfs', 'indexeddb', 'memory'],
  stores: async () => (await import('./stores/open.ts')).browserStores,
  wasm: async () => undefined,
  worker: () => new Worker(new URL('./worker.js', import.meta.url), { type: 'module', name: 'xfskit' }),
  list,
  delete: remove,
};

async function list(store: StoreName): Promise<string[]> {
  if (store === 'opfs') return listOpfs();
  return store === 'indexeddb' ? listIndexedDb() : [];
}

async function remove(store: StoreName, name: string): Promise<void> {
  if (store === 'opfs') return deleteOpfs(name);
  if (store === 'indexeddb') return deleteIndexedDb(name);
  throw fsError('ENOENT', 'unlink', name);
}
