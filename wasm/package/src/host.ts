/**
 * The owner of an open volume: its engine and its store. It is the same in a worker, in a page's own thread and in
 * Node. All that it is asked goes through its queue, step by step.
 */
import type { Bindings, Engine, Plug } from './bindings.ts';
import { Changes } from './changes.ts';
import { fsError, throwIfAborted } from './errors.ts';
import { Handles } from './handles.ts';
import { type Held, isShared, lockVolume, NO_LOCK } from './locks.ts';
import type { CreateOptions, HostOptions } from './options.ts';
import { Queue } from './queue.ts';
import type { Store } from './stores/store.ts';
import { openStore, type Stores } from './stores/open.ts';

/** One request, as far as the host has to know it. */
export interface Request {
  readonly signal?: AbortSignal;
}

/** The shape of a volume. */
export interface VolumeInfo {
  uuid: string;
  label: string;
  /** Bytes. */
  blockSize: number;
  sectorSize: number;
  inodeSize: number;
  agCount: number;
  agBlocks: number;
  blocks: number;
  /** The byte of the volume where the log begins, and its length in blocks. */
  logStart: number;
  logBlocks: number;
  features: string[];
}

/** What was recovered from the log of a volume that had not been closed. */
export interface Recovery {
  records: number;
  checkpoints: number;
  buffers: number;
  inodes: number;
  intents: number;
  unlinked: number;
  stagingBlocks: number;
  warnings: string[];
}

/** What is known of a volume from its opening. */
export interface Opened {
  info: VolumeInfo;
  readOnlyReason: string | undefined;
  warnings: string[];
  recovered: Recovery | undefined;
  /** The volume was made by this opening. */
  created: boolean;
}

/** No more than what such a store places at once. */
const PLACED_BYTES = 256 * 1024;
const SECTOR_BYTES = 512;
/** `XFSB`, and where the superblock says that it is still being made. */
const MAGIC = [0x58, 0x46, 0x53, 0x42];
const IN_PROGRESS = 126;

/** A change that waits longer than this is made durable even if others keep coming. */
const MAX_SYNC_MS = 5000;

export class Host {
  readonly bindings: Bindings;
  readonly options: HostOptions;
  readonly queue: Queue;
  readonly handles = new Handles();
  readonly changes: Changes;
  readonly #store: Store;
  readonly #lock: Held;
  readonly #ends: (() => void)[] = [];
  /** What the last opening told. */
  opened: Omit<Opened, 'created'> | undefined;
  #engine: Engine | undefined;
  #plug: Plug | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #changedSince: number | undefined;

  private constructor(bindings: Bindings, options: HostOptions, store: Store, lock: Held) {
    this.bindings = bindings;
    this.options = options;
    this.#store = store;
    this.#lock = lock;
    this.changes = new Changes(options.channel);
    this.queue = new Queue({
      fetch: () => this.#fetch(),
      settle: () => this.#settle(),
      room: () => this.#room(),
    });
  }

  /** Opens the store, makes a volume in it if that is to be, and opens the volume, unless an image comes first. */
  static async open(bindings: Bindings, stores: Stores, options: HostOptions): Promise<{ host: Host; opened?: Opened }> {
    const lock = await lockVolume(options.store, options.name, options.readOnly ? 'shared' : 'exclusive');
    let host: Host | undefined;
    try {
      const store = await openStore(bindings, stores, options);
      host = new Host(bindings, options, store, lock);
      if (options.imageBytes !== undefined && !store.fresh) throw fsError('EEXIST', 'importImage', options.name);
      if (options.imageBytes !== undefined) return { host };
      const created = await host.#create(options.create);
      const opened = { ...(await host.openEngine()), created };
      if (created && options.store === 'opfs') await host.#placeLog(opened.info);
      return { host, opened };
    } catch (error) {
      if (host === undefined) await lock.release();
      else await host.abandon();
      throw error;
    }
  }

  /** Makes a volume where there is none. A store that was begun and never got that far counts as none. */
  async #create(create: CreateOptions | undefined): Promise<boolean> {
    if (create === undefined || this.options.base !== undefined) return false;
    const isEmpty = this.#store.fresh || (await this.queue.step(false, () => this.#isUnfinished()));
    if (!isEmpty) {
      if (create.exclusive) throw fsError('EEXIST', 'open', this.options.name);
      return false;
    }
    const uuid = crypto.getRandomValues(new Uint8Array(16));
    // Version 4, variant 1: random.
    uuid[6] = (uuid[6]! & 0x0f) | 0x40;
    uuid[8] = (uuid[8]! & 0x3f) | 0x80;
    const seed = crypto.getRandomValues(new Uint32Array(1))[0]!;
    const { blockSize, sectorSize, label, agCount, logBytes } = create;
    // What was begun and never finished has left something that must not be taken for this volume's.
    const wipe = !this.#store.fresh;
    const options = { blockSize, sectorSize, label, agCount, logBytes, uuid, seed, now: Date.now(), wipe };
    await this.queue.step(true, () => this.bindings.Engine.format(this.disk, options));
    await this.durable();
    return true;
  }

  /**
   * Gives the log its place in a store that grows with use. A log that met the quota in the middle of its work would end
   * it, and nothing could be deleted any more to make room.
   */
  async #placeLog({ logStart, logBlocks, blockSize }: VolumeInfo): Promise<void> {
    const end = logStart + logBlocks * blockSize;
    for (let at = logStart; at < end; at += PLACED_BYTES) {
      await this.queue.step(true, () => this.disk.write(at, this.disk.read(at, SECTOR_BYTES)));
    }
    await this.queue.step(true, () => this.disk.write(end - SECTOR_BYTES, this.disk.read(end - SECTOR_BYTES, SECTOR_BYTES)));
    await this.queue.step(true, () => this.disk.flush());
  }

  /** Whether the making of a volume was cut short here. A foreign image that merely begins with zeros is none of ours. */
  #isUnfinished(): boolean {
    const head = this.disk.read(0, SECTOR_BYTES);
    if (this.#store.ours && head.every((byte) => byte === 0)) return true;
    const isSuperblock = MAGIC.every((byte, i) => head[i] === byte);
    return isSuperblock && head[IN_PROGRESS] !== 0;
  }

  /** Opens the volume that the store holds. */
  async openEngine(): Promise<Omit<Opened, 'created'>> {
    const { readOnly, cacheBytes, dirtyBytes } = this.options;
    this.opened = await this.queue.step(true, () => {
      const engine = this.bindings.Engine.open(this.disk, readOnly, cacheBytes, dirtyBytes, Date.now());
      this.#engine = engine;
      const recovered = engine.recovered();
      return {
        info: JSON.parse(engine.info()) as VolumeInfo,
        readOnlyReason: engine.readOnlyReason(),
        warnings: engine.warnings(),
        recovered: recovered === undefined ? undefined : (JSON.parse(recovered) as Recovery),
      };
    });
    return this.opened;
  }

  /** Whether tabs that only read come to this one, since it is the only one that writes. */
  get hasReaders(): boolean {
    return !this.options.readOnly && isShared(this.options.store) && globalThis.BroadcastChannel !== undefined && this.#lock !== NO_LOCK;
  }

  /** Something that ends with the volume. */
  onEnd(end: () => void): void {
    this.#ends.push(end);
  }

  get disk() {
    return this.#store.disk;
  }

  get engine(): Engine {
    if (this.#engine === undefined) throw fsError('EBADF', 'volume', undefined, undefined, 'the volume is closed');
    return this.#engine;
  }

  /** The recorder of writes and flushes. It is there from the first call on. */
  get plug(): Plug {
    this.#plug ??= this.disk.plug();
    return this.#plug;
  }

  /** A step that changes nothing. */
  look<T>(request: Request, work: (engine: Engine) => T): Promise<T> {
    return this.queue.step(false, () => {
      throwIfAborted(request.signal);
      return work(this.engine);
    });
  }

  /** A step that may change something. */
  change<T>(request: Request, work: (engine: Engine) => T): Promise<T> {
    return this.queue.step(true, () => {
      throwIfAborted(request.signal);
      const engine = this.engine;
      engine.setTime(Date.now());
      const result = work(engine);
      this.#changed();
      return result;
    });
  }

  /** Everything so far becomes durable. */
  async sync(): Promise<void> {
    this.#clearTimer();
    await this.queue.step(true, () => this.engine.sync());
    await this.durable();
  }

  /** What the engine has flushed becomes durable, where the store takes its time for that. */
  async durable(): Promise<void> {
    for (const waiting of this.#store.waiting) await waiting.durable();
  }

  /** Closes the volume; its log is clean then. */
  async close(): Promise<void> {
    if (this.#engine === undefined) return this.abandon();
    this.#clearTimer();
    // Exports that nobody ended are over.
    while (this.queue.isFrozen) this.queue.thaw();
    try {
      await this.queue.step(true, () => {
        this.engine.close();
        this.dropEngine();
      });
      await this.durable();
    } finally {
      // What could not be written is in the log, or lost: holding on to the store would help nobody.
      await this.abandon();
    }
  }

  /** The engine goes as if power were cut: nothing more is written. */
  dropEngine(): void {
    this.#clearTimer();
    this.#engine?.free();
    this.#engine = undefined;
    this.handles.clear();
  }

  /** Lets go of everything, whatever state it is in. */
  async abandon(): Promise<void> {
    this.queue.kill(fsError('EBADF', 'volume', undefined, undefined, 'the volume is closed'));
    this.dropEngine();
    for (const end of this.#ends.splice(0)) end();
    this.changes.close();
    try {
      await this.#store.close();
    } finally {
      await this.#lock.release();
    }
  }

  #changed(): void {
    if (this.options.syncAfterMs === 0 || this.options.readOnly) return;
    const now = performance.now();
    this.#changedSince ??= now;
    if (this.#timer !== undefined) {
      // One timer for many changes: when it rings it looks whether there were others meanwhile.
      this.#lastChange = now;
      return;
    }
    this.#lastChange = now;
    this.#ring(this.options.syncAfterMs);
  }

  #lastChange = 0;

  #ring(ms: number): void {
    this.#timer = setTimeout(() => this.#rang(), ms);
    // In Node, a volume that nobody uses must not keep the process alive; `close` is what makes it durable.
    (this.#timer as { unref?: () => void }).unref?.();
  }

  #rang(): void {
    this.#timer = undefined;
    if (this.#engine === undefined || this.#changedSince === undefined) return;
    const now = performance.now();
    const quiet = now - this.#lastChange;
    if (quiet < this.options.syncAfterMs && now - this.#changedSince < MAX_SYNC_MS) {
      this.#ring(this.options.syncAfterMs - quiet);
      return;
    }
    // What fails here fails again at the next change or sync, where somebody is told.
    this.sync().catch(() => {});
  }

  #clearTimer(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#changedSince = undefined;
  }

  async #fetch(): Promise<void> {
    const counts = await Promise.all(this.#store.waiting.map((waiting) => waiting.fetch()));
    if (counts.every((count) => count === 0)) {
      throw fsError('EIO', 'read', undefined, undefined, 'the store misses something and does not say what');
    }
  }

  #settle(): void {
    for (const waiting of this.#store.waiting) {
      waiting.chunks.settle();
      waiting.kick();
    }
  }

  #room(): Promise<void> | undefined {
    for (const waiting of this.#store.waiting) {
      const room = waiting.room();
      if (room !== undefined) return room;
    }
    return undefined;
  }
}
