/** wasm-bindgen's output; `build.mjs` says where it is. */
declare module '#glue' {
  export default function init(options: { module_or_path: unknown }): Promise<unknown>;
  export const Disk: import('./bindings.ts').DiskClass;
  export const Chunks: import('./bindings.ts').ChunksClass;
  export const Engine: import('./bindings.ts').EngineClass;
}
