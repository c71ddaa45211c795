//! What each AG keeps back for its own trees, what the volume keeps in its pool, and what is left for files.
//!
//! The refcountbt, rmapbt and finobt of an AG can grow when nothing is allocated for a file (cloning needs no data
//! blocks, only records), so each AG withholds what a full tree of them would take. The figures are the kernel's:
//! they decide how much of a volume counts as available.
//!
//! Source: "Allocation Groups", per-AG reservations in the kernel's documentation of reflink.

use super::agfl;
use crate::btree::ag_headers::{agf, agi};
use crate::btree::max_records;
use crate::btree::{inode::Inobt, refcount::Refcountbt, rmap::Rmapbt};
use crate::error::Result;
use crate::geometry::Geometry;
use crate::journal::Transaction;
use crate::units::AgNumber;

/// Blocks set aside in every AG on top, for its free space trees to grow.
const SET_ASIDE_FSBLOCKS: u32 = 8;

/// Blocks of a tree of `records` records at least fill.
fn tree_blocks((leaf_max, node_max): (u32, u32), records: u64) -> u64 {
    let (leaf_min, node_min) = (u64::from(leaf_max / 2).max(1), u64::from(node_max / 2).max(2));
    let mut level = records.div_ceil(leaf_min).max(1);
    let mut total = level;
    while level > 1 {
        level = level.div_ceil(node_min);
        total += level;
    }
    total
}

/// Most blocks of the pool.
const POOL_FSBLOCKS: u64 = 8192;

/// Blocks of the volume that neither data nor inodes may take, a twentieth of it at most: with them, data that has its
/// blocks already gets where it belongs when all the rest is full. The kernel's figure.
#[must_use]
pub fn pool(geometry: &Geometry) -> u64 {
    (geometry.dblocks / 20).min(POOL_FSBLOCKS)
}

/// Full sizes of an AG's reserved trees, in fsblocks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Asks {
    /// Refcountbt.
    pub refcountbt: u64,
    /// Rmapbt.
    pub rmapbt: u64,
    /// Finobt.
    pub finobt: u64,
}

impl Asks {
    /// The asks of `ag`.
    #[must_use]
    pub fn of(geometry: &Geometry, ag: AgNumber) -> Self {
        let mut len = u64::from(geometry.ag_len(ag));
        if !geometry.logstart.is_null() && geometry.split(geometry.logstart).0 == ag {
            len -= u64::from(geometry.logblocks);
        }
        Self::of_len(geometry, len)
    }

    /// The asks of an AG with `len` fsblocks besides the log.
    fn of_len(geometry: &Geometry, len: u64) -> Self {
        let bs = geometry.blocksize;
        let mut asks = Self::default();
        if geometry.has_reflink() {
            asks.refcountbt = tree_blocks(max_records::<Refcountbt>(bs), len);
        }
        if geometry.has_finobt() {
            asks.finobt = tree_blocks(max_records::<Inobt>(bs), len * u64::from(geometry.inopblock) / 64);
        }
        if geometry.has_rmapbt() {
            asks.rmapbt = (len / 100).max(tree_blocks(max_records::<Rmapbt>(bs), len));
        }
        asks
    }

    fn total(&self) -> u64 {
        self.refcountbt + self.rmapbt + self.finobt
    }
}

/// Blocks of `ag` that may still go to files.
///
/// # Errors
/// Those of reading the AG's headers.
pub fn usable(tx: &mut Transaction<'_>, ag: AgNumber) -> Result<u32> {
    let asks = Asks::of(tx.geometry(), ag);
    let header = agf(tx, ag)?;
    let (free, listed) = (header.freeblks.get(), header.flcount.get());
    let used_refcount = u64::from(header.refcount_blocks.get());
    let used_rmap = u64::from(header.rmap_blocks.get());
    let used_finobt = if tx.geometry().has_inobtcount() { agi(tx, ag)?.fblocks.get().into() } else { 0 };
    let withheld = asks.refcountbt.saturating_sub(used_refcount)
        + asks.rmapbt.saturating_sub(used_rmap)
        + asks.finobt.saturating_sub(used_finobt)
        + u64::from(agfl::target(tx, ag)?.saturating_sub(listed))
        + u64::from(SET_ASIDE_FSBLOCKS);
    Ok(u64::from(free).saturating_sub(withheld) as u32)
}

/// Blocks that may still go to files over all AGs, the pool included.
///
/// # Errors
/// Those of reading the AGs' headers.
pub fn available(tx: &mut Transaction<'_>) -> Result<u64> {
    let geometry = super::alloc::shape(tx);
    let mut sum = 0;
    for ag in geometry.ags() {
        sum += u64::from(usable(tx, ag)?);
    }
    Ok(sum)
}

/// Whether `fsblocks` more blocks can go to files, over all AGs.
///
/// # Errors
/// Those of reading the AGs' headers.
pub fn is_available(tx: &mut Transaction<'_>, fsblocks: u64) -> Result<bool> {
    let geometry = super::alloc::shape(tx);
    // A bound that needs no AG's headers, so that it costs the same on any size of volume while there is plenty:
    // every AG like the largest, without a log. The rest is room for the AGFL and the most that bnobt and cntbt take.
    let agblocks = u64::from(geometry.agblocks);
    let per_ag =
        Asks::of_len(&geometry, agblocks).total() + u64::from(SET_ASIDE_FSBLOCKS) + 256 + agblocks / 50;
    let withheld = per_ag.saturating_mul(u64::from(geometry.agcount));
    let free = u64::try_from(tx.counters().fdblocks).unwrap_or(0);
    if free.saturating_sub(withheld) >= fsblocks {
        return Ok(true);
    }
    let mut sum = 0_u64;
    for ag in geometry.ags() {
        sum += u64::from(usable(tx, ag)?);
        if sum >= fsblocks {
            return Ok(true);
        }
    }
    Ok(false)
}
