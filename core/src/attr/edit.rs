//! Setting and removing extended attributes, in every form and from form to form.
//!
//! The forms change where Linux changes them: shortform becomes a leaf when it no longer fits the inode, a leaf becomes
//! a tree when it is full. Whatever is removed may let a tree collapse to one leaf, and that one go back into the inode.
//! With the last attribute the fork goes, unless something keeps it.
//!
//! Source: "Extended Attributes".

use alloc::vec::Vec;

use super::fork::{self, Shortform};
use super::leaf::{self, Record};
use super::tree::Tree;
use super::{ParentPointer, remote};
use crate::error::{Mistake, Result};
use crate::format::attr::{
    Attr, AttrFlags, AttrLeaf, MAX_VALUE_BYTES, SHORTFORM_HEADER_BYTES, Value, decode_shortform,
    shortform_entry_bytes,
};
use crate::format::da::{name_hash, parent_pointer_hash};
use crate::format::header::be_u64;
use crate::format::inode::fork_format;
use crate::geometry::Geometry;
use crate::inode::{self, Fork, Inode};
use crate::journal::Transaction;
use crate::units::Ino;

/// Longest name, in bytes.
const MAX_NAME_BYTES: usize = 255;

/// Bytes of the value of a parent pointer: inode and generation of the directory.
pub(super) const PARENT_VALUE_BYTES: usize = 12;

/// What tells an attribute from the others of its inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key<'a> {
    /// Namespace bits: at most one of [`AttrFlags::NAMESPACE`].
    pub namespace: AttrFlags,
    /// The name, without a prefix.
    pub name: &'a [u8],
    /// The value, of a parent pointer only: a file may have the same name in several directories.
    pub value: Option<&'a [u8]>,
}

impl<'a> Key<'a> {
    /// The key of an attribute that is about to have `value`.
    ///
    /// # Errors
    /// [`Mistake`], for what can't be an attribute.
    pub fn new(namespace: AttrFlags, name: &'a [u8], value: &'a [u8]) -> Result<Self> {
        if namespace != namespace.namespace() || namespace.bits().count_ones() > 1 {
            return Err(Mistake::Argument("namespace of an attribute").into());
        }
        if name.len() > MAX_NAME_BYTES {
            return Err(Mistake::NameTooLong.into());
        }
        if name.is_empty() || name.contains(&0) {
            return Err(Mistake::Argument("name of an attribute").into());
        }
        if value.len() > MAX_VALUE_BYTES as usize {
            return Err(Mistake::ValueTooLarge.into());
        }
        let is_parent = namespace == AttrFlags::PARENT;
        if is_parent && value.len() != PARENT_VALUE_BYTES {
            return Err(Mistake::Argument("value of a parent pointer").into());
        }
        Ok(Self { namespace, name, value: is_parent.then_some(value) })
    }

    /// Hash that leaves are sorted by.
    pub(super) fn hash(&self, geometry: &Geometry) -> u32 {
        match self.value {
            Some(value) => parent_pointer_hash(geometry.dir_hash(self.name), be_u64(value, 0)),
            None => name_hash(self.name),
        }
    }

    /// Whether this is the key of an attribute.
    pub(super) fn matches(&self, attr: &Attr<'_>) -> bool {
        let has_value = |value| attr.value == Value::Local(value);
        attr.flags.namespace() == self.namespace && attr.name == self.name && self.value.is_none_or(has_value)
    }
}

impl ParentPointer {
    /// The value of the attribute that it is.
    #[must_use]
    pub fn value(&self) -> [u8; PARENT_VALUE_BYTES] {
        let mut value = [0; PARENT_VALUE_BYTES];
        value[..8].copy_from_slice(&self.parent.0.to_be_bytes());
        value[8..].copy_from_slice(&self.generation.to_be_bytes());
        value
    }
}

/// Gives an inode an attribute, or an attribute that it has another value.
///
/// Times of the inode are the caller's business.
///
/// # Errors
/// [`Mistake`] for what can't be an attribute; [`Error::NoSpace`](crate::Error::NoSpace); those of changing the trees.
pub fn set(
    tx: &mut Transaction<'_>,
    ino: Ino,
    namespace: AttrFlags,
    name: &[u8],
    value: &[u8],
) -> Result<()> {
    let key = Key::new(namespace, name, value)?;
    // Linux counts the value in a byte when it looks for the border of a new fork: of a large one only this much is left.
    let counted = value.len() & 0xff;
    fork::ensure(tx, ino, SHORTFORM_HEADER_BYTES + shortform_entry_bytes(name.len(), counted))?;
    let inode = inode::read(tx, ino)?;
    if has_no_blocks(&inode) {
        let mut attrs = in_inode(&inode)?;
        attrs.retain(|attr| !key.matches(attr));
        attrs.push(Attr { flags: namespace, name, value: Value::Local(value) });
        if let Some(shortform) = Shortform::of(&inode, &attrs) {
            return shortform.store(tx, ino);
        }
        attrs.pop();
        leave_inode(tx, &inode, &attrs)?;
    }
    set_in_blocks(tx, ino, &key, value)
}

/// Removes an attribute; says whether it was there.
///
/// # Errors
/// Those of changing the trees.
pub fn remove(tx: &mut Transaction<'_>, ino: Ino, key: &Key<'_>) -> Result<bool> {
    let inode = inode::read(tx, ino)?;
    if !inode.has_attr_fork() {
        return Ok(false);
    }
    if has_no_blocks(&inode) {
        let mut attrs = in_inode(&inode)?;
        let before = attrs.len();
        attrs.retain(|attr| !key.matches(attr));
        if attrs.len() == before {
            return Ok(false);
        }
        return store_in_inode(tx, &inode, &attrs).map(|()| true);
    }
    let is_purged = purge_incomplete(tx, ino, key)?;
    let found = Tree(ino).find(tx, key, false)?;
    let is_found = found.is_some();
    if let Some(found) = found {
        if let Some(remote) = found.remote {
            remote::free(tx, ino, remote)?;
        }
        Tree(ino).remove(tx, found)?;
    }
    if is_found || is_purged {
        return_to_inode(tx, ino)?;
    }
    Ok(is_found)
}

/// Adds a name to those that an inode remembers; one that it has already stays.
///
/// # Errors
/// Those of [`set`].
pub fn add_parent(tx: &mut Transaction<'_>, ino: Ino, parent: &ParentPointer) -> Result<()> {
    set(tx, ino, AttrFlags::PARENT, &parent.name, &parent.value())
}

/// Removes a name from those that an inode remembers; says whether it was there.
///
/// # Errors
/// Those of [`remove`].
pub fn remove_parent(tx: &mut Transaction<'_>, ino: Ino, parent: &ParentPointer) -> Result<bool> {
    let value = parent.value();
    remove(tx, ino, &Key::new(AttrFlags::PARENT, &parent.name, &value)?)
}

/// Whether all attributes are in the inode, or there are none.
fn has_no_blocks(inode: &Inode) -> bool {
    match inode.core.aformat {
        fork_format::LOCAL => true,
        fork_format::EXTENTS => inode.nextents(Fork::Attr) == 0,
        _ => false,
    }
}

/// The attributes in an inode without blocks of them.
fn in_inode(inode: &Inode) -> Result<Vec<Attr<'_>>> {
    match inode.core.aformat {
        fork_format::LOCAL => decode_shortform(inode.attr_fork()).map_err(|problem| inode.corrupt(problem)),
        _ => Ok(Vec::new()),
    }
}

/// Moves attributes out of the inode into a leaf.
fn leave_inode(tx: &mut Transaction<'_>, inode: &Inode, attrs: &[Attr<'_>]) -> Result<()> {
    let ino = inode.ino;
    fork::leave_inode(tx, inode)?;
    Tree(ino).create(tx)?;
    for attr in attrs {
        let Value::Local(value) = attr.value else { continue };
        let is_parent = attr.flags.namespace() == AttrFlags::PARENT;
        let key =
            Key { namespace: attr.flags.namespace(), name: attr.name, value: is_parent.then_some(value) };
        let record = Record::local(&key, key.hash(tx.geometry()), value);
        Tree(ino).insert(tx, record)?;
    }
    Ok(())
}

fn set_in_blocks(tx: &mut Transaction<'_>, ino: Ino, key: &Key<'_>, value: &[u8]) -> Result<()> {
    purge_incomplete(tx, ino, key)?;
    let found = Tree(ino).find(tx, key, false)?;
    // Before anything is written: blocks that are freed here are not handed out in this transaction.
    if let Some(remote) = found.as_ref().and_then(|found| found.remote) {
        remote::free(tx, ino, remote)?;
    }
    let hash = key.hash(tx.geometry());
    let record = if leaf::is_local(key, value, tx.geometry().blocksize as usize) {
        Record::local(key, hash, value)
    } else {
        Record::remote(key, hash, remote::write(tx, ino, value)?, value.len() as u32)
    };
    match found {
        Some(found) => {
            Tree(ino).replace(tx, found, record)?;
            return_to_inode(tx, ino)
        }
        None => Tree(ino).insert(tx, record),
    }
}

/// Removes what a crash of Linux left of an attribute that was being written or removed; says whether there was any.
fn purge_incomplete(tx: &mut Transaction<'_>, ino: Ino, key: &Key<'_>) -> Result<bool> {
    let mut is_purged = false;
    while let Some(found) = Tree(ino).find(tx, key, true)? {
        if let Some(remote) = found.remote {
            remote::free(tx, ino, remote)?;
        }
        Tree(ino).remove(tx, found)?;
        is_purged = true;
    }
    Ok(is_purged)
}

/// Moves attributes that are in a single leaf back into the inode, when all of them fit.
fn return_to_inode(tx: &mut Transaction<'_>, ino: Ino) -> Result<()> {
    let Some(block) = Tree(ino).only_leaf(tx)? else { return Ok(()) };
    let inode = inode::read(tx, ino)?;
    let corrupt = |problem| inode.corrupt(problem);
    let leaf = AttrLeaf::new(&block).map_err(corrupt)?;
    let mut attrs = Vec::with_capacity(leaf.len());
    for index in 0..leaf.len() {
        let attr = leaf.attr(&leaf.entry(index)).map_err(corrupt)?;
        if attr.flags.contains(AttrFlags::INCOMPLETE) {
            return Ok(());
        }
        attrs.push(attr);
    }
    store_in_inode(tx, &inode, &attrs)
}

/// Makes these all attributes of an inode, if they fit it; blocks go, and without attributes the fork does.
fn store_in_inode(tx: &mut Transaction<'_>, inode: &Inode, attrs: &[Attr<'_>]) -> Result<()> {
    let Some(shortform) = Shortform::of(inode, attrs) else { return Ok(()) };
    if !has_no_blocks(inode) {
        fork::free_blocks(tx, inode.ino)?;
    }
    if attrs.is_empty() && !fork::stays(tx, inode) {
        return fork::discard(tx, inode.ino);
    }
    shortform.store(tx, inode.ino)
}
