/** What reaches the store, event by event, and what is left when the power goes between two of them. */
import type { Opened } from './host.ts';
import type { Port } from './port.ts';

export interface StoreEvent {
  kind: 'write' | 'flush';
  /** In the volume, in bytes. */
  offset: number;
  length: number;
}

export class Pipeline {
  readonly #port: Port;
  readonly #reopened: (opened: Opened) => void;

  constructor(port: Port, reopened: (opened: Opened) => void) {
    this.#port = port;
    this.#reopened = reopened;
  }

  /** Forgets what was recorded, and records what comes. */
  async record(): Promise<void> {
    await this.#port.call('plugRecord', []);
  }

  /** Writes and flushes since `record` or `cutAfter`, in order. */
  async events(): Promise<StoreEvent[]> {
    const raw = await this.#port.call('plugEvents', []);
    return Array.from({ length: raw.length / 3 }, (_, i) => ({
      kind: raw[i * 3] === 1 ? 'flush' : 'write',
      offset: raw[i * 3 + 1]!,
      length: raw[i * 3 + 2]!,
    }));
  }

  /** The power goes when `count` more writes and flushes have been done. */
  async cutAfter(count: number): Promise<void> {
    await this.#port.call('plugCut', [count]);
  }

  async isCut(): Promise<boolean> {
    return this.#port.call('plugIsCut', []);
  }

  /**
   * The machine starts again: what was in memory is gone, open files are closed, and the log is recovered from what
   * the store has. The volume goes on with that.
   */
  async reopen(): Promise<Opened> {
    const opened = await this.#port.call('reopen', []);
    this.#reopened(opened);
    return opened;
  }
}
