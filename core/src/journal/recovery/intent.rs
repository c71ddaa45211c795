//! Intents: work that a checkpoint promised and that a later one reports as done.
//!
//! Source: "Journaling Log", "Extent Free Intent" and its relatives.

use alloc::vec::Vec;

use zerocopy::FromBytes;

use super::checkpoint::damaged;
use crate::error::Result;
use crate::format::log_item::{AttriFormat, ExtentsFormat, MapExtent, PhysicalExtent, XmiFormat, item_type};
use crate::units::Lsn;

/// Extents that an intent can have at most, generously: Linux makes none with more than a few dozen.
const MAX_EXTENTS: usize = 4096;

/// Work that is still to be done.
#[derive(Debug, Clone)]
pub struct Intent {
    /// Type of its item: one of [`item_type`].
    pub kind: u16,
    /// By what its done item names it.
    pub id: u64,
    /// The checkpoint that promised it.
    pub lsn: Lsn,
    /// What to do.
    pub work: Work,
}

/// What an intent wants done.
#[derive(Debug, Clone)]
pub enum Work {
    /// EFI: extents to be freed.
    Free(Vec<PhysicalExtent>),
    /// RUI: reverse mappings to be changed.
    Rmap(Vec<MapExtent>),
    /// CUI: reference counts to be changed.
    Refcount(Vec<PhysicalExtent>),
    /// BUI: mappings of forks to be changed.
    Bmap(Vec<MapExtent>),
    /// ATTRI: an extended attribute to be changed.
    Attr(AttrWork),
    /// XMI: mappings of two files to be exchanged.
    Exchange(XmiFormat),
}

/// What an ATTRI wants done.
#[derive(Debug, Clone)]
pub struct AttrWork {
    /// Its format.
    pub format: AttriFormat,
    /// Name of the attribute.
    pub name: Vec<u8>,
    /// Name that takes its place.
    pub new_name: Vec<u8>,
    /// Its value.
    pub value: Vec<u8>,
    /// Value that takes its place.
    pub new_value: Vec<u8>,
}

/// Operations of an ATTRI, in the lowest byte of `op_flags`.
pub mod attr_op {
    /// Set a value.
    pub const SET: u32 = 1;
    /// Remove an attribute.
    pub const REMOVE: u32 = 2;
    /// Replace a value.
    pub const REPLACE: u32 = 3;
    /// Add a parent pointer.
    pub const PPTR_SET: u32 = 4;
    /// Remove a parent pointer.
    pub const PPTR_REMOVE: u32 = 5;
    /// Replace a parent pointer.
    pub const PPTR_REPLACE: u32 = 6;
}

impl Intent {
    /// Decodes the intent of type `kind` in these regions.
    ///
    /// # Errors
    /// Corruption when they do not fit together.
    pub(super) fn decode(kind: u16, parts: &[&[u8]], lsn: Lsn) -> Result<Self> {
        let (id, work) = match kind {
            item_type::EFI => {
                let (id, extents) = free_extents(parts[0])?;
                (id, Work::Free(extents))
            }
            item_type::CUI => {
                let (id, extents) = extents("CUI", parts[0])?;
                (id, Work::Refcount(extents))
            }
            item_type::RUI => {
                let (id, extents) = extents("RUI", parts[0])?;
                (id, Work::Rmap(extents))
            }
            item_type::BUI => {
                let (id, extents) = extents("BUI", parts[0])?;
                (id, Work::Bmap(extents))
            }
            item_type::XMI => {
                let Ok((format, _)) = XmiFormat::read_from_prefix(parts[0]) else {
                    return Err(damaged("XMI", "shorter than its format"));
                };
                (format.id.get(), Work::Exchange(format))
            }
            _ => {
                let attr = attr(parts)?;
                (attr.format.id.get(), Work::Attr(attr))
            }
        };
        Ok(Self { kind, id, lsn, work })
    }

    /// Name of its type.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self.work {
            Work::Free(_) => "EFI",
            Work::Rmap(_) => "RUI",
            Work::Refcount(_) => "CUI",
            Work::Bmap(_) => "BUI",
            Work::Attr(_) => "ATTRI",
            Work::Exchange(_) => "XMI",
        }
    }
}

fn head<'b>(name: &'static str, bytes: &'b [u8]) -> Result<(ExtentsFormat, &'b [u8], usize)> {
    let Ok((format, rest)) = ExtentsFormat::read_from_prefix(bytes) else {
        return Err(damaged(name, "shorter than its format"));
    };
    let count = usize::try_from(format.nextents.get()).unwrap_or(usize::MAX);
    if count == 0 || count > MAX_EXTENTS {
        return Err(damaged(name, "number of extents is out of bounds"));
    }
    Ok((format, rest, count))
}

fn extents<T: FromBytes>(name: &'static str, bytes: &[u8]) -> Result<(u64, Vec<T>)> {
    let (format, rest, count) = head(name, bytes)?;
    let records = rest.chunks_exact(size_of::<T>()).take(count);
    let extents: Vec<T> = records.filter_map(|record| T::read_from_bytes(record).ok()).collect();
    if extents.len() != count {
        return Err(damaged(name, "shorter than its extents"));
    }
    Ok((format.id.get(), extents))
}

/// The extents of an EFI. 32-bit writers once left the padding out.
fn free_extents(bytes: &[u8]) -> Result<(u64, Vec<PhysicalExtent>)> {
    const PACKED: usize = 12;
    let (format, rest, count) = head("EFI", bytes)?;
    if rest.len() != count * PACKED {
        return extents("EFI", bytes);
    }
    let widen = |record: &[u8]| {
        let mut wide = [0_u8; size_of::<PhysicalExtent>()];
        wide[..PACKED].copy_from_slice(record);
        PhysicalExtent::read_from_bytes(&wide).ok()
    };
    Ok((format.id.get(), rest.chunks_exact(PACKED).filter_map(widen).collect()))
}

/// Names and values follow the format in this order, each only where it has a length.
fn attr(parts: &[&[u8]]) -> Result<AttrWork> {
    let bad = |rule| damaged("ATTRI", rule);
    let Ok((format, _)) = AttriFormat::read_from_prefix(parts[0]) else {
        return Err(bad("shorter than its format"));
    };
    let (names, value_len) = (format.name_len.get(), format.value_len.get() as usize);
    let lengths = match format.op_flags.get() & 0xff {
        attr_op::SET | attr_op::REPLACE | attr_op::PPTR_SET | attr_op::PPTR_REMOVE => {
            [names as usize, 0, value_len, 0]
        }
        attr_op::REMOVE => [names as usize, 0, 0, 0],
        attr_op::PPTR_REPLACE => [(names & 0xffff) as usize, (names >> 16) as usize, value_len, value_len],
        _ => return Err(bad("operation that is not known")),
    };
    let mut regions = parts[1..].iter();
    let mut take = |len: usize| {
        if len == 0 {
            return Some(Vec::new());
        }
        Some(regions.next()?.get(..len)?.to_vec())
    };
    let [name, new_name, value, new_value] = lengths.map(&mut take);
    match (name, new_name, value, new_value) {
        (Some(name), Some(new_name), Some(value), Some(new_value)) => {
            Ok(AttrWork { format, name, new_name, value, new_value })
        }
        _ => Err(bad("name or value is missing")),
    }
}
