/** The way from a volume to its host: directly, or through messages to the worker that has it. */
import type { WireError } from './errors.ts';
import type { OpArguments, OpName, OpResult } from './ops/index.ts';
import type { HostOptions } from './options.ts';

/** What a call can be given besides its arguments. */
export interface CallOptions {
  signal?: AbortSignal | null;
}

export interface Port {
  call<K extends OpName>(name: K, args: OpArguments<K>, options?: CallOptions): Promise<OpResult<K>>;
  /** The host is in this thread, and can fill buffers of the caller's. */
  readonly isDirect: boolean;
  /** Data on its way: what the caller goes on using must not be taken away from it. */
  outgoing(data: Uint8Array): Uint8Array;
  close(): Promise<void>;
  /** Lets go of the volume, without making anything durable. */
  abandon(): void;
}

/** To the worker. */
export type ToWorker =
  | { id: number; open: HostOptions; wasm?: unknown }
  | { id: number; op: OpName; args: unknown[] }
  | { id: number; close: true }
  | { cancel: number };

/** From the worker. */
export type FromWorker = { id: number; value: unknown } | { id: number; error: WireError };
