//! Access control lists as Linux passes them between programs and filesystems: the value of the extended attributes
//! `system.posix_acl_access` and `system.posix_acl_default` (linux/posix_acl_xattr.h), little-endian.

use xfskit::volume::{Acl, AclEntry, Tag};
use xfskit::{Error, error::Mistake};

/// Version of the form: the only one.
const VERSION: u32 = 2;
const HEADER_BYTES: usize = 4;
const ENTRY_BYTES: usize = 8;
/// In place of an id where none is meant.
const NO_ID: u32 = u32::MAX;

/// The list in that form.
pub(crate) fn encode(acl: &Acl) -> Vec<u8> {
    let mut value = VERSION.to_le_bytes().to_vec();
    for entry in acl.entries() {
        let (tag, id) = match entry.tag {
            Tag::UserObj => (0x01_u16, NO_ID),
            Tag::User(id) => (0x02, id),
            Tag::GroupObj => (0x04, NO_ID),
            Tag::Group(id) => (0x08, id),
            Tag::Mask => (0x10, NO_ID),
            Tag::Other => (0x20, NO_ID),
        };
        value.extend(tag.to_le_bytes());
        value.extend(u16::from(entry.perm).to_le_bytes());
        value.extend(id.to_le_bytes());
    }
    value
}

/// The list that a program passed; `None` when it passed an empty one, which means to have none.
///
/// # Errors
/// [`Mistake::Argument`] when it is no list.
pub(crate) fn decode(value: &[u8]) -> Result<Option<Acl>, Error> {
    let (header, entries) = value.split_at_checked(HEADER_BYTES).ok_or(Mistake::Argument("no list"))?;
    if header != VERSION.to_le_bytes() || entries.len() % ENTRY_BYTES != 0 {
        return Err(Mistake::Argument("no list").into());
    }
    if entries.is_empty() {
        return Ok(None);
    }
    let entries: Result<Vec<AclEntry>, Error> = entries.chunks_exact(ENTRY_BYTES).map(entry).collect();
    Acl::new(entries?).map(Some)
}

fn entry(bytes: &[u8]) -> Result<AclEntry, Error> {
    let half = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
    let id = u32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]);
    let tag = match half(0) {
        0x01 => Tag::UserObj,
        0x02 => Tag::User(id),
        0x04 => Tag::GroupObj,
        0x08 => Tag::Group(id),
        0x10 => Tag::Mask,
        0x20 => Tag::Other,
        _ => return Err(Mistake::Argument("unknown kind of entry").into()),
    };
    match u8::try_from(half(2)) {
        Ok(perm @ 0..=7) => Ok(AclEntry { tag, perm }),
        _ => Err(Mistake::Argument("unknown permission").into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_come_back() {
        let entry = |tag, perm| AclEntry { tag, perm };
        let entries = vec![
            entry(Tag::UserObj, 7),
            entry(Tag::User(1000), 5),
            entry(Tag::GroupObj, 4),
            entry(Tag::Mask, 5),
            entry(Tag::Other, 0),
        ];
        let acl = Acl::new(entries).expect("valid");
        assert_eq!(decode(&encode(&acl)).expect("valid"), Some(acl));
        assert_eq!(decode(&[2, 0, 0, 0]).expect("valid"), None);
        assert!(decode(&[1, 0, 0, 0]).is_err());
        assert!(decode(&[2, 0, 0, 0, 1]).is_err());
    }
}
