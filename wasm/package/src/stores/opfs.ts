/**
 * A volume in the origin's private file system, through a synchronous access handle, which only a dedicated worker
 * has. The file holds the chunks of the image in the order of their first use, so that it grows as the volume is
 * filled: a quota counts what a file could hold, not what it holds.
 */
import type { Bindings, SyncFile } from '../bindings.ts';
import { fsError } from '../errors.ts';
import type { HostOptions } from '../options.ts';
import type { Store } from './store.ts';
import { storageCode } from './waiting.ts';

const FOLDER = 'xfskit';
const SUFFIX = '.xfs';
/** What a file of ours begins with is never all zeros. */
const HEAD_BYTES = 32;
/** A handle of a worker that has just been ended is let go of a moment later. */
const HANDLE_TRIES = 20;
const HANDLE_WAIT_MS = 50;

interface SyncFileHandle extends FileSystemFileHandle {
  createSyncAccessHandle(options?: { mode?: string }): Promise<SyncFile>;
}

/** Whether this thread can have volumes there. */
export function opfsIsHere(): boolean {
  const Handle = (globalThis as { FileSystemFileHandle?: { prototype: object } }).FileSystemFileHandle;
  return Handle !== undefined && 'createSyncAccessHandle' in Handle.prototype;
}

async function folder(create: boolean): Promise<FileSystemDirectoryHandle> {
  let root: FileSystemDirectoryHandle;
  try {
    root = await navigator.storage.getDirectory();
  } catch (error) {
    // In private windows, some browsers have none.
    throw fsError('EOPNOTSUPP', 'open', undefined, undefined, `OPFS is not to be had here: ${String(error)}`);
  }
  return root.getDirectoryHandle(FOLDER, { create });
}

function fileName(name: string): string {
  return encodeURIComponent(name) + SUFFIX;
}

export async function openOpfs(bindings: Bindings, options: HostOptions, length: number | undefined): Promise<Store> {
  if (!opfsIsHere()) throw fsError('EOPNOTSUPP', 'open', options.name, undefined, 'OPFS is for dedicated workers');
  let access: SyncFile | undefined;
  try {
    const handle = await (await folder(true)).getFileHandle(fileName(options.name), { create: length !== undefined });
    access = await accessTo(handle as SyncFileHandle, options.readOnly);
    const fresh = access.getSize() === 0 || (length !== undefined && isVacant(access));
    if (fresh && length === undefined) throw fsError('EINVAL', 'open', options.name, undefined, 'the file is empty');
    // Also where the making of an image was cut short.
    const disk = bindings.Disk.packed(access, length ?? 0, options.readOnly);
    const held = access;
    return { disk, fresh, ours: true, waiting: [], close: async () => held.close() };
  } catch (error) {
    access?.close();
    if (error instanceof DOMException) throw fsError(storageCode(error), 'open', options.name, undefined, error.message);
    throw error;
  }
}

/** The making of the file was cut short before it had a head. */
function isVacant(access: SyncFile): boolean {
  const head = new Uint8Array(HEAD_BYTES);
  return access.read(head, { at: 0 }) <= HEAD_BYTES && head.every((byte) => byte === 0);
}

async function accessTo(handle: SyncFileHandle, readOnly: boolean): Promise<SyncFile> {
  for (let tries = 1; ; tries++) {
    try {
      // Readers can be several, where the browser knows of modes.
      return await handle.createSyncAccessHandle({ mode: readOnly ? 'read-only' : 'readwrite' });
    } catch (error) {
      if (storageCode(error) !== 'EBUSY' || tries === HANDLE_TRIES) throw error;
      await new Promise((resolve) => setTimeout(resolve, HANDLE_WAIT_MS));
    }
  }
}

export async function listOpfs(): Promise<string[]> {
  try {
    const names: string[] = [];
    for await (const name of (await folder(false)).keys()) {
      if (name.endsWith(SUFFIX)) names.push(decodeURIComponent(name.slice(0, -SUFFIX.length)));
    }
    return names.sort();
  } catch (error) {
    if (storageCode(error) === 'ENOENT') return [];
    throw error;
  }
}

export async function deleteOpfs(name: string): Promise<void> {
  try {
    await (await folder(false)).removeEntry(fileName(name));
  } catch (error) {
    throw fsError(storageCode(error), 'unlink', name);
  }
}
