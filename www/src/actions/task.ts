import { $tasks, type Task } from '../state';
import { sayError } from './say';

let nextId = 1;

export interface Work {
  signal: AbortSignal;
  onProgress: (progress: { done: number; total: number | undefined }) => void;
}

/** Does long work with its progress on the page. Failure is told there; the caller gets `undefined` then. */
export async function task<T>(label: string, work: (work: Work) => Promise<T>): Promise<T | undefined> {
  const abort = new AbortController();
  const id = nextId++;
  $tasks.set([...$tasks.get(), { id, label, progress: undefined, cancel: () => abort.abort() }]);
  const onProgress: Work['onProgress'] = ({ done, total }) => change(id, { progress: total ? Math.min(1, done / total) : undefined });
  try {
    return await work({ signal: abort.signal, onProgress });
  } catch (error) {
    sayError(label, error);
    return undefined;
  } finally {
    $tasks.set($tasks.get().filter((task) => task.id !== id));
  }
}

function change(id: number, fields: Partial<Task>): void {
  $tasks.set($tasks.get().map((task) => (task.id === id ? { ...task, ...fields } : task)));
}

/** Does short work; failure is told on the page. */
export async function attempt<T>(what: string, work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    sayError(what, error);
    return undefined;
  }
}
