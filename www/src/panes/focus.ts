import { $wantsFocus } from '../state';

/** Gives the focus to the item that wants it. It stays wanted while the item is not there or a dialog is in front. */
export async function giveFocus(): Promise<void> {
  const path = $wantsFocus.get();
  if (path === undefined) return;
  const item = document.querySelector<HTMLElement & { updateComplete: Promise<boolean> }>(`wa-tree-item[data-path="${CSS.escape(path)}"]`);
  await item?.updateComplete;
  item?.focus();
  if (item && document.activeElement === item) $wantsFocus.set(undefined);
}
