/** All that a host can be asked, by name. */
import * as files from './files.ts';
import * as names from './names.ts';
import * as trees from './trees.ts';
import * as whole from './whole.ts';

const { PIECE_BYTES: _piece, ...fileOps } = files;
const { NO_NAMES: _names, withoutPrivileges: _mode, meansFolder: _folder, ...nameOps } = names;

export const ops = { ...fileOps, ...nameOps, ...trees, ...whole, syncVolume: whole.sync, sync: files.sync };

export type Ops = typeof ops;
export type OpName = keyof Ops;
type Rest<T> = T extends (host: never, request: never, ...rest: infer R) => unknown ? R : T extends (...few: never[]) => unknown ? [] : never;
export type OpArguments<K extends OpName> = Rest<Ops[K]>;
export type OpResult<K extends OpName> = Awaited<ReturnType<Ops[K]>>;
