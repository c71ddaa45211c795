/** A host in this thread. */
import type { Bindings } from './bindings.ts';
import { throwIfAborted } from './errors.ts';
import { Host, type Opened } from './host.ts';
import { type OpArguments, type OpName, type OpResult, ops } from './ops/index.ts';
import type { HostOptions } from './options.ts';
import type { CallOptions, Port } from './port.ts';
import { share } from './share.ts';
import type { Stores } from './stores/open.ts';

type AnyOp = (host: Host, request: { signal?: AbortSignal }, ...args: unknown[]) => Promise<unknown>;

/** Does what is asked, in this thread. */
export function perform(host: Host, name: OpName, args: unknown[], signal?: AbortSignal): Promise<unknown> {
  return (ops[name] as AnyOp)(host, { signal }, ...args);
}

/** Opens a volume in this thread, and lets other tabs read it. */
export async function openHost(bindings: Bindings, stores: Stores, options: HostOptions): Promise<{ host: Host; opened?: Opened }> {
  const found = await Host.open(bindings, stores, options);
  if (found.host.hasReaders) found.host.onEnd(share(found.host, perform));
  return found;
}

export class DirectPort implements Port {
  readonly isDirect = true;
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

