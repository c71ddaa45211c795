/**
 * Power cuts on purpose. Each trial overwrites a block of a clone of its own, cuts power after a chosen number of writes and
 * flushes, opens the volume as it lies on the disk, and looks: is the clone's content the old or the new one, whole, and
 * does the check find anything?
 */
import { $check, $trial, $volume } from '../state';
import { label, type LabelledEvent } from '../events';
import { join, nameOf, parentOf, withSuffix } from '../paths';
import { OpenVolume, type Recovery } from '../volume';
import { bytesOf, logOf, newRuns, settle } from './overwrite';
import { say } from './say';
import { task } from './task';
import { refresh, volume } from './tree';
import { rereadFile } from './edit';

export interface Outcome {
  /** Writes and flushes that reached the disk before the cut. */
  after: number;
  /** The clone's content: as it was, as it was to be, or neither. */
  content: 'old' | 'new' | 'torn';
  /** Sync had returned: the new content was promised. */
  promised: boolean;
  recovered: Recovery | undefined;
  damage: number;
  warnings: number;
  findings: string[];
}

export interface Trial {
  /** The file of which clones are made. */
  path: string;
  /** What the overwrite writes when nobody cuts: the moments to choose from lie between these. */
  events: LabelledEvent[];
  outcomes: ReadonlyMap<number, Outcome>;
}

/** Writes the overwrite out once without a cut, to know its moments. */
export async function rehearse(path: string): Promise<void> {
  await task('Rehearsing the overwrite', async () => {
    await settle();
    const open = volume();
    const clone = await freshClone(open, path);
    const { events } = await overwrite(open, clone, undefined);
    $trial.set({ path, events, outcomes: new Map() });
    await refresh();
  });
}

/** Cuts power after `after` writes and flushes of the overwrite. */
export async function cut(after: number): Promise<void> {
  await task(`Cutting power after ${after}`, async () => {
    const outcome = await run(after);
    say(outcome.damage === 0 && outcome.content !== 'torn' ? 'Recovered: nothing is lost' : 'Something is wrong: see the report', outcome.damage === 0 ? 'success' : 'danger');
    await refresh();
  });
}

/** Every moment, one after another. */
export async function cutEverywhere(): Promise<void> {
  const events = $trial.get()?.events.length ?? 0;
  await task('Cutting power at every step', async ({ signal, onProgress }) => {
    for (let after = 0; after <= events; after += 1) {
      signal.throwIfAborted();
      await run(after);
      onProgress({ done: after + 1, total: events + 1 });
    }
    await refresh();
  });
}

async function run(after: number): Promise<Outcome> {
  const trial = $trial.get();
  if (!trial) throw new Error('rehearse first');
  await settle();
  const open = volume();
  const clone = await freshClone(open, trial.path);
  const old = await open.fs.readFile(clone);
  const { after: fresh, promised } = await overwrite(open, clone, after);
  await open.raw.pipeline.reopen();
  const reopened = new OpenVolume(open.entry, open.raw);
  $volume.set(reopened);
  const content = await reopened.fs.readFile(clone);
  const report = await reopened.check();
  const outcome: Outcome = {
    after,
    content: same(content, fresh) ? 'new' : same(content, old) ? 'old' : 'torn',
    promised,
    recovered: reopened.recovered,
    damage: report.summary.damage,
    warnings: report.summary.warnings,
    findings: report.findings.map((finding) => finding.text),
  };
  $check.set(report);
  $trial.set({ ...trial, outcomes: new Map([...trial.outcomes, [after, outcome]]) });
  await rereadFile();
  return outcome;
}

/** A new clone of the file, durable, in the place of that of the trial before. */
async function freshClone(open: OpenVolume, path: string): Promise<string> {
  const clone = join(parentOf(path), withSuffix(nameOf(path), 'power cut'));
  await open.fs.rm(clone, { force: true });
  await open.raw.clone(path, clone);
  await open.raw.sync();
  return clone;
}

/** Overwrites the middle of the clone; with `cutAfter`, power goes after that many writes and flushes. */
async function overwrite(open: OpenVolume, clone: string, cutAfter: number | undefined): Promise<{ events: LabelledEvent[]; after: Uint8Array; promised: boolean }> {
  const after = (await open.fs.readFile(clone)).slice();
  const from = Math.floor(after.length / 2 / open.blockSize) * open.blockSize;
  const line = new TextEncoder().encode('### written just before the power went ###\n').subarray(0, after.length - from);
  after.set(line, from);
  await open.raw.pipeline.record();
  if (cutAfter !== undefined) await open.raw.pipeline.cutAfter(cutAfter);
  let placed: ReturnType<typeof bytesOf>[] = [];
  let promised = false;
  try {
    const handle = await open.fs.open(clone, 'r+');
    await handle.write(line, 0, line.length, from);
    await handle.close();
    const before = await open.map(clone);
    await open.raw.writeback(clone);
    placed = newRuns(before, await open.map(clone)).map((run) => bytesOf(run, open));
    await open.raw.sync();
    promised = true;
  } catch (error) {
    if (!(await open.raw.pipeline.isCut())) throw error;
  }
  const events = label(await open.raw.pipeline.events(), logOf(open), placed);
  return { events, after, promised };
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
