/**
 * What the volume has no index for is searched: names of inodes where there are no parent pointers, owners of blocks where
 * there are no reverse mappings. Both give up after so many files.
 */
import type { Extent, Owner, Volume } from 'xfskit';
import { join } from './paths';

const MOST_FILES = 2000;

export type Place = Pick<Owner, 'at' | 'length' | 'ino' | 'offset'>;

interface Found {
  path: string;
  ino: number;
}

/** Files, those near the root first. */
async function* files(volume: Volume): AsyncGenerator<Found> {
  const folders = ['/'];
  let seen = 0;
  for (const folder of folders) {
    for (const entry of await volume.promises.readdir(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) folders.push(path);
      if (!entry.isFile()) continue;
      seen += 1;
      if (seen > MOST_FILES) return;
      yield { path, ino: (await volume.promises.lstat(path)).ino };
    }
  }
}

/** Paths of inodes, as far as they are found. */
export async function pathsOf(volume: Volume, inodes: readonly number[]): Promise<Map<number, string>> {
  const paths = new Map<number, string>();
  for await (const { path, ino } of files(volume)) {
    if (inodes.includes(ino) && !paths.has(ino)) paths.set(ino, path);
    if (paths.size === inodes.length) break;
  }
  return paths;
}

/** Who has blocks of these shared extents, as far as they are found. */
export async function ownersOf(volume: Volume, shared: readonly Extent[]): Promise<Place[]> {
  const owners: Place[] = [];
  for await (const { path, ino } of files(volume)) {
    const theirs = await volume.extents(path);
    for (const { place, length, offset } of theirs.filter((extent) => extent.shared)) {
      if (place === undefined) continue;
      if (shared.some((mine) => mine.place !== undefined && place < mine.place + mine.length && mine.place < place + length)) {
        owners.push({ at: place, length, ino, offset });
      }
    }
  }
  return owners;
}
