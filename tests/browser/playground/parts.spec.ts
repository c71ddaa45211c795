// The parts of the playground that need no page.

import { expect, test } from '@playwright/test';
import { changedRanges } from '../../../www/src/changes.ts';
import { label } from '../../../www/src/events.ts';
import { cellsOf, closeUp, runsOf, type ExtentMap } from '../../../www/src/extent-map.ts';
import { hexLines } from '../../../www/src/hex.ts';
import { freeName, isWithin, withSuffix } from '../../../www/src/paths.ts';

const bytes = (text: string) => new TextEncoder().encode(text);

test('only what has changed is written', () => {
  expect(changedRanges(bytes('aaaabbbbcccc'), bytes('aaaabXbbcccc'), 4)).toEqual([{ from: 5, to: 6 }]);
  expect(changedRanges(bytes('aaaabbbb'), bytes('aaaabbbb'), 4)).toEqual([]);
  expect(changedRanges(bytes('aaaabbbb'), bytes('aaaXYbbb'), 4)).toEqual([{ from: 3, to: 5 }]);
  expect(changedRanges(bytes('aaaa'), bytes('aaaabb'), 4)).toEqual([{ from: 4, to: 6 }]);
  expect(changedRanges(bytes('aaaabb'), bytes('aaaa'), 4)).toEqual([]);
  expect(changedRanges(bytes('aaaabbbbcccc'), bytes('Xaaabbbbcccc'), 4)).toEqual([{ from: 0, to: 1 }]);
});

const BLOCK = 4096;
const extent = (block: number, count: number, place: number | undefined, fields = {}) => ({
  offset: block * BLOCK,
  length: count * BLOCK,
  place: place === undefined ? undefined : place * BLOCK,
  ag: place === undefined ? undefined : Math.floor(place / 100),
  unwritten: false,
  shared: false,
  delalloc: place === undefined,
  ...fields,
});
const owner = (at: number, count: number, ino: number, block: number) => ({ at: at * BLOCK, length: count * BLOCK, ino, offset: block * BLOCK });

test('a shared extent is cut where its owners change', () => {
  const extents = [extent(0, 4, 210, { shared: true })];
  const owners = [owner(210, 4, 7, 0), owner(210, 2, 8, 0), owner(211, 3, 9, 5)];
  const inodes = [8, 9];
  const runs = runsOf(extents, owners, 7, BLOCK, 100, (ino) => inodes.indexOf(ino));
  const shown = runs.map(({ block, count, ag, agBlock, sharers }) => [block, count, ag, agBlock, sharers]);
  expect(shown).toEqual([
    [0, 1, 2, 10, [0]],
    [1, 1, 2, 11, [0, 1]],
    [2, 2, 2, 12, [1]],
  ]);
});

test('a file that shares blocks with itself is its own sharer', () => {
  const extents = [extent(0, 1, 10, { shared: true }), extent(3, 1, 10, { shared: true })];
  const runs = runsOf(extents, [owner(10, 1, 7, 0), owner(10, 1, 7, 3)], 7, BLOCK, 100, (ino) => ino);
  expect(runs.map((run) => run.sharers)).toEqual([[7], [7]]);
});

test('what waits in memory covers the block that it will replace', () => {
  const runs = runsOf([extent(0, 3, 10, { shared: true }), extent(1, 1, undefined)], [], 7, BLOCK, 100, (ino) => ino);
  const map: ExtentMap = { path: '/f', blockSize: BLOCK, blocks: 4, runs, strips: [], sharers: [] };
  const cells = cellsOf(map, 100);
  expect(cells.map((cell) => cell.run?.state)).toEqual(['written', 'delalloc', 'written', undefined]);
  expect(cells[1]?.replaces?.shared).toBe(true);
  expect(cellsOf(map, 2).map((cell) => [cell.block, cell.count])).toEqual([
    [0, 2],
    [2, 2],
  ]);
});

test('a close-up is drawn where the whole strip would show nothing', () => {
  const strip = { ag: 0, blocks: 10_000, free: [], mine: [{ start: 500, count: 16, shared: false }], log: undefined };
  expect(closeUp(strip)).toEqual({ from: 492, to: 524 });
  expect(closeUp({ ...strip, blocks: 100, mine: [{ start: 20, count: 60, shared: false }] })).toBeUndefined();
  expect(closeUp({ ...strip, mine: [] })).toBeUndefined();
});

test('writes are told apart by where they go', () => {
  const write = (offset: number, length: number) => ({ kind: 'write' as const, offset, length });
  const flush = { kind: 'flush' as const, offset: 0, length: 0 };
  const events = label([write(100, 10), flush, write(1000, 50), write(5, 1)], { at: 1000, length: 100 }, [{ at: 90, length: 20 }]);
  expect(events.map((event) => event.purpose)).toEqual(['data', 'flush', 'log', 'metadata']);
});

test('bytes are shown sixteen to a line', () => {
  const lines = hexLines(bytes('0123456789abcdefXY\n'), 32).split('\n');
  expect(lines).toEqual([
    '00000020  30 31 32 33 34 35 36 37  38 39 61 62 63 64 65 66  0123456789abcdef',
    `00000030  58 59 0a${' '.repeat(42)}XY·`,
  ]);
});

test('names that are taken get a number', () => {
  expect(freeName('a.txt', new Set())).toBe('a.txt');
  expect(freeName('a.txt', new Set(['a.txt', 'a 2.txt']))).toBe('a 3.txt');
  expect(withSuffix('.profile', 'clone')).toBe('.profile clone');
  expect(isWithin('/ab', '/a')).toBe(false);
  expect(isWithin('/a/b', '/a')).toBe(true);
});
