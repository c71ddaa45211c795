/** Making, opening, importing, exporting and deleting volumes. */
import { $check, $draft, $expanded, $file, $folders, $map, $overwrite, $part, $persistence, $selected, $space, $trial, $undo, $volume, $volumes } from '../state';
import { Volume } from 'xfskit';
import { OpenVolume, type NewVolume, type StoreKind, type VolumeEntry } from '../volume';
import { codeOf, size } from '../format';
import { confirm } from './question';
import { download } from './download';
import { say } from './say';
import { attempt, task } from './task';
import { load } from './tree';

/** What is not written back by the engine's clock: the page shows what waits, and syncs itself. */
const NO_CLOCK = { syncAfterMs: 0 };

/** The stores that keep volumes here, best first. */
export async function storesHere(): Promise<StoreKind[]> {
  const stores: StoreKind[] = [];
  // Private windows of some browsers have the call and refuse it.
  if (await navigator.storage?.getDirectory?.().then(() => true, () => false)) stores.push('opfs');
  if ('indexedDB' in globalThis) stores.push('indexeddb');
  return [...stores, 'memory'];
}

export async function listVolumes(): Promise<void> {
  const kept: VolumeEntry[] = [];
  for (const store of await storesHere()) {
    if (store === 'memory') continue;
    const found = await Volume.list({ store }).catch(() => []);
    kept.push(...found.map((name) => ({ name, store })));
  }
  const open = $volume.get()?.entry;
  if (open?.store === 'memory') kept.push(open);
  $volumes.set(kept.sort((a, b) => a.name.localeCompare(b.name)));
  await readPersistence();
}

async function readPersistence(): Promise<void> {
  const [kept, estimate] = await Promise.all([navigator.storage?.persisted?.().catch(() => undefined), navigator.storage?.estimate?.().catch(() => undefined)]);
  const kind = kept === undefined ? 'unknown' : kept ? 'persistent' : 'best-effort';
  $persistence.set({ kind, usage: estimate?.usage, quota: estimate?.quota });
}

/** Whether the open volume may be closed: not unasked with a draft in the editor, or when it is gone then. */
async function mayLeave(): Promise<boolean> {
  const current = $volume.get()?.entry;
  const ask = (title: string, text: string, yes: string) => confirm({ title, text, yes, danger: true });
  if ($draft.get() !== undefined && !(await ask('Discard your changes?', 'The text in the editor is not in the volume yet.', 'Discard changes'))) return false;
  if (current?.store !== 'memory') return true;
  return ask(`Close ${current.name}?`, 'It is in memory only, and gone when it is closed. Export its image first if you want to keep it.', 'Close it');
}

/** Closes the open volume when the person wants that. */
export async function close(): Promise<void> {
  if (!(await mayLeave())) return;
  await attempt('Closing the volume', leave);
  await listVolumes();
}

export async function create(options: NewVolume): Promise<boolean> {
  if (!(await mayLeave())) return false;
  const made = await task(`Making ${options.name}`, async () => {
    const { name, store, size, blockSize, label } = options;
    const raw = await Volume.open({ name, store, create: { size, blockSize, label, exclusive: true }, ...NO_CLOCK });
    await leave();
    await enter({ name, store }, raw);
    return true;
  });
  return made ?? false;
}

/** Opens a volume that is kept here; if another tab has it, offers to look only. */
export async function open(entry: VolumeEntry): Promise<void> {
  const current = $volume.get()?.entry;
  if (current?.name === entry.name && current.store === entry.store) {
    $part.set('files');
    return;
  }
  if (!(await mayLeave())) return;
  await task(`Opening ${entry.name}`, async () => {
    const raw = await openOrLook(entry);
    if (!raw) return;
    await leave();
    await enter(entry, raw);
  });
}

async function openOrLook(entry: VolumeEntry): Promise<Volume | undefined> {
  const { name, store } = entry;
  try {
    return await Volume.open({ name, store, ...NO_CLOCK });
  } catch (error) {
    if (codeOf(error) !== 'EBUSY') throw error;
  }
  const title = `${name} is open elsewhere`;
  const looks = await confirm({ title, text: 'Another tab writes to this volume. You can look at it here, without changing anything.', yes: 'Open to look' });
  return looks ? Volume.open({ name, store, readOnly: true }) : undefined;
}

async function enter(entry: VolumeEntry, raw: Volume): Promise<void> {
  const volume = new OpenVolume(entry, raw);
  $volume.set(volume);
  $space.set(await volume.space());
  $expanded.set(new Set(['/']));
  await load('/');
  await listVolumes();
  $part.set('files');
  if (volume.recovered) say(`${entry.name} had not been closed: its log was recovered`, 'success');
  for (const warning of volume.warnings) say(warning, 'warning');
}

/** Closes the open volume. What it had in memory is durable then. */
async function leave(): Promise<void> {
  const volume = $volume.get();
  $volume.set(undefined);
  for (const store of [$space, $file, $draft, $map, $overwrite, $trial, $check, $undo, $selected]) store.set(undefined);
  $folders.set(new Map());
  if (volume) await volume.close();
}

/** Takes an image in: a copy of it becomes a volume of this browser. */
export async function importImage(file: File): Promise<void> {
  const stores = await storesHere();
  const store = stores[0] ?? 'memory';
  const taken = new Set($volumes.get().map((volume) => volume.name));
  let name = file.name.replace(/\.(img|xfs|raw|bin|iso)$/i, '') || 'image';
  for (let n = 2; taken.has(name); n += 1) name = `${name.replace(/ \d+$/, '')} ${n}`;
  if (!(await mayLeave())) return;
  await task(`Opening ${file.name} (${size(file.size)})`, async ({ signal, onProgress }) => {
    const raw = await Volume.importImage({ name, store, ...NO_CLOCK }, file, { signal, onProgress });
    await leave();
    await enter({ name, store }, raw);
  });
}

export async function exportImage(): Promise<void> {
  const volume = $volume.get();
  if (!volume) return;
  await task(`Exporting ${volume.entry.name}`, async ({ signal, onProgress }) => {
    const stream = volume.raw.exportImage({ signal, onProgress });
    await download(stream, `${volume.entry.name}.img`);
  });
}

export async function exportTar(path: string, name: string): Promise<void> {
  const volume = $volume.get();
  if (!volume) return;
  await task(`Packing ${name}`, async ({ signal }) => download(volume.raw.exportTar(path, { signal }), name));
}

export async function remove(entry: VolumeEntry): Promise<void> {
  const text = `The volume ${entry.name} and everything in it is deleted from this browser. There is no undo: export it first if you may want it again.`;
  if (!(await confirm({ title: `Delete ${entry.name}?`, text, yes: 'Delete volume', danger: true }))) return;
  await attempt(`Deleting ${entry.name}`, async () => {
    const current = $volume.get()?.entry;
    if (current?.name === entry.name && current.store === entry.store) await leave();
    if (entry.store !== 'memory') await Volume.delete({ name: entry.name, store: entry.store });
    await listVolumes();
    if (!$volume.get()) $part.set('volumes');
  });
}
