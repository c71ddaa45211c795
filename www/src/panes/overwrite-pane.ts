import { html, nothing, type TemplateResult } from 'lit';
import { Pane } from './pane';
import { $overwrite } from '../state';
import { log, settle, writeback, type Overwrite, type Step, type StepName } from '../actions/overwrite';
import { describe } from '../events';
import { nameOf } from '../paths';
import { count, number, size } from '../format';

const STEPS: Record<StepName, { title: string; what: string }> = {
  reserve: { title: 'Reserve', what: 'Space is set aside, the data waits in memory' },
  allocate: { title: 'Allocate', what: 'New blocks are chosen' },
  write: { title: 'Write', what: 'The data goes into them' },
  remap: { title: 'Remap', what: 'The file points at them' },
  log: { title: 'Log', what: 'The change is durable' },
};

/** The last overwrite, step by step, each with what it changed. */
class OverwritePane extends Pane {
  protected readonly stores = [$overwrite];

  override render(): TemplateResult {
    const overwrite = $overwrite.get();
    if (!overwrite) return html`<p class="hint">Change a file that shares blocks with a clone and save it: how the volume overwrites without touching the clone is shown here, step by step.</p>`;
    const next = overwrite.steps.find((step) => !step.done);
    return html`
      <div class="overwrite">
        <div class="summary">
          <p>The last overwrite of <b>${nameOf(overwrite.path)}</b></p>
          ${this.#buttons(overwrite)}
        </div>
        <wa-stepper label="Steps of the overwrite" active=${next?.name ?? 'log'} orientation="auto">
          ${overwrite.steps.map(
            (step) => html`<wa-step name=${step.name} ?completed=${step.done}>${STEPS[step.name].title}</wa-step>`,
          )}
        </wa-stepper>
        <ol class="steps">${overwrite.steps.map((step) => this.#step(step))}</ol>
        ${this.#events(overwrite)}
      </div>
    `;
  }

  #buttons(overwrite: Overwrite): TemplateResult | typeof nothing {
    if (overwrite.phase === 'logged') return html`<wa-tag size="s" variant="success">durable</wa-tag>`;
    const next = overwrite.phase === 'reserved' ? { text: 'Write back', action: writeback } : { text: 'Sync to the log', action: log };
    return html`
      <wa-button size="s" variant="brand" @click=${() => void next.action()}><wa-icon slot="start" name="skip-forward"></wa-icon>${next.text}</wa-button>
      ${overwrite.phase === 'reserved' ? html`<wa-button size="s" appearance="filled" @click=${() => void settle()}>Run to the end</wa-button>` : nothing}
    `;
  }

  #step(step: Step): TemplateResult {
    return html`
      <li class=${step.done ? 'done' : 'todo'} data-step=${step.name}>
        <h3>${STEPS[step.name].title}</h3>
        <p class="quiet">${STEPS[step.name].what}.</p>
        ${step.done ? step.facts.map((fact) => html`<p>${fact}</p>`) : html`<p class="quiet">Not yet.</p>`}
      </li>
    `;
  }

  #events(overwrite: Overwrite): TemplateResult | typeof nothing {
    if (overwrite.events.length === 0) return nothing;
    return html`
      <h3>What reached the disk <span class="quiet">(${count(overwrite.events.length, 'write or flush', 'writes and flushes')})</span></h3>
      <ol class="events">
        ${overwrite.events.map(
          (event) => html`<li class="event ${event.purpose}">
            <span class="purpose">${event.purpose}</span>
            <span>${event.kind === 'write' ? html`${size(event.length)} at byte ${number(event.offset)}` : describe(event)}</span>
          </li>`,
        )}
      </ol>
    `;
  }
}

customElements.define('xfs-overwrite', OverwritePane);
