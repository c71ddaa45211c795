/** One writer per volume across all tabs, by Web Locks; a lock ends with the thread that holds it. */
import { fsError } from './errors.ts';
import type { StoreName } from './options.ts';

/** A lock that is held, and how it is given back. */
export interface Held {
  release(): Promise<void>;
}

/** Where there is nothing to lock, or nothing to lock with. */
export const NO_LOCK: Held = { release: async () => {} };

/** What a volume is called where all tabs see it. */
export function sharedName(store: StoreName, name: string): string {
  return `xfskit:${store}:${name}`;
}

/** Volumes that only this thread can see need no lock. */
export function isShared(store: StoreName): boolean {
  return store === 'opfs' || store === 'indexeddb';
}

/** How long a writer waits for another one to go. */
const PATIENCE_MS = 1000;

/** Takes the lock of a volume, shared by readers; `EBUSY` when another one has it. */
export async function lockVolume(store: StoreName, name: string, mode: LockMode): Promise<Held> {
  const locks = (globalThis.navigator as Navigator | undefined)?.locks;
  if (!isShared(store)) return NO_LOCK;
  if (locks === undefined) {
    // Two tabs that both write would destroy it.
    if (mode === 'exclusive') throw fsError('EOPNOTSUPP', 'lock', name, undefined, 'locks are for secure contexts: https, or this machine');
    return NO_LOCK;
  }
  // A page that is loaded anew comes before the lock of the one before is let go of. Readers need not wait: there is
  // somebody to ask, or there will not be in a moment.
  const options: LockOptions = mode === 'exclusive' ? { mode, signal: AbortSignal.timeout(PATIENCE_MS) } : { mode, ifAvailable: true };
  const busy = () => fsError('EBUSY', 'lock', name, undefined, 'another tab has this volume open');
  return new Promise<Held>((resolve, reject) => {
    const done = locks.request(sharedName(store, name), options, (lock) => {
      if (lock === null) {
        reject(busy());
        return undefined;
      }
      return new Promise<void>((letGo) => {
        resolve({
          release: async () => {
            letGo();
            await done;
          },
        });
      });
    });
    done.catch((error: unknown) => reject(options.signal?.aborted ? busy() : error));
  });
}
