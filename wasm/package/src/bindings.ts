/**
 * The engine as WebAssembly offers it. Every call is synchronous; offsets and lengths are bytes, paths are UTF-8 (or
 * whatever bytes the volume has) from the root. What fails throws an `Error` with a `code`. One code is no failure:
 * `NOT_RESIDENT` says that nothing has changed yet, that each `Chunks` of the disk names what it misses, and that the
 * call is to be made again once that has been supplied.
 */

/** A file with synchronous access; the shape of `FileSystemSyncAccessHandle`. */
export interface SyncFile {
  read(buffer: Uint8Array, options: { at: number }): number;
  write(buffer: Uint8Array, options: { at: number }): number;
  flush(): void;
  truncate(size: number): void;
  getSize(): number;
  close(): void;
}

/** A block device; a cheap handle, shared with the engine that has it open. */
export interface Disk {
  len(): number;
  read(at: number, len: number): Uint8Array;
  write(at: number, bytes: Uint8Array): void;
  flush(): void;
  /** From now on every write and flush is recorded. */
  plug(): Plug;
  free(): void;
}

export interface DiskClass {
  memory(len: number): Disk;
  file(file: SyncFile, len: number, readOnly: boolean): Disk;
  packed(file: SyncFile, len: number, readOnly: boolean): Disk;
  chunked(chunks: Chunks): Disk;
  /** The fingerprint, of at most 128 bytes, tells this base from other versions of it. */
  overlay(base: Disk, upper: Disk, fingerprint?: Uint8Array): Disk;
  overlayBytes(baseLen: number): number;
}

/** A recorder of writes and flushes that can cut power between two of them. */
export interface Plug {
  /** Triples: kind (0 write, 1 flush), offset, length. */
  events(): Float64Array;
  clear(): void;
  cutAfter(n: number): void;
  isCut(): boolean;
  /** The power is on again, and the recording begins anew. */
  restore(): void;
  free(): void;
}

/** The part in memory of a store that can't be read synchronously. */
export interface Chunks {
  /** `[first, end)` pairs of the chunks that the last `NOT_RESIDENT` wants. */
  wanted(): Uint32Array;
  supply(index: number, bytes: Uint8Array | undefined): void;
  /** The operation went through: what was supplied for it may be evicted. */
  settle(): void;
  nextEpoch(): Epoch | undefined;
  saved(id: number): void;
  failed(code: string): void;
  sealed(): number;
  savedUpTo(): number;
  memory(): number;
  free(): void;
}

export type ChunksClass = new (
  len: number,
  chunkBytes: number,
  memoryBytes: number,
  present: Uint32Array | undefined,
  writable: boolean,
) => Chunks;

/** Chunks that are to be stored in one durable transaction. */
export interface Epoch {
  readonly id: number;
  count(): number;
  index(i: number): number;
  /** Otherwise the stored chunk is read in the same transaction, merged, and the result stored. */
  isWhole(i: number): boolean;
  bytes(i: number): Uint8Array;
  merge(i: number, old: Uint8Array | undefined): Uint8Array;
  free(): void;
}

export interface FormatOptions {
  blockSize?: number;
  sectorSize?: number;
  label?: string;
  agCount?: number;
  logBytes?: number;
  uuid: Uint8Array;
  seed: number;
  now: number;
  /** The disk does not read as zeros. */
  wipe?: boolean;
}

export interface EngineClass {
  format(disk: Disk, options: FormatOptions): void;
  open(disk: Disk, readOnly: boolean, cacheBytes: number, dirtyBytes: number, nowMs: number): Engine;
}

export interface Engine {
  setTime(ms: number): void;
  close(): void;
  readOnlyReason(): string | undefined;
  warnings(): string[];
  recovered(): string | undefined;
  info(): string;
  /** Block size, then blocks: total, free, available; then inodes: total, free. */
  statfs(): Float64Array;

  stat(path: Uint8Array, follow: boolean): Float64Array;
  statIno(ino: number): Float64Array;
  resolve(path: Uint8Array, follow: boolean): number;
  realpath(path: Uint8Array): Uint8Array;
  /** Records: type (u8), length of the name (u8), name. */
  readdir(path: Uint8Array): Uint8Array;
  readlink(path: Uint8Array): Uint8Array;
  mkdir(path: Uint8Array, mode: number): void;
  rmdir(path: Uint8Array): void;
  unlink(path: Uint8Array): void;
  rename(from: Uint8Array, to: Uint8Array, mode: number): void;
  link(existing: Uint8Array, path: Uint8Array): void;
  symlink(target: Uint8Array, path: Uint8Array): void;
  mknod(path: Uint8Array, mode: number, major: number, minor: number): void;
  chmod(path: Uint8Array, follow: boolean, mode: number): void;
  chown(path: Uint8Array, follow: boolean, uid: number, gid: number): void;
  utimes(path: Uint8Array, follow: boolean, atimeMs: number, mtimeMs: number): void;
  chmodIno(ino: number, mode: number): void;
  chownIno(ino: number, uid: number, gid: number): void;
  utimesIno(ino: number, atimeMs: number, mtimeMs: number): void;
  pathOf(ino: number): Uint8Array;

  /** Holds the inode until `release`. */
  openFile(path: Uint8Array, flags: number, mode: number): number;
  release(ino: number): void;
  read(ino: number, offset: number, len: number): Uint8Array;
  /** Fills the buffer, or the first mebibyte of it; tells how many bytes there were. */
  readInto(ino: number, offset: number, buffer: Uint8Array): number;
  write(ino: number, offset: number, bytes: Uint8Array): void;
  truncate(ino: number, size: number): void;
  allocate(ino: number, what: number, offset: number, len: number): void;
  readFile(path: Uint8Array): Uint8Array;
  writeFile(path: Uint8Array, flags: number, mode: number, bytes: Uint8Array): void;
  clone(src: number, srcOffset: number, dst: number, dstOffset: number, len: number): void;
  writeback(ino: number): void;
  fsync(ino: number): void;
  sync(): void;
  /** Quintuples: file offset, length, place, flags, AG. */
  extents(ino: number): Float64Array;
  /** Quintuples: byte, length, owner, file offset, flags. */
  owners(at: number, len: number): Float64Array;
  freeExtents(ag: number): Float64Array;
  getxattr(path: Uint8Array, follow: boolean, name: Uint8Array): Uint8Array;
  setxattr(path: Uint8Array, follow: boolean, name: Uint8Array, value: Uint8Array, mode: number): void;
  removexattr(path: Uint8Array, follow: boolean, name: Uint8Array): void;
  /** Names, with a zero byte behind each. */
  listxattr(path: Uint8Array, follow: boolean): Uint8Array;
  check(): string;
  usedRanges(): Float64Array;
  free(): void;
}

/** What the module has, once it runs. */
export interface Bindings {
  Disk: DiskClass;
  Chunks: ChunksClass;
  Engine: EngineClass;
}
