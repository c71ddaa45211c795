//! POSIX access control lists: what is valid, how they and the mode follow each other, what new files inherit.
//!
//! A list says no more than the mode can is not kept: its permissions are the mode's. With a longer one, the group
//! bits of the mode are its mask.
//!
//! Source: `acl(5)`; the draft POSIX 1003.1e.

use alloc::vec::Vec;

use crate::attr::{self, Key, Namespace};
use crate::error::{Error, Mistake, Place, Problem, Result};
use crate::format::acl::{self as format, ACCESS_NAME, DEFAULT_NAME, MAX_ENTRIES};
use crate::format::inode::FileType;
use crate::inode::core::core_mut;
use crate::inode::{self, Inode};
use crate::journal::Transaction;
use crate::units::Ino;

pub use crate::format::acl::{AclEntry, Tag};

/// Permission bits of the owner, the group and the others.
const PERMISSIONS: u16 = 0o777;

/// Which of the two lists that an inode may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AclKind {
    /// Who may use it.
    Access,
    /// Of a directory: what new files in it get.
    Default,
}

impl AclKind {
    /// Name of its attribute, in the namespace of `trusted.`.
    #[must_use]
    pub const fn name(self) -> &'static [u8] {
        match self {
            Self::Access => ACCESS_NAME,
            Self::Default => DEFAULT_NAME,
        }
    }

    /// Full name of the attribute as which Linux shows it to programs.
    #[must_use]
    pub const fn shown_name(self) -> &'static [u8] {
        match self {
            Self::Access => b"system.posix_acl_access",
            Self::Default => b"system.posix_acl_default",
        }
    }
}

/// A valid access control list: owner, named users, owning group, named groups, mask, others, in this order. Only with
/// named entries must there be a mask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acl {
    entries: Vec<AclEntry>,
}

impl Acl {
    /// A list of these entries.
    ///
    /// # Errors
    /// [`Mistake::Argument`] when an entry is missing, out of order, or impossible; [`Mistake::ValueTooLarge`].
    pub fn new(entries: Vec<AclEntry>) -> Result<Self> {
        if entries.len() > MAX_ENTRIES {
            return Err(Mistake::ValueTooLarge.into());
        }
        match problem(&entries) {
            Some(problem) => Err(Mistake::Argument(problem).into()),
            None => Ok(Self { entries }),
        }
    }

    /// The list that says the same as a mode.
    #[must_use]
    pub fn from_mode(mode: u16) -> Self {
        let entry = |tag, shift: u16| AclEntry { tag, perm: (mode >> shift & 7) as u8 };
        let entries = [entry(Tag::UserObj, 6), entry(Tag::GroupObj, 3), entry(Tag::Other, 0)];
        Self { entries: entries.to_vec() }
    }

    /// The list in the value of an attribute.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn decode(value: &[u8]) -> Result<Self, Problem> {
        let entries = format::decode(value)?;
        match problem(&entries) {
            Some(problem) => Err(Problem::Rule(problem)),
            None => Ok(Self { entries }),
        }
    }

    /// The list in a value that a program passed to Linux by its [name](AclKind::shown_name); `None` for an empty one,
    /// which means to have none.
    ///
    /// # Errors
    /// [`Mistake::Argument`] when it is no list.
    pub fn from_shown(value: &[u8]) -> Result<Option<Self>> {
        let entries = format::decode_shown(value).map_err(|_| Mistake::Argument("not an ACL"))?;
        if entries.is_empty() { Ok(None) } else { Self::new(entries).map(Some) }
    }

    /// The value that Linux shows to programs.
    #[must_use]
    pub fn to_shown(&self) -> Vec<u8> {
        format::encode_shown(&self.entries)
    }

    /// The value of its attribute.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        format::encode(&self.entries)
    }

    /// Its entries, in order.
    #[must_use]
    pub fn entries(&self) -> &[AclEntry] {
        &self.entries
    }

    /// The permission bits of a mode that this list goes with.
    #[must_use]
    pub fn mode(&self) -> u16 {
        let mut mode = 0;
        for entry in &self.entries {
            let perm = u16::from(entry.perm);
            match entry.tag {
                Tag::UserObj => mode |= perm << 6,
                Tag::GroupObj => mode |= perm << 3,
                Tag::Mask => mode = mode & !0o070 | perm << 3,
                Tag::Other => mode |= perm,
                Tag::User(_) | Tag::Group(_) => {}
            }
        }
        mode
    }

    /// Whether it says nothing that its mode does not.
    #[must_use]
    pub fn is_minimal(&self) -> bool {
        self.entries.len() == 3
    }

    /// Changes the entries that stand for the bits of a mode to those of `mode`.
    pub fn set_mode(&mut self, mode: u16) {
        self.change_mode(|_, theirs| theirs, mode);
    }

    /// Takes away, from the entries that stand for the bits of a mode, what is not in `mode`.
    pub fn limit_to_mode(&mut self, mode: u16) {
        self.change_mode(|own, theirs| own & theirs, mode);
    }

    fn change_mode(&mut self, change: impl Fn(u8, u8) -> u8, mode: u16) {
        let has_mask = self.entries.iter().any(|entry| entry.tag == Tag::Mask);
        for entry in &mut self.entries {
            let shift = match entry.tag {
                Tag::UserObj => 6,
                Tag::GroupObj if !has_mask => 3,
                Tag::Mask => 3,
                Tag::Other => 0,
                _ => continue,
            };
            entry.perm = change(entry.perm, (mode >> shift & 7) as u8);
        }
    }
}

/// What keeps entries from being a valid list.
fn problem(entries: &[AclEntry]) -> Option<&'static str> {
    let rank = |tag: Tag| match tag {
        Tag::UserObj => 0,
        Tag::User(_) => 1,
        Tag::GroupObj => 2,
        Tag::Group(_) => 3,
        Tag::Mask => 4,
        Tag::Other => 5,
    };
    let may_repeat = |tag| matches!(tag, Tag::User(_) | Tag::Group(_));
    let has = |tag| entries.iter().any(|entry| entry.tag == tag);
    let in_order = entries.windows(2).all(|pair| {
        let (one, other) = (rank(pair[0].tag), rank(pair[1].tag));
        one < other || one == other && may_repeat(pair[0].tag)
    });
    if !in_order {
        return Some("entries of an ACL are out of order");
    }
    if entries.iter().any(|entry| entry.perm > 7) {
        return Some("permissions in an ACL");
    }
    if entries.iter().any(|entry| matches!(entry.tag, Tag::User(u32::MAX) | Tag::Group(u32::MAX))) {
        return Some("user or group id in an ACL");
    }
    if ![Tag::UserObj, Tag::GroupObj, Tag::Other].into_iter().all(has) {
        return Some("an ACL needs entries for the owner, the group and others");
    }
    if entries.iter().any(|entry| may_repeat(entry.tag)) && !has(Tag::Mask) {
        return Some("an ACL with named users or groups needs a mask");
    }
    None
}

/// A list of an inode; `None` when there is none.
///
/// # Errors
/// [`Error::Corrupt`] when what is stored there is no list; those of the device.
pub fn get(tx: &mut Transaction<'_>, inode: &Inode, kind: AclKind) -> Result<Option<Acl>> {
    let Some(value) = attr::get(tx, inode, Namespace::Trusted, kind.name())? else { return Ok(None) };
    let decoded = Acl::decode(&value);
    decoded.map(Some).map_err(|problem| Error::corrupt("ACL", Place::ino(inode.ino), problem))
}

/// Stores a list of an inode, or removes it. The mode is the caller's business, and so are times.
fn store(tx: &mut Transaction<'_>, ino: Ino, kind: AclKind, acl: Option<&Acl>) -> Result<()> {
    let flags = Namespace::Trusted.flags();
    match acl {
        Some(acl) => attr::set(tx, ino, flags, kind.name(), &acl.encode()),
        None => attr::remove(tx, ino, &Key::new(flags, kind.name(), &[])?).map(drop),
    }
}

/// Sets a list of an inode, or removes it. The mode follows an access list; one that says no more than the mode is not
/// kept.
///
/// Times of the inode are the caller's business.
///
/// # Errors
/// [`Mistake::NoAccess`] for a default list of anything but a directory; [`Error::NoSpace`]; those of changing the
/// trees.
pub fn set(tx: &mut Transaction<'_>, inode: &Inode, kind: AclKind, acl: Option<&Acl>) -> Result<()> {
    let mut kept = acl;
    match (kind, acl) {
        (AclKind::Default, Some(_)) if !inode.is_dir() => return Err(Mistake::NoAccess.into()),
        (AclKind::Access, Some(acl)) => {
            set_permissions(tx, inode.ino, acl.mode())?;
            kept = Some(acl).filter(|acl| !acl.is_minimal());
        }
        _ => {}
    }
    store(tx, inode.ino, kind, kept)
}

/// Makes the access list of an inode follow its mode, which became `mode`.
///
/// # Errors
/// Those of [`get`] and [`set`].
pub fn follow_mode(tx: &mut Transaction<'_>, inode: &Inode, mode: u16) -> Result<()> {
    let Some(mut acl) = get(tx, inode, AclKind::Access)? else { return Ok(()) };
    let before = acl.clone();
    acl.set_mode(mode);
    if acl == before && !acl.is_minimal() { Ok(()) } else { set(tx, inode, AclKind::Access, Some(&acl)) }
}

/// What a new inode gets from its directory's default list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inherited {
    /// Its mode.
    pub mode: u16,
    /// Its access list, where it says more than the mode.
    pub access: Option<Acl>,
    /// Its default list.
    pub default: Option<Acl>,
}

/// What a new inode of type `file_type` that was asked for with `mode` gets from a directory with the default list
/// `default`. `umask` counts only where there is none.
#[must_use]
pub fn inherited(default: Option<&Acl>, file_type: FileType, mode: u16, umask: u16) -> Inherited {
    if file_type == FileType::Symlink {
        return Inherited { mode, access: None, default: None };
    }
    let Some(default) = default else {
        return Inherited { mode: mode & !(umask & PERMISSIONS), access: None, default: None };
    };
    let mut access = default.clone();
    access.limit_to_mode(mode);
    Inherited {
        mode: mode & !PERMISSIONS | access.mode(),
        access: Some(access).filter(|access| !access.is_minimal()),
        default: (file_type == FileType::Directory).then(|| default.clone()),
    }
}

/// Gives the new inode `ino`, whose core is complete, what it gets from its directory.
///
/// # Errors
/// [`Error::Corrupt`] when the directory's default list is none; [`Error::NoSpace`]; those of changing the trees.
pub fn inherit(tx: &mut Transaction<'_>, dir: &Inode, ino: Ino, umask: u16) -> Result<()> {
    let default = get(tx, dir, AclKind::Default)?;
    if default.is_none() && umask == 0 {
        return Ok(());
    }
    let inode = inode::read(tx, ino)?;
    let gets = inherited(default.as_ref(), inode.file_type, inode.core.mode.get() & 0o7777, umask);
    set_permissions(tx, ino, gets.mode)?;
    for (kind, acl) in [(AclKind::Default, gets.default), (AclKind::Access, gets.access)] {
        if let Some(acl) = acl {
            store(tx, ino, kind, Some(&acl))?;
        }
    }
    Ok(())
}

/// Sets the permission bits of a mode and leaves the others.
fn set_permissions(tx: &mut Transaction<'_>, ino: Ino, mode: u16) -> Result<()> {
    let core = core_mut(tx, ino)?;
    core.mode.set(core.mode.get() & !PERMISSIONS | mode & PERMISSIONS);
    Ok(())
}

#[cfg(test)]
mod tests;
