/** Text to bytes and back, in the encodings that Node's `fs` takes. */
import { argumentError } from './errors.ts';

/** Encodings of Node's `fs`; `buffer` leaves bytes as they are. */
export type Encoding =
  | 'utf8' | 'utf-8' | 'latin1' | 'binary' | 'ascii' | 'hex' | 'base64' | 'base64url' | 'utf16le' | 'utf-16le' | 'ucs2' | 'ucs-2';

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

interface BufferLike {
  from(bytes: ArrayBufferLike, offset: number, length: number): Uint8Array<ArrayBuffer>;
}

/** Where there is Node's `Buffer`, or a stand-in for it, bytes are given as one, because callers of `fs` expect that. */
export function asBuffer(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const node = (globalThis as { Buffer?: BufferLike }).Buffer;
  if (node === undefined) return bytes as Uint8Array<ArrayBuffer>;
  return node.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

export function utf8(text: string): Uint8Array<ArrayBuffer> {
  return encoder.encode(text);
}

export function fromUtf8(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

/** The canonical name of an encoding; `undefined` for `buffer` and for none. */
export function checkEncoding(encoding: unknown): string | undefined {
  if (encoding === undefined || encoding === null || encoding === 'buffer') return undefined;
  switch (String(encoding).toLowerCase()) {
    case 'utf8':
    case 'utf-8':
      return 'utf8';
    case 'latin1':
    case 'binary':
      return 'latin1';
    case 'ascii':
      return 'ascii';
    case 'hex':
      return 'hex';
    case 'base64':
      return 'base64';
    case 'base64url':
      return 'base64url';
    case 'utf16le':
    case 'utf-16le':
    case 'ucs2':
    case 'ucs-2':
      return 'utf16le';
    default:
      throw argumentError('ERR_INVALID_ARG_VALUE', `The argument 'encoding' is invalid encoding. Received '${String(encoding)}'`);
  }
}

export function decode(bytes: Uint8Array, encoding: string): string {
  switch (encoding) {
    case 'utf8':
      return fromUtf8(bytes);
    case 'utf16le':
      return new TextDecoder('utf-16le', { ignoreBOM: true }).decode(bytes.subarray(0, bytes.length & ~1));
    case 'hex':
      return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
    case 'ascii':
      return binary(bytes.map((byte) => byte & 0x7f));
    case 'base64':
      return btoa(binary(bytes));
    case 'base64url':
      return btoa(binary(bytes)).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
    default:
      return binary(bytes);
  }
}

export function encode(text: string, encoding: string): Uint8Array<ArrayBuffer> {
  switch (encoding) {
    case 'utf8':
      return utf8(text);
    case 'utf16le': {
      const bytes = new Uint8Array(text.length * 2);
      const view = new DataView(bytes.buffer);
      for (let i = 0; i < text.length; i++) view.setUint16(i * 2, text.charCodeAt(i), true);
      return bytes;
    }
    case 'hex': {
      const digits = /^(?:[0-9a-f]{2})*/i.exec(text)?.[0] ?? '';
      return Uint8Array.from({ length: digits.length / 2 }, (_, i) => parseInt(digits.slice(i * 2, i * 2 + 2), 16));
    }
    case 'base64':
    case 'base64url': {
      const plain = text.replaceAll('-', '+').replaceAll('_', '/').replace(/[^A-Za-z0-9+/]/g, '');
      return fromBinary(atob(plain));
    }
    default:
      return fromBinary(text);
  }
}

/** Each byte as the character with its number, in pieces, since an argument list has a limit. */
function binary(bytes: Uint8Array): string {
  let text = '';
  for (let at = 0; at < bytes.length; at += 0x2000) {
    text += String.fromCharCode(...bytes.subarray(at, at + 0x2000));
  }
  return text;
}

function fromBinary(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(text, (char) => char.charCodeAt(0) & 0xff);
}

/** Bytes of whatever Node's `fs` takes as data, without a copy where they are bytes already. */
export function dataBytes(data: unknown, encoding: string): Uint8Array | undefined {
  if (typeof data === 'string') return encode(data, encoding);
  if (data instanceof Uint8Array) return data;
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return undefined;
}

export function asNumbers(values: Float64Array): number[] {
  return Array.from(values);
}
