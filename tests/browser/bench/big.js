// @ts-check
// One large file: xfskit over OPFS beside OPFS itself, through the sync access handle that both stand on.
//
// Every measure makes what it needs, times what it is about, and returns milliseconds.

import { openVolume, root } from './places.js';

export const FILE_BYTES = 256 << 20;
const CALL_BYTES = 1 << 20;
const RANDOM_READS = 20_000;
const RANDOM_BYTES = 4096;

/** Places for random reads, the same for everybody. */
function places() {
  const places = [];
  let state = 0x2545f491;
  for (let n = 0; n < RANDOM_READS; n += 1) {
    // xorshift, which is good enough to defeat readahead.
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    places.push(((state >>> 0) % (FILE_BYTES / RANDOM_BYTES)) * RANDOM_BYTES);
  }
  return places;
}

function content() {
  const bytes = new Uint8Array(CALL_BYTES);
  for (let start = 0; start < bytes.length; start += 65_536) {
    crypto.getRandomValues(bytes.subarray(start, start + 65_536));
  }
  return bytes;
}

/** @param {() => void | Promise<void>} work */
async function timed(work) {
  const begun = performance.now();
  await work();
  return performance.now() - begun;
}

/**
 * What was moved must be all there was: a call that does less than it was asked for would win.
 *
 * @param {number} moved @param {number} [wanted]
 */
function all(moved, wanted = FILE_BYTES) {
  if (moved !== wanted) throw new Error(`${moved} bytes were moved in place of ${wanted}`);
}

/** Writes, reads, reads at random, and copies a file of OPFS. */
export async function raw() {
  const folder = await root();
  const names = ['raw', 'raw-copy'];
  const handles = [];
  for (const name of names) {
    const file = await folder.getFileHandle(name, { create: true });
    handles.push(await file.createSyncAccessHandle());
  }
  const [file, copy] = /** @type {[FileSystemSyncAccessHandle, FileSystemSyncAccessHandle]} */ (handles);
  const bytes = content();
  const write = await timed(() => {
    let moved = 0;
    for (let at = 0; at < FILE_BYTES; at += CALL_BYTES) moved += file.write(bytes, { at });
    file.flush();
    all(moved);
  });
  const read = await timed(() => {
    let moved = 0;
    for (let at = 0; at < FILE_BYTES; at += CALL_BYTES) moved += file.read(bytes, { at });
    all(moved);
  });
  const random = places();
  const small = new Uint8Array(RANDOM_BYTES);
  const randomRead = await timed(() => {
    let moved = 0;
    for (const at of random) moved += file.read(small, { at });
    all(moved, RANDOM_READS * RANDOM_BYTES);
  });
  const clone = await timed(() => {
    for (let at = 0; at < FILE_BYTES; at += CALL_BYTES) {
      file.read(bytes, { at });
      copy.write(bytes, { at });
    }
    copy.flush();
  });
  for (const handle of handles) handle.close();
  for (const name of names) await folder.removeEntry(name);
  return { write, read, randomRead, clone };
}

/** The same, and a clone in place of the copy, on a volume in OPFS. */
export async function volume() {
  const { volume, remove } = await openVolume('opfs', 2 * FILE_BYTES);
  const bytes = content();
  const file = await volume.promises.open('/file', 'w+');
  const write = await timed(async () => {
    let moved = 0;
    for (let at = 0; at < FILE_BYTES; at += CALL_BYTES) {
      moved += (await file.write(bytes, 0, CALL_BYTES, at)).bytesWritten;
    }
    await file.sync();
    all(moved);
  });
  const read = await timed(async () => {
    let moved = 0;
    for (let at = 0; at < FILE_BYTES; at += CALL_BYTES) {
      moved += (await file.read(bytes, 0, CALL_BYTES, at)).bytesRead;
    }
    all(moved);
  });
  const random = places();
  const small = new Uint8Array(RANDOM_BYTES);
  const randomRead = await timed(async () => {
    let moved = 0;
    for (const at of random) moved += (await file.read(small, 0, RANDOM_BYTES, at)).bytesRead;
    all(moved, RANDOM_READS * RANDOM_BYTES);
  });
  const clone = await timed(async () => {
    await volume.clone('/file', '/clone');
    await volume.sync();
  });
  await file.close();
  await volume.close();
  await remove();
  return { write, read, randomRead, clone };
}
