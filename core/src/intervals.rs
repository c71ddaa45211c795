//! Sets of integers kept as disjoint intervals.

use alloc::vec::Vec;
use core::ops::Range;

use crate::units::map::Tree;

/// A set of integers; neighbouring intervals are merged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Intervals {
    /// Start to end (exclusive).
    map: Tree,
    count: u64,
}

impl Intervals {
    /// Whether the set holds nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    /// Number of integers in the set.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Number of intervals.
    #[must_use]
    pub fn runs(&self) -> u64 {
        self.map.len() as u64
    }

    /// Removes everything.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Every interval, ascending.
    pub fn iter(&self) -> impl Iterator<Item = Range<u64>> {
        self.map.from(0).map(|(start, end)| start..end)
    }

    /// Every interval that ends behind `value`, ascending.
    pub fn iter_from(&self, value: u64) -> impl Iterator<Item = Range<u64>> {
        let first =
            self.last_starting_by(value).filter(|near| near.end > value).map_or(value, |near| near.start);
        self.map.from(first).map(|(start, end)| start..end)
    }

    /// Adds an interval, which may overlap what is there.
    pub fn insert(&mut self, range: Range<u64>) {
        let Range { mut start, mut end } = range;
        if start >= end {
            return;
        }
        while let Some(near) = self.last_starting_by(end) {
            if near.end < start {
                break;
            }
            self.map.remove(near.start);
            self.count -= near.end - near.start;
            start = start.min(near.start);
            end = end.max(near.end);
        }
        self.map.insert(start, end);
        self.count += end - start;
    }

    /// Removes an interval, of which any part may be missing.
    pub fn remove(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        while let Some(near) = self.last_starting_by(range.end - 1) {
            if near.end <= range.start {
                break;
            }
            self.map.remove(near.start);
            self.count -= near.end - near.start;
            for rest in [near.start..range.start, range.end..near.end] {
                if rest.start < rest.end {
                    self.count += rest.end - rest.start;
                    self.map.insert(rest.start, rest.end);
                }
            }
            if near.start <= range.start {
                break;
            }
        }
    }

    /// The first interval that overlaps `range`, whole.
    #[must_use]
    pub fn first_overlap(&self, range: &Range<u64>) -> Option<Range<u64>> {
        if let Some(near) = self.last_starting_by(range.start)
            && near.end > range.start
        {
            return Some(near);
        }
        self.map
            .at_or_after(range.start)
            .filter(|&(start, _)| start < range.end)
            .map(|(start, end)| start..end)
    }

    /// Whether `value` is in the set.
    #[must_use]
    pub fn contains(&self, value: u64) -> bool {
        self.last_starting_by(value).is_some_and(|near| near.end > value)
    }

    /// The parts of `range` that are not in the set.
    #[must_use]
    pub fn gaps(&self, range: Range<u64>) -> Vec<Range<u64>> {
        let mut at = range.start;
        let mut gaps = Vec::new();
        while at < range.end {
            let Some(near) = self.first_overlap(&(at..range.end)) else {
                gaps.push(at..range.end);
                break;
            };
            if near.start > at {
                gaps.push(at..near.start);
            }
            at = near.end;
        }
        gaps
    }

    fn last_starting_by(&self, value: u64) -> Option<Range<u64>> {
        self.map.at_or_before(value).map(|(start, end)| start..end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(set: &Intervals) -> Vec<Range<u64>> {
        set.iter().collect()
    }

    #[test]
    fn neighbours_merge_and_removal_splits() {
        let mut set = Intervals::default();
        set.insert(10..15);
        set.insert(20..25);
        set.insert(15..20);
        set.insert(30..31);
        assert_eq!(list(&set), [10..25, 30..31]);
        assert_eq!((set.count(), set.runs()), (16, 2));
        let from = |value| set.iter_from(value).collect::<Vec<_>>();
        assert_eq!((from(24), from(25)), (alloc::vec![10..25, 30..31], alloc::vec![30..31]));
        set.remove(12..14);
        assert_eq!(list(&set), [10..12, 14..25, 30..31]);
        assert!(set.contains(11) && !set.contains(12) && !set.contains(25));
        set.remove(0..100);
        assert!(set.is_empty() && set.count() == 0);
    }

    #[test]
    fn agrees_with_a_plain_set_of_integers() {
        let mut seed = 9_u64;
        let mut random = move |bound: u64| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed % bound
        };
        let mut set = Intervals::default();
        let mut model = [false; 64];
        for _ in 0..5000 {
            let start = random(60);
            let end = start + random(64 - start);
            let add = random(2) == 0;
            if add {
                set.insert(start..end)
            } else {
                set.remove(start..end)
            }
            model[start as usize..end as usize].fill(add);
            for (value, &there) in (0..).zip(&model) {
                assert_eq!(set.contains(value), there);
            }
            assert_eq!(set.count(), model.iter().filter(|&&there| there).count() as u64);
            let gaps: u64 = set.gaps(0..64).into_iter().map(|gap| gap.end - gap.start).sum();
            assert_eq!(gaps, 64 - set.count());
        }
    }
}
