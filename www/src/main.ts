import '@awesome.me/webawesome/dist/styles/webawesome.css';
import './style/page.css';
import './style/panes.css';
import './style/inspect.css';
import './style/blocks.css';
import './components';
import './panes/app';
import { settle } from './actions/overwrite';
import { listVolumes } from './actions/volumes';
import { keepOffline } from './offline/register';
import { $draft, $volume } from './state';
import { startTheme } from './theme';

startTheme();
void listVolumes();
void keepOffline();

// A draft, or a volume that is nowhere else, is not lost by a slip.
addEventListener('beforeunload', (event) => {
  if ($draft.get() !== undefined || $volume.get()?.entry.store === 'memory') event.preventDefault();
});

// What waits in memory becomes durable before the page may be gone.
document.addEventListener('visibilitychange', () => {
  if (document.visibilityState === 'hidden') void settle();
});
