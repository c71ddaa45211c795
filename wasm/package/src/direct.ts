/** A host in this thread. */
import { throwIfAborted } from './errors.ts';
import type { Host } from './host.ts';
import { type OpArguments, type OpName, type OpResult, ops } from './ops/index.ts';
import type { CallOptions, Port } from './port.ts';

type AnyOp = (host: Host, request: { signal?: AbortSignal }, ...args: unknown[]) => Promise<unknown>;

/** Does what is asked, in this thread. */
export function perform(host: Host, name: OpName, args: unknown[], signal?: AbortSignal): Promise<unknown> {
  return (ops[name] as AnyOp)(host, { signal }, ...args);
}

export class DirectPort implements Port {
  readonly #host: Host;

  constructor(host: Host) {
    this.#host = host;
  }

  async call<K extends OpName>(name: K, args: OpArguments<K>, options?: CallOptions): Promise<OpResult<K>> {
    throwIfAborted(options?.signal);
    return (await perform(this.#host, name, args, options?.signal ?? undefined)) as OpResult<K>;
  }

  outgoing(data: Uint8Array): Uint8Array {
    return data;
  }

  close(): Promise<void> {
    return this.#host.close();
  }

  abandon(): void {
    void this.#host.abandon();
  }
}

