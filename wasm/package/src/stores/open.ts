/** Opens what a volume lies on. */
import type { Bindings } from '../bindings.ts';
import { codeOf, fsError } from '../errors.ts';
import type { HostOptions, StoreName } from '../options.ts';
import { openHttp } from './http.ts';
import { openIndexedDb } from './indexeddb.ts';
import { openMemory } from './memory.ts';
import { openOpfs } from './opfs.ts';
import type { OpenStore, Store } from './store.ts';

/** The stores of this platform. */
export type Stores = Partial<Record<StoreName, OpenStore>>;

export const browserStores: Stores = { opfs: openOpfs, indexeddb: openIndexedDb, memory: openMemory };

export async function openStore(bindings: Bindings, stores: Stores, options: HostOptions): Promise<Store> {
  const open = stores[options.store];
  if (open === undefined) throw fsError('EOPNOTSUPP', 'open', options.name, undefined, `there is no store '${options.store}' here`);
  if (options.base === undefined) return open(bindings, options, options.imageBytes ?? options.create?.size);
  return overHttp(bindings, open, options);
}

/** An image on a server, with what is changed kept in another store. */
async function overHttp(bindings: Bindings, openUpper: OpenStore, options: HostOptions): Promise<Store> {
  const base = await openHttp(bindings, options);
  const upper = options.hasOverlay ? await upperOf(bindings, openUpper, options, base.disk.len()) : undefined;
  if (upper === undefined) return base;
  try {
    const disk = bindings.Disk.overlay(base.disk, upper.disk, base.fingerprint);
    return { disk, fresh: false, ours: false, waiting: [...base.waiting, ...upper.waiting], close: () => upper.close() };
  } catch (error) {
    await upper.close();
    throw error;
  }
}

/** Who only reads sees the changes that were made, if there are any, and makes no place for some. */
async function upperOf(bindings: Bindings, open: OpenStore, options: HostOptions, length: number): Promise<Store | undefined> {
  if (!options.readOnly) return open(bindings, options, bindings.Disk.overlayBytes(length));
  try {
    return await open(bindings, options, undefined);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}
