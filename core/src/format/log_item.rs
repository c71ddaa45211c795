//! Items of the log: what one checkpoint carries for each thing that it changes.
//!
//! An item is a format region, which says what follows, and data regions. Most of these are in the byte order of the
//! machine that wrote them, named by `h_fmt` in the record's header; only little-endian logs are read and written here.
//! Bodies that copy structures of the disk (extent lists, btree roots, buffers, ICREATE) stay big-endian.
//!
//! Source: "Journaling Log", "Log Items". Where the book's pages on CUI and CUD have slips, logs made by Linux decided.

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned, big_endian};

use super::inode::{CORE_BYTES, Dinode, Flags2};

/// `h_fmt` of a log in little-endian order.
pub const FORMAT_LITTLE_ENDIAN: u32 = 1;

/// `oh_clientid` of operations that belong to transactions.
pub const CLIENT_TRANSACTION: u8 = 0x69;
/// `oh_clientid` of the log's own operations.
pub const CLIENT_LOG: u8 = 0xaa;

/// Flags of an operation, `oh_flags`.
pub mod op_flags {
    /// First operation of a transaction.
    pub const START: u8 = 0x01;
    /// Last operation of a transaction: without it the transaction never was.
    pub const COMMIT: u8 = 0x02;
    /// The region goes on in the next record.
    pub const CONTINUE: u8 = 0x04;
    /// Goes on from the record before.
    pub const WAS_CONTINUED: u8 = 0x08;
    /// Last piece of a region that was continued.
    pub const END: u8 = 0x10;
    /// The volume was unmounted.
    pub const UNMOUNT: u8 = 0x20;
}

/// First word of an unmount operation's payload.
pub const UNMOUNT_MAGIC: u16 = 0x556e;

/// `th_magic`, "TRAN".
pub const TRANSACTION_MAGIC: u32 = 0x5452_414e;
/// `th_type` of a checkpoint.
pub const CHECKPOINT: u32 = 40;

/// Types of items.
pub mod item_type {
    /// Extents to be freed.
    pub const EFI: u16 = 0x1236;
    /// They were.
    pub const EFD: u16 = 0x1237;
    /// Obsolete.
    pub const IUNLINK: u16 = 0x1238;
    /// An inode.
    pub const INODE: u16 = 0x123b;
    /// A buffer: a block of metadata.
    pub const BUF: u16 = 0x123c;
    /// A dquot.
    pub const DQUOT: u16 = 0x123d;
    /// Quota was turned off.
    pub const QUOTAOFF: u16 = 0x123e;
    /// A chunk of inodes was made.
    pub const ICREATE: u16 = 0x123f;
    /// Reverse mappings to be changed.
    pub const RUI: u16 = 0x1240;
    /// They were.
    pub const RUD: u16 = 0x1241;
    /// Reference counts to be changed.
    pub const CUI: u16 = 0x1242;
    /// They were.
    pub const CUD: u16 = 0x1243;
    /// A fork's mapping to be changed.
    pub const BUI: u16 = 0x1244;
    /// It was.
    pub const BUD: u16 = 0x1245;
    /// An extended attribute to be changed.
    pub const ATTRI: u16 = 0x1246;
    /// It was.
    pub const ATTRD: u16 = 0x1247;
    /// Mappings of two files to be exchanged.
    pub const XMI: u16 = 0x1248;
    /// They were.
    pub const XMD: u16 = 0x1249;
}

/// Header of a transaction; its first region.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
#[expect(missing_docs, reason = "fields carry the kernel's names and meanings")]
pub struct TransactionHeader {
    pub magic: U32,
    pub type_: U32,
    pub tid: U32,
    /// Regions that follow, up to the commit.
    pub num_items: U32,
}

const _: () = assert!(size_of::<TransactionHeader>() == 16);

/// What every format region starts with.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
#[expect(missing_docs, reason = "fields carry the kernel's names and meanings")]
pub struct ItemHead {
    pub type_: U16,
    /// Regions of the item, this one included.
    pub size: U16,
}

/// Format region of a buffer, without its bitmap: `map_size` words of 32 bits follow, lowest bit first.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
#[expect(missing_docs, reason = "fields carry the kernel's names and meanings")]
pub struct BufFormat {
    pub type_: U16,
    /// Regions, this one included: one for each run of set bits.
    pub size: U16,
    pub flags: U16,
    /// Basic blocks.
    pub len: U16,
    pub blkno: U64,
    pub map_size: U32,
}

const _: () = assert!(size_of::<BufFormat>() == 20);

/// Flags of a buffer item.
pub mod buf_flags {
    /// The buffer holds inodes, of which only `di_next_unlinked` is meant.
    pub const INODE_BUF: u16 = 0x1;
    /// The block was freed: earlier items of it are void.
    pub const CANCEL: u16 = 0x2;
    /// The buffer holds dquots of users.
    pub const USER_DQUOT: u16 = 0x4;
    /// The buffer holds dquots of projects.
    pub const PROJECT_DQUOT: u16 = 0x8;
    /// The buffer holds dquots of groups.
    pub const GROUP_DQUOT: u16 = 0x10;
    /// The content type stands above these bits.
    pub const TYPE_SHIFT: u32 = 11;
}

/// Format region of an inode.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
#[expect(missing_docs, reason = "fields carry the kernel's names and meanings")]
pub struct InodeFormat {
    pub type_: U16,
    pub size: U16,
    pub fields: U32,
    /// Bytes of the attribute fork's region.
    pub asize: U16,
    /// Bytes of the data fork's region.
    pub dsize: U16,
    pub pad: U32,
    pub ino: U64,
    /// Device number in its first four bytes, for a device node.
    pub rdev: [u8; 16],
    /// Daddr of the cluster that the inode is in.
    pub blkno: U64,
    /// Basic blocks of the cluster.
    pub len: U32,
    /// Byte of the inode in its cluster.
    pub boffset: U32,
}

const _: () = assert!(size_of::<InodeFormat>() == 56);

/// Which parts of an inode an item carries, `ilf_fields`.
pub mod inode_fields {
    /// The core.
    pub const CORE: u32 = 0x1;
    /// Data fork, contents.
    pub const DDATA: u32 = 0x2;
    /// Data fork, extent list.
    pub const DEXT: u32 = 0x4;
    /// Data fork, root of the bmbt.
    pub const DBROOT: u32 = 0x8;
    /// Device number.
    pub const DEV: u32 = 0x10;
    /// Attribute fork, contents.
    pub const ADATA: u32 = 0x40;
    /// Attribute fork, extent list.
    pub const AEXT: u32 = 0x80;
    /// Attribute fork, root of the bmbt.
    pub const ABROOT: u32 = 0x100;
    /// The blocks of the data fork's bmbt get this inode as their owner.
    pub const DOWNER: u32 = 0x200;
    /// The blocks of the attribute fork's bmbt get this inode as their owner.
    pub const AOWNER: u32 = 0x400;
}

/// The core of an inode as the log carries it: the fields of the disk at the same offsets, in the log's byte order.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
#[expect(missing_docs, reason = "fields carry the kernel's names and meanings")]
pub struct LogDinode {
    pub magic: U16,
    pub mode: U16,
    pub version: u8,
    pub format: u8,
    pub metatype: U16,
    pub uid: U32,
    pub gid: U32,
    pub nlink: U32,
    pub projid_lo: U16,
    pub projid_hi: U16,
    pub big_nextents: U64,
    /// One number with BIGTIME, else seconds and nanoseconds.
    pub atime: [u8; 8],
    pub mtime: [u8; 8],
    pub ctime: [u8; 8],
    pub size: U64,
    pub nblocks: U64,
    pub extsize: U32,
    pub nextents: U32,
    pub anextents: U16,
    pub forkoff: u8,
    pub aformat: u8,
    pub dmevmask: U32,
    pub dmstate: U16,
    pub flags: U16,
    pub gen_: U32,
    /// Means nothing: unlinked lists are restored from buffers alone.
    pub next_unlinked: U32,
    pub crc: [u8; 4],
    pub changecount: U64,
    pub lsn: U64,
    pub flags2: U64,
    pub cowextsize: U32,
    pub pad2: [u8; 12],
    pub crtime: [u8; 8],
    pub ino: U64,
    pub uuid: [u8; 16],
}

const _: () = assert!(size_of::<LogDinode>() == CORE_BYTES);
const _: () = assert!(core::mem::offset_of!(LogDinode, ino) == core::mem::offset_of!(Dinode, ino));

/// Turns a timestamp from one byte order to the other: eight bytes with BIGTIME, else two times four.
fn swap_time(mut time: [u8; 8], bigtime: bool) -> [u8; 8] {
    if bigtime {
        time.reverse();
    } else {
        time[..4].reverse();
        time[4..].reverse();
    }
    time
}

impl LogDinode {
    /// What the log says of a core of the disk.
    #[must_use]
    pub fn from_disk(disk: &Dinode) -> Self {
        let time = |raw: big_endian::U64| swap_time(raw.to_bytes(), disk.is_bigtime());
        Self {
            magic: disk.magic.get().into(),
            mode: disk.mode.get().into(),
            version: disk.version,
            format: disk.format,
            metatype: disk.metatype.get().into(),
            uid: disk.uid.get().into(),
            gid: disk.gid.get().into(),
            nlink: disk.nlink.get().into(),
            projid_lo: disk.projid_lo.get().into(),
            projid_hi: disk.projid_hi.get().into(),
            big_nextents: disk.big_nextents.get().into(),
            atime: time(disk.atime),
            mtime: time(disk.mtime),
            ctime: time(disk.ctime),
            size: disk.size.get().into(),
            nblocks: disk.nblocks.get().into(),
            extsize: disk.extsize.get().into(),
            nextents: disk.nextents.get().into(),
            anextents: disk.anextents.get().into(),
            forkoff: disk.forkoff,
            aformat: disk.aformat,
            dmevmask: disk.dmevmask.get().into(),
            dmstate: disk.dmstate.get().into(),
            flags: disk.flags.get().into(),
            gen_: disk.gen_.get().into(),
            next_unlinked: u32::MAX.into(),
            crc: [0; 4],
            changecount: disk.changecount.get().into(),
            lsn: disk.lsn.get().into(),
            flags2: disk.flags2.get().into(),
            cowextsize: disk.cowextsize.get().into(),
            pad2: [0; 12],
            crtime: time(disk.crtime),
            ino: disk.ino.get().into(),
            uuid: disk.uuid,
        }
    }

    /// The core of the disk that it stands for; `next_unlinked`, checksum and LSN are the caller's to fill in.
    #[must_use]
    pub fn to_disk(&self) -> Dinode {
        let bigtime = self.flags2.get() & Flags2::BIGTIME.bits() != 0;
        let time = |raw: [u8; 8]| big_endian::U64::from_bytes(swap_time(raw, bigtime));
        Dinode {
            magic: self.magic.get().into(),
            mode: self.mode.get().into(),
            version: self.version,
            format: self.format,
            metatype: self.metatype.get().into(),
            uid: self.uid.get().into(),
            gid: self.gid.get().into(),
            nlink: self.nlink.get().into(),
            projid_lo: self.projid_lo.get().into(),
            projid_hi: self.projid_hi.get().into(),
            big_nextents: self.big_nextents.get().into(),
            atime: time(self.atime),
            mtime: time(self.mtime),
            ctime: time(self.ctime),
            size: self.size.get().into(),
            nblocks: self.nblocks.get().into(),
            extsize: self.extsize.get().into(),
            nextents: self.nextents.get().into(),
            anextents: self.anextents.get().into(),
            forkoff: self.forkoff,
            aformat: self.aformat,
            dmevmask: self.dmevmask.get().into(),
            dmstate: self.dmstate.get().into(),
            flags: self.flags.get().into(),
            gen_: self.gen_.get().into(),
            next_unlinked: u32::MAX.into(),
            crc: [0; 4],
            changecount: self.changecount.get().into(),
            lsn: 0.into(),
            flags2: self.flags2.get().into(),
            cowextsize: self.cowextsize.get().into(),
            pad2: self.pad2,
            crtime: time(self.crtime),
            ino: self.ino.get().into(),
            uuid: self.uuid,
        }
    }
}

/// A chunk of inodes to be initialised. Big-endian but for its head.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
#[expect(missing_docs, reason = "fields carry the kernel's names and meanings")]
pub struct Icreate {
    pub type_: U16,
    pub size: U16,
    pub ag: big_endian::U32,
    pub agbno: big_endian::U32,
    /// Inodes.
    pub count: big_endian::U32,
    /// Bytes of an inode.
    pub isize: big_endian::U32,
    /// Fsblocks.
    pub length: big_endian::U32,
    pub gen_: big_endian::U32,
}

const _: () = assert!(size_of::<Icreate>() == 28);

/// What EFI, EFD, RUI, CUI and BUI start with; `nextents` extents follow.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
#[expect(missing_docs, reason = "fields carry the kernel's names and meanings")]
pub struct ExtentsFormat {
    pub type_: U16,
    pub size: U16,
    pub nextents: U32,
    pub id: U64,
}

/// All of RUD, CUD, BUD, ATTRD and XMD: the intent with this id is done.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
#[expect(missing_docs, reason = "fields carry the kernel's names and meanings")]
pub struct DoneFormat {
    pub type_: U16,
    pub size: U16,
    pub pad: U32,
    pub id: U64,
}

const _: () = assert!(size_of::<ExtentsFormat>() == 16 && size_of::<DoneFormat>() == 16);

/// Extent of an EFI or EFD, and of a CUI, which keeps flags where the others have padding.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
#[expect(missing_docs, reason = "fields carry the kernel's names and meanings")]
pub struct PhysicalExtent {
    /// Fsblock.
    pub start: U64,
    /// Fsblocks.
    pub len: U32,
    pub flags: U32,
}

/// Extent of a RUI or BUI.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
#[expect(missing_docs, reason = "fields carry the kernel's names and meanings")]
pub struct MapExtent {
    /// Inode, or a special owner in a RUI.
    pub owner: U64,
    /// Fsblock.
    pub startblock: U64,
    /// File block.
    pub startoff: U64,
    /// Fsblocks.
    pub len: U32,
    pub flags: U32,
}

const _: () = assert!(size_of::<PhysicalExtent>() == 16 && size_of::<MapExtent>() == 32);

/// Format region of an ATTRI; names and values follow as regions.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
#[expect(missing_docs, reason = "fields carry the kernel's names and meanings")]
pub struct AttriFormat {
    pub type_: U16,
    pub size: U16,
    /// Generation of the inode, for parent pointers.
    pub igen: U32,
    pub id: U64,
    pub ino: U64,
    pub op_flags: U32,
    /// Bytes of the name; in a replacement of a parent pointer those of the old and of the new one, 16 bits each.
    pub name_len: U32,
    pub value_len: U32,
    pub attr_filter: U32,
}

const _: () = assert!(size_of::<AttriFormat>() == 40);

/// All of an XMI.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
#[expect(missing_docs, reason = "fields carry the kernel's names and meanings")]
pub struct XmiFormat {
    pub type_: U16,
    pub size: U16,
    pub pad: U32,
    pub id: U64,
    pub ino1: U64,
    pub ino2: U64,
    pub igen1: U32,
    pub igen2: U32,
    pub startoff1: U64,
    pub startoff2: U64,
    pub blockcount: U64,
    pub flags: U64,
    pub isize1: U64,
    pub isize2: U64,
}

const _: () = assert!(size_of::<XmiFormat>() == 88);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_core_goes_to_the_log_and_back() {
        for bigtime in [false, true] {
            let mut bytes = [0_u8; CORE_BYTES];
            for (at, byte) in bytes.iter_mut().enumerate() {
                *byte = at as u8;
            }
            let mut disk = Dinode::read_from_bytes(&bytes).expect("length");
            disk.flags2.set(if bigtime { Flags2::BIGTIME.bits() } else { 0 });
            disk.next_unlinked.set(u32::MAX);
            disk.crc = [0; 4];
            disk.pad2 = [0; 12];
            let mut back = LogDinode::from_disk(&disk).to_disk();
            back.lsn = disk.lsn;
            assert_eq!(back.as_bytes(), disk.as_bytes());
        }
    }
}
