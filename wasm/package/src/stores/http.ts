/** An image on a web server or an object store, of which only what is read is fetched, by range requests. */
import type { Bindings } from '../bindings.ts';
import { utf8 } from '../bytes.ts';
import { FsError, fsError } from '../errors.ts';
import type { HostOptions } from '../options.ts';
import type { Store } from './store.ts';
import { type ChunkIo, Waiting } from './waiting.ts';

const CHUNK_BYTES = 256 * 1024;

export async function openHttp(bindings: Bindings, options: HostOptions): Promise<Store> {
  const url = options.base!;
  const image = await HttpImage.find(url);
  const chunks = new bindings.Chunks(image.length, CHUNK_BYTES, options.memoryBytes, undefined, false);
  const waiting = new Waiting(chunks, image, options.memoryBytes);
  return { disk: bindings.Disk.chunked(chunks), fresh: false, ours: false, fingerprint: image.fingerprint, waiting: [waiting], close: async () => {} };
}

class HttpImage implements ChunkIo {
  readonly length: number;
  readonly #url: string;
  /** What tells this version of the image from another one, if the server says. */
  readonly #version: string | undefined;

  private constructor(url: string, length: number, version: string | undefined) {
    this.#url = url;
    this.length = length;
    this.#version = version;
  }

  /** At most 128 bytes. */
  get fingerprint(): Uint8Array {
    return utf8(this.#version ?? '').slice(0, 128);
  }

  /** Asks for the first byte: not every server answers `HEAD`, and this tells also whether it knows ranges. */
  static async find(url: string): Promise<HttpImage> {
    const { response } = await get(url, 0, 1);
    const total = Number(/\/(\d+)$/.exec(response.headers.get('content-range') ?? '')?.[1] ?? (await lengthOf(url)));
    if (!Number.isSafeInteger(total)) {
      throw fsError('EOPNOTSUPP', 'open', url, undefined, 'the server does not tell the length of the image');
    }
    return new HttpImage(url, total, versionOf(response));
  }

  async fetch(first: number, end: number): Promise<Uint8Array[]> {
    const from = first * CHUNK_BYTES;
    const to = Math.min(end * CHUNK_BYTES, this.length);
    const { response, bytes } = await get(this.#url, from, to);
    if (versionOf(response) !== this.#version) {
      throw fsError('ESTALE', 'read', this.#url, undefined, 'the image has changed on the server');
    }
    if (bytes.length !== to - from) throw fsError('EIO', 'read', this.#url, undefined, 'the answer is too short');
    return Array.from({ length: end - first }, (_, i) => bytes.subarray(i * CHUNK_BYTES, (i + 1) * CHUNK_BYTES));
  }
}

/** A request that has stalled is given up after this. */
const TIMEOUT_MS = 60_000;
const TRIES = 4;
const PAUSE_MS = 250;

/** The answer to a range request, and its bytes. What passes by itself is tried again. */
async function get(url: string, from: number, to: number): Promise<{ response: Response; bytes: Uint8Array }> {
  for (let tries = 1; ; tries++) {
    try {
      return await getOnce(url, from, to);
    } catch (error) {
      if (tries === TRIES || !(error instanceof Passing)) throw error instanceof Passing ? error.reason : error;
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS * 2 ** tries));
    }
  }
}

/** Something that may be better in a moment. */
class Passing extends Error {
  constructor(readonly reason: unknown) {
    super();
  }
}

async function getOnce(url: string, from: number, to: number): Promise<{ response: Response; bytes: Uint8Array }> {
  let response: Response;
  try {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    response = await fetch(url, { headers: { range: `bytes=${from}-${to - 1}` }, signal });
    if (response.status === 206) {
      const start = /^bytes (\d+)-/.exec(response.headers.get('content-range') ?? '')?.[1];
      if (start !== undefined && Number(start) !== from) throw fsError('EIO', 'read', url, undefined, 'the server sent another range');
      return { response, bytes: new Uint8Array(await response.arrayBuffer()) };
    }
    await response.body?.cancel();
  } catch (error) {
    if (error instanceof FsError) throw error;
    throw new Passing(fsError('EIO', 'read', url, undefined, error instanceof Error ? error.message : String(error)));
  }
  if (response.ok) throw fsError('EOPNOTSUPP', 'read', url, undefined, 'the server does not answer range requests');
  const { status } = response;
  const code = status === 404 ? 'ENOENT' : status === 401 || status === 403 ? 'EACCES' : 'EIO';
  const error = fsError(code, 'read', url, undefined, `HTTP status ${status}`);
  throw status === 429 || status >= 500 ? new Passing(error) : error;
}

/** Another origin's server may keep `content-range` from us, but not the length of the whole. */
async function lengthOf(url: string): Promise<number> {
  try {
    const response = await fetch(url, { method: 'HEAD', signal: AbortSignal.timeout(TIMEOUT_MS) });
    return Number((response.ok ? response.headers.get('content-length') : null) ?? NaN);
  } catch {
    return NaN;
  }
}

function versionOf(response: Response): string | undefined {
  return response.headers.get('etag') ?? response.headers.get('last-modified') ?? undefined;
}
