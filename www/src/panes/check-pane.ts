import { html, nothing, type TemplateResult } from 'lit';
import { Pane } from './pane';
import { $check, $volume } from '../state';
import { checkVolume } from '../actions/check';
import { count, number } from '../format';
import type { CheckReport } from '../volume';

/** The check of the whole volume, and what it found. */
class CheckPane extends Pane {
  protected readonly stores = [$check, $volume];

  override render(): TemplateResult {
    const report = $check.get();
    return html`
      <div class="check">
        <div class="summary">
          <p>${report ? nothing : 'Reads all metadata and compares every structure with every other.'}</p>
          <wa-button size="s" variant="brand" ?disabled=${!$volume.get()} @click=${() => void checkVolume()}><wa-icon slot="start" name="list-checks"></wa-icon>${report ? 'Check again' : 'Check the volume'}</wa-button>
        </div>
        ${report ? this.#report(report) : nothing}
      </div>
    `;
  }

  #report({ findings, summary }: CheckReport): TemplateResult {
    const isClean = summary.damage === 0;
    return html`
      <wa-callout variant=${isClean ? 'success' : 'danger'} data-testid="check-result">
        <wa-icon slot="icon" name=${isClean ? 'circle-check' : 'triangle-alert'}></wa-icon>
        <b>${isClean ? 'Clean' : count(summary.damage, 'damage', 'damages')}${summary.warnings > 0 ? `, ${count(summary.warnings, 'warning')}` : ''}.</b>
        ${count(summary.inodes, 'inode')}, ${count(summary.directories, 'directory', 'directories')}, ${count(summary.entries, 'entry', 'entries')}, ${count(summary.extents, 'extent')},
        ${number(summary.freeBlocks)} free blocks.
      </wa-callout>
      <ul class="findings">${findings.map((finding) => html`<li><wa-tag size="s" variant=${finding.severity === 'damage' ? 'danger' : 'warning'}>${finding.code}</wa-tag> ${finding.text}</li>`)}</ul>
    `;
  }
}

customElements.define('xfs-check', CheckPane);
