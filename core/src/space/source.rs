//! Where the blocks of each tree come from, and who is told.

use super::{agfl, alloc};
use crate::btree::BlockSource;
use crate::btree::ag_headers::{agf_mut, agi_mut};
use crate::btree::bmap::{Fork, inode_locator};
use crate::error::{Error, Place, Problem, Result};
use crate::format::btree::{RmapOwner, RmapRec};
use crate::format::inode::{CORE_BYTES, Dinode};
use crate::journal::Transaction;
use crate::units::{AgBlock, AgNumber, FsBlock, Ino};
use zerocopy::FromBytes;

/// Forgets a freed tree block.
fn cancel(tx: &mut Transaction<'_>, ag: AgNumber, block: AgBlock) {
    let (daddr, len) = (tx.geometry().ag_daddr(ag, block), tx.geometry().blocksize);
    tx.cancel(daddr, len);
}

/// Blocks of bnobt, cntbt and rmapbt: from the AGFL and back to it.
#[derive(Debug)]
pub struct AgflSource {
    ag: AgNumber,
    rmapbt: bool,
}

impl AgflSource {
    /// For bnobt and cntbt of `ag`.
    #[must_use]
    pub fn new(ag: AgNumber) -> Self {
        Self { ag, rmapbt: false }
    }

    /// For the rmapbt of `ag`.
    #[must_use]
    pub fn for_rmapbt(ag: AgNumber) -> Self {
        Self { ag, rmapbt: true }
    }

    fn count(&self, tx: &mut Transaction<'_>, change: i32) -> Result<()> {
        let agf = agf_mut(tx, self.ag)?;
        agf.btreeblks.set(agf.btreeblks.get().saturating_add_signed(change));
        if self.rmapbt {
            agf.rmap_blocks.set(agf.rmap_blocks.get().saturating_add_signed(change));
        }
        Ok(())
    }
}

impl BlockSource for AgflSource {
    fn alloc(&mut self, tx: &mut Transaction<'_>, _near: u64) -> Result<u64> {
        let block = agfl::get(tx, self.ag)?;
        self.count(tx, 1)?;
        Ok(block.0.into())
    }

    fn free(&mut self, tx: &mut Transaction<'_>, ptr: u64) -> Result<()> {
        let block = AgBlock(ptr as u32);
        cancel(tx, self.ag, block);
        agfl::put_block(tx, self.ag, block)?;
        self.count(tx, -1)
    }
}

/// Which tree of an AG takes ordinary blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AgTree {
    /// Reference counts.
    Refcountbt,
    /// Inode chunks.
    Inobt,
    /// Inode chunks with free inodes.
    Finobt,
}

/// Blocks of refcountbt, inobt and finobt: ordinary free blocks of their AG, from its reserve.
#[derive(Debug)]
pub struct AgSource {
    /// The AG.
    pub ag: AgNumber,
    /// The tree.
    pub tree: AgTree,
}

impl AgSource {
    fn owner(&self) -> RmapOwner {
        match self.tree {
            AgTree::Refcountbt => RmapOwner::REFC,
            AgTree::Inobt | AgTree::Finobt => RmapOwner::INOBT,
        }
    }

    fn count(&self, tx: &mut Transaction<'_>, change: i32) -> Result<()> {
        if self.tree == AgTree::Refcountbt {
            let agf = agf_mut(tx, self.ag)?;
            agf.refcount_blocks.set(agf.refcount_blocks.get().saturating_add_signed(change));
        } else if tx.geometry().has_inobtcount() {
            let agi = agi_mut(tx, self.ag)?;
            let blocks = if self.tree == AgTree::Inobt { &mut agi.iblocks } else { &mut agi.fblocks };
            blocks.set(blocks.get().saturating_add_signed(change));
        }
        Ok(())
    }
}

impl BlockSource for AgSource {
    fn alloc(&mut self, tx: &mut Transaction<'_>, _near: u64) -> Result<u64> {
        let block = alloc::metadata_block(tx, self.ag, self.owner())?;
        self.count(tx, 1)?;
        Ok(block.0.into())
    }

    fn free(&mut self, tx: &mut Transaction<'_>, ptr: u64) -> Result<()> {
        let block = AgBlock(ptr as u32);
        cancel(tx, self.ag, block);
        alloc::free(tx, self.ag, &RmapRec::of_volume(block, 1, self.owner()))?;
        self.count(tx, -1)
    }
}

/// Blocks of a bmbt: ordinary free blocks of any AG, counted in the inode.
#[derive(Debug)]
pub struct ForkSource {
    /// Inode that owns the fork.
    pub ino: Ino,
    /// Which of its forks.
    pub fork: Fork,
}

impl ForkSource {
    fn offset(&self) -> u64 {
        let attr = if self.fork == Fork::Attr { RmapRec::ATTR_FORK } else { 0 };
        RmapRec::BMBT_BLOCK | attr
    }

    fn count(&self, tx: &mut Transaction<'_>, change: i64) -> Result<()> {
        let at = inode_locator(tx.geometry(), self.ino);
        let bytes = tx.modify(&at, 0..CORE_BYTES)?;
        let core = Dinode::mut_from_prefix(bytes).expect("an inode holds its core").0;
        core.nblocks.set(core.nblocks.get().saturating_add_signed(change));
        Ok(())
    }
}

impl BlockSource for ForkSource {
    fn alloc(&mut self, tx: &mut Transaction<'_>, near: u64) -> Result<u64> {
        let geometry = alloc::shape(tx);
        let near = if near == 0 {
            geometry.fsblock(geometry.split_ino(self.ino).0, AgBlock(0))
        } else {
            FsBlock(near)
        };
        let block = alloc::fork_block(tx, near, RmapOwner(self.ino.0), self.offset())?;
        self.count(tx, 1)?;
        Ok(block.0)
    }

    fn free(&mut self, tx: &mut Transaction<'_>, ptr: u64) -> Result<()> {
        let (ag, block) = tx.geometry().split(FsBlock(ptr));
        if !tx.geometry().is_valid_ag_extent(ag, block, 1) {
            let problem = Problem::Bounds { field: "block pointer", found: ptr };
            return Err(Error::corrupt("bmbt", Place::ino(self.ino), problem));
        }
        cancel(tx, ag, block);
        let owner = RmapOwner(self.ino.0);
        alloc::free(tx, ag, &RmapRec { start: block, len: 1, owner, offset: self.offset() })?;
        self.count(tx, -1)
    }
}
