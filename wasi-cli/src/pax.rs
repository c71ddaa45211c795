//! One file as an entry of a PAX archive: the ustar header with what fits, extended records with what does not.

use std::io::{self, Read, Write};
use std::ops::Range;

use tar::{Builder, EntryType, Header};
use xfskit::volume::{FileType, Stat, Timestamp};

use crate::time;

/// Largest number that an octal field of seven digits holds.
const MAX_ID: u32 = 0o777_7777;
/// Largest number that an octal field of eleven digits holds.
const MAX_LONG: u64 = 0o777_7777_7777;
/// Bytes that a name or link name has in the header.
const NAME_BYTES: usize = 100;

/// Full name and value of an extended attribute.
pub(crate) type Xattr = (Vec<u8>, Vec<u8>);

/// What an entry needs besides attributes.
#[derive(Debug, Default)]
pub(crate) struct Entry<'a> {
    /// Name in the archive.
    pub(crate) path: &'a [u8],
    /// Target of a symbolic link, or name in the archive of an earlier entry that this one is a hard link to.
    pub(crate) link: Option<&'a [u8]>,
    /// Whether `link` is a hard link.
    pub(crate) is_hard_link: bool,
    /// Full names and values of the extended attributes.
    pub(crate) xattrs: &'a [Xattr],
    /// Where the contents belong, when that is not all of the file.
    pub(crate) pieces: Option<&'a [Range<u64>]>,
}

/// Writes an entry; `contents` has as many bytes as the size says.
pub(crate) fn append<W: Write, R: Read>(
    builder: &mut Builder<W>,
    stat: &Stat,
    entry: &Entry<'_>,
    contents: R,
) -> io::Result<()> {
    let has_contents = stat.file_type == FileType::Regular && !entry.is_hard_link;
    let map = entry.pieces.filter(|_| has_contents).map(|pieces| map(pieces, stat.size));
    let size = match (&map, entry.pieces) {
        (Some(map), Some(pieces)) => {
            map.len() as u64 + pieces.iter().map(|piece| piece.end - piece.start).sum::<u64>()
        }
        _ if has_contents => stat.size,
        _ => 0,
    };
    let records = records(stat, entry, size, map.is_some());
    if !records.is_empty() {
        let mut header = Header::new_ustar();
        header.set_entry_type(EntryType::XHeader);
        set_name(&mut header.as_ustar_mut_or(io::ErrorKind::InvalidData)?.name, b"PaxHeaders/x");
        header.set_mode(0o644);
        header.set_size(records.len() as u64);
        header.set_cksum();
        builder.append(&header, &records[..])?;
    }
    let map = map.unwrap_or_default();
    builder.append(&header(stat, entry, size)?, map.as_slice().chain(contents))
}

/// The one thing that the `tar` crate does not offer for names that are bytes.
trait UstarFields {
    fn as_ustar_mut_or(&mut self, kind: io::ErrorKind) -> io::Result<&mut tar::UstarHeader>;
}

impl UstarFields for Header {
    fn as_ustar_mut_or(&mut self, kind: io::ErrorKind) -> io::Result<&mut tar::UstarHeader> {
        self.as_ustar_mut().ok_or_else(|| kind.into())
    }
}

fn header(stat: &Stat, entry: &Entry<'_>, size: u64) -> io::Result<Header> {
    let mut header = Header::new_ustar();
    header.set_entry_type(match stat.file_type {
        _ if entry.is_hard_link => EntryType::Link,
        FileType::Directory => EntryType::Directory,
        FileType::Symlink => EntryType::Symlink,
        FileType::CharDevice => EntryType::Char,
        FileType::BlockDevice => EntryType::Block,
        FileType::Fifo => EntryType::Fifo,
        FileType::Regular | FileType::Socket => EntryType::Regular,
    });
    header.set_mode(stat.mode.into());
    header.set_uid(stat.uid.min(MAX_ID).into());
    header.set_gid(stat.gid.min(MAX_ID).into());
    header.set_size(size.min(MAX_LONG));
    header.set_mtime(u64::try_from(stat.mtime.seconds).unwrap_or(0).min(MAX_LONG));
    let fields = header.as_ustar_mut_or(io::ErrorKind::InvalidData)?;
    set_name(&mut fields.name, entry.path);
    set_name(&mut fields.linkname, entry.link.unwrap_or_default());
    header.set_device_major(stat.rdev.0)?;
    header.set_device_minor(stat.rdev.1)?;
    if size > MAX_LONG {
        // Readers take the size from the record; this form is what the archive's writer needs to see.
        header.set_size(size);
    }
    header.set_cksum();
    Ok(header)
}

fn set_name(field: &mut [u8], name: &[u8]) {
    let len = name.len().min(field.len());
    field.fill(0);
    field[..len].copy_from_slice(&name[..len]);
}

/// What stands in front of the contents of a sparse file (GNU tar's format 1.0): the number of pieces, then offset and
/// length of each, one a line, filled up to a whole block. An empty piece at the end tells of a hole there.
fn map(pieces: &[Range<u64>], size: u64) -> Vec<u8> {
    let ends_in_hole = pieces.last().is_none_or(|last| last.end < size);
    let mut map = format!("{}\n", pieces.len() + usize::from(ends_in_hole)).into_bytes();
    for piece in pieces.iter().cloned().chain(ends_in_hole.then_some(size..size)) {
        map.extend_from_slice(format!("{}\n{}\n", piece.start, piece.end - piece.start).as_bytes());
    }
    map.resize(map.len().next_multiple_of(512), 0);
    map
}

/// All extended records of an entry.
fn records(stat: &Stat, entry: &Entry<'_>, size: u64, is_sparse: bool) -> Vec<u8> {
    let mut records = Vec::new();
    if is_sparse {
        push(&mut records, b"GNU.sparse.major", b"1");
        push(&mut records, b"GNU.sparse.minor", b"0");
        push(&mut records, b"GNU.sparse.name", entry.path);
        push(&mut records, b"GNU.sparse.realsize", stat.size.to_string().as_bytes());
    }
    let link = entry.link.unwrap_or_default();
    if [entry.path, link].iter().any(|name| str::from_utf8(name).is_err()) {
        push(&mut records, b"hdrcharset", b"BINARY");
    }
    if entry.path.len() > NAME_BYTES || !entry.path.is_ascii() {
        push(&mut records, b"path", entry.path);
    }
    if link.len() > NAME_BYTES || !link.is_ascii() {
        push(&mut records, b"linkpath", link);
    }
    for (key, id) in [(b"uid", stat.uid), (b"gid", stat.gid)] {
        if id > MAX_ID {
            push(&mut records, key, id.to_string().as_bytes());
        }
    }
    if size > MAX_LONG {
        push(&mut records, b"size", size.to_string().as_bytes());
    }
    for (key, at) in [(b"mtime", stat.mtime), (b"atime", stat.atime), (b"ctime", stat.ctime)] {
        if key != b"mtime" || needs_record(at) {
            push(&mut records, key, time::decimal(at).as_bytes());
        }
    }
    for (name, value) in entry.xattrs {
        push(&mut records, &[b"SCHILY.xattr.", &keyword(name)[..]].concat(), value);
    }
    records
}

fn needs_record(at: Timestamp) -> bool {
    at.nanoseconds != 0 || !u64::try_from(at.seconds).is_ok_and(|seconds| seconds <= MAX_LONG)
}

/// A record's keyword ends at the first `=`: GNU tar writes one inside a name as `%3D`.
fn keyword(name: &[u8]) -> Vec<u8> {
    let mut keyword = Vec::with_capacity(name.len());
    for &byte in name {
        match byte {
            b'%' => keyword.extend_from_slice(b"%25"),
            b'=' => keyword.extend_from_slice(b"%3D"),
            _ => keyword.push(byte),
        }
    }
    keyword
}

/// Appends `LENGTH KEY=VALUE\n`, where the length counts itself too.
fn push(records: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut len = rest;
    while len != rest + len.to_string().len() {
        len = rest + len.to_string().len();
    }
    records.extend_from_slice(len.to_string().as_bytes());
    records.push(b' ');
    records.extend_from_slice(key);
    records.push(b'=');
    records.extend_from_slice(value);
    records.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_count_their_own_length() {
        for value_bytes in [0, 1, 2, 3, 85, 86, 87, 88, 89, 90, 985, 986, 987, 988, 989, 990] {
            let mut records = Vec::new();
            push(&mut records, b"path", &vec![b'x'; value_bytes]);
            let digits = records.iter().take_while(|byte| byte.is_ascii_digit()).count();
            let stated: usize = str::from_utf8(&records[..digits]).expect("digits").parse().expect("number");
            assert_eq!(stated, records.len());
        }
    }

    #[test]
    fn keywords_have_no_equals_sign() {
        assert_eq!(keyword(b"user.a=b%"), b"user.a%3Db%25");
    }
}
