/** The three steps of the empty page, each of which can be done by a button. */
import { $folders, $overwrite, $volume, $volumes } from '../state';
import { computed } from 'nanostores';
import { changed } from './changed';
import { clone } from './files';
import { openFile } from './edit';
import { attempt } from './task';
import { volume } from './tree';
import { create, storesHere } from './volumes';
import { freeName } from '../paths';

/** The step that comes next. */
export const $lesson = computed([$volume, $folders, $overwrite], (open, folders, overwrite) => {
  if (!open) return 1;
  const hasClone = [...folders.values()].flat().some((entry) => / clone(\.|$| )/.test(entry.name));
  return !hasClone ? 2 : overwrite ? 0 : 3;
});

export async function makeVolume(): Promise<void> {
  const [store = 'memory'] = await storesHere();
  const name = freeName('first', new Set($volumes.get().map((entry) => entry.name)));
  await create({ name, store, size: 64 * 1024 * 1024, blockSize: 4096, label: 'first' });
}

/** A text of 16 blocks, each line numbered, so that an edit touches one block. */
export function sample(blockSize: number): string {
  const lines: string[] = [];
  const line = (n: number) => `${String(n).padStart(5, '0')}  Change this line, save, and watch one block part.`.padEnd(63) + '\n';
  for (let n = 0; n < (16 * blockSize) / 64; n += 1) lines.push(line(n));
  return lines.join('');
}

export async function addAndClone(): Promise<void> {
  await attempt('Adding the sample', async () => {
    const open = volume();
    const names = new Set((await open.list('/')).map((entry) => entry.name));
    const path = `/${freeName('sample.txt', names)}`;
    await open.fs.writeFile(path, sample(open.blockSize));
    await changed();
    const made = await clone(path);
    if (made) await openFile(made);
  });
}
