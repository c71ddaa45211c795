/** Asks a volume where a file's blocks lie and who else has them. */
import type { Extent, Volume } from 'xfskit';
import { runsOf, type ExtentMap, type Strip } from './extent-map';
import { ownersOf, pathsOf, type Place } from './search';

/** Shared extents whose owners are asked for; those of more would take too long. */
const MOST_ASKED = 1000;
/** Allocation groups that are drawn although the file has nothing in them. */
const MOST_FOREIGN_STRIPS = 8;

export async function mapOf(volume: Volume, path: string): Promise<ExtentMap> {
  const { blockSize, agBlocks } = volume.info;
  const [stat, extents] = await Promise.all([volume.promises.lstat(path), volume.extents(path)]);
  const owners = await sharersOf(volume, extents);
  const inodes: number[] = [];
  const position = (ino: number) => {
    if (!inodes.includes(ino)) inodes.push(ino);
    return inodes.indexOf(ino);
  };
  const runs = runsOf(extents, owners, stat.ino, blockSize, agBlocks, position);
  const names = await namesOf(volume, inodes);
  const sharers = inodes.map((ino) => (ino === stat.ino ? 'itself elsewhere' : (names.get(ino) ?? `inode ${ino}`)));
  return { path, blockSize, blocks: Math.ceil(stat.size / blockSize), runs, strips: await stripsOf(volume, extents), sharers };
}

async function sharersOf(volume: Volume, extents: readonly Extent[]): Promise<Place[]> {
  const shared = extents.filter((extent) => extent.shared && extent.place !== undefined).slice(0, MOST_ASKED);
  if (shared.length === 0) return [];
  if (!volume.info.features.includes('rmapbt')) return ownersOf(volume, shared);
  const owners = await Promise.all(shared.map((extent) => volume.owners(extent.place ?? 0, extent.length)));
  return owners.flat();
}

async function namesOf(volume: Volume, inodes: readonly number[]): Promise<Map<number, string>> {
  if (inodes.length === 0) return new Map();
  if (!volume.info.features.includes('parent')) return pathsOf(volume, inodes);
  const names = new Map<number, string>();
  for (const ino of inodes) {
    // A file that is open but has no name any more shares as well.
    const path = await volume.pathOf(ino).catch(() => undefined);
    if (path !== undefined) names.set(ino, path);
  }
  return names;
}

async function stripsOf(volume: Volume, extents: readonly Extent[]): Promise<Strip[]> {
  const { agCount, agBlocks, blocks, blockSize, logStart, logBlocks } = volume.info;
  const strips: Strip[] = [];
  for (let ag = 0; ag < agCount; ag += 1) {
    const mine = extents.filter((extent) => extent.place !== undefined && extent.ag === ag);
    if (mine.length === 0 && strips.length >= MOST_FOREIGN_STRIPS) continue;
    const base = ag * agBlocks;
    const free = await volume.freeExtents(ag);
    const inside = (at: number, length: number) => ({ start: at / blockSize - base, count: length / blockSize });
    strips.push({
      ag,
      blocks: Math.min(agBlocks, blocks - base),
      free: free.map(({ at, length }) => inside(at, length)),
      log: logStart > 0 && Math.floor(logStart / blockSize / agBlocks) === ag ? inside(logStart, logBlocks * blockSize) : undefined,
      mine: mine.map((extent) => ({ ...inside(extent.place ?? 0, extent.length), shared: extent.shared })),
    });
  }
  return strips;
}
