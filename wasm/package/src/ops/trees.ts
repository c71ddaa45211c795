/** What goes through whole trees, step by step. */
import type { Engine } from '../bindings.ts';
import { fromUtf8, utf8 } from '../bytes.ts';
import { isDirectory, packEntries, parseEntries, type RawEntry } from '../dirent.ts';
import { codeOf, failure, fromEngine } from '../errors.ts';
import type { Host, Request } from '../host.ts';
import { constants } from '../constants.ts';
import { modeOf } from '../stats.ts';
import { NO_NAMES } from './names.ts';

const { S_IFDIR, S_IFMT } = constants;
const SLASH = 0x2f;
/** What a message has room for in the length of an entry's folders. */
const MAX_UNDER = 0xffff;

/** Everything below a directory, each folder before what is in it. */
export async function readdirRecursive(host: Host, request: Request, path: Uint8Array): Promise<Uint8Array> {
  const entries: RawEntry[] = [];
  const folders: Uint8Array[] = [NO_NAMES];
  for (let under = folders.shift(); under !== undefined; under = folders.shift()) {
    if (under.length > MAX_UNDER) throw failure('ENAMETOOLONG');
    const from = under;
    let packed: Uint8Array;
    try {
      packed = await host.look(request, (engine) => engine.readdir(joined(path, from)));
    } catch (error) {
      // Who removed it meanwhile has not harmed us.
      if (from.length > 0 && codeOf(error) === 'ENOENT') continue;
      throw error;
    }
    for (const entry of parseEntries(packed, from)) {
      entries.push(entry);
      if (isDirectory(entry)) folders.push(withSlash(joined2(from, entry.name)));
    }
  }
  return packEntries(entries);
}

/** Removes a tree, from its leaves on. What is gone already is no error. */
export async function removeTree(host: Host, request: Request, path: Uint8Array): Promise<void> {
  const remove = async (at: Uint8Array, isFolder: boolean): Promise<void> => {
    if (isFolder) {
      const packed = await ifThere(() => host.look(request, (engine) => engine.readdir(at)));
      if (packed === undefined) return;
      for (const entry of [...parseEntries(packed, NO_NAMES)]) {
        await remove(joined(at, entry.name), isDirectory(entry));
      }
    }
    await ifThere(() =>
      host.change(request, (engine) => {
        if (isFolder) engine.rmdir(at);
        else engine.unlink(at);
        host.changes.tell('rename', at);
      }),
    ).catch((error: unknown) => {
      throw fromEngine(error, isFolder ? 'rmdir' : 'unlink', fromUtf8(at));
    });
  };
  const mode = modeOf(await host.look(request, (engine) => engine.stat(path, false)));
  await remove(path, (mode & S_IFMT) === S_IFDIR);
}

/** Makes a directory and those above it that are missing. Resolves to the length of the first path that was made. */
export async function makeTree(host: Host, request: Request, path: Uint8Array, mode: number): Promise<number | undefined> {
  const missing = await host.look(request, (engine) => missingFrom(engine, path));
  // One step for each: a step that is repeated must not find what it has made itself.
  for (const length of missing) {
    try {
      await host.change(request, (engine) => engine.mkdir(path.subarray(0, length), mode));
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw error;
    }
    host.changes.tell('rename', path.slice(0, length));
  }
  return missing[0];
}

/** Lengths of the paths that lead to directories which aren't there yet, the first one first. */
function missingFrom(engine: Engine, path: Uint8Array): number[] {
  const missing: number[] = [];
  let end = path.length;
  for (;;) {
    while (end > 1 && path[end - 1] === SLASH) end--;
    const at = path.subarray(0, end);
    const mode = thereIs(() => modeOf(engine.stat(at, true)));
    if (mode !== undefined) {
      if ((mode & S_IFMT) === S_IFDIR) return missing.reverse();
      throw failure(missing.length === 0 ? 'EEXIST' : 'ENOTDIR');
    }
    missing.push(end);
    while (end > 1 && path[end - 1] !== SLASH) end--;
  }
}

/** A new directory with a name that nobody has. Resolves to what was put behind `prefix`. */
export async function makeTemporary(host: Host, request: Request, prefix: Uint8Array): Promise<string> {
  for (let tries = 0; ; tries++) {
    const suffix = randomName();
    const path = joined2(prefix, utf8(suffix));
    try {
      await host.change(request, (engine) => engine.mkdir(path, 0o700));
      host.changes.tell('rename', path);
      return suffix;
    } catch (error) {
      if (codeOf(error) !== 'EEXIST' || tries === 100) throw error;
    }
  }
}

function randomName(): string {
  const letters = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789';
  return Array.from(crypto.getRandomValues(new Uint8Array(6)), (byte) => letters[byte % letters.length]).join('');
}

async function ifThere<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function thereIs<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function joined(folder: Uint8Array, name: Uint8Array): Uint8Array {
  return folder.at(-1) === SLASH ? joined2(folder, name) : joined2(withSlash(folder), name);
}

function joined2(left: Uint8Array, right: Uint8Array): Uint8Array {
  const whole = new Uint8Array(left.length + right.length);
  whole.set(left);
  whole.set(right, left.length);
  return whole;
}

function withSlash(path: Uint8Array): Uint8Array {
  return joined2(path, Uint8Array.of(SLASH));
}
