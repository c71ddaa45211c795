//! The contents of one leaf, taken apart and put together again.
//!
//! A leaf is always written without gaps: entries from the front, names and values from the back in the order in which
//! they came, all free space between them. So adding an attribute changes little of the block, and there is nothing to
//! search for.
//!
//! Source: "Leaf Attributes".

use alloc::vec::Vec;

use super::edit::Key;
use crate::error::Problem;
use crate::format::attr::{
    AttrFlags, AttrLeaf, AttrLeafEntry, AttrLeafHeader, FreeRegion, LEAF_HEADER_BYTES, Value,
};
use crate::format::header::put;
use crate::sort;

/// An attribute of a leaf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) hash: u32,
    flags: AttrFlags,
    /// Where name and value stood in the leaf; 0 for one that is new.
    at: u16,
    /// Name and value as they are stored, padding included.
    raw: Vec<u8>,
}

/// Whether an attribute has its value in the leaf: when the two take less than three quarters of it.
pub(super) fn is_local(key: &Key<'_>, value: &[u8], blocksize: usize) -> bool {
    (3 + key.name.len() + value.len()).next_multiple_of(4) < blocksize / 2 + blocksize / 4
}

impl Record {
    /// An attribute with its value; `hash` is that of its key.
    pub(super) fn local(key: &Key<'_>, hash: u32, value: &[u8]) -> Self {
        let mut raw = Vec::with_capacity(6 + key.name.len() + value.len());
        raw.extend((value.len() as u16).to_be_bytes());
        raw.push(key.name.len() as u8);
        raw.extend(key.name);
        raw.extend(value);
        raw.resize(raw.len().next_multiple_of(4), 0);
        Self { hash, flags: key.namespace | AttrFlags::LOCAL, at: 0, raw }
    }

    /// An attribute whose value of `valuelen` bytes starts at file block `valueblk`.
    pub(super) fn remote(key: &Key<'_>, hash: u32, valueblk: u32, valuelen: u32) -> Self {
        let mut raw = Vec::with_capacity(14 + key.name.len());
        raw.extend(valueblk.to_be_bytes());
        raw.extend(valuelen.to_be_bytes());
        raw.push(key.name.len() as u8);
        raw.extend(key.name);
        raw.resize(remote_bytes(key.name.len()), 0);
        Self { hash, flags: key.namespace, at: 0, raw }
    }

    /// Takes the place of another attribute of the same leaf.
    pub(super) fn in_place_of(mut self, other: &Self) -> Self {
        if self.raw.len() == other.raw.len() {
            self.at = other.at;
        }
        self
    }
}

fn remote_bytes(namelen: usize) -> usize {
    // Linux counts two bytes more than there are.
    (11 + namelen).next_multiple_of(4)
}

/// The attributes of a leaf, by rising hash.
///
/// # Errors
/// What is wrong with it.
pub(super) fn decode(block: &[u8]) -> Result<Vec<Record>, Problem> {
    let leaf = AttrLeaf::new(block)?;
    let mut records: Vec<Record> = Vec::with_capacity(leaf.len() + 1);
    for index in 0..leaf.len() {
        let entry = leaf.entry(index);
        let attr = leaf.attr(&entry)?;
        let bytes = match attr.value {
            Value::Local(value) => (3 + attr.name.len() + value.len()).next_multiple_of(4),
            Value::Remote { .. } => remote_bytes(attr.name.len()),
        };
        let at = usize::from(entry.nameidx);
        let raw = block.get(at..at + bytes).ok_or(Problem::Bounds { field: "nameidx", found: at as u64 })?;
        if records.last().is_some_and(|last| last.hash > entry.hash) {
            return Err(Problem::Bounds { field: "hashval (out of order)", found: entry.hash.into() });
        }
        records.push(Record { hash: entry.hash, flags: entry.flags, at: entry.nameidx, raw: raw.to_vec() });
    }
    Ok(records)
}

/// Bytes that attributes take in a leaf, its header included.
pub(super) fn bytes_of(records: &[Record]) -> usize {
    let each = |record: &Record| AttrLeafEntry::BYTES + record.raw.len();
    LEAF_HEADER_BYTES + records.iter().map(each).sum::<usize>()
}

/// Makes attributes, which must fit, the contents of a leaf whose self-describing part stays.
pub(super) fn encode(records: &[Record], block: &mut [u8]) {
    const OWN_AT: usize = core::mem::offset_of!(AttrLeafHeader, count);
    block[OWN_AT..].fill(0);
    let mut order: Vec<usize> = (0..records.len()).collect();
    // From the back of the block on: what stood further back first, what is new last.
    sort::by_number(&mut order, |&index| !(records[index].at as u64));
    let mut first = block.len();
    let mut places = alloc::vec![0; records.len()];
    for index in order {
        first -= records[index].raw.len();
        put(block, first, &records[index].raw);
        places[index] = first;
    }
    let mut at = LEAF_HEADER_BYTES;
    for (record, place) in records.iter().zip(places) {
        put(block, at, &record.hash.to_be_bytes());
        put(block, at + 4, &(place as u16).to_be_bytes());
        block[at + 6] = record.flags.bits();
        at += AttrLeafEntry::BYTES;
    }
    let used = block.len() - first;
    let header = <AttrLeafHeader as zerocopy::FromBytes>::mut_from_prefix(block).expect("a block holds it").0;
    header.count.set(records.len() as u16);
    header.usedbytes.set(used as u16);
    // The end of a block of 64 KiB does not fit the field; it becomes 0, which stands for it.
    header.firstused.set(first as u16);
    header.freemap[0] = FreeRegion { base: (at as u16).into(), size: ((first - at) as u16).into() };
}

/// Shares attributes out over as few leaves as can hold them, and as evenly as can be: one, two, or three where a
/// large one stands between others. `None` when they can't come from one leaf and one more attribute.
///
/// Attributes of one hash stay together if they can: `xfs_repair` takes offence where a leaf begins with the hash that
/// the one before ends with.
pub(super) fn share(mut records: Vec<Record>, blocksize: usize) -> Option<Vec<Vec<Record>>> {
    if bytes_of(&records) <= blocksize {
        return Some(alloc::vec![records]);
    }
    let by_hash = |at: usize| at == 0 || records.get(at).is_none_or(|r| r.hash != records[at - 1].hash);
    let whole: Vec<usize> = (0..=records.len()).filter(|&at| by_hash(at)).collect();
    let any: Vec<usize> = (0..=records.len()).collect();
    let cuts = [whole, any].iter().find_map(|places| cuts(&records, places, blocksize))?;
    let mut parts: Vec<_> = cuts.iter().rev().map(|&cut| records.split_off(cut)).collect();
    parts.push(records);
    parts.reverse();
    Some(parts)
}

/// One or two of `places` (which start with 0 and end with the number of records) to cut at, so that each part fits.
fn cuts(records: &[Record], places: &[usize], blocksize: usize) -> Option<Vec<usize>> {
    // Bytes of a leaf of the records before each one.
    let mut until = Vec::with_capacity(records.len() + 1);
    until.push(LEAF_HEADER_BYTES);
    until.extend(records.iter().scan(LEAF_HEADER_BYTES, |sum, record| {
        *sum += AttrLeafEntry::BYTES + record.raw.len();
        Some(*sum)
    }));
    let bytes = |from: usize, to: usize| until[to] - until[from] + LEAF_HEADER_BYTES;
    let end = records.len();
    let inner = places.iter().copied().filter(|&at| 0 < at && at < end);
    let half = inner.min_by_key(|&at| bytes(0, at).max(bytes(at, end)))?;
    if bytes(0, half).max(bytes(half, end)) <= blocksize {
        return Some(alloc::vec![half]);
    }
    let fits = |&(from, to): &(usize, usize)| {
        0 < from && to < end && bytes(0, from).max(bytes(from, to)).max(bytes(to, end)) <= blocksize
    };
    let (from, to) = places.windows(2).map(|pair| (pair[0], pair[1])).find(fits)?;
    Some(alloc::vec![from, to])
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    const BLOCK: usize = 1024;

    fn records(lens: &[usize]) -> Vec<Record> {
        let record = |(index, &len): (usize, &usize)| {
            let name = format!("n{index}");
            let value = alloc::vec![index as u8; len];
            let key = Key { namespace: AttrFlags::ROOT, name: name.as_bytes(), value: None };
            Record::local(&key, index as u32, &value)
        };
        lens.iter().enumerate().map(record).collect()
    }

    #[test]
    fn a_leaf_comes_apart_and_together_again() {
        let mut block = alloc::vec![0; BLOCK];
        let mut written = records(&[10, 0, 300, 77, 1]);
        encode(&written, &mut block);
        let mut read = decode(&block).expect("valid");
        assert!(read.iter().zip(&written).all(|(a, b)| (a.hash, &a.raw) == (b.hash, &b.raw)));
        // Taking one out closes the gap, and the others keep their order in the block.
        read.remove(2);
        written.remove(2);
        encode(&read, &mut block);
        let read = decode(&block).expect("valid");
        assert!(read.iter().zip(&written).all(|(a, b)| (a.hash, &a.raw) == (b.hash, &b.raw)));
        assert!(read.windows(2).all(|pair| pair[0].at > pair[1].at));
        let leaf = AttrLeaf::new(&block).expect("valid");
        let used: usize = read.iter().map(|record| record.raw.len()).sum();
        assert_eq!(usize::from(leaf.header.usedbytes.get()), used);
        assert_eq!(usize::from(leaf.header.firstused.get()), BLOCK - used);
    }

    #[test]
    fn the_longest_block_has_its_end_at_zero() {
        let mut block = alloc::vec![0; 65536];
        encode(&[], &mut block);
        let leaf = AttrLeaf::new(&block).expect("valid");
        assert_eq!((leaf.header.firstused.get(), leaf.header.usedbytes.get()), (0, 0));
        assert_eq!(leaf.header.freemap[0].size.get(), 65536_u32.wrapping_sub(80) as u16);
    }

    #[test]
    fn attributes_are_shared_out_over_one_two_or_three_leaves() {
        let shares = |lens: &[usize]| -> Option<Vec<usize>> {
            share(records(lens), BLOCK).map(|parts| parts.iter().map(Vec::len).collect())
        };
        assert_eq!(shares(&[100, 100]), Some(alloc::vec![2]));
        assert_eq!(shares(&[100; 12]), Some(alloc::vec![6, 6]));
        assert_eq!(shares(&[700, 700]), Some(alloc::vec![1, 1]));
        assert_eq!(shares(&[400, 700, 400]), Some(alloc::vec![1, 1, 1]));
        assert_eq!(shares(&[700, 700, 700, 700]), None);
    }

    #[test]
    fn one_hash_stays_in_one_leaf_if_it_can() {
        let shares = |hashes: &[u32], len: usize| -> Option<Vec<usize>> {
            let mut records = records(&alloc::vec![len; hashes.len()]);
            for (record, &hash) in records.iter_mut().zip(hashes) {
                record.hash = hash;
            }
            share(records, BLOCK).map(|parts| parts.iter().map(Vec::len).collect())
        };
        assert_eq!(shares(&[1, 2, 2, 2, 3, 4], 180), Some(alloc::vec![4, 2]));
        assert_eq!(shares(&[1, 2, 2, 2, 2, 4], 180), Some(alloc::vec![1, 4, 1]));
        assert_eq!(shares(&[2, 2, 2, 2, 2, 2], 180), Some(alloc::vec![3, 3]));
    }
}
