/** Tells all tabs what changed in a volume, for those who watch it. */
import { fromUtf8 } from './bytes.ts';

/** As Node's: `rename` when a name appears or goes, `change` when what it leads to changes. */
export type ChangeType = 'rename' | 'change';

/** A change, with the path from the root. */
export interface Change {
  eventType: ChangeType;
  path: string;
}

/** Changes as they are told: by whom, and how many that one had told before. */
export interface Told {
  teller: string;
  before: number;
  changes: Change[];
}

/** More changes than this at once are told as one of everything. */
const MAX_TOLD = 1000;

export class Changes {
  readonly #channel: BroadcastChannel | undefined;
  readonly teller = Array.from(crypto.getRandomValues(new Uint32Array(4)), (word) => word.toString(16)).join('-');
  /** Somebody watches, in this tab or in another one: they all have to ask the host first. */
  isWatched = false;
  #told = 0;
  #waiting: Change[] = [];
  #timer = false;

  constructor(name: string) {
    if (globalThis.BroadcastChannel === undefined) return;
    this.#channel = new BroadcastChannel(name);
    // In Node, an open channel would keep the process alive.
    (this.#channel as { unref?: () => void }).unref?.();
  }

  tell(eventType: ChangeType, path: Uint8Array): void {
    if (!this.isWatched || this.#channel === undefined) return;
    if (this.#waiting.length < MAX_TOLD) this.#waiting.push({ eventType, path: fromUtf8(path) });
    else this.#waiting[MAX_TOLD - 1] = { eventType: 'change', path: '/' };
    if (this.#timer) return;
    this.#timer = true;
    const timer = setTimeout(() => this.#send(), 0);
    (timer as { unref?: () => void }).unref?.();
  }

  #send(): void {
    this.#timer = false;
    const told = this.#waiting;
    this.#waiting = [];
    if (told.length === 0) return;
    this.#channel?.postMessage({ teller: this.teller, before: this.#told, changes: told } satisfies Told);
    this.#told += told.length;
  }

  /** How many changes there were so far. */
  get count(): number {
    return this.#told + this.#waiting.length;
  }

  close(): void {
    this.#send();
    this.#channel?.close();
  }
}
