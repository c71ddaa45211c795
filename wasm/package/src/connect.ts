/** Opens the way to a volume, and the volume, in this thread or in a worker of its own. */
import { codeOf, FsError, fsError } from './errors.ts';
import type { Opened } from './host.ts';
import { isShared, sharedName } from './locks.ts';
import { type HostOptions, hostOptions, type OpenOptions, type StoreName } from './options.ts';
import { platform } from './platform.ts';
import type { Port } from './port.ts';
import { ReaderPort } from './readerport.ts';
import { WorkerPort } from './workerport.ts';

export interface Connection {
  port: Port;
  host: HostOptions;
  /** Not for a volume that is to be written from an image first. */
  opened: Opened | undefined;
}

/** How often a reader goes back and forth between a writer that goes and one that comes. */
const READER_TRIES = 5;

/** OPFS is for workers; what else waits does so without keeping a page from being drawn. */
function wantsWorker(options: OpenOptions): boolean {
  if (options.thread !== undefined) return options.thread === 'worker';
  const isPage = typeof (globalThis as { document?: unknown }).document !== 'undefined';
  return isPage && (options.worker !== undefined || platform().worker !== undefined);
}

export async function connect(options: OpenOptions, host: HostOptions): Promise<Connection> {
  for (let tries = 1; ; tries++) {
    try {
      return await (wantsWorker(options) ? inWorker(options, host) : here(options, host));
    } catch (error) {
      // Another tab writes it; who only reads reads through that one.
      if (!host.readOnly || !isShared(host.store) || !isLocked(error)) throw error;
    }
    try {
      return { host, ...(await ReaderPort.open(sharedName(host.store, host.name))) };
    } catch (error) {
      // It went away meanwhile: there is nobody in our way.
      if (codeOf(error) !== 'EBADF' || tries === READER_TRIES) throw error;
    }
  }
}

/** The lock is held, and so there is a writer to ask. */
function isLocked(error: unknown): boolean {
  return error instanceof FsError && error.code === 'EBUSY' && error.syscall === 'lock';
}

async function here(options: OpenOptions, host: HostOptions): Promise<Connection> {
  const [{ startEngine }, { DirectPort, openHost }] = await Promise.all([import('./engine.ts'), import('./direct.ts')]);
  const source = options.wasm ?? (await platform().wasm());
  const [bindings, stores] = await Promise.all([startEngine(source), platform().stores()]);
  const found = await openHost(bindings, stores, host);
  return { port: new DirectPort(found.host), host, opened: found.opened };
}

async function inWorker(options: OpenOptions, host: HostOptions): Promise<Connection> {
  const port = new WorkerPort(startWorker(options));
  try {
    const wasm = options.wasm instanceof URL ? options.wasm.href : options.wasm;
    return { port, host, opened: await port.open(host, wasm) };
  } catch (error) {
    port.abandon();
    throw error;
  }
}

function startWorker({ worker }: OpenOptions): Worker {
  if (typeof worker === 'function') return worker();
  if (worker !== undefined) return new Worker(worker, { type: 'module', name: 'xfskit' });
  const start = platform().worker;
  if (start === undefined) throw fsError('EOPNOTSUPP', 'open', undefined, undefined, 'there are no workers here');
  return start();
}

/** Opens the volume in whichever store has it; otherwise makes it in the first store that can be had. */
export async function connectAuto(options: OpenOptions, open: (store: StoreName) => Promise<Connection>): Promise<Connection> {
  const { preferred, list } = platform();
  const name = hostOptions(options, 'memory').name;
  let last: unknown = fsError('EOPNOTSUPP', 'open', name, undefined, 'there is no store here');
  const lists = await Promise.all(preferred.map((store) => list(store).catch(() => [] as string[])));
  const having = preferred.filter((_, i) => lists[i]!.includes(name));
  for (const store of having.length > 0 ? having : preferred) {
    try {
      return await open(store);
    } catch (error) {
      if (codeOf(error) !== 'EOPNOTSUPP') throw error;
      last = error;
    }
  }
  throw last;
}
