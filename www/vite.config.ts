import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';
import { precache } from './precache.ts';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
  // Relative addresses: the built page works from any folder of any static host.
  base: './',
  server: { fs: { allow: ['..'] } },
  // The package finds its worker and its WebAssembly module beside itself.
  optimizeDeps: { exclude: ['xfskit'] },
  worker: { format: 'es' },
  build: { target: 'es2022', chunkSizeWarningLimit: 900 },
  plugins: [precache(here('./src/offline/service-worker.js'))],
});
