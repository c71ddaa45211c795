//! Blocks: each is free or owned; the reference counts and reverse mappings that follow from the owners.
//!
//! Source: "Reference Count B+tree", "Reverse-Mapping B+tree".

use alloc::vec::Vec;

use super::btree::walk_ag_tree;
use super::context::{Context, State, continues};
use crate::error::{Place, Problem, Result};
use crate::format::BlockKind;
use crate::format::btree::{FreeRec, RefcountRec, RmapKey, RmapRec};
use crate::format::inode::FileType;
use crate::sort;
use crate::units::{AgBlock, AgNumber, Ino};

/// Differences of one tree that are reported singly.
const MAX_DIFFERENCES: u32 = 20;

/// Compares the owners of all blocks with the free space, the refcountbt and the rmapbt.
pub(super) fn check(cx: &mut Context<'_>, state: &mut State) -> Result<()> {
    if !state.owners_complete {
        return Ok(());
    }
    for ag in cx.geometry.ags() {
        let found = &mut state.ags[ag.0 as usize];
        let (owned, free) = (core::mem::take(&mut found.owned), core::mem::take(&mut found.free));
        let refcounts = core::mem::take(&mut found.refcounts);
        let rmapbt = found.rmapbt.take();
        let owned = canonical(owned);
        sweep(cx, state, ag, &owned, &free);
        if cx.geometry.has_reflink() {
            compare_refcounts(cx, state, ag, &owned, &refcounts);
        }
        if let Some((root, height)) = rmapbt {
            compare_rmaps(cx, ag, &owned, root, height)?;
        }
    }
    Ok(())
}

/// Sorted as the rmapbt is, with what belongs together in one record.
fn canonical(mut owned: Vec<RmapRec>) -> Vec<RmapRec> {
    // By start, owner, offset: equal ones keep the order of the sort before.
    sort::by_number(&mut owned, |record| RmapKey::low(record).offset);
    sort::by_words(&mut owned, |record| (u64::from(record.start.0), record.owner.0));
    let mut merged: Vec<RmapRec> = Vec::with_capacity(owned.len());
    for record in owned {
        match merged.last_mut() {
            Some(last) if continues(last, &record) => last.len = last.len.saturating_add(record.len),
            _ => merged.push(record),
        }
    }
    merged
}

/// Whether an extent may have several owners: data of a regular file.
fn is_file_data(state: &mut State, cx: &Context<'_>, record: &RmapRec) -> bool {
    let is_data = record.owner.is_inode() && record.offset & (RmapRec::ATTR_FORK | RmapRec::BMBT_BLOCK) == 0;
    let node = if is_data { state.node(&cx.geometry, Ino(record.owner.0)) } else { None };
    node.is_some_and(|node| node.kind == FileType::Regular.dir_code())
}

/// Looks for blocks with two owners, and with none.
fn sweep(cx: &mut Context<'_>, state: &mut State, ag: AgNumber, owned: &[RmapRec], free: &[FreeRec]) {
    let can_share = cx.geometry.has_reflink();
    let mut free = free.iter().peekable();
    let mut seen = Seen::default();
    for record in owned {
        while let Some(free) = free.next_if(|free| free.start <= record.start) {
            seen.free(cx, ag, free);
        }
        gap(cx, ag, seen.end, record.start);
        let is_shareable = can_share && is_file_data(state, cx, record);
        let limit = if is_shareable { seen.exclusive_end } else { seen.end };
        let mut place = Place::agblock(ag, record.start);
        place.ino = record.owner.is_inode().then_some(Ino(record.owner.0));
        if record.start < seen.free_end {
            cx.report.rule("bnobt", place, "a free block is in use");
        } else if record.start < limit {
            cx.report.rule("block", place, "is in use twice");
        } else if is_shareable && record.start < seen.shared.0 {
            for ino in [seen.shared.1, Ino(record.owner.0)] {
                check_flag(cx, state, ag, record.start, ino);
            }
        }
        seen.end = seen.end.max(record.end());
        if !is_shareable {
            seen.exclusive_end = seen.exclusive_end.max(record.end());
        } else if record.end() > seen.shared.0 {
            seen.shared = (record.end(), Ino(record.owner.0));
        }
    }
    for free in free {
        seen.free(cx, ag, free);
    }
    gap(cx, ag, seen.end, AgBlock(cx.geometry.ag_len(ag)));
}

/// How far a sweep over the blocks of an AG has come. Ends are exclusive.
#[derive(Default)]
struct Seen {
    /// End of everything.
    end: AgBlock,
    /// End of what cannot be shared, free blocks included.
    exclusive_end: AgBlock,
    free_end: AgBlock,
    /// End of file data that may be shared, and whose it is.
    shared: (AgBlock, Ino),
}

impl Seen {
    fn free(&mut self, cx: &mut Context<'_>, ag: AgNumber, free: &FreeRec) {
        gap(cx, ag, self.end, free.start);
        if free.start < self.end {
            cx.report.rule("bnobt", Place::agblock(ag, free.start), "a free block is in use");
        }
        self.free_end = free.start.plus(free.len);
        self.end = self.end.max(self.free_end);
        self.exclusive_end = self.end;
    }
}

fn gap(cx: &mut Context<'_>, ag: AgNumber, from: AgBlock, to: AgBlock) {
    if from < to {
        cx.report.rule("block", Place::agblock(ag, from), "is neither free nor in use");
    }
}

fn check_flag(cx: &mut Context<'_>, state: &mut State, ag: AgNumber, start: AgBlock, ino: Ino) {
    if state.node(&cx.geometry, ino).is_some_and(|node| !node.may_share()) {
        let mut place = Place::agblock(ag, start);
        place.ino = Some(ino);
        cx.report.rule("inode", place, "shares blocks without the flag that says so");
    }
}

/// Counts how many mappings each block has, and compares with the refcountbt.
fn compare_refcounts(
    cx: &mut Context<'_>,
    state: &mut State,
    ag: AgNumber,
    owned: &[RmapRec],
    stored: &[RefcountRec],
) {
    let mut data = Vec::new();
    for record in owned {
        if is_file_data(state, cx, record) {
            data.push((record.start, record.end()));
        }
    }
    let expected = recount(&data);
    let stored: Vec<RefcountRec> = stored.iter().filter(|record| !record.cow).copied().collect();
    compare(cx, "refcountbt", ag, &expected, &stored, |record| record.start, |record| record.start);
}

/// Runs of blocks that two or more extents cover. `data` is sorted by start.
fn recount(data: &[(AgBlock, AgBlock)]) -> Vec<RefcountRec> {
    let mut ends: Vec<AgBlock> = data.iter().map(|&(_, end)| end).collect();
    sort::by_number(&mut ends, |end| u64::from(end.0));
    let mut starts = data.iter().map(|&(start, _)| start).peekable();
    let mut ends = ends.into_iter().peekable();
    let mut runs: Vec<RefcountRec> = Vec::new();
    let (mut depth, mut from) = (0_u32, AgBlock(0));
    while let Some(&end) = ends.peek() {
        let at = starts.peek().copied().map_or(end, |start| start.min(end));
        if depth >= 2 && at > from {
            let len = at.0 - from.0;
            match runs.last_mut() {
                Some(last) if last.start.plus(last.len) == from && last.refcount == depth => last.len += len,
                _ => runs.push(RefcountRec { cow: false, start: from, len, refcount: depth }),
            }
        }
        while starts.next_if_eq(&at).is_some() {
            depth += 1;
        }
        while ends.next_if_eq(&at).is_some() {
            depth -= 1;
        }
        from = at;
    }
    runs
}

fn compare_rmaps(
    cx: &mut Context<'_>,
    ag: AgNumber,
    expected: &[RmapRec],
    root: AgBlock,
    height: u32,
) -> Result<()> {
    let mut stored = Vec::new();
    let was_muted = core::mem::replace(&mut cx.report.is_muted, true);
    let mut on_record = |_: &mut Context<'_>, _: Place, record: &[u8]| stored.push(RmapRec::decode(record));
    let walked = walk_ag_tree(cx, BlockKind::Rmapbt, ag, root, height, &mut on_record);
    cx.report.is_muted = was_muted;
    walked?;
    compare(cx, "rmapbt", ag, expected, &stored, RmapKey::low, |record| record.start);
    Ok(())
}

/// Compares two sorted lists and reports what only one of them has.
fn compare<T: PartialEq, K: Ord>(
    cx: &mut Context<'_>,
    tree: &'static str,
    ag: AgNumber,
    expected: &[T],
    stored: &[T],
    key: impl Fn(&T) -> K,
    start: impl Fn(&T) -> AgBlock,
) {
    let (mut expected, mut stored) = (expected.iter().peekable(), stored.iter().peekable());
    let mut differences = 0;
    loop {
        let (record, rule) = match (expected.peek(), stored.peek()) {
            (None, None) => return,
            (Some(a), Some(b)) if a == b => {
                expected.next();
                stored.next();
                continue;
            }
            (Some(a), Some(b)) if key(a) == key(b) => {
                stored.next();
                (expected.next(), "a record is not what the owners make it")
            }
            (Some(a), Some(b)) if key(a) > key(b) => (stored.next(), "a record has no owner"),
            (None, Some(_)) => (stored.next(), "a record has no owner"),
            (Some(_), _) => (expected.next(), "a record is missing"),
        };
        let place = Place::agblock(ag, record.map(&start).unwrap_or_default());
        differences += 1;
        if differences > MAX_DIFFERENCES {
            cx.report.damage(tree, place, Problem::Rule("more records differ"));
            return;
        }
        cx.report.damage(tree, place, Problem::Rule(rule));
    }
}
