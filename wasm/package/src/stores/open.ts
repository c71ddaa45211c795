/** Opens what a volume lies on. */
import type { Bindings } from '../bindings.ts';
import { fsError } from '../errors.ts';
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
  if (options.readOnly) return base;
  const upper = await openUpper(bindings, options, bindings.Disk.overlayBytes(base.disk.len()));
  try {
    const disk = bindings.Disk.overlay(base.disk, upper.disk, base.fingerprint);
    return { disk, fresh: false, waiting: [...base.waiting, ...upper.waiting], close: () => upper.close() };
  } catch (error) {
    await upper.close();
    throw error;
  }
}
