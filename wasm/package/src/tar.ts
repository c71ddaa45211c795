/** Archives out, by modern-tar: PAX, with hard links, owners, times to the nanosecond and extended attributes. */
import { createTarPacker, type TarHeader, type TarPackController } from 'modern-tar';
import { decode, fromUtf8, utf8 } from './bytes.ts';
import { codeOf, throwIfAborted } from './errors.ts';
import type { ExportOptions } from './image.ts';
import type { BigIntStats } from './stats.ts';
import { packRecords } from './tarmeta.ts';
import type { Volume } from './volume.ts';

export { importTar, type TarInOptions } from './untar.ts';

export interface TarOutOptions extends ExportOptions {
  /** Told what an archive can't carry, or this one doesn't. */
  onWarning?(message: string): void;
}

/** What is longer is told in the header itself, which has 33 bits for it. */
const MAX_PLAIN_BYTES = 0o77777777777;
const XATTR = 'SCHILY.xattr.';

export function exportTar(volume: Volume, path: string, options: TarOutOptions): ReadableStream<Uint8Array<ArrayBuffer>> {
  const { readable, controller } = createTarPacker();
  new Packing(volume, controller, options).pack(path).then(
    () => controller.finalize(),
    (error: unknown) => controller.error(error),
  );
  return readable;
}

class Packing {
  readonly #volume: Volume;
  readonly #controller: TarPackController;
  readonly #options: TarOutOptions;
  /** The first name of each file that has several. */
  readonly #seen = new Map<bigint, string>();
  #done = 0;

  constructor(volume: Volume, controller: TarPackController, options: TarOutOptions) {
    this.#volume = volume;
    this.#controller = controller;
    this.#options = options;
  }

  /** What is in a folder, with names from there on; a file by its name. */
  async pack(path: string): Promise<void> {
    const stat = await this.#volume.promises.lstat(path, { bigint: true });
    if (stat.isDirectory()) await this.#folder(utf8(path), new Uint8Array());
    else await this.#entry(utf8(path), utf8(path.slice(path.lastIndexOf('/') + 1)), stat);
  }

  async #folder(path: Uint8Array, under: Uint8Array): Promise<void> {
    for (const name of await this.#volume.promises.readdir(path, 'buffer')) {
      throwIfAborted(this.#options.signal);
      const inner = joined(path, utf8('/'), name);
      const stat = await this.#volume.promises.lstat(inner, { bigint: true });
      const told = joined(under, name, stat.isDirectory() ? utf8('/') : new Uint8Array());
      await this.#entry(inner, told, stat);
      if (stat.isDirectory()) await this.#folder(inner, told);
    }
  }

  async #entry(path: Uint8Array, name: Uint8Array, stat: BigIntStats): Promise<void> {
    const type = typeOf(stat);
    if (type === undefined) {
      this.#options.onWarning?.(`${fromUtf8(name)}: archives don't carry this kind of file`);
      return;
    }
    const first = this.#seen.get(stat.ino);
    const header: TarHeader = {
      name: fromUtf8(name), type, size: 0, mode: Number(stat.mode) & 0o7777, uid: Number(stat.uid), gid: Number(stat.gid),
      mtime: new Date(Math.floor(Number(stat.mtimeNs / 1_000_000_000n)) * 1000),
    };
    if (first !== undefined) {
      await this.#add({ ...header, type: 'link', linkname: first }, new Map(), undefined);
      return;
    }
    if (stat.nlink > 1n && !stat.isDirectory()) this.#seen.set(stat.ino, header.name);
    const records = await this.#records(path, name, stat);
    if (stat.isSymbolicLink()) header.linkname = await this.#volume.promises.readlink(path);
    if (stat.isFile()) header.size = Number(stat.size);
    await this.#add(header, records, stat.isFile() ? path : undefined);
  }

  async #records(path: Uint8Array, name: Uint8Array, stat: BigIntStats): Promise<Map<string, Uint8Array>> {
    const records = new Map<string, Uint8Array>();
    const fraction = stat.mtimeNs % 1_000_000_000n;
    if (fraction !== 0n) records.set('mtime', utf8(seconds(stat.mtimeNs)));
    if (!isText(name)) records.set('path', name);
    const noFollow = { noFollow: true };
    for (const attribute of await this.#volume.listxattr(path, noFollow)) {
      try {
        records.set(XATTR + attribute, await this.#volume.getxattr(path, attribute, noFollow));
      } catch (error) {
        if (codeOf(error) !== 'EOPNOTSUPP') throw error;
        this.#options.onWarning?.(`${fromUtf8(name)}: attribute ${attribute} is left out`);
      }
    }
    return records;
  }

  async #add(header: TarHeader, records: Map<string, Uint8Array>, contents: Uint8Array | undefined): Promise<void> {
    const texts = [...records].map(([key, value]) => [key, fromUtf8(value)] as const);
    const isBinary = [...records.values()].some((value) => !isText(value));
    if (!isBinary || header.size > MAX_PLAIN_BYTES) {
      if (texts.length > 0) header.pax = Object.fromEntries(texts);
    } else {
      await this.#own(header, records);
    }
    const writer = this.#controller.add(header).getWriter();
    if (contents !== undefined) await this.#contents(contents, header.size, writer);
    await writer.close();
  }

  /** A PAX header of ours, with bytes that are no text; then the library must have no reason for one of its own. */
  async #own(header: TarHeader, records: Map<string, Uint8Array>): Promise<void> {
    if (!records.has('path')) records.set('path', utf8(header.name));
    if (header.linkname !== undefined) records.set('linkpath', utf8(header.linkname));
    for (const id of ['uid', 'gid'] as const) {
      records.set(id, utf8(String(header[id])));
      header[id] = 0;
    }
    header.name = decode(utf8(header.name).subarray(0, 90), 'ascii');
    if (header.linkname !== undefined) header.linkname = decode(utf8(header.linkname).subarray(0, 90), 'ascii');
    const bytes = packRecords(records);
    const writer = this.#controller.add({ name: 'PaxHeader', type: 'pax-header', size: bytes.length, mtime: header.mtime }).getWriter();
    await writer.write(bytes);
    await writer.close();
  }

  async #contents(path: Uint8Array, size: number, writer: WritableStreamDefaultWriter<Uint8Array>): Promise<void> {
    const handle = await this.#volume.promises.open(path);
    try {
      const reader = handle.createReadStream({ start: 0, end: size - 1, autoClose: false }).getReader();
      let left = size;
      for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
        throwIfAborted(this.#options.signal);
        left -= piece.value.length;
        this.#done += piece.value.length;
        await writer.write(piece.value);
        this.#options.onProgress?.({ done: this.#done, total: undefined });
      }
      // It became shorter while it was read; its header is out already.
      if (left > 0) await writer.write(new Uint8Array(left));
    } finally {
      await handle.close();
    }
  }
}

function typeOf(stat: BigIntStats): TarHeader['type'] | undefined {
  if (stat.isFile()) return 'file';
  if (stat.isDirectory()) return 'directory';
  if (stat.isSymbolicLink()) return 'symlink';
  return stat.isFIFO() ? 'fifo' : undefined;
}

function seconds(nanoseconds: bigint): string {
  const whole = nanoseconds / 1_000_000_000n;
  return `${whole}.${String(nanoseconds % 1_000_000_000n).padStart(9, '0')}`;
}

function isText(bytes: Uint8Array): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}

function joined(...parts: Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
