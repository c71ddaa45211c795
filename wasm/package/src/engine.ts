/** Starts the WebAssembly module, once. */
import init, * as glue from '#glue';
import type { Bindings } from './bindings.ts';

/** What a WebAssembly module can be started from. */
export type WasmSource = string | URL | Request | Response | BufferSource | WebAssembly.Module;

let started: Promise<Bindings> | undefined;

/**
 * The bindings of the running module. `source` counts at the first call only; without it the module is fetched from
 * beside this file. A start that failed is tried again by the next call.
 */
export function startEngine(source?: WasmSource | Promise<WasmSource>): Promise<Bindings> {
  started ??= start(source).catch((error: unknown) => {
    started = undefined;
    throw error;
  });
  return started;
}

async function start(source?: WasmSource | Promise<WasmSource>): Promise<Bindings> {
  const from = (await source) ?? new URL('./xfskit_bg.wasm', import.meta.url);
  await init({ module_or_path: from });
  return glue;
}
