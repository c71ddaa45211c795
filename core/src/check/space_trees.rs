//! Records of the trees about space: bnobt, cntbt, rmapbt, refcountbt.

use alloc::vec::Vec;

use super::btree::walk_ag_tree;
use super::context::{AgState, Context};
use crate::error::{Place, Result};
use crate::format::BlockKind;
use crate::format::btree::{FreeRec, RefcountRec, RmapKey, RmapOwner, RmapRec};
use crate::sort;
use crate::units::{AgBlock, AgNumber};

/// Walks the bnobt and notes the free extents. Returns the number of its blocks, and whether all could be read.
pub(super) fn by_block(
    cx: &mut Context<'_>,
    found: &mut AgState,
    ag: AgNumber,
    root: AgBlock,
    height: u32,
) -> Result<(u64, bool)> {
    let mut free: Vec<FreeRec> = Vec::new();
    let mut is_valid = true;
    let mut on_record = |cx: &mut Context<'_>, place: Place, record: &[u8]| {
        let record = FreeRec::decode(record);
        is_valid &= check_free(cx, "bnobt", ag, place, &record);
        // Neighbours would have been one record.
        if let Some(last) = free.last()
            && record.start <= last.start.plus(last.len)
        {
            cx.report.bounds("bnobt", place, "startblock (out of order, or adjacent)", record.start.0);
        }
        free.push(record);
    };
    let (blocks, complete) = walk_ag_tree(cx, BlockKind::Bnobt, ag, root, height, &mut on_record)?;
    found.own_blocks(&blocks, RmapOwner::AG);
    found.free = free;
    Ok((blocks.len() as u64, complete && is_valid))
}

/// Walks the cntbt, which must hold the same records as the bnobt.
pub(super) fn by_size(
    cx: &mut Context<'_>,
    found: &mut AgState,
    ag: AgNumber,
    root: AgBlock,
    height: u32,
    can_compare: bool,
) -> Result<(u64, bool)> {
    let mut free: Vec<FreeRec> = Vec::new();
    let mut on_record = |cx: &mut Context<'_>, place: Place, record: &[u8]| {
        let record = FreeRec::decode(record);
        check_free(cx, "cntbt", ag, place, &record);
        if let Some(last) = free.last()
            && (record.len, record.start) <= (last.len, last.start)
        {
            cx.report.bounds("cntbt", place, "blockcount (out of order)", record.len);
        }
        free.push(record);
    };
    let (blocks, complete) = walk_ag_tree(cx, BlockKind::Cntbt, ag, root, height, &mut on_record)?;
    found.own_blocks(&blocks, RmapOwner::AG);
    sort::by_number(&mut free, |record| u64::from(record.start.0));
    if complete && can_compare && free != found.free {
        let differs = free.iter().zip(&found.free).find(|(a, b)| a != b);
        let shorter = free.len().min(found.free.len());
        let rest = || free.get(shorter).or_else(|| found.free.get(shorter));
        let start = differs.map(|(a, b)| a.start.min(b.start)).or_else(|| rest().map(|rec| rec.start));
        let place = Place::agblock(ag, start.unwrap_or_default());
        cx.report.rule("cntbt", place, "does not hold the same free extents as the bnobt");
    }
    Ok((blocks.len() as u64, complete))
}

fn check_free(
    cx: &mut Context<'_>,
    tree: &'static str,
    ag: AgNumber,
    place: Place,
    record: &FreeRec,
) -> bool {
    let is_valid = cx.geometry.is_valid_ag_extent(ag, record.start, record.len);
    if !is_valid {
        cx.report.bounds(tree, place, "free extent", record.start.0);
    }
    is_valid
}

/// Checks the order of rmapbt records. What they say is compared later, when all owners are known.
pub(super) fn rmaps() -> impl FnMut(&mut Context<'_>, Place, &[u8]) {
    let mut last: Option<RmapKey> = None;
    move |cx, place, record| {
        let record = RmapRec::decode(record);
        let key = RmapKey::low(&record);
        if last.is_some_and(|last| key <= last) {
            cx.report.bounds("rmapbt", place, "startblock (out of order)", record.start.0);
        }
        last = Some(key);
    }
}

/// Walks the refcountbt and notes its records, of which staging extents are owners.
pub(super) fn refcounts(
    cx: &mut Context<'_>,
    found: &mut AgState,
    ag: AgNumber,
    root: AgBlock,
    height: u32,
) -> Result<(u64, bool)> {
    let mut records: Vec<RefcountRec> = Vec::new();
    let mut is_valid = true;
    let mut on_record = |cx: &mut Context<'_>, place: Place, record: &[u8]| {
        let record = RefcountRec::decode(record);
        if !cx.geometry.is_valid_ag_extent(ag, record.start, record.len) {
            cx.report.bounds("refcountbt", place, "startblock", record.start.0);
            is_valid = false;
        }
        let count_fits = if record.cow { record.refcount == 1 } else { record.refcount >= 2 };
        if !count_fits {
            cx.report.bounds("refcountbt", place, "refcount", record.refcount);
        }
        if let Some(last) = records.last() {
            let is_later =
                if last.cow == record.cow { record.start >= last.start.plus(last.len) } else { record.cow };
            if !is_later {
                cx.report.bounds("refcountbt", place, "startblock (out of order)", record.start.0);
            }
        }
        records.push(record);
    };
    let (blocks, complete) = walk_ag_tree(cx, BlockKind::Refcountbt, ag, root, height, &mut on_record)?;
    found.own_blocks(&blocks, RmapOwner::REFC);
    let staging = records.iter().filter(|record| record.cow);
    let owned =
        staging.map(|rec| RmapRec { start: rec.start, len: rec.len, owner: RmapOwner::COW, offset: 0 });
    found.owned.extend(owned);
    found.refcounts = records;
    Ok((blocks.len() as u64, complete && is_valid))
}
