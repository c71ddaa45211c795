//! Values that have blocks of their own.
//!
//! Such blocks are not logged. They are written like file data: into blocks that are free on disk until the transaction
//! that maps them is durable, which it becomes after them. A value is never written over another one.
//!
//! Source: "Remote Attribute Values".

use alloc::vec::Vec;

use super::tree::near;
use crate::error::{Error, Place, Problem, Result};
use crate::format::BlockKind;
use crate::format::attr::{AttrRemoteHeader, MAX_VALUE_BYTES, REMOTE_HEADER_BYTES};
use crate::format::header::{self, Identity, be_u32, put};
use crate::inode::{Fork, bmap};
use crate::journal::Transaction;
use crate::units::{FileBlock, Ino, Lsn};

const KIND: BlockKind = BlockKind::AttrRemote;

/// Bytes of a value that go into one block.
fn room(tx: &Transaction<'_>) -> usize {
    tx.geometry().blocksize as usize - REMOTE_HEADER_BYTES
}

/// Reads the value of `len` bytes that starts at file block `valueblk`.
pub(super) fn read(tx: &mut Transaction<'_>, ino: Ino, valueblk: u32, len: usize) -> Result<Vec<u8>> {
    let room = room(tx);
    let mut block = alloc::vec![0; tx.geometry().blocksize as usize];
    let mut value = Vec::new();
    let mut at = FileBlock(valueblk.into());
    while value.len() < len {
        let fail = |problem| Err(Error::corrupt(KIND.name(), Place::file_block(ino, at), problem));
        let Some(extent) =
            bmap::lookup(tx, ino, Fork::Attr, at)?.and_then(|extent| extent.within(at, at.plus(1)))
        else {
            return fail(Problem::Rule("remote value lies in a hole"));
        };
        // Not through the cache, which would not learn of the block being written again.
        let byte = tx.geometry().byte(extent.start);
        tx.store().read_data(byte, &mut block)?;
        let daddr = tx.geometry().daddr(extent.start);
        let identity = Identity { uuid: &tx.geometry().meta_uuid, daddr, owner: Some(ino.0) };
        header::verify(KIND, &block, &identity)?;
        let field = |at| be_u32(&block, at) as usize;
        let expected = [value.len(), room.min(len - value.len())];
        let found = [
            field(core::mem::offset_of!(AttrRemoteHeader, offset)),
            field(core::mem::offset_of!(AttrRemoteHeader, bytes)),
        ];
        for ((field, expected), found) in ["offset", "bytes"].into_iter().zip(expected).zip(found) {
            if expected != found {
                return fail(Problem::Value { field, expected: expected as u64, found: found as u64 });
            }
        }
        value.extend_from_slice(&block[REMOTE_HEADER_BYTES..REMOTE_HEADER_BYTES + expected[1]]);
        at = at.plus(1);
    }
    Ok(value)
}

/// Writes a value into new blocks; returns the first of them.
pub(super) fn write(tx: &mut Transaction<'_>, ino: Ino, value: &[u8]) -> Result<u32> {
    let room = room(tx);
    let count = value.len().div_ceil(room) as u32;
    let first = bmap::first_unused(tx, ino, Fork::Attr, count)?;
    let end = first.plus(count.into());
    let Ok(valueblk) = u32::try_from(first.0) else { return Err(Error::NoSpace) };
    let mut at = first;
    while at < end {
        let near = near(tx, ino)?;
        let extent = bmap::allocate(tx, ino, Fork::Attr, at, end.since(at) as u32, near)?;
        let mut bytes = Vec::with_capacity((extent.len as usize) << tx.geometry().blocklog);
        for index in 0..extent.len {
            let offset = extent.file_block.plus(index.into()).since(first) as usize * room;
            let piece = &value[offset..value.len().min(offset + room)];
            let daddr = tx.geometry().daddr(extent.part(index, 1).start);
            let identity = Identity { uuid: &tx.geometry().meta_uuid, daddr, owner: Some(ino.0) };
            bytes.extend(block(tx.geometry().blocksize as usize, &identity, offset, piece));
        }
        let byte = tx.geometry().byte(extent.start);
        tx.store().write_data(byte, &bytes)?;
        at = extent.file_end();
    }
    Ok(valueblk)
}

/// One block of a value: the bytes `piece`, of which the first is byte `offset` of the value.
fn block(blocksize: usize, identity: &Identity<'_>, offset: usize, piece: &[u8]) -> Vec<u8> {
    let mut block = alloc::vec![0; blocksize];
    header::initialise(KIND, &mut block, identity);
    put(&mut block, core::mem::offset_of!(AttrRemoteHeader, offset), &(offset as u32).to_be_bytes());
    put(&mut block, core::mem::offset_of!(AttrRemoteHeader, bytes), &(piece.len() as u32).to_be_bytes());
    header::set_lsn(KIND, &mut block, Lsn::NULL);
    put(&mut block, REMOTE_HEADER_BYTES, piece);
    header::seal(KIND, &mut block);
    block
}

/// Gives the blocks of a value back.
pub(super) fn free(tx: &mut Transaction<'_>, ino: Ino, (valueblk, valuelen): (u32, u32)) -> Result<()> {
    // Of an attribute that Linux was about to write or remove, no blocks are known.
    let count = (valuelen.min(MAX_VALUE_BYTES) as usize).div_ceil(room(tx)) as u64;
    let from = FileBlock(valueblk.into());
    bmap::unmap(tx, ino, Fork::Attr, from, from.plus(count))
}
