//! The self-describing part of every metadata block: magic, checksum, UUID, own address, owner.
//!
//! One table says where each kind keeps these; the same check runs after a read and before a write.
//!
//! Source: "Metadata Integrity", and "XFS Self Describing Metadata" in the Linux documentation.

use crate::error::{Error, Place, Problem, Result};
use crate::format::crc;
use crate::units::{BASIC_BLOCK_BYTES, Daddr, Lsn};

/// Kinds of metadata block, each with its own magic and header layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BlockKind {
    /// Superblock, primary or secondary.
    Superblock,
    /// AG free space header.
    Agf,
    /// AG inode header.
    Agi,
    /// AG free list.
    Agfl,
    /// Free space by block.
    Bnobt,
    /// Free space by size.
    Cntbt,
    /// Inodes.
    Inobt,
    /// Inode chunks with free inodes.
    Finobt,
    /// Reverse mappings.
    Rmapbt,
    /// Reference counts.
    Refcountbt,
    /// Extents of a fork.
    Bmbt,
    /// One inode.
    Inode,
    /// Directory in block form.
    DirBlock,
    /// Directory data block.
    DirData,
    /// The one leaf of a directory in leaf form.
    DirLeaf1,
    /// A leaf of a directory in node form.
    DirLeafN,
    /// Free index block of a directory in node form.
    DirFree,
    /// Interior node of a directory or attribute tree.
    DaNode,
    /// Attribute leaf.
    AttrLeaf,
    /// Block of a remote attribute value.
    AttrRemote,
    /// Remote symlink target.
    Symlink,
}

/// Where a kind keeps the fields that all kinds have. Offsets in bytes.
struct Layout {
    name: &'static str,
    magic: Magic,
    crc_at: usize,
    uuid_at: usize,
    /// u64, the block's own daddr; inodes and AG headers have none.
    blkno_at: Option<usize>,
    lsn_at: usize,
    owner: Owner,
    /// Content type in the flags of a buffer log item.
    log_type: u16,
}

enum Magic {
    U16(usize, u16),
    U32(u32),
}

/// Width and place of the owner: an AG number or an inode number.
enum Owner {
    None,
    Ag(usize),
    Ino(usize),
}

impl BlockKind {
    const fn layout(self) -> Layout {
        use Magic::{U16, U32};
        use Owner::{Ag, Ino};
        match self {
            Self::Superblock => Layout {
                name: "superblock",
                magic: U32(super::superblock::MAGIC),
                crc_at: 224,
                uuid_at: 32,
                blkno_at: None,
                lsn_at: 240,
                owner: Owner::None,
                log_type: 18,
            },
            Self::Agf => ag_header("AGF", super::agf::MAGIC, 216, 64, 208, Ag(8), 5),
            Self::Agi => ag_header("AGI", super::agi::MAGIC, 312, 296, 320, Ag(8), 7),
            Self::Agfl => ag_header("AGFL", super::agfl::MAGIC, 32, 8, 24, Ag(4), 6),
            Self::Bnobt => short("bnobt", 0x4142_3342),
            Self::Cntbt => short("cntbt", 0x4142_3343),
            Self::Inobt => short("inobt", 0x4941_4233),
            Self::Finobt => short("finobt", 0x4649_4233),
            Self::Rmapbt => short("rmapbt", 0x524d_4233),
            Self::Refcountbt => short("refcountbt", 0x5233_4643),
            Self::Bmbt => Layout {
                name: "bmbt",
                magic: U32(0x424d_4133),
                crc_at: 64,
                uuid_at: 40,
                blkno_at: Some(24),
                lsn_at: 32,
                owner: Ino(56),
                log_type: 4,
            },
            Self::Inode => Layout {
                name: "inode",
                magic: U16(0, super::inode::MAGIC),
                crc_at: 100,
                uuid_at: 160,
                blkno_at: None,
                lsn_at: 112,
                owner: Ino(152),
                log_type: 8,
            },
            Self::DirBlock => dir3("directory block", 0x5844_4233, 10),
            Self::DirData => dir3("directory data", 0x5844_4433, 11),
            Self::DirFree => dir3("directory free index", 0x5844_4633, 12),
            Self::DirLeaf1 => da3("directory leaf", 0x3df1, 13),
            Self::DirLeafN => da3("directory leaf", 0x3dff, 14),
            Self::DaNode => da3("da node", 0x3ebe, 15),
            Self::AttrLeaf => da3("attribute leaf", 0x3bee, 16),
            Self::AttrRemote => remote("remote attribute value", 0x5841_524d, 17),
            Self::Symlink => remote("symlink", 0x5853_4c4d, 9),
        }
    }

    /// Its name in messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.layout().name
    }

    /// Every kind.
    pub const ALL: [Self; 21] = [
        Self::Superblock,
        Self::Agf,
        Self::Agi,
        Self::Agfl,
        Self::Bnobt,
        Self::Cntbt,
        Self::Inobt,
        Self::Finobt,
        Self::Rmapbt,
        Self::Refcountbt,
        Self::Bmbt,
        Self::Inode,
        Self::DirBlock,
        Self::DirData,
        Self::DirLeaf1,
        Self::DirLeafN,
        Self::DirFree,
        Self::DaNode,
        Self::AttrLeaf,
        Self::AttrRemote,
        Self::Symlink,
    ];

    /// The kind whose magic `bytes` carries.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.has_magic(bytes))
    }

    /// Content type that a buffer log item carries for it.
    #[must_use]
    pub const fn log_type(self) -> u16 {
        self.layout().log_type
    }

    /// Whether `bytes` carries this kind's magic.
    #[must_use]
    pub fn has_magic(self, bytes: &[u8]) -> bool {
        self.layout().magic.value(bytes) == self.layout().magic.expected()
    }
}

const fn ag_header(
    name: &'static str,
    magic: u32,
    crc_at: usize,
    uuid_at: usize,
    lsn_at: usize,
    owner: Owner,
    log_type: u16,
) -> Layout {
    Layout { name, magic: Magic::U32(magic), crc_at, uuid_at, blkno_at: None, lsn_at, owner, log_type }
}

const fn short(name: &'static str, magic: u32) -> Layout {
    Layout {
        name,
        magic: Magic::U32(magic),
        crc_at: 52,
        uuid_at: 32,
        blkno_at: Some(16),
        lsn_at: 24,
        owner: Owner::Ag(48),
        log_type: 4,
    }
}

const fn dir3(name: &'static str, magic: u32, log_type: u16) -> Layout {
    Layout {
        name,
        magic: Magic::U32(magic),
        crc_at: 4,
        uuid_at: 24,
        blkno_at: Some(8),
        lsn_at: 16,
        owner: Owner::Ino(40),
        log_type,
    }
}

const fn da3(name: &'static str, magic: u16, log_type: u16) -> Layout {
    Layout {
        name,
        magic: Magic::U16(8, magic),
        crc_at: 12,
        uuid_at: 32,
        blkno_at: Some(16),
        lsn_at: 24,
        owner: Owner::Ino(48),
        log_type,
    }
}

const fn remote(name: &'static str, magic: u32, log_type: u16) -> Layout {
    Layout {
        name,
        magic: Magic::U32(magic),
        crc_at: 12,
        uuid_at: 16,
        blkno_at: Some(40),
        lsn_at: 48,
        owner: Owner::Ino(32),
        log_type,
    }
}

impl Magic {
    fn value(&self, bytes: &[u8]) -> u64 {
        match *self {
            Self::U16(at, _) => be_u16(bytes, at).into(),
            Self::U32(_) => be_u32(bytes, 0).into(),
        }
    }

    const fn expected(&self) -> u64 {
        match *self {
            Self::U16(_, magic) => magic as u64,
            Self::U32(magic) => magic as u64,
        }
    }

    fn store(&self, bytes: &mut [u8]) {
        match *self {
            Self::U16(at, magic) => put(bytes, at, &magic.to_be_bytes()),
            Self::U32(magic) => put(bytes, 0, &magic.to_be_bytes()),
        }
    }
}

/// Big-endian u16 at `at`; 0 past the end.
#[must_use]
#[inline]
pub fn be_u16(bytes: &[u8], at: usize) -> u16 {
    match bytes.get(at..at + 2) {
        Some(&[a, b]) => u16::from_be_bytes([a, b]),
        _ => 0,
    }
}

/// Big-endian u32 at `at`; 0 past the end.
#[must_use]
#[inline]
pub fn be_u32(bytes: &[u8], at: usize) -> u32 {
    match bytes.get(at..at + 4) {
        Some(&[a, b, c, d]) => u32::from_be_bytes([a, b, c, d]),
        _ => 0,
    }
}

/// Big-endian u64 at `at`; 0 past the end.
#[must_use]
#[inline]
pub fn be_u64(bytes: &[u8], at: usize) -> u64 {
    (u64::from(be_u32(bytes, at)) << 32) | u64::from(be_u32(bytes, at + 4))
}

/// Stores `value` at `at`.
///
/// # Panics
/// When it does not fit, which is a mistake of the caller.
#[inline]
pub fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    bytes[at..at + value.len()].copy_from_slice(value);
}

/// What a block's header must say.
#[derive(Debug, Clone, Copy)]
pub struct Identity<'a> {
    /// UUID that the volume's metadata carries.
    pub uuid: &'a [u8; 16],
    /// Address of the block itself.
    pub daddr: Daddr,
    /// AG number or inode number that it belongs to; `None` when the reader cannot know.
    pub owner: Option<u64>,
}

/// Checks the self-describing part of a block that was just read.
///
/// # Errors
/// [`Error::Corrupt`], naming the first field that is wrong: magic, checksum, UUID, address, owner.
pub fn verify(kind: BlockKind, bytes: &[u8], identity: &Identity<'_>) -> Result<()> {
    let layout = kind.layout();
    let fail = |problem| Err(Error::corrupt(layout.name, place(&layout, identity), problem));
    let value = |field, expected: u64, found: u64| Problem::Value { field, expected, found };
    let magic = layout.magic.value(bytes);
    if magic != layout.magic.expected() {
        return fail(value("magic", layout.magic.expected(), magic));
    }
    if !cfg!(fuzzing) {
        let (expected, found) = (crc::of_object(bytes, layout.crc_at), crc::stored(bytes, layout.crc_at));
        if expected != found {
            return fail(Problem::Crc { expected, found });
        }
    }
    verify_identity(kind, bytes, identity)
}

/// Checks UUID, own address and owner of a block that has its kind's magic.
///
/// # Errors
/// [`Error::Corrupt`], naming the first of them that is wrong.
pub fn verify_identity(kind: BlockKind, bytes: &[u8], identity: &Identity<'_>) -> Result<()> {
    let layout = kind.layout();
    let fail = |problem| Err(Error::corrupt(layout.name, place(&layout, identity), problem));
    if !matches!(kind, BlockKind::Superblock)
        && bytes.get(layout.uuid_at..layout.uuid_at + 16) != Some(&identity.uuid[..])
    {
        return fail(Problem::Uuid);
    }
    if let Some(at) = layout.blkno_at {
        let found = be_u64(bytes, at);
        if found != identity.daddr.0 {
            return fail(Problem::Value { field: "blkno", expected: identity.daddr.0, found });
        }
    }
    verify_owner(kind, bytes, identity)
}

/// Whether the checksum of a block holds.
#[must_use]
pub fn has_crc(kind: BlockKind, bytes: &[u8]) -> bool {
    let crc_at = kind.layout().crc_at;
    crc::of_object(bytes, crc_at) == crc::stored(bytes, crc_at)
}

/// Checks only the owner, for a block that was verified when it came into memory.
///
/// # Errors
/// [`Error::Corrupt`] when the block belongs to somebody else.
pub fn verify_owner(kind: BlockKind, bytes: &[u8], identity: &Identity<'_>) -> Result<()> {
    let layout = kind.layout();
    let Some(expected) = identity.owner else { return Ok(()) };
    let found = match layout.owner {
        Owner::None => return Ok(()),
        Owner::Ag(at) => u64::from(be_u32(bytes, at)),
        Owner::Ino(at) => be_u64(bytes, at),
    };
    if found == expected {
        return Ok(());
    }
    let problem = Problem::Value { field: "owner", expected, found };
    Err(Error::corrupt(layout.name, place(&layout, identity), problem))
}

fn place(layout: &Layout, identity: &Identity<'_>) -> Place {
    let mut place = Place::daddr(identity.daddr);
    match (&layout.owner, identity.owner) {
        (Owner::Ag(_), Some(ag)) => place.ag = Some(crate::units::AgNumber(ag as u32)),
        (Owner::Ino(_), Some(ino)) => place.ino = Some(crate::units::Ino(ino)),
        _ => {}
    }
    place
}

/// Fills in the self-describing part of a block that is being built, all but the checksum.
pub fn initialise(kind: BlockKind, bytes: &mut [u8], identity: &Identity<'_>) {
    let layout = kind.layout();
    layout.magic.store(bytes);
    put(bytes, layout.uuid_at, identity.uuid);
    if let Some(at) = layout.blkno_at {
        put(bytes, at, &identity.daddr.0.to_be_bytes());
    }
    let owner = identity.owner.unwrap_or(0);
    match layout.owner {
        Owner::None => {}
        Owner::Ag(at) => put(bytes, at, &(owner as u32).to_be_bytes()),
        Owner::Ino(at) => put(bytes, at, &owner.to_be_bytes()),
    }
}

/// Stores the checksum. Every metadata block passes here right before it is written.
pub fn seal(kind: BlockKind, bytes: &mut [u8]) {
    crc::stamp(bytes, kind.layout().crc_at);
}

/// LSN of the last logged change.
#[must_use]
pub fn lsn(kind: BlockKind, bytes: &[u8]) -> Lsn {
    Lsn(be_u64(bytes, kind.layout().lsn_at))
}

/// Stores the LSN of a logged change.
pub fn set_lsn(kind: BlockKind, bytes: &mut [u8], lsn: Lsn) {
    put(bytes, kind.layout().lsn_at, &lsn.0.to_be_bytes());
}

/// Basic blocks that `len_bytes` bytes cover.
#[must_use]
pub fn basic_blocks(len_bytes: usize) -> u64 {
    (len_bytes as u64).div_ceil(BASIC_BLOCK_BYTES)
}
