//! Records, transactions and items, a line or a JSON object each.

use std::ops::ControlFlow;

use serde::Serialize;
use xfskit::device::FileDevice;
use xfskit::format::log_item::{MapExtent, PhysicalExtent};
use xfskit::volume::log::{
    BufferEntry, Entry, Extent, InodeEntry, Intent, ItemEntry, RecordEntry, Work, attr_op, dump,
};

use super::{JsonLog, place_of};
use crate::failure::Failure;
use crate::name;
use crate::output::Output;

/// Any entry of a dump; what does not apply is left out.
#[derive(Debug, Default, Serialize)]
pub(super) struct JsonEntry {
    /// `record`, `transaction`, `lost`, or the type of an item.
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    lsn: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    tail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    len_bb: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_bytes: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit_bytes: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    operations: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    crc: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    regions: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    daddr: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    chunks: Option<usize>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    flags: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ino: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_bytes: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attr_bytes: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ag: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agblock: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fsblocks: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    inodes: Option<u32>,
    /// In hexadecimal: it may be more than JSON's numbers hold everywhere.
    #[serde(skip_serializing_if = "String::is_empty")]
    id: String,
    /// What an intent wants done.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    work: Vec<String>,
    /// Whether a record is to be replayed.
    #[serde(skip_serializing_if = "Option::is_none")]
    needed: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    block_bb: Option<u32>,
    /// Why something can't be followed.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// Appends the dump as lines.
pub(super) fn text(
    device: &mut FileDevice,
    image: &str,
    extent: Extent,
    mut out: Output,
) -> Result<(), Failure> {
    let dumped = visit_all(device, image, extent, &mut |entry| out.line(line(entry)));
    out.finish()?;
    dumped
}

/// Prints the report with the dump in it.
pub(super) fn json(
    device: &mut FileDevice,
    image: &str,
    report: &JsonLog<'_>,
    extent: Extent,
    mut out: Output,
) -> Result<(), Failure> {
    let report = to_json(report)?;
    out.bytes(report.strip_suffix('}').unwrap_or(&report).as_bytes())?;
    out.bytes(b",\"entries\":[")?;
    let mut is_first = true;
    let dumped = visit_all(device, image, extent, &mut |entry| {
        out.bytes(if is_first { b"\n" } else { b",\n" })?;
        is_first = false;
        out.bytes(to_json(&JsonEntry::of(entry))?.as_bytes())
    });
    out.bytes(b"\n]}\n")?;
    out.finish()?;
    dumped
}

fn to_json(value: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string(value).map_err(|error| Failure::output(&error.into()))
}

/// Shows every entry, as long as somebody reads it.
fn visit_all(
    device: &mut FileDevice,
    image: &str,
    extent: Extent,
    show: &mut dyn FnMut(&Entry<'_>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut shown = Ok(());
    let dumped = dump(device, extent, &mut |entry| {
        shown = show(&entry);
        if shown.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    shown?;
    dumped.map_err(|error| Failure::new(image, "cannot follow the log any further", error))
}

fn line(entry: &Entry<'_>) -> String {
    match entry {
        Entry::Record(record) => {
            let (lsn, tail) = (place_of(record.lsn), place_of(record.tail));
            let old = if record.is_needed { "" } else { "old " };
            format!(
                "{old}record {lsn}, tail {tail}, {} blocks, {} bytes of at most {}, {} ops, crc {}",
                record.len_bb,
                record.payload_bytes,
                record.limit_bytes,
                record.operations,
                crc(record)
            )
        }
        Entry::Transaction(transaction) => {
            format!("  transaction {}, {} regions", place_of(transaction.lsn), transaction.regions)
        }
        Entry::Item(item) => format!("    {}", item_line(item)),
        Entry::Lost(lost) if lost.len_bb == 0 => format!("  cannot follow: {}", lost.reason),
        Entry::Lost(lost) => {
            format!("cannot follow block {} +{}: {}", lost.block_bb, lost.len_bb, lost.reason)
        }
        _ => String::new(),
    }
}

/// What became of its checksum. A record whose checksum does not fit is shown as lost.
fn crc(record: &RecordEntry) -> &'static str {
    if record.has_crc { "ok" } else { "none" }
}

fn item_line(item: &ItemEntry<'_>) -> String {
    let name = item.name();
    match item {
        ItemEntry::Buffer(buffer) => {
            let mut line = format!("{name} daddr {} +{} {}", buffer.daddr.0, buffer.len_bb, buffer.content);
            for flag in buffer_flags(buffer) {
                line.push(' ');
                line.push_str(flag);
            }
            if !buffer.is_cancelled {
                line.push_str(&format!(", {}", super::count(buffer.chunks as u64, "chunk")));
            }
            line
        }
        ItemEntry::Inode(inode) => {
            let mut line = format!("{name} {}", inode.ino.0);
            for field in inode.field_names() {
                line.push(' ');
                line.push_str(field);
            }
            for (fork, bytes) in [("data", inode.data_bytes), ("attr", inode.attr_bytes)] {
                if bytes > 0 {
                    line.push_str(&format!(", {fork} {bytes} bytes"));
                }
            }
            line
        }
        ItemEntry::Create(chunk) => format!(
            "{name} AG {} block {} +{}, {} inodes",
            chunk.ag.0, chunk.agblock.0, chunk.len_fsblocks, chunk.count
        ),
        ItemEntry::Intent(intent) => intent_line(intent),
        ItemEntry::Done { id, .. } => format!("{name} {id:#x}"),
        _ => name.to_owned(),
    }
}

/// An intent: type, id, and what it wants done.
pub(super) fn intent_line(intent: &Intent) -> String {
    format!("{} {:#x}: {}", intent.name(), intent.id, work(&intent.work).join(", "))
}

fn buffer_flags(buffer: &BufferEntry) -> impl Iterator<Item = &'static str> + use<> {
    let flags = [(buffer.is_cancelled, "cancel"), (buffer.is_inode_links, "inode-links")];
    flags.into_iter().filter_map(|(is_set, flag)| is_set.then_some(flag))
}

/// Operations of a CUI, a RUI and a BUI, by the number in the lowest byte of an extent's flags.
const REFCOUNT: &[&str] = &["", "increase", "decrease", "alloc-cow", "free-cow"];
const RMAP: &[&str] =
    &["", "map", "map-shared", "unmap", "unmap-shared", "convert", "convert-shared", "alloc", "free"];
const BMAP: &[&str] = &["", "map", "unmap"];

/// What an intent wants done, a line for each extent. Extents are in fsblocks.
fn work(work: &Work) -> Vec<String> {
    let op = |names: &[&'static str], flags: u32| {
        names.get(flags.to_le_bytes()[0] as usize).copied().unwrap_or("unknown")
    };
    let maps = |names: &[&'static str], extents: &[MapExtent]| {
        let line = |extent: &MapExtent| {
            let flags = extent.flags.get();
            let fork = if flags >> 31 == 1 { " attr" } else { "" };
            let (start, len, at, owner) = (extent.startblock, extent.len, extent.startoff, extent.owner);
            format!("{} {start} +{len} at {at} of {owner}{fork}", op(names, flags))
        };
        extents.iter().map(line).collect()
    };
    match work {
        Work::Free(extents) => {
            extents.iter().map(|extent| format!("free {} +{}", extent.start, extent.len)).collect()
        }
        Work::Refcount(extents) => {
            let name = |extent: &PhysicalExtent| op(REFCOUNT, extent.flags.get());
            let line = |extent| format!("{} {} +{}", name(extent), extent.start, extent.len);
            extents.iter().map(line).collect()
        }
        Work::Rmap(extents) => maps(RMAP, extents),
        Work::Bmap(extents) => maps(BMAP, extents),
        Work::Attr(attr) => {
            let op = match attr.format.op_flags.get().to_le_bytes()[0].into() {
                attr_op::SET | attr_op::PPTR_SET => "set",
                attr_op::REMOVE | attr_op::PPTR_REMOVE => "remove",
                _ => "replace",
            };
            vec![format!("{op} {} of {}", name::escaped(&attr.name), attr.format.ino)]
        }
        Work::Exchange(exchange) => vec![format!(
            "exchange {} of {} and {} of {} +{}",
            exchange.startoff1, exchange.ino1, exchange.startoff2, exchange.ino2, exchange.blockcount
        )],
    }
}

impl JsonEntry {
    fn of(entry: &Entry<'_>) -> Self {
        match entry {
            Entry::Record(record) => Self {
                kind: "record",
                lsn: place_of(record.lsn),
                tail: place_of(record.tail),
                len_bb: Some(record.len_bb),
                payload_bytes: Some(record.payload_bytes),
                limit_bytes: Some(record.limit_bytes),
                operations: Some(record.operations),
                crc: Some(crc(record)),
                needed: Some(record.is_needed),
                ..Self::default()
            },
            Entry::Transaction(transaction) => Self {
                kind: "transaction",
                lsn: place_of(transaction.lsn),
                regions: Some(transaction.regions),
                ..Self::default()
            },
            Entry::Item(item) => Self::item(item),
            Entry::Lost(lost) => Self {
                kind: "lost",
                block_bb: Some(lost.block_bb),
                len_bb: Some(lost.len_bb),
                reason: Some(lost.reason.to_string()),
                ..Self::default()
            },
            _ => Self::default(),
        }
    }

    fn item(item: &ItemEntry<'_>) -> Self {
        let entry = Self { kind: item.name(), ..Self::default() };
        match item {
            ItemEntry::Buffer(buffer) => Self {
                daddr: Some(buffer.daddr.0),
                len_bb: Some(buffer.len_bb.into()),
                content: Some(buffer.content),
                chunks: Some(buffer.chunks),
                flags: buffer_flags(buffer).collect(),
                ..entry
            },
            ItemEntry::Inode(inode) => entry.with_inode(inode),
            ItemEntry::Create(chunk) => Self {
                ag: Some(chunk.ag.0),
                agblock: Some(chunk.agblock.0),
                fsblocks: Some(chunk.len_fsblocks),
                inodes: Some(chunk.count),
                ..entry
            },
            ItemEntry::Intent(intent) => Self::intent(intent),
            ItemEntry::Done { id, .. } => Self { id: format!("{id:#x}"), ..entry },
            _ => entry,
        }
    }

    fn with_inode(self, inode: &InodeEntry) -> Self {
        Self {
            ino: Some(inode.ino.0),
            flags: inode.field_names().collect(),
            data_bytes: Some(inode.data_bytes),
            attr_bytes: Some(inode.attr_bytes),
            ..self
        }
    }

    /// An intent.
    pub(super) fn intent(intent: &Intent) -> Self {
        let id = format!("{:#x}", intent.id);
        Self { kind: intent.name(), id, work: work(&intent.work), ..Self::default() }
    }
}
