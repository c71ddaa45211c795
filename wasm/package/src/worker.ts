/** The dedicated worker that has one volume: it does what messages say and answers each of them. */
import { openHost, perform } from './direct.ts';
import { startEngine, type WasmSource } from './engine.ts';
import { toWire } from './errors.ts';
import type { Host } from './host.ts';
import type { FromWorker, ToWorker } from './port.ts';
import { browserStores } from './stores/open.ts';

const scope = globalThis as unknown as {
  onmessage: ((event: MessageEvent<ToWorker>) => void) | null;
  postMessage(message: FromWorker, transfer?: Transferable[]): void;
};

let host: Host | undefined;
const running = new Map<number, AbortController>();

scope.onmessage = ({ data }) => {
  host?.queue.turned();
  if ('cancel' in data) running.get(data.cancel)?.abort();
  else void answer(data);
};

async function answer(message: Exclude<ToWorker, { cancel: number }>): Promise<void> {
  const { id } = message;
  try {
    const value = await handle(message);
    scope.postMessage({ id, value }, transferable(value));
  } catch (error) {
    scope.postMessage({ id, error: toWire(error) });
  }
}

async function handle(message: Exclude<ToWorker, { cancel: number }>): Promise<unknown> {
  if ('open' in message) {
    const bindings = await startEngine(message.wasm as WasmSource | undefined);
    const found = await openHost(bindings, browserStores, message.open);
    host = found.host;
    return found.opened;
  }
  if (host === undefined) throw new Error('no volume is open');
  if ('close' in message) return host.close();
  const controller = new AbortController();
  running.set(message.id, controller);
  try {
    return await perform(host, message.op, message.args, controller.signal);
  } finally {
    running.delete(message.id);
  }
}

/** Bytes are handed over: each answer has its own. */
function transferable(value: unknown): Transferable[] {
  if (ArrayBuffer.isView(value)) return [value.buffer as ArrayBuffer];
  if (typeof value === 'object' && value !== null && 'data' in value && ArrayBuffer.isView(value.data)) return [value.data.buffer as ArrayBuffer];
  return [];
}
