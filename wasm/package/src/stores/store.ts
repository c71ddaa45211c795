/** What all stores have in common. */
import type { Bindings, Disk } from '../bindings.ts';
import type { HostOptions } from '../options.ts';
import type { Waiting } from './waiting.ts';

/** A place for the bytes of a volume, open. */
export interface Store {
  readonly disk: Disk;
  /** There was nothing here before. */
  readonly fresh: boolean;
  /** Nobody but this package puts anything here. */
  readonly ours: boolean;
  /** Tells this version of the bytes from others, for what is laid over them. */
  readonly fingerprint?: Uint8Array;
  /** The parts of it that can't be read and written synchronously. */
  readonly waiting: Waiting[];
  close(): Promise<void>;
}

/** Opens a store. `length` is that of a new one; without it, it has to be there. */
export type OpenStore = (bindings: Bindings, options: HostOptions, length: number | undefined) => Promise<Store>;
