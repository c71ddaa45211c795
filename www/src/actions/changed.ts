import { settle } from './overwrite';
import { refresh } from './tree';

/** After a change to the tree: it is made durable, and what is shown is read again. */
export async function changed(): Promise<void> {
  await settle();
  await refresh();
}
