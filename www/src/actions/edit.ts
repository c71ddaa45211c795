/** The file in the editor: opening it, turning its pages, saving what was changed. */
import { $draft, $file, $map, $overwrite, $part, $selected, type OpenFile } from '../state';
import { changedRanges } from '../changes';
import { nameOf } from '../paths';
import { confirm } from './question';
import { say } from './say';
import { reserve } from './overwrite';
import { attempt } from './task';
import { refreshFigures, volume } from './tree';

/** Larger files are shown in hex, a page at a time. */
const LARGEST_TEXT = 1024 * 1024;
export const HEX_PAGE = 64 * 1024;

let version = 0;

let opening: { path: string; done: Promise<void> } | undefined;

/** Opens a file. A draft of another one is not thrown away unasked. Asked twice at once, it does it once. */
export function openFile(path: string): Promise<void> {
  if (opening?.path === path) return opening.done;
  const done = load(path).finally(() => {
    if (opening?.done === done) opening = undefined;
  });
  opening = { path, done };
  return done;
}

async function load(path: string): Promise<void> {
  if (!(await mayLeave(path))) return;
  await attempt(`Opening ${nameOf(path)}`, async () => {
    const file = await read(path, 0);
    $draft.set(undefined);
    $file.set(file);
    $part.set('file');
    if ($overwrite.get()?.path !== path) $overwrite.set(undefined);
    await refreshFigures();
  });
}

async function mayLeave(path: string): Promise<boolean> {
  const file = $file.get();
  if (!file || file.path === path || $draft.get() === undefined) return true;
  const title = `Leave ${nameOf(file.path)}?`;
  const leaves = await confirm({ title, text: 'Your changes to it are not in the volume yet.', yes: 'Discard changes', danger: true });
  if (!leaves) $selected.set(file.path);
  return leaves;
}

/** Reads the open file again, for instance after a power cut. */
export async function rereadFile(): Promise<void> {
  const path = $file.get()?.path;
  if (path === undefined) return;
  const file = await read(path, $file.get()?.at ?? 0).catch(() => undefined);
  $draft.set(undefined);
  $file.set(file);
  if (!file) $map.set(undefined);
}

export async function turnTo(at: number): Promise<void> {
  const file = $file.get();
  if (file) await attempt('Reading on', async () => $file.set(await read(file.path, at)));
}

async function read(path: string, at: number): Promise<OpenFile> {
  const { fs } = volume();
  const stat = await fs.lstat(path);
  version += 1;
  if (stat.size <= LARGEST_TEXT) {
    const bytes = await fs.readFile(path);
    if (isText(bytes)) return { path, ino: stat.ino, size: stat.size, bytes, at: 0, kind: 'text', version };
  }
  const length = Math.max(0, Math.min(HEX_PAGE, stat.size - at));
  const bytes = new Uint8Array(length);
  const handle = await fs.open(path, 'r');
  try {
    const { bytesRead } = await handle.read(bytes, 0, length, at);
    return { path, ino: stat.ino, size: stat.size, bytes: bytes.subarray(0, bytesRead), at, kind: 'binary', version };
  } finally {
    await handle.close();
  }
}

function isText(bytes: Uint8Array): boolean {
  if (bytes.includes(0)) return false;
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}

/** Overwrites what the draft has changed, and nothing else. It waits in memory then, until writeback. */
export async function save(): Promise<void> {
  const file = $file.get();
  const draft = $draft.get();
  if (!file || draft === undefined || file.kind !== 'text') return;
  const bytes = new TextEncoder().encode(draft);
  const ranges = changedRanges(file.bytes, bytes, volume().blockSize);
  await attempt(`Saving ${nameOf(file.path)}`, async () => {
    if (ranges.length === 0 && bytes.length === file.bytes.length) {
      $draft.set(undefined);
      return say('Nothing has changed');
    }
    await reserve(file.path, bytes, ranges);
    // The editor holds these bytes already: it goes on undisturbed.
    $file.set({ ...file, bytes, size: bytes.length });
    if ($draft.get() === draft) $draft.set(undefined);
  });
}
