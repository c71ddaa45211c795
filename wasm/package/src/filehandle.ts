/** An open file, as Node's `FileHandle`; its streams are those of the web. */
import { checkOffset, type Mode, milliseconds, modeBits, type TimeLike } from './arguments.ts';
import { asBuffer, checkEncoding, dataBytes, decode, encode, type Encoding } from './bytes.ts';
import { argumentError, fromEngine, throwIfAborted } from './errors.ts';
import type { OpArguments, OpName, OpResult } from './ops/index.ts';
import type { CallOptions, Port } from './port.ts';
import type { Data } from './promises.ts';
import { BigIntStats, Stats } from './stats.ts';

const DEFAULT_READ_BYTES = 16 * 1024;
const STREAM_BYTES = 1 << 20;

export interface ReadOptions<T extends ArrayBufferView> {
  buffer?: T;
  offset?: number;
  length?: number;
  position?: number | bigint | null;
}

export interface StreamOptions {
  /** The first byte. */
  start?: number;
  /** The last byte, which is read. */
  end?: number;
  /** Bytes that are read at once. */
  highWaterMark?: number;
  /** Closes the handle at the end; as in Node, it does unless told not to. */
  autoClose?: boolean;
  signal?: AbortSignal | null;
}

export class FileHandle {
  /** What one message carries at most. */
  static readonly MESSAGE_BYTES = 8 << 20;

  readonly #port: Port;
  #fd: number;
  /** What is under way, which closing waits for. */
  readonly #running = new Set<Promise<unknown>>();

  constructor(port: Port, fd: number) {
    this.#port = port;
    this.#fd = fd;
  }

  /** -1 when closed. */
  get fd(): number {
    return this.#fd;
  }

  async appendFile(data: Data, options?: { encoding?: Encoding | null; signal?: AbortSignal | null } | Encoding | null): Promise<void> {
    await this.writeFile(data, options);
  }

  async chmod(mode: Mode): Promise<void> {
    await this.#call('fchmod', 'fchmod', (fd) => [fd, modeBits(mode, 0)]);
  }

  async chown(uid: number, gid: number): Promise<void> {
    await this.#call('fchown', 'fchown', (fd) => [fd, uid, gid]);
  }

  async utimes(atime: TimeLike, mtime: TimeLike): Promise<void> {
    await this.#call('futime', 'futimes', (fd) => [fd, milliseconds(atime), milliseconds(mtime)]);
  }

  async close(): Promise<void> {
    if (this.#fd === -1) return;
    const fd = this.#fd;
    this.#fd = -1;
    await Promise.allSettled([...this.#running]);
    try {
      await this.#port.call('close', [fd]);
    } catch (error) {
      throw fromEngine(error, 'close');
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async datasync(): Promise<void> {
    await this.#call('fdatasync', 'sync', (fd) => [fd]);
  }

  async sync(): Promise<void> {
    await this.#call('fsync', 'sync', (fd) => [fd]);
  }

  read<T extends ArrayBufferView>(buffer: T, offset?: number | null, length?: number | null, position?: number | bigint | null): Promise<{ bytesRead: number; buffer: T }>;
  read<T extends ArrayBufferView>(buffer: T, options?: ReadOptions<T>): Promise<{ bytesRead: number; buffer: T }>;
  read<T extends ArrayBufferView = Uint8Array<ArrayBuffer>>(options?: ReadOptions<T>): Promise<{ bytesRead: number; buffer: T }>;
  async read<T extends ArrayBufferView>(
    first?: T | ReadOptions<T>, second?: number | null | ReadOptions<T>, length?: number | null, position?: number | bigint | null,
  ): Promise<{ bytesRead: number; buffer: T }> {
    let options: ReadOptions<T>;
    if (!ArrayBuffer.isView(first)) options = first ?? {};
    else if (typeof second === 'object' && second !== null) options = { ...second, buffer: first };
    else options = { buffer: first, offset: second ?? undefined, length: length ?? undefined, position };
    const buffer = options.buffer ?? (asBuffer(new Uint8Array(DEFAULT_READ_BYTES)) as unknown as T);
    const offset = options.offset ?? 0;
    const count = options.length ?? buffer.byteLength - offset;
    checkRange(offset, count, buffer.byteLength);
    const target = new Uint8Array(buffer.buffer, buffer.byteOffset + offset, count);
    return { bytesRead: await this.#readInto(target, place(options.position)), buffer };
  }

  async readv<T extends readonly ArrayBufferView[]>(buffers: T, position?: number | null): Promise<{ bytesRead: number; buffers: T }> {
    const length = buffers.reduce((sum, buffer) => sum + buffer.byteLength, 0);
    const bytes = await this.#call('read', 'read', (fd) => [fd, length, place(position)]);
    let at = 0;
    for (const buffer of buffers) {
      const part = bytes.subarray(at, at + buffer.byteLength);
      new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength).set(part);
      at += part.length;
    }
    return { bytesRead: bytes.length, buffers };
  }

  readFile(options: Encoding | { encoding: Encoding; signal?: AbortSignal | null }): Promise<string>;
  readFile(options?: null | { encoding?: 'buffer' | null; signal?: AbortSignal | null }): Promise<Uint8Array<ArrayBuffer>>;
  readFile(options?: Encoding | null | { encoding?: Encoding | 'buffer' | null; signal?: AbortSignal | null }): Promise<string | Uint8Array<ArrayBuffer>>;
  async readFile(options?: Encoding | null | { encoding?: Encoding | 'buffer' | null; signal?: AbortSignal | null }): Promise<string | Uint8Array<ArrayBuffer>> {
    const given = typeof options === 'string' ? { encoding: options, signal: undefined } : options;
    const encoding = checkEncoding(given?.encoding);
    throwIfAborted(given?.signal);
    const bytes = await this.#call('read', 'readRest', (fd) => [fd], { signal: given?.signal });
    return encoding === undefined ? asBuffer(bytes) : decode(bytes, encoding);
  }

  stat(options?: { bigint?: false }): Promise<Stats>;
  stat(options: { bigint: true }): Promise<BigIntStats>;
  stat(options?: { bigint?: boolean }): Promise<Stats | BigIntStats>;
  async stat(options?: { bigint?: boolean }): Promise<Stats | BigIntStats> {
    const raw = await this.#call('fstat', 'fstat', (fd) => [fd]);
    return options?.bigint ? new BigIntStats(raw) : new Stats(raw);
  }

  async truncate(len = 0): Promise<void> {
    // As in Node, less than nothing is nothing.
    await this.#call('ftruncate', 'truncate', (fd) => [fd, Math.max(0, len)]);
  }

  /** Blocks for a range, so that writing there can't fail for want of space; the file grows up to its end. */
  async allocate(offset: number, length: number): Promise<void> {
    await this.#call('fallocate', 'allocate', (fd) => [fd, 0, checkOffset(offset, 'offset'), checkOffset(length, 'length')]);
  }

  /** Makes a range a hole: it reads as zeros and takes no space. */
  async punch(offset: number, length: number): Promise<void> {
    await this.#call('fallocate', 'allocate', (fd) => [fd, 2, checkOffset(offset, 'offset'), checkOffset(length, 'length')]);
  }

  write<T extends ArrayBufferView>(buffer: T, offset?: number | null | { offset?: number; length?: number; position?: number | null }, length?: number | null, position?: number | null): Promise<{ bytesWritten: number; buffer: T }>;
  write(text: string, position?: number | null, encoding?: Encoding | null): Promise<{ bytesWritten: number; buffer: string }>;
  async write(
    data: string | ArrayBufferView, second?: unknown, third?: unknown, fourth?: number | null,
  ): Promise<{ bytesWritten: number; buffer: string | ArrayBufferView }> {
    if (typeof data === 'string') {
      const bytes = encode(data, checkEncoding(third) ?? 'utf8');
      return { bytesWritten: await this.#writeAll(bytes, place(second as number | null)), buffer: data };
    }
    if (!ArrayBuffer.isView(data)) {
      throw argumentError('ERR_INVALID_ARG_TYPE', 'The "buffer" argument must be of type string or an instance of Buffer, TypedArray, or DataView.');
    }
    const given = typeof second === 'object' && second !== null ? (second as { offset?: number; length?: number; position?: number | null }) : undefined;
    const offset = given ? (given.offset ?? 0) : ((second as number | null | undefined) ?? 0);
    const count = (given ? given.length : (third as number | null | undefined)) ?? data.byteLength - offset;
    checkRange(offset, count, data.byteLength);
    const bytes = new Uint8Array(data.buffer, data.byteOffset + offset, count);
    return { bytesWritten: await this.#writeAll(bytes, place(given ? given.position : fourth)), buffer: data };
  }

  async writev<T extends readonly ArrayBufferView[]>(buffers: T, position?: number | null): Promise<{ bytesWritten: number; buffers: T }> {
    const whole = new Uint8Array(buffers.reduce((sum, buffer) => sum + buffer.byteLength, 0));
    let at = 0;
    for (const buffer of buffers) {
      whole.set(new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength), at);
      at += buffer.byteLength;
    }
    const bytesWritten = await this.#writeAll(whole, place(position));
    return { bytesWritten, buffers };
  }

  async writeFile(data: Data, options?: { encoding?: Encoding | null; signal?: AbortSignal | null } | Encoding | null): Promise<void> {
    const given = typeof options === 'string' ? { encoding: options, signal: undefined } : options;
    const encoding = checkEncoding(given?.encoding) ?? 'utf8';
    throwIfAborted(given?.signal);
    const bytes = dataBytes(data, encoding);
    if (bytes !== undefined) {
      await this.#writeAll(bytes, null, given?.signal);
      return;
    }
    for await (const part of parts(data)) {
      throwIfAborted(given?.signal);
      const some = dataBytes(part, encoding);
      if (some === undefined) throw argumentError('ERR_INVALID_ARG_TYPE', 'The "chunk" argument must be of type string or an instance of Buffer, TypedArray, or DataView.');
      await this.#writeAll(some, null, given?.signal);
    }
  }

  /** The file's bytes, from `start` or from where the handle stands. */
  createReadStream(options: StreamOptions = {}): ReadableStream<Uint8Array<ArrayBuffer>> {
    const { start, end = Infinity, highWaterMark = STREAM_BYTES, autoClose = true, signal } = options;
    let position = start ?? null;
    let left = end === Infinity ? Infinity : end + 1 - (start ?? 0);
    const done = async () => {
      if (autoClose) await this.close();
    };
    // Streams that fail call nothing behind that.
    const orClose = <T>(work: () => Promise<T>): Promise<T> =>
      work().catch(async (error: unknown) => {
        await done().catch(() => {});
        throw error;
      });
    return new ReadableStream<Uint8Array<ArrayBuffer>>(
      {
        pull: async (controller) => {
          const length = Math.min(left, highWaterMark);
          const bytes = await orClose(async () => {
            throwIfAborted(signal);
            return length > 0 ? this.#call('read', 'read', (fd) => [fd, length, position]) : new Uint8Array();
          });
          left -= bytes.length;
          if (position !== null) position += bytes.length;
          if (bytes.length > 0) {
            controller.enqueue(bytes as Uint8Array<ArrayBuffer>);
            return;
          }
          await done();
          controller.close();
        },
        cancel: done,
      },
      { highWaterMark: 1 },
    );
  }

  readableWebStream(options: StreamOptions = {}): ReadableStream<Uint8Array<ArrayBuffer>> {
    return this.createReadStream({ autoClose: false, ...options });
  }

  /** Writes what comes, from `start` or from where the handle stands. */
  createWriteStream(options: Omit<StreamOptions, 'end' | 'highWaterMark'> & { encoding?: Encoding; flush?: boolean } = {}): WritableStream<string | ArrayBufferView> {
    const { start, autoClose = true, flush = false, signal } = options;
    const encoding = checkEncoding(options.encoding) ?? 'utf8';
    let position = start ?? null;
    const done = async () => {
      if (autoClose) await this.close();
    };
    // Streams that fail call nothing behind that.
    const orClose = <T>(work: () => Promise<T>): Promise<T> =>
      work().catch(async (error: unknown) => {
        await done().catch(() => {});
        throw error;
      });
    return new WritableStream<string | ArrayBufferView>({
      write: (part) =>
        orClose(async () => {
          throwIfAborted(signal);
          const bytes = dataBytes(part, encoding);
          if (bytes === undefined) throw argumentError('ERR_INVALID_ARG_TYPE', 'The "chunk" argument must be of type string or an instance of Buffer, TypedArray, or DataView.');
          const count = await this.#writeAll(bytes, position, signal);
          if (position !== null) position += count;
        }),
      close: async () => {
        if (flush) await orClose(() => this.sync());
        await done();
      },
      abort: done,
    });
  }

  /** The lines of the file, without what ends them. */
  async *readLines(options: { encoding?: Encoding; start?: number; end?: number } = {}): AsyncGenerator<string, void, void> {
    const reader = this.createReadStream({ start: options.start, end: options.end, autoClose: false }).getReader();
    const decoder = new TextDecoder(checkEncoding(options.encoding) ?? 'utf8');
    let rest = '';
    for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
      const lines = (rest + decoder.decode(piece.value, { stream: true })).split(/\r\n|\n/);
      rest = lines.pop() ?? '';
      yield* lines;
    }
    rest += decoder.decode();
    if (rest !== '') yield rest;
  }

  async #readInto(target: Uint8Array, position: number | null): Promise<number> {
    if (this.#port.isDirect) return this.#call('read', 'readInto', (fd) => [fd, target, position]);
    const bytes = await this.#call('read', 'read', (fd) => [fd, target.length, position]);
    target.set(bytes);
    return bytes.length;
  }

  #writeAll(bytes: Uint8Array, position: number | null, signal?: AbortSignal | null): Promise<number> {
    return this.#use('write', async (fd) => {
      let done = 0;
      do {
        throwIfAborted(signal);
        const part = this.#port.outgoing(bytes.subarray(done, done + FileHandle.MESSAGE_BYTES));
        const at = position === null ? null : position + done;
        done += await this.#port.call('write', [fd, part, at], { signal });
      } while (done < bytes.length);
      return done;
    });
  }

  #call<K extends OpName>(syscall: string, name: K, args: (fd: number) => OpArguments<K>, options?: CallOptions): Promise<OpResult<K>> {
    return this.#use(syscall, (fd) => this.#port.call(name, args(fd), options));
  }

  /** Something that the handle stays open for. */
  #use<T>(syscall: string, work: (fd: number) => Promise<T>): Promise<T> {
    if (this.#fd === -1) return Promise.reject(Object.assign(new Error('file closed'), { code: 'EBADF', syscall }));
    const running = work(this.#fd).catch((error: unknown) => {
      throw fromEngine(error, syscall);
    });
    this.#running.add(running);
    const over = () => this.#running.delete(running);
    running.then(over, over);
    return running;
  }
}

/** A position; what is none, or negative, is the handle's own. */
function place(position: number | bigint | null | undefined): number | null {
  if (typeof position === 'bigint') return position < 0n ? null : Number(position);
  return typeof position === 'number' && position >= 0 ? position : null;
}

function checkRange(offset: number, length: number, size: number): void {
  if (offset >= 0 && length >= 0 && offset + length <= size) return;
  const message = `The value of "length" is out of range. It must be <= ${size - offset}. Received ${length}`;
  throw Object.assign(new RangeError(message), { code: 'ERR_OUT_OF_RANGE' });
}

async function* parts(data: Data): AsyncGenerator<unknown> {
  if (typeof data === 'object' && data !== null && (Symbol.asyncIterator in data || Symbol.iterator in data)) {
    yield* data as AsyncIterable<unknown>;
    return;
  }
  throw argumentError('ERR_INVALID_ARG_TYPE', 'The "data" argument must be of type string or an instance of Buffer, TypedArray, DataView, Iterable, or AsyncIterable.');
}
