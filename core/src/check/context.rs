//! What every part of the check works with: the device, the shape, the report, and what was learnt so far.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::links::Node;
use super::report::Report;
use crate::device::{BlockDevice, read_vec};
use crate::error::{Error, Place, Result};
use crate::format::BlockKind;
use crate::format::btree::{FreeRec, InodeRec, RefcountRec, RmapRec};
use crate::format::header::{self, Identity};
use crate::geometry::Geometry;
use crate::units::{AgBlock, AgIno, FsBlock, Ino, Lsn};

/// The volume under check, and where findings go.
pub(super) struct Context<'a> {
    pub(super) device: &'a mut dyn BlockDevice,
    pub(super) geometry: Arc<Geometry>,
    pub(super) report: Report<'a>,
    /// Where the next record of a clean log goes: nothing can have been changed later than that.
    pub(super) head: Option<Lsn>,
}

/// What was learnt so far.
#[derive(Default)]
pub(super) struct State {
    pub(super) ags: Vec<AgState>,
    /// Whether every owner of blocks could be read.
    pub(super) owners_complete: bool,
    /// Whether every directory could be read.
    pub(super) names_complete: bool,
}

/// What was learnt about one AG.
#[derive(Default)]
pub(super) struct AgState {
    /// Owned extents, unsorted.
    pub(super) owned: Vec<RmapRec>,
    /// Free extents, by block.
    pub(super) free: Vec<FreeRec>,
    /// Inode chunks, by number.
    pub(super) chunks: Vec<InodeRec>,
    /// Records of the refcountbt.
    pub(super) refcounts: Vec<RefcountRec>,
    /// Root and height of the rmapbt, when its blocks could be read.
    pub(super) rmapbt: Option<(AgBlock, u32)>,
    /// Heads of unlinked lists: bucket and first inode.
    pub(super) unlinked: Vec<(u32, AgIno)>,
    /// Inodes in use, by number.
    pub(super) nodes: Vec<Node>,
    pub(super) counts: AgCounts,
}

/// The counters of an AG that the superblock sums up, as its headers say.
#[derive(Default, Clone, Copy)]
pub(super) struct AgCounts {
    pub(super) is_known: bool,
    pub(super) inodes: u64,
    pub(super) free_inodes: u64,
    pub(super) free_blocks: u64,
}

impl Context<'_> {
    /// Reads `len_bytes` at byte `offset`.
    pub(super) fn read(&mut self, offset: u64, len_bytes: usize) -> Result<Vec<u8>> {
        Ok(read_vec(self.device, offset, len_bytes)?)
    }

    /// Reads a block at a known place and verifies its self-describing part. A bad one is reported as `place`.
    pub(super) fn block(
        &mut self,
        kinds: &[BlockKind],
        offset: u64,
        len_bytes: usize,
        owner: u64,
        place: Place,
    ) -> Result<Option<(BlockKind, Vec<u8>)>> {
        let bytes = self.read(offset, len_bytes)?;
        let kind = self.verify(kinds, &bytes, offset, owner, place)?;
        Ok(kind.map(|kind| (kind, bytes)))
    }

    /// Verifies the self-describing part of a block whose first byte lies at `offset`. A bad one is reported.
    pub(super) fn verify(
        &mut self,
        kinds: &[BlockKind],
        bytes: &[u8],
        offset: u64,
        owner: u64,
        place: Place,
    ) -> Result<Option<BlockKind>> {
        let kind = kinds.iter().copied().find(|kind| kind.has_magic(bytes)).unwrap_or(kinds[0]);
        let daddr = crate::units::Daddr(offset >> 9);
        let identity = Identity { uuid: &self.geometry.meta_uuid, daddr, owner: Some(owner) };
        match header::verify(kind, bytes, &identity) {
            Ok(()) => {
                self.check_lsn(kind, bytes, place.at(daddr));
                Ok(Some(kind))
            }
            Err(Error::Corrupt(corruption)) => {
                self.report.damage(corruption.structure, place.at(daddr), corruption.problem);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

impl Context<'_> {
    fn check_lsn(&mut self, kind: BlockKind, bytes: &[u8], place: Place) {
        let lsn = header::lsn(kind, bytes);
        // What never goes through the log has no LSN, or the null one.
        if !lsn.is_null() && self.head.is_some_and(|head| lsn > head) {
            self.report.bounds(kind.name(), place, "lsn (ahead of the log)", lsn.0);
        }
    }
}

impl State {
    /// Notes that `owner` has an extent of the volume. The extent must be valid.
    pub(super) fn own(&mut self, geometry: &Geometry, start: FsBlock, len: u32, owner: Ino, offset: u64) {
        let (ag, agblock) = geometry.split(start);
        let Some(ag) = self.ags.get_mut(ag.0 as usize) else { return };
        let record = RmapRec { start: agblock, len, owner: crate::format::btree::RmapOwner(owner.0), offset };
        // A fork's extents come in order of their offset, so what belongs together comes one after the other.
        if let Some(last) = ag.owned.last_mut()
            && continues(last, &record)
        {
            last.len = last.len.saturating_add(len);
        } else {
            ag.owned.push(record);
        }
    }

    /// The inode `ino`, if it is in use.
    pub(super) fn node(&mut self, geometry: &Geometry, ino: Ino) -> Option<&mut Node> {
        let (ag, agino) = geometry.split_ino(ino);
        let nodes = &mut self.ags.get_mut(ag.0 as usize)?.nodes;
        let index = nodes.binary_search_by_key(&agino, |node| node.agino).ok()?;
        nodes.get_mut(index)
    }
}

/// Whether `next` is the continuation of `last`, on disk and in its file, so that one record holds both.
pub(super) fn continues(last: &RmapRec, next: &RmapRec) -> bool {
    let offset = if last.has_file_offset() { last.offset.wrapping_add(last.len.into()) } else { last.offset };
    last.owner == next.owner && last.end() == next.start && offset == next.offset
}
