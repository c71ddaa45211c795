import { html, nothing, type TemplateResult } from 'lit';
import { Pane } from './pane';
import { $file, $folders, $offline, $panel, $part, $theme, $volume, type Panel, type Part, type Theme } from '../state';
import { $lesson } from '../actions/lesson';
import { dropped, isImage } from '../actions/transfer';
import { importImage } from '../actions/volumes';
import { say } from '../actions/say';
import { setTheme } from '../theme';
import './blocks-pane';
import './check-pane';
import './file-pane';
import './new-volume-dialog';
import './overwrite-pane';
import './plug-pane';
import './question-dialog';
import './tasks-pane';
import './tree-pane';
import './volumes-pane';
import './welcome-pane';

const NARROW = matchMedia('(max-width: 820px)');

/** The page: panes side by side, or one at a time where there is little room. */
class App extends Pane {
  protected readonly stores = [$volume, $file, $folders, $panel, $part, $theme, $offline, $lesson];
  readonly #onNarrow = () => this.requestUpdate();

  override connectedCallback(): void {
    super.connectedCallback();
    NARROW.addEventListener('change', this.#onNarrow);
    this.addEventListener('new-volume', () => void this.querySelector('xfs-new-volume')?.show());
    this.addEventListener('dragover', this.#onDragOver);
    this.addEventListener('drop', (event) => void this.#onDrop(event));
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    NARROW.removeEventListener('change', this.#onNarrow);
  }

  override render(): TemplateResult {
    return html`
      ${this.#header()}
      <main>${NARROW.matches ? this.#narrow() : this.#wide()}</main>
      <xfs-tasks></xfs-tasks>
      <xfs-question></xfs-question>
      <xfs-new-volume></xfs-new-volume>
    `;
  }

  #header(): TemplateResult {
    const themes: Record<Theme, { icon: string; next: Theme }> = {
      auto: { icon: 'sun-moon', next: 'light' },
      light: { icon: 'sun', next: 'dark' },
      dark: { icon: 'moon', next: 'auto' },
    };
    const theme = $theme.get();
    return html`
      <header class="top">
        <img src="./icon.svg" alt="" width="24" height="24" />
        <h1>xfskit <span class="quiet">playground</span></h1>
        ${$offline.get() ? html`<wa-tag size="s" appearance="outlined" data-testid="offline">works offline</wa-tag>` : nothing}
        <wa-button size="s" appearance="plain" @click=${() => setTheme(themes[theme].next)}><wa-icon name=${themes[theme].icon} label="Colours: ${theme}. Change"></wa-icon></wa-button>
      </header>
    `;
  }

  #wide(): TemplateResult {
    const isLearning = ($folders.get().get('/')?.length ?? 0) === 0;
    return html`
      <wa-split-panel class="columns" position-in-pixels="300" primary="start">
        <wa-icon slot="divider" name="ellipsis-vertical"></wa-icon>
        <div slot="start" class="column"><xfs-volumes></xfs-volumes><xfs-tree></xfs-tree></div>
        ${isLearning
          ? html`<div slot="end" class="column"><xfs-welcome></xfs-welcome></div>`
          : html`<wa-split-panel slot="end" class="rows" orientation="vertical" position="42">
              <wa-icon slot="divider" name="ellipsis-vertical" style="rotate: 90deg"></wa-icon>
              <div slot="start" class="column"><xfs-file></xfs-file></div>
              <div slot="end" class="column">${this.#inspect()}</div>
            </wa-split-panel>`}
      </wa-split-panel>
    `;
  }

  #narrow(): TemplateResult {
    const show = (event: CustomEvent<{ name: string }>) => {
      if (event.target === event.currentTarget) $part.set(event.detail.name as Part);
    };
    return html`
      <wa-tab-group class="parts" .active=${$part.get()} @wa-tab-show=${show} without-scroll-controls>
        <wa-tab slot="nav" panel="volumes">Volumes</wa-tab>
        <wa-tab slot="nav" panel="files">Files</wa-tab>
        <wa-tab slot="nav" panel="file">File</wa-tab>
        <wa-tab slot="nav" panel="inspect">Inspect</wa-tab>
        <wa-tab-panel name="volumes"><xfs-volumes></xfs-volumes>${$file.get() ? nothing : html`<xfs-welcome></xfs-welcome>`}</wa-tab-panel>
        <wa-tab-panel name="files">${$volume.get() ? html`<xfs-tree></xfs-tree>` : html`<p class="hint">Make or open a volume first.</p>`}</wa-tab-panel>
        <wa-tab-panel name="file"><xfs-file></xfs-file></wa-tab-panel>
        <wa-tab-panel name="inspect">${this.#inspect()}</wa-tab-panel>
      </wa-tab-group>
    `;
  }

  #inspect(): TemplateResult {
    const show = (event: CustomEvent<{ name: string }>) => {
      event.stopPropagation();
      $panel.set(event.detail.name as Panel);
    };
    return html`
      <wa-tab-group class="panels" .active=${$panel.get()} @wa-tab-show=${show} without-scroll-controls>
        <wa-tab slot="nav" panel="blocks">Blocks</wa-tab>
        <wa-tab slot="nav" panel="overwrite">Overwrite</wa-tab>
        <wa-tab slot="nav" panel="plug">Pull the plug</wa-tab>
        <wa-tab slot="nav" panel="check">Check</wa-tab>
        <wa-tab-panel name="blocks" tabindex="0"><xfs-blocks></xfs-blocks></wa-tab-panel>
        <wa-tab-panel name="overwrite" tabindex="0"><xfs-overwrite></xfs-overwrite></wa-tab-panel>
        <wa-tab-panel name="plug" tabindex="0"><xfs-plug></xfs-plug></wa-tab-panel>
        <wa-tab-panel name="check" tabindex="0"><xfs-check></xfs-check></wa-tab-panel>
      </wa-tab-group>
    `;
  }

  #onDragOver(event: DragEvent): void {
    if (event.dataTransfer?.types.includes('Files')) event.preventDefault();
  }

  /** A disk image may be dropped anywhere; files are for the tree. */
  async #onDrop(event: DragEvent): Promise<void> {
    if (!event.dataTransfer?.types.includes('Files')) return;
    event.preventDefault();
    const [first] = await dropped(event.dataTransfer);
    if (first?.file && (await isImage(first.file))) await importImage(first.file);
    else say('Drop files on the list of files; a disk image may be dropped anywhere.', 'warning');
  }
}

customElements.define('xfs-app', App);
