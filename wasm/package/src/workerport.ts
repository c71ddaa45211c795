/** The way to a host in a worker. When the worker dies, all that was asked of it fails. */
import { AbortError, FsError, fromWire, throwIfAborted, toWire } from './errors.ts';
import type { Opened } from './host.ts';
import type { OpArguments, OpName, OpResult } from './ops/index.ts';
import type { HostOptions } from './options.ts';
import type { CallOptions, FromWorker, Port, ToWorker } from './port.ts';

interface Pending {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

export class WorkerPort implements Port {
  readonly isDirect = false;
  readonly #worker: Worker;
  readonly #pending = new Map<number, Pending>();
  #next = 1;
  #dead: Error | undefined;

  constructor(worker: Worker) {
    this.#worker = worker;
    worker.addEventListener('message', (event: MessageEvent<FromWorker>) => this.#answer(event.data));
    worker.addEventListener('error', (event) => this.#die(event.message || 'its script could not be loaded'));
    worker.addEventListener('messageerror', () => this.#die('it said what could not be understood'));
  }

  open(options: HostOptions, wasm: unknown): Promise<Opened | undefined> {
    return this.#ask((id) => ({ id, open: options, wasm })) as Promise<Opened | undefined>;
  }

  async call<K extends OpName>(name: K, args: OpArguments<K>, options?: CallOptions): Promise<OpResult<K>> {
    const signal = options?.signal;
    throwIfAborted(signal);
    const transfer = args.filter((arg): arg is Uint8Array => arg instanceof Uint8Array && this.#mine.has(arg));
    if (!signal) return (await this.#ask((id) => ({ id, op: name, args }), transfer)) as OpResult<K>;
    let abort = () => {};
    const asked = this.#ask((id) => {
      abort = () => {
        this.#worker.postMessage({ cancel: id } satisfies ToWorker);
        this.#answer({ id, error: toWire(new AbortError()) });
      };
      return { id, op: name, args };
    }, transfer);
    signal.addEventListener('abort', abort);
    try {
      return (await asked) as OpResult<K>;
    } catch (error) {
      throw error instanceof AbortError ? new AbortError(signal.reason) : error;
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  /** Copies that may be handed over. */
  readonly #mine = new WeakSet<Uint8Array>();

  outgoing(data: Uint8Array): Uint8Array {
    // Not `data.slice()`: a `Buffer` has one of its own that doesn't copy.
    const copy = Uint8Array.prototype.slice.call(data);
    this.#mine.add(copy);
    return copy;
  }

  async close(): Promise<void> {
    try {
      if (this.#dead === undefined) await this.#ask((id) => ({ id, close: true }));
    } finally {
      this.abandon();
    }
  }

  abandon(): void {
    this.#die('it was ended');
  }

  #ask(message: (id: number) => ToWorker, transfer: Uint8Array[] = []): Promise<unknown> {
    if (this.#dead !== undefined) return Promise.reject(this.#dead);
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject });
      try {
        this.#worker.postMessage(message(id), transfer.map((bytes) => bytes.buffer as ArrayBuffer));
      } catch (error) {
        this.#pending.delete(id);
        reject(error as Error);
      }
    });
  }

  #answer(answer: FromWorker): void {
    const pending = this.#pending.get(answer.id);
    this.#pending.delete(answer.id);
    if (pending === undefined) return;
    if ('error' in answer) pending.reject(fromWire(answer.error));
    else pending.resolve(answer.value);
  }

  #die(why: string): void {
    this.#dead ??= new FsError({ code: 'EIO', message: `EIO: i/o error, the volume's worker has stopped: ${why}` });
    // What is left of it must not go on holding the volume.
    this.#worker.terminate();
    for (const pending of this.#pending.values()) pending.reject(this.#dead);
    this.#pending.clear();
  }
}
