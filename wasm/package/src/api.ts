/** The names of the package. */
export type { Mode, OpenMode, PathLike, TimeLike } from './arguments.ts';
export type { Encoding } from './bytes.ts';
export { constants } from './constants.ts';
export type { CpOptions } from './cp.ts';
export { Dir, Dirent } from './dirent.ts';
export type { WasmSource } from './engine.ts';
export { AbortError, FsError } from './errors.ts';
export { FileHandle, type ReadOptions, type StreamOptions } from './filehandle.ts';
export type { Opened, Recovery, VolumeInfo } from './host.ts';
export type { ExportOptions, ImagePart, ImageSource, Progress } from './image.ts';
export type { Extent, Owner, Range } from './map.ts';
export type { CreateOptions, HttpStore, OpenOptions, StoreName } from './options.ts';
export type { Pipeline, StoreEvent } from './pipeline.ts';
export type { Data, FsPromises, ReaddirOptions, ReadFileOptions, RmOptions, WriteFileOptions } from './promises.ts';
export { BigIntStats, type StatFs, Stats } from './stats.ts';
export type { TarInOptions, TarOutOptions } from './tar.ts';
export { type CheckReport, type CloneRange, type Space, Volume, type XattrOptions } from './volume.ts';
export type { WatchEvent, WatchOptions } from './watch.ts';
