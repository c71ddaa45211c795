import { html, type TemplateResult } from 'lit';
import type WaDialog from '@awesome.me/webawesome/dist/components/dialog/dialog.js';
import { Pane } from './pane';
import { $volumes } from '../state';
import { create, storesHere } from '../actions/volumes';
import { freeName } from '../paths';
import type { StoreKind } from '../volume';

const MIB = 1024 * 1024;
const SIZES = [16, 64, 300, 1024, 4096, 16384, 65536];
const BLOCK_SIZES = [1024, 2048, 4096, 8192, 16384, 65536];
const STORES: Record<StoreKind, string> = {
  opfs: 'OPFS: a private file of this site, fastest',
  indexeddb: 'IndexedDB: where OPFS is not to be had',
  memory: 'Memory: gone when the tab closes',
};

class NewVolumeDialog extends Pane {
  static override properties = { kinds: { state: true }, problem: { state: true } };
  protected readonly stores = [$volumes];
  declare kinds: StoreKind[];
  declare problem: string | undefined;

  constructor() {
    super();
    this.kinds = ['memory'];
  }

  async show(): Promise<void> {
    this.kinds = await storesHere();
    await this.updateComplete;
    const dialog = this.querySelector<WaDialog>('wa-dialog');
    if (dialog) dialog.open = true;
  }

  override render(): TemplateResult {
    const name = freeName('volume', new Set($volumes.get().map((entry) => entry.name)));
    return html`
      <wa-dialog label="New volume">
        <form @submit=${this.#onSubmit}>
          <wa-input name="name" label="Name" value=${name} required autofocus autocomplete="off" spellcheck="false"></wa-input>
          <div class="pair">
            <wa-select name="size" label="Size" value=${String(64 * MIB)} hint="Takes only what is used">
              ${SIZES.map((mib) => html`<wa-option value=${String(mib * MIB)}>${mib < 1024 ? `${mib} MiB` : `${mib / 1024} GiB`}</wa-option>`)}
            </wa-select>
            <wa-select name="blockSize" label="Block size" value="4096" hint="Linux mounts any">
              ${BLOCK_SIZES.map((bytes) => html`<wa-option value=${String(bytes)}>${bytes / 1024} KiB</wa-option>`)}
            </wa-select>
          </div>
          <wa-select name="store" label="Kept in" value=${this.kinds[0] ?? 'memory'}>
            ${this.kinds.map((kind) => html`<wa-option value=${kind}>${STORES[kind]}</wa-option>`)}
          </wa-select>
          <p class="problem" role="alert">${this.problem}</p>
          <div class="dialog-buttons">
            <wa-button appearance="plain" data-dialog="close">Cancel</wa-button>
            <wa-button type="submit" variant="brand">Make volume</wa-button>
          </div>
        </form>
      </wa-dialog>
    `;
  }

  async #onSubmit(event: SubmitEvent): Promise<void> {
    event.preventDefault();
    const data = new FormData(event.target as HTMLFormElement);
    const name = String(data.get('name')).trim();
    const taken = $volumes.get().some((entry) => entry.name === name);
    this.problem = name === '' ? 'A name is needed.' : taken ? `There is a volume ${name} already.` : undefined;
    if (this.problem !== undefined) return;
    const dialog = this.querySelector<WaDialog>('wa-dialog');
    if (dialog) dialog.open = false;
    const label = /^[\x20-\x7e]{1,12}$/.test(name) ? name : undefined;
    await create({ name, label, store: String(data.get('store')) as StoreKind, size: Number(data.get('size')), blockSize: Number(data.get('blockSize')) });
  }
}

customElements.define('xfs-new-volume', NewVolumeDialog);

declare global {
  interface HTMLElementTagNameMap {
    'xfs-new-volume': NewVolumeDialog;
  }
}
