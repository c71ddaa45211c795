/** Where things lie in a volume; all numbers are bytes. */

/** A stretch of a file. */
export interface Extent {
  /** In the file. */
  offset: number;
  length: number;
  /** In the volume; `undefined` while it waits for writeback. */
  place: number | undefined;
  ag: number | undefined;
  /** Reserved, and reads as zeros. */
  unwritten: boolean;
  /** Other files, or other parts of this one, have these blocks too. */
  shared: boolean;
  /** Its place in the copy-on-write fork: where writeback will put what is to replace shared blocks. */
  cow: boolean;
  /** In memory: written, and not placed yet. */
  delalloc: boolean;
}

export interface Range {
  at: number;
  length: number;
}

/** Who has a stretch of the volume. */
export interface Owner extends Range {
  /** A file, if it is one's. */
  ino: number | undefined;
  /** Whose it is otherwise. */
  kind: 'file' | 'free' | 'headers' | 'log' | 'ag' | 'inobt' | 'inodes' | 'refcount' | 'cow' | 'unknown';
  /** Where in the file. */
  offset: number;
  unwritten: boolean;
  attributes: boolean;
  map: boolean;
}

/** The numbers that the reverse mapping gives to owners which are no files. */
const KINDS: Record<number, Owner['kind']> = {
  [-1]: 'free', [-2]: 'unknown', [-3]: 'headers', [-4]: 'log', [-5]: 'ag', [-6]: 'inobt', [-7]: 'inodes', [-8]: 'refcount', [-9]: 'cow',
};

const UNWRITTEN = 1;
const SHARED = 2;
const COW = 4;
const DELALLOC = 8;
const ATTRIBUTES = 16;
const MAP = 32;

export function extentsOf(raw: Float64Array): Extent[] {
  return tuples(raw, 5, ([offset = 0, length = 0, place = -1, flags = 0, ag = -1]) => ({
    offset,
    length,
    place: place < 0 ? undefined : place,
    ag: ag < 0 ? undefined : ag,
    unwritten: (flags & UNWRITTEN) !== 0,
    shared: (flags & SHARED) !== 0,
    cow: (flags & COW) !== 0,
    delalloc: (flags & DELALLOC) !== 0,
  }));
}

export function ownersOf(raw: Float64Array): Owner[] {
  return tuples(raw, 5, ([at = 0, length = 0, owner = 0, offset = 0, flags = 0]) => ({
    at,
    length,
    ino: owner < 0 ? undefined : owner,
    kind: owner < 0 ? (KINDS[owner] ?? 'unknown') : 'file',
    offset,
    unwritten: (flags & UNWRITTEN) !== 0,
    attributes: (flags & ATTRIBUTES) !== 0,
    map: (flags & MAP) !== 0,
  }));
}

export function rangesOf(raw: Float64Array): Range[] {
  return tuples(raw, 2, ([at = 0, length = 0]) => ({ at, length }));
}

function tuples<T>(raw: Float64Array, width: number, make: (values: Float64Array) => T): T[] {
  return Array.from({ length: raw.length / width }, (_, i) => make(raw.subarray(i * width, (i + 1) * width)));
}
