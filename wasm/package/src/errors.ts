/** Errors as Node has them: `code`, `errno`, `syscall`, `path`, `dest`, and a message made of these. */

/** Linux's numbers and libuv's words. */
const KNOWN: Record<string, [errno: number, text: string]> = {
  EPERM: [1, 'operation not permitted'],
  ENOENT: [2, 'no such file or directory'],
  EINTR: [4, 'interrupted system call'],
  EIO: [5, 'i/o error'],
  ENXIO: [6, 'no such device or address'],
  E2BIG: [7, 'argument list too long'],
  EBADF: [9, 'bad file descriptor'],
  EAGAIN: [11, 'resource temporarily unavailable'],
  ENOMEM: [12, 'not enough memory'],
  EACCES: [13, 'permission denied'],
  EBUSY: [16, 'resource busy or locked'],
  EEXIST: [17, 'file already exists'],
  EXDEV: [18, 'cross-device link not permitted'],
  ENODEV: [19, 'no such device'],
  ENOTDIR: [20, 'not a directory'],
  EISDIR: [21, 'illegal operation on a directory'],
  EINVAL: [22, 'invalid argument'],
  EMFILE: [24, 'too many open files'],
  EFBIG: [27, 'file too large'],
  ENOSPC: [28, 'no space left on device'],
  ESPIPE: [29, 'invalid seek'],
  EROFS: [30, 'read-only file system'],
  EMLINK: [31, 'too many links'],
  ERANGE: [34, 'result too large'],
  ENAMETOOLONG: [36, 'name too long'],
  ENOSYS: [38, 'function not implemented'],
  ENOTEMPTY: [39, 'directory not empty'],
  ELOOP: [40, 'too many symbolic links encountered'],
  ENODATA: [61, 'no data available'],
  EOVERFLOW: [75, 'value too large for defined data type'],
  EOPNOTSUPP: [95, 'operation not supported'],
  ESTALE: [116, 'stale file handle'],
  EUCLEAN: [117, 'structure needs cleaning'],
  EDQUOT: [122, 'disk quota exceeded'],
};

/** What a message from or to a worker carries of an error. */
export interface WireError {
  name: string;
  message: string;
  code?: string;
  errno?: number;
  syscall?: string;
  path?: string;
  dest?: string;
}

/** An error of the filesystem or of what it lies on. */
export class FsError extends Error {
  /** As in Node: `ENOENT`, `EEXIST`, `ENOSPC`, … ; `EUCLEAN` is a damaged volume. */
  readonly code: string;
  /** Linux's number, negative as in Node. */
  readonly errno: number;
  declare readonly syscall?: string;
  declare readonly path?: string;
  declare readonly dest?: string;

  constructor(fields: { code: string; message: string; syscall?: string; path?: string; dest?: string }) {
    super(fields.message);
    this.code = fields.code;
    this.errno = -(KNOWN[fields.code]?.[0] ?? 5);
    if (fields.syscall !== undefined) this.syscall = fields.syscall;
    if (fields.path !== undefined) this.path = fields.path;
    if (fields.dest !== undefined) this.dest = fields.dest;
  }

  override get name(): string {
    return 'Error';
  }
}

/** What happened, in libuv's words. */
export function describe(code: string): string {
  return KNOWN[code]?.[1] ?? 'unknown error';
}

/** An error with Node's message for it; `detail` goes behind, for codes whose words say too little. */
export function fsError(code: string, syscall: string, path?: string, dest?: string, detail?: string): FsError {
  let message = `${code}: ${describe(code)}, ${syscall}`;
  if (path !== undefined) message += ` '${path}'`;
  if (dest !== undefined) message += ` -> '${dest}'`;
  if (detail) message += ` (${detail})`;
  return new FsError({ code, message, syscall, path, dest });
}

/** The code of anything that was thrown, or `undefined`. */
export function codeOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/** What went wrong, without where: that is added by whoever knows what was asked. */
export function failure(code: string, message = describe(code)): Error {
  return Object.assign(new Error(message), { code });
}

/** Codes for which the engine knows more than the code says. */
const TELLING = new Set(['EUCLEAN', 'EIO', 'EOPNOTSUPP', 'EROFS']);

/** An error of the engine, given the call and paths that it came from. */
export function fromEngine(error: unknown, syscall: string, path?: string, dest?: string): unknown {
  const code = codeOf(error);
  if (error instanceof FsError || code === undefined || KNOWN[code] === undefined) return error;
  return TELLING.has(code) ? told(error, syscall, path, dest) : fsError(code, syscall, path, dest);
}

/** The same, with what the engine says of it in any case: for calls that Node doesn't have. */
export function told(error: unknown, syscall: string, path?: string, dest?: string): unknown {
  const code = codeOf(error);
  if (error instanceof FsError || code === undefined || KNOWN[code] === undefined) return error;
  const said = error instanceof Error && error.message !== describe(code) ? error.message : undefined;
  return fsError(code, syscall, path, dest, said);
}

/** What `AbortSignal`s make of an operation that they end. */
export class AbortError extends Error {
  readonly code = 'ABORT_ERR';

  constructor(cause?: unknown) {
    super('The operation was aborted', cause === undefined ? undefined : { cause });
  }

  override get name(): string {
    return 'AbortError';
  }
}

export function throwIfAborted(signal: AbortSignal | null | undefined): void {
  if (signal?.aborted) throw new AbortError(signal.reason);
}

/** A caller's mistake, as Node words it. */
export function argumentError(code: string, message: string): TypeError {
  return Object.assign(new TypeError(message), { code });
}

/** Node's `SystemError`s of `rm` and `cp`. */
export function systemError(code: string, errno: string, text: string, detail: string, syscall: string, path: string): Error {
  const message = `${text}: ${syscall} returned ${errno} (${detail}) ${path}`;
  return Object.assign(new Error(message), { name: 'SystemError', code, errno: KNOWN[errno]?.[0] ?? 0, syscall, path });
}

/** An error made fit for a message. */
export function toWire(error: unknown): WireError {
  if (!(error instanceof Error)) return { name: 'Error', message: String(error) };
  const { name, message } = error;
  const { code, errno, syscall, path, dest } = error as Partial<FsError>;
  return { name, message, code: typeof code === 'string' ? code : undefined, errno, syscall, path, dest };
}

/** The error that a message carried. */
export function fromWire(wire: WireError): Error {
  const { name, message, code, errno, syscall, path, dest } = wire;
  if (name === 'AbortError') return new AbortError();
  if (name === 'TypeError') return Object.assign(new TypeError(message), code === undefined ? {} : { code });
  if (name === 'SystemError') return Object.assign(new Error(message), { name, code, errno, syscall, path });
  if (code === undefined) return Object.assign(new Error(message), { name });
  if (syscall === undefined) return failure(code, message);
  return new FsError({ code, message, syscall, path, dest });
}
