/** The volumes as the page sees them: a thin coat over the package. */
import type { CheckReport, StoreEvent, Volume } from 'xfskit';
import type { ExtentMap } from './extent-map';
import { mapOf } from './layout';
import { join } from './paths';

export type { CheckReport, Recovery } from 'xfskit';
export type { ExtentMap } from './extent-map';
/** A write or flush that reached the disk. */
export type DiskEvent = StoreEvent;

export type StoreKind = 'opfs' | 'indexeddb' | 'memory';

/** A volume that the browser keeps. */
export interface VolumeEntry {
  name: string;
  store: StoreKind;
}

export interface Space {
  total: number;
  /** Free for new data. */
  available: number;
}

export interface Entry {
  path: string;
  name: string;
  kind: 'file' | 'folder' | 'link' | 'other';
}

export interface NewVolume {
  name: string;
  store: StoreKind;
  size: number;
  blockSize: number;
  label?: string;
}

/** An open volume. After a power cut it is a new one of these over the same `raw`. */
export class OpenVolume {
  readonly info: Volume['info'];
  readonly readOnlyReason: string | undefined;
  readonly warnings: readonly string[];
  readonly recovered: Volume['recovered'];

  constructor(
    readonly entry: VolumeEntry,
    readonly raw: Volume,
  ) {
    this.info = raw.info;
    this.readOnlyReason = raw.readOnlyReason;
    this.warnings = raw.warnings;
    this.recovered = raw.recovered;
  }

  get fs(): Volume['promises'] {
    return this.raw.promises;
  }

  get blockSize(): number {
    return this.info.blockSize;
  }

  get bytes(): number {
    return this.info.blocks * this.info.blockSize;
  }

  async list(folder: string): Promise<Entry[]> {
    const entries = await this.fs.readdir(folder, { withFileTypes: true });
    const shown = entries.map((entry): Entry => {
      const kind = entry.isFile() ? 'file' : entry.isDirectory() ? 'folder' : entry.isSymbolicLink() ? 'link' : 'other';
      return { path: join(folder, entry.name), name: entry.name, kind };
    });
    const order = (entry: Entry) => (entry.kind === 'folder' ? 0 : 1);
    return shown.sort((a, b) => order(a) - order(b) || a.name.localeCompare(b.name, 'en', { numeric: true }));
  }

  async space(): Promise<Space> {
    const df = await this.raw.df();
    return { total: df.size, available: df.available };
  }

  map(path: string): Promise<ExtentMap> {
    return mapOf(this.raw, path);
  }

  check(): Promise<CheckReport> {
    return this.raw.check();
  }

  close(): Promise<void> {
    return this.raw.close();
  }
}
