import '@awesome.me/webawesome/dist/styles/webawesome.css';
import './style/page.css';
import './style/panes.css';
import './style/blocks.css';
import './components';
import './panes/app';
import { settle } from './actions/overwrite';
import { listVolumes } from './actions/volumes';
import { keepOffline } from './offline/register';
import { startTheme } from './theme';

startTheme();
void listVolumes();
void keepOffline();

// What waits in memory becomes durable before the page may be gone.
document.addEventListener('visibilitychange', () => {
  if (document.visibilityState === 'hidden') void settle();
});
