/** How a volume is opened. */
import type { WasmSource } from './engine.ts';
import { isShared, sharedName } from './locks.ts';

/** Where a volume's bytes are kept. `file` is there in Node only. */
export type StoreName = 'opfs' | 'indexeddb' | 'memory' | 'file';

/** An image on a web server that answers range requests; changes go into the overlay, without one there are none. */
export interface HttpStore {
  http: string | URL;
  overlay?: StoreName;
}

/** What a fresh volume looks like. */
export interface CreateOptions {
  /** Bytes; a store that grows with use takes what is used. */
  size: number;
  /** 1024 to 65536; 4096 if nothing else is said. */
  blockSize?: number;
  sectorSize?: number;
  /** At most 12 bytes. */
  label?: string;
  agCount?: number;
  logBytes?: number;
  /** `EEXIST` if there is a volume of that name; otherwise it is opened. */
  exclusive?: boolean;
}

export interface OpenOptions {
  /** `auto` takes the best there is: OPFS, else IndexedDB, else memory; `volume.store` tells which it became. */
  store: StoreName | 'auto' | HttpStore;
  /** Which volume of the store; with `file`, the path of the image. */
  name?: string;
  /** Makes the volume if it isn't there. */
  create?: CreateOptions;
  /** Changes nothing, and is allowed while another tab writes. */
  readOnly?: boolean;
  /** Bound of what an IndexedDB or HTTP store holds in memory; 64 MiB. */
  memoryBytes?: number;
  /** Bound of the metadata in memory; 32 MiB. */
  cacheBytes?: number;
  /** Bound of the data that waits for writeback; 32 MiB. */
  dirtyBytes?: number;
  /** Milliseconds after the last change until it is made durable without being asked; 1000, and 0 never. */
  syncAfterMs?: number;
  /** `worker` (a page's default) starts one; `here` runs the engine in this thread (a worker's and Node's default). */
  thread?: 'worker' | 'here';
  /** The worker's script, where the one beside this module isn't found. */
  worker?: string | URL | (() => Worker);
  /** The WebAssembly module, where the one beside this module isn't found. */
  wasm?: WasmSource;
}

/** What goes to the thread that has the engine. */
export interface HostOptions {
  store: StoreName;
  base?: string;
  /** What is changed of the base is kept in the store. */
  hasOverlay: boolean;
  /** Where changes of the volume are told. */
  channel: string;
  name: string;
  create?: CreateOptions;
  /** The volume comes from an image of that many bytes, which is written first. */
  imageBytes?: number;
  readOnly: boolean;
  memoryBytes: number;
  cacheBytes: number;
  dirtyBytes: number;
  syncAfterMs: number;
}

const MIB = 1 << 20;

/** In OPFS all of the log counts against the quota from the first day, so it is not as long as a disk's would be. */
function logBytes(store: StoreName, size: number): number | undefined {
  return store === 'opfs' && size >= 256 * MIB ? 16 * MIB : undefined;
}

/** A volume that only this thread can see is another one than that of the same name elsewhere. */
function channelOf(store: StoreName, name: string): string {
  if (isShared(store)) return sharedName(store, name);
  const id = Array.from(crypto.getRandomValues(new Uint32Array(2)), (word) => word.toString(16)).join('');
  return `${sharedName(store, name)}:${id}`;
}

export function hostOptions(options: OpenOptions, store: StoreName): HostOptions {
  const base = typeof options.store === 'object' ? options.store : undefined;
  const href = base && new URL(base.http, globalThis.location?.href).href;
  const name = options.name ?? href ?? 'default';
  return {
    store,
    base: href,
    hasOverlay: base?.overlay !== undefined,
    channel: channelOf(store, name),
    name,
    create: options.create && { ...options.create, logBytes: options.create.logBytes ?? logBytes(store, options.create.size) },
    readOnly: options.readOnly === true || (base !== undefined && base.overlay === undefined),
    memoryBytes: Math.min(options.memoryBytes ?? 64 * MIB, 1024 * MIB),
    cacheBytes: options.cacheBytes ?? 32 * MIB,
    dirtyBytes: options.dirtyBytes ?? 32 * MIB,
    syncAfterMs: options.syncAfterMs ?? 1000,
  };
}
