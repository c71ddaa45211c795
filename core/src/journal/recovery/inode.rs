//! Replaying inodes.
//!
//! The log carries a core in the byte order of the machine that wrote it, and the root of a bmbt as it looked in memory:
//! with the header of a block, and its pointers right behind the keys.

use alloc::vec::Vec;

use zerocopy::{FromBytes, IntoBytes};

use super::checkpoint::damaged;
use super::item::InodeItem;
use super::replay::Replay;
use crate::device::BlockDevice;
use crate::error::{Error, Place, Problem, Result};
use crate::format::BlockKind;
use crate::format::btree::{LEVEL_AT, LONG_HEADER_BYTES, NUMRECS_AT};
use crate::format::header::{self, be_u16, be_u64, put};
use crate::format::inode::{CORE_BYTES, Dinode, fork_format};
use crate::format::log_item::{Icreate, inode_fields};
use crate::units::{AgBlock, AgIno, AgNumber, Daddr, FsBlock, Ino, Lsn};

/// Levels that a bmbt can have at most, generously.
const MAX_LEVELS: u16 = 16;

/// A fork in its inode: where it starts, and its length.
type Bounds = (usize, usize);

impl Replay<'_> {
    /// Replays an inode; false when what is on disk is newer.
    ///
    /// # Errors
    /// Corruption when there is no inode on disk, or the outcome cannot be one; those of the device.
    pub(super) fn inode(
        &mut self,
        device: &mut dyn BlockDevice,
        item: &InodeItem<'_>,
        lsn: Lsn,
    ) -> Result<bool> {
        let ino = Ino(item.format.ino.get());
        let offset = self.geometry.ino_byte(ino);
        let mut bytes = self.pages.read(device, offset, self.geometry.inodesize as usize)?;
        let Ok((old, _)) = Dinode::read_from_prefix(&bytes) else {
            return Err(damaged("inode", "too short"));
        };
        if !BlockKind::Inode.has_magic(&bytes) {
            let problem = Problem::Rule("no inode where the log changes one");
            return Err(Error::corrupt("inode", Place::ino(ino), problem));
        }
        let is_whole = header::has_crc(BlockKind::Inode, &bytes);
        let is_newer = is_whole && self.is_later(Lsn(old.lsn.get()), lsn, Place::ino(ino))?;
        // The same LSN is no reason to skip: several checkpoints may start in one record.
        let replayed = !is_newer;
        if replayed {
            write_core(item, &old, lsn, &mut bytes);
            write_forks(item, &mut bytes)?;
            header::seal(BlockKind::Inode, &mut bytes);
            self.pages.write(device, offset, &bytes)?;
        }
        self.change_owner(device, item, &bytes)?;
        Ok(replayed)
    }

    /// Initialises a chunk of inodes.
    ///
    /// # Errors
    /// Those of the device.
    pub(super) fn create(&mut self, device: &mut dyn BlockDevice, item: &Icreate) -> Result<()> {
        let (ag, block) = (AgNumber(item.ag.get()), AgBlock(item.agbno.get()));
        let first = self.geometry.first_agino(block);
        for index in 0..item.count.get() {
            let ino = self.geometry.ino(ag, AgIno(first.0.saturating_add(index)));
            let offset = self.geometry.ino_byte(ino);
            let mut bytes = alloc::vec![0; self.geometry.inodesize as usize];
            let daddr = Daddr(offset >> 9);
            let identity = header::Identity { uuid: &self.geometry.meta_uuid, daddr, owner: Some(ino.0) };
            header::initialise(BlockKind::Inode, &mut bytes, &identity);
            if let Ok((core, _)) = Dinode::mut_from_prefix(&mut bytes) {
                core.version = 3;
                core.gen_ = item.gen_;
                core.next_unlinked.set(u32::MAX);
            }
            header::seal(BlockKind::Inode, &mut bytes);
            self.pages.write(device, offset, &bytes)?;
        }
        Ok(())
    }

    /// Gives the blocks of a fork that was exchanged with another file their new owner.
    fn change_owner(
        &mut self,
        device: &mut dyn BlockDevice,
        item: &InodeItem<'_>,
        bytes: &[u8],
    ) -> Result<()> {
        let fields = item.format.fields.get();
        let Ok((core, _)) = Dinode::read_from_prefix(bytes) else { return Ok(()) };
        let (data, attr) = bounds(&core, bytes.len());
        let forks = [(inode_fields::DOWNER, core.format, data), (inode_fields::AOWNER, core.aformat, attr)];
        for (flag, format, (at, len)) in forks {
            if fields & flag != 0 && core.mode.get() != 0 && format == fork_format::BTREE {
                let root = bytes.get(at..at + len).unwrap_or_default();
                self.own_tree(device, core.ino.get(), root)?;
            }
        }
        Ok(())
    }

    fn own_tree(&mut self, device: &mut dyn BlockDevice, ino: u64, root: &[u8]) -> Result<()> {
        let blocksize = self.geometry.blocksize as usize;
        let level = be_u16(root, 0);
        let mut waiting: Vec<(FsBlock, u16)> = Vec::new();
        let most = root.len().saturating_sub(4) / 16;
        push_children(root, 4 + most * 8, be_u16(root, 2), most, level, &mut waiting);
        // No more blocks than the volume has.
        let mut left = self.geometry.dblocks;
        while let Some((block, level)) = waiting.pop() {
            let bad = |rule| Err(Error::corrupt("bmbt", Place::ino(Ino(ino)), Problem::Rule(rule)));
            if left == 0 || level >= MAX_LEVELS || !self.geometry.is_valid_extent(block, 1) {
                return bad("fork whose owner changes is damaged");
            }
            left -= 1;
            let offset = self.geometry.byte(block);
            let mut bytes = self.pages.read(device, offset, blocksize)?;
            if !BlockKind::Bmbt.has_magic(&bytes) || be_u16(&bytes, LEVEL_AT) != level {
                return bad("fork whose owner changes is damaged");
            }
            put(&mut bytes, 56, &ino.to_be_bytes());
            header::seal(BlockKind::Bmbt, &mut bytes);
            self.pages.write(device, offset, &bytes)?;
            let most = (blocksize - LONG_HEADER_BYTES) / 16;
            let pointers = LONG_HEADER_BYTES + most * 8;
            push_children(&bytes, pointers, be_u16(&bytes, NUMRECS_AT), most, level, &mut waiting);
        }
        Ok(())
    }
}

/// The children of a node; none of a leaf.
fn push_children(
    node: &[u8],
    pointers_at: usize,
    count: u16,
    most: usize,
    level: u16,
    waiting: &mut Vec<(FsBlock, u16)>,
) {
    let Some(below) = level.checked_sub(1) else { return };
    let count = usize::from(count).min(most);
    waiting.extend((0..count).map(|index| (FsBlock(be_u64(node, pointers_at + index * 8)), below)));
}

/// Where the data fork and the attribute fork of an inode lie.
fn bounds(core: &Dinode, inodesize: usize) -> (Bounds, Bounds) {
    let split = usize::from(core.forkoff) * 8;
    let behind = CORE_BYTES + split;
    if split == 0 || behind >= inodesize {
        return ((CORE_BYTES, inodesize - CORE_BYTES), (inodesize, 0));
    }
    ((CORE_BYTES, split), (behind, inodesize - behind))
}

/// The link of the unlinked list stays: the log has it in the buffers of clusters alone.
fn write_core(item: &InodeItem<'_>, old: &Dinode, lsn: Lsn, bytes: &mut [u8]) {
    let mut core = item.core.to_disk();
    core.next_unlinked = old.next_unlinked;
    core.lsn.set(lsn.0);
    put(bytes, 0, core.as_bytes());
}

fn write_forks(item: &InodeItem<'_>, bytes: &mut [u8]) -> Result<()> {
    let fields = item.format.fields.get();
    let core = item.core.to_disk();
    let (data, attr) = bounds(&core, bytes.len());
    if fields & inode_fields::DEV != 0 {
        let mut number = [0; 4];
        number.copy_from_slice(&item.format.rdev[..4]);
        put(bytes, CORE_BYTES, &u32::from_le_bytes(number).to_be_bytes());
    }
    let forks = [(item.data, inode_fields::DBROOT, data), (item.attr, inode_fields::ABROOT, attr)];
    for (fork, root, (at, len)) in forks {
        let Some(fork) = fork else { continue };
        let Some(target) = bytes.get_mut(at..at + len) else { continue };
        if fields & root != 0 {
            write_root(fork, target)?;
        } else if let Some(target) = target.get_mut(..fork.len()) {
            target.copy_from_slice(fork);
        }
    }
    Ok(())
}

/// Turns the root of a bmbt as it was in memory into that of the disk.
fn write_root(logged: &[u8], target: &mut [u8]) -> Result<()> {
    let room = (logged.len() - LONG_HEADER_BYTES) / 16;
    let (level, count) = (be_u16(logged, LEVEL_AT), be_u16(logged, NUMRECS_AT));
    let most = target.len().saturating_sub(4) / 16;
    if usize::from(count) > room.min(most) || level == 0 || level >= MAX_LEVELS {
        return Err(damaged("INODE item", "root of a fork is damaged"));
    }
    put(target, 0, &level.to_be_bytes());
    put(target, 2, &count.to_be_bytes());
    let bytes = usize::from(count) * 8;
    let (keys, pointers) = (LONG_HEADER_BYTES, LONG_HEADER_BYTES + room * 8);
    put(target, 4, &logged[keys..keys + bytes]);
    put(target, 4 + most * 8, &logged[pointers..pointers + bytes]);
    Ok(())
}
