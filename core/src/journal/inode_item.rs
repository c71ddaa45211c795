//! An inode as an item of the log: its core, and its forks as they are kept in memory.
//!
//! All of an inode is logged whenever any of it changed: the forks are small, and what was logged before need not be
//! known. Its `di_next_unlinked` means nothing here; that goes into the log with the cluster's buffer.
//!
//! Source: "Log Items", "Inode Log Item", "Inode Data Fork Log Item".

use alloc::vec::Vec;

use zerocopy::{FromBytes, IntoBytes};

use super::checkpoint::Regions;
use crate::cache::Block;
use crate::format::BlockKind;
use crate::format::btree::LONG_HEADER_BYTES;
use crate::format::extent::Extent;
use crate::format::header::{self, Identity, be_u16, put};
use crate::format::inode::{CORE_BYTES, Dinode, fork_format};
use crate::format::log_item::{InodeFormat, LogDinode, inode_fields, item_type};
use crate::geometry::Geometry;
use crate::units::{Daddr, Ino};

/// One fork, ready to be logged.
#[derive(Default)]
struct ForkRegion {
    field: u32,
    /// Bytes, without padding.
    bytes: Vec<u8>,
}

/// The fields that stand for local contents, an extent list and a bmbt root in a fork.
type Fields = [u32; 3];

const DATA: Fields = [inode_fields::DDATA, inode_fields::DEXT, inode_fields::DBROOT];
const ATTR: Fields = [inode_fields::ADATA, inode_fields::AEXT, inode_fields::ABROOT];

fn core_of(block: &Block) -> &Dinode {
    Dinode::ref_from_prefix(&block.bytes).expect("an inode holds its core").0
}

/// The number of the inode in `block`.
pub(super) fn ino(block: &Block) -> Ino {
    Ino(core_of(block).ino.get())
}

/// Adds the inode in `block`.
pub(super) fn push(regions: &mut Regions, block: &Block, geometry: &Geometry) {
    let core = core_of(block);
    let literal = &block.bytes[CORE_BYTES..];
    let split = match usize::from(core.forkoff) * 8 {
        0 => literal.len(),
        split => split.min(literal.len()),
    };
    let (data_bytes, attr_bytes) = literal.split_at(split);
    let data = match core.format {
        fork_format::DEV => ForkRegion { field: inode_fields::DEV, bytes: Vec::new() },
        format => {
            let local = usize::try_from(core.size.get()).unwrap_or(usize::MAX);
            fork(format, data_bytes, local, core.data_nextents(), DATA, geometry, core)
        }
    };
    let attr = if core.forkoff == 0 {
        ForkRegion::default()
    } else {
        // A shortform list starts with its own length.
        let local = usize::from(be_u16(attr_bytes, 0));
        fork(core.aformat, attr_bytes, local, core.attr_nextents(), ATTR, geometry, core)
    };
    let mut rdev = [0; 16];
    if core.format == fork_format::DEV {
        rdev[..4].copy_from_slice(&header::be_u32(data_bytes, 0).to_le_bytes());
    }
    let (blkno, len, boffset) = geometry.inode_cluster(ino(block));
    let size = 2 + u16::from(!data.bytes.is_empty()) + u16::from(!attr.bytes.is_empty());
    let format = InodeFormat {
        type_: item_type::INODE.into(),
        size: size.into(),
        fields: (inode_fields::CORE | data.field | attr.field).into(),
        asize: (attr.bytes.len() as u16).into(),
        dsize: (data.bytes.len() as u16).into(),
        pad: 0.into(),
        ino: core.ino.get().into(),
        rdev,
        blkno: blkno.0.into(),
        len: len.into(),
        boffset: boffset.into(),
    };
    regions.push(&[format.as_bytes()]);
    regions.push(&[LogDinode::from_disk(core).as_bytes()]);
    for fork in [data, attr] {
        if !fork.bytes.is_empty() {
            regions.push(&[&fork.bytes]);
        }
    }
}

/// What is logged of a fork; nothing when there is nothing in it.
fn fork(
    format: u8,
    bytes: &[u8],
    local_bytes: usize,
    nextents: u64,
    [local, extents, root]: Fields,
    geometry: &Geometry,
    core: &Dinode,
) -> ForkRegion {
    let list_bytes = usize::try_from(nextents).unwrap_or(usize::MAX).saturating_mul(Extent::BYTES);
    let (field, bytes) = match format {
        fork_format::LOCAL => (local, bytes[..local_bytes.min(bytes.len())].to_vec()),
        fork_format::EXTENTS => (extents, bytes[..list_bytes.min(bytes.len())].to_vec()),
        fork_format::BTREE => (root, root_in_memory(bytes, geometry, core)),
        _ => return ForkRegion::default(),
    };
    if bytes.is_empty() { ForkRegion::default() } else { ForkRegion { field, bytes } }
}

/// The root of a bmbt as it is kept in memory: the header of a tree block, keys, pointers, without the gap between
/// keys and pointers that there is in the inode.
fn root_in_memory(bytes: &[u8], geometry: &Geometry, core: &Dinode) -> Vec<u8> {
    let (level, count) = (be_u16(bytes, 0), usize::from(be_u16(bytes, 2)));
    let most = bytes.len().saturating_sub(4) / 16;
    let count = count.min(most);
    let mut root = alloc::vec![0; LONG_HEADER_BYTES];
    let identity =
        Identity { uuid: &geometry.meta_uuid, daddr: Daddr(u64::MAX), owner: Some(core.ino.get()) };
    header::initialise(BlockKind::Bmbt, &mut root, &identity);
    put(&mut root, 4, &level.to_be_bytes());
    put(&mut root, 6, &(count as u16).to_be_bytes());
    // No siblings.
    root[8..24].fill(0xff);
    root.extend_from_slice(&bytes[4..4 + count * 8]);
    root.extend_from_slice(&bytes[4 + most * 8..4 + most * 8 + count * 8]);
    root
}
