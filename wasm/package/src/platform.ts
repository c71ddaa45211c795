/** What differs between a browser and Node. */
import type { WasmSource } from './engine.ts';
import type { StoreName } from './options.ts';
import type { Stores } from './stores/open.ts';

export interface Platform {
  /** What `auto` takes: the first that works here. */
  readonly preferred: StoreName[];
  /** Stores of this thread; loaded only where the engine runs in this thread. */
  stores(): Promise<Stores>;
  /** The WebAssembly module; `undefined` to fetch it from beside the script. */
  wasm(): Promise<WasmSource | undefined>;
  /** Starts a worker for a volume; without it, everything is done in this thread. */
  worker?(): Worker;
  list(store: StoreName): Promise<string[]>;
  delete(store: StoreName, name: string): Promise<void>;
}

let here: Platform | undefined;

export function setPlatform(platform: Platform): void {
  here = platform;
}

export function platform(): Platform {
  if (here === undefined) throw new Error('xfskit: import it by its name, or as xfskit/node');
  return here;
}
