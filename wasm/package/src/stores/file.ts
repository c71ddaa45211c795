/** A raw image in a file of the host, in Node. */
import * as fs from 'node:fs';
import type { Bindings, SyncFile } from '../bindings.ts';
import { fsError } from '../errors.ts';
import type { HostOptions } from '../options.ts';
import type { Store } from './store.ts';

class NodeFile implements SyncFile {
  readonly #fd: number;

  constructor(fd: number) {
    this.#fd = fd;
  }

  read(buffer: Uint8Array, { at }: { at: number }): number {
    return fs.readSync(this.#fd, buffer, 0, buffer.length, at);
  }
  write(buffer: Uint8Array, { at }: { at: number }): number {
    return fs.writeSync(this.#fd, buffer, 0, buffer.length, at);
  }
  flush(): void {
    fs.fdatasyncSync(this.#fd);
  }
  truncate(size: number): void {
    fs.ftruncateSync(this.#fd, size);
  }
  getSize(): number {
    return fs.fstatSync(this.#fd).size;
  }
  close(): void {
    fs.closeSync(this.#fd);
  }
}

/** Images that this process has open for writing. */
const writing = new Set<string>();

/** Whether this process writes an image. */
export function isBeingWritten(name: string): boolean {
  const stat = fs.statSync(name, { throwIfNoEntry: false });
  return stat !== undefined && writing.has(`${stat.dev}:${stat.ino}`);
}

export async function openFile(bindings: Bindings, options: HostOptions, length: number | undefined): Promise<Store> {
  const { O_RDONLY, O_RDWR, O_CREAT } = fs.constants;
  const exists = fs.existsSync(options.name);
  if (options.readOnly && !exists) throw fsError('ENOENT', 'open', options.name);
  const flags = options.readOnly ? O_RDONLY : length === undefined ? O_RDWR : O_RDWR | O_CREAT;
  const fd = fs.openSync(options.name, flags, 0o666);
  const file = new NodeFile(fd);
  const key = `${fs.fstatSync(fd).dev}:${fs.fstatSync(fd).ino}`;
  try {
    if (!options.readOnly && writing.has(key)) throw fsError('EBUSY', 'open', options.name);
    const fresh = file.getSize() === 0;
    if (fresh && length === undefined) throw fsError('EINVAL', 'open', options.name, undefined, 'the file is empty');
    const disk = bindings.Disk.file(file, fresh ? length! : 0, options.readOnly);
    if (!options.readOnly) writing.add(key);
    const close = async () => {
      if (!options.readOnly) writing.delete(key);
      file.close();
    };
    return { disk, fresh, ours: false, waiting: [], close };
  } catch (error) {
    file.close();
    throw error;
  }
}
