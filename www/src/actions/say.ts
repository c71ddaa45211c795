import type WaToast from '@awesome.me/webawesome/dist/components/toast/toast.js';
import { isAbort, reason } from '../format';

type Variant = 'neutral' | 'success' | 'warning' | 'danger';

/** A short notice at the edge of the page. */
export function say(message: string, variant: Variant = 'neutral'): void {
  const toast = document.querySelector<WaToast>('#toast');
  void toast?.create(message, { variant, duration: variant === 'danger' ? 15_000 : 6_000 });
}

/** Tells of a failure; a cancellation is none. */
export function sayError(what: string, error: unknown): void {
  if (isAbort(error)) {
    say(`${what}: cancelled`);
    return;
  }
  console.error(what, error);
  say(`${what}: ${reason(error)}`, 'danger');
}
