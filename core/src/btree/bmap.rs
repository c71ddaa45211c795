//! The extents of a fork: a list in the inode while they fit, a bmbt rooted there when they do not.
//!
//! Source: "Data Extents", "B+tree Extent List".

use zerocopy::FromBytes;

use super::layout::Sizes;
use super::{Inline, Root, Tree};
use crate::error::{Error, Place, Problem, Result};
use crate::format::BlockKind;
use crate::format::extent::Extent;
use crate::format::header::{be_u16, be_u64, put};
use crate::format::inode::{CORE_BYTES, Dinode, fork_format};
use crate::geometry::Geometry;
use crate::journal::{Locator, Transaction};
use crate::units::{Daddr, FileBlock, FsBlock, Ino};

/// Which fork of an inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fork {
    /// Contents of a file or directory.
    Data,
    /// Extended attributes.
    Attr,
}

/// The extents of one fork.
#[derive(Debug, Clone, Copy)]
pub struct Bmbt {
    /// Inode that owns the fork.
    pub ino: Ino,
    /// Which of its forks.
    pub fork: Fork,
}

/// Bytes before the keys of a root: level and number of entries.
const ROOT_HEADER_BYTES: usize = 4;

/// Where an inode lies.
#[must_use]
pub fn inode_locator(geometry: &Geometry, ino: Ino) -> Locator {
    Locator::new(&[BlockKind::Inode], Daddr(geometry.ino_byte(ino) >> 9), geometry.inodesize, Some(ino.0))
}

/// Where a fork lies in its inode: offset and length in bytes.
///
/// # Errors
/// Corruption when the fork offset points out of the inode.
pub fn fork_bounds(core: &Dinode, inodesize: u32, ino: Ino, fork: Fork) -> Result<(usize, usize)> {
    let literal = inodesize as usize - CORE_BYTES;
    let split = usize::from(core.forkoff) * 8;
    if split >= literal {
        let problem = Problem::Bounds { field: "forkoff", found: core.forkoff.into() };
        return Err(Error::corrupt("inode", Place::ino(ino), problem));
    }
    Ok(match (fork, split) {
        (Fork::Data, 0) => (CORE_BYTES, literal),
        (Fork::Data, split) => (CORE_BYTES, split),
        (Fork::Attr, 0) => (CORE_BYTES + literal, 0),
        (Fork::Attr, split) => (CORE_BYTES + split, literal - split),
    })
}

/// Bytes that a root in an inode takes with `numrecs` entries.
#[must_use]
pub const fn root_bytes(numrecs: usize) -> usize {
    ROOT_HEADER_BYTES + numrecs * (Bmbt::KEY_BYTES + Sizes::of::<Bmbt>().ptr)
}

/// Moves the start of the attribute fork. Keys and pointers of a data fork's root are apart, and how far depends on
/// the length of the fork, so the root is laid out anew; what the attribute fork holds is the caller's business.
///
/// # Errors
/// Those of reading the inode; corruption when the root does not fit.
pub fn set_forkoff(tx: &mut Transaction<'_>, ino: Ino, forkoff: u8) -> Result<()> {
    let tree = Bmbt { ino, fork: Fork::Data };
    let (inodesize, locator) = (tx.geometry().inodesize, inode_locator(tx.geometry(), ino));
    let mut core = *tree.core(tx)?.0;
    if core.forkoff == forkoff {
        return Ok(());
    }
    let old_max = Sizes::of::<Bmbt>().max_inline(fork_bounds(&core, inodesize, ino, Fork::Data)?.1, 1);
    core.forkoff = forkoff;
    let (fork_at, fork_bytes) = fork_bounds(&core, inodesize, ino, Fork::Data)?;
    let new_max = Sizes::of::<Bmbt>().max_inline(fork_bytes, 1);
    let bytes = tx.modify(&locator, 0..CORE_BYTES)?;
    Dinode::mut_from_prefix(bytes).expect("an inode holds its core").0.forkoff = forkoff;
    if core.format != fork_format::BTREE || old_max == new_max {
        return Ok(());
    }
    let bytes = tx.modify(&locator, fork_at..fork_at + fork_bytes)?;
    let numrecs = usize::from(be_u16(bytes, fork_at + 2));
    if numrecs > old_max.min(new_max) {
        let problem = Problem::Bounds { field: "numrecs of the bmbt root", found: numrecs as u64 };
        return Err(Error::corrupt("inode", Place::ino(ino), problem));
    }
    let ptrs_at = |max: usize| fork_at + ROOT_HEADER_BYTES + max * Bmbt::KEY_BYTES;
    let len = numrecs * Sizes::of::<Bmbt>().ptr;
    bytes.copy_within(ptrs_at(old_max)..ptrs_at(old_max) + len, ptrs_at(new_max));
    Ok(())
}

impl Bmbt {
    fn core<'t>(&self, tx: &'t mut Transaction<'_>) -> Result<(&'t Dinode, &'t [u8])> {
        let locator = inode_locator(tx.geometry(), self.ino);
        let bytes = tx.read(&locator)?;
        let core = Dinode::ref_from_prefix(bytes).expect("an inode holds its core").0;
        Ok((core, bytes))
    }
}

impl Tree for Bmbt {
    type Rec = Extent;
    type Key = FileBlock;

    const KINDS: &'static [BlockKind] = &[BlockKind::Bmbt];
    const REC_BYTES: usize = Extent::BYTES;
    const KEY_BYTES: usize = 8;
    const LONG: bool = true;

    fn decode(&self, bytes: &[u8]) -> Extent {
        Extent::decode(bytes)
    }

    fn encode(&self, rec: &Extent, bytes: &mut [u8]) {
        rec.encode(bytes);
    }

    fn decode_key(bytes: &[u8]) -> FileBlock {
        FileBlock(be_u64(bytes, 0))
    }

    fn encode_key(key: &FileBlock, bytes: &mut [u8]) {
        put(bytes, 0, &key.0.to_be_bytes());
    }

    fn key(rec: &Extent) -> FileBlock {
        rec.file_block
    }

    fn owner(&self) -> u64 {
        self.ino.0
    }

    fn daddr(&self, geometry: &Geometry, ptr: u64) -> Option<Daddr> {
        geometry.is_valid_extent(FsBlock(ptr), 1).then(|| geometry.daddr(FsBlock(ptr)))
    }

    fn root(&self, tx: &mut Transaction<'_>) -> Result<Root> {
        let (inodesize, locator) = (tx.geometry().inodesize, inode_locator(tx.geometry(), self.ino));
        let (ino, fork) = (self.ino, self.fork);
        let (core, bytes) = self.core(tx)?;
        let (fork_at, fork_bytes) = fork_bounds(core, inodesize, ino, fork)?;
        let (format, nextents) = match fork {
            Fork::Data => (core.format, core.data_nextents()),
            Fork::Attr => (core.aformat, core.attr_nextents()),
        };
        let (level, numrecs) = match format {
            fork_format::EXTENTS => (0, nextents as usize),
            fork_format::BTREE if fork_bytes >= 4 => {
                let level = usize::from(be_u16(bytes, fork_at));
                if level == 0 {
                    let problem = Problem::Bounds { field: "level of the bmbt root", found: 0 };
                    return Err(Error::corrupt("inode", Place::ino(ino), problem));
                }
                (level, usize::from(be_u16(bytes, fork_at + 2)))
            }
            _ => {
                let problem = Problem::Bounds { field: "fork format", found: format.into() };
                return Err(Error::corrupt("inode", Place::ino(ino), problem));
            }
        };
        Ok(Root::Inline(Inline { locator, fork_at, fork_bytes, level, numrecs }))
    }

    fn set_root(&self, _: &mut Transaction<'_>, _: u64, _: usize) -> Result<()> {
        unreachable!("the root of a fork stays in its inode")
    }

    fn set_inline(&self, tx: &mut Transaction<'_>, level: usize, numrecs: usize) -> Result<()> {
        let (inodesize, locator) = (tx.geometry().inodesize, inode_locator(tx.geometry(), self.ino));
        let (ino, fork) = (self.ino, self.fork);
        let (core, _) = self.core(tx)?;
        let (fork_at, _) = fork_bounds(core, inodesize, ino, fork)?;
        let bytes = tx.modify(&locator, 0..CORE_BYTES)?;
        let core = Dinode::mut_from_prefix(bytes).expect("an inode holds its core").0;
        let format = if level == 0 { fork_format::EXTENTS } else { fork_format::BTREE };
        match fork {
            Fork::Data => core.format = format,
            Fork::Attr => core.aformat = format,
        }
        // An extent list has no header: its length is the inode's extent count.
        if level > 0 {
            let bytes = tx.modify(&locator, fork_at..fork_at + 4)?;
            put(bytes, fork_at, &(level as u16).to_be_bytes());
            put(bytes, fork_at + 2, &(numrecs as u16).to_be_bytes());
        }
        Ok(())
    }

    fn count_records(&self, tx: &mut Transaction<'_>, change: i64) -> Result<()> {
        let locator = inode_locator(tx.geometry(), self.ino);
        let bytes = tx.modify(&locator, 0..CORE_BYTES)?;
        let core = Dinode::mut_from_prefix(bytes).expect("an inode holds its core").0;
        match self.fork {
            Fork::Data => core.set_data_nextents(core.data_nextents().saturating_add_signed(change)),
            Fork::Attr => core.set_attr_nextents(core.attr_nextents().saturating_add_signed(change)),
        }
        Ok(())
    }
}
