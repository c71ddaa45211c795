//! Where in an inode the data fork ends and the attribute fork starts.
//!
//! The border is chosen as Linux chooses it: the attribute fork gets what it asks for at the end of the inode, as long
//! as the data fork keeps what it holds, or at least what the root of a bmbt takes. It moves while both forks are in
//! the inode; with a bmbt in the data fork it stays where it is.
//!
//! Source: "Inode Core", `di_forkoff`; "Attribute Fork Offset".

use super::fork::Fork;
use super::view::Inode;
use crate::btree::bmap::root_bytes;
use crate::format::extent::Extent;
use crate::format::header::be_u16;
use crate::format::inode::fork_format;

/// Entries that the root of a data fork must have room for.
const DATA_ROOT_ENTRIES: usize = 3;
/// Entries that the root of an attribute fork must have room for.
const ATTR_ROOT_ENTRIES: usize = 2;
/// The border, in bytes, where the attribute fork is going to leave the inode anyway.
const DEFAULT_BYTES: usize = 192;
/// The border, in bytes, behind a device number.
const DEVICE_BYTES: usize = 8;

/// Bytes that the data fork holds.
fn data_bytes(inode: &Inode) -> usize {
    match inode.core.format {
        fork_format::LOCAL => usize::try_from(inode.size()).unwrap_or(usize::MAX),
        fork_format::EXTENTS => {
            usize::try_from(inode.nextents(Fork::Data)).unwrap_or(usize::MAX).saturating_mul(Extent::BYTES)
        }
        fork_format::DEV => DEVICE_BYTES,
        _ => root_bytes(be_u16(inode.data_fork(), 2).into()),
    }
}

/// The border to choose for an attribute fork of which nothing will be in the inode but a list of extents.
#[must_use]
pub fn default(inode: &Inode) -> u8 {
    initial(inode.core.format)
}

/// The border to choose when the data fork is of that format, and empty.
#[must_use]
pub const fn initial(format: u8) -> u8 {
    let bytes = if format == fork_format::DEV { DEVICE_BYTES } else { DEFAULT_BYTES };
    (bytes / 8) as u8
}

/// Whether the data fork fits in front of the border `forkoff`.
#[must_use]
pub fn data_fits(inode: &Inode, forkoff: u8) -> bool {
    data_bytes(inode) <= usize::from(forkoff) * 8
}

/// The border that leaves `attr_bytes` bytes for the attribute fork, or more; `None` when the data fork is in the way.
///
/// For an inode without attribute fork the data fork may have to be moved to blocks first: see [`data_fits`].
#[must_use]
pub fn with_room(inode: &Inode, attr_bytes: usize) -> Option<u8> {
    let literal = inode.literal.len();
    let wanted = literal.checked_sub(attr_bytes)? / 8;
    let now = usize::from(inode.core.forkoff);
    if inode.core.format == fork_format::DEV {
        return (wanted >= DEVICE_BYTES / 8).then_some((DEVICE_BYTES / 8) as u8);
    }
    if now != 0 && (attr_bytes <= inode.attr_fork().len() || inode.core.format == fork_format::BTREE) {
        return (attr_bytes <= inode.attr_fork().len()).then_some(inode.core.forkoff);
    }
    let mut kept = data_bytes(inode);
    if inode.core.format == fork_format::EXTENTS && now == 0 && kept > DEFAULT_BYTES {
        // The list will become a tree, and all that stays in the inode is its root.
        kept = 0;
    }
    let least = kept.max(root_bytes(DATA_ROOT_ENTRIES)).div_ceil(8);
    let most = literal.checked_sub(root_bytes(ATTR_ROOT_ENTRIES))? / 8;
    let chosen = wanted.min(most);
    // A first attribute that asks for so little is not refused: what is too large in front of it leaves the inode.
    (chosen >= least || (now == 0 && chosen == most)).then_some(chosen as u8)
}

#[cfg(test)]
mod tests {
    use zerocopy::FromZeros;

    use super::*;
    use crate::format::inode::{Dinode, FileType};
    use crate::units::Ino;

    fn inode(format: u8, holds: u64, forkoff: u8) -> Inode {
        let mut core = Dinode::new_zeroed();
        core.format = format;
        core.forkoff = forkoff;
        core.size.set(holds);
        core.set_data_nextents(holds);
        let mut literal = alloc::vec![0; 336];
        literal[3] = holds as u8;
        Inode { ino: Ino(128), core, file_type: FileType::Regular, literal }
    }

    #[test]
    fn the_border_is_where_linux_puts_it() {
        use fork_format::{BTREE, DEV, EXTENTS, LOCAL};
        for (format, holds, forkoff, bytes, expected) in [
            // Small ones leave all but a root of two entries to the data.
            (EXTENTS, 0, 0, 20, Some(37)),
            (EXTENTS, 2, 0, 100, Some(29)),
            // Extents in the way: they keep their place, unless they have to go to a tree anyway.
            (EXTENTS, 12, 0, 150, None),
            (EXTENTS, 13, 0, 150, Some(23)),
            (EXTENTS, 2, 37, 41, Some(36)),
            (EXTENTS, 2, 37, 40, Some(37)),
            (EXTENTS, 18, 37, 60, None),
            // The smallest data fork has room for a root of three.
            (EXTENTS, 0, 0, 280, Some(7)),
            (EXTENTS, 0, 0, 281, None),
            (EXTENTS, 0, 0, 1000, None),
            (LOCAL, 200, 0, 136, Some(25)),
            (LOCAL, 200, 0, 137, None),
            // A tree keeps its border.
            (BTREE, 5, 0, 30, Some(37)),
            (BTREE, 20, 0, 30, Some(37)),
            (BTREE, 20, 0, 50, None),
            (BTREE, 5, 24, 100, Some(24)),
            (BTREE, 5, 24, 145, None),
            (DEV, 0, 0, 328, Some(1)),
            (DEV, 0, 0, 329, None),
        ] {
            let found = with_room(&inode(format, holds, forkoff), bytes);
            assert_eq!(found, expected, "format {format}, {holds}, forkoff {forkoff}, {bytes} bytes");
        }
    }
}
