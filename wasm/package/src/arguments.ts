/** Arguments of Node's `fs`, checked and made into what the engine takes. */
import { fromUtf8, utf8 } from './bytes.ts';
import { constants } from './constants.ts';
import { argumentError } from './errors.ts';

/** A path of the volume. Relative ones start at the root, since a volume has no working directory. */
export type PathLike = string | Uint8Array | URL;
/** Flags of `open`: `'r'`, `'wx'`, `'a+'`, … or bits of `constants`. */
export type OpenMode = string | number;
/** Permissions, as a number or in octal digits. */
export type Mode = number | string;
/** Seconds, a date, or what `Date` understands. */
export type TimeLike = number | string | Date;

const SLASH = 0x2f;

/** A path as bytes, from the root. */
export function pathBytes(path: PathLike, name = 'path'): Uint8Array {
  const bytes = rawPath(path, name);
  if (bytes.includes(0)) {
    throw argumentError('ERR_INVALID_ARG_VALUE', `The argument '${name}' must be a string, Uint8Array, or URL without null bytes.`);
  }
  if (bytes[0] === SLASH) return bytes;
  // An empty path is no path: the engine must not take it for the root.
  if (bytes.length === 0) return bytes;
  const whole = new Uint8Array(bytes.length + 1);
  whole[0] = SLASH;
  whole.set(bytes, 1);
  return whole;
}

function rawPath(path: PathLike, name: string): Uint8Array {
  if (typeof path === 'string') return utf8(path);
  if (path instanceof Uint8Array) return path;
  if (path instanceof URL) {
    if (path.protocol !== 'file:') throw argumentError('ERR_INVALID_URL_SCHEME', 'The URL must be of scheme file');
    return utf8(decodeURIComponent(path.pathname));
  }
  throw typeError(name, 'of type string or an instance of Buffer or URL', path);
}

/** A path as text, as the caller gave it, for messages and results. */
export function pathText(path: PathLike): string {
  if (typeof path === 'string') return path;
  return path instanceof URL ? decodeURIComponent(path.pathname) : fromUtf8(path);
}

/** An argument of a kind that can't be, as Node words it. */
export function typeError(name: string, wanted: string, given: unknown): TypeError {
  return argumentError('ERR_INVALID_ARG_TYPE', `The "${name}" argument must be ${wanted}. Received ${received(given)}`);
}

function received(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (typeof value === 'object') return `an instance of ${value.constructor?.name ?? 'Object'}`;
  return `type ${typeof value} (${String(value)})`;
}

const { O_APPEND, O_CREAT, O_EXCL, O_RDONLY, O_RDWR, O_SYNC, O_TRUNC, O_WRONLY } = constants;

const FLAGS: Record<string, number> = {
  r: O_RDONLY,
  rs: O_RDONLY | O_SYNC,
  'r+': O_RDWR,
  'rs+': O_RDWR | O_SYNC,
  w: O_TRUNC | O_CREAT | O_WRONLY,
  wx: O_TRUNC | O_CREAT | O_WRONLY | O_EXCL,
  'w+': O_TRUNC | O_CREAT | O_RDWR,
  'wx+': O_TRUNC | O_CREAT | O_RDWR | O_EXCL,
  a: O_APPEND | O_CREAT | O_WRONLY,
  ax: O_APPEND | O_CREAT | O_WRONLY | O_EXCL,
  as: O_APPEND | O_CREAT | O_WRONLY | O_SYNC,
  'a+': O_APPEND | O_CREAT | O_RDWR,
  'ax+': O_APPEND | O_CREAT | O_RDWR | O_EXCL,
  'as+': O_APPEND | O_CREAT | O_RDWR | O_SYNC,
};

/** Spellings that mean the same. */
const TURNED: Record<string, string> = {
  sr: 'rs', 'sr+': 'rs+', xw: 'wx', 'xw+': 'wx+', xa: 'ax', 'xa+': 'ax+', sa: 'as', 'sa+': 'as+',
};

export function openFlags(flags: OpenMode | null | undefined, otherwise: string): number {
  if (typeof flags === 'number') return flags;
  const name = flags ?? otherwise;
  const bits = FLAGS[TURNED[name] ?? name];
  if (bits === undefined) throw argumentError('ERR_INVALID_ARG_VALUE', `The argument 'flags' is invalid. Received '${String(name)}'`);
  return bits;
}

export function modeBits(mode: Mode | null | undefined, otherwise: number): number {
  if (mode === undefined || mode === null) return otherwise;
  const bits = typeof mode === 'number' ? mode : /^[0-7]+$/.test(mode) ? parseInt(mode, 8) : NaN;
  if (!Number.isInteger(bits) || bits < 0 || bits > 0xffff_ffff) {
    const shown = typeof mode === 'string' ? `'${mode}'` : String(mode);
    throw argumentError('ERR_INVALID_ARG_VALUE', `The argument 'mode' must be a 32-bit unsigned integer or an octal string. Received ${shown}`);
  }
  return bits;
}

/** Milliseconds since 1970, with fractions. */
export function milliseconds(time: TimeLike): number {
  if (time instanceof Date) return time.getTime();
  const seconds = Number(time);
  if (Number.isFinite(seconds)) return seconds * 1000;
  const parsed = typeof time === 'string' ? Date.parse(time) : NaN;
  if (Number.isNaN(parsed)) throw argumentError('ERR_INVALID_ARG_TYPE', 'The "time" argument must be an instance of Date or one of type number or string');
  return parsed;
}

export function checkOffset(value: number, name: string): number {
  if (typeof value !== 'number') {
    throw typeError(name, 'of type number', value);
  }
  if (!Number.isSafeInteger(value) || value < 0) {
    const message = `The value of "${name}" is out of range. It must be >= 0 && <= 9007199254740991. Received ${value}`;
    throw Object.assign(new RangeError(message), { code: 'ERR_OUT_OF_RANGE' });
  }
  return value;
}
