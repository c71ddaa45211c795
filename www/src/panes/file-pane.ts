import { html, nothing, type TemplateResult } from 'lit';
import type { Editor } from '../editor';
import { Pane } from './pane';
import { $draft, $file, $overwrite, $volume, type OpenFile } from '../state';
import { HEX_PAGE, save, turnTo } from '../actions/edit';
import { clone } from '../actions/files';
import { hexLines } from '../hex';
import { nameOf } from '../paths';
import { number, size } from '../format';

/** The open file: text in an editor, all else in hex, a page at a time. */
class FilePane extends Pane {
  protected readonly stores = [$file, $draft, $volume, $overwrite];
  #editor: Editor | undefined;
  #shown: number | undefined;

  override render(): TemplateResult {
    const file = $file.get();
    return html`
      <section class="pane file-pane" aria-labelledby="file-title">
        <header class="pane-head">
          <h2 id="file-title" class="grow ellipsis" title=${file?.path ?? ''}>${file ? nameOf(file.path) : 'File'}</h2>
          ${file ? this.#actions(file) : nothing}
        </header>
        ${file ? nothing : html`<p class="hint">Choose a file on the left: text opens in an editor, all else in hex.</p>`}
        <div class="editor" ?hidden=${!file}></div>
      </section>
    `;
  }

  #actions(file: OpenFile): TemplateResult {
    const isChanged = $draft.get() !== undefined;
    const waits = $overwrite.get()?.phase === 'reserved' && $overwrite.get()?.path === file.path;
    const state = isChanged ? 'changed' : waits ? 'in memory' : 'saved';
    return html`
      <span class="quiet nowrap">${size(file.size)}</span>
      ${file.kind === 'binary' ? this.#pages(file) : html`<wa-tag size="s" variant=${isChanged || waits ? 'warning' : 'neutral'} data-testid="file-state">${state}</wa-tag>`}
      ${$volume.get()?.readOnlyReason !== undefined
        ? nothing
        : html`
            <wa-button class="roomy" size="s" appearance="plain" @click=${() => void clone(file.path)}><wa-icon slot="start" name="copy"></wa-icon>Clone</wa-button>
            ${file.kind === 'text'
              ? html`<wa-button size="s" variant="brand" ?disabled=${!isChanged} @click=${() => void save()}><wa-icon slot="start" name="save"></wa-icon>Save</wa-button>`
              : nothing}
          `}
    `;
  }

  #pages(file: OpenFile): TemplateResult {
    const end = file.at + file.bytes.length;
    return html`
      <span class="quiet nowrap">bytes ${number(file.at)}–${number(end)}</span>
      <wa-button size="s" appearance="plain" ?disabled=${file.at === 0} @click=${() => void turnTo(Math.max(0, file.at - HEX_PAGE))}>Previous</wa-button>
      <wa-button size="s" appearance="plain" ?disabled=${end >= file.size} @click=${() => void turnTo(end)}>Next</wa-button>
    `;
  }

  /** The editor is a library's own: it is made anew when the file's contents were read anew. */
  protected override updated(): void {
    const file = $file.get();
    if (this.#shown === file?.version) return;
    this.#shown = file?.version;
    this.#editor?.destroy();
    this.#editor = undefined;
    if (file) void this.#open(file);
  }

  async #open(file: OpenFile): Promise<void> {
    const { openEditor } = await import('../editor');
    const parent = this.querySelector('.editor');
    // Another file may have been opened meanwhile.
    if (!parent || this.#shown !== file.version || this.#editor) return;
    const isText = file.kind === 'text';
    this.#editor = openEditor(parent, {
      // A draft that waits in the state is put back when the pane was away, as it is on narrow screens.
      text: isText ? ($draft.get() ?? new TextDecoder().decode(file.bytes)) : hexLines(file.bytes, file.at),
      label: isText ? `Contents of ${nameOf(file.path)}` : `Bytes of ${nameOf(file.path)} in hex`,
      readOnly: !isText || $volume.get()?.readOnlyReason !== undefined,
      onChange: (text) => $draft.set(text),
      onSave: () => void save(),
    });
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#editor?.destroy();
    this.#editor = undefined;
    this.#shown = undefined;
  }
}

customElements.define('xfs-file', FilePane);
