import { html, nothing, type TemplateResult } from 'lit';
import { Pane } from './pane';
import { $tasks } from '../state';

/** Long work that is going on, with a way to cancel it. */
class TasksPane extends Pane {
  protected readonly stores = [$tasks];

  override render(): TemplateResult {
    return html`
      <div class="tasks" role="status" aria-live="polite">
        ${$tasks.get().map(
          (task) => html`
            <div class="task">
              <span class="grow ellipsis">${task.label}</span>
              <wa-progress-bar label=${task.label} ?indeterminate=${task.progress === undefined} value=${100 * (task.progress ?? 0)}></wa-progress-bar>
              ${task.cancel ? html`<wa-button size="s" appearance="plain" @click=${task.cancel}>Cancel</wa-button>` : nothing}
            </div>
          `,
        )}
      </div>
    `;
  }
}

customElements.define('xfs-tasks', TasksPane);
