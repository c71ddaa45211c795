import { html, nothing, type TemplateResult } from 'lit';
import { Pane } from './pane';
import { $panel, $volume } from '../state';
import { $lesson, addAndClone, makeVolume } from '../actions/lesson';

/** What an empty page teaches, in three steps, each with a button that does it. */
class WelcomePane extends Pane {
  protected readonly stores = [$lesson, $volume];

  override render(): TemplateResult {
    const now = $lesson.get();
    return html`
      <section class="welcome" aria-labelledby="welcome-title">
        <h2 id="welcome-title">A real XFS filesystem, on this page</h2>
        <p>What you make here is what Linux mounts: the same bytes on disk, the same log, the same shared blocks. Nothing leaves this browser.</p>
        <ol class="lesson">
          ${this.#step(1, now, 'Make a volume', 'Or drop a disk image made by Linux anywhere on the page.', 'Make a 64 MiB volume', makeVolume)}
          ${this.#step(2, now, 'Clone a file', 'The clone is there at once and takes no space: both files have the same blocks.', 'Add a sample and clone it', addAndClone)}
          ${this.#step(3, now, 'Edit the clone', 'One line changed and saved: one block is copied, the others stay shared. Then pull the plug in the middle of it.', undefined, undefined)}
        </ol>
        <div class="anatomy" aria-hidden="true">
          <span>sample.txt</span>${this.#cells('')}<span>sample clone.txt</span>${this.#cells('changed')}
        </div>
      </section>
    `;
  }

  #cells(look: string): TemplateResult {
    const cells = Array.from({ length: 12 }, (_, i) => html`<i class=${look && i === 5 ? 'cell delalloc' : 'cell shared hue-0'}>${look && i === 5 ? '✱' : 'A'}</i>`);
    return html`<b class="cells">${cells}</b>`;
  }

  #step(number: number, now: number, title: string, text: string, button: string | undefined, action: (() => Promise<void>) | undefined): TemplateResult {
    const isNow = number === now;
    const isDone = now === 0 || number < now;
    return html`
      <li class=${isNow ? 'now' : isDone ? 'done' : 'later'} aria-current=${isNow ? 'step' : nothing}>
        <h3>${title}${isDone ? html`<wa-icon name="check" label="done"></wa-icon>` : nothing}</h3>
        <p>${text}</p>
        ${isNow && button && action ? html`<wa-button variant="brand" @click=${() => void action()}>${button}</wa-button>` : nothing}
        ${isNow && number === 3 ? html`<p><button class="link" @click=${() => $panel.set('blocks')}>Open the clone on the left</button>, change a line, press Save.</p>` : nothing}
      </li>
    `;
  }
}

customElements.define('xfs-welcome', WelcomePane);
