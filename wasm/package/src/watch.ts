/** `watch`: what was changed through this package, in whatever tab. */
import { checkEncoding, asBuffer, decode, type Encoding, utf8 } from './bytes.ts';
import type { ChangeType, Told } from './changes.ts';
import { AbortError, throwIfAborted } from './errors.ts';

export interface WatchOptions {
  encoding?: Encoding | 'buffer' | null;
  /** Also what happens in folders below. */
  recursive?: boolean;
  /** There for Node's sake: nothing of this keeps a process alive. */
  persistent?: boolean;
  signal?: AbortSignal | null;
}

export interface WatchEvent {
  eventType: ChangeType;
  /** From the watched folder on; of a watched file, its name. */
  filename: string | Uint8Array;
}

/** From which change of whom on. */
interface Since {
  teller: string;
  count: number;
}

/** Waits for changes below `path`; `found` fails when there is no such path. */
export async function* watchChanges(
  channelName: string, path: string, found: () => Promise<Since>, options: WatchOptions,
): AsyncGenerator<WatchEvent, void, void> {
  const { signal, recursive = false } = options;
  throwIfAborted(signal);
  const encoding = options.encoding === undefined || options.encoding === null ? 'utf8' : checkEncoding(options.encoding);
  const channel = new BroadcastChannel(channelName);
  const waiting: WatchEvent[] = [];
  let wake: (() => void) | undefined;
  let since: Since | undefined;
  const base = normal(path);
  const onTold = ({ teller, before, changes }: Told) => {
    // What had happened before is told a moment later, and is none of our business.
    const old = since !== undefined && teller === since.teller ? Math.max(since.count - before, 0) : 0;
    for (const change of changes.slice(old)) {
      const filename = within(base, normal(change.path), recursive);
      if (filename === undefined) continue;
      waiting.push({ eventType: change.eventType, filename: encoding === undefined ? asBuffer(utf8(filename)) : decode(utf8(filename), encoding) });
    }
    wake?.();
  };
  const early: Told[] = [];
  channel.onmessage = ({ data }: MessageEvent<Told>) => {
    if (since === undefined) early.push(data);
    else onTold(data);
  };
  const abort = () => wake?.();
  signal?.addEventListener('abort', abort);
  try {
    since = await found();
    early.splice(0).forEach(onTold);
    for (;;) {
      for (let event = waiting.shift(); event !== undefined; event = waiting.shift()) yield event;
      if (signal?.aborted) throw new AbortError(signal.reason);
      await new Promise<void>((resolve) => {
        wake = resolve;
        if (waiting.length > 0 || signal?.aborted) resolve();
      });
    }
  } finally {
    signal?.removeEventListener('abort', abort);
    channel.close();
  }
}

/** Between slashes, without the first one; empty for the root. */
function normal(path: string): string {
  return path.split('/').filter((part) => part !== '' && part !== '.').join('/');
}

function within(base: string, path: string, recursive: boolean): string | undefined {
  if (path === base) return base.slice(base.lastIndexOf('/') + 1);
  const prefix = base === '' ? '' : `${base}/`;
  if (!path.startsWith(prefix)) return undefined;
  const rest = path.slice(prefix.length);
  return recursive || !rest.includes('/') ? rest : undefined;
}
