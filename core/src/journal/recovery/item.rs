//! Items of a checkpoint, decoded and checked for their shape.
//!
//! Everything that an item says by itself is checked here, before anything is replayed: what is behind may rely on it.
//!
//! Source: "Journaling Log", "Log Items".

use alloc::format;
use alloc::vec::Vec;

use zerocopy::FromBytes;

use super::checkpoint::{Checkpoint, damaged};
use super::intent::Intent;
use crate::error::{Error, Result};
use crate::format::inode::CORE_BYTES;
use crate::format::log_item::{
    BufFormat, DoneFormat, Icreate, InodeFormat, ItemHead, LogDinode, buf_flags, inode_fields, item_type,
};
use crate::geometry::Geometry;
use crate::journal::CHUNK_BYTES;
use crate::units::{Daddr, Lsn};

/// Regions that an item can have: a block of 64 KiB, every other chunk changed, and its format.
const MAX_REGIONS: u16 = 257;
/// Largest block that is logged as one, in basic blocks.
const MAX_BUF_BB: u16 = 256;
/// Bytes of an inode's format as 32-bit writers once packed it.
const PACKED_INODE_FORMAT_BYTES: usize = 52;

/// One item.
#[derive(Debug)]
pub(crate) enum Item<'c> {
    /// A block of metadata.
    Buffer(BufferItem<'c>),
    /// An inode.
    Inode(InodeItem<'c>),
    /// A chunk of fresh inodes.
    Create(Icreate),
    /// Something to do.
    Intent(Intent),
    /// The intent of a type with an id was carried out.
    Done(u16, u64),
    /// A dquot.
    Dquot,
    /// Quota was turned off.
    QuotaOff,
}

/// Changed chunks of a block.
#[derive(Debug)]
pub(crate) struct BufferItem<'c> {
    /// `blf_flags`.
    pub(crate) flags: u16,
    /// Where the block lies.
    pub(crate) daddr: Daddr,
    /// Its length in basic blocks.
    pub(crate) len_bb: u16,
    /// Words of 32 bits, lowest bit first, little-endian.
    bitmap: &'c [u8],
    data: Vec<&'c [u8]>,
}

impl BufferItem<'_> {
    /// Length in bytes.
    #[must_use]
    pub(crate) fn len_bytes(&self) -> usize {
        usize::from(self.len_bb) * 512
    }

    /// Content type.
    #[must_use]
    pub(crate) fn content(&self) -> u16 {
        self.flags >> buf_flags::TYPE_SHIFT
    }

    /// Whether the block was freed.
    #[must_use]
    pub(crate) fn is_cancel(&self) -> bool {
        self.flags & buf_flags::CANCEL != 0
    }

    /// Whether only the links of unlinked inodes are meant.
    #[must_use]
    pub(crate) fn is_inode_buf(&self) -> bool {
        self.flags & buf_flags::INODE_BUF != 0
    }

    /// The chunks that changed, ascending.
    pub(crate) fn chunks(&self) -> impl Iterator<Item = usize> {
        let bits = self.bitmap.iter().enumerate();
        bits.flat_map(|(at, byte)| {
            (0..8).filter(move |bit| byte >> bit & 1 != 0).map(move |bit| at * 8 + bit)
        })
    }

    /// Each chunk that changed, with its new bytes.
    pub(crate) fn changes(&self) -> impl Iterator<Item = (usize, &[u8])> {
        // A run of chunks is one region as a rule, but may as well be several.
        let pieces = self.data.iter().flat_map(|region| region.chunks_exact(CHUNK_BYTES));
        self.chunks().zip(pieces)
    }

    fn check(&self) -> Result<()> {
        let most = self.len_bytes() / CHUNK_BYTES;
        if self.chunks().last().is_some_and(|last| last >= most) {
            return Err(damaged("BUF item", "changed chunks lie outside the block"));
        }
        let whole = self.data.iter().all(|region| region.len().is_multiple_of(CHUNK_BYTES));
        let pieces: usize = self.data.iter().map(|region| region.len() / CHUNK_BYTES).sum();
        if !whole || pieces != self.chunks().count() {
            return Err(damaged("BUF item", "bytes do not fit the bitmap"));
        }
        Ok(())
    }
}

/// Changed parts of an inode.
#[derive(Debug)]
pub(crate) struct InodeItem<'c> {
    /// What is carried.
    pub(crate) format: InodeFormat,
    /// Its core.
    pub(crate) core: LogDinode,
    /// The data fork's region.
    pub(crate) data: Option<&'c [u8]>,
    /// The attribute fork's region.
    pub(crate) attr: Option<&'c [u8]>,
}

/// Every item of a checkpoint, in order.
///
/// # Errors
/// [`Error::Unsupported`] for a type of item that is not known, [`Error::Corrupt`] for one that is damaged.
pub(crate) fn items<'c>(checkpoint: &'c Checkpoint, geometry: &Geometry) -> Result<Vec<Item<'c>>> {
    let mut items = Vec::new();
    let mut regions = checkpoint.regions();
    let mut parts: Vec<&[u8]> = Vec::new();
    while let Some(first) = regions.next() {
        let Ok((head, _)) = ItemHead::read_from_prefix(first) else {
            return Err(damaged("log item", "shorter than its head"));
        };
        let count = head.size.get();
        if count == 0 || count > MAX_REGIONS {
            return Err(damaged("log item", "number of regions is out of bounds"));
        }
        parts.clear();
        parts.push(first);
        for _ in 1..count {
            parts.push(regions.next().ok_or_else(|| damaged("log item", "regions are missing"))?);
        }
        items.push(decode(head.type_.get(), &parts, checkpoint.lsn, geometry)?);
    }
    Ok(items)
}

fn decode<'c>(kind: u16, parts: &[&'c [u8]], lsn: Lsn, geometry: &Geometry) -> Result<Item<'c>> {
    Ok(match kind {
        item_type::BUF => Item::Buffer(buffer(parts)?),
        item_type::INODE => Item::Inode(inode(parts, geometry)?),
        item_type::ICREATE => Item::Create(create(parts[0], geometry)?),
        item_type::DQUOT => Item::Dquot,
        item_type::QUOTAOFF => Item::QuotaOff,
        item_type::EFI
        | item_type::RUI
        | item_type::CUI
        | item_type::BUI
        | item_type::ATTRI
        | item_type::XMI => Item::Intent(Intent::decode(kind, parts, lsn)?),
        item_type::EFD => Item::Done(item_type::EFI, done(parts)?),
        item_type::RUD => Item::Done(item_type::RUI, done(parts)?),
        item_type::CUD => Item::Done(item_type::CUI, done(parts)?),
        item_type::BUD => Item::Done(item_type::BUI, done(parts)?),
        item_type::ATTRD => Item::Done(item_type::ATTRI, done(parts)?),
        item_type::XMD => Item::Done(item_type::XMI, done(parts)?),
        0x124a..=0x124f => return Err(Error::unsupported("log items of a realtime device")),
        other => return Err(Error::unsupported(format!("log item of type {other:#x}"))),
    })
}

fn done(parts: &[&[u8]]) -> Result<u64> {
    match DoneFormat::read_from_prefix(parts[0]) {
        Ok((format, _)) => Ok(format.id.get()),
        Err(_) => Err(damaged("done item", "shorter than its format")),
    }
}

fn buffer<'c>(parts: &[&'c [u8]]) -> Result<BufferItem<'c>> {
    let Ok((format, bitmap)) = BufFormat::read_from_prefix(parts[0]) else {
        return Err(damaged("BUF item", "shorter than its format"));
    };
    let words = usize::try_from(format.map_size.get()).unwrap_or(usize::MAX);
    let Some(bitmap) = bitmap.get(..words.saturating_mul(4)) else {
        return Err(damaged("BUF item", "shorter than its bitmap"));
    };
    let item = BufferItem {
        flags: format.flags.get(),
        daddr: Daddr(format.blkno.get()),
        len_bb: format.len.get(),
        bitmap,
        data: parts[1..].to_vec(),
    };
    if item.is_cancel() {
        return Ok(item);
    }
    if item.len_bb == 0 || item.len_bb > MAX_BUF_BB {
        return Err(damaged("BUF item", "length is out of bounds"));
    }
    item.check()?;
    Ok(item)
}

/// The format region of an inode; an older form lacks the padding in front of the number.
fn inode_format(bytes: &[u8]) -> Option<InodeFormat> {
    if bytes.len() != PACKED_INODE_FORMAT_BYTES {
        return Some(InodeFormat::read_from_prefix(bytes).ok()?.0);
    }
    let mut padded = [0_u8; size_of::<InodeFormat>()];
    padded[..12].copy_from_slice(&bytes[..12]);
    padded[16..].copy_from_slice(&bytes[12..]);
    InodeFormat::read_from_bytes(&padded).ok()
}

fn inode<'c>(parts: &[&'c [u8]], geometry: &Geometry) -> Result<InodeItem<'c>> {
    use inode_fields::{ABROOT, ADATA, AEXT, DBROOT, DDATA, DEXT};
    let bad = |rule| damaged("INODE item", rule);
    let format = inode_format(parts[0]).ok_or_else(|| bad("shorter than its format"))?;
    let core = parts.get(1).and_then(|core| LogDinode::read_from_prefix(core).ok());
    let Some((core, _)) = core else { return Err(bad("shorter than a core")) };
    if core.magic.get() != crate::format::inode::MAGIC || core.version != 3 {
        return Err(bad("core of another kind"));
    }
    if core.ino.get() != format.ino.get() {
        return Err(bad("core of another inode"));
    }
    let fields = format.fields.get();
    let mut rest = parts[2..].iter().copied();
    let data = if fields & (DDATA | DEXT | DBROOT) != 0 { rest.next() } else { None };
    let attr = if fields & (ADATA | AEXT | ABROOT) != 0 { rest.next() } else { None };
    // The pad bytes behind a fork that is kept in the inode are not meant.
    let cut = |fork: Option<&'c [u8]>, len: u16| match fork {
        Some(bytes) => bytes.get(..usize::from(len)).map(Some),
        None => Some(None),
    };
    let data = cut(data, format.dsize.get()).ok_or_else(|| bad("data fork is missing"))?;
    let attr = cut(attr, format.asize.get()).ok_or_else(|| bad("attribute fork is missing"))?;
    let item = InodeItem { format, core, data, attr };
    item.check(geometry)?;
    Ok(item)
}

impl InodeItem<'_> {
    /// Bytes of a fork's root on disk that is logged as the block it looks like in memory.
    fn root_bytes(logged: usize) -> Option<usize> {
        let entries = logged.checked_sub(crate::format::btree::LONG_HEADER_BYTES)?;
        entries.is_multiple_of(16).then_some(4 + entries)
    }

    fn check(&self, geometry: &Geometry) -> Result<()> {
        use inode_fields::{ABROOT, DBROOT};
        let bad = |rule| damaged("INODE item", rule);
        if !geometry.is_valid_ino(crate::units::Ino(self.format.ino.get())) {
            return Err(bad("inode number is out of bounds"));
        }
        let literal = geometry.inodesize as usize - CORE_BYTES;
        let split = usize::from(self.core.forkoff) * 8;
        if split >= literal {
            return Err(bad("fork offset is out of bounds"));
        }
        let data_bytes = if split == 0 { literal } else { split };
        let attr_bytes = if split == 0 { 0 } else { literal - split };
        let forks = [(self.data, DBROOT, data_bytes), (self.attr, ABROOT, attr_bytes)];
        for (fork, root, most) in forks {
            let Some(fork) = fork else { continue };
            let is_root = self.format.fields.get() & root != 0;
            let bytes = if is_root { Self::root_bytes(fork.len()) } else { Some(fork.len()) };
            if bytes.is_none_or(|bytes| bytes > most) {
                return Err(bad("fork does not fit"));
            }
        }
        Ok(())
    }
}

fn create(bytes: &[u8], geometry: &Geometry) -> Result<Icreate> {
    let bad = |rule| damaged("ICREATE item", rule);
    let Ok((item, _)) = Icreate::read_from_prefix(bytes) else { return Err(bad("shorter than its format")) };
    let (length, count) = (item.length.get(), item.count.get());
    if item.isize.get() != geometry.inodesize {
        return Err(bad("inodes of another size"));
    }
    if length == 0 || length > geometry.chunk_fsblocks() || count != length << geometry.inopblog {
        return Err(bad("number of inodes is out of bounds"));
    }
    Ok(item)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 32-bit writers once left out the padding in front of the inode's number.
    #[test]
    fn the_short_format_of_an_inode_says_the_same() {
        let padded: [u8; 56] = core::array::from_fn(|at| if (12..16).contains(&at) { 0 } else { at as u8 });
        let short = [&padded[..12], &padded[16..]].concat();
        let [long, short] = [&padded[..], &short].map(|bytes| inode_format(bytes).expect("a format"));
        assert_eq!((long.ino, long.blkno, long.boffset), (short.ino, short.blkno, short.boffset));
        assert_eq!((long.asize, long.dsize, long.rdev), (short.asize, short.dsize, short.rdev));
        assert!(inode_format(&padded[..51]).is_none());
    }
}
