//! The blocks of one directory: found, added to its fork and taken out again.
//!
//! A block is always allocated in one piece, and one that lies in pieces (Linux makes such) is given a new place before
//! it changes: Linux cannot recover a log that holds a change of a scattered block.

use alloc::sync::Arc;

use super::da::{self, damaged};
use super::data_block::DataBlock;
use crate::btree::Cursor;
use crate::btree::bmap::{Bmbt, Fork};
use crate::error::{Error, Problem, Result};
use crate::format::BlockKind;
use crate::format::da::BlockInfo;
use crate::format::dir::Dataptr;
use crate::format::dir::data::DataHeader;
use crate::format::dir::leaf::Leaf;
use crate::geometry::Geometry;
use crate::inode::core::core_mut;
use crate::inode::fork::extents_from;
use crate::inode::{self, Inode, bmap};
use crate::journal::{Locator, Transaction};
use crate::space::reserve;
use crate::units::{AgBlock, FileBlock, FsBlock, Ino};

/// Kinds of block, to be asked for by one name each.
pub(super) mod kinds {
    use crate::format::BlockKind;

    pub(in crate::dir) const BLOCK: &[BlockKind] = &[BlockKind::DirBlock];
    pub(in crate::dir) const DATA: &[BlockKind] = &[BlockKind::DirData];
    pub(in crate::dir) const LEAF1: &[BlockKind] = &[BlockKind::DirLeaf1];
    pub(in crate::dir) const LEAFN: &[BlockKind] = &[BlockKind::DirLeafN];
    pub(in crate::dir) const NODE: &[BlockKind] = &[BlockKind::DaNode];
    pub(in crate::dir) const TREE: &[BlockKind] = &[BlockKind::DaNode, BlockKind::DirLeafN];
    pub(in crate::dir) const FREE: &[BlockKind] = &[BlockKind::DirFree];
}

/// Blocks that taking one out of the middle of an extent may need for the bmbt, generously.
const UNMAP_FSBLOCKS: u64 = 10;

/// A directory that changes.
pub(super) struct Dir {
    /// Its inode; what it says of the data fork is kept current.
    pub(super) inode: Inode,
    geometry: Arc<Geometry>,
}

impl Dir {
    pub(super) fn read(tx: &mut Transaction<'_>, ino: Ino) -> Result<Self> {
        Ok(Self { inode: inode::read(tx, ino)?, geometry: Arc::clone(tx.geometry()) })
    }

    /// Looks at the inode again, after something else than a method of this type changed its fork.
    pub(super) fn refresh(&mut self, tx: &mut Transaction<'_>) -> Result<()> {
        self.inode = inode::read(tx, self.inode.ino)?;
        Ok(())
    }

    pub(super) fn ino(&self) -> Ino {
        self.inode.ino
    }

    pub(super) fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// Bytes of a block.
    pub(super) fn block_bytes(&self) -> usize {
        self.geometry.dir_blocksize() as usize
    }

    /// Fsblocks of a block.
    fn unit(&self) -> u64 {
        self.geometry.dir_fsblocks().into()
    }

    /// Where data block `index` lies in the file.
    pub(super) fn data_at(&self, index: usize) -> FileBlock {
        FileBlock(index as u64 * self.unit())
    }

    /// Where block `index` of the free index lies in the file.
    pub(super) fn free_at(&self, index: usize) -> FileBlock {
        self.geometry.dir_free_start().plus(index as u64 * self.unit())
    }

    /// Where the leaf, or the root of the tree, lies in the file.
    pub(super) fn root_at(&self) -> FileBlock {
        self.geometry.dir_leaf_start()
    }

    /// Address of byte `offset` of data block `index`.
    pub(super) fn address(&self, index: usize, offset: usize) -> Dataptr {
        Dataptr::new(self.data_at(index), self.geometry.blocklog, offset)
    }

    /// The data block that an address lies in, and its byte there.
    pub(super) fn data_index(&self, address: Dataptr) -> (usize, usize) {
        let len = u64::from(self.geometry.dir_blocksize());
        ((address.byte() / len) as usize, (address.byte() % len) as usize)
    }

    pub(super) fn damaged(&self, kind: BlockKind, at: FileBlock, problem: Problem) -> Error {
        damaged(kind, &self.inode, at, problem)
    }

    /// The block at file block `at`; `None` when that is a hole.
    pub(super) fn try_locate(
        &self,
        tx: &mut Transaction<'_>,
        at: FileBlock,
        kinds: &'static [BlockKind],
    ) -> Result<Option<Locator>> {
        da::locate(tx, &self.inode, Fork::Data, at, self.geometry.dir_fsblocks(), kinds)
    }

    /// The block at file block `at`, which must be there.
    pub(super) fn locate(
        &self,
        tx: &mut Transaction<'_>,
        at: FileBlock,
        kinds: &'static [BlockKind],
    ) -> Result<Locator> {
        let found = if at.0.is_multiple_of(self.unit()) { self.try_locate(tx, at, kinds)? } else { None };
        found.ok_or_else(|| self.damaged(kinds[0], at, Problem::Rule("block of a directory lies in a hole")))
    }

    /// The block at file block `at`, which must be there, in one piece; one that lies in pieces moves.
    ///
    /// Where no free extent is as long as a block of the directory, nothing in such a block can change, and so not even a
    /// name can be removed from it. There is no way around that: logged in pieces, Linux could not recover it; changed
    /// in place, it could tear; and the pieces that it gives up are not free before that is durable. Free space in one
    /// piece, of a file that is removed elsewhere, is what helps.
    ///
    /// # Errors
    /// [`Error::NoSpace`] then: the transaction is to be dropped, and nothing has changed.
    pub(super) fn writable(
        &mut self,
        tx: &mut Transaction<'_>,
        at: FileBlock,
        kinds: &'static [BlockKind],
    ) -> Result<Locator> {
        let locator = self.locate(tx, at, kinds)?;
        if locator.pieces.len() < 2 {
            return Ok(locator);
        }
        let block = tx.block(&locator)?;
        let (kind, bytes) = (block.kind, block.bytes.clone());
        cancel(tx, &locator);
        bmap::unmap(tx, self.ino(), Fork::Data, at, at.plus(self.unit()))?;
        let whole = self.allocate(tx, at, one_of(kinds, kind))?;
        copy_contents(kind, &bytes, tx.create(&whole));
        Ok(Locator { kinds, ..whole })
    }

    /// Adds a block at file block `at`: zeros behind its header.
    pub(super) fn grow(
        &mut self,
        tx: &mut Transaction<'_>,
        at: FileBlock,
        kinds: &'static [BlockKind],
    ) -> Result<Locator> {
        let locator = self.allocate(tx, at, kinds)?;
        tx.create(&locator);
        let end = at.plus(self.unit()).0 << self.geometry.blocklog;
        if at < self.root_at() && end > self.inode.size() {
            self.set_size(tx, end)?;
        }
        Ok(locator)
    }

    fn allocate(
        &mut self,
        tx: &mut Transaction<'_>,
        at: FileBlock,
        kinds: &'static [BlockKind],
    ) -> Result<Locator> {
        let ino = self.ino();
        let near = match Cursor::new(Bmbt { ino, fork: Fork::Data }).seek_le(tx, &at)? {
            Some(before) => FsBlock(before.start.0 + u64::from(before.len)),
            None => self.geometry.fsblock(self.geometry.split_ino(ino).0, AgBlock(0)),
        };
        let extent = bmap::allocate_whole(tx, ino, Fork::Data, at, self.geometry.dir_fsblocks(), near)?;
        self.refresh(tx)?;
        let (daddr, len) = (self.geometry.daddr(extent.start), self.geometry.dir_blocksize());
        Ok(Locator::new(kinds, daddr, len, Some(ino.0)))
    }

    /// Takes the block at file block `at` out of the fork. Returns false, having done nothing, when that could need
    /// space for the bmbt and there is none: a directory may keep empty blocks.
    pub(super) fn shrink(&mut self, tx: &mut Transaction<'_>, at: FileBlock) -> Result<bool> {
        const ANY: &[BlockKind] = &[
            BlockKind::DirBlock,
            BlockKind::DirData,
            BlockKind::DirLeaf1,
            BlockKind::DirLeafN,
            BlockKind::DirFree,
            BlockKind::DaNode,
        ];
        if !self.can_shrink(tx, at)? {
            return Ok(false);
        }
        let locator = self.locate(tx, at, ANY)?;
        let end = at.plus(self.unit());
        cancel(tx, &locator);
        bmap::unmap(tx, self.ino(), Fork::Data, at, end)?;
        if at < self.root_at() && self.inode.size() <= end.0 << self.geometry.blocklog {
            let before = match at.0.checked_sub(1) {
                None => None,
                Some(last) => {
                    let mut cursor = Cursor::new(Bmbt { ino: self.ino(), fork: Fork::Data });
                    cursor.seek_le(tx, &FileBlock(last))?
                }
            };
            let end = before.map_or(FileBlock(0), |extent| extent.file_end().min(at));
            self.set_size(tx, end.0 << self.geometry.blocklog)?;
        }
        self.refresh(tx)?;
        Ok(true)
    }

    /// Whether [`Dir::shrink`] will take the block at file block `at` out.
    pub(super) fn can_shrink(&self, tx: &mut Transaction<'_>, at: FileBlock) -> Result<bool> {
        let end = at.plus(self.unit());
        let extent = bmap::lookup(tx, self.ino(), Fork::Data, at)?;
        let is_inside = extent.is_some_and(|extent| extent.file_block < at && extent.file_end() > end);
        Ok(!is_inside || reserve::is_available(tx, UNMAP_FSBLOCKS)?)
    }

    pub(super) fn set_size(&mut self, tx: &mut Transaction<'_>, size: u64) -> Result<()> {
        core_mut(tx, self.inode.ino)?.size.set(size);
        self.inode.core.size.set(size);
        Ok(())
    }

    /// The first place for another leaf or node.
    pub(super) fn unused_in_tree(&self, tx: &mut Transaction<'_>) -> Result<FileBlock> {
        let (mut at, end, unit) = (self.root_at(), self.geometry.dir_free_start(), self.unit());
        while at.plus(unit) <= end {
            let extents = extents_from(tx, &self.inode, Fork::Data, at..end)?;
            if extents.is_empty() {
                return Ok(at);
            }
            for extent in extents {
                if extent.file_block >= at.plus(unit) {
                    return Ok(at);
                }
                at = FileBlock(extent.file_end().0.next_multiple_of(unit)).max(at);
            }
        }
        Err(Error::NoSpace)
    }

    /// Makes a block one of another kind that begins with the same contents.
    pub(super) fn retype(
        &self,
        tx: &mut Transaction<'_>,
        at: &Locator,
        kinds: &'static [BlockKind],
    ) -> Result<Locator> {
        let bytes = tx.read(at)?.to_vec();
        let locator = Locator { kinds, ..at.clone() };
        copy_contents(kinds[0], &bytes, tx.create(&locator));
        Ok(locator)
    }

    /// Looks at a leaf.
    pub(super) fn leaf<'t>(
        &self,
        tx: &'t mut Transaction<'_>,
        block: FileBlock,
        at: &Locator,
    ) -> Result<Leaf<'t>> {
        let found = tx.block(at)?;
        Leaf::new(&found.bytes, found.kind == BlockKind::DirLeaf1)
            .map_err(|problem| damaged(found.kind, &self.inode, block, problem))
    }

    /// Changes the entries of data block `index`. The block is one of leaf or node form.
    pub(super) fn edit_data<R>(
        &mut self,
        tx: &mut Transaction<'_>,
        index: usize,
        act: impl FnOnce(&mut DataBlock<'_>) -> Result<R, Problem>,
    ) -> Result<R> {
        let at = self.data_at(index);
        let locator = self.writable(tx, at, kinds::DATA)?;
        // Nothing is marked as changed until it is known what was.
        let bytes = tx.modify(&locator, 0..0)?;
        let end = bytes.len();
        let mut block = DataBlock::new(bytes, end);
        let outcome = act(&mut block);
        for range in block.into_touched() {
            tx.modify(&locator, range)?;
        }
        outcome.map_err(|problem| self.damaged(BlockKind::DirData, at, problem))
    }
}

/// The entry of a list of kinds that names `kind`, as a list of its own.
fn one_of(kinds: &'static [BlockKind], kind: BlockKind) -> &'static [BlockKind] {
    let index = kinds.iter().position(|&other| other == kind).unwrap_or(0);
    &kinds[index..=index]
}

/// Forgets a block that leaves the fork.
pub(super) fn cancel(tx: &mut Transaction<'_>, locator: &Locator) {
    // In pieces, what follows the first of them on the device is somebody else's.
    if locator.pieces.is_empty() {
        tx.cancel(locator.daddr, locator.len_bytes);
    }
    for piece in &locator.pieces {
        tx.cancel(piece.daddr, piece.len_bytes);
    }
}

/// Copies what does not describe the block itself from one block of a directory to another.
pub(crate) fn copy_contents(kind: BlockKind, from: &[u8], to: &mut [u8]) {
    const DATA_AT: usize = core::mem::offset_of!(DataHeader, bestfree);
    const INFO_END: usize = size_of::<BlockInfo>();
    const LINKS_END: usize = core::mem::offset_of!(BlockInfo, magic);
    match kind {
        BlockKind::DirBlock | BlockKind::DirData | BlockKind::DirFree => {
            to[DATA_AT..].copy_from_slice(&from[DATA_AT..]);
        }
        _ => {
            to[..LINKS_END].copy_from_slice(&from[..LINKS_END]);
            to[INFO_END..].copy_from_slice(&from[INFO_END..]);
        }
    }
}
