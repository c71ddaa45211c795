/** Archives in, by modern-tar: GNU and PAX, with hard links, devices, owners, times and extended attributes. */
import { createTarDecoder, type TarHeader } from 'modern-tar';
import { decode, encode, fromUtf8, utf8 } from './bytes.ts';
import { constants } from './constants.ts';
import { codeOf, fsError, throwIfAborted } from './errors.ts';
import type { ExportOptions, SizedStream } from './image.ts';
import { type EntryMeta, tap } from './tarmeta.ts';
import type { Volume } from './volume.ts';

export interface TarInOptions extends ExportOptions {
  /** The folder that the archive goes into; the root if nothing is said. */
  path?: string;
  /** Told what could not be kept. */
  onWarning?(message: string): void;
}

const XATTR = 'SCHILY.xattr.';
const { S_IFBLK, S_IFCHR, S_IFIFO } = constants;
/** Files up to this size are written at once. */
const SMALL_BYTES = 1 << 20;

export async function importTar(volume: Volume, source: SizedStream, options: TarInOptions): Promise<void> {
  const metas: EntryMeta[] = [];
  let done = 0;
  const counted = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      done += chunk.length;
      options.onProgress?.({ done, total: source.size });
      controller.enqueue(chunk);
    },
  });
  const entries = source.stream.pipeThrough(counted).pipeThrough(tap(metas)).pipeThrough(createTarDecoder({ strict: false })).getReader();
  const unpacking = new Unpacking(volume, options);
  try {
    for (let entry = await entries.read(); !entry.done; entry = await entries.read()) {
      throwIfAborted(options.signal);
      await unpacking.entry(entry.value.header, metas.shift(), entry.value.body);
    }
    await unpacking.finish();
  } catch (error) {
    await entries.cancel(error).catch(() => {});
    throw error;
  }
}

/** Paths are kept as strings with a character for each byte: names of archives need not be text. */
class Unpacking {
  readonly #volume: Volume;
  readonly #options: TarInOptions;
  readonly #base: string;
  /** Folders that are there, so that they aren't asked for again. */
  readonly #folders = new Set<string>();
  /** Done last: nothing of the archive shall go through a link of the archive. */
  readonly #links: (() => Promise<void>)[] = [];
  /** Done after all: what is put into a folder changes its time. */
  readonly #attributes: (() => Promise<void>)[] = [];

  constructor(volume: Volume, options: TarInOptions) {
    this.#volume = volume;
    this.#options = options;
    this.#base = `/${oneEach(utf8(options.path ?? '')).split('/').filter(Boolean).join('/')}`;
  }

  async entry(header: TarHeader, meta: EntryMeta | undefined, body: ReadableStream<Uint8Array>): Promise<void> {
    const path = this.#inside(meta?.records.get('path') ?? utf8(header.name));
    const reader = body.getReader();
    try {
      if (header.type === 'directory') await this.#folder(path, header, meta);
      else await this.#other(path, header, meta, reader);
    } finally {
      await reader.cancel().catch(() => {});
    }
  }

  async finish(): Promise<void> {
    for (const link of this.#links) await link();
    for (const attribute of this.#attributes.reverse()) await attribute();
  }

  async #folder(path: string, header: TarHeader, meta: EntryMeta | undefined): Promise<void> {
    await this.#makeFolder(path);
    this.#attributes.push(async () => {
      await this.#volume.promises.chmod(at(path), (header.mode ?? 0o755) & 0o7777);
      await this.#set(path, header, meta);
    });
  }

  async #other(path: string, header: TarHeader, meta: EntryMeta | undefined, reader: ReadableStreamDefaultReader<Uint8Array>): Promise<void> {
    await this.#makeFolder(path.slice(0, path.lastIndexOf('/')));
    if (path === this.#base || path === '/') throw fsError('EINVAL', 'importTar', header.name, undefined, 'a file in place of the folder itself');
    await this.#volume.promises.rm(at(path), { force: true });
    switch (header.type) {
      case 'symlink':
        this.#links.push(async () => {
          await this.#volume.promises.symlink(meta?.records.get('linkpath') ?? header.linkname ?? '', at(path));
          await this.#set(path, header, meta);
        });
        return;
      case 'link':
        return this.#link(path, this.#inside(meta?.records.get('linkpath') ?? utf8(header.linkname ?? '')));
      case 'character-device':
      case 'block-device':
      case 'fifo': {
        const kind = header.type === 'fifo' ? S_IFIFO : header.type === 'block-device' ? S_IFBLK : S_IFCHR;
        await this.#volume.mknod(at(path), kind | ((header.mode ?? 0o644) & 0o7777), meta?.major ?? 0, meta?.minor ?? 0);
        return this.#set(path, header, meta);
      }
      default:
        await this.#contents(path, header, reader);
        return this.#set(path, header, meta);
    }
  }

  async #link(path: string, target: string): Promise<void> {
    try {
      await this.#volume.promises.link(at(target), at(path));
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error;
      // Another name of a symbolic link, which isn't there yet.
      this.#links.push(() => this.#volume.promises.link(at(target), at(path)));
    }
  }

  async #contents(path: string, header: TarHeader, reader: ReadableStreamDefaultReader<Uint8Array>): Promise<void> {
    const mode = (header.mode ?? 0o644) & 0o7777;
    const { signal } = this.#options;
    if (header.size > SMALL_BYTES) {
      const body = { [Symbol.asyncIterator]: () => piecesOf(reader) };
      await this.#volume.promises.writeFile(at(path), body, { mode, signal });
      return;
    }
    const whole = new Uint8Array(header.size);
    let filled = 0;
    for await (const piece of piecesOf(reader)) {
      whole.set(piece, filled);
      filled += piece.length;
    }
    if (filled < header.size) throw fsError('EINVAL', 'importTar', header.name, undefined, 'the archive ends too soon');
    await this.#volume.promises.writeFile(at(path), whole, { mode, signal });
  }

  /** Owners, attributes and times, in the order in which they don't undo each other. */
  async #set(path: string, header: TarHeader, meta: EntryMeta | undefined): Promise<void> {
    const fs = this.#volume.promises;
    if (header.uid || header.gid) {
      await fs.lchown(at(path), header.uid ?? 0, header.gid ?? 0);
      // A change of owners takes these bits away.
      if (header.type !== 'symlink' && ((header.mode ?? 0) & 0o6000) !== 0) await fs.chmod(at(path), header.mode! & 0o7777);
    }
    for (const [key, value] of meta?.records ?? []) {
      if (key.startsWith(XATTR)) await this.#attribute(path, key.slice(XATTR.length), value);
      else if (key.startsWith('SCHILY.acl')) this.#options.onWarning?.(`${header.name}: its access control list is left out`);
    }
    const mtime = header.mtime ?? new Date(0);
    await fs.lutimes(at(path), mtime, mtime);
  }

  async #attribute(path: string, name: string, value: Uint8Array): Promise<void> {
    try {
      await this.#volume.setxattr(at(path), name, value, { noFollow: true });
    } catch (error) {
      const code = codeOf(error);
      if (code !== 'EOPNOTSUPP' && code !== 'EPERM') throw error;
      this.#options.onWarning?.(`${fromUtf8(at(path))}: attribute ${name} is left out`);
    }
  }

  async #makeFolder(path: string): Promise<void> {
    if (path === '' || this.#folders.has(path)) return;
    await this.#volume.promises.mkdir(at(path), { recursive: true });
    this.#folders.add(path);
  }

  /** Where a name of the archive leads, which is never out of the folder. */
  #inside(name: Uint8Array): string {
    const parts = oneEach(name).split('/').filter((part) => part !== '' && part !== '.');
    if (parts.includes('..')) throw fsError('EINVAL', 'importTar', fromUtf8(name), undefined, 'the name leads out of the archive');
    return [this.#base === '/' ? '' : this.#base, ...parts].join('/') || '/';
  }
}

function oneEach(bytes: Uint8Array): string {
  return decode(bytes, 'latin1');
}

function at(path: string): Uint8Array {
  return encode(path, 'latin1');
}

async function* piecesOf(reader: ReadableStreamDefaultReader<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
  for (let piece = await reader.read(); !piece.done; piece = await reader.read()) yield piece.value;
}
