import { $expanded, $file, $folders, $map, $selected, $space, $volume } from '../state';
import type { OpenVolume } from '../volume';
import { isWithin, parentOf } from '../paths';
import { attempt } from './task';

/** The open volume; actions are offered only with one. */
export function volume(): OpenVolume {
  const open = $volume.get();
  if (!open) throw new Error('no volume is open');
  return open;
}

/** Reads a folder's listing, anew if it is there. */
export async function load(folder: string): Promise<void> {
  const entries = await attempt(`Reading ${folder}`, () => volume().list(folder));
  const folders = new Map($folders.get());
  if (entries) folders.set(folder, entries);
  else folders.delete(folder);
  $folders.set(folders);
}

export async function expand(folder: string): Promise<void> {
  if (!$folders.get().has(folder)) await load(folder);
  $expanded.set(new Set([...$expanded.get(), folder]));
}

export function collapse(folder: string): void {
  $expanded.set(new Set([...$expanded.get()].filter((path) => path !== folder)));
}

/** Reads again what is shown, after a change: all open folders, space, and the map of the open file. */
export async function refresh(): Promise<void> {
  const open = $volume.get();
  if (!open) return;
  const folders = new Map<string, Awaited<ReturnType<OpenVolume['list']>>>();
  for (const folder of $folders.get().keys()) {
    // A folder that is gone is simply shown no more.
    const entries = await open.list(folder).catch(() => undefined);
    if (entries) folders.set(folder, entries);
  }
  $folders.set(folders);
  $expanded.set(new Set([...$expanded.get()].filter((path) => folders.has(path))));
  await refreshFigures();
}

/** Space used and the open file's blocks. */
export async function refreshFigures(): Promise<void> {
  const open = $volume.get();
  if (!open) return;
  const path = $file.get()?.path;
  await attempt('Reading the volume', async () => {
    $space.set(await open.space());
    $map.set(path === undefined ? undefined : await open.map(path));
  });
}

/** Makes a path seen: its folders are opened and it is selected. */
export async function reveal(path: string): Promise<void> {
  const folders: string[] = [];
  for (let folder = parentOf(path); folder !== '/'; folder = parentOf(folder)) folders.unshift(folder);
  for (const folder of ['/', ...folders]) await expand(folder);
  $selected.set(path);
}

/** Names that a folder has. */
export async function namesIn(folder: string): Promise<Set<string>> {
  return new Set((await volume().list(folder)).map((entry) => entry.name));
}

/** The folder that new things go into: the selected one, or that of the selected file. */
export function currentFolder(): string {
  const path = $selected.get();
  if (path === undefined) return '/';
  return $folders.get().has(path) || isFolder(path) ? path : parentOf(path);
}

function isFolder(path: string): boolean {
  const entry = $folders.get().get(parentOf(path))?.find((candidate) => candidate.path === path);
  return entry?.kind === 'folder';
}

/** Closes the editor when what it shows is gone or elsewhere. */
export function forget(path: string): void {
  const file = $file.get();
  if (file && isWithin(file.path, path)) {
    $file.set(undefined);
    $map.set(undefined);
  }
  const selected = $selected.get();
  if (selected !== undefined && isWithin(selected, path)) $selected.set(undefined);
}
