/** A volume in memory: gone when it is closed. */
import type { Bindings } from '../bindings.ts';
import { fsError } from '../errors.ts';
import type { HostOptions } from '../options.ts';
import type { Store } from './store.ts';

export async function openMemory(bindings: Bindings, options: HostOptions, length: number | undefined): Promise<Store> {
  if (length === undefined) throw fsError('ENOENT', 'open', options.name, undefined, 'a volume in memory has to be created');
  return { disk: bindings.Disk.memory(length), fresh: true, ours: true, waiting: [], close: async () => {} };
}
