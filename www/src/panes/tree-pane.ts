import { html, nothing, type TemplateResult } from 'lit';
import { repeat } from 'lit/directives/repeat.js';
import { giveFocus } from './focus';
import { Pane } from './pane';
import { $expanded, $file, $folders, $selected, $selectedEntry, $undo, $volume, $wantsFocus } from '../state';
import { clone, erase, move, newFile, newFolder, rename, restore, trash, undo } from '../actions/files';
import { openFile } from '../actions/edit';
import { bringIn, bringOut, chosen, DragOut, dropped, unpack } from '../actions/transfer';
import { collapse, currentFolder, expand } from '../actions/tree';
import { isWithin, join, nameOf, parentOf, TRASH } from '../paths';
import type { Entry } from '../volume';
import { pickFiles } from './pick';

/** A folder shows so many of its entries; the rest is counted. */
const MOST_SHOWN = 1000;
/** What a drag inside the page carries. */
const PATH_TYPE = 'application/x-xfskit-path';

const ICONS = { file: 'file-text', folder: 'folder', link: 'link', other: 'file' } as const;

class TreePane extends Pane {
  protected readonly stores = [$volume, $folders, $expanded, $selected, $undo, $wantsFocus];
  readonly #dragOut = new DragOut();

  override render(): TemplateResult | typeof nothing {
    if (!$volume.get()) return nothing;
    const isEmpty = $folders.get().get('/')?.length === 0;
    return html`
      <section class="pane tree-pane" aria-labelledby="files-title" @dragover=${this.#onDragOver} @dragleave=${this.#onDragLeave} @drop=${this.#onDrop}>
        <header class="pane-head">
          <h2 id="files-title">Files</h2>
          ${this.#add()} ${this.#actions()}
        </header>
        ${isEmpty ? html`<p class="hint">Empty. Drop files or folders here, or add some.</p>` : nothing}
        <wa-tree
          aria-label="Files of the volume"
          @wa-selection-change=${this.#onSelect}
          @keydown=${this.#onKey}
          @click=${(event: Event) => this.#openAt(event.target)}
          @pointerdown=${this.#onPointerDown}
          @dragstart=${this.#onDragStart}
          >${this.#children('/')}</wa-tree
        >
        ${this.#undo()}
      </section>
    `;
  }

  protected override updated(): void {
    void giveFocus();
  }

  #children(folder: string): TemplateResult | typeof nothing {
    const entries = $folders.get().get(folder);
    if (!entries) return nothing;
    const more = entries.length - MOST_SHOWN;
    return html`
      ${repeat(entries.slice(0, MOST_SHOWN), ({ path }) => path, (entry) => this.#item(entry))}
      ${more > 0 ? html`<wa-tree-item disabled>and ${more} more</wa-tree-item>` : nothing}
    `;
  }

  #item(entry: Entry): TemplateResult {
    const isFolder = entry.kind === 'folder';
    const loaded = $folders.get().get(entry.path);
    const icon = entry.path === TRASH ? 'trash-2' : ICONS[entry.kind];
    return html`
      <wa-tree-item
        data-path=${entry.path}
        draggable="true"
        .lazy=${isFolder && !loaded}
        .expanded=${isFolder && !!loaded && $expanded.get().has(entry.path)}
        .selected=${$selected.get() === entry.path}
        @wa-lazy-load=${(event: Event) => this.#onOpen(event, entry.path)}
        @wa-expand=${(event: Event) => this.#onOpen(event, entry.path)}
        @wa-collapse=${(event: Event) => event.target === event.currentTarget && collapse(entry.path)}
      >
        <wa-icon name=${icon}></wa-icon><span class="tree-name">${entry.path === TRASH ? 'Trash' : entry.name}</span>
        ${isFolder ? this.#children(entry.path) : nothing}
      </wa-tree-item>
    `;
  }

  #onOpen(event: Event, path: string): void {
    // Those of items inside come by here as well.
    if (event.target === event.currentTarget) void expand(path);
  }

  #add(): TemplateResult {
    const choose = (event: CustomEvent<{ item: { value: string } }>) => {
      const actions: Record<string, () => Promise<void>> = {
        file: newFile,
        folder: newFolder,
        files: async () => this.#bring(await pickFiles({ multiple: true })),
        folders: async () => this.#bring(await pickFiles({ folder: true })),
        tar: async () => unpack((await pickFiles({ accept: '.tar,application/x-tar' }))[0], currentFolder()),
      };
      void actions[event.detail.item.value]?.();
    };
    return html`
      <wa-dropdown @wa-select=${choose}>
        <wa-button slot="trigger" size="s" appearance="plain" with-caret ?disabled=${this.#readOnly}><wa-icon slot="start" name="plus"></wa-icon>Add</wa-button>
        <wa-dropdown-item value="file"><wa-icon slot="icon" name="file-plus"></wa-icon>New file</wa-dropdown-item>
        <wa-dropdown-item value="folder"><wa-icon slot="icon" name="folder-plus"></wa-icon>New folder</wa-dropdown-item>
        <wa-dropdown-item value="files"><wa-icon slot="icon" name="upload"></wa-icon>Files from this computer</wa-dropdown-item>
        <wa-dropdown-item value="folders"><wa-icon slot="icon" name="folder-open"></wa-icon>A folder from this computer</wa-dropdown-item>
        <wa-dropdown-item value="tar"><wa-icon slot="icon" name="archive-restore"></wa-icon>Unpack a tar archive</wa-dropdown-item>
      </wa-dropdown>
    `;
  }

  #actions(): TemplateResult {
    const entry = $selectedEntry.get();
    const inTrash = entry !== undefined && entry.path !== TRASH && isWithin(entry.path, TRASH);
    const changes = (entry?.kind === 'file' || entry?.kind === 'folder') && !this.#readOnly && !isWithin(entry.path, TRASH);
    const choose = (event: CustomEvent<{ item: { value: string } }>) => {
      if (!entry) return;
      const actions: Record<string, (path: string) => Promise<unknown>> = { rename, trash, restore, erase, download: () => bringOut(entry) };
      void actions[event.detail.item.value]?.(entry.path);
    };
    return html`
      <wa-button size="s" appearance="plain" ?disabled=${!changes} @click=${() => entry && void clone(entry.path)}><wa-icon slot="start" name="copy"></wa-icon>Clone</wa-button>
      <wa-dropdown placement="bottom-end" @wa-select=${choose}>
        <wa-button slot="trigger" size="s" appearance="plain" ?disabled=${!entry}><wa-icon name="ellipsis-vertical" label="More for the selected"></wa-icon></wa-button>
        <wa-dropdown-item value="download"><wa-icon slot="icon" name="download"></wa-icon>Download${entry?.kind === 'folder' ? ' as tar' : ''}</wa-dropdown-item>
        ${inTrash ? html`<wa-dropdown-item value="restore"><wa-icon slot="icon" name="undo-2"></wa-icon>Put back</wa-dropdown-item>` : nothing}
        ${changes ? html`<wa-dropdown-item value="rename"><wa-icon slot="icon" name="pencil"></wa-icon>Rename</wa-dropdown-item>` : nothing}
        ${this.#readOnly || !entry
          ? nothing
          : isWithin(entry.path, TRASH)
            ? html`<wa-dropdown-item value="erase" variant="danger"><wa-icon slot="icon" name="x"></wa-icon>${inTrash ? 'Delete for good' : 'Empty the trash'}</wa-dropdown-item>`
            : html`<wa-dropdown-item value="trash" variant="danger"><wa-icon slot="icon" name="trash-2"></wa-icon>Delete</wa-dropdown-item>`}
      </wa-dropdown>
    `;
  }

  #undo(): TemplateResult | typeof nothing {
    const last = $undo.get();
    if (!last) return nothing;
    return html`<footer class="undo"><wa-button size="s" appearance="filled" @click=${() => void undo()}><wa-icon slot="start" name="undo-2"></wa-icon>${last.label}</wa-button></footer>`;
  }

  get #readOnly(): boolean {
    return $volume.get()?.readOnlyReason !== undefined;
  }

  #bring(files: File[]): Promise<void> {
    return files.length > 0 ? bringIn(chosen(files), currentFolder()) : Promise.resolve();
  }

  #onSelect(event: CustomEvent<{ selection: HTMLElement[] }>): void {
    const path = event.detail.selection[0]?.dataset['path'];
    if (path === undefined) return;
    $selected.set(path);
    this.#openAt(event.detail.selection[0] ?? null);
  }

  /** Opens the file of an item, unless it is open. */
  #openAt(target: EventTarget | null): void {
    const path = this.#pathAt(target);
    const isOpen = path === undefined || $file.get()?.path === path;
    if (!isOpen && this.#entryAt(path)?.kind === 'file') void openFile(path);
  }

  #onKey(event: KeyboardEvent): void {
    if (event.key === 'Enter') this.#openAt(event.target);
    const path = this.#pathAt(event.target) ?? $selected.get();
    if (path === undefined || this.#readOnly) return;
    const action = { F2: rename, Delete: trash }[event.key];
    if (action) {
      event.preventDefault();
      void action(path);
    } else if (event.key.toLowerCase() === 'z' && (event.ctrlKey || event.metaKey) && $undo.get()) {
      event.preventDefault();
      void undo();
    }
  }

  #pathAt(target: EventTarget | null): string | undefined {
    return target instanceof Element ? target.closest<HTMLElement>('wa-tree-item[data-path]')?.dataset['path'] : undefined;
  }

  #entryAt(path: string | undefined): Entry | undefined {
    return path === undefined ? undefined : $folders.get().get(parentOf(path))?.find((entry) => entry.path === path);
  }

  #onPointerDown(event: PointerEvent): void {
    const entry = this.#entryAt(this.#pathAt(event.target));
    if (entry && event.pointerType === 'mouse') void this.#dragOut.prepare(entry);
  }

  #onDragStart(event: DragEvent): void {
    const path = this.#pathAt(event.target);
    if (path === undefined || !event.dataTransfer) return;
    event.dataTransfer.effectAllowed = 'copyMove';
    event.dataTransfer.setData(PATH_TYPE, path);
    this.#dragOut.fill(event.dataTransfer, path);
  }

  #onDragOver(event: DragEvent): void {
    const types = event.dataTransfer?.types ?? [];
    if (this.#readOnly || !(types.includes('Files') || types.includes(PATH_TYPE))) return;
    event.preventDefault();
    event.stopPropagation();
    this.querySelector('.tree-pane')?.classList.add('drop-here');
  }

  #onDragLeave(event: DragEvent): void {
    if (!(event.relatedTarget instanceof Node && this.contains(event.relatedTarget))) this.querySelector('.tree-pane')?.classList.remove('drop-here');
  }

  async #onDrop(event: DragEvent): Promise<void> {
    this.querySelector('.tree-pane')?.classList.remove('drop-here');
    const data = event.dataTransfer;
    if (!data || this.#readOnly) return;
    event.preventDefault();
    event.stopPropagation();
    const over = this.#entryAt(this.#pathAt(event.target));
    const folder = !over ? '/' : over.kind === 'folder' ? over.path : parentOf(over.path);
    const inside = data.getData(PATH_TYPE);
    if (inside) await move(inside, join(folder, nameOf(inside)));
    else await bringIn(await dropped(data), folder);
  }
}

customElements.define('xfs-tree', TreePane);
