/** Entries of directories, and directories as they are walked. */
import { asBuffer, decode, fromUtf8 } from './bytes.ts';
import { FsError } from './errors.ts';

/** An entry as the engine gives it. */
export interface RawEntry {
  /** As in the directory: 1 file, 2 directory, 3 character device, 4 block device, 5 fifo, 6 socket, 7 symlink. */
  type: number;
  name: Uint8Array;
  /** The folders between the one that was listed and this entry, with `/` after each; empty without `recursive`. */
  under: Uint8Array;
}

const FILE = 1;
const DIRECTORY = 2;
const CHARACTER_DEVICE = 3;
const BLOCK_DEVICE = 4;
const FIFO = 5;
const SOCKET = 6;
const SYMLINK = 7;

/** As Node's `fs.Dirent`. */
export class Dirent<Name extends string | Uint8Array = string> {
  readonly name: Name;
  readonly parentPath: string;
  readonly path: string;
  readonly #type: number;

  constructor(name: Name, parentPath: string, type: number) {
    this.name = name;
    this.parentPath = parentPath;
    this.path = parentPath;
    this.#type = type;
  }

  isFile(): boolean {
    return this.#type === FILE;
  }
  isDirectory(): boolean {
    return this.#type === DIRECTORY;
  }
  isSymbolicLink(): boolean {
    return this.#type === SYMLINK;
  }
  isBlockDevice(): boolean {
    return this.#type === BLOCK_DEVICE;
  }
  isCharacterDevice(): boolean {
    return this.#type === CHARACTER_DEVICE;
  }
  isFIFO(): boolean {
    return this.#type === FIFO;
  }
  isSocket(): boolean {
    return this.#type === SOCKET;
  }
}

export function isDirectory(entry: RawEntry): boolean {
  return entry.type === DIRECTORY;
}

/** Takes a directory apart, as the engine packs it: type, length of the name, name. */
export function* parseEntries(packed: Uint8Array, under: Uint8Array): Generator<RawEntry> {
  for (let at = 0; at + 2 <= packed.length; ) {
    const end = at + 2 + packed[at + 1]!;
    yield { type: packed[at]!, name: packed.slice(at + 2, end), under };
    at = end;
  }
}

/** Entries in one piece of memory, for a message: per entry its type, the lengths of both names, the names. */
export function packEntries(entries: RawEntry[]): Uint8Array {
  let length = 0;
  for (const { name, under } of entries) length += 4 + name.length + under.length;
  const packed = new Uint8Array(length);
  let at = 0;
  for (const { type, name, under } of entries) {
    packed[at] = type;
    packed[at + 1] = name.length;
    packed[at + 2] = under.length >> 8;
    packed[at + 3] = under.length & 0xff;
    packed.set(under, at + 4);
    packed.set(name, at + 4 + under.length);
    at += 4 + under.length + name.length;
  }
  return packed;
}

/** The other way. */
export function unpackEntries(packed: Uint8Array): RawEntry[] {
  const entries: RawEntry[] = [];
  for (let at = 0; at < packed.length; ) {
    const middle = at + 4 + packed[at + 2]! * 256 + packed[at + 3]!;
    const end = middle + packed[at + 1]!;
    entries.push({ type: packed[at]!, under: packed.subarray(at + 4, middle), name: packed.subarray(middle, end) });
    at = end;
  }
  return entries;
}

/** The names, in an encoding, or as bytes. */
export function names(entries: RawEntry[], encoding: string | undefined): (string | Uint8Array)[] {
  return entries.map(({ name, under }) => {
    if (under.length === 0) return encoding === undefined ? asBuffer(name.slice()) : decode(name, encoding);
    const whole = new Uint8Array(under.length + name.length);
    whole.set(under);
    whole.set(name, under.length);
    return encoding === undefined ? asBuffer(whole) : decode(whole, encoding);
  });
}

export function dirents(entries: RawEntry[], parent: string, encoding: string | undefined): Dirent<string | Uint8Array>[] {
  return entries.map(({ type, name, under }) => {
    const given = encoding === undefined ? asBuffer(name.slice()) : decode(name, encoding);
    return new Dirent(given, join(parent, fromUtf8(under)), type);
  });
}

function join(parent: string, under: string): string {
  if (under === '') return parent;
  return `${parent.endsWith('/') ? parent : `${parent}/`}${under.slice(0, -1)}`;
}

/** As Node's `fs.Dir`. The entries are those that were there when it was opened. */
export class Dir implements AsyncIterable<Dirent> {
  readonly path: string;
  readonly #entries: Dirent[];
  #next = 0;
  #closed = false;

  constructor(path: string, entries: Dirent[]) {
    this.path = path;
    this.#entries = entries;
  }

  async read(): Promise<Dirent | null> {
    if (this.#closed) throw new FsError({ code: 'ERR_DIR_CLOSED', message: 'Directory handle was closed' });
    return this.#entries[this.#next++] ?? null;
  }

  async close(): Promise<void> {
    if (this.#closed) throw new FsError({ code: 'ERR_DIR_CLOSED', message: 'Directory handle was closed' });
    this.#closed = true;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Dirent, void, void> {
    try {
      for (let entry = await this.read(); entry !== null; entry = await this.read()) yield entry;
    } finally {
      if (!this.#closed) await this.close();
    }
  }
}
