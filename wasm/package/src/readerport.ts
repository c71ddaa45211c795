/** The way to a volume that another tab writes: it answers what only looks. */
import { AbortError, FsError, fromWire, throwIfAborted, toWire } from './errors.ts';
import type { Opened } from './host.ts';
import type { OpArguments, OpName, OpResult } from './ops/index.ts';
import type { CallOptions, Port } from './port.ts';
import { type Answered, type Asked, readerLock, shareName } from './share.ts';

/** How often a writer that is still opening is asked whether it is there. */
const HELLO_MS = 100;

interface Pending {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

export class ReaderPort implements Port {
  readonly isDirect = false;
  readonly #me = Array.from(crypto.getRandomValues(new Uint32Array(4)), (word) => word.toString(16)).join('-');
  readonly #channel: BroadcastChannel;
  readonly #pending = new Map<number, Pending>();
  readonly #ended = new AbortController();
  #letGo: (() => void) | undefined;
  #next = 1;
  #dead: Error | undefined;

  private constructor(volume: string) {
    this.#channel = new BroadcastChannel(shareName(volume));
    this.#channel.onmessage = ({ data }: MessageEvent<Answered>) => this.#answer(data);
  }

  /** Meets the writer of a volume. Fails when that one goes away before it answers. */
  static async open(volume: string): Promise<{ port: ReaderPort; opened: Opened }> {
    const port = new ReaderPort(volume);
    await port.#live(volume);
    const asking = setInterval(() => port.#say({ from: port.#me, id: 0, hello: true }), HELLO_MS);
    try {
      const opened = await new Promise<unknown>((resolve, reject) => {
        port.#pending.set(0, { resolve, reject });
        port.#say({ from: port.#me, id: 0, hello: true });
      });
      const reason = 'another tab writes this volume';
      return { port, opened: { ...(opened as Opened), readOnlyReason: reason, created: false } };
    } finally {
      clearInterval(asking);
    }
  }

  /** Holds the lock that shows that we live, and waits for the one that shows that the writer doesn't. */
  async #live(volume: string): Promise<void> {
    await new Promise<void>((held) => {
      void navigator.locks.request(readerLock(volume, this.#me), () => {
        held();
        return new Promise<void>((letGo) => {
          this.#letGo = letGo;
        });
      });
    });
    navigator.locks
      .request(volume, { mode: 'shared', signal: this.#ended.signal }, () => this.#die('the tab that wrote it has closed it'))
      .catch(() => {});
  }

  async call<K extends OpName>(name: K, args: OpArguments<K>, options?: CallOptions): Promise<OpResult<K>> {
    const signal = options?.signal;
    throwIfAborted(signal);
    if (this.#dead !== undefined) throw this.#dead;
    const id = this.#next++;
    const cancel = () => {
      this.#say({ from: this.#me, id, cancel: true });
      this.#answer({ to: this.#me, id, error: toWire(new AbortError(signal?.reason)) });
    };
    signal?.addEventListener('abort', cancel);
    try {
      return (await new Promise<unknown>((resolve, reject) => {
        this.#pending.set(id, { resolve, reject });
        this.#say({ from: this.#me, id, op: name, args });
      })) as OpResult<K>;
    } finally {
      this.#pending.delete(id);
      signal?.removeEventListener('abort', cancel);
    }
  }

  outgoing(data: Uint8Array): Uint8Array {
    return data;
  }

  async close(): Promise<void> {
    this.abandon();
  }

  abandon(): void {
    if (this.#dead === undefined) this.#say({ from: this.#me, bye: true });
    this.#die('it was closed');
  }

  #say(asked: Asked): void {
    this.#channel.postMessage(asked);
  }

  #answer(answered: Answered): void {
    if (answered.to !== this.#me) return;
    const pending = this.#pending.get(answered.id);
    this.#pending.delete(answered.id);
    if (pending === undefined) return;
    if ('error' in answered) pending.reject(fromWire(answered.error));
    else pending.resolve(answered.value);
  }

  #die(why: string): void {
    this.#dead ??= new FsError({ code: 'EBADF', message: `EBADF: bad file descriptor, the volume can't be read any more: ${why}` });
    for (const pending of this.#pending.values()) pending.reject(this.#dead);
    this.#pending.clear();
    this.#ended.abort();
    this.#letGo?.();
    this.#channel.close();
  }
}
