import { html, nothing, type TemplateResult } from 'lit';
import { Pane } from './pane';
import { $persistence, $space, $volume, $volumes } from '../state';
import { close, exportImage, exportTar, importImage, open, remove } from '../actions/volumes';
import { count, size } from '../format';
import type { VolumeEntry } from '../volume';
import { pickFiles } from './pick';

const STORES = { opfs: 'OPFS', indexeddb: 'IndexedDB', memory: 'memory' } as const;

/** The volumes that this browser keeps; what can be done with the open one; how safe it all is. */
class VolumesPane extends Pane {
  protected readonly stores = [$volumes, $volume, $space, $persistence];

  override render(): TemplateResult {
    const volumes = $volumes.get();
    return html`
      <section class="pane" aria-labelledby="volumes-title">
        <header class="pane-head">
          <h2 id="volumes-title">Volumes</h2>
          <wa-button size="s" appearance="plain" @click=${() => this.#create()}><wa-icon slot="start" name="plus"></wa-icon>New</wa-button>
          <wa-button size="s" appearance="plain" @click=${() => void this.#import()}><wa-icon slot="start" name="hard-drive-upload"></wa-icon>Open image</wa-button>
        </header>
        ${volumes.length === 0 ? html`<p class="hint">None yet. Make one, or drop an XFS disk image anywhere on this page.</p>` : nothing}
        <ul class="volume-list">
          ${volumes.map((entry) => this.#row(entry))}
        </ul>
        ${this.#storage()}
      </section>
    `;
  }

  #row(entry: VolumeEntry): TemplateResult {
    const current = $volume.get();
    const isOpen = current?.entry.name === entry.name && current.entry.store === entry.store;
    return html`
      <li class=${isOpen ? 'volume open' : 'volume'}>
        <button class="volume-name" aria-current=${isOpen ? 'true' : nothing} @click=${() => void open(entry)}>
          <wa-icon name="hard-drive"></wa-icon>
          <span class="grow">${entry.name}</span>
          <span class="quiet">${isOpen ? `${size(current.bytes)} · ` : ''}${STORES[entry.store]}</span>
        </button>
        ${isOpen ? this.#menu(entry) : this.#delete(entry)}
        ${isOpen ? this.#space() : nothing}
      </li>
    `;
  }

  #delete(entry: VolumeEntry): TemplateResult {
    return html`
      <wa-button size="s" appearance="plain" @click=${() => void remove(entry)}>
        <wa-icon name="trash-2" label="Delete volume ${entry.name}"></wa-icon>
      </wa-button>
    `;
  }

  #menu(entry: VolumeEntry): TemplateResult {
    const choose = (event: CustomEvent<{ item: { value: string } }>) => {
      const actions: Record<string, () => Promise<void>> = {
        image: exportImage,
        tar: () => exportTar('/', `${entry.name}.tar`),
        close,
        delete: () => remove(entry),
      };
      void actions[event.detail.item.value]?.();
    };
    return html`
      <wa-dropdown placement="bottom-end" @wa-select=${choose}>
        <wa-button slot="trigger" size="s" appearance="plain"><wa-icon name="ellipsis-vertical" label="More for ${entry.name}"></wa-icon></wa-button>
        <wa-dropdown-item value="image"><wa-icon slot="icon" name="download"></wa-icon>Export image</wa-dropdown-item>
        <wa-dropdown-item value="tar"><wa-icon slot="icon" name="archive-restore"></wa-icon>Export everything as tar</wa-dropdown-item>
        <wa-dropdown-item value="close"><wa-icon slot="icon" name="x"></wa-icon>Close</wa-dropdown-item>
        <wa-dropdown-item value="delete" variant="danger"><wa-icon slot="icon" name="trash-2"></wa-icon>Delete volume</wa-dropdown-item>
      </wa-dropdown>
    `;
  }

  #space(): TemplateResult | typeof nothing {
    const space = $space.get();
    const volume = $volume.get();
    if (!space || !volume) return nothing;
    const used = space.total - space.available;
    return html`
      <div class="volume-space">
        <wa-progress-bar label="Space used" value=${(100 * used) / space.total}></wa-progress-bar>
        <p class="figures">
          <span data-testid="used">${size(used)} used, ${size(space.available)} free</span>
          <span class="quiet">${count(volume.info.agCount, 'AG')} · ${size(volume.blockSize)} blocks</span>
        </p>
        ${volume.readOnlyReason ? html`<wa-callout size="s" variant="warning">Read-only: ${volume.readOnlyReason}</wa-callout>` : nothing}
      </div>
    `;
  }

  /** What the browser promises of what is stored here. */
  #storage(): TemplateResult {
    const { kind, usage, quota } = $persistence.get();
    const inMemory = $volume.get()?.entry.store === 'memory';
    const figures = usage !== undefined && quota ? ` ${size(usage)} of ${size(quota)} that this site may use.` : '';
    if (inMemory) {
      return html`<p class="storage warn" data-testid="storage"><wa-icon name="triangle-alert"></wa-icon><span><b>In memory only:</b> gone when this tab closes. Export the image to keep it.</span></p>`;
    }
    const words = {
      persistent: html`<b>Persistent storage:</b> kept until you delete it.`,
      'best-effort': html`<b>Not persistent:</b> the browser may delete it when space runs short.`,
      unknown: html`<b>Storage:</b> the browser does not say whether it is persistent.`,
    };
    return html`<p class="storage ${kind === 'persistent' ? '' : 'warn'}" data-testid="storage">
      <wa-icon name=${kind === 'persistent' ? 'circle-check' : 'info'}></wa-icon><span>${words[kind]}${figures}</span>
    </p>`;
  }

  #create(): void {
    this.dispatchEvent(new CustomEvent('new-volume', { bubbles: true }));
  }

  async #import(): Promise<void> {
    const [file] = await pickFiles({ accept: '.img,.xfs,.raw,.bin,application/octet-stream' });
    if (file) await importImage(file);
  }
}

customElements.define('xfs-volumes', VolumesPane);
