//! Replaying blocks of metadata.
//!
//! A block on disk that is newer than the change stays as it is, provided that it is whole: one that was torn while it was
//! put in place may carry the newest LSN over old bytes, and gets every change since the tail again.

use alloc::vec::Vec;

use super::item::BufferItem;
use super::replay::{Piece, Replay};
use crate::device::BlockDevice;
use crate::error::{Error, Place, Problem, Result};
use crate::format::BlockKind;
use crate::format::header::{self, Identity};
use crate::format::inode::Dinode;
use crate::units::{Daddr, Lsn};

/// Content types, `blf_flags` above its lower bits.
mod content {
    /// Dquots of users, projects, groups.
    pub(super) const DQUOTS: core::ops::RangeInclusive<u16> = 1..=3;
    /// A cluster of inodes.
    pub(super) const INODES: u16 = 8;
    /// Blocks of directories alone.
    pub(super) const DIRECTORY: core::ops::RangeInclusive<u16> = 10..=14;
    /// Interior node of a directory or an attribute fork.
    pub(super) const DA_NODE: u16 = 15;
    /// Bitmap and summary of a realtime device.
    pub(super) const REALTIME: core::ops::RangeInclusive<u16> = 19..=20;
    /// Behind the last one that is known.
    pub(super) const END: u16 = 21;
}

/// Refuses a content type that is not known.
pub(super) fn check_content(item: &BufferItem<'_>) -> Result<()> {
    if item.content() < content::END {
        return Ok(());
    }
    Err(Error::unsupported(alloc::format!("log buffer of type {}", item.content())))
}

/// Whether this is a piece of a directory block that is scattered over the device, or may be one.
fn is_piece(item: &BufferItem<'_>, dir_blocksize: u32) -> bool {
    let is_directory = content::DIRECTORY.contains(&item.content()) || item.content() == content::DA_NODE;
    is_directory && item.len_bytes() < dir_blocksize as usize
}

impl Replay<'_> {
    /// Replays a block; false when what is on disk is newer.
    ///
    /// # Errors
    /// Corruption when the outcome is not what the log says it is; those of the device.
    pub(super) fn buffer(
        &mut self,
        device: &mut dyn BlockDevice,
        item: &BufferItem<'_>,
        lsn: Lsn,
    ) -> Result<bool> {
        let offset = item.daddr.0 << 9;
        let mut bytes = self.pages.read(device, offset, item.len_bytes())?;
        if item.is_inode_buf() {
            self.links(item, &mut bytes)?;
        } else if is_piece(item, self.geometry.dir_blocksize()) {
            self.piece(item, &mut bytes, lsn);
        } else {
            if self.is_newer(item.daddr, &bytes, lsn)? {
                return Ok(false);
            }
            apply(item, &mut bytes);
            self.seal(item, &mut bytes, lsn)?;
        }
        self.pages.write(device, offset, &bytes)?;
        Ok(true)
    }

    fn identity(&self, daddr: Daddr) -> Identity<'_> {
        Identity { uuid: &self.geometry.meta_uuid, daddr, owner: None }
    }

    /// Whether a whole block of this volume lies there, changed later than at `lsn`.
    fn is_newer(&self, daddr: Daddr, bytes: &[u8], lsn: Lsn) -> Result<bool> {
        let Some(kind) = BlockKind::of(bytes) else { return Ok(false) };
        // Inodes in a cluster have LSNs of their own; remote values are not logged at all.
        if matches!(kind, BlockKind::Inode | BlockKind::AttrRemote) {
            return Ok(false);
        }
        let stored = header::lsn(kind, bytes);
        let is_whole = header::verify_identity(kind, bytes, &self.identity(daddr)).is_ok()
            && (stored <= lsn || header::has_crc(kind, bytes));
        if !is_whole {
            return Ok(false);
        }
        self.is_later(stored, lsn, Place::daddr(daddr))
    }

    /// Whether an LSN on disk is later than `lsn`. One that the log has not come to yet says that its end is missing.
    pub(super) fn is_later(&self, stored: Lsn, lsn: Lsn, place: Place) -> Result<bool> {
        if stored.0 == 0 || stored.is_null() {
            return Ok(false);
        }
        if stored >= self.head {
            let problem = Problem::Rule("metadata is newer than the log: the end of the log is lost");
            return Err(Error::corrupt("log", place, problem));
        }
        Ok(stored > lsn)
    }

    /// Checks what a block became, and gives it LSN and checksum.
    fn seal(&self, item: &BufferItem<'_>, bytes: &mut [u8], lsn: Lsn) -> Result<()> {
        let content = item.content();
        if content == content::INODES {
            for inode in bytes.chunks_exact_mut(self.geometry.inodesize as usize) {
                header::seal(BlockKind::Inode, inode);
            }
            return Ok(());
        }
        if content::DQUOTS.contains(&content) || content::REALTIME.contains(&content) {
            return Ok(());
        }
        let kind = BlockKind::of(bytes).filter(|kind| content == 0 || kind.log_type() == content);
        let Some(kind) = kind else {
            let problem = Problem::Rule("replayed block is not what the log says it is");
            return Err(Error::corrupt("log", Place::daddr(item.daddr), problem));
        };
        header::verify_identity(kind, bytes, &self.identity(item.daddr))?;
        header::set_lsn(kind, bytes, lsn);
        header::seal(kind, bytes);
        Ok(())
    }

    /// A piece of a directory block: its checksum is that of the whole block, and is mended when all is replayed.
    fn piece(&mut self, item: &BufferItem<'_>, bytes: &mut [u8], lsn: Lsn) {
        apply(item, bytes);
        let kind = BlockKind::of(bytes).filter(|kind| kind.log_type() == item.content());
        let kind =
            kind.filter(|&kind| header::verify_identity(kind, bytes, &self.identity(item.daddr)).is_ok());
        if let Some(kind) = kind {
            header::set_lsn(kind, bytes, lsn);
            // Right for a node of an attribute fork, which cannot be told apart here.
            header::seal(kind, bytes);
        }
        self.pieces.insert(item.daddr, Piece { daddr: item.daddr, len_bytes: item.len_bytes() as u32 });
    }

    /// Replays the links of the unlinked lists in a cluster of inodes, and nothing else of it.
    fn links(&self, item: &BufferItem<'_>, bytes: &mut [u8]) -> Result<()> {
        const LINK_AT: usize = core::mem::offset_of!(Dinode, next_unlinked);
        let corrupt = |rule| Error::corrupt("inode", Place::daddr(item.daddr), Problem::Rule(rule));
        let changes: Vec<_> = item.changes().collect();
        let inodesize = self.geometry.inodesize as usize;
        for (slot, inode) in bytes.chunks_exact_mut(inodesize).enumerate() {
            let at = slot * inodesize + LINK_AT;
            let (chunk, inside) = (at / crate::journal::CHUNK_BYTES, at % crate::journal::CHUNK_BYTES);
            let Ok(index) = changes.binary_search_by_key(&chunk, |&(chunk, _)| chunk) else { continue };
            let link = &changes[index].1[inside..inside + 4];
            if link == [0; 4] {
                return Err(corrupt("link of an unlinked list that points nowhere"));
            }
            if !BlockKind::Inode.has_magic(inode) {
                return Err(corrupt("no inode where the log changes one"));
            }
            inode[LINK_AT..LINK_AT + 4].copy_from_slice(link);
            header::seal(BlockKind::Inode, inode);
        }
        Ok(())
    }
}

fn apply(item: &BufferItem<'_>, bytes: &mut [u8]) {
    for (chunk, new) in item.changes() {
        let at = chunk * crate::journal::CHUNK_BYTES;
        // An item's chunks lie inside its block: that was checked when it was decoded.
        if let Some(old) = bytes.get_mut(at..at + new.len()) {
            old.copy_from_slice(new);
        }
    }
}
