/** Contents of files: by path, and through handles. Long ones are done piece by piece. */
import type { Engine } from '../bindings.ts';
import { constants } from '../constants.ts';
import { codeOf, failure, fromEngine, fsError } from '../errors.ts';
import { appends, isSynchronous, O_ACCMODE } from '../handles.ts';
import type { Host, Request } from '../host.ts';
import { inoOf, modeOf, sizeOf } from '../stats.ts';
import { withoutPrivileges } from './names.ts';

/** What is read or written in one step, at most. */
export const PIECE_BYTES = 1 << 20;

const { COPYFILE_EXCL, COPYFILE_FICLONE_FORCE, O_APPEND, O_CREAT, O_DSYNC, O_EXCL, O_RDONLY, O_TRUNC, O_WRONLY, S_IFDIR, S_IFMT, S_IFREG } = constants;

export async function open(host: Host, request: Request, path: Uint8Array, flags: number, mode: number): Promise<number> {
  const opening = (engine: Engine): number => {
    const existed = (flags & O_CREAT) === 0 || wasThere(host, engine, path);
    const ino = engine.openFile(path, flags, mode);
    const isFolder = (flags & O_ACCMODE) === O_RDONLY && (modeOf(engine.statIno(ino)) & S_IFMT) === S_IFDIR;
    const fd = host.handles.add(ino, flags, isFolder, path);
    if (!existed) host.changes.tell('rename', path);
    else if ((flags & O_TRUNC) !== 0) host.changes.tell('change', path);
    return fd;
  };
  return (flags & (O_CREAT | O_TRUNC)) === 0 ? host.look(request, opening) : host.change(request, opening);
}

/** Whether a file that is about to be written is a new one, if that matters to anybody. */
function wasThere(host: Host, engine: Engine, path: Uint8Array): boolean {
  return !host.changes.isWatched || exists(engine, path);
}

function exists(engine: Engine, path: Uint8Array): boolean {
  try {
    engine.resolve(path, true);
    return true;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false;
    throw error;
  }
}

export async function close(host: Host, _request: Request, fd: number): Promise<void> {
  // In its turn: what was asked of the handle before is done before. And not to be cancelled, since the inode would be
  // held for good.
  const { ino } = await host.look({}, () => host.handles.remove(fd));
  const released = host.change({}, (engine) => engine.release(ino));
  // Letting go of the last hold of an unlinked file is a change, and must not keep those waiting who only read.
  if (host.queue.isFrozen) released.catch(() => {});
  else await released;
}

/** Up to `length` bytes from `position`, or from where the handle stands. */
export async function read(host: Host, request: Request, fd: number, length: number, position: number | null): Promise<Uint8Array> {
  if (length <= PIECE_BYTES) return readPiece(host, request, fd, length, position);
  const whole = new Uint8Array(length);
  const count = await readInto(host, request, fd, whole, position);
  return count === length ? whole : whole.slice(0, count);
}

/** The same, into a buffer, which only a host in this thread can do; resolves to how many bytes there were. */
export async function readInto(host: Host, request: Request, fd: number, buffer: Uint8Array, position: number | null): Promise<number> {
  let count = 0;
  while (count < buffer.length) {
    const piece = buffer.subarray(count, count + PIECE_BYTES);
    const at = position === null ? null : position + count;
    const more = await host.look(request, (engine) => {
      const handle = host.handles.readable(fd, 'read');
      if (handle.isFolder) throw fsError('EISDIR', 'read');
      const found = engine.readInto(handle.ino, at ?? handle.position, piece);
      if (position === null) handle.position += found;
      return found;
    });
    count += more;
    if (more < piece.length) break;
  }
  return count;
}

function readPiece(host: Host, request: Request, fd: number, length: number, position: number | null): Promise<Uint8Array> {
  return host.look(request, (engine) => {
    const handle = host.handles.readable(fd, 'read');
    if (handle.isFolder) throw fsError('EISDIR', 'read');
    const bytes = engine.read(handle.ino, position ?? handle.position, length);
    if (position === null) handle.position += bytes.length;
    return bytes;
  });
}

/** All of it, at `position`, or where the handle stands, or, if it was opened for that, at the end. */
export async function write(host: Host, request: Request, fd: number, bytes: Uint8Array, position: number | null): Promise<number> {
  let done = 0;
  do {
    const piece = bytes.subarray(done, done + PIECE_BYTES);
    const at = position === null ? null : position + done;
    // Once: a step that is repeated must not go behind what it has written itself.
    let start: number | undefined;
    await host.change(request, (engine) => {
      const handle = host.handles.writable(fd, 'write');
      start ??= appends(handle) ? sizeOf(engine.statIno(handle.ino)) : (at ?? handle.position);
      engine.write(handle.ino, start, piece);
      if (position === null) handle.position = start + piece.length;
    });
    done += piece.length;
  } while (done < bytes.length);
  const handle = host.handles.get(fd, 'write');
  host.changes.tell('change', handle.path);
  if (isSynchronous(handle)) await sync(host, request, fd);
  return done;
}

export async function truncate(host: Host, request: Request, fd: number, size: number): Promise<void> {
  await host.change(request, (engine) => {
    const handle = host.handles.writable(fd, 'ftruncate');
    engine.truncate(handle.ino, size);
    host.changes.tell('change', handle.path);
  });
}

export async function allocate(host: Host, request: Request, fd: number, what: number, offset: number, length: number): Promise<void> {
  await host.change(request, (engine) => {
    const handle = host.handles.writable(fd, 'fallocate');
    engine.allocate(handle.ino, what, offset, length);
    host.changes.tell('change', handle.path);
  });
}

/** What was written through any handle of the file becomes durable. */
export async function sync(host: Host, request: Request, fd: number): Promise<void> {
  await host.change(request, (engine) => engine.fsync(host.handles.get(fd, 'fsync').ino));
  await host.durable();
}

export async function fstat(host: Host, request: Request, fd: number): Promise<Float64Array> {
  return host.look(request, (engine) => engine.statIno(host.handles.get(fd, 'fstat').ino));
}

export async function fchmod(host: Host, request: Request, fd: number, mode: number): Promise<void> {
  await onHandle(host, request, fd, 'fchmod', (engine, ino) => engine.chmodIno(ino, mode));
}

export async function fchown(host: Host, request: Request, fd: number, uid: number, gid: number): Promise<void> {
  await onHandle(host, request, fd, 'fchown', (engine, ino) => {
    engine.chownIno(ino, uid, gid);
    const mode = modeOf(engine.statIno(ino));
    const safe = withoutPrivileges(mode);
    if (safe !== mode) engine.chmodIno(ino, safe);
  });
}

export async function futimes(host: Host, request: Request, fd: number, atimeMs: number, mtimeMs: number): Promise<void> {
  await onHandle(host, request, fd, 'futime', (engine, ino) => engine.utimesIno(ino, atimeMs, mtimeMs));
}

function onHandle(host: Host, request: Request, fd: number, syscall: string, work: (engine: Engine, ino: number) => void): Promise<void> {
  return host.change(request, (engine) => {
    const { ino, path } = host.handles.get(fd, syscall);
    work(engine, ino);
    host.changes.tell('change', path);
  });
}

/** The rest of a file behind a handle's position. */
export async function readRest(host: Host, request: Request, fd: number): Promise<Uint8Array> {
  const { size, position } = await host.look(request, (engine) => {
    const handle = host.handles.readable(fd, 'read');
    return { size: sizeOf(engine.statIno(handle.ino)), position: handle.position };
  });
  return read(host, request, fd, Math.max(size - position, 0), null);
}

/** All of a file. A short one takes one step. */
export async function readFile(host: Host, request: Request, path: Uint8Array, flags: number): Promise<Uint8Array> {
  if (flags === O_RDONLY) {
    const bytes = await host.look(request, (engine) => {
      const stat = engine.stat(path, true);
      if ((modeOf(stat) & S_IFMT) !== S_IFREG || sizeOf(stat) > PIECE_BYTES) return undefined;
      return engine.read(inoOf(stat), 0, sizeOf(stat));
    });
    if (bytes !== undefined) return bytes;
  }
  const fd = await open(host, request, path, flags, 0o666);
  return closing(host, fd, () => readRest(host, request, fd), 'read');
}

/** Makes `bytes` the contents of a file, or, as `flags` say, puts them at its end. */
export async function writeFile(
  host: Host, request: Request, path: Uint8Array, flags: number, mode: number, bytes: Uint8Array, flush: boolean,
): Promise<void> {
  // One step where that can be repeated: a file that may not exist before would exist then.
  if (bytes.length <= PIECE_BYTES && (flags & (O_EXCL | O_APPEND | O_DSYNC)) === 0 && (flags & O_TRUNC) !== 0 && !flush) {
    let existed: boolean | undefined;
    await host.change(request, (engine) => {
      existed ??= wasThere(host, engine, path);
      engine.writeFile(path, flags, mode, bytes);
      host.changes.tell(existed ? 'change' : 'rename', path);
    });
    return;
  }
  const fd = await open(host, request, path, flags, mode);
  await closing(host, fd, async () => {
    await write(host, request, fd, bytes, null);
    if (flush) await sync(host, request, fd);
  }, 'write');
}

async function closing<T>(host: Host, fd: number, work: () => Promise<T>, syscall: string): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw fromEngine(error, syscall);
  } finally {
    await close(host, {}, fd);
  }
}

/**
 * Copies a file as a clone, which takes no data; byte by byte on a volume that can't, unless a clone is insisted on.
 */
export async function copyFile(host: Host, request: Request, from: Uint8Array, to: Uint8Array, flags: number): Promise<void> {
  const source = await host.look(request, (engine) => engine.stat(from, true));
  if ((modeOf(source) & S_IFMT) === S_IFDIR) throw failure('EISDIR');
  const exclusive = (flags & COPYFILE_EXCL) !== 0;
  const target = await host.look(request, (engine) => (exists(engine, to) ? engine.resolve(to, true) : undefined));
  if (!exclusive && target === inoOf(source)) return;
  const reading = await open(host, request, from, O_RDONLY, 0);
  try {
    const writing = await open(host, request, to, O_WRONLY | O_CREAT | (exclusive ? O_EXCL : 0), modeOf(source) & 0o7777);
    try {
      await copyData(host, request, reading, writing, (flags & COPYFILE_FICLONE_FORCE) !== 0);
    } catch (error) {
      // A target that wasn't there isn't there again.
      if (target === undefined) await host.change({}, (engine) => engine.unlink(to)).catch(() => {});
      throw error;
    } finally {
      await close(host, {}, writing);
    }
  } finally {
    await close(host, {}, reading);
  }
  host.changes.tell('change', to);
}

async function copyData(host: Host, request: Request, reading: number, writing: number, force: boolean): Promise<void> {
  // Known before anything of the target goes.
  const canClone = host.opened?.info.features.includes('reflink') === true;
  if (!canClone && force) throw failure('EOPNOTSUPP', 'the volume has no reflink');
  if (canClone) {
    // In one step: what is there would end in the middle of a block of the clone, were it longer.
    await host.change(request, (engine) => {
      const [source, target] = [host.handles.get(reading, 'copyfile').ino, host.handles.get(writing, 'copyfile').ino];
      engine.truncate(target, 0);
      if (sizeOf(engine.statIno(source)) > 0) engine.clone(source, 0, target, 0, 0);
    });
    return;
  }
  await truncate(host, request, writing, 0);
  for (let at = 0; ; ) {
    const piece = await readPiece(host, request, reading, PIECE_BYTES, at);
    if (piece.length === 0) return;
    at += await write(host, request, writing, piece, at);
  }
}
