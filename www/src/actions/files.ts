/** Making, cloning, moving and deleting. */
import { $file, $undo, $wantsFocus } from '../state';
import { freeName, isWithin, join, nameOf, nameProblem, parentOf, TRASH, withSuffix } from '../paths';
import { changed } from './changed';
import { openFile } from './edit';
import { settle } from './overwrite';
import { ask, confirm } from './question';
import { say } from './say';
import { attempt, task } from './task';
import { currentFolder, forget, namesIn, reveal, volume } from './tree';

/** Where a thing in the trash came from. */
const CAME_FROM = 'user.xfskit.trashed-from';

async function askName(title: string, folder: string, value: string, yes: string): Promise<string | undefined> {
  const taken = await namesIn(folder);
  const problem = (name: string) => nameProblem(name) ?? (taken.has(name) && name !== value ? `${name} is there already.` : undefined);
  return ask({ title, text: `In ${folder}`, field: { label: 'Name', value, problem }, yes });
}

export async function newFile(): Promise<void> {
  const folder = currentFolder();
  const name = await askName('New file', folder, freeName('notes.txt', await namesIn(folder)), 'Create');
  if (name === undefined) return;
  const path = join(folder, name);
  await attempt(`Creating ${name}`, async () => {
    await volume().fs.writeFile(path, '', { flag: 'wx' });
    await changed();
    await reveal(path);
    await openFile(path);
  });
}

export async function newFolder(): Promise<void> {
  const folder = currentFolder();
  const name = await askName('New folder', folder, freeName('folder', await namesIn(folder)), 'Create');
  if (name === undefined) return;
  await attempt(`Creating ${name}`, async () => {
    await volume().fs.mkdir(join(folder, name));
    await changed();
    await reveal(join(folder, name));
  });
}

/** A clone beside the original, sharing all of its blocks. Folders are cloned with all that is in them. */
export async function clone(path: string): Promise<string | undefined> {
  const folder = parentOf(path);
  const target = join(folder, freeName(withSuffix(nameOf(path), 'clone'), await namesIn(folder)));
  return task(`Cloning ${nameOf(path)}`, async ({ signal }) => {
    await cloneTree(path, target, signal);
    await changed();
    await reveal(target);
    return target;
  });
}

async function cloneTree(from: string, to: string, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  const stat = await volume().fs.lstat(from);
  if (!stat.isDirectory()) return volume().raw.clone(from, to);
  await volume().fs.mkdir(to);
  for (const entry of await volume().list(from)) {
    if (entry.kind === 'file' || entry.kind === 'folder') await cloneTree(entry.path, join(to, entry.name), signal);
  }
}

export async function rename(path: string): Promise<void> {
  const name = await askName(`Rename ${nameOf(path)}`, parentOf(path), nameOf(path), 'Rename');
  if (name === undefined || name === nameOf(path)) return;
  await move(path, join(parentOf(path), name));
  $wantsFocus.set(join(parentOf(path), name));
}

export async function move(from: string, to: string): Promise<void> {
  if (from === to || isWithin(to, from)) return;
  await attempt(`Moving ${nameOf(from)}`, async () => {
    if ((await namesIn(parentOf(to))).has(nameOf(to))) throw new Error(`${nameOf(to)} is there already`);
    const open = $file.get()?.path;
    // What waits in memory is known by its old name.
    await settle();
    await volume().fs.rename(from, to);
    forget(from);
    await changed();
    await reveal(to);
    if (open !== undefined && isWithin(open, from)) await openFile(to + open.slice(from.length));
  });
}

/** Moves into the trash. */
export async function trash(path: string): Promise<void> {
  if (isWithin(path, TRASH)) return erase(path);
  await attempt(`Deleting ${nameOf(path)}`, async () => {
    await settle();
    await volume().fs.mkdir(TRASH, { recursive: true });
    const kept = join(TRASH, freeName(nameOf(path), await namesIn(TRASH)));
    // Symbolic links take no attributes: those are put back by undo only.
    await volume().raw.setxattr(path, CAME_FROM, new TextEncoder().encode(path)).catch(() => undefined);
    await volume().fs.rename(path, kept);
    forget(path);
    await changed();
    $undo.set({ label: `Put ${nameOf(path)} back`, undo: () => putBack(kept, path) });
    say(`${nameOf(path)} is in the trash`);
  });
}

/** Out of the trash to where it was, or to the root when that folder is gone. */
export async function restore(path: string): Promise<void> {
  const stored = await volume()
    .raw.getxattr(path, CAME_FROM)
    .catch(() => undefined);
  await putBack(path, stored ? new TextDecoder().decode(stored) : join('/', nameOf(path)));
}

async function putBack(kept: string, original: string): Promise<void> {
  await attempt(`Putting ${nameOf(original)} back`, async () => {
    const names = await namesIn(parentOf(original)).catch(() => undefined);
    const folder = names ? parentOf(original) : '/';
    const target = join(folder, freeName(nameOf(original), names ?? (await namesIn('/'))));
    await volume().fs.rename(kept, target);
    await volume().raw.removexattr(target, CAME_FROM).catch(() => undefined);
    if ($undo.get()) $undo.set(undefined);
    forget(kept);
    await changed();
    await reveal(target);
  });
}

/** Deletes for good, after asking. */
export async function erase(path: string): Promise<void> {
  const text = path === TRASH ? 'All that is in the trash is deleted for good.' : `${nameOf(path)} is deleted for good.`;
  if (!(await confirm({ title: 'Delete for good?', text, yes: 'Delete', danger: true }))) return;
  await task(`Deleting ${nameOf(path)}`, async () => {
    await settle();
    await volume().fs.rm(path, { recursive: true });
    forget(path);
    $undo.set(undefined);
    await changed();
  });
}

export async function undo(): Promise<void> {
  const last = $undo.get();
  $undo.set(undefined);
  await last?.undo();
}
