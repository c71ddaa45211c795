import { $offline } from '../state';

/** Keeps the page for later without a network. Says so in the state, once it is kept. */
export async function keepOffline(): Promise<void> {
  if (!import.meta.env.PROD || !('serviceWorker' in navigator)) return;
  try {
    await navigator.serviceWorker.register('./service-worker.js');
    await navigator.serviceWorker.ready;
    $offline.set(true);
  } catch {
    // Refused in some private windows: the page works as long as it is open.
  }
}
