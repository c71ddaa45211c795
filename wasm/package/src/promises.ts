/** `fs.promises` of a volume, as Node has it. */
import {
  type Mode, milliseconds, modeBits, openFlags, type OpenMode, pathBytes, type PathLike, pathText, type TimeLike, typeError,
} from './arguments.ts';
import { asBuffer, checkEncoding, dataBytes, decode, type Encoding, fromUtf8, utf8 } from './bytes.ts';
import { constants } from './constants.ts';
import { type CpOptions, copyTree } from './cp.ts';
import { Dir, type Dirent, dirents, names, unpackEntries } from './dirent.ts';
import { argumentError, fromEngine, fsError, systemError, throwIfAborted } from './errors.ts';
import { FileHandle } from './filehandle.ts';
import type { OpArguments, OpName, OpResult } from './ops/index.ts';
import type { CallOptions, Port } from './port.ts';
import { bigStatFs, BigIntStats, modeOf, type StatFs, statFs, Stats } from './stats.ts';
import { watchChanges, type WatchEvent, type WatchOptions } from './watch.ts';

const { S_IFDIR, S_IFMT } = constants;
/** What a file gets if nothing is said: a volume has no umask, so it is that of most people. */
const FILE_MODE = 0o644;
const DIRECTORY_MODE = 0o755;

/** What can be written to a file at once. */
export type Data = string | ArrayBufferView | Iterable<string | ArrayBufferView> | AsyncIterable<string | ArrayBufferView>;

export interface ReadFileOptions {
  encoding?: Encoding | 'buffer' | null;
  flag?: OpenMode;
  signal?: AbortSignal | null;
}

export interface WriteFileOptions {
  encoding?: Encoding | null;
  mode?: Mode;
  flag?: OpenMode;
  /** Durable before the promise resolves. */
  flush?: boolean;
  signal?: AbortSignal | null;
}

export interface ReaddirOptions {
  encoding?: Encoding | 'buffer' | null;
  withFileTypes?: boolean;
  recursive?: boolean;
}

export interface RmOptions {
  force?: boolean;
  recursive?: boolean;
  maxRetries?: number;
  retryDelay?: number;
}

type EncodingOptions = Encoding | 'buffer' | null | { encoding?: Encoding | 'buffer' | null };

export class FsPromises {
  readonly constants = constants;
  readonly #port: Port;
  readonly #channel: string;

  /** `channel` is where changes of the volume are told. */
  constructor(port: Port, channel: string) {
    this.#port = port;
    this.#channel = channel;
  }

  async access(path: PathLike, mode: number = constants.F_OK): Promise<void> {
    await this.#on('access', path, 'access', [pathBytes(path), mode]);
  }

  async appendFile(path: PathLike | FileHandle, data: Data, options?: WriteFileOptions | Encoding | null): Promise<void> {
    const given = optionsOf(options);
    await this.writeFile(path, data, { ...given, flag: given.flag ?? 'a' });
  }

  async chmod(path: PathLike, mode: Mode): Promise<void> {
    await this.#on('chmod', path, 'chmod', [pathBytes(path), true, modeBits(mode, 0)]);
  }

  async chown(path: PathLike, uid: number, gid: number): Promise<void> {
    await this.#on('chown', path, 'chown', [pathBytes(path), true, uid, gid]);
  }

  async lchown(path: PathLike, uid: number, gid: number): Promise<void> {
    await this.#on('lchown', path, 'chown', [pathBytes(path), false, uid, gid]);
  }

  async lchmod(_path: PathLike, _mode: Mode): Promise<void> {
    throw Object.assign(new Error('The lchmod() method is not implemented'), { code: 'ERR_METHOD_NOT_IMPLEMENTED' });
  }

  /** A clone, whatever `mode` says of that; with `COPYFILE_FICLONE_FORCE`, never anything else. */
  async copyFile(src: PathLike, dest: PathLike, mode = 0): Promise<void> {
    await this.#two('copyfile', src, dest, 'copyFile', [pathBytes(src, 'src'), pathBytes(dest, 'dest'), mode]);
  }

  async cp(source: PathLike, destination: PathLike, options: CpOptions = {}): Promise<void> {
    await copyTree(this, pathText(source), pathText(destination), options);
  }

  async link(existingPath: PathLike, newPath: PathLike): Promise<void> {
    await this.#two('link', existingPath, newPath, 'link', [pathBytes(existingPath, 'existingPath'), pathBytes(newPath, 'newPath')]);
  }

  lstat(path: PathLike, options?: { bigint?: false }): Promise<Stats>;
  lstat(path: PathLike, options: { bigint: true }): Promise<BigIntStats>;
  lstat(path: PathLike, options?: { bigint?: boolean }): Promise<Stats | BigIntStats>;
  async lstat(path: PathLike, options?: { bigint?: boolean }): Promise<Stats | BigIntStats> {
    const raw = await this.#on('lstat', path, 'stat', [pathBytes(path), false]);
    return options?.bigint ? new BigIntStats(raw) : new Stats(raw);
  }

  stat(path: PathLike, options?: { bigint?: false }): Promise<Stats>;
  stat(path: PathLike, options: { bigint: true }): Promise<BigIntStats>;
  stat(path: PathLike, options?: { bigint?: boolean }): Promise<Stats | BigIntStats>;
  async stat(path: PathLike, options?: { bigint?: boolean }): Promise<Stats | BigIntStats> {
    const raw = await this.#on('stat', path, 'stat', [pathBytes(path), true]);
    return options?.bigint ? new BigIntStats(raw) : new Stats(raw);
  }

  statfs(path: PathLike, options?: { bigint?: false }): Promise<StatFs>;
  statfs(path: PathLike, options: { bigint: true }): Promise<StatFs<bigint>>;
  async statfs(path: PathLike, options?: { bigint?: boolean }): Promise<StatFs | StatFs<bigint>> {
    await this.#on('statfs', path, 'stat', [pathBytes(path), true]);
    const raw = await this.#on('statfs', path, 'statfs', []);
    return options?.bigint ? bigStatFs(raw) : statFs(raw);
  }

  async lutimes(path: PathLike, atime: TimeLike, mtime: TimeLike): Promise<void> {
    await this.#on('lutime', path, 'utimes', [pathBytes(path), false, milliseconds(atime), milliseconds(mtime)]);
  }

  async utimes(path: PathLike, atime: TimeLike, mtime: TimeLike): Promise<void> {
    await this.#on('utime', path, 'utimes', [pathBytes(path), true, milliseconds(atime), milliseconds(mtime)]);
  }

  mkdir(path: PathLike, options: { recursive: true; mode?: Mode }): Promise<string | undefined>;
  mkdir(path: PathLike, options?: Mode | { recursive?: false; mode?: Mode } | null): Promise<void>;
  mkdir(path: PathLike, options?: Mode | { recursive?: boolean; mode?: Mode } | null): Promise<string | undefined>;
  async mkdir(path: PathLike, options?: Mode | { recursive?: boolean; mode?: Mode } | null): Promise<string | undefined | void> {
    const { recursive = false, mode } = typeof options === 'object' && options !== null ? options : { mode: options };
    const bytes = pathBytes(path);
    const bits = modeBits(mode, DIRECTORY_MODE);
    if (!recursive) return this.#on('mkdir', path, 'mkdir', [bytes, bits]);
    const length = await this.#on('mkdir', path, 'makeTree', [bytes, bits]);
    if (length === undefined) return undefined;
    const first = fromUtf8(bytes.subarray(0, length));
    return pathText(path).startsWith('/') ? first : first.slice(1);
  }

  mkdtemp(prefix: PathLike, options?: Encoding | null | { encoding?: Encoding | null }): Promise<string>;
  mkdtemp(prefix: PathLike, options: 'buffer' | { encoding: 'buffer' }): Promise<Uint8Array<ArrayBuffer>>;
  async mkdtemp(prefix: PathLike, options?: EncodingOptions): Promise<string | Uint8Array> {
    const suffix = await this.#named('mkdtemp', `${pathText(prefix)}XXXXXX`, undefined, 'makeTemporary', [pathBytes(prefix, 'prefix')]);
    return inEncoding(utf8(pathText(prefix) + suffix), options);
  }

  async open(path: PathLike, flags?: OpenMode, mode?: Mode): Promise<FileHandle> {
    const bits = openFlags(flags, 'r');
    const fd = await this.#on('open', path, 'open', [pathBytes(path), bits, modeBits(mode, FILE_MODE)]);
    return new FileHandle(this.#port, fd);
  }

  async opendir(path: PathLike, options: { encoding?: Encoding; bufferSize?: number; recursive?: boolean } = {}): Promise<Dir> {
    const encoding = checkEncoding(options.encoding) ?? 'utf8';
    const packed = await this.#on('opendir', path, options.recursive ? 'readdirRecursive' : 'readdir', [pathBytes(path)]);
    return new Dir(pathText(path), dirents(unpackEntries(packed), pathText(path), encoding) as Dirent[]);
  }

  readFile(path: PathLike | FileHandle, options: Encoding | (ReadFileOptions & { encoding: Encoding })): Promise<string>;
  readFile(path: PathLike | FileHandle, options?: null | 'buffer' | (ReadFileOptions & { encoding?: 'buffer' | null })): Promise<Uint8Array<ArrayBuffer>>;
  readFile(path: PathLike | FileHandle, options?: Encoding | 'buffer' | ReadFileOptions | null): Promise<string | Uint8Array<ArrayBuffer>>;
  async readFile(path: PathLike | FileHandle, options?: Encoding | 'buffer' | ReadFileOptions | null): Promise<string | Uint8Array<ArrayBuffer>> {
    const { encoding: named, flag, signal } = optionsOf(options) as ReadFileOptions;
    if (path instanceof FileHandle) return path.readFile({ encoding: named, signal });
    const encoding = checkEncoding(named);
    throwIfAborted(signal);
    const bytes = await this.#on('open', path, 'readFile', [pathBytes(path), openFlags(flag, 'r')], { signal });
    return encoding === undefined ? asBuffer(bytes) : decode(bytes, encoding);
  }

  readdir(path: PathLike, options: ReaddirOptions & { encoding: 'buffer'; withFileTypes: true }): Promise<Dirent<Uint8Array>[]>;
  readdir(path: PathLike, options: ReaddirOptions & { withFileTypes: true }): Promise<Dirent[]>;
  readdir(path: PathLike, options: 'buffer' | (ReaddirOptions & { encoding: 'buffer'; withFileTypes?: false })): Promise<Uint8Array<ArrayBuffer>[]>;
  readdir(path: PathLike, options?: Encoding | null | (ReaddirOptions & { withFileTypes?: false })): Promise<string[]>;
  async readdir(path: PathLike, options?: Encoding | 'buffer' | ReaddirOptions | null): Promise<unknown[]> {
    const { encoding: named = 'utf8', withFileTypes = false, recursive = false } = optionsOf(options) as ReaddirOptions;
    const encoding = named === null ? 'utf8' : checkEncoding(named);
    const packed = await this.#on('scandir', path, recursive ? 'readdirRecursive' : 'readdir', [pathBytes(path)]);
    const entries = unpackEntries(packed);
    return withFileTypes ? dirents(entries, pathText(path), encoding) : names(entries, encoding);
  }

  readlink(path: PathLike, options?: Encoding | null | { encoding?: Encoding | null }): Promise<string>;
  readlink(path: PathLike, options: 'buffer' | { encoding: 'buffer' }): Promise<Uint8Array<ArrayBuffer>>;
  async readlink(path: PathLike, options?: EncodingOptions): Promise<string | Uint8Array> {
    return inEncoding(await this.#on('readlink', path, 'readlink', [pathBytes(path)]), options);
  }

  realpath(path: PathLike, options?: Encoding | null | { encoding?: Encoding | null }): Promise<string>;
  realpath(path: PathLike, options: 'buffer' | { encoding: 'buffer' }): Promise<Uint8Array<ArrayBuffer>>;
  async realpath(path: PathLike, options?: EncodingOptions): Promise<string | Uint8Array> {
    return inEncoding(await this.#on('realpath', path, 'realpath', [pathBytes(path)]), options);
  }

  async rename(oldPath: PathLike, newPath: PathLike): Promise<void> {
    await this.#two('rename', oldPath, newPath, 'rename', [pathBytes(oldPath, 'oldPath'), pathBytes(newPath, 'newPath'), 0]);
  }

  async rm(path: PathLike, { force = false, recursive = false }: RmOptions = {}): Promise<void> {
    let mode: number;
    try {
      mode = modeOf(await this.#on('lstat', path, 'stat', [pathBytes(path), false]));
    } catch (error) {
      if (force && (error as { code?: string }).code === 'ENOENT') return;
      throw error;
    }
    const isFolder = (mode & S_IFMT) === S_IFDIR;
    if (isFolder && !recursive) {
      throw systemError('ERR_FS_EISDIR', 'EISDIR', 'Path is a directory', 'is a directory', 'rm', pathText(path));
    }
    await this.#on(isFolder ? 'rmdir' : 'unlink', path, 'removeTree', [pathBytes(path)]);
  }

  async rmdir(path: PathLike, options?: { recursive?: boolean }): Promise<void> {
    if (options?.recursive) throw argumentError('ERR_INVALID_ARG_VALUE', 'The "recursive" option of rmdir is no more: use rm');
    await this.#on('rmdir', path, 'rmdir', [pathBytes(path)]);
  }

  async symlink(target: PathLike, path: PathLike, _type?: string | null): Promise<void> {
    const bytes = typeof target === 'string' ? utf8(target) : pathBytes(target, 'target');
    await this.#two('symlink', target, path, 'symlink', [bytes, pathBytes(path)]);
  }

  async truncate(path: PathLike, len = 0): Promise<void> {
    const handle = await this.open(path, 'r+');
    try {
      await handle.truncate(len);
    } finally {
      await handle.close();
    }
  }

  async unlink(path: PathLike): Promise<void> {
    await this.#on('unlink', path, 'unlink', [pathBytes(path)]);
  }

  /** Changes made through this package, in any tab, until `signal` or the loop ends. */
  watch(filename: PathLike, options?: WatchOptions | Encoding | 'buffer'): AsyncIterableIterator<WatchEvent> {
    const given = optionsOf(options) as WatchOptions;
    const found = () => this.#on('watch', filename, 'watch', [pathBytes(filename)]);
    return watchChanges(this.#channel, pathText(filename), found, given);
  }

  async writeFile(path: PathLike | FileHandle, data: Data, options?: WriteFileOptions | Encoding | null): Promise<void> {
    const { encoding: named, mode, flag, flush = false, signal } = optionsOf(options) as WriteFileOptions;
    if (path instanceof FileHandle) return path.writeFile(data, { encoding: named, signal });
    const encoding = checkEncoding(named) ?? 'utf8';
    const flags = openFlags(flag, 'w');
    throwIfAborted(signal);
    const bytes = dataBytes(data, encoding);
    if (bytes === undefined && !isIterable(data)) throw typeError('data', 'of type string or an instance of Buffer, TypedArray, or DataView', data);
    if (bytes !== undefined && bytes.length <= FileHandle.MESSAGE_BYTES) {
      const args: OpArguments<'writeFile'> = [pathBytes(path), flags, modeBits(mode, FILE_MODE), this.#port.outgoing(bytes), flush];
      await this.#on('open', path, 'writeFile', args, { signal });
      return;
    }
    const handle = await this.open(path, flags, modeBits(mode, FILE_MODE));
    try {
      await handle.writeFile(data, { encoding: named, signal });
      if (flush) await handle.sync();
    } finally {
      await handle.close();
    }
  }

  #on<K extends OpName>(syscall: string, path: PathLike, name: K, args: OpArguments<K>, options?: CallOptions): Promise<OpResult<K>> {
    return this.#named(syscall, path, undefined, name, args, options);
  }

  #two<K extends OpName>(syscall: string, path: PathLike, dest: PathLike, name: K, args: OpArguments<K>): Promise<OpResult<K>> {
    return this.#named(syscall, path, dest, name, args);
  }

  async #named<K extends OpName>(
    syscall: string, path: PathLike, dest: PathLike | undefined, name: K, args: OpArguments<K>, options?: CallOptions,
  ): Promise<OpResult<K>> {
    const [from, to] = [pathText(path), dest === undefined ? undefined : pathText(dest)];
    if (from === '' || to === '') throw fsError('ENOENT', syscall, from, to);
    try {
      return await this.#port.call(name, args, options);
    } catch (error) {
      throw fromEngine(error, syscall, from, to);
    }
  }
}

function isIterable(data: unknown): boolean {
  return typeof data === 'object' && data !== null && (Symbol.asyncIterator in data || Symbol.iterator in data);
}

/** Options that are an encoding, or nothing. */
export function optionsOf<T extends object>(options: T | string | null | undefined): Partial<T> & { encoding?: Encoding | null } {
  if (typeof options === 'string') return { encoding: options } as Partial<T> & { encoding: Encoding };
  return (options ?? {}) as Partial<T>;
}

function inEncoding(bytes: Uint8Array, options: EncodingOptions | undefined): string | Uint8Array {
  const { encoding } = optionsOf(options as EncodingOptions & object);
  if (encoding === undefined || encoding === null) return decode(bytes, 'utf8');
  const name = checkEncoding(encoding);
  return name === undefined ? asBuffer(bytes) : decode(bytes, name);
}

