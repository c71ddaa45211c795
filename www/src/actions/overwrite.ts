/**
 * An overwrite as the volume does it, one step at a time, each with what it changed: reserve, allocate, write, remap, log.
 * The first is done when the editor saves; the next three are one writeback; the last is a sync.
 */
import { $map, $overwrite, $space, $volume } from '../state';
import type { Range } from '../changes';
import { label, type ByteRange, type LabelledEvent } from '../events';
import type { ExtentMap, Run } from '../extent-map';
import { count, number, size } from '../format';
import type { OpenVolume, Space } from '../volume';
import { attempt } from './task';
import { refreshFigures, volume } from './tree';

export type StepName = 'reserve' | 'allocate' | 'write' | 'remap' | 'log';

export interface Step {
  name: StepName;
  done: boolean;
  facts: string[];
}

export interface Overwrite {
  path: string;
  phase: 'reserved' | 'written' | 'logged';
  steps: Step[];
  /** What reached the disk, in order. */
  events: LabelledEvent[];
}

const NAMES: readonly StepName[] = ['reserve', 'allocate', 'write', 'remap', 'log'];

/** Puts new bytes into a file; they wait in memory. `ranges` are what of `bytes` has to be written. */
export async function reserve(path: string, bytes: Uint8Array, ranges: readonly Range[]): Promise<void> {
  const open = volume();
  const before = await Promise.all([open.map(path), open.space()]);
  await open.raw.pipeline.record();
  await put(open, path, bytes, ranges);
  const after = await Promise.all([open.map(path), open.space()]);
  const events = await open.raw.pipeline.events();
  const overwrite: Overwrite = { path, phase: 'reserved', steps: NAMES.map((name) => ({ name, done: false, facts: [] })), events: [] };
  finish(overwrite, 'reserve', reserveFacts(before, after, ranges, events.length));
  $overwrite.set(overwrite);
  $map.set(after[0]);
  $space.set(after[1]);
  settleLater();
}

async function put(open: OpenVolume, path: string, bytes: Uint8Array, ranges: readonly Range[]): Promise<void> {
  const handle = await open.fs.open(path, 'r+');
  try {
    for (const { from, to } of ranges) await handle.write(bytes, from, to - from, from);
    // Not otherwise: cutting a file to the length that it has zeroes, and so copies, its last block.
    if ((await handle.stat()).size > bytes.length) await handle.truncate(bytes.length);
  } finally {
    await handle.close();
  }
}

function reserveFacts(before: [ExtentMap, Space], after: [ExtentMap, Space], ranges: readonly Range[], events: number): string[] {
  const waiting = delalloc(after[0]);
  const blocks = waiting.reduce((sum, run) => sum + run.count, 0);
  const bytes = ranges.reduce((sum, range) => sum + range.to - range.from, 0);
  const reserved = (before[1].available - after[1].available) / after[0].blockSize;
  const facts = [`${size(bytes)} changed in ${count(ranges.length, 'place')}; ${blocksText(waiting)} ${blocks === 1 ? 'waits' : 'wait'} in memory as delalloc.`];
  if (reserved > 0) facts.push(`${count(reserved, 'block')} of free space set aside, so that writeback cannot run out of it. No block is chosen yet.`);
  facts.push(events === 0 ? 'Nothing has reached the disk.' : `${count(events, 'write or flush', 'writes and flushes')} reached the disk.`);
  return facts;
}

/** Writeback: blocks are chosen, the data is written, and the file is made to point at it. */
export async function writeback(): Promise<void> {
  const overwrite = $overwrite.get();
  if (!overwrite || overwrite.phase !== 'reserved') return;
  await attempt('Writing back', async () => {
    const open = volume();
    const before = await open.map(overwrite.path);
    await open.raw.pipeline.record();
    await open.raw.writeback(overwrite.path);
    const after = await open.map(overwrite.path);
    const placed = newRuns(before, after);
    const events = label(await open.raw.pipeline.events(), logOf(open), placed.map((run) => bytesOf(run, open)));
    const next = { ...overwrite, phase: 'written' as const, events, steps: overwrite.steps.map((step) => ({ ...step })) };
    finish(next, 'allocate', allocateFacts(placed));
    finish(next, 'write', writeFacts(events));
    finish(next, 'remap', remapFacts(before, placed));
    $overwrite.set(next);
    await refreshFigures();
  });
}

function allocateFacts(placed: readonly Run[]): string[] {
  if (placed.length === 0) return ['No new blocks: the file had these blocks to itself, so they are written in place.'];
  return placed.map((run) => `${count(run.count, 'block')} in AG ${run.ag}, from block ${number(run.agBlock ?? 0)} on, for ${blocksText([run])}.`);
}

function writeFacts(events: readonly LabelledEvent[]): string[] {
  const writes = events.filter((event) => event.purpose === 'data');
  const bytes = writes.reduce((sum, event) => sum + event.length, 0);
  const other = events.filter((event) => event.purpose === 'metadata' || event.purpose === 'log');
  const facts = [`${size(bytes)} of data in ${count(writes.length, 'write')}, into blocks that nobody points at yet.`];
  if (events.some((event) => event.kind === 'flush')) facts.push('A flush makes the data durable before anything points at it.');
  if (other.length > 0) facts.push(`${count(other.length, 'other write')}, ${size(other.reduce((sum, event) => sum + event.length, 0))}.`);
  return facts;
}

function remapFacts(before: ExtentMap, placed: readonly Run[]): string[] {
  if (placed.length === 0) return ['Nothing to remap: the file keeps its blocks.'];
  const facts: string[] = [];
  for (const run of placed) {
    for (const old of before.runs.filter((old) => old.state !== 'delalloc' && meet(old, run))) {
      const first = Math.max(old.block, run.block);
      const blocks = Math.min(old.block + old.count, run.block + run.count) - first;
      const from = (old.agBlock ?? 0) + first - old.block;
      const owners = old.sharers.map((i) => before.sharers[i]).join(', ');
      facts.push(
        `File ${range(first, blocks)}: AG ${old.ag} block ${number(from)} → AG ${run.ag} block ${number((run.agBlock ?? 0) + first - run.block)}. ` +
          (old.shared ? `The old ${blocks === 1 ? 'block stays' : 'blocks stay'} with ${owners || 'the other owner'}; its count of owners drops by one.` : 'The old one is freed.'),
      );
    }
  }
  return facts.length > 0 ? facts : ['The file points at its first blocks there.'];
}

/** The log is written: from here on a power cut changes nothing any more. */
export async function log(): Promise<void> {
  const overwrite = $overwrite.get();
  await attempt('Syncing', async () => {
    const open = volume();
    await open.raw.pipeline.record();
    await open.raw.sync();
    const events = label(await open.raw.pipeline.events(), logOf(open), []);
    if (overwrite?.phase === 'written') {
      const next = { ...overwrite, phase: 'logged' as const, events: [...overwrite.events, ...events], steps: overwrite.steps.map((step) => ({ ...step })) };
      finish(next, 'log', logFacts(events));
      $overwrite.set(next);
    }
    await refreshFigures();
  });
}

function logFacts(events: readonly LabelledEvent[]): string[] {
  const writes = events.filter((event) => event.purpose === 'log');
  const home = events.filter((event) => event.purpose === 'metadata');
  const flushes = events.filter((event) => event.kind === 'flush').length;
  const facts: string[] = [];
  const first = events.findIndex((event) => event.purpose === 'log');
  if (events.slice(0, first).some((event) => event.kind === 'flush')) facts.push('First a flush makes the data durable, so that the log never points at blocks without it.');
  facts.push(`${size(writes.reduce((sum, event) => sum + event.length, 0))} into the log in ${count(writes.length, 'write')}: the transaction that unmaps, counts down and maps.`);
  if (flushes > 0) facts.push('The last flush makes that durable: from here on a power cut loses nothing of it.');
  if (home.length > 0) facts.push(`${count(home.length, 'write')} of metadata into its place, ${size(home.reduce((sum, event) => sum + event.length, 0))}.`);
  return facts;
}

/** Makes everything durable that waits in memory, an overwrite by the steps that it has left. */
export async function settle(): Promise<void> {
  clearTimeout(timer);
  if ($volume.get()?.readOnlyReason !== undefined || !$volume.get()) return;
  if ($overwrite.get()?.phase === 'reserved') await writeback();
  await log();
}

/** An overwrite waits this long for a person to go through its steps; then it is written like any other. */
const PATIENCE_MS = 30_000;
let timer: ReturnType<typeof setTimeout> | undefined;

function settleLater(): void {
  clearTimeout(timer);
  timer = setTimeout(() => void settle(), PATIENCE_MS);
}

export function logOf(open: OpenVolume): ByteRange {
  return { at: open.info.logStart, length: open.info.logBlocks * open.blockSize };
}

export function bytesOf(run: Run, open: OpenVolume): ByteRange {
  const at = ((run.ag ?? 0) * open.info.agBlocks + (run.agBlock ?? 0)) * open.blockSize;
  return { at, length: run.count * open.blockSize };
}

function finish(overwrite: Overwrite, name: StepName, facts: string[]): void {
  const step = overwrite.steps.find((step) => step.name === name);
  if (step) Object.assign(step, { done: true, facts });
}

function delalloc(map: ExtentMap): Run[] {
  return map.runs.filter((run) => run.state === 'delalloc');
}

/** What of `after` waited in memory before: it has its blocks now. */
export function newRuns(before: ExtentMap, after: ExtentMap): Run[] {
  const waited = delalloc(before);
  const placed: Run[] = [];
  for (const run of after.runs.filter((run) => run.state !== 'delalloc')) {
    for (const wait of waited.filter((wait) => meet(wait, run))) {
      const block = Math.max(run.block, wait.block);
      const end = Math.min(run.block + run.count, wait.block + wait.count);
      placed.push({ ...run, block, count: end - block, agBlock: (run.agBlock ?? 0) + block - run.block });
    }
  }
  return placed;
}

function meet(a: Run, b: Run): boolean {
  return a.block < b.block + b.count && b.block < a.block + a.count;
}

function range(first: number, blocks: number): string {
  return blocks === 1 ? `block ${number(first)}` : `blocks ${number(first)}–${number(first + blocks - 1)}`;
}

function blocksText(runs: readonly Run[]): string {
  if (runs.length === 0) return 'no block';
  return `file ${runs.map((run) => range(run.block, run.count)).join(', ')}`;
}
