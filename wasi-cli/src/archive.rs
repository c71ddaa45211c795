//! Reading archives: ustar, GNU tar and PAX, from front to back.
//!
//! Headers are those of the `tar` crate. What extends them is read here: its records cannot hold line breaks, which
//! attributes and names may have.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::ops::Range;

use tar::{EntryType, GnuExtSparseHeader, Header};
use xfskit::volume::Timestamp;

use crate::time;

const BLOCK_BYTES: usize = 512;
/// Longest extended header or long name that is read into memory.
const MAX_EXTENSION_BYTES: u64 = 64 << 20;
/// Most pieces of a sparse file.
const MAX_PIECES: usize = 8 << 20;

/// What the keywords of extended attributes begin with.
const XATTR_PREFIX: &[u8] = b"SCHILY.xattr.";

/// Records of an extended header: values by keyword.
type Records = BTreeMap<Vec<u8>, Vec<u8>>;

/// One member of an archive.
#[derive(Debug)]
pub(crate) struct Member {
    /// Its name in the archive.
    pub(crate) path: Vec<u8>,
    /// Target of a symbolic link; name of the member that this one is a hard link to.
    pub(crate) link: Vec<u8>,
    /// What it is.
    pub(crate) kind: EntryType,
    /// Permission bits, setuid, setgid and sticky included.
    pub(crate) mode: u16,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) mtime: Timestamp,
    pub(crate) atime: Option<Timestamp>,
    pub(crate) rdev: (u32, u32),
    /// Size of the file in bytes.
    pub(crate) size: u64,
    /// Where in the file the bytes that follow belong.
    pub(crate) pieces: Vec<Range<u64>>,
    /// Full names and values of extended attributes.
    pub(crate) xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// Text of the access control lists: of access, and default.
    pub(crate) acls: [Option<Vec<u8>>; 2],
}

/// An archive that is being read.
pub(crate) struct Reader<R> {
    input: R,
    /// Bytes of the current member that were not read yet, without padding.
    left: u64,
    padding: u64,
    /// Records for all members.
    globals: Records,
}

fn invalid(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("not a sound archive: {why}"))
}

impl<R: Read> Reader<R> {
    pub(crate) fn new(input: R) -> Self {
        Self { input, left: 0, padding: 0, globals: Records::new() }
    }

    /// The next member; what was not read of the one before is passed over.
    ///
    /// # Errors
    /// Those of reading, and of an archive that is cut off or damaged. Nothing more can be read then.
    pub(crate) fn next(&mut self) -> io::Result<Option<Member>> {
        let (mut path, mut link, mut own) = (None, None, Vec::new());
        loop {
            self.skip_rest()?;
            let Some(header) = self.header()? else { return Ok(None) };
            self.begin(header.entry_size()?)?;
            match header.entry_type() {
                EntryType::GNULongName => path = Some(self.long_name()?),
                EntryType::GNULongLink => link = Some(self.long_name()?),
                EntryType::XHeader => own = self.extension()?,
                EntryType::XGlobalHeader => parse_records(&self.extension()?, &mut self.globals)?,
                _ => {
                    let mut records = self.globals.clone();
                    parse_records(&own, &mut records)?;
                    return self.member(&header, path, link, records).map(Some);
                }
            }
        }
    }

    /// Reads bytes of the current member; 0 only when all are read.
    pub(crate) fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let want = usize::try_from(self.left).unwrap_or(usize::MAX).min(buf.len());
        if want == 0 {
            return Ok(0);
        }
        loop {
            match self.input.read(&mut buf[..want]) {
                Ok(0) => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the archive is cut off")),
                Ok(count) => {
                    self.left -= count as u64;
                    return Ok(count);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn begin(&mut self, size: u64) -> io::Result<()> {
        let padded = size.checked_next_multiple_of(BLOCK_BYTES as u64);
        self.padding = padded.ok_or_else(|| invalid("size of a member"))? - size;
        self.left = size;
        Ok(())
    }

    fn skip_rest(&mut self) -> io::Result<()> {
        let mut buffer = [0; 1 << 14];
        self.left += std::mem::take(&mut self.padding);
        while self.left > 0 {
            self.read(&mut buffer)?;
        }
        Ok(())
    }

    fn fill(&mut self, buf: &mut [u8]) -> io::Result<()> {
        let mut done = 0;
        while done < buf.len() {
            match self.read(&mut buf[done..])? {
                0 => return Err(invalid("a member is shorter than it says")),
                count => done += count,
            }
        }
        Ok(())
    }

    /// The next header; `None` at the end of the archive.
    fn header(&mut self) -> io::Result<Option<Header>> {
        let mut header = Header::new_old();
        let bytes = header.as_mut_bytes();
        self.left = BLOCK_BYTES as u64;
        let first = match self.read(bytes) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            read => read?,
        };
        self.fill(&mut bytes[first..])?;
        if bytes.iter().all(|&byte| byte == 0) {
            return Ok(None);
        }
        let sum = bytes.iter().enumerate().fold(0, |sum, (at, &byte)| {
            sum + if (148..156).contains(&at) { u32::from(b' ') } else { u32::from(byte) }
        });
        if header.cksum().ok() != Some(sum) {
            return Err(invalid("checksum of a header"));
        }
        Ok(Some(header))
    }

    /// All bytes of a member that extends the next one.
    fn extension(&mut self) -> io::Result<Vec<u8>> {
        if self.left > MAX_EXTENSION_BYTES {
            return Err(invalid("extended header too long"));
        }
        let mut bytes = vec![0; self.left as usize];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn long_name(&mut self) -> io::Result<Vec<u8>> {
        let mut name = self.extension()?;
        let end = name.iter().position(|&byte| byte == 0).unwrap_or(name.len());
        name.truncate(end);
        Ok(name)
    }

    fn member(
        &mut self,
        header: &Header,
        path: Option<Vec<u8>>,
        link: Option<Vec<u8>>,
        mut records: Records,
    ) -> io::Result<Member> {
        let mut take = |key: &str| records.remove(key.as_bytes());
        let number = |value: Option<Vec<u8>>| value.map(|value| decimal(&value)).transpose();
        if let Some(size) = number(take("size"))? {
            self.begin(size)?;
        }
        let (uid, gid) = (number(take("uid"))?, number(take("gid"))?);
        let id = |id: u64| u32::try_from(id).map_err(|_| invalid("owner"));
        let sparse_name = take("GNU.sparse.name");
        let path = sparse_name.or(take("path")).or(path).unwrap_or_else(|| header.path_bytes().into_owned());
        let link = take("linkpath").or(link);
        let link = link.or_else(|| header.link_name_bytes().map(std::borrow::Cow::into_owned));
        let mtime = take("mtime").map_or_else(|| header_mtime(header), |value| timestamp(&value))?;
        let atime = take("atime").map(|value| timestamp(&value)).transpose()?;
        let acls = [take("SCHILY.acl.access"), take("SCHILY.acl.default")];
        let is_empty_kind = matches!(
            header.entry_type(),
            EntryType::Directory | EntryType::Symlink | EntryType::Char | EntryType::Block | EntryType::Fifo
        );
        let (size, pieces) = if is_empty_kind { (0, Vec::new()) } else { self.layout(header, &records)? };
        let device = |number: io::Result<Option<u32>>| number.ok().flatten().unwrap_or(0);
        Ok(Member {
            path,
            link: link.unwrap_or_default(),
            kind: header.entry_type(),
            mode: (header.mode()? & 0o7777) as u16,
            uid: id(uid.map_or_else(|| header.uid(), Ok)?)?,
            gid: id(gid.map_or_else(|| header.gid(), Ok)?)?,
            mtime,
            atime,
            rdev: (device(header.device_major()), device(header.device_minor())),
            size,
            pieces,
            xattrs: xattrs(records),
            acls,
        })
    }

    /// Size of a file, and where its bytes belong.
    fn layout(&mut self, header: &Header, records: &Records) -> io::Result<(u64, Vec<Range<u64>>)> {
        let get = |key: &str| records.get(key.as_bytes()).map(|value| decimal(value)).transpose();
        if header.entry_type() == EntryType::GNUSparse {
            return self.old_sparse(header);
        }
        let real_size = get("GNU.sparse.realsize")?.or(get("GNU.sparse.size")?);
        let Some(size) = real_size else {
            let whole = 0..self.left;
            return Ok((self.left, Vec::from_iter((self.left > 0).then_some(whole))));
        };
        let pairs = match records.get(&b"GNU.sparse.map"[..]) {
            Some(map) => map.split(|&byte| byte == b',').map(decimal).collect::<io::Result<Vec<u64>>>()?,
            None if get("GNU.sparse.major")? == Some(1) => self.sparse_map()?,
            None => return Err(invalid("sparse file without a map")),
        };
        let pieces = pairs.chunks(2).map(|pair| (pair[0], pair.get(1).copied().unwrap_or(0)));
        Ok((size, self.checked(pieces, size)?))
    }

    /// The map that stands in front of the data: the number of pieces, then offset and length of each, one a line.
    fn sparse_map(&mut self) -> io::Result<Vec<u64>> {
        let (mut numbers, mut line) = (Vec::new(), Vec::new());
        let mut block = [0; BLOCK_BYTES];
        loop {
            self.fill(&mut block)?;
            for &byte in &block {
                if byte != b'\n' {
                    line.push(byte);
                    continue;
                }
                numbers.push(decimal(&std::mem::take(&mut line))?);
                let count = numbers[0].saturating_mul(2);
                if count > MAX_PIECES as u64 {
                    return Err(invalid("sparse file of too many pieces"));
                }
                if numbers.len() as u64 == count + 1 {
                    numbers.remove(0);
                    return Ok(numbers);
                }
            }
            if line.len() > BLOCK_BYTES {
                return Err(invalid("map of a sparse file"));
            }
        }
    }

    /// The pieces in a header of old GNU tar, and in the blocks that follow it.
    fn old_sparse(&mut self, header: &Header) -> io::Result<(u64, Vec<Range<u64>>)> {
        let gnu = header.as_gnu().ok_or_else(|| invalid("sparse file"))?;
        let mut pieces = Vec::new();
        for piece in gnu.sparse.iter().filter(|piece| !piece.is_empty()) {
            pieces.push((piece.offset()?, piece.length()?));
        }
        let (stored, padding) = (self.left, self.padding);
        let mut is_extended = gnu.is_extended();
        while is_extended {
            let mut more = GnuExtSparseHeader::new();
            self.left = BLOCK_BYTES as u64;
            self.fill(more.as_mut_bytes())?;
            for piece in more.sparse().iter().filter(|piece| !piece.is_empty()) {
                pieces.push((piece.offset()?, piece.length()?));
            }
            if pieces.len() > MAX_PIECES {
                return Err(invalid("sparse file of too many pieces"));
            }
            is_extended = more.is_extended();
        }
        (self.left, self.padding) = (stored, padding);
        let size = gnu.real_size()?;
        Ok((size, self.checked(pieces.into_iter(), size)?))
    }

    /// Pieces in order, within the file, and as long together as what is stored.
    fn checked(&self, pieces: impl Iterator<Item = (u64, u64)>, size: u64) -> io::Result<Vec<Range<u64>>> {
        let (mut end, mut sum, mut checked) = (0, 0_u64, Vec::new());
        for (offset, len) in pieces {
            let until = offset.checked_add(len).filter(|&until| offset >= end && until <= size);
            end = until.ok_or_else(|| invalid("piece of a sparse file"))?;
            sum += len;
            if len > 0 {
                checked.push(offset..end);
            }
        }
        if sum == self.left { Ok(checked) } else { Err(invalid("pieces of a sparse file")) }
    }
}

/// `LENGTH KEYWORD=VALUE\n`, one after the other. An empty value takes a record away, but that of an attribute is one.
fn parse_records(bytes: &[u8], records: &mut Records) -> io::Result<()> {
    let mut rest = bytes;
    while !rest.is_empty() && rest[0] != 0 {
        let wrong = || invalid("record of an extended header");
        let space = rest.iter().position(|&byte| byte == b' ').ok_or_else(wrong)?;
        let len = usize::try_from(decimal(&rest[..space])?).map_err(|_| wrong())?;
        let record =
            rest.get(space + 1..len).and_then(|record| record.strip_suffix(b"\n")).ok_or_else(wrong)?;
        let equals = record.iter().position(|&byte| byte == b'=').ok_or_else(wrong)?;
        let (key, value) = (record[..equals].to_vec(), record[equals + 1..].to_vec());
        // Of old sparse files each piece is a record of its own: they are gathered as the map that later ones have.
        if matches!(&key[..], b"GNU.sparse.offset" | b"GNU.sparse.numbytes") {
            let map = records.entry(b"GNU.sparse.map".to_vec()).or_default();
            if !map.is_empty() {
                map.push(b',');
            }
            map.extend_from_slice(&value);
        } else if value.is_empty() && !key.starts_with(XATTR_PREFIX) {
            records.remove(&key);
        } else {
            records.insert(key, value);
        }
        rest = &rest[len..];
    }
    Ok(())
}

fn decimal(text: &[u8]) -> io::Result<u64> {
    str::from_utf8(text).ok().and_then(|text| text.parse().ok()).ok_or_else(|| invalid("number"))
}

fn timestamp(text: &[u8]) -> io::Result<Timestamp> {
    str::from_utf8(text).ok().and_then(time::parse_epoch).ok_or_else(|| invalid("time"))
}

/// The time in a header; GNU tar has negative ones as numbers of base 256.
fn header_mtime(header: &Header) -> io::Result<Timestamp> {
    let field = &header.as_old().mtime;
    let seconds = match field.last_chunk::<8>() {
        Some(last) if field[0] & 0x80 != 0 => i64::from_be_bytes(*last),
        _ => i64::try_from(header.mtime()?).map_err(|_| invalid("time"))?,
    };
    Ok(Timestamp { seconds, nanoseconds: 0 })
}

/// Extended attributes among the records.
fn xattrs(records: Records) -> Vec<(Vec<u8>, Vec<u8>)> {
    let named = |(key, value): (Vec<u8>, Vec<u8>)| Some((unquote(key.strip_prefix(XATTR_PREFIX)?), value));
    records.into_iter().filter_map(named).collect()
}

/// A name without `%3D` and `%25`, as GNU tar writes `=` and `%`.
fn unquote(keyword: &[u8]) -> Vec<u8> {
    let mut name = Vec::with_capacity(keyword.len());
    let mut rest = keyword;
    while let Some((&first, after)) = rest.split_first() {
        (rest, _) = match rest {
            [b'%', b'3', b'D', after @ ..] => (after, name.push(b'=')),
            [b'%', b'2', b'5', after @ ..] => (after, name.push(b'%')),
            _ => (after, name.push(first)),
        };
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_may_hold_anything() {
        let mut records = Records::new();
        parse_records(b"25 SCHILY.xattr.u=a\n=\0b\n\x31\x33 path=a\nb\n\n", &mut records)
            .expect_err("wrong length");
        let mut bytes = b"26 SCHILY.xattr.u=a\n= \0b\n\n".to_vec();
        bytes.extend_from_slice(b"12 path=a\nb\n");
        parse_records(&bytes[..26], &mut records).expect("one record");
        parse_records(&bytes[26..], &mut records).expect("another");
        assert_eq!(records[&b"path"[..]], b"a\nb");
        assert_eq!(xattrs(records), [(b"u".to_vec(), b"a\n= \0b\n".to_vec())]);
    }

    #[test]
    fn names_of_attributes_are_unquoted() {
        assert_eq!(unquote(b"user.a%3Db%25%"), b"user.a=b%%");
    }

    #[test]
    fn an_empty_value_takes_a_record_away() {
        let mut records = Records::new();
        parse_records(b"10 path=a\n19 SCHILY.xattr.u=\n8 path=\n", &mut records).expect("three records");
        assert!(!records.contains_key(&b"path"[..]));
        assert_eq!(xattrs(records), [(b"u".to_vec(), Vec::new())]);
    }

    /// The archive of one member of that size by its header, with these records for it and these for all before.
    fn archive(size: u64, own: &[u8], global: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (kind, contents) in [(EntryType::XGlobalHeader, global), (EntryType::XHeader, own)] {
            let mut header = Header::new_ustar();
            header.set_entry_type(kind);
            header.set_size(contents.len() as u64);
            header.set_cksum();
            bytes.extend_from_slice(header.as_bytes());
            bytes.extend_from_slice(contents);
            bytes.resize(bytes.len().next_multiple_of(BLOCK_BYTES), 0);
        }
        let mut header = Header::new_gnu();
        header.set_path("a").expect("short");
        header.set_size(size);
        header.set_mode(0);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_cksum();
        bytes.extend_from_slice(header.as_bytes());
        bytes
    }

    #[test]
    fn no_size_is_too_large_to_be_refused() {
        let sizes = [archive(u64::MAX, b"", b""), archive(0, b"29 size=18446744073709551615\n", b"")];
        for bytes in sizes {
            Reader::new(&bytes[..]).next().expect_err("no such size");
        }
    }

    #[test]
    fn later_records_for_all_replace_earlier_ones() {
        let mut bytes = archive(0, b"", b"11 mtime=1\n");
        bytes.extend(archive(0, b"", b"11 mtime=2\n"));
        bytes.extend(archive(0, b"11 mtime=3\n", b"11 mtime=4\n"));
        let mut reader = Reader::new(&bytes[..]);
        for expected in 1..=3 {
            let member = reader.next().expect("sound").expect("a member");
            assert_eq!(member.mtime.seconds, expected);
        }
    }

    #[test]
    fn what_is_no_archive_is_told() {
        for bytes in [&b"x"[..], &[1; 512], &[0x20; 1024]] {
            let outcome = Reader::new(bytes).next();
            assert!(!matches!(outcome, Ok(Some(_))));
        }
        assert!(matches!(Reader::new(&[0; 1024][..]).next(), Ok(None)));
    }
}
