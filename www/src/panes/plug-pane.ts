import { html, nothing, type TemplateResult } from 'lit';
import { Pane } from './pane';
import { $file, $tasks, $trial, $volume } from '../state';
import { cut, cutEverywhere, rehearse, type Outcome, type Trial } from '../actions/trial';
import { describe } from '../events';
import { count, size } from '../format';
import { nameOf } from '../paths';

/** Cuts power in the middle of an overwrite, at a step that the person chooses, and shows what is found afterwards. */
class PlugPane extends Pane {
  protected readonly stores = [$file, $trial, $volume, $tasks];

  override render(): TemplateResult {
    const trial = $trial.get();
    return html`<div class="plug">${trial ? this.#trial(trial) : this.#begin()}</div>`;
  }

  #begin(): TemplateResult {
    const file = $file.get();
    const isReady = file !== undefined && file.size > 0 && $volume.get()?.readOnlyReason === undefined;
    return html`
      <p>
        Power goes at the worst moment. A clone of the open file is made and overwritten, and you choose the write after which nothing reaches the disk any more. The volume is then opened as it lies
        there: its log is recovered, everything is checked, and the clone must hold the old text or the new one, whole.
      </p>
      <wa-button variant="brand" ?disabled=${!isReady || this.#isBusy} @click=${() => file && void rehearse(file.path)}>
        <wa-icon slot="start" name="play"></wa-icon>${isReady ? `Rehearse with ${nameOf(file.path)}` : 'Open a file that is not empty first'}
      </wa-button>
    `;
  }

  get #isBusy(): boolean {
    return $tasks.get().length > 0;
  }

  #trial(trial: Trial): TemplateResult {
    const moments = Array.from({ length: trial.events.length + 1 }, (_, after) => after);
    return html`
      <div class="summary">
        <p>Overwriting a clone of <b>${nameOf(trial.path)}</b> makes ${count(trial.events.length, 'write or flush', 'writes and flushes')}. Choose where power goes:</p>
        <wa-button size="s" variant="danger" ?disabled=${this.#isBusy} @click=${() => void cutEverywhere()}><wa-icon slot="start" name="zap"></wa-icon>Cut at every step</wa-button>
        <wa-button size="s" appearance="plain" ?disabled=${this.#isBusy} @click=${() => $trial.set(undefined)}>Start over</wa-button>
      </div>
      <ol class="moments">${moments.map((after) => this.#moment(trial, after))}</ol>
      ${this.#verdict(trial)}
    `;
  }

  #moment(trial: Trial, after: number): TemplateResult {
    const event = trial.events[after - 1];
    const outcome = trial.outcomes.get(after);
    const text = !event ? 'Before anything reaches the disk' : event.kind === 'flush' ? describe(event) : `${size(event.length)}: ${describe(event)}`;
    return html`
      <li class="moment" data-after=${after}>
        <div class="event ${event?.purpose ?? ''}"><span class="purpose">${event?.purpose ?? 'reserve'}</span><span>${text}</span></div>
        <wa-button size="s" appearance="filled" ?disabled=${this.#isBusy} @click=${() => void cut(after)}>
          <wa-icon slot="start" name="plug-zap"></wa-icon>Cut here<span class="visually-hidden"> after ${after} of ${trial.events.length}</span>
        </wa-button>
        ${outcome ? this.#outcome(outcome) : nothing}
      </li>
    `;
  }

  #outcome(outcome: Outcome): TemplateResult {
    const isGood = outcome.damage === 0 && outcome.content !== 'torn' && !(outcome.promised && outcome.content === 'old');
    const { recovered } = outcome;
    const log = recovered ? `log recovered: ${count(recovered.records, 'record')}, ${count(recovered.buffers, 'buffer')}, ${count(recovered.inodes, 'inode')}` : 'nothing in the log to recover';
    return html`
      <p class="outcome ${isGood ? 'good' : 'bad'}">
        <wa-icon name=${isGood ? 'circle-check' : 'circle-x'}></wa-icon>
        <span><b>${outcome.content === 'torn' ? 'Torn' : outcome.content === 'new' ? 'New text' : 'Old text'}, ${outcome.damage === 0 ? 'check clean' : count(outcome.damage, 'finding')}</b>; ${log}.</span>
      </p>
      ${outcome.findings.length > 0 ? html`<ul class="findings">${outcome.findings.slice(0, 10).map((finding) => html`<li>${finding}</li>`)}</ul>` : nothing}
    `;
  }

  #verdict(trial: Trial): TemplateResult | typeof nothing {
    if (trial.outcomes.size <= trial.events.length) return nothing;
    const bad = [...trial.outcomes.values()].filter((outcome) => outcome.damage > 0 || outcome.content === 'torn').length;
    return html`<wa-callout variant=${bad === 0 ? 'success' : 'danger'} data-testid="verdict">
      ${bad === 0 ? `Power was cut at all ${trial.outcomes.size} moments; each time the volume came back clean with the old text or the new one.` : `${count(bad, 'moment')} of ${trial.outcomes.size} left damage.`}
    </wa-callout>`;
  }
}

customElements.define('xfs-plug', PlugPane);
