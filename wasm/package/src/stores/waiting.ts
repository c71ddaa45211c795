/**
 * A store that has to be waited for: what is missing is fetched when an operation stumbles over it, and what was
 * changed is stored epoch by epoch, each in one durable transaction and in order, so that after a crash the store
 * holds a prefix of what happened.
 */
import type { Chunks, Epoch } from '../bindings.ts';
import { codeOf, fsError } from '../errors.ts';

/** WebAssembly has 4 GiB for everything. */
const MAX_PINNED_BYTES = 2 ** 30;

export interface ChunkIo {
  /** The chunks from `first` up to `end`; `undefined` for one that was never stored. */
  fetch(first: number, end: number): Promise<(Uint8Array | undefined)[]>;
  /** Stores an epoch, durably or not at all. A store that only reads has none. */
  save?(epoch: Epoch): Promise<void>;
}

export class Waiting {
  readonly chunks: Chunks;
  readonly #io: ChunkIo;
  readonly #memoryBytes: number;
  #saving: Promise<void> | undefined;
  #failure: unknown;

  constructor(chunks: Chunks, io: ChunkIo, memoryBytes: number) {
    this.chunks = chunks;
    this.#io = io;
    this.#memoryBytes = memoryBytes;
  }

  /** Fetches what the last operation missed. Resolves to how many chunks that were. */
  async fetch(): Promise<number> {
    // What one step needs stays until the step is through.
    if (this.chunks.memory() > MAX_PINNED_BYTES) {
      throw fsError('ENOMEM', 'read', undefined, undefined, 'one operation needs too much of the volume at once');
    }
    const wanted = this.chunks.wanted();
    let count = 0;
    const parts: Promise<void>[] = [];
    for (let i = 0; i + 1 < wanted.length; i += 2) {
      const [first, end] = [wanted[i]!, wanted[i + 1]!];
      count += end - first;
      parts.push(this.#range(first, end));
    }
    await Promise.all(parts);
    return count;
  }

  async #range(first: number, end: number): Promise<void> {
    let found: (Uint8Array | undefined)[];
    try {
      found = await this.#io.fetch(first, end);
    } catch (error) {
      throw codeOf(error) === undefined ? fsError(storageCode(error), 'read', undefined, undefined, String(error)) : error;
    }
    for (let index = first; index < end; index++) this.chunks.supply(index, found[index - first]);
  }

  /** Begins to store what is ready to be. */
  kick(): void {
    if (this.#io.save === undefined || this.#saving !== undefined || this.#failure !== undefined) return;
    const epoch = this.chunks.nextEpoch();
    if (epoch === undefined) return;
    this.#saving = this.#save(epoch).finally(() => {
      this.#saving = undefined;
      this.kick();
    });
  }

  async #save(epoch: Epoch): Promise<void> {
    const id = epoch.id;
    try {
      await this.#io.save!(epoch);
      this.chunks.saved(id);
    } catch (error) {
      const code = storageCode(error);
      this.#failure = fsError(code, 'write', undefined, undefined, error instanceof Error ? error.message : String(error));
      this.chunks.failed(code);
    } finally {
      epoch.free();
    }
  }

  /** Resolves when all that was flushed so far is durable. */
  async durable(): Promise<void> {
    const goal = this.chunks.sealed();
    for (;;) {
      this.kick();
      if (this.#failure !== undefined) throw this.#failure;
      if (this.chunks.savedUpTo() >= goal || this.#saving === undefined) return;
      await this.#saving;
    }
  }

  /** When far more waits to be stored than memory was meant for, what resolves when some of it is stored. */
  room(): Promise<void> | undefined {
    if (this.#saving === undefined || this.chunks.memory() <= this.#memoryBytes * 2) return undefined;
    return this.#saving;
  }
}

/** The code of what a browser's storage threw. */
export function storageCode(error: unknown): string {
  const name = error instanceof Error || error instanceof DOMException ? error.name : '';
  if (name === 'QuotaExceededError') return 'ENOSPC';
  if (name === 'NoModificationAllowedError' || name === 'InvalidStateError') return 'EBUSY';
  if (name === 'NotFoundError') return 'ENOENT';
  if (name === 'SecurityError' || name === 'NotAllowedError') return 'EACCES';
  return codeOf(error) ?? 'EIO';
}
