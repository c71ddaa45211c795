/**
 * What the library for archives leaves out: bytes of PAX records that are no text, as attributes may be, and the
 * numbers of devices. A tap on the stream takes them down, entry by entry.
 */
import { decode, fromUtf8, utf8 } from './bytes.ts';

const BLOCK_BYTES = 512;
const MAX_META_BYTES = 8 << 20;

export interface EntryMeta {
  /** The records of the entry's PAX header, with their values as they are. */
  records: Map<string, Uint8Array>;
  major: number;
  minor: number;
}

/** What the tap is in the middle of. */
interface Body {
  left: number;
  /** Where a PAX header's bytes go. */
  into: Uint8Array | undefined;
  filled: number;
}

/** Passes an archive on as it is; `entries` gets what is known of each entry, in order. */
export function tap(entries: EntryMeta[]): TransformStream<Uint8Array, Uint8Array> {
  const head = new Uint8Array(BLOCK_BYTES);
  let headFilled = 0;
  let body: Body | undefined;
  let records = new Map<string, Uint8Array>();
  let isOver = false;

  const onHead = () => {
    if (head.every((byte) => byte === 0)) {
      isOver = true;
      return;
    }
    const type = String.fromCharCode(head[156]!);
    const isMeta = type === 'x' || type === 'g' || type === 'L' || type === 'K';
    let size = number(head, 124, 12);
    if (!isMeta) {
      const told = records.get('size');
      if (told !== undefined) size = Number(fromUtf8(told));
      if ('123456'.includes(type)) size = 0;
      entries.push({ records, major: number(head, 329, 8), minor: number(head, 337, 8) });
      records = new Map();
    }
    const padded = Math.ceil(size / BLOCK_BYTES) * BLOCK_BYTES;
    const isKept = type === 'x' && size <= MAX_META_BYTES;
    if (padded > 0) body = { left: padded, into: isKept ? new Uint8Array(padded) : undefined, filled: 0 };
  };

  const onBody = (bytes: Uint8Array) => {
    if (body === undefined) return;
    body.into?.set(bytes, body.filled);
    body.filled += bytes.length;
    body.left -= bytes.length;
    if (body.left > 0) return;
    if (body.into !== undefined) records = parseRecords(body.into);
    body = undefined;
  };

  return new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      for (let at = 0; at < chunk.length && !isOver; ) {
        if (body !== undefined) {
          const count = Math.min(body.left, chunk.length - at);
          onBody(chunk.subarray(at, at + count));
          at += count;
          continue;
        }
        const count = Math.min(BLOCK_BYTES - headFilled, chunk.length - at);
        head.set(chunk.subarray(at, at + count), headFilled);
        headFilled += count;
        at += count;
        if (headFilled < BLOCK_BYTES) break;
        headFilled = 0;
        onHead();
      }
      controller.enqueue(chunk);
    },
  });
}

/** A number of a header: octal digits, or, with the top bit set, the bytes themselves. */
function number(head: Uint8Array, at: number, length: number): number {
  const bytes = head.subarray(at, at + length);
  if ((bytes[0]! & 0x80) !== 0) return bytes.subarray(1).reduce((sum, byte) => sum * 256 + byte, bytes[0]! & 0x7f);
  const digits = /[0-7]+/.exec(decode(bytes, 'latin1'))?.[0];
  return digits === undefined ? 0 : parseInt(digits, 8);
}

const SPACE = 0x20;
const EQUALS = 0x3d;

/** `length key=value\n`, again and again. */
function parseRecords(bytes: Uint8Array): Map<string, Uint8Array> {
  const records = new Map<string, Uint8Array>();
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(SPACE, at);
    const length = space < 0 ? NaN : Number(decode(bytes.subarray(at, space), 'latin1'));
    if (!(length > 0) || at + length > bytes.length) break;
    const equals = bytes.indexOf(EQUALS, space);
    if (equals < 0 || equals >= at + length) break;
    records.set(fromUtf8(bytes.subarray(space + 1, equals)), bytes.slice(equals + 1, at + length - 1));
    at += length;
  }
  return records;
}

/** The other way. */
export function packRecords(records: Map<string, Uint8Array>): Uint8Array<ArrayBuffer> {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let total = 0;
  for (const [key, value] of records) {
    const name = utf8(`${key}=`);
    // Space and newline, and the digits of the length, which counts itself.
    const rest = name.length + value.length + 2;
    let length = rest + String(rest).length;
    if (String(length).length > String(rest).length) length = rest + String(length).length;
    const part = new Uint8Array(length);
    const count = utf8(`${length} `);
    part.set(count);
    part.set(name, count.length);
    part.set(value, count.length + name.length);
    part[length - 1] = 0x0a;
    parts.push(part);
    total += length;
  }
  const packed = new Uint8Array(total);
  let at = 0;
  for (const part of parts) {
    packed.set(part, at);
    at += part.length;
  }
  return packed;
}
