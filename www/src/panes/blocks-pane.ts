import { html, nothing, svg, type TemplateResult } from 'lit';
import { Pane } from './pane';
import { $file, $map, $overwrite } from '../state';
import { log, writeback } from '../actions/overwrite';
import { cellsOf, closeUp, type Cell, type ExtentMap, type Run, type Strip } from '../extent-map';
import { count, number, size } from '../format';
import { openFile } from '../actions/edit';

const MOST_CELLS = 768;
const MOST_ROWS = 200;
const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ';

/** The file's blocks: one cell for each, then the allocation groups that they lie in, then the extents in figures. */
class BlocksPane extends Pane {
  protected readonly stores = [$map, $file, $overwrite];

  override render(): TemplateResult {
    const map = $map.get();
    if (!map) return html`<p class="hint">Choose a file, and its blocks are drawn here: whose they are, where they lie, and what still waits in memory.</p>`;
    const groups = groupsOf(map);
    return html`
      <div class="blocks">
        ${this.#summary(map)} ${this.#cells(map, groups)} ${this.#legend(map, groups)} ${this.#strips(map)} ${this.#table(map, groups)}
      </div>
    `;
  }

  #summary(map: ExtentMap): TemplateResult {
    const sum = (of: (run: Run) => boolean) => map.runs.filter(of).reduce((blocks, run) => blocks + run.count, 0);
    const waiting = sum((run) => run.state === 'delalloc');
    const shared = sum((run) => run.shared);
    const own = sum((run) => !run.shared && run.state !== 'delalloc');
    const overwrite = $overwrite.get();
    return html`
      <div class="summary">
        <p data-testid="sharing">
          <b>${number(shared)}</b> shared, <b>${number(own)}</b> its own${waiting > 0 ? html`, <b>${number(waiting)}</b> waiting in memory` : nothing}
          <span class="quiet">of ${count(map.blocks, 'block')} of ${size(map.blockSize)}</span>
        </p>
        ${overwrite?.phase === 'reserved' ? html`<wa-button size="s" variant="brand" @click=${() => void writeback()}>Write back</wa-button>` : nothing}
        ${overwrite?.phase === 'written' ? html`<wa-button size="s" variant="brand" @click=${() => void log()}>Sync to the log</wa-button>` : nothing}
      </div>
    `;
  }

  #cells(map: ExtentMap, groups: readonly string[]): TemplateResult {
    const cells = cellsOf(map, MOST_CELLS);
    const per = cells[0]?.count ?? 1;
    return html`
      <h3>Blocks of the file${per > 1 ? html` <span class="quiet">(each cell is ${number(per)} blocks)</span>` : nothing}</h3>
      <div class="cells" role="img" aria-label=${inWords(map)}>${cells.map((cell) => this.#cell(cell, map, groups))}</div>
    `;
  }

  #cell(cell: Cell, map: ExtentMap, groups: readonly string[]): TemplateResult {
    const { run } = cell;
    const group = run?.shared ? groups.indexOf(key(run)) : -1;
    const look = !run ? 'hole' : run.state === 'delalloc' ? 'delalloc' : run.shared ? `shared hue-${group % 6}` : run.state === 'unwritten' ? 'unwritten' : 'own';
    const mark = !run ? '' : run.state === 'delalloc' ? '✱' : run.shared ? (LETTERS[group] ?? '…') : run.state === 'unwritten' ? '0' : '';
    return html`<span class="cell ${look}" title=${`File block ${number(cell.block)}: ${inWordsRun(run, map, cell)}`}>${mark}</span>`;
  }

  #legend(map: ExtentMap, groups: readonly string[]): TemplateResult {
    const has = (of: (run: Run) => boolean) => map.runs.some(of);
    return html`
      <ul class="legend">
        ${has((run) => !run.shared && run.state === 'written') ? html`<li><span class="cell own"></span> its own</li>` : nothing}
        ${groups.map((group, i) => html`<li><span class="cell shared hue-${i % 6}">${LETTERS[i] ?? '…'}</span> shared with ${this.#owners(group, map)}</li>`)}
        ${has((run) => run.state === 'delalloc') ? html`<li><span class="cell delalloc">✱</span> in memory until writeback; its block is chosen then</li>` : nothing}
        ${has((run) => run.state === 'unwritten') ? html`<li><span class="cell unwritten">0</span> allocated, never written: reads as zeros</li>` : nothing}
        ${map.runs.length === 0 ? html`<li>${map.blocks === 0 ? 'An empty file has no blocks.' : 'No blocks: it reads as zeros.'}</li>` : nothing}
      </ul>
    `;
  }

  #owners(group: string, map: ExtentMap): TemplateResult | string {
    const paths = group === '' ? [] : group.split(',').map((i) => map.sharers[Number(i)] ?? '');
    if (paths.length === 0) return 'a file that was not found';
    return html`${paths.map((path, i) => html`${i > 0 ? ', ' : ''}${path.startsWith('/') ? html`<button class="link" @click=${() => void openFile(path)}>${path}</button>` : path}`)}`;
  }

  #strips(map: ExtentMap): TemplateResult {
    return html`
      <h3>Where they lie</h3>
      <div class="strips">${map.strips.map((strip) => this.#strip(strip))}</div>
      <ul class="legend">
        <li><span class="swatch used"></span> used</li>
        <li><span class="swatch free"></span> free</li>
        <li><span class="swatch log"></span> the log</li>
        <li><span class="swatch mine"></span> this file, its own (below)</li>
        <li><span class="swatch ours"></span> this file, shared (above)</li>
      </ul>
    `;
  }

  #strip(strip: Strip): TemplateResult {
    const free = strip.free.reduce((sum, extent) => sum + extent.count, 0);
    const mine = strip.mine.reduce((sum, extent) => sum + extent.count, 0);
    const label = `Allocation group ${strip.ag}: ${count(strip.blocks, 'block')}, ${number(free)} free, ${number(mine)} of this file`;
    const near = closeUp(strip);
    return html`
      <span class="strip-name">AG ${strip.ag}</span>${drawn(strip, { from: 0, to: strip.blocks }, label)}
      ${near
        ? html`<span class="strip-name near">${number(near.from)}–${number(near.to)}</span>${drawn(strip, near, `Blocks ${number(near.from)} to ${number(near.to)} of it, larger`)}`
        : nothing}
    `;
  }

  #table(map: ExtentMap, groups: readonly string[]): TemplateResult | typeof nothing {
    if (map.runs.length === 0) return nothing;
    return html`
      <h3>Extents</h3>
      <div class="scroll-x" tabindex="0" role="group" aria-label="Extents of the file">
        <table>
          <thead>
            <tr><th scope="col">File block</th><th scope="col">Count</th><th scope="col">AG</th><th scope="col">AG block</th><th scope="col">State</th></tr>
          </thead>
          <tbody>
            ${map.runs.slice(0, MOST_ROWS).map(
              (run) => html`<tr>
                <td>${number(run.block)}</td><td>${number(run.count)}</td><td>${run.ag ?? '–'}</td><td>${run.agBlock === undefined ? 'not chosen' : number(run.agBlock)}</td>
                <td>${stateText(run)}${run.shared ? ` (${LETTERS[groups.indexOf(key(run))] ?? '…'})` : ''}</td>
              </tr>`,
            )}
          </tbody>
        </table>
        ${map.runs.length > MOST_ROWS ? html`<p class="hint">and ${number(map.runs.length - MOST_ROWS)} more</p>` : nothing}
      </div>
    `;
  }
}

/** Blocks `from` to `to` of an allocation group. */
function drawn(strip: Strip, { from, to }: { from: number; to: number }, label: string): TemplateResult {
  // What is thinner than this could not be seen.
  const least = (to - from) / 300;
  const bar = (extent: { start: number; count: number }, look: string, y: number, height: number) =>
    svg`<rect class=${look} x=${Math.min(extent.start, to - Math.max(extent.count, least))} y=${y} width=${Math.max(extent.count, least)} height=${height}></rect>`;
  const free = strip.free.filter(({ start, count }) => start < to && start + count > from);
  return html`
    <svg class="strip" viewBox="${from} 0 ${to - from} 20" preserveAspectRatio="none" role="img" aria-label=${label}>
      <title>${label}</title>
      ${bar({ start: 0, count: strip.blocks }, 'used', 0, 20)}
      <path class="free" d=${free.map(({ start, count }) => `M${start} 0h${count}v20h${-count}z`).join('')}></path>
      ${strip.log ? bar(strip.log, 'log', 6, 8) : nothing}
      ${strip.mine.map((extent) => bar(extent, extent.shared ? 'ours' : 'mine', extent.shared ? 0 : 8, 12))}
    </svg>
  `;
}

/** Runs with the same owners get the same letter. */
function groupsOf(map: ExtentMap): string[] {
  return [...new Set(map.runs.filter((run) => run.shared).map(key))];
}

function key(run: Run): string {
  return run.sharers.join();
}

function stateText(run: Run): string {
  const shared = run.shared ? 'shared' : 'its own';
  return { written: shared, unwritten: `${shared}, unwritten`, delalloc: 'delalloc' }[run.state];
}

function inWordsRun(run: Run | undefined, map: ExtentMap, cell: Cell): string {
  if (!run) return 'hole';
  const place = run.agBlock === undefined ? '' : `, AG ${run.ag} block ${number(run.agBlock + Math.max(0, cell.block - run.block))}`;
  const others = run.sharers.map((i) => map.sharers[i]).join(', ');
  const instead = run.state === 'delalloc' && cell.replaces ? ', to take the place of a shared block' : '';
  return `${stateText(run)}${place}${others ? `, with ${others}` : ''}${instead}`;
}

function inWords(map: ExtentMap): string {
  const parts = map.runs.slice(0, 30).map((run) => `${run.count === 1 ? `block ${run.block}` : `blocks ${run.block} to ${run.block + run.count - 1}`} ${stateText(run)}`);
  return `Blocks of ${map.path}: ${parts.join('; ') || 'none'}`;
}

customElements.define('xfs-blocks', BlocksPane);
