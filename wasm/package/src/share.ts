/**
 * A volume has one writer. Other tabs that only want to read ask that one: so they see what is, and not some of what
 * was in memory here and some of what was on the disk.
 */
import { constants } from './constants.ts';
import { failure, toWire, type WireError } from './errors.ts';
import type { Host } from './host.ts';
import { sharedName } from './locks.ts';
import type { OpName } from './ops/index.ts';

/** From a reader to the writer. */
export type Asked =
  | { from: string; id: number; hello: true }
  | { from: string; id: number; op: OpName; args: unknown[] }
  | { from: string; id: number; cancel: true }
  | { from: string; bye: true };

/** From the writer to a reader. */
export type Answered = { to: string; id: number; value: unknown } | { to: string; id: number; error: WireError };

export function shareName(volume: string): string {
  return `${volume}:read`;
}

/** The lock that a reader holds as long as it lives. */
export function readerLock(volume: string, reader: string): string {
  return `${volume}:reader:${reader}`;
}

/** What readers may ask for, besides what opens files. */
const HARMLESS = new Set<OpName>([
  'access', 'extents', 'freeExtents', 'getxattr', 'listxattr', 'owners', 'pathOf', 'readdir', 'readdirRecursive', 'readlink', 'realpath',
  'stat', 'statfs', 'watch',
]);
/** What they may do with handles of their own. */
const ON_HANDLES = new Set<OpName>(['close', 'fstat', 'read', 'readRest']);

const { O_CREAT, O_TRUNC } = constants;
/** Flags with which a file may be changed. */
const CHANGING = 3 | O_CREAT | O_TRUNC;

interface Reader {
  handles: Set<number>;
  isGone: boolean;
  running: Map<number, AbortController>;
}

type Perform = (host: Host, name: OpName, args: unknown[], signal: AbortSignal) => Promise<unknown>;

/** Answers readers until the volume is closed. Returns what ends that. */
export function share(host: Host, perform: Perform): () => void {
  const volume = sharedName(host.options.store, host.options.name);
  const readers = new Map<string, Reader>();
  const channel = new BroadcastChannel(shareName(volume));
  const ended = new AbortController();

  const leave = (name: string) => {
    const reader = readers.get(name);
    readers.delete(name);
    if (reader !== undefined) reader.isGone = true;
    for (const controller of reader?.running.values() ?? []) controller.abort();
    for (const fd of reader?.handles ?? []) void perform(host, 'close', [fd], ended.signal).catch(() => {});
  };
  const enter = (name: string): Reader => {
    const known = readers.get(name);
    if (known !== undefined) return known;
    const reader: Reader = { handles: new Set(), isGone: false, running: new Map() };
    readers.set(name, reader);
    // This lock is ours when the reader is gone, however it went.
    navigator.locks.request(readerLock(volume, name), { signal: ended.signal }, () => leave(name)).catch(() => {});
    return reader;
  };
  const answer = async (asked: Exclude<Asked, { bye: true } | { cancel: true }>): Promise<void> => {
    const { from: to, id } = asked;
    try {
      // A volume that is still being made has nothing to say; who asks asks again.
      if (host.opened === undefined) return;
      const value = 'hello' in asked ? (enter(to), host.opened) : await serve(host, enter(to), asked, perform);
      channel.postMessage({ to, id, value } satisfies Answered);
    } catch (error) {
      channel.postMessage({ to, id, error: toWire(error) } satisfies Answered);
    }
  };
  channel.onmessage = ({ data }: MessageEvent<Asked>) => {
    if ('bye' in data) leave(data.from);
    else if ('cancel' in data) readers.get(data.from)?.running.get(data.id)?.abort();
    else void answer(data);
  };
  return () => {
    ended.abort();
    channel.close();
  };
}

async function serve(host: Host, reader: Reader, asked: { id: number; op: OpName; args: unknown[] }, perform: Perform): Promise<unknown> {
  const { id, op, args } = asked;
  const controller = new AbortController();
  reader.running.set(id, controller);
  try {
    allow(reader, op, args);
    const value = await perform(host, op, args, controller.signal);
    if (op === 'open' && reader.isGone) {
      await perform(host, 'close', [value], controller.signal);
      throw failure('EBADF');
    }
    if (op === 'open') reader.handles.add(value as number);
    if (op === 'close') reader.handles.delete(args[0] as number);
    return value;
  } finally {
    reader.running.delete(id);
  }
}

function allow(reader: Reader, op: OpName, args: unknown[]): void {
  if (HARMLESS.has(op)) return;
  if (ON_HANDLES.has(op)) {
    if (!reader.handles.has(args[0] as number)) throw failure('EBADF');
    return;
  }
  if ((op === 'open' || op === 'readFile') && ((args[1] as number) & CHANGING) === 0) return;
  throw failure('EROFS', 'another tab writes this volume');
}
