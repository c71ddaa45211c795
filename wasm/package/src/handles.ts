/** Open files, by the number that `open` gave. */
import { constants } from './constants.ts';
import { fsError } from './errors.ts';

const { O_APPEND, O_DSYNC, O_RDONLY, O_WRONLY } = constants;
/** The bits of the flags that say whether a file is read, written, or both. */
export const O_ACCMODE = 3;

export interface Handle {
  readonly ino: number;
  readonly flags: number;
  readonly isFolder: boolean;
  /** The path that it was opened by. */
  readonly path: Uint8Array;
  /** Where the next read or write without a position begins. */
  position: number;
}

/** The first number given out, as after standard input, output and error. */
const FIRST = 3;

export class Handles {
  readonly #open = new Map<number, Handle>();
  #next = FIRST;

  add(ino: number, flags: number, isFolder: boolean, path: Uint8Array): number {
    const fd = this.#next++;
    this.#open.set(fd, { ino, flags, isFolder, path, position: 0 });
    return fd;
  }

  get(fd: number, syscall: string): Handle {
    const handle = this.#open.get(fd);
    if (handle === undefined) throw fsError('EBADF', syscall);
    return handle;
  }

  readable(fd: number, syscall: string): Handle {
    const handle = this.get(fd, syscall);
    if ((handle.flags & O_ACCMODE) === O_WRONLY) throw fsError('EBADF', syscall);
    return handle;
  }

  writable(fd: number, syscall: string): Handle {
    const handle = this.get(fd, syscall);
    if ((handle.flags & O_ACCMODE) === O_RDONLY) throw fsError(syscall === 'ftruncate' ? 'EINVAL' : 'EBADF', syscall);
    return handle;
  }

  remove(fd: number): Handle {
    const handle = this.get(fd, 'close');
    this.#open.delete(fd);
    return handle;
  }

  clear(): void {
    this.#open.clear();
  }
}

export function appends(handle: Handle): boolean {
  return (handle.flags & O_APPEND) !== 0;
}

/** Every write is to be durable when it returns. */
export function isSynchronous(handle: Handle): boolean {
  return (handle.flags & O_DSYNC) !== 0;
}
