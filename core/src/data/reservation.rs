//! How many blocks the writeback of a file can need at most.
//!
//! Two purses pay for it. Data over holes and over shared blocks needs new blocks, and is refused at write while what
//! it needs would cut into the volume's [pool](crate::space::reserve::pool). Data over unwritten blocks has its blocks
//! already; only the bmbt can grow as they turn into written ones, and for that the pool is there.

use crate::btree::{bmap::Bmbt, free_space::Bnobt, max_records};
use crate::geometry::Geometry;

/// What one file's writeback has to do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Work {
    /// Extents of the file as it is.
    pub extents: u64,
    /// Blocks to find for data.
    pub data_fsblocks: u64,
    /// Stretches of the file that they are for.
    pub data_runs: u64,
    /// Stretches of unwritten blocks to turn into written ones.
    pub convert_runs: u64,
}

impl Work {
    /// Blocks that this can take, metadata included.
    #[must_use]
    pub fn reservation(&self, geometry: &Geometry) -> Reservation {
        let data = fsblocks(geometry, &Self { convert_runs: 0, ..*self });
        Reservation { data, convert: fsblocks(geometry, self) - data }
    }
}

/// Blocks set aside for writeback.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reservation {
    /// For data that needs new blocks, with the metadata that comes with it.
    pub data: u64,
    /// For metadata alone, where unwritten blocks become written ones.
    pub convert: u64,
}

impl Reservation {
    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.data.saturating_add(self.convert)
    }

    /// Blocks that have to be available so that the pool is whole besides what waits: conversions are paid from it.
    #[must_use]
    pub fn beside_pool(&self, pool_fsblocks: u64) -> u64 {
        self.data.saturating_add(self.convert.max(pool_fsblocks))
    }

    /// The sum of both.
    #[must_use]
    pub fn plus(&self, other: Self) -> Self {
        Self { data: self.data + other.data, convert: self.convert + other.convert }
    }

    /// What is left without `other`, which is part of this.
    #[must_use]
    pub fn minus(&self, other: Self) -> Self {
        Self { data: self.data - other.data, convert: self.convert - other.convert }
    }
}

/// In the worst case every block becomes an extent of its own, and each stretch, new blocks or conversion, splits an
/// extent of the file in three. Each new block may split a free extent in two.
fn fsblocks(geometry: &Geometry, work: &Work) -> u64 {
    let runs = work.data_runs + work.convert_runs;
    if runs == 0 {
        return 0;
    }
    let records = work.data_fsblocks + work.data_runs + 2 * work.convert_runs;
    let taken = work.data_fsblocks + bmbt_growth(geometry, work.extents, records, runs);
    let free_leaf = max_records::<Bnobt>(geometry.blocksize).0;
    taken + 2 * (taken.div_ceil(u64::from(free_leaf / 2)) + 2)
}

/// Blocks that a bmbt of `extents` records may gain as `records` more are inserted at `runs` places.
///
/// A block that was split has to gain half of its entries again before the next split, so `n` insertions split at most
/// `n / half` times, but for the blocks that are full to begin with: each place may meet one of those, and of a tree's
/// entries no more than half are above what its blocks hold at least.
fn bmbt_growth(geometry: &Geometry, extents: u64, records: u64, runs: u64) -> u64 {
    let (leaf, node) = max_records::<Bmbt>(geometry.blocksize);
    let (mut half, mut entries, mut added) = (u64::from(leaf / 2), extents, records);
    let mut total = 0;
    for _ in 0..crate::btree::MAX_HEIGHT {
        let places = runs + added.div_ceil(half);
        let above_half = (entries / 2 + 1).min(places.saturating_mul(half));
        let splits = (added + above_half) / half;
        // The tree may get one level higher here, where its root is in the inode.
        total += splits + 1;
        if splits == 0 {
            break;
        }
        (entries, added) = (entries / half, splits + 1);
        half = u64::from(node / 2);
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::tests::sample;

    /// On blocks of 1 KiB a leaf of a bmbt holds 59 records and a node 59 entries.
    fn growth(extents: u64, records: u64, runs: u64) -> u64 {
        bmbt_growth(&sample(), extents, records, runs)
    }

    #[test]
    fn a_small_file_needs_one_block_for_its_first_leaf() {
        assert_eq!(growth(0, 2, 1), 1);
        assert_eq!(growth(9, 2, 1), 1);
    }

    #[test]
    fn leaves_that_are_full_split_at_each_place() {
        // Twenty full leaves, one record more in each: every one splits.
        assert!(growth(20 * 59, 20, 20) >= 20);
        // All of them in the same place: one leaf splits, and its halves fill up again.
        assert!((2..=6).contains(&growth(20 * 59, 20, 1)));
    }

    #[test]
    fn many_records_need_what_leaves_and_nodes_at_least_half_full_take() {
        let (leaves, nodes) = (10_000_u64.div_ceil(29), 10_000_u64.div_ceil(29 * 29));
        let found = growth(1, 10_000, 5000);
        assert!((leaves + nodes..=leaves + nodes + 8).contains(&found), "{found}");
    }

    #[test]
    fn conversions_are_paid_from_the_pool() {
        let work = Work { extents: 1, data_fsblocks: 10, data_runs: 2, convert_runs: 0 };
        let data = work.reservation(&sample());
        assert_eq!((data.convert, data.beside_pool(100)), (0, data.total() + 100));
        let both = Work { convert_runs: 3, ..work }.reservation(&sample());
        assert_eq!(both.data, data.data);
        assert!(both.beside_pool(100) == data.data + 100 && both.beside_pool(0) == both.total());
    }
}
