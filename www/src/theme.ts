import { $theme, type Theme } from './state';

const KEY = 'xfskit-theme';
const PREFERS_DARK = matchMedia('(prefers-color-scheme: dark)');

/** Light or dark, as chosen here or else as the system has it. */
export function setTheme(theme: Theme): void {
  $theme.set(theme);
  try {
    localStorage.setItem(KEY, theme);
  } catch {
    // Not kept in some private windows.
  }
  apply();
}

export function startTheme(): void {
  PREFERS_DARK.addEventListener('change', apply);
  let kept: string | null = null;
  try {
    kept = localStorage.getItem(KEY);
  } catch {
    // As above.
  }
  if (kept === 'light' || kept === 'dark') $theme.set(kept);
  apply();
}

function apply(): void {
  const theme = $theme.get();
  const isDark = theme === 'dark' || (theme === 'auto' && PREFERS_DARK.matches);
  document.documentElement.classList.toggle('wa-dark', isDark);
  document.documentElement.classList.toggle('wa-light', !isDark);
}
