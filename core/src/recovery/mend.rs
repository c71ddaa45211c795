//! Checksums of directory blocks that are scattered over the device.
//!
//! The log has such a block in pieces, each for itself, and none of them can be given the checksum of the whole. Once
//! everything is replayed the directory's own mapping says which pieces belong together. (Linux fails on such a log.)

use alloc::vec::Vec;
use core::ops::ControlFlow;

use crate::btree::Cursor;
use crate::btree::inode::Inobt;
use crate::dir::da::locate;
use crate::error::{Error, Place, Problem, Result};
use crate::format::BlockKind;
use crate::format::header::{self, Identity, be_u64};
use crate::inode::{self, Fork, Inode, for_each_extent};
use crate::journal::recovery::Piece;
use crate::journal::{Locator, Store, Transaction};
use crate::units::map::{Hashed, Ordered};
use crate::units::{AgIno, Daddr, FileBlock, Ino};

/// Kinds that a directory block can have.
const KINDS: &[BlockKind] = &[
    BlockKind::DirBlock,
    BlockKind::DirData,
    BlockKind::DirLeaf1,
    BlockKind::DirLeafN,
    BlockKind::DirFree,
    BlockKind::DaNode,
];

/// Pieces that still wait for their block.
type Waiting = Hashed<Daddr, ()>;

/// Mends every directory block that one of `pieces` belongs to.
///
/// # Errors
/// Corruption when a piece belongs to no directory; those of the device.
pub(super) fn checksums(store: &mut Store, pieces: &[Piece]) -> Result<()> {
    let mut waiting = Waiting::new();
    for piece in pieces {
        waiting.insert(piece.daddr, ());
    }
    let mut nodes = Vec::new();
    let mut owners = Ordered::new();
    for piece in pieces {
        if let Some((kind, owner)) = owner(store, piece)? {
            owners.insert(owner, ());
            if kind == BlockKind::DaNode {
                nodes.push(piece.daddr);
            }
        }
    }
    for (ino, ()) in owners.iter() {
        // One that was freed since owns nothing any more.
        if let Ok(inode) = inode::read(&mut Transaction::new(store), ino) {
            mend(store, &inode, &mut waiting)?;
        }
    }
    // A node that is no piece is one of an attribute fork, and whole.
    for node in nodes {
        waiting.remove(node);
    }
    if waiting.is_empty() { Ok(()) } else { search(store, &mut waiting) }
}

/// Kind and owner of the block that a piece is the beginning of, if it is one.
fn owner(store: &mut Store, piece: &Piece) -> Result<Option<(BlockKind, Ino)>> {
    let mut head = [0_u8; 64];
    store.read_data(piece.daddr.0 << 9, &mut head)?;
    let Some(kind) = BlockKind::of(&head).filter(|kind| KINDS.contains(kind)) else { return Ok(None) };
    let identity = Identity { uuid: &store.geometry().meta_uuid, daddr: piece.daddr, owner: None };
    if header::verify_identity(kind, &head, &identity).is_err() {
        return Ok(None);
    }
    let at =
        if matches!(kind, BlockKind::DirBlock | BlockKind::DirData | BlockKind::DirFree) { 40 } else { 48 };
    Ok(Some((kind, Ino(be_u64(&head, at)))))
}

/// Mends the scattered blocks of one directory that have pieces waiting.
fn mend(store: &mut Store, dir: &Inode, waiting: &mut Waiting) -> Result<()> {
    if !dir.is_dir() {
        return Ok(());
    }
    let len = u64::from(store.geometry().dir_fsblocks());
    let mut tx = Transaction::new(store);
    // Only where an extent starts or ends inside of a block can that be in pieces.
    let mut cut = Ordered::new();
    for_each_extent(&mut tx, dir, Fork::Data, FileBlock(0), |extent| {
        for edge in [extent.file_block, extent.file_end()] {
            if !edge.0.is_multiple_of(len) {
                cut.insert(FileBlock(edge.0 / len * len), ());
            }
        }
        Ok(ControlFlow::Continue(()))
    })?;
    for (at, ()) in cut.iter() {
        let mut tx = Transaction::new(store);
        let located = locate(&mut tx, dir, Fork::Data, at, len as u32, KINDS)?;
        let Some(at) = located.filter(|at| !at.pieces.is_empty()) else { continue };
        let holds = |daddr: &Daddr| {
            at.pieces.iter().any(|piece| {
                (piece.daddr.0..piece.daddr.0 + u64::from(piece.len_bytes >> 9)).contains(&daddr.0)
            })
        };
        let mended: Vec<Daddr> = waiting.items().iter().map(|&(daddr, ())| daddr).filter(holds).collect();
        if !mended.is_empty() {
            reseal(store, dir.ino, &at)?;
        }
        for daddr in mended {
            waiting.remove(daddr);
        }
    }
    Ok(())
}

fn reseal(store: &mut Store, ino: Ino, at: &Locator) -> Result<()> {
    let mut bytes = alloc::vec![0; at.len_bytes as usize];
    let mut rest = bytes.as_mut_slice();
    for piece in &at.pieces {
        let (now, later) = rest.split_at_mut(piece.len_bytes as usize);
        store.read_data(piece.daddr.0 << 9, now)?;
        rest = later;
    }
    let kind = KINDS.iter().copied().find(|kind| kind.has_magic(&bytes));
    let Some(kind) = kind else {
        let problem = Problem::Rule("directory block without a magic number");
        return Err(Error::corrupt("directory block", Place::ino(ino).at(at.daddr), problem));
    };
    let identity = Identity { uuid: &store.geometry().meta_uuid, daddr: at.daddr, owner: Some(ino.0) };
    header::verify_identity(kind, &bytes, &identity)?;
    header::seal(kind, &mut bytes);
    let mut rest = bytes.as_slice();
    for piece in &at.pieces {
        let (now, later) = rest.split_at(piece.len_bytes as usize);
        store.write_data(piece.daddr.0 << 9, now)?;
        rest = later;
    }
    Ok(())
}

/// Looks through all directories of the volume for the owners of pieces that do not say whose they are.
fn search(store: &mut Store, waiting: &mut Waiting) -> Result<()> {
    let geometry = store.geometry().clone();
    for ag in geometry.ags() {
        let mut cursor = Cursor::new(Inobt::new(&geometry, ag));
        let mut next = cursor.seek_first(&mut Transaction::new(store))?;
        while let Some(rec) = next {
            for bit in (0..64).filter(|bit| (rec.free | !rec.present()) >> bit & 1 == 0) {
                let ino = geometry.ino(ag, AgIno(rec.startino.0.saturating_add(bit)));
                if let Ok(inode) = inode::read(&mut Transaction::new(store), ino) {
                    mend(store, &inode, waiting)?;
                }
            }
            if waiting.is_empty() {
                return Ok(());
            }
            next = cursor.next(&mut Transaction::new(store))?;
        }
    }
    // What is left belonged to directories that are gone.
    Ok(())
}
