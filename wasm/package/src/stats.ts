/** What `stat` and `statfs` tell. */
import { constants } from './constants.ts';

const { S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG, S_IFSOCK } = constants;

/** Where each value stands in what the engine gives. */
const AT = {
  ino: 0, mode: 1, nlink: 2, uid: 3, gid: 4, major: 5, minor: 6, size: 7, blocks: 8, blksize: 9,
  atime: 10, mtime: 12, ctime: 14, birthtime: 16, generation: 18, project: 19, flags: 20, extents: 21,
} as const;

/** The device that all files of a volume are on. */
const DEV = 1;

class Kinds<T extends number | bigint> {
  declare readonly mode: T;

  isFile(): boolean {
    return this.#is(S_IFREG);
  }
  isDirectory(): boolean {
    return this.#is(S_IFDIR);
  }
  isSymbolicLink(): boolean {
    return this.#is(S_IFLNK);
  }
  isBlockDevice(): boolean {
    return this.#is(S_IFBLK);
  }
  isCharacterDevice(): boolean {
    return this.#is(S_IFCHR);
  }
  isFIFO(): boolean {
    return this.#is(S_IFIFO);
  }
  isSocket(): boolean {
    return this.#is(S_IFSOCK);
  }
  #is(kind: number): boolean {
    return (Number(this.mode) & S_IFMT) === kind;
  }
}

/** As Node's `fs.Stats`. */
export class Stats extends Kinds<number> {
  readonly dev: number;
  declare readonly mode: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  readonly rdev: number;
  readonly blksize: number;
  readonly ino: number;
  readonly size: number;
  readonly blocks: number;
  readonly atimeMs: number;
  readonly mtimeMs: number;
  readonly ctimeMs: number;
  readonly birthtimeMs: number;
  readonly atime: Date;
  readonly mtime: Date;
  readonly ctime: Date;
  readonly birthtime: Date;

  constructor(raw: Float64Array) {
    super();
    this.dev = DEV;
    this.mode = raw[AT.mode]!;
    this.nlink = raw[AT.nlink]!;
    this.uid = raw[AT.uid]!;
    this.gid = raw[AT.gid]!;
    this.rdev = deviceNumber(raw);
    this.blksize = raw[AT.blksize]!;
    this.ino = raw[AT.ino]!;
    this.size = raw[AT.size]!;
    this.blocks = raw[AT.blocks]!;
    this.atimeMs = milliseconds(raw, AT.atime);
    this.mtimeMs = milliseconds(raw, AT.mtime);
    this.ctimeMs = milliseconds(raw, AT.ctime);
    this.birthtimeMs = milliseconds(raw, AT.birthtime);
    this.atime = date(this.atimeMs);
    this.mtime = date(this.mtimeMs);
    this.ctime = date(this.ctimeMs);
    this.birthtime = date(this.birthtimeMs);
  }
}

/** As Node's `fs.BigIntStats`. */
export class BigIntStats extends Kinds<bigint> {
  readonly dev: bigint;
  declare readonly mode: bigint;
  readonly nlink: bigint;
  readonly uid: bigint;
  readonly gid: bigint;
  readonly rdev: bigint;
  readonly blksize: bigint;
  readonly ino: bigint;
  readonly size: bigint;
  readonly blocks: bigint;
  readonly atimeMs: bigint;
  readonly mtimeMs: bigint;
  readonly ctimeMs: bigint;
  readonly birthtimeMs: bigint;
  readonly atimeNs: bigint;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
  readonly birthtimeNs: bigint;
  readonly atime: Date;
  readonly mtime: Date;
  readonly ctime: Date;
  readonly birthtime: Date;

  constructor(raw: Float64Array) {
    super();
    this.dev = BigInt(DEV);
    this.mode = BigInt(raw[AT.mode]!);
    this.nlink = BigInt(raw[AT.nlink]!);
    this.uid = BigInt(raw[AT.uid]!);
    this.gid = BigInt(raw[AT.gid]!);
    this.rdev = BigInt(deviceNumber(raw));
    this.blksize = BigInt(raw[AT.blksize]!);
    this.ino = BigInt(raw[AT.ino]!);
    this.size = BigInt(raw[AT.size]!);
    this.blocks = BigInt(raw[AT.blocks]!);
    this.atimeNs = nanoseconds(raw, AT.atime);
    this.mtimeNs = nanoseconds(raw, AT.mtime);
    this.ctimeNs = nanoseconds(raw, AT.ctime);
    this.birthtimeNs = nanoseconds(raw, AT.birthtime);
    this.atimeMs = this.atimeNs / 1_000_000n;
    this.mtimeMs = this.mtimeNs / 1_000_000n;
    this.ctimeMs = this.ctimeNs / 1_000_000n;
    this.birthtimeMs = this.birthtimeNs / 1_000_000n;
    this.atime = date(Number(this.atimeMs));
    this.mtime = date(Number(this.mtimeMs));
    this.ctime = date(Number(this.ctimeMs));
    this.birthtime = date(Number(this.birthtimeMs));
  }
}

/** Major and minor as Linux's `makedev` puts them into one number, of which 32 bits are used by XFS. */
function deviceNumber(raw: Float64Array): number {
  const major = raw[AT.major]!;
  const minor = raw[AT.minor]!;
  return major * 256 + (minor & 0xff) + Math.floor(minor / 256) * 0x10_0000;
}

function milliseconds(raw: Float64Array, at: number): number {
  return raw[at]! * 1000 + raw[at + 1]! / 1_000_000;
}

function nanoseconds(raw: Float64Array, at: number): bigint {
  return BigInt(raw[at]!) * 1_000_000_000n + BigInt(raw[at + 1]!);
}

function date(ms: number): Date {
  return new Date(Math.round(ms));
}

/** The size of a file, from what the engine gives. */
export function sizeOf(raw: Float64Array): number {
  return raw[AT.size]!;
}

/** Type and permissions of a file, from what the engine gives. */
export function modeOf(raw: Float64Array): number {
  return raw[AT.mode]!;
}

/** The inode number, from what the engine gives. */
export function inoOf(raw: Float64Array): number {
  return raw[AT.ino]!;
}

/** As Node's `fs.StatFs`; sizes are in blocks of `bsize` bytes. */
export interface StatFs<T extends number | bigint = number> {
  type: T;
  bsize: T;
  blocks: T;
  bfree: T;
  bavail: T;
  files: T;
  ffree: T;
}

const XFS_SUPER_MAGIC = 0x5846_5342;

export function statFs(raw: Float64Array): StatFs {
  const [bsize = 0, blocks = 0, bfree = 0, bavail = 0, files = 0, ffree = 0] = raw;
  return { type: XFS_SUPER_MAGIC, bsize, blocks, bfree, bavail, files, ffree };
}

export function bigStatFs(raw: Float64Array): StatFs<bigint> {
  const { type, bsize, blocks, bfree, bavail, files, ffree } = statFs(raw);
  return {
    type: BigInt(type), bsize: BigInt(bsize), blocks: BigInt(blocks), bfree: BigInt(bfree),
    bavail: BigInt(bavail), files: BigInt(files), ffree: BigInt(ffree),
  };
}
