/** Absolute paths of a volume. */

/** Where what was deleted waits. */
export const TRASH = '/.Trash';

export function join(folder: string, name: string): string {
  return folder === '/' ? `/${name}` : `${folder}/${name}`;
}

export function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/')) || '/';
}

export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** Whether `path` is `folder` or lies below it. */
export function isWithin(path: string, folder: string): boolean {
  return folder === '/' || path === folder || path.startsWith(`${folder}/`);
}

/** `name` with a word before its extension: `poem.txt` and `copy` make `poem copy.txt`. */
export function withSuffix(name: string, word: string): string {
  const dot = name.lastIndexOf('.');
  return dot > 0 ? `${name.slice(0, dot)} ${word}${name.slice(dot)}` : `${name} ${word}`;
}

/** `name` itself, or with a number, so that it is not among `taken`. */
export function freeName(name: string, taken: ReadonlySet<string>): string {
  let candidate = name;
  for (let n = 2; taken.has(candidate); n += 1) candidate = withSuffix(name, String(n));
  return candidate;
}

/** What a file of the person's machine may be called in a volume, or why not. */
export function nameProblem(name: string): string | undefined {
  if (name === '' || name === '.' || name === '..') return 'A name is needed.';
  if (name.includes('/')) return 'A name has no slash in it.';
  if (new TextEncoder().encode(name).length > 255) return 'A name has 255 bytes at most.';
  return undefined;
}
