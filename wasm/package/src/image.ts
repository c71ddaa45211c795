/** Images of whole volumes, out and in. */
import { fsError, throwIfAborted } from './errors.ts';
import type { Opened } from './host.ts';
import type { Port } from './port.ts';

/** How far something is, in bytes. */
export interface Progress {
  done: number;
  /** Not known of every stream. */
  total: number | undefined;
}

export interface ExportOptions {
  onProgress?(progress: Progress): void;
  signal?: AbortSignal | null;
}

/** A part of an image, as `FileSystemWritableFileStream` takes it. */
export type ImagePart = { type: 'write'; position: number; data: Uint8Array<ArrayBuffer> } | { type: 'truncate'; size: number };

/** Anything that bytes come out of. */
export type ImageSource = ReadableStream<Uint8Array> | Blob | ArrayBufferView | ArrayBuffer | Response;

/** What lies between used parts is given in pieces of this size. */
const ZEROS_BYTES = 1 << 20;

/** The used parts of the image, and its size. Until the stream ends, or is cancelled, changes wait. */
export function exportParts(port: Port, options: ExportOptions = {}): ReadableStream<ImagePart> {
  let open: { id: number; size: number; used: number } | undefined;
  let done = 0;
  const end = async () => {
    const id = open?.id;
    open = undefined;
    if (id !== undefined) await port.call('exportEnd', [id]);
  };
  return new ReadableStream<ImagePart>(
    {
      async pull(controller) {
        try {
          throwIfAborted(options.signal);
          if (open === undefined) {
            // Not to be cancelled: nobody would know what to end.
            open = await port.call('exportBegin', []);
            throwIfAborted(options.signal);
            controller.enqueue({ type: 'truncate', size: open.size });
            return;
          }
          const part = await port.call('exportNext', [open.id], options);
          if (part === undefined) {
            await end();
            controller.close();
            return;
          }
          done += part.data.length;
          options.onProgress?.({ done, total: open.used });
          controller.enqueue({ type: 'write', position: part.position, data: part.data as Uint8Array<ArrayBuffer> });
        } catch (error) {
          await end().catch(() => {});
          throw error;
        }
      },
      cancel: end,
    },
    { highWaterMark: 0 },
  );
}

/** The image from its first byte to its last. */
export function exportWhole(port: Port, options: ExportOptions = {}): ReadableStream<Uint8Array<ArrayBuffer>> {
  const parts = exportParts(port, options).getReader();
  let size = 0;
  let at = 0;
  let next: { position: number; data: Uint8Array<ArrayBuffer> } | undefined;
  let isOver = false;
  return new ReadableStream<Uint8Array<ArrayBuffer>>(
    {
      async pull(controller) {
        while (next === undefined && !isOver) {
          const { done, value } = await parts.read();
          if (done) isOver = true;
          else if (value.type === 'truncate') size = value.size;
          else next = value;
        }
        const zeros = (next?.position ?? size) - at;
        if (zeros > 0) {
          const count = Math.min(zeros, ZEROS_BYTES);
          at += count;
          controller.enqueue(new Uint8Array(count));
        } else if (next !== undefined) {
          at += next.data.length;
          controller.enqueue(next.data);
          next = undefined;
        } else {
          controller.close();
        }
      },
      cancel: (reason) => parts.cancel(reason),
    },
    { highWaterMark: 0 },
  );
}

export interface SizedStream {
  stream: ReadableStream<Uint8Array>;
  size: number | undefined;
}

/** A source as a stream, with its length where that is known. */
export function streamOf(source: ImageSource): SizedStream {
  if (source instanceof ReadableStream) return { stream: source, size: undefined };
  if (source instanceof Response) {
    if (!source.ok || source.body === null) throw fsError('EIO', 'read', source.url, undefined, `HTTP status ${source.status}`);
    return { stream: source.body, size: undefined };
  }
  const blob = source instanceof Blob ? source : new Blob([source as BlobPart]);
  return { stream: blob.stream() as ReadableStream<Uint8Array>, size: blob.size };
}

const MAGIC = 0x5846_5342;
const HEAD_BYTES = 512;

/** The size of the volume whose image begins like this, from its superblock. */
export function imageBytes(head: Uint8Array): number {
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  if (head.length < HEAD_BYTES || view.getUint32(0) !== MAGIC) {
    throw fsError('EINVAL', 'importImage', undefined, undefined, 'this is no image of an XFS volume');
  }
  const bytes = view.getUint32(4) * Number(view.getBigUint64(8));
  if (!Number.isSafeInteger(bytes)) throw fsError('EUCLEAN', 'importImage', undefined, undefined, 'the superblock makes no sense');
  return bytes;
}

/** Reads until there is enough to know what it is. */
export async function headOf(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<Uint8Array> {
  let head = new Uint8Array();
  while (head.length < HEAD_BYTES) {
    const { done, value } = await reader.read();
    if (done) break;
    const more = new Uint8Array(head.length + value.length);
    more.set(head);
    more.set(value, head.length);
    head = more;
  }
  return head;
}

/** What is written at once, and left out when it is zeros. */
const IMPORT_BYTES = 64 * 1024;
/** What one message carries. */
const MESSAGE_BYTES = 1 << 20;

/** Writes an image into a store that holds nothing yet, and opens the volume. */
export async function importInto(
  port: Port, head: Uint8Array, reader: ReadableStreamDefaultReader<Uint8Array>, size: number, options: ExportOptions,
): Promise<Opened> {
  let at = 0;
  // What is only half there must not be taken for a volume: its superblock comes last.
  const sector = head.slice(0, HEAD_BYTES);
  const rest = head.slice();
  rest.fill(0, 0, HEAD_BYTES);
  for (let piece: Uint8Array | undefined = rest; piece !== undefined; ) {
    throwIfAborted(options.signal);
    // What lies behind the volume is none of ours.
    const useful = piece.subarray(0, Math.max(size - at, 0));
    for (const [start, end] of filled(useful)) {
      await port.call('importWrite', [at + start, port.outgoing(useful.subarray(start, end))], options);
    }
    at += useful.length;
    options.onProgress?.({ done: at, total: size });
    const next = await reader.read();
    piece = next.done ? undefined : next.value;
  }
  if (at < size) throw fsError('EINVAL', 'importImage', undefined, undefined, `the image ends after ${at} of ${size} bytes`);
  return port.call('importEnd', [port.outgoing(sector)]);
}

/** The parts of `bytes` that are not zeros. */
function* filled(bytes: Uint8Array): Generator<[start: number, end: number]> {
  let start: number | undefined;
  for (let at = 0; at < bytes.length; at += IMPORT_BYTES) {
    const end = Math.min(at + IMPORT_BYTES, bytes.length);
    if (isZeros(bytes.subarray(at, end))) {
      if (start !== undefined) yield [start, at];
      start = undefined;
    } else {
      start ??= at;
      if (end - start >= MESSAGE_BYTES) {
        yield [start, end];
        start = undefined;
      }
    }
  }
  if (start !== undefined) yield [start, bytes.length];
}

function isZeros(bytes: Uint8Array): boolean {
  const skew = Math.min((4 - (bytes.byteOffset % 4)) % 4, bytes.length);
  const count = Math.floor((bytes.length - skew) / 4);
  const words = count > 0 ? new Uint32Array(bytes.buffer, bytes.byteOffset + skew, count) : new Uint32Array();
  for (let i = 0; i < words.length; i++) if (words[i] !== 0) return false;
  const isZero = (byte: number) => byte === 0;
  return bytes.subarray(0, skew).every(isZero) && bytes.subarray(skew + count * 4).every(isZero);
}
