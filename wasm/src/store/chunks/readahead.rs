//! How much is fetched beyond what is missing.

use std::ops::Range;

/// No more than so many bytes ahead.
const MOST_BYTES: u32 = 4 << 20;

/// What is known of the way in which chunks are read.
#[derive(Debug, Default)]
pub(super) struct Readahead {
    /// How often the operation under way had to be tried again.
    rounds: u32,
    /// Chunks that were fetched together for a reader that goes on where it was.
    window: u32,
    /// Where the last window ended.
    next: u32,
    /// What was missed last.
    last: Option<u32>,
}

impl Readahead {
    /// A chunk was missed.
    pub(super) fn missed(&mut self, chunk: u32) {
        self.last = Some(chunk);
    }

    /// What is read ahead with chunks of which `first` is the lowest; at most `most` chunks.
    ///
    /// One chunk at first. A reader that goes on where the last window ended gets twice as much each time. An operation
    /// that misses again and again also gets more: each time it starts from the beginning, and the number of times is
    /// what it takes long by. Where it reads here and there that grows more slowly, since most may be for nothing.
    pub(super) fn next(&mut self, first: Option<u32>, chunk_bytes: u32, most: u32) -> Range<u32> {
        let (Some(first), Some(last)) = (first, self.last) else { return 0..0 };
        let most = most.min((MOST_BYTES / chunk_bytes).max(1));
        let goes_on = self.window > 0 && (self.next..=self.next.saturating_add(self.window)).contains(&first);
        self.window = if goes_on { self.window.saturating_mul(2) } else { 1 };
        let for_rounds = 1_u32.checked_shl(self.rounds / 2).unwrap_or(u32::MAX);
        self.rounds += 1;
        let count = self.window.max(for_rounds).min(most);
        self.window = self.window.min(most);
        let ahead = last + 1..last.saturating_add(count);
        self.next = ahead.end.max(last + 1);
        ahead
    }

    /// The operation is done.
    pub(super) fn settle(&mut self) {
        self.rounds = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHUNK_BYTES: u32 = 64 << 10;

    fn miss(readahead: &mut Readahead, chunk: u32) -> u32 {
        readahead.missed(chunk);
        let ahead = readahead.next(Some(chunk), CHUNK_BYTES, 1000);
        assert_eq!(ahead.start, chunk + 1);
        ahead.len() as u32
    }

    #[test]
    fn one_who_reads_on_gets_twice_as_much_each_time() {
        let mut readahead = Readahead::default();
        let (mut at, mut found) = (7, Vec::new());
        for _ in 0..9 {
            let ahead = miss(&mut readahead, at);
            found.push(ahead + 1);
            at += ahead + 1;
            readahead.settle();
        }
        assert_eq!(found, [1, 2, 4, 8, 16, 32, 64, 64, 64], "up to 4 MiB");
        assert_eq!(miss(&mut readahead, 5), 0, "and one chunk elsewhere");
    }

    #[test]
    fn an_operation_that_misses_often_gets_more() {
        let mut readahead = Readahead::default();
        let found: Vec<u32> = (1..20).map(|n| miss(&mut readahead, n * 1000) + 1).collect();
        assert_eq!(found[..8], [1, 1, 2, 2, 4, 4, 8, 8]);
        assert_eq!(found[18], 64);
        readahead.settle();
        assert_eq!(miss(&mut readahead, 5), 0);
    }
}
