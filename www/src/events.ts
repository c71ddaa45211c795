/** What the writes that reach the disk are for. */
import type { DiskEvent } from './volume';

export type Purpose = 'data' | 'log' | 'metadata' | 'flush';

export interface LabelledEvent extends DiskEvent {
  purpose: Purpose;
}

export interface ByteRange {
  at: number;
  length: number;
}

/** Tells data (what lies in `data`), log (inside `log`), and metadata in its place (all else) apart. */
export function label(events: readonly DiskEvent[], log: ByteRange, data: readonly ByteRange[]): LabelledEvent[] {
  return events.map((event) => ({ ...event, purpose: purposeOf(event, log, data) }));
}

function purposeOf(event: DiskEvent, log: ByteRange, data: readonly ByteRange[]): Purpose {
  if (event.kind === 'flush') return 'flush';
  if (overlaps(event, log)) return 'log';
  return data.some((range) => overlaps(event, range)) ? 'data' : 'metadata';
}

function overlaps(event: DiskEvent, range: ByteRange): boolean {
  return event.offset < range.at + range.length && event.offset + event.length > range.at;
}

/** An event in words. */
export function describe(event: LabelledEvent): string {
  switch (event.purpose) {
    case 'flush':
      return 'flush: all before is durable';
    case 'data':
      return 'the new data, into its new blocks';
    case 'log':
      return 'the change, into the log';
    case 'metadata':
      return 'metadata, in its place';
  }
}
