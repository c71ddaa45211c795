/** What differs between two contents of a file. */

export interface Range {
  from: number;
  to: number;
}

/**
 * The ranges of `after` that have to be written so that `before` becomes it, block by block: what is the same in a block
 * that has changed is left out at its ends, and a block that has not changed is not written at all.
 */
export function changedRanges(before: Uint8Array, after: Uint8Array, blockSize: number): Range[] {
  const ranges: Range[] = [];
  for (let start = 0; start < after.length; start += blockSize) {
    const range = changedIn(before, after, start, Math.min(start + blockSize, after.length));
    if (!range) continue;
    const last = ranges.at(-1);
    if (last?.to === range.from) last.to = range.to;
    else ranges.push(range);
  }
  return ranges;
}

function changedIn(before: Uint8Array, after: Uint8Array, start: number, end: number): Range | undefined {
  let from = start;
  while (from < end && before[from] === after[from]) from += 1;
  if (from === end) return undefined;
  let to = end;
  while (to > from && before[to - 1] === after[to - 1]) to -= 1;
  return { from, to };
}
