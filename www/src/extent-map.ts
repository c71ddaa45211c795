/** Where a file's blocks lie and who else has them, made ready for drawing. */
import type { Extent } from 'xfskit';
import type { Place } from './search';

type Stretch = Omit<Extent, 'cow'>;

/** Blocks of the file that look alike, in file blocks. */
export interface Run {
  block: number;
  count: number;
  ag: number | undefined;
  /** Block inside the allocation group. */
  agBlock: number | undefined;
  state: 'written' | 'unwritten' | 'delalloc';
  shared: boolean;
  /** Positions in `ExtentMap.sharers` of the files that have these blocks too. */
  sharers: number[];
}

/** An allocation group as a strip: what is free, and what is the file's. In AG blocks. */
export interface Strip {
  ag: number;
  blocks: number;
  free: { start: number; count: number }[];
  mine: { start: number; count: number; shared: boolean }[];
  log: { start: number; count: number } | undefined;
}

export interface ExtentMap {
  path: string;
  blockSize: number;
  /** Length of the file in blocks. */
  blocks: number;
  /** In order of file blocks; what waits in memory stands behind what it will take the place of. */
  runs: Run[];
  strips: Strip[];
  /** Paths of the files that share blocks with this one. */
  sharers: string[];
}

/** Cuts extents where their owners change. `position` gives the place of an inode in the list of sharers. */
export function runsOf(
  extents: readonly Stretch[],
  owners: readonly Place[],
  self: number,
  blockSize: number,
  agBlocks: number,
  position: (ino: number) => number,
): Run[] {
  const runs: Run[] = [];
  for (const extent of extents) {
    const around = extent.place === undefined || !extent.shared ? [] : owners.filter((owner) => overlaps(owner, extent));
    const cuts = cutPoints(extent, around);
    for (let i = 0; i + 1 < cuts.length; i += 1) {
      const from = cuts[i] ?? 0;
      const to = cuts[i + 1] ?? 0;
      const at = extent.place === undefined ? undefined : extent.place + from;
      const others = at === undefined ? [] : sharersAt(around, at, self, extent.offset + from);
      runs.push({
        block: (extent.offset + from) / blockSize,
        count: (to - from) / blockSize,
        ag: at === undefined ? undefined : extent.ag,
        agBlock: at === undefined ? undefined : at / blockSize - (extent.ag ?? 0) * agBlocks,
        state: extent.delalloc ? 'delalloc' : extent.unwritten ? 'unwritten' : 'written',
        shared: extent.shared,
        sharers: [...new Set(others.map(position))].sort((a, b) => a - b),
      });
    }
  }
  return joined(runs);
}

function overlaps(owner: Place, extent: Stretch): boolean {
  const at = extent.place ?? 0;
  return owner.at < at + extent.length && owner.at + owner.length > at;
}

/** Bytes of the extent at which the set of owners may change, its own ends among them. */
function cutPoints(extent: Stretch, owners: readonly Place[]): number[] {
  const cuts = new Set([0, extent.length]);
  for (const owner of owners) {
    for (const cut of [owner.at - (extent.place ?? 0), owner.at + owner.length - (extent.place ?? 0)]) {
      if (cut > 0 && cut < extent.length) cuts.add(cut);
    }
  }
  return [...cuts].sort((a, b) => a - b);
}

/** Who has the block at `at`, apart from the file itself at this very place. */
function sharersAt(owners: readonly Place[], at: number, self: number, offset: number): number[] {
  return owners
    .filter((owner) => owner.at <= at && at < owner.at + owner.length)
    .filter((owner) => !(owner.ino === self && owner.offset + (at - owner.at) === offset))
    .flatMap((owner) => owner.ino ?? []);
}

/** Puts neighbours together that differ in nothing. */
function joined(runs: readonly Run[]): Run[] {
  const out: Run[] = [];
  for (const run of runs) {
    const last = out.at(-1);
    if (last && continues(last, run)) last.count += run.count;
    else out.push({ ...run });
  }
  return out;
}

function continues(a: Run, b: Run): boolean {
  const follows = a.block + a.count === b.block && a.ag === b.ag;
  const lies = a.agBlock === undefined ? b.agBlock === undefined : a.agBlock + a.count === b.agBlock;
  return follows && lies && a.state === b.state && a.shared === b.shared && a.sharers.join() === b.sharers.join();
}

/** What one block of the file looks like: the newest that is known of it. */
export interface Cell {
  block: number;
  count: number;
  run: Run | undefined;
  /** What it takes the place of at writeback. */
  replaces: Run | undefined;
}

/** Cells to draw, `most` at most: each stands for `count` blocks and shows the first run that touches them. */
export function cellsOf(map: ExtentMap, most: number): Cell[] {
  const last = map.runs.reduce((end, run) => Math.max(end, run.block + run.count), map.blocks);
  const per = Math.max(1, Math.ceil(last / most));
  const cells: Cell[] = [];
  for (let block = 0; block < last; block += per) cells.push({ block, count: Math.min(per, last - block), run: undefined, replaces: undefined });
  for (const run of map.runs) {
    const end = Math.ceil((run.block + run.count) / per);
    for (let i = Math.floor(run.block / per); i < end; i += 1) {
      const cell = cells[i];
      if (!cell) continue;
      if (run.state === 'delalloc') [cell.replaces, cell.run] = [cell.run ?? cell.replaces, run];
      else cell.run ??= run;
    }
  }
  return cells;
}

/** A part of a strip, so that what the file has there can be told apart; nothing when the whole strip shows it. */
export function closeUp(strip: Strip): { from: number; to: number } | undefined {
  if (strip.mine.length === 0) return undefined;
  const first = Math.min(...strip.mine.map((extent) => extent.start));
  const end = Math.max(...strip.mine.map((extent) => extent.start + extent.count));
  const margin = Math.max(8, Math.ceil((end - first) / 4));
  const [from, to] = [Math.max(0, first - margin), Math.min(strip.blocks, end + margin)];
  return to - from > strip.blocks / 8 ? undefined : { from, to };
}
