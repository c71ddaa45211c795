//! POSIX access control lists as they stand in an extended attribute on disk, and as Linux passes them to programs: the
//! values of `system.posix_acl_access` and `system.posix_acl_default`.
//!
//! Source: "Extended Attributes"; where the book is silent, `SGI_ACL_FILE` attributes made by Linux;
//! `linux/posix_acl_xattr.h`.

use alloc::vec::Vec;

use super::attr::MAX_VALUE_BYTES;
use super::header::be_u32;
use crate::error::Problem;

/// Name, in the namespace of `trusted.`, of the attribute that says who may use a file.
pub const ACCESS_NAME: &[u8] = b"SGI_ACL_FILE";
/// Name, in the namespace of `trusted.`, of the attribute that says what new files in a directory get.
pub const DEFAULT_NAME: &[u8] = b"SGI_ACL_DEFAULT";

/// Bytes in front of the entries: their number.
const HEADER_BYTES: usize = 4;
/// Bytes of an entry: tag, id, permissions, padding.
const ENTRY_BYTES: usize = 12;
/// Most entries that a list may have.
pub const MAX_ENTRIES: usize = (MAX_VALUE_BYTES as usize - HEADER_BYTES) / ENTRY_BYTES;
/// The id of entries that need none.
const NO_ID: u32 = u32::MAX;

/// Whom an entry is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tag {
    /// The owner.
    UserObj,
    /// The user of this id.
    User(u32),
    /// The owning group.
    GroupObj,
    /// The group of this id.
    Group(u32),
    /// Nobody: the most that named users and all groups get.
    Mask,
    /// Everybody else.
    Other,
}

/// One entry of an access control list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AclEntry {
    /// Whom it is about.
    pub tag: Tag,
    /// What is permitted: 4 read, 2 write, 1 execute.
    pub perm: u8,
}

impl Tag {
    fn encode(self) -> (u32, u32) {
        match self {
            Self::UserObj => (0x01, NO_ID),
            Self::User(id) => (0x02, id),
            Self::GroupObj => (0x04, NO_ID),
            Self::Group(id) => (0x08, id),
            Self::Mask => (0x10, NO_ID),
            Self::Other => (0x20, NO_ID),
        }
    }

    fn decode(tag: u32, id: u32) -> Option<Self> {
        Some(match tag {
            0x01 => Self::UserObj,
            0x02 => Self::User(id),
            0x04 => Self::GroupObj,
            0x08 => Self::Group(id),
            0x10 => Self::Mask,
            0x20 => Self::Other,
            _ => return None,
        })
    }
}

/// The entries in the value of an attribute.
///
/// # Errors
/// What is wrong with it.
pub fn decode(value: &[u8]) -> Result<Vec<AclEntry>, Problem> {
    let Some((_, entries)) = value.split_first_chunk::<HEADER_BYTES>() else {
        return Err(Problem::Rule("shorter than its header"));
    };
    let count = be_u32(value, 0);
    if entries.len() % ENTRY_BYTES != 0 || entries.len() / ENTRY_BYTES != count as usize {
        return Err(Problem::Bounds { field: "acl_cnt", found: count.into() });
    }
    entries.chunks_exact(ENTRY_BYTES).map(decode_entry).collect()
}

fn decode_entry(entry: &[u8]) -> Result<AclEntry, Problem> {
    let (tag, id) = (be_u32(entry, 0), be_u32(entry, 4));
    // 16 bits of permissions, then 16 of padding.
    let perm = be_u32(entry, 8) >> 16;
    let Some(tag) = Tag::decode(tag, id) else {
        return Err(Problem::Bounds { field: "ae_tag", found: tag.into() });
    };
    match u8::try_from(perm) {
        Ok(perm) => Ok(AclEntry { tag, perm }),
        Err(_) => Err(Problem::Bounds { field: "ae_perm", found: perm.into() }),
    }
}

/// The value of an attribute that holds these entries, at most [`MAX_ENTRIES`] of them.
#[must_use]
pub fn encode(entries: &[AclEntry]) -> Vec<u8> {
    let count = u32::try_from(entries.len()).unwrap_or(u32::MAX);
    let mut value =
        Vec::with_capacity(HEADER_BYTES.saturating_add(entries.len().saturating_mul(ENTRY_BYTES)));
    value.extend_from_slice(&count.to_be_bytes());
    for entry in entries {
        let (tag, id) = entry.tag.encode();
        value.extend_from_slice(&tag.to_be_bytes());
        value.extend_from_slice(&id.to_be_bytes());
        value.extend_from_slice(&u16::from(entry.perm).to_be_bytes());
        value.extend_from_slice(&[0; 2]);
    }
    value
}

/// Version of the form that programs see: the only one.
const SHOWN_VERSION: [u8; HEADER_BYTES] = 2_u32.to_le_bytes();
/// Bytes of an entry of that form: tag, permissions, id.
const SHOWN_ENTRY_BYTES: usize = 8;

/// The entries in a value that a program passed.
///
/// # Errors
/// What is wrong with it.
pub fn decode_shown(value: &[u8]) -> Result<Vec<AclEntry>, Problem> {
    match value.strip_prefix(&SHOWN_VERSION) {
        Some(entries) if entries.len().is_multiple_of(SHOWN_ENTRY_BYTES) => {
            entries.chunks_exact(SHOWN_ENTRY_BYTES).map(decode_shown_entry).collect()
        }
        _ => Err(Problem::Rule("not an ACL")),
    }
}

fn decode_shown_entry(entry: &[u8]) -> Result<AclEntry, Problem> {
    let &[t0, t1, p0, p1, a, b, c, d] = entry else { return Err(Problem::Rule("not an ACL")) };
    let (tag, perm) = (u16::from_le_bytes([t0, t1]).into(), u16::from_le_bytes([p0, p1]));
    match (Tag::decode(tag, u32::from_le_bytes([a, b, c, d])), u8::try_from(perm)) {
        (Some(tag), Ok(perm)) => Ok(AclEntry { tag, perm }),
        (None, _) => Err(Problem::Bounds { field: "e_tag", found: tag.into() }),
        _ => Err(Problem::Bounds { field: "e_perm", found: perm.into() }),
    }
}

/// The value with these entries as a program sees it.
#[must_use]
pub fn encode_shown(entries: &[AclEntry]) -> Vec<u8> {
    let mut value = SHOWN_VERSION.to_vec();
    for entry in entries {
        let (tag, id) = entry.tag.encode();
        // Tags are small numbers.
        value.extend_from_slice(&[tag.to_le_bytes()[0], 0, entry.perm, 0]);
        value.extend_from_slice(&id.to_le_bytes());
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Linux stores for `u::rw-,u:1000:rwx,g::r--,m::rwx,o::r--`.
    const STORED: &[u8] = b"\0\0\0\x05\
        \0\0\0\x01\xff\xff\xff\xff\0\x06\0\0\
        \0\0\0\x02\0\0\x03\xe8\0\x07\0\0\
        \0\0\0\x04\xff\xff\xff\xff\0\x04\0\0\
        \0\0\0\x10\xff\xff\xff\xff\0\x07\0\0\
        \0\0\0\x20\xff\xff\xff\xff\0\x04\0\0";

    #[test]
    fn lists_read_and_write_as_linux_has_them() {
        let entries = decode(STORED).expect("valid");
        let tags: Vec<_> = entries.iter().map(|entry| (entry.tag, entry.perm)).collect();
        let expected = [(Tag::UserObj, 6), (Tag::User(1000), 7), (Tag::GroupObj, 4), (Tag::Mask, 7)];
        assert_eq!(tags[..4], expected);
        assert_eq!(tags[4], (Tag::Other, 4));
        assert_eq!(encode(&entries), STORED);
    }

    #[test]
    fn what_is_no_list_is_told() {
        for end in 0..STORED.len() {
            assert!(decode(&STORED[..end]).is_err(), "{end} bytes");
        }
        let mut wrong = STORED.to_vec();
        wrong[7] = 3;
        assert_eq!(decode(&wrong), Err(Problem::Bounds { field: "ae_tag", found: 3 }));
        assert_eq!(decode(&[0; 4]), Ok(Vec::new()));
    }
}
