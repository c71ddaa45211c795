// @ts-check
// What was measured, as one table: medians of all rounds.

/** @param {number[]} values */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const high = sorted[middle] ?? NaN;
  return sorted.length % 2 === 1 ? high : ((sorted[middle - 1] ?? NaN) + high) / 2;
}

/**
 * @typedef {object} Row
 * @property {string} work
 * @property {string} who the contender that xfskit is held against
 * @property {number} theirs milliseconds
 * @property {number} ours milliseconds
 * @property {number} wanted how many times as fast xfskit should be
 */

/** @param {Row[]} rows */
export function print(rows) {
  const cells = rows.map((row) => {
    const ratio = row.theirs / row.ours;
    const verdict = ratio >= row.wanted ? '' : 'not reached';
    return [row.work, row.who, shown(row.theirs), shown(row.ours), ratio.toFixed(2), String(row.wanted), verdict];
  });
  const head = ['work', 'beside', 'theirs, ms', 'xfskit, ms', 'times as fast', 'wanted', ''];
  const all = [head, ...cells];
  const widths = head.map((_, column) => Math.max(...all.map((line) => (line[column] ?? '').length)));
  for (const line of all) {
    const padded = line.map((cell, column) =>
      column < 2 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
    );
    console.log(padded.join('  ').trimEnd());
  }
}

/** @param {number} milliseconds */
function shown(milliseconds) {
  return milliseconds < 10 ? milliseconds.toFixed(2) : milliseconds.toFixed(0);
}
