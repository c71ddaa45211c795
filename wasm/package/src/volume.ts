/** A volume: `promises` for what Node's `fs` has, and beside it what only this filesystem can. */
import { pathBytes, type PathLike, pathText } from './arguments.ts';
import { asBuffer, fromUtf8, utf8 } from './bytes.ts';
import { connect, connectAuto, type Connection } from './connect.ts';
import { fsError, told } from './errors.ts';
import type { Opened, Recovery, VolumeInfo } from './host.ts';
import { type ExportOptions, exportParts, exportWhole, headOf, imageBytes, type ImagePart, type ImageSource, importInto, streamOf } from './image.ts';
import { lockVolume } from './locks.ts';
import { type Extent, type Owner, extentsOf, ownersOf, rangesOf, type Range } from './map.ts';
import { hostOptions, type OpenOptions, type StoreName } from './options.ts';
import { Pipeline } from './pipeline.ts';
import { platform } from './platform.ts';
import type { Port } from './port.ts';
import { FsPromises } from './promises.ts';
import type { TarInOptions, TarOutOptions } from './tar.ts';

/** What `check` found. */
export interface CheckReport {
  findings: { severity: 'warning' | 'damage'; code: string; text: string }[];
  summary: { damage: number; warnings: number; inodes: number; directories: number; entries: number; extents: number; freeBlocks: number };
}

/** Space, in bytes. */
export interface Space {
  size: number;
  used: number;
  free: number;
  /** What of the free space new data can have. */
  available: number;
  inodes: number;
  freeInodes: number;
}

/** A range of a file to clone, in bytes: whole blocks, except at the end of the file. */
export interface CloneRange {
  /** Where it begins in the source. */
  from?: number;
  /** Where it goes in the target. */
  to?: number;
  /** Up to the end of the source if nothing is said. */
  length?: number;
}

export interface XattrOptions {
  /** The link itself, not what it leads to. */
  noFollow?: boolean;
  /** Only if there is none yet. */
  create?: boolean;
  /** Only if there is one. */
  replace?: boolean;
}

export class Volume {
  /** As `fs.promises`. */
  readonly promises: FsPromises;
  /** Cut power, and see what is left. */
  readonly pipeline: Pipeline;
  readonly name: string;
  /** Where it is kept; of an image on a server, where its changes are. */
  readonly store: StoreName;
  #opened: Opened;
  readonly #port: Port;

  private constructor({ port, host }: Connection, opened: Opened) {
    const { store, name, channel } = host;
    this.#port = port;
    this.#opened = opened;
    this.store = store;
    this.name = name;
    this.promises = new FsPromises(port, channel);
    this.pipeline = new Pipeline(port, (reopened) => {
      this.#opened = reopened;
    });
  }

  /** Opens a volume, or makes it. */
  static async open(options: OpenOptions): Promise<Volume> {
    if (options.create !== undefined) Volume.#persist(options);
    const connection = await connected(options, undefined).catch((error: unknown) => {
      throw told(error, 'open', nameOf(options));
    });
    return new Volume(connection, connection.opened!);
  }

  /** Makes a volume from its image. There must be none of that name yet. */
  static async importImage(options: OpenOptions, source: ImageSource, progress: ExportOptions = {}): Promise<Volume> {
    Volume.#persist(options);
    const reader = streamOf(source).stream.getReader();
    let connection: Connection | undefined;
    try {
      const head = await headOf(reader);
      const size = imageBytes(head);
      await Volume.#refuseExisting(options);
      connection = await connected(options, size);
      const opened = await importInto(connection.port, head, reader, size, progress);
      return new Volume(connection, opened);
    } catch (error) {
      await reader.cancel(error).catch(() => {});
      if (connection !== undefined) {
        await connection.port.close().catch(() => {});
        await platform().delete(connection.host.store, connection.host.name).catch(() => {});
      }
      throw error;
    } finally {
      reader.releaseLock();
    }
  }

  static async #refuseExisting(options: OpenOptions): Promise<void> {
    const stores = options.store === 'auto' ? platform().preferred : typeof options.store === 'string' ? [options.store] : [];
    for (const store of stores) {
      const { name } = hostOptions(options, store);
      const names = await platform().list(store).catch(() => [] as string[]);
      if (names.includes(name)) throw fsError('EEXIST', 'importImage', name);
    }
  }

  /** Names of the volumes in a store. Those in memory are gone when they are closed. */
  static list({ store }: { store: StoreName }): Promise<string[]> {
    return platform().list(store);
  }

  /** Removes a volume; `EBUSY` while it is open somewhere. */
  static async delete({ store, name }: { store: StoreName; name: string }): Promise<void> {
    const lock = await lockVolume(store, name, 'exclusive');
    try {
      await platform().delete(store, name);
    } finally {
      await lock.release();
    }
  }

  /** Asks the browser to keep what this origin stores; it may ask the person, who may take their time. */
  static #persist(options: OpenOptions): void {
    if (options.store === 'memory' || options.store === 'file') return;
    const storage = (globalThis.navigator as Navigator | undefined)?.storage as StorageManager | undefined;
    storage?.persist?.().catch(() => {});
  }

  get info(): VolumeInfo {
    return this.#opened.info;
  }
  /** Why nothing can be changed, if that is so. */
  get readOnlyReason(): string | undefined {
    return this.#opened.readOnlyReason;
  }
  /** What a person should know. */
  get warnings(): string[] {
    return this.#opened.warnings;
  }
  /** What the log had to be asked for, because the volume had not been closed. */
  get recovered(): Recovery | undefined {
    return this.#opened.recovered;
  }
  /** It was made by this `open`. */
  get created(): boolean {
    return this.#opened.created;
  }

  /** Whether the browser has promised to keep it; what it may throw away when space is short is not persistent. */
  async isPersistent(): Promise<boolean> {
    if (this.store === 'memory') return false;
    if (this.store === 'file') return true;
    return (await navigator.storage.persisted?.()) ?? false;
  }

  /** Makes `dest` a clone of `src`, or clones a range into a file that is there. */
  async clone(src: PathLike, dest: PathLike, range?: CloneRange): Promise<void> {
    try {
      if (range === undefined) return await this.promises.copyFile(src, dest, this.promises.constants.COPYFILE_FICLONE_FORCE);
      const { from = 0, to = 0, length = 0 } = range;
      await this.#port.call('cloneRange', [pathBytes(src, 'src'), from, pathBytes(dest, 'dest'), to, length]);
    } catch (error) {
      throw told(error, 'clone', pathText(src), pathText(dest));
    }
  }

  /** Where the blocks of a file lie, in order; holes are left out. */
  async extents(path: PathLike): Promise<Extent[]> {
    return extentsOf(await this.#on('extents', path, this.#port.call('extents', [pathBytes(path)])));
  }

  /** Who has the blocks of a range of the volume, both in bytes. */
  async owners(at: number, length: number): Promise<Owner[]> {
    return ownersOf(await this.#on('owners', undefined, this.#port.call('owners', [at, length])));
  }

  /** Free space of an allocation group. */
  async freeExtents(ag: number): Promise<Range[]> {
    return rangesOf(await this.#on('freeExtents', undefined, this.#port.call('freeExtents', [ag])));
  }

  /** The path of an inode, on volumes with parent pointers. */
  async pathOf(ino: number): Promise<string> {
    return fromUtf8(await this.#on('pathOf', undefined, this.#port.call('pathOf', [ino])));
  }

  /** Gives data that waits in memory its place, without making it durable. */
  async writeback(path: PathLike): Promise<void> {
    await this.#on('writeback', path, this.#port.call('writeback', [pathBytes(path)]));
  }

  /** The value of an extended attribute, such as `user.origin`. */
  async getxattr(path: PathLike, name: string, options: XattrOptions = {}): Promise<Uint8Array<ArrayBuffer>> {
    const args: [Uint8Array, boolean, Uint8Array] = [pathBytes(path), !options.noFollow, utf8(name)];
    return asBuffer(await this.#on('getxattr', path, this.#port.call('getxattr', args)));
  }

  async setxattr(path: PathLike, name: string, value: Uint8Array | string, options: XattrOptions = {}): Promise<void> {
    const bytes = typeof value === 'string' ? utf8(value) : value;
    const how = options.create ? 1 : options.replace ? 2 : 0;
    await this.#on('setxattr', path, this.#port.call('setxattr', [pathBytes(path), !options.noFollow, utf8(name), this.#port.outgoing(bytes), how]));
  }

  async removexattr(path: PathLike, name: string, options: XattrOptions = {}): Promise<void> {
    await this.#on('removexattr', path, this.#port.call('removexattr', [pathBytes(path), !options.noFollow, utf8(name)]));
  }

  async listxattr(path: PathLike, options: XattrOptions = {}): Promise<string[]> {
    const packed = await this.#on('listxattr', path, this.#port.call('listxattr', [pathBytes(path), !options.noFollow]));
    return fromUtf8(packed).split('\0').slice(0, -1);
  }

  /** Makes a fifo, a socket or a device node; `mode` has its type and permissions. */
  async mknod(path: PathLike, mode: number, major = 0, minor = 0): Promise<void> {
    await this.#on('mknod', path, this.#port.call('mknod', [pathBytes(path), mode, major, minor]));
  }

  /** Looks through the whole volume for damage. */
  async check(options: { signal?: AbortSignal | null } = {}): Promise<CheckReport> {
    return JSON.parse(await this.#on('check', undefined, this.#port.call('check', [], options))) as CheckReport;
  }

  /** Makes everything durable. */
  async sync(): Promise<void> {
    await this.#on('sync', undefined, this.#port.call('syncVolume', []));
  }

  async df(): Promise<Space> {
    const raw = await this.#on('statfs', undefined, this.#port.call('statfs', []));
    const [block = 0, total = 0, free = 0, available = 0, inodes = 0, freeInodes = 0] = raw;
    return { size: total * block, used: (total - free) * block, free: free * block, available: available * block, inodes, freeInodes };
  }

  /** The image of the volume, from its first byte to its last. Until the stream ends or is cancelled, changes wait. */
  exportImage(options?: ExportOptions & { sparse?: false }): ReadableStream<Uint8Array<ArrayBuffer>>;
  /** Only the used parts, as `FileSystemFileHandle.createWritable()` takes them. */
  exportImage(options: ExportOptions & { sparse: true }): ReadableStream<ImagePart>;
  exportImage(options: ExportOptions & { sparse?: boolean } = {}): ReadableStream<Uint8Array<ArrayBuffer>> | ReadableStream<ImagePart> {
    return options.sparse ? exportParts(this.#port, options) : exportWhole(this.#port, options);
  }

  /** Unpacks an archive into a folder. */
  async importTar(source: ImageSource, options: TarInOptions = {}): Promise<void> {
    const { importTar } = await import('./tar.ts');
    await importTar(this, streamOf(source), options);
  }

  /** Packs a file or a tree: PAX, with hard links, owners and extended attributes. */
  exportTar(path: PathLike = '/', options: TarOutOptions = {}): ReadableStream<Uint8Array<ArrayBuffer>> {
    const { readable, writable } = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>();
    import('./tar.ts')
      .then(({ exportTar }) => exportTar(this, pathText(path), options).pipeTo(writable, { signal: options.signal ?? undefined }))
      .catch((error: unknown) => writable.abort(error).catch(() => {}));
    return readable;
  }

  /** Makes everything durable and the log clean, and lets go of the store. */
  async close(): Promise<void> {
    await this.#on('close', undefined, this.#port.close());
  }

  /** Lets go of the store at once, whatever is under way: as if power had failed. */
  abandon(): void {
    this.#port.abandon();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #on<T>(syscall: string, path: PathLike | undefined, call: Promise<T>): Promise<T> {
    try {
      return await call;
    } catch (error) {
      throw told(error, syscall, path === undefined ? undefined : pathText(path));
    }
  }
}

/** What a person calls it. */
function nameOf({ name, store }: OpenOptions): string {
  return name ?? (typeof store === 'object' ? String(store.http) : 'default');
}

async function connected(options: OpenOptions, imageBytes: number | undefined): Promise<Connection> {
  const open = (store: StoreName) => connect(options, { ...hostOptions(options, store), imageBytes });
  if (options.store === 'auto') return connectAuto(options, open);
  return open(typeof options.store === 'string' ? options.store : (options.store.overlay ?? 'memory'));
}
