//! A directory small enough to live in its inode.
//!
//! Source: "Shortform Directories".

use alloc::vec::Vec;

use super::is_valid_name;
use crate::error::Problem;
use crate::format::header::{be_u16, be_u32, be_u64};
use crate::units::Ino;

/// An entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Byte offset that the entry would have in a data block; rises from entry to entry.
    pub offset: u16,
    /// Its name.
    pub name: &'a [u8],
    /// Type byte.
    pub ftype: u8,
    /// The inode that it names.
    pub ino: Ino,
}

/// A shortform directory, decoded. `.` is not stored, `..` is [`Shortform::parent`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shortform<'a> {
    /// The parent directory.
    pub parent: Ino,
    /// Entries in order of their offsets.
    pub entries: Vec<Entry<'a>>,
}

const fn is_wide(ino: Ino) -> bool {
    ino.0 > u32::MAX as u64
}

impl<'a> Shortform<'a> {
    /// Decodes the `size` bytes that such a directory has by its inode.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, Problem> {
        let short = Problem::Rule("shortform directory ends early");
        let [count, i8count, rest @ ..] = bytes else { return Err(short) };
        let ino_bytes = if *i8count > 0 { 8 } else { 4 };
        let mut rest = rest;
        let mut take = |len: usize| -> Result<&'a [u8], Problem> {
            let (head, tail) = rest.split_at_checked(len).ok_or(short.clone())?;
            rest = tail;
            Ok(head)
        };
        let ino =
            |bytes: &[u8]| Ino(if bytes.len() == 8 { be_u64(bytes, 0) } else { be_u32(bytes, 0).into() });
        let parent = ino(take(ino_bytes)?);
        let mut entries: Vec<Entry<'a>> = Vec::with_capacity(usize::from(*count));
        for _ in 0..*count {
            let head = take(3)?;
            let (namelen, offset) = (usize::from(head[0]), be_u16(head, 1));
            let name = take(namelen)?;
            let ftype = take(1)?[0];
            let ino = ino(take(ino_bytes)?);
            if entries.last().is_some_and(|last| last.offset >= offset) {
                return Err(Problem::Bounds { field: "offset", found: offset.into() });
            }
            if !is_valid_name(name) {
                return Err(Problem::Rule("name of an entry"));
            }
            entries.push(Entry { offset, name, ftype, ino });
        }
        if !rest.is_empty() {
            return Err(Problem::Rule("bytes behind the last entry of a shortform directory"));
        }
        Ok(Self { parent, entries })
    }

    /// Bytes that it takes.
    #[must_use]
    pub fn encoded_bytes(&self) -> usize {
        let ino_bytes = if self.wide_count() > 0 { 8 } else { 4 };
        let entries: usize = self.entries.iter().map(|entry| 4 + entry.name.len() + ino_bytes).sum();
        2 + ino_bytes + entries
    }

    /// The bytes that stand for it. It must have at most 255 entries.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let wide_count = self.wide_count();
        let mut bytes = Vec::with_capacity(self.encoded_bytes());
        bytes.extend([self.entries.len() as u8, wide_count]);
        let put_ino = |bytes: &mut Vec<u8>, ino: Ino| match wide_count {
            0 => bytes.extend((ino.0 as u32).to_be_bytes()),
            _ => bytes.extend(ino.0.to_be_bytes()),
        };
        put_ino(&mut bytes, self.parent);
        for entry in &self.entries {
            bytes.push(entry.name.len() as u8);
            bytes.extend(entry.offset.to_be_bytes());
            bytes.extend(entry.name);
            bytes.push(entry.ftype);
            put_ino(&mut bytes, entry.ino);
        }
        bytes
    }

    /// Inode numbers that do not fit 32 bits; one is enough to store all of them wide.
    fn wide_count(&self) -> u8 {
        let inos = self.entries.iter().map(|entry| entry.ino).chain([self.parent]);
        // 255 entries and the parent could make 256; the kernel never lets it come to that.
        inos.filter(|&ino| is_wide(ino)).count().min(255) as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_widths_round_trip() {
        for ino in [5, 1 << 32] {
            let entries = alloc::vec![
                Entry { offset: 96, name: b"a", ftype: 1, ino: Ino(ino) },
                Entry { offset: 112, name: b"bb", ftype: 2, ino: Ino(7) },
            ];
            let dir = Shortform { parent: Ino(128), entries };
            let bytes = dir.encode();
            assert_eq!(bytes.len(), dir.encoded_bytes());
            assert_eq!(Shortform::decode(&bytes), Ok(dir));
            for len in 0..bytes.len() {
                assert!(Shortform::decode(&bytes[..len]).is_err(), "cut to {len} bytes");
            }
        }
    }
}
