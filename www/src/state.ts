/** All that the panes show. Panes read it and call actions; only actions change it. */
import { atom, computed } from 'nanostores';
import type { Entry, ExtentMap, OpenVolume, Space, VolumeEntry } from './volume';
import type { Overwrite } from './actions/overwrite';
import type { Trial } from './actions/trial';
import type { CheckReport } from './volume';

/** Volumes that this browser keeps. */
export const $volumes = atom<VolumeEntry[]>([]);
/** The open one. */
export const $volume = atom<OpenVolume | undefined>();
export const $space = atom<Space | undefined>();

/** Listings of the folders that were opened, by path. */
export const $folders = atom<ReadonlyMap<string, Entry[]>>(new Map());
export const $expanded = atom<ReadonlySet<string>>(new Set(['/']));
/** Path of what is selected in the tree. */
export const $selected = atom<string | undefined>();
export const $selectedEntry = computed([$selected, $folders], (path, folders) => {
  if (path === undefined || path === '/') return undefined;
  const folder = path.slice(0, path.lastIndexOf('/')) || '/';
  return folders.get(folder)?.find((entry) => entry.path === path);
});

/** Path of the item that gets the focus as soon as it is there and no dialog is in front. */
export const $wantsFocus = atom<string | undefined>();

/** The file in the editor. */
export interface OpenFile {
  path: string;
  ino: number;
  size: number;
  /** Contents; of a large or binary file only what is shown in hex, from `at` on. */
  bytes: Uint8Array;
  at: number;
  kind: 'text' | 'binary';
  /** Counts up when the contents were read anew, so that the editor takes them. */
  version: number;
}
export const $file = atom<OpenFile | undefined>();
/** What the editor holds that the volume does not have yet. */
export const $draft = atom<string | undefined>();
/** Where the file's blocks lie, and who else has them. */
export const $map = atom<ExtentMap | undefined>();
/** The last overwrite, step by step. */
export const $overwrite = atom<Overwrite | undefined>();
/** Power cuts that were tried. */
export const $trial = atom<Trial | undefined>();
export const $check = atom<CheckReport | undefined>();

/** The panel that is in front beside or below the file. */
export type Panel = 'blocks' | 'overwrite' | 'plug' | 'check';
export const $panel = atom<Panel>('blocks');
/** On narrow screens one part of the page is shown at a time. */
export type Part = 'volumes' | 'files' | 'file' | 'inspect';
export const $part = atom<Part>('volumes');

/** Long work that is going on. */
export interface Task {
  id: number;
  label: string;
  /** 0 to 1; nothing: not known. */
  progress: number | undefined;
  cancel: (() => void) | undefined;
}
export const $tasks = atom<readonly Task[]>([]);

/** The last deletion that can be taken back. */
export const $undo = atom<{ label: string; undo: () => Promise<void> } | undefined>();

/** How safe what is stored here is, as the browser says. */
export interface Persistence {
  kind: 'persistent' | 'best-effort' | 'unknown';
  usage: number | undefined;
  quota: number | undefined;
}
export const $persistence = atom<Persistence>({ kind: 'unknown', usage: undefined, quota: undefined });
export const $offline = atom(false);

export type Theme = 'auto' | 'light' | 'dark';
export const $theme = atom<Theme>('auto');
