/** `cp` of Node: whole trees, file by file as clones. */
import { constants } from './constants.ts';
import { codeOf, systemError } from './errors.ts';
import type { FsPromises } from './promises.ts';
import type { Stats } from './stats.ts';

export interface CpOptions {
  dereference?: boolean;
  errorOnExist?: boolean;
  filter?(source: string, destination: string): boolean | Promise<boolean>;
  force?: boolean;
  /** Flags of `copyFile`. */
  mode?: number;
  preserveTimestamps?: boolean;
  recursive?: boolean;
  verbatimSymlinks?: boolean;
  signal?: AbortSignal | null;
}

export async function copyTree(fs: FsPromises, source: string, destination: string, options: CpOptions): Promise<void> {
  if (options.filter && !(await options.filter(source, destination))) return;
  const { from, to } = await compare(fs, source, destination, options);
  if (to === undefined) await fs.mkdir(parentOf(destination), { recursive: true });
  await copyOne(fs, source, destination, from, to, options);
}

async function compare(fs: FsPromises, source: string, destination: string, options: CpOptions): Promise<{ from: Stats; to?: Stats }> {
  const look = (path: string) => (options.dereference ? fs.stat(path) : fs.lstat(path));
  const from = await look(source);
  const to = await ifThere(look(destination));
  const refuse = (code: string, errno: string, text: string, detail: string) =>
    systemError(code, errno, text, detail, 'cp', destination);
  if (to !== undefined) {
    if (to.ino === from.ino) throw refuse('ERR_FS_CP_EINVAL', 'EINVAL', 'Invalid src or dest', 'src and dest cannot be the same');
    if (from.isDirectory() && !to.isDirectory()) {
      const detail = `cannot overwrite non-directory ${destination} with directory ${source}`;
      throw refuse('ERR_FS_CP_DIR_TO_NON_DIR', 'EISDIR', 'Cannot overwrite non-directory with directory', detail);
    }
    if (!from.isDirectory() && to.isDirectory()) {
      const detail = `cannot overwrite directory ${destination} with non-directory ${source}`;
      throw refuse('ERR_FS_CP_NON_DIR_TO_DIR', 'ENOTDIR', 'Cannot overwrite directory with non-directory', detail);
    }
  }
  if (!from.isDirectory()) return { from, to };
  if (!options.recursive) {
    throw systemError('ERR_FS_EISDIR', 'EISDIR', 'Path is a directory', `${source} is a directory (not copied)`, 'cp', source);
  }
  if (await isInside(fs, destination, from)) {
    throw refuse('ERR_FS_CP_EINVAL', 'EINVAL', 'Invalid src or dest', `cannot copy ${source} to a subdirectory of self ${destination}`);
  }
  return { from, to };
}

/** Whether one of the folders that `path` lies in is `folder`. */
async function isInside(fs: FsPromises, path: string, folder: Stats): Promise<boolean> {
  for (let at = parentOf(path); ; at = parentOf(at)) {
    const found = await ifThere(fs.stat(at));
    if (found?.ino === folder.ino) return true;
    if (at === '/') return false;
  }
}

async function copyOne(fs: FsPromises, source: string, destination: string, from: Stats, to: Stats | undefined, options: CpOptions): Promise<void> {
  options.signal?.throwIfAborted();
  if (from.isDirectory()) return copyFolder(fs, source, destination, from, to, options);
  if (from.isFile()) return copyFile(fs, source, destination, from, to, options);
  if (from.isSymbolicLink()) return copyLink(fs, source, destination, to, options);
  const kind = from.isSocket() ? 'socket' : from.isFIFO() ? 'FIFO pipe' : 'unknown file';
  const code = from.isSocket() ? 'ERR_FS_CP_SOCKET' : from.isFIFO() ? 'ERR_FS_CP_FIFO_PIPE' : 'ERR_FS_CP_UNKNOWN';
  throw systemError(code, 'EINVAL', `Cannot copy a ${kind}`, `cannot copy a ${kind}: ${destination}`, 'cp', destination);
}

async function copyFolder(fs: FsPromises, source: string, destination: string, from: Stats, to: Stats | undefined, options: CpOptions): Promise<void> {
  if (to === undefined) await fs.mkdir(destination);
  for (const name of await fs.readdir(source)) {
    const [inner, outer] = [joined(source, name), joined(destination, name)];
    if (options.filter && !(await options.filter(inner, outer))) continue;
    const found = await compare(fs, inner, outer, options);
    await copyOne(fs, inner, outer, found.from, found.to, options);
  }
  if (to === undefined) await fs.chmod(destination, from.mode & 0o7777);
  if (options.preserveTimestamps) await fs.utimes(destination, from.atime, from.mtime);
}

async function copyFile(fs: FsPromises, source: string, destination: string, from: Stats, to: Stats | undefined, options: CpOptions): Promise<void> {
  const { force = true, errorOnExist = false, mode = constants.COPYFILE_FICLONE } = options;
  if (to !== undefined && !force) {
    if (!errorOnExist) return;
    throw systemError('ERR_FS_CP_EEXIST', 'EEXIST', 'Target already exists', `${destination} already exists`, 'cp', destination);
  }
  if (to !== undefined) await fs.unlink(destination);
  await fs.copyFile(source, destination, mode);
  await fs.chmod(destination, from.mode & 0o7777);
  if (options.preserveTimestamps) await fs.utimes(destination, from.atime, from.mtime);
}

async function copyLink(fs: FsPromises, source: string, destination: string, to: Stats | undefined, options: CpOptions): Promise<void> {
  let target = await fs.readlink(source);
  if (!options.verbatimSymlinks && !target.startsWith('/')) target = resolved(parentOf(source), target);
  if (to !== undefined) {
    const { force = true, errorOnExist = false } = options;
    if (!force && !errorOnExist) return;
    if (!force) throw systemError('ERR_FS_CP_EEXIST', 'EEXIST', 'Target already exists', `${destination} already exists`, 'cp', destination);
    await fs.unlink(destination);
  }
  await fs.symlink(target, destination);
}

function joined(folder: string, name: string): string {
  return folder.endsWith('/') ? folder + name : `${folder}/${name}`;
}

/** The folder that a path lies in; the root lies in itself. */
function parentOf(path: string): string {
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  parts.pop();
  return `/${parts.join('/')}`;
}

/** A path without `.` and `..`, from the root. */
function resolved(folder: string, path: string): string {
  const parts: string[] = [];
  for (const part of `${folder}/${path}`.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return `/${parts.join('/')}`;
}

async function ifThere<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}
