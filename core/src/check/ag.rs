//! The headers of an AG: AGF, AGI, AGFL, and the counters in them.

use zerocopy::FromBytes;

use super::btree::walk_ag_tree;
use super::context::{AgState, Context, State};
use super::{inode_trees, space_trees};
use crate::error::{Place, Result};
use crate::format::BlockKind;
use crate::format::agf::Agf;
use crate::format::agfl;
use crate::format::agi::Agi;
use crate::format::btree::{RmapOwner, RmapRec};
use crate::format::header::be_u32;
use crate::units::{AgBlock, AgIno, AgNumber};

/// Checks one AG and tells what lies in it.
pub(super) fn check(cx: &mut Context<'_>, state: &mut State, ag: AgNumber) -> Result<AgState> {
    if ag.0 == 0 {
        // Until something says otherwise.
        (state.owners_complete, state.names_complete) = (true, true);
    }
    let mut found = AgState::default();
    own_fixed(cx, &mut found, ag);
    let agf = header(cx, BlockKind::Agf, ag, 1)?;
    let agi = header(cx, BlockKind::Agi, ag, 2)?;
    let list = header(cx, BlockKind::Agfl, ag, 3)?;
    let mut is_complete = agf.is_some() && agi.is_some() && list.is_some();
    found.counts.is_known = agf.is_some() && agi.is_some();
    if let Some(sector) = &agf {
        let (agf, _) = Agf::read_from_prefix(sector).expect("a sector holds an AGF");
        is_complete &= check_agf(cx, &mut found, ag, &agf)?;
        if let Some(list) = &list {
            is_complete &= check_free_list(cx, &mut found, ag, &agf, list);
        }
    }
    if let Some(sector) = &agi {
        let (agi, _) = Agi::read_from_prefix(sector).expect("a sector holds an AGI");
        let trees_complete = check_agi(cx, &mut found, ag, &agi)?;
        is_complete &= trees_complete;
        state.names_complete &= trees_complete;
    } else {
        state.names_complete = false;
    }
    state.owners_complete &= is_complete;
    Ok(found)
}

/// The AG headers themselves, and the log.
fn own_fixed(cx: &Context<'_>, found: &mut AgState, ag: AgNumber) {
    let geometry = &cx.geometry;
    let mut own = |start, len, owner| found.owned.push(RmapRec { start, len, owner, offset: 0 });
    own(AgBlock(0), geometry.ag_header_blocks(), RmapOwner::FS);
    let (log_ag, log_start) = geometry.split(geometry.logstart);
    if !geometry.logstart.is_null() && log_ag == ag {
        own(log_start, geometry.logblocks, RmapOwner::LOG);
    }
}

fn header(
    cx: &mut Context<'_>,
    kind: BlockKind,
    ag: AgNumber,
    sector: u32,
) -> Result<Option<alloc::vec::Vec<u8>>> {
    let offset = cx.geometry.ag_sector(ag, sector).0 << 9;
    let len = cx.geometry.sectsize as usize;
    let block = cx.block(&[kind], offset, len, ag.0.into(), Place::ag(ag))?;
    Ok(block.map(|(_, bytes)| bytes))
}

fn place(cx: &Context<'_>, ag: AgNumber, sector: u32) -> Place {
    Place::ag(ag).at(cx.geometry.ag_sector(ag, sector))
}

/// Walks the trees whose roots are in the AGF. Returns whether all of them could be read.
fn check_agf(cx: &mut Context<'_>, found: &mut AgState, ag: AgNumber, agf: &Agf) -> Result<bool> {
    let at = place(cx, ag, 1);
    cx.report.expect("AGF", at, "versionnum", 1_u32, agf.versionnum.get());
    cx.report.expect("AGF", at, "length", cx.geometry.ag_len(ag), agf.length.get());
    let (by_block, bno_complete) =
        space_trees::by_block(cx, found, ag, AgBlock(agf.bno_root.get()), agf.bno_level.get())?;
    let (by_size, cnt_complete) =
        space_trees::by_size(cx, found, ag, AgBlock(agf.cnt_root.get()), agf.cnt_level.get(), bno_complete)?;
    let mut is_complete = bno_complete && cnt_complete;
    let mut btree_blocks = (by_block + by_size).saturating_sub(2);
    if bno_complete {
        let free: u64 = found.free.iter().map(|rec| u64::from(rec.len)).sum();
        let longest = found.free.iter().map(|rec| rec.len).max().unwrap_or(0);
        cx.report.expect("AGF", at, "freeblks", free, agf.freeblks.get());
        cx.report.expect("AGF", at, "longest", longest, agf.longest.get());
    }
    if cx.geometry.has_rmapbt() {
        let (root, height) = (AgBlock(agf.rmap_root.get()), agf.rmap_level.get());
        let (blocks, complete) =
            walk_ag_tree(cx, BlockKind::Rmapbt, ag, root, height, &mut space_trees::rmaps())?;
        found.own_blocks(&blocks, RmapOwner::AG);
        is_complete &= complete;
        if complete {
            found.rmapbt = Some((root, height));
            cx.report.expect("AGF", at, "rmap_blocks", blocks.len() as u64, agf.rmap_blocks.get());
        }
        btree_blocks += (blocks.len() as u64).saturating_sub(1);
    }
    if is_complete {
        cx.report.expect("AGF", at, "btreeblks", btree_blocks, agf.btreeblks.get());
    }
    if cx.geometry.has_reflink() {
        let (root, height) = (AgBlock(agf.refcount_root.get()), agf.refcount_level.get());
        let (blocks, complete) = space_trees::refcounts(cx, found, ag, root, height)?;
        is_complete &= complete;
        if complete {
            cx.report.expect("AGF", at, "refcount_blocks", blocks, agf.refcount_blocks.get());
        }
    }
    found.counts.free_blocks =
        u64::from(agf.freeblks.get()) + u64::from(agf.flcount.get()) + u64::from(agf.btreeblks.get());
    Ok(is_complete)
}

/// Walks the trees whose roots are in the AGI. Returns whether all of them could be read.
fn check_agi(cx: &mut Context<'_>, found: &mut AgState, ag: AgNumber, agi: &Agi) -> Result<bool> {
    let at = place(cx, ag, 2);
    cx.report.expect("AGI", at, "versionnum", 1_u32, agi.versionnum.get());
    cx.report.expect("AGI", at, "length", cx.geometry.ag_len(ag), agi.length.get());
    let (blocks, complete) = inode_trees::inobt(cx, found, ag, AgBlock(agi.root.get()), agi.level.get())?;
    let mut is_complete = complete;
    if complete {
        let sum = |count: fn(&crate::format::btree::InodeRec) -> u8| -> u64 {
            found.chunks.iter().map(|rec| u64::from(count(rec))).sum()
        };
        cx.report.expect("AGI", at, "count", sum(|rec| rec.count), agi.count.get());
        cx.report.expect("AGI", at, "freecount", sum(|rec| rec.freecount), agi.freecount.get());
        if cx.geometry.has_inobtcount() {
            cx.report.expect("AGI", at, "iblocks", blocks, agi.iblocks.get());
        }
    }
    if cx.geometry.has_finobt() {
        let (root, height) = (AgBlock(agi.free_root.get()), agi.free_level.get());
        let (blocks, finobt_complete) = inode_trees::finobt(cx, found, ag, root, height, complete)?;
        is_complete &= finobt_complete;
        if finobt_complete && cx.geometry.has_inobtcount() {
            cx.report.expect("AGI", at, "fblocks", blocks, agi.fblocks.get());
        }
    }
    for (bucket, head) in (0..).zip(&agi.unlinked) {
        let head = AgIno(head.get());
        if !head.is_null() {
            found.unlinked.push((bucket, head));
        }
    }
    found.counts.inodes = agi.count.get().into();
    found.counts.free_inodes = agi.freecount.get().into();
    Ok(is_complete)
}

/// Checks the ring of spare blocks. Returns whether it makes sense.
fn check_free_list(
    cx: &mut Context<'_>,
    found: &mut AgState,
    ag: AgNumber,
    agf: &Agf,
    sector: &[u8],
) -> bool {
    let at = place(cx, ag, 3);
    let slots = agfl::slots(cx.geometry.sectsize);
    let (first, last, count) = (agf.flfirst.get(), agf.fllast.get(), agf.flcount.get());
    if first >= slots || last >= slots || count > slots {
        let worst = [first, last, count].into_iter().max().unwrap_or(0);
        cx.report.bounds("AGF", place(cx, ag, 1), "flfirst, fllast or flcount", worst);
        return false;
    }
    let expected_last = (first + count + slots - 1) % slots;
    if count > 0 && expected_last != last {
        cx.report.expect("AGF", place(cx, ag, 1), "fllast", expected_last, last);
        return false;
    }
    let mut is_valid = true;
    for index in 0..count {
        let block = AgBlock(be_u32(sector, agfl::slot_at((first + index) % slots)));
        if cx.geometry.is_valid_ag_extent(ag, block, 1) {
            found.owned.push(RmapRec { start: block, len: 1, owner: RmapOwner::AG, offset: 0 });
        } else {
            cx.report.bounds("AGFL", at, "block", block.0);
            is_valid = false;
        }
    }
    is_valid
}

impl AgState {
    /// Notes the owner of single blocks.
    pub(super) fn own_blocks(&mut self, blocks: &[u64], owner: RmapOwner) {
        let record = |&block: &u64| RmapRec { start: AgBlock(block as u32), len: 1, owner, offset: 0 };
        self.owned.extend(blocks.iter().map(record));
    }
}
