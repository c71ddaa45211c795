//! What a dump of the log consists of.

use crate::error::Error;
use crate::format::log_item::{Icreate, inode_fields, item_type};
use crate::journal::recovery::ends::Ends;
use crate::journal::recovery::intent::Intent;
use crate::journal::recovery::item::{BufferItem, InodeItem, Item};
use crate::journal::recovery::record::Record;
use crate::units::{AgBlock, AgNumber, Daddr, Ino, Lsn};

/// Something in the log, in its order: a record is followed by the transactions that are committed in it, a transaction
/// by its items.
#[derive(Debug)]
#[non_exhaustive]
pub enum Entry<'c> {
    /// A record.
    Record(RecordEntry),
    /// A committed transaction.
    Transaction(TransactionEntry),
    /// An item of the transaction before.
    Item(ItemEntry<'c>),
    /// Something that can't be followed.
    Lost(LostEntry),
}

/// A stretch of the log that can't be followed: a damaged record, or an item in one that is not understood.
#[derive(Debug)]
#[non_exhaustive]
pub struct LostEntry {
    /// Basic block of the log where it starts.
    pub block_bb: u32,
    /// Basic blocks up to the next record; 0 when what is lost lies inside the record before.
    pub len_bb: u32,
    /// What is wrong with it.
    pub reason: Error,
}

/// A record.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct RecordEntry {
    /// Its LSN.
    pub lsn: Lsn,
    /// The oldest record that was needed when it was written.
    pub tail: Lsn,
    /// Basic blocks that it takes, headers included.
    pub len_bb: u32,
    /// Bytes of its operations, padding included.
    pub payload_bytes: u32,
    /// Bytes that a record of its writer can have at most.
    pub limit_bytes: u32,
    /// Operations in it.
    pub operations: u32,
    /// Whether it has a checksum, which then fits.
    pub has_crc: bool,
    /// Whether it is to be replayed: it does not lie before the tail.
    pub is_needed: bool,
}

/// A committed transaction.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct TransactionEntry {
    /// LSN of the record that it starts in.
    pub lsn: Lsn,
    /// Regions of all its items.
    pub regions: usize,
}

/// An item.
#[derive(Debug)]
#[non_exhaustive]
pub enum ItemEntry<'c> {
    /// Changes of a block of metadata.
    Buffer(BufferEntry),
    /// Changes of an inode.
    Inode(InodeEntry),
    /// A fresh chunk of inodes.
    Create(CreateEntry),
    /// Something to do.
    Intent(&'c Intent),
    /// The intent of a type with this id was carried out.
    Done {
        /// Type of the intent's item.
        intent: u16,
        /// Id of the intent.
        id: u64,
    },
    /// Changes of a dquot.
    Dquot,
    /// Quota was turned off.
    QuotaOff,
}

/// Changes of a block of metadata.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct BufferEntry {
    /// Where it lies.
    pub daddr: Daddr,
    /// Its length in basic blocks.
    pub len_bb: u16,
    /// Name of what it holds.
    pub content: &'static str,
    /// Chunks of 128 bytes that changed.
    pub chunks: usize,
    /// It was freed: earlier changes are void.
    pub is_cancelled: bool,
    /// Only the links of unlinked inodes in it are meant.
    pub is_inode_links: bool,
}

/// Changes of an inode.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct InodeEntry {
    /// Its number.
    pub ino: Ino,
    /// Which parts are carried, bits of [`inode_fields`].
    pub fields: u32,
    /// Bytes of the data fork that are carried.
    pub data_bytes: u16,
    /// Bytes of the attribute fork that are carried.
    pub attr_bytes: u16,
}

/// A fresh chunk of inodes.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct CreateEntry {
    /// Its AG.
    pub ag: AgNumber,
    /// First block in the AG.
    pub agblock: AgBlock,
    /// Length in fsblocks.
    pub len_fsblocks: u32,
    /// Inodes in it.
    pub count: u32,
}

impl RecordEntry {
    pub(super) fn of(record: &Record, ends: Option<Ends>) -> Self {
        let lsn = record.lsn();
        Self {
            lsn,
            is_needed: ends.is_some_and(|ends| (ends.tail..ends.head).contains(&lsn)),
            tail: Lsn(record.header.tail_lsn.get()),
            len_bb: record.len_bb(),
            payload_bytes: record.header.len.get(),
            limit_bytes: record.header.size.get(),
            operations: record.header.num_logops.get(),
            has_crc: record.header.crc != [0; 4],
        }
    }
}

impl<'c> ItemEntry<'c> {
    pub(super) fn of(item: &'c Item<'_>) -> Self {
        match item {
            Item::Buffer(item) => Self::Buffer(BufferEntry::of(item)),
            Item::Inode(item) => Self::Inode(InodeEntry::of(item)),
            Item::Create(item) => Self::Create(CreateEntry::of(item)),
            Item::Intent(intent) => Self::Intent(intent),
            Item::Done(intent, id) => Self::Done { intent: *intent, id: *id },
            Item::Dquot => Self::Dquot,
            Item::QuotaOff => Self::QuotaOff,
        }
    }

    /// Name of its type.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Buffer(_) => "BUF",
            Self::Inode(_) => "INODE",
            Self::Create(_) => "ICREATE",
            Self::Intent(intent) => intent.name(),
            Self::Done { intent, .. } => match *intent {
                item_type::EFI => "EFD",
                item_type::RUI => "RUD",
                item_type::CUI => "CUD",
                item_type::BUI => "BUD",
                item_type::ATTRI => "ATTRD",
                _ => "XMD",
            },
            Self::Dquot => "DQUOT",
            Self::QuotaOff => "QUOTAOFF",
        }
    }
}

/// Names of the content types of blocks, by number.
const CONTENTS: [&str; 21] = [
    "unknown",
    "user dquots",
    "project dquots",
    "group dquots",
    "btree",
    "AGF",
    "AGFL",
    "AGI",
    "inodes",
    "symlink",
    "dir block",
    "dir data",
    "dir free",
    "dir leaf1",
    "dir leafn",
    "da node",
    "attr leaf",
    "attr remote",
    "superblock",
    "rtbitmap",
    "rtsummary",
];

impl BufferEntry {
    fn of(item: &BufferItem<'_>) -> Self {
        Self {
            daddr: item.daddr,
            len_bb: item.len_bb,
            content: CONTENTS.get(usize::from(item.content())).copied().unwrap_or("unknown"),
            chunks: item.chunks().count(),
            is_cancelled: item.is_cancel(),
            is_inode_links: item.is_inode_buf(),
        }
    }
}

/// Names of the parts of an inode.
const FIELDS: [(u32, &str); 10] = [
    (inode_fields::CORE, "core"),
    (inode_fields::DDATA, "ddata"),
    (inode_fields::DEXT, "dext"),
    (inode_fields::DBROOT, "dbroot"),
    (inode_fields::DEV, "dev"),
    (inode_fields::ADATA, "adata"),
    (inode_fields::AEXT, "aext"),
    (inode_fields::ABROOT, "abroot"),
    (inode_fields::DOWNER, "downer"),
    (inode_fields::AOWNER, "aowner"),
];

impl InodeEntry {
    fn of(item: &InodeItem<'_>) -> Self {
        let bytes =
            |fork: Option<&[u8]>| fork.map_or(0, |fork| u16::try_from(fork.len()).unwrap_or(u16::MAX));
        Self {
            ino: Ino(item.format.ino.get()),
            fields: item.format.fields.get(),
            data_bytes: bytes(item.data),
            attr_bytes: bytes(item.attr),
        }
    }

    /// Names of the parts that are carried.
    pub fn field_names(&self) -> impl Iterator<Item = &'static str> + use<> {
        let fields = self.fields;
        FIELDS.iter().filter(move |(bit, _)| fields & bit != 0).map(|&(_, name)| name)
    }
}

impl CreateEntry {
    fn of(item: &Icreate) -> Self {
        Self {
            ag: AgNumber(item.ag.get()),
            agblock: AgBlock(item.agbno.get()),
            len_fsblocks: item.length.get(),
            count: item.count.get(),
        }
    }
}
