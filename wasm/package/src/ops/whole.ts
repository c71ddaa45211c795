/** What concerns the volume as a whole, and where things lie in it. */
import { asNumbers } from '../bytes.ts';
import { fsError } from '../errors.ts';
import type { Host, Opened, Request } from '../host.ts';
import { inoOf } from '../stats.ts';

export async function statfs(host: Host, request: Request): Promise<Float64Array> {
  return host.look(request, (engine) => engine.statfs());
}

/** Everything so far becomes durable. */
export async function sync(host: Host): Promise<void> {
  await host.sync();
}

/** JSON. */
export async function check(host: Host, request: Request): Promise<string> {
  // What waits for writeback is not on the disk yet, and a check looks at what is.
  if (!host.options.readOnly) await host.change(request, (engine) => engine.sync());
  return host.look(request, (engine) => engine.check());
}

export async function extents(host: Host, request: Request, path: Uint8Array): Promise<Float64Array> {
  return host.look(request, (engine) => engine.extents(engine.resolve(path, true)));
}

export async function owners(host: Host, request: Request, at: number, length: number): Promise<Float64Array> {
  return host.look(request, (engine) => engine.owners(at, length));
}

export async function freeExtents(host: Host, request: Request, ag: number): Promise<Float64Array> {
  return host.look(request, (engine) => engine.freeExtents(ag));
}

export async function pathOf(host: Host, request: Request, ino: number): Promise<Uint8Array> {
  return host.look(request, (engine) => engine.pathOf(ino));
}

/** What waits for writeback gets its place, without becoming durable. */
export async function writeback(host: Host, request: Request, path: Uint8Array): Promise<void> {
  await host.change(request, (engine) => engine.writeback(engine.resolve(path, true)));
}

/** Clones a range of a file into another one, or the same; 0 bytes: up to its end. */
export async function cloneRange(
  host: Host, request: Request, from: Uint8Array, at: number, to: Uint8Array, toAt: number, length: number,
): Promise<void> {
  await host.change(request, (engine) => {
    const source = inoOf(engine.stat(from, true));
    const target = inoOf(engine.stat(to, true));
    engine.clone(source, at, target, toAt, length);
    host.changes.tell('change', to);
  });
}

/** Exports that are under way, by number: what is still to be given, as pairs of byte and length. */
const exporting = new WeakMap<Host, Map<number, number[]>>();
let nextExport = 1;

/** What is read of an image in one step. */
const EXPORT_BYTES = 1 << 20;

/** Begins to give the image of the volume. Until `exportEnd`, what changes something waits. */
export async function exportBegin(host: Host, request: Request): Promise<{ id: number; size: number; used: number }> {
  const ranges = await host.change(request, (engine) => {
    const used = asNumbers(engine.usedRanges());
    host.queue.freeze();
    return used;
  });
  const id = nextExport++;
  const open = exporting.get(host) ?? new Map<number, number[]>();
  exporting.set(host, open.set(id, ranges));
  let used = 0;
  for (let i = 1; i < ranges.length; i += 2) used += ranges[i]!;
  return { id, size: host.disk.len(), used };
}

/** The next piece; `undefined` behind the last one. */
export async function exportNext(host: Host, request: Request, id: number): Promise<{ position: number; data: Uint8Array } | undefined> {
  const ranges = exporting.get(host)?.get(id);
  if (ranges === undefined) throw fsError('EBADF', 'read');
  const [position, length] = ranges;
  if (position === undefined || length === undefined) return undefined;
  const count = Math.min(length, EXPORT_BYTES);
  const data = await host.look(request, () => host.disk.read(position, count));
  if (count === length) ranges.splice(0, 2);
  else ranges.splice(0, 2, position + count, length - count);
  return { position, data };
}

export async function exportEnd(host: Host, _request: Request, id: number): Promise<void> {
  if (exporting.get(host)?.delete(id)) host.queue.thaw();
}

/** A part of an image that the volume is to be. */
export async function importWrite(host: Host, request: Request, position: number, data: Uint8Array): Promise<void> {
  await host.queue.step(true, () => {
    request.signal?.throwIfAborted();
    host.disk.write(position, data);
  });
}

/** The rest of the image is there; with its first sector it becomes one. */
export async function importEnd(host: Host, _request: Request, sector: Uint8Array): Promise<Opened> {
  await host.queue.step(true, () => host.disk.flush());
  await host.queue.step(true, () => host.disk.write(0, sector));
  await host.queue.step(true, () => host.disk.flush());
  await host.durable();
  return { ...(await host.openEngine()), created: true };
}

/** Begins to record writes and flushes. */
export async function plugRecord(host: Host): Promise<void> {
  await host.queue.step(false, () => host.plug.clear());
}

/** Triples: kind (0 write, 1 flush), offset, length. */
export async function plugEvents(host: Host): Promise<Float64Array> {
  return host.queue.step(false, () => host.plug.events());
}

/** Behind that many writes and flushes from now on, the power is off. */
export async function plugCut(host: Host, _request: Request, count: number): Promise<void> {
  await host.queue.step(false, () => {
    host.plug.clear();
    host.plug.cutAfter(count);
  });
}

export async function plugIsCut(host: Host): Promise<boolean> {
  return host.queue.step(false, () => host.plug.isCut());
}

/** What was in memory is gone, the power is on again, and the volume is opened as it was left. */
export async function reopen(host: Host): Promise<Opened> {
  await host.queue.step(false, () => {
    host.dropEngine();
    host.plug.restore();
  });
  return { ...(await host.openEngine()), created: false };
}
