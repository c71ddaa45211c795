/** Files and folders between the volume and the person's machine. */
import { freeName, join, nameOf, nameProblem } from '../paths';
import { count, size } from '../format';
import { changed } from './changed';
import { confirm } from './question';
import { download } from './download';
import { exportTar, importImage } from './volumes';
import { say } from './say';
import { task, type Work } from './task';
import { namesIn, reveal, volume } from './tree';
import type { Entry } from '../volume';

const PIECE = 1024 * 1024;

/** What is to be brought in: a folder of the drop, or a file in one. */
interface Incoming {
  /** Below the folder of the volume that takes it. */
  path: string;
  file: File | undefined;
}

/** What was dropped, with all that is in dropped folders. To be called before the event is over. */
export async function dropped(data: DataTransfer): Promise<Incoming[]> {
  const roots = [...data.items].filter((item) => item.kind === 'file');
  const entries = roots.map((item) => item.webkitGetAsEntry() ?? item.getAsFile());
  const found: Incoming[] = [];
  for (const entry of entries) {
    if (entry instanceof File) found.push({ path: entry.name, file: entry });
    else if (entry) await walk(entry, entry.name, found);
  }
  return found;
}

async function walk(entry: FileSystemEntry, path: string, found: Incoming[]): Promise<void> {
  if (entry.isFile) {
    const file = await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject));
    found.push({ path, file });
    return;
  }
  found.push({ path, file: undefined });
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  for (;;) {
    // Some are given at a time, until none are left.
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) return;
    for (const child of some) await walk(child, `${path}/${child.name}`, found);
  }
}

/** Files of a file dialog; those of a folder dialog say where in the folder they lie. */
export function chosen(files: Iterable<File>): Incoming[] {
  const found: Incoming[] = [];
  const folders = new Set<string>();
  for (const file of files) {
    const path = file.webkitRelativePath || file.name;
    const parts = path.split('/').slice(0, -1);
    for (let n = 1; n <= parts.length; n += 1) {
      const folder = parts.slice(0, n).join('/');
      if (!folders.has(folder)) found.push({ path: folder, file: undefined });
      folders.add(folder);
    }
    found.push({ path, file });
  }
  return found;
}

/** Whether a file begins like an XFS volume. */
export async function isImage(file: File): Promise<boolean> {
  const head = new Uint8Array(await file.slice(0, 4).arrayBuffer());
  return String.fromCharCode(...head) === 'XFSB';
}

/** Brings files in; a lone disk image may be meant as a volume, so that is asked. */
export async function bringIn(incoming: readonly Incoming[], folder: string): Promise<void> {
  const lone = incoming.length === 1 ? incoming[0]?.file : undefined;
  if (lone && (await isImage(lone))) {
    const text = `${lone.name} holds an XFS volume. Open it as a volume of its own? (Otherwise it is stored in ${folder} as a file.)`;
    if (await confirm({ title: 'Open this image?', text, yes: 'Open as a volume' })) return importImage(lone);
  }
  const total = incoming.reduce((sum, one) => sum + (one.file?.size ?? 0), 0);
  const files = incoming.filter((one) => one.file).length;
  const first = await task(`Adding ${count(files, 'file')} (${size(total)})`, (work) => copyIn(incoming, folder, total, work));
  await changed();
  if (first === undefined) return;
  await reveal(first);
  say(`${count(files, 'file')} added`, 'success');
}

async function copyIn(incoming: readonly Incoming[], folder: string, total: number, work: Work): Promise<string | undefined> {
  const taken = await namesIn(folder);
  const roots = new Map<string, string>();
  const place = (path: string) => {
    const [root = '', ...rest] = path.split('/');
    const problem = nameProblem(root);
    if (problem) throw new Error(problem);
    if (!roots.has(root)) {
      roots.set(root, freeName(root, taken));
    }
    return [folder === '/' ? '' : folder, roots.get(root), ...rest].join('/');
  };
  let done = 0;
  for (const { path, file } of incoming) {
    work.signal.throwIfAborted();
    if (!file) await volume().fs.mkdir(place(path), { recursive: true });
    else done = await copyFile(file, place(path), done, total, work);
  }
  const first = [...roots.values()][0];
  return first === undefined ? undefined : join(folder, first);
}

/** A file that is cancelled half-way is taken away again. */
async function copyFile(file: File, path: string, done: number, total: number, work: Work): Promise<number> {
  const handle = await volume().fs.open(path, 'wx');
  let at = 0;
  try {
    for (; at < file.size; at += PIECE) {
      work.signal.throwIfAborted();
      const piece = new Uint8Array(await file.slice(at, at + PIECE).arrayBuffer());
      await handle.write(piece, 0, piece.length, at);
      work.onProgress({ done: done + at + piece.length, total });
    }
  } catch (error) {
    await handle.close();
    await volume().fs.rm(path, { force: true });
    throw error;
  }
  await handle.close();
  return done + file.size;
}

/** Unpacks an archive into a new folder of its name. */
export async function unpack(archive: File | undefined, folder: string): Promise<void> {
  if (!archive) return;
  const name = freeName(archive.name.replace(/\.tar$/i, '') || 'archive', await namesIn(folder));
  const path = join(folder, name);
  await task(`Unpacking ${archive.name}`, async ({ signal, onProgress }) => {
    await volume().fs.mkdir(path);
    await volume().raw.importTar(archive, { path, signal, onProgress });
  });
  await changed();
  await reveal(path);
}

export async function bringOut(entry: Entry): Promise<void> {
  if (entry.kind === 'folder') return exportTar(entry.path, `${entry.name}.tar`);
  await task(`Downloading ${entry.name}`, async () => download(await volume().fs.readFile(entry.path), entry.name));
}

/** The largest file that is made ready for being dragged out when it is touched. */
const LARGEST_DRAG = 64 * 1024 * 1024;

/**
 * Contents for dragging out. A drag has to say at its very start what it carries, so the file is read when the pointer goes
 * down on it.
 */
export class DragOut {
  #ready: { path: string; name: string; address: string } | undefined;

  async prepare(entry: Entry): Promise<void> {
    if (this.#ready?.path === entry.path) return;
    this.drop();
    const blob = await this.#contents(entry).catch(() => undefined);
    if (!blob) return;
    this.drop();
    const name = entry.kind === 'folder' ? `${entry.name}.tar` : entry.name;
    this.#ready = { path: entry.path, name, address: URL.createObjectURL(blob) };
  }

  async #contents(entry: Entry): Promise<Blob | undefined> {
    if (entry.kind === 'folder') return new Response(volume().raw.exportTar(entry.path)).blob();
    const stat = await volume().fs.lstat(entry.path);
    if (entry.kind !== 'file' || stat.size > LARGEST_DRAG) return undefined;
    return new Blob([new Uint8Array(await volume().fs.readFile(entry.path))]);
  }

  /** Gives a drag the contents, if they are ready; browsers that know no such thing pass over it. */
  fill(data: DataTransfer, path: string): void {
    if (this.#ready?.path !== path) return;
    data.setData('DownloadURL', `application/octet-stream:${nameOf(this.#ready.name)}:${this.#ready.address}`);
  }

  drop(): void {
    if (this.#ready) URL.revokeObjectURL(this.#ready.address);
    this.#ready = undefined;
  }
}
