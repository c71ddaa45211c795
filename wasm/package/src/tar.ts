/** Archives, by modern-tar: in of every common kind, out as PAX. */
import type { ExportOptions, SizedStream } from './image.ts';
import type { Volume } from './volume.ts';

export interface TarInOptions extends ExportOptions {
  /** The folder that the archive goes into; the root if nothing is said. */
  path?: string;
}

export type TarOutOptions = ExportOptions;

export async function importTar(_volume: Volume, _source: SizedStream, _options: TarInOptions): Promise<void> {
  throw new Error('not yet');
}

export function exportTar(_volume: Volume, _path: string, _options: TarOutOptions): ReadableStream<Uint8Array<ArrayBuffer>> {
  throw new Error('not yet');
}
