/** What is done to names, each in one step. */
import type { Engine } from '../bindings.ts';
import { parseEntries, packEntries } from '../dirent.ts';
import type { Host, Request } from '../host.ts';
import { constants } from '../constants.ts';
import { failure } from '../errors.ts';
import { modeOf } from '../stats.ts';

const { S_IFDIR, S_IFMT, S_IFREG, S_IXGRP, W_OK, X_OK } = constants;
const ANYONE_RUNS = 0o111;

const SLASH = 0x2f;

/** A slash at the end of a path says that a directory is meant. */
export function meansFolder(engine: Engine, path: Uint8Array, follow = true): void {
  if (path.length < 2 || path.at(-1) !== SLASH) return;
  let end = path.length;
  while (end > 1 && path[end - 1] === SLASH) end--;
  if ((modeOf(engine.stat(path.subarray(0, end), follow)) & S_IFMT) !== S_IFDIR) throw failure('ENOTDIR');
}

/** A program that is given to somebody else doesn't run as its new owner: what Linux does at a change of owners. */
export function withoutPrivileges(mode: number): number {
  if ((mode & S_IFMT) !== S_IFREG) return mode;
  const SET_UID = 0o4000;
  const SET_GID = 0o2000;
  return mode & ~SET_UID & ((mode & S_IXGRP) !== 0 ? ~SET_GID : ~0);
}

export const NO_NAMES = new Uint8Array();

export async function stat(host: Host, request: Request, path: Uint8Array, follow: boolean): Promise<Float64Array> {
  return host.look(request, (engine) => engine.stat(path, follow));
}

/** As root: everything may be read and written, and run what anyone may run. */
export async function access(host: Host, request: Request, path: Uint8Array, mode: number): Promise<void> {
  const found = modeOf(await stat(host, request, path, true));
  if ((mode & W_OK) !== 0 && host.options.readOnly) throw failure('EROFS');
  if ((mode & X_OK) !== 0 && (found & S_IFMT) !== S_IFDIR && (found & ANYONE_RUNS) === 0) throw failure('EACCES');
}

export async function readdir(host: Host, request: Request, path: Uint8Array): Promise<Uint8Array> {
  const packed = await host.look(request, (engine) => engine.readdir(path));
  return packEntries([...parseEntries(packed, NO_NAMES)]);
}

export async function readlink(host: Host, request: Request, path: Uint8Array): Promise<Uint8Array> {
  return host.look(request, (engine) => engine.readlink(path));
}

export async function realpath(host: Host, request: Request, path: Uint8Array): Promise<Uint8Array> {
  return host.look(request, (engine) => engine.realpath(path));
}

/** Since when who watches `path` from now on is told of changes. */
export async function watch(host: Host, request: Request, path: Uint8Array): Promise<{ teller: string; count: number }> {
  return host.look(request, (engine) => {
    engine.stat(path, true);
    host.changes.isWatched = true;
    return { teller: host.changes.teller, count: host.changes.count };
  });
}

export async function mkdir(host: Host, request: Request, path: Uint8Array, mode: number): Promise<void> {
  await host.change(request, (engine) => {
    engine.mkdir(path, mode);
    host.changes.tell('rename', path);
  });
}

export async function rmdir(host: Host, request: Request, path: Uint8Array): Promise<void> {
  await host.change(request, (engine) => {
    engine.rmdir(path);
    host.changes.tell('rename', path);
  });
}

export async function unlink(host: Host, request: Request, path: Uint8Array): Promise<void> {
  await host.change(request, (engine) => {
    meansFolder(engine, path);
    engine.unlink(path);
    host.changes.tell('rename', path);
  });
}

/** `how`: 0 over what is there, 1 only if nothing is, 2 in exchange. */
export async function rename(host: Host, request: Request, from: Uint8Array, to: Uint8Array, how: number): Promise<void> {
  await host.change(request, (engine) => {
    meansFolder(engine, from);
    if (to.at(-1) === SLASH && (modeOf(engine.stat(from, false)) & S_IFMT) !== S_IFDIR) throw failure('ENOTDIR');
    engine.rename(from, to, how);
    host.changes.tell('rename', from);
    host.changes.tell('rename', to);
  });
}

export async function link(host: Host, request: Request, existing: Uint8Array, path: Uint8Array): Promise<void> {
  await host.change(request, (engine) => {
    engine.link(existing, path);
    host.changes.tell('rename', path);
  });
}

export async function symlink(host: Host, request: Request, target: Uint8Array, path: Uint8Array): Promise<void> {
  await host.change(request, (engine) => {
    engine.symlink(target, path);
    host.changes.tell('rename', path);
  });
}

export async function mknod(host: Host, request: Request, path: Uint8Array, mode: number, major: number, minor: number): Promise<void> {
  await host.change(request, (engine) => {
    engine.mknod(path, mode, major, minor);
    host.changes.tell('rename', path);
  });
}

export async function chmod(host: Host, request: Request, path: Uint8Array, follow: boolean, mode: number): Promise<void> {
  await host.change(request, (engine) => {
    engine.chmod(path, follow, mode);
    host.changes.tell('change', path);
  });
}

/** -1 leaves an owner as it is. */
export async function chown(host: Host, request: Request, path: Uint8Array, follow: boolean, uid: number, gid: number): Promise<void> {
  await host.change(request, (engine) => {
    engine.chown(path, follow, uid, gid);
    const mode = modeOf(engine.stat(path, follow));
    const safe = withoutPrivileges(mode);
    if (safe !== mode) engine.chmod(path, follow, safe);
    host.changes.tell('change', path);
  });
}

export async function utimes(
  host: Host, request: Request, path: Uint8Array, follow: boolean, atimeMs: number, mtimeMs: number,
): Promise<void> {
  await host.change(request, (engine) => {
    engine.utimes(path, follow, atimeMs, mtimeMs);
    host.changes.tell('change', path);
  });
}

export async function getxattr(host: Host, request: Request, path: Uint8Array, follow: boolean, name: Uint8Array): Promise<Uint8Array> {
  return host.look(request, (engine) => engine.getxattr(path, follow, name));
}

/** `how`: 0 either way, 1 only a new one, 2 only one that is there. */
export async function setxattr(
  host: Host, request: Request, path: Uint8Array, follow: boolean, name: Uint8Array, value: Uint8Array, how: number,
): Promise<void> {
  await host.change(request, (engine) => {
    engine.setxattr(path, follow, name, value, how);
    host.changes.tell('change', path);
  });
}

export async function removexattr(host: Host, request: Request, path: Uint8Array, follow: boolean, name: Uint8Array): Promise<void> {
  await host.change(request, (engine) => {
    engine.removexattr(path, follow, name);
    host.changes.tell('change', path);
  });
}

/** Names, with a zero byte behind each. */
export async function listxattr(host: Host, request: Request, path: Uint8Array, follow: boolean): Promise<Uint8Array> {
  return host.look(request, (engine) => engine.listxattr(path, follow));
}
