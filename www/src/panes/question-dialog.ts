import { html, nothing, type TemplateResult } from 'lit';
import type WaInput from '@awesome.me/webawesome/dist/components/input/input.js';
import { giveFocus } from './focus';
import { Pane } from './pane';
import { $question } from '../actions/question';

/** The one dialog for short questions. */
class QuestionDialog extends Pane {
  static override properties = { problem: { state: true } };
  protected readonly stores = [$question];
  declare problem: string | undefined;

  override render(): TemplateResult {
    const question = $question.get();
    return html`
      <wa-dialog label=${question?.title ?? ''} ?open=${question !== undefined} @wa-hide=${this.#onHide} @wa-after-show=${this.#onShown} @wa-after-hide=${this.#onHidden}>
        <form id="question" @submit=${this.#onSubmit}>
          ${question?.text ? html`<p>${question.text}</p>` : nothing}
          ${question?.field
            ? html`<wa-input name="value" label=${question.field.label} .value=${question.field.value} autocomplete="off" spellcheck="false" @input=${() => (this.problem = undefined)}></wa-input>
                <p class="problem" role="alert">${this.problem}</p>`
            : nothing}
          <div class="dialog-buttons">
            <wa-button appearance="plain" @click=${() => question?.answer(undefined)}>Cancel</wa-button>
            <wa-button type="submit" variant=${question?.danger ? 'danger' : 'brand'}>${question?.yes ?? ''}</wa-button>
          </div>
        </form>
      </wa-dialog>
    `;
  }

  #onShown(): void {
    const input = this.querySelector<WaInput>('wa-input');
    input?.focus();
    const value = input?.value ?? '';
    const dot = value.lastIndexOf('.');
    input?.setSelectionRange(0, dot > 0 ? dot : value.length);
  }

  /** The library gives the focus back to where it was, a moment later; an item that wants it comes after that. */
  #onHidden(): void {
    setTimeout(() => void giveFocus());
  }

  #onSubmit(event: SubmitEvent): void {
    event.preventDefault();
    const question = $question.get();
    const value = this.querySelector<WaInput>('wa-input')?.value ?? '';
    this.problem = question?.field?.problem?.(value);
    if (this.problem === undefined) question?.answer(value);
  }

  #onHide(event: Event): void {
    if (event.target instanceof Element && event.target.localName === 'wa-dialog') $question.get()?.answer(undefined);
    this.problem = undefined;
  }
}

customElements.define('xfs-question', QuestionDialog);
