/**
 * A volume in IndexedDB: one database for each, with the image in chunks, and one that lists them. Chunks that were
 * never written are not stored. An epoch is one transaction with strict durability.
 */
import type { Bindings, Epoch } from '../bindings.ts';
import { fsError } from '../errors.ts';
import type { HostOptions } from '../options.ts';
import type { Store } from './store.ts';
import { type ChunkIo, storageCode, Waiting } from './waiting.ts';

const LIST = 'xfskit';
const VERSION = 1;
const CHUNK_BYTES = 64 * 1024;

/** What the database says of itself. */
interface Shape {
  length: number;
  chunkBytes: number;
}

export function indexedDbIsHere(): boolean {
  return globalThis.indexedDB !== undefined;
}

export async function openIndexedDb(bindings: Bindings, options: HostOptions, length: number | undefined): Promise<Store> {
  try {
    return await open(bindings, options, length);
  } catch (error) {
    if (error instanceof DOMException) throw fsError(storageCode(error), 'open', options.name, undefined, error.message);
    throw error;
  }
}

async function open(bindings: Bindings, options: HostOptions, length: number | undefined): Promise<Store> {
  const { name, memoryBytes } = options;
  if (!indexedDbIsHere()) throw fsError('EOPNOTSUPP', 'open', name, undefined, 'there is no IndexedDB here');
  if (length === undefined && !(await listIndexedDb()).includes(name)) throw fsError('ENOENT', 'open', name);
  // The list first: a volume that isn't in it could never be deleted.
  if (length !== undefined) await inList('readwrite', (list) => list.put(0, name));
  const database = await request(opening(databaseName(name)));
  try {
    const { shape, fresh } = await shapeOf(database, length);
    const present = fresh ? new Uint32Array() : await storedChunks(database);
    const chunks = new bindings.Chunks(shape.length, shape.chunkBytes, memoryBytes, present, !options.readOnly);
    const waiting = new Waiting(chunks, new Io(database), memoryBytes);
    return { disk: bindings.Disk.chunked(chunks), fresh, ours: true, waiting: [waiting], close: async () => database.close() };
  } catch (error) {
    database.close();
    throw error;
  }
}

class Io implements ChunkIo {
  readonly #database: IDBDatabase;

  constructor(database: IDBDatabase) {
    this.#database = database;
    // Another version of this package wants to change the database: let it; what comes here later fails.
    database.onversionchange = () => database.close();
  }

  async fetch(first: number, end: number): Promise<(Uint8Array | undefined)[]> {
    const store = this.#database.transaction('chunks').objectStore('chunks');
    const range = IDBKeyRange.bound(first, end, false, true);
    const [keys, values] = await Promise.all([request(store.getAllKeys(range)), request(store.getAll(range))]);
    const found = new Array<Uint8Array | undefined>(end - first).fill(undefined);
    keys.forEach((key, i) => {
      found[Number(key) - first] = values[i] as Uint8Array;
    });
    return found;
  }

  async save(epoch: Epoch): Promise<void> {
    const transaction = this.#database.transaction('chunks', 'readwrite', { durability: 'strict' });
    const store = transaction.objectStore('chunks');
    const done = finished(transaction);
    try {
      for (let i = 0; i < epoch.count(); i++) {
        const index = epoch.index(i);
        if (epoch.isWhole(i)) {
          store.put(epoch.bytes(i), index);
          continue;
        }
        const old = store.get(index);
        old.onsuccess = () => store.put(epoch.merge(i, old.result as Uint8Array | undefined), index);
      }
    } catch (error) {
      transaction.abort();
      await done.catch(() => {});
      throw error;
    }
    await done;
  }
}

export async function listIndexedDb(): Promise<string[]> {
  const keys = await inList('readonly', (list) => list.getAllKeys());
  return keys.map(String).sort();
}

export async function deleteIndexedDb(name: string): Promise<void> {
  if (!(await listIndexedDb()).includes(name)) throw fsError('ENOENT', 'unlink', name);
  await request(indexedDB.deleteDatabase(databaseName(name)), fsError('EBUSY', 'unlink', name));
  await inList('readwrite', (list) => list.delete(name));
}

function databaseName(name: string): string {
  return `${LIST}:${name}`;
}

function opening(name: string): IDBOpenDBRequest {
  const open = indexedDB.open(name, VERSION);
  open.onupgradeneeded = () => {
    open.result.createObjectStore('meta');
    open.result.createObjectStore('chunks');
  };
  return open;
}

async function inList<T>(mode: IDBTransactionMode, work: (list: IDBObjectStore) => IDBRequest<T>): Promise<T> {
  let database: IDBDatabase;
  try {
    database = await request(opening(LIST));
  } catch (error) {
    // In private windows, some browsers have none.
    throw fsError('EOPNOTSUPP', 'open', undefined, undefined, `IndexedDB is not to be had here: ${String(error)}`);
  }
  try {
    const transaction = database.transaction('meta', mode);
    const done = finished(transaction);
    const result = await request(work(transaction.objectStore('meta')));
    await done;
    return result;
  } finally {
    database.close();
  }
}

/** Length and chunks of the image; a database without them is fresh, and is given them. */
async function shapeOf(database: IDBDatabase, length: number | undefined): Promise<{ shape: Shape; fresh: boolean }> {
  const transaction = database.transaction('meta', 'readwrite', { durability: 'strict' });
  const done = finished(transaction);
  const meta = transaction.objectStore('meta');
  const stored = (await request(meta.get('shape'))) as Shape | undefined;
  if (stored !== undefined) {
    await done;
    return { shape: stored, fresh: false };
  }
  if (length === undefined) throw fsError('EINVAL', 'open', database.name, undefined, 'the database is empty');
  const shape = { length, chunkBytes: CHUNK_BYTES };
  meta.put(shape, 'shape');
  await done;
  return { shape, fresh: true };
}

async function storedChunks(database: IDBDatabase): Promise<Uint32Array> {
  const keys = await request(database.transaction('chunks').objectStore('chunks').getAllKeys());
  return Uint32Array.from(keys as number[]);
}

function request<T>(asked: IDBRequest<T>, whenBlocked?: Error): Promise<T> {
  return new Promise((resolve, reject) => {
    asked.onsuccess = () => resolve(asked.result);
    asked.onerror = () => reject(asked.error);
    if (whenBlocked !== undefined) (asked as IDBRequest as IDBOpenDBRequest).onblocked = () => reject(whenBlocked);
  });
}

function finished(transaction: IDBTransaction): Promise<void> {
  const done = new Promise<void>((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error ?? new DOMException('transaction was aborted', 'AbortError'));
  });
  // Whoever gave up on the transaction doesn't wait for it.
  done.catch(() => {});
  return done;
}
