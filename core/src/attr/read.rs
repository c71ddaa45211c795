//! Reading extended attributes.

use alloc::vec::Vec;
use core::ops::ControlFlow;

use super::edit::PARENT_VALUE_BYTES;
use super::{Namespace, ParentPointer, XattrName, remote};
use crate::dir::da::{Chain, LeafAt, Space, damaged};
use crate::error::{Problem, Result};
use crate::format::BlockKind;
use crate::format::attr::{Attr, AttrFlags, AttrLeaf, Value, decode_shortform};
use crate::format::da::name_hash;
use crate::format::dir::is_valid_name;
use crate::format::header::{be_u32, be_u64};
use crate::format::inode::fork_format;
use crate::inode::{Fork, Inode};
use crate::journal::Transaction;
use crate::units::Ino;

/// Names of all attributes that users may see; parent pointers are not among them.
///
/// # Errors
/// [`Error::Corrupt`](crate::Error::Corrupt); those of the device.
pub fn list(tx: &mut Transaction<'_>, inode: &Inode) -> Result<Vec<XattrName>> {
    let mut names = Vec::new();
    for_each(tx, inode, |attr| {
        if let Some(namespace) = Namespace::from_flags(attr.flags) {
            names.push(XattrName { namespace, name: attr.name.to_vec() });
        }
        Ok(())
    })?;
    Ok(names)
}

/// The directories and names that lead to an inode, from its parent pointers.
///
/// # Errors
/// [`Error::Corrupt`](crate::Error::Corrupt); those of the device.
pub fn parents(tx: &mut Transaction<'_>, inode: &Inode) -> Result<Vec<ParentPointer>> {
    let mut parents = Vec::new();
    for_each(tx, inode, |attr| {
        if attr.flags.contains(AttrFlags::PARENT) {
            parents.push(parent_pointer(&attr)?);
        }
        Ok(())
    })?;
    Ok(parents)
}

fn parent_pointer(attr: &Attr<'_>) -> Result<ParentPointer, Problem> {
    match attr.value {
        Value::Local(value) if value.len() == PARENT_VALUE_BYTES && is_valid_name(attr.name) => {
            let (parent, generation) = (Ino(be_u64(value, 0)), be_u32(value, 8));
            Ok(ParentPointer { parent, generation, name: attr.name.to_vec() })
        }
        _ => Err(Problem::Rule("parent pointer")),
    }
}

/// Value of an attribute; `None` when there is no such one.
///
/// # Errors
/// [`Error::Corrupt`](crate::Error::Corrupt); those of the device.
pub fn get(
    tx: &mut Transaction<'_>,
    inode: &Inode,
    namespace: Namespace,
    name: &[u8],
) -> Result<Option<Vec<u8>>> {
    let is_wanted = |attr: &Attr<'_>| attr.flags.namespace() == namespace.flags() && attr.name == name;
    let mut found = None;
    let take = |attr: Attr<'_>| {
        if !is_wanted(&attr) {
            return ControlFlow::Continue(());
        }
        found = Some(match attr.value {
            Value::Local(value) => OwnedValue::Local(value.to_vec()),
            Value::Remote { valueblk, valuelen } => OwnedValue::Remote { valueblk, valuelen },
        });
        ControlFlow::Break(())
    };
    search(tx, inode, name_hash(name), take)?;
    match found {
        None => Ok(None),
        Some(OwnedValue::Local(value)) => Ok(Some(value)),
        Some(OwnedValue::Remote { valueblk, valuelen }) => {
            remote::read(tx, inode.ino, valueblk, valuelen as usize).map(Some)
        }
    }
}

/// Whether there is such an attribute.
///
/// # Errors
/// [`Error::Corrupt`](crate::Error::Corrupt); those of the device.
pub fn exists(tx: &mut Transaction<'_>, inode: &Inode, namespace: Namespace, name: &[u8]) -> Result<bool> {
    let mut is_found = false;
    search(tx, inode, name_hash(name), |attr| {
        is_found |= attr.flags.namespace() == namespace.flags() && attr.name == name;
        if is_found { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    Ok(is_found)
}

enum OwnedValue {
    Local(Vec<u8>),
    Remote { valueblk: u32, valuelen: u32 },
}

fn is_empty(inode: &Inode) -> bool {
    !inode.has_attr_fork() || inode.core.aformat == fork_format::EXTENTS && inode.nextents(Fork::Attr) == 0
}

fn shortform(inode: &Inode) -> Result<Vec<Attr<'_>>> {
    decode_shortform(inode.attr_fork()).map_err(|problem| inode.corrupt(problem))
}

/// Hands every complete attribute to `visit`.
fn for_each(
    tx: &mut Transaction<'_>,
    inode: &Inode,
    mut visit: impl FnMut(Attr<'_>) -> Result<(), Problem>,
) -> Result<()> {
    if is_empty(inode) {
        return Ok(());
    }
    if inode.core.aformat == fork_format::LOCAL {
        for attr in shortform(inode)? {
            visit(attr).map_err(|problem| inode.corrupt(problem))?;
        }
        return Ok(());
    }
    in_leaves(tx, inode, 0, |leaf| {
        for index in 0..leaf.len() {
            let entry = leaf.entry(index);
            let attr = leaf.attr(&entry)?;
            if !entry.flags.contains(AttrFlags::INCOMPLETE) {
                visit(attr)?;
            }
        }
        Ok(ControlFlow::Continue(()))
    })
}

/// Hands the complete attributes of one hash to `visit`, and in shortform all of them, until that says to stop.
fn search(
    tx: &mut Transaction<'_>,
    inode: &Inode,
    hash: u32,
    mut visit: impl FnMut(Attr<'_>) -> ControlFlow<()>,
) -> Result<()> {
    if is_empty(inode) {
        return Ok(());
    }
    if inode.core.aformat == fork_format::LOCAL {
        let _ = shortform(inode)?.into_iter().try_for_each(visit);
        return Ok(());
    }
    in_leaves(tx, inode, hash, |leaf| {
        for index in leaf.lower_bound(hash)..leaf.len() {
            let entry = leaf.entry(index);
            if entry.hash != hash {
                return Ok(ControlFlow::Break(()));
            }
            let attr = leaf.attr(&entry)?;
            if !entry.flags.contains(AttrFlags::INCOMPLETE) && visit(attr).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    })
}

/// Hands the leaves from the one for `hash` on to `visit`, in order of hash, until that says to stop.
fn in_leaves(
    tx: &mut Transaction<'_>,
    inode: &Inode,
    hash: u32,
    mut visit: impl FnMut(AttrLeaf<'_>) -> Result<ControlFlow<()>, Problem>,
) -> Result<()> {
    let space = Space::attr();
    let mut chain = Chain::default();
    let mut next = Some(space.leaf_for(tx, inode, hash)?);
    while let Some(LeafAt { block: at, locator }) = next {
        let block = tx.block(&locator)?;
        let fail = |problem| damaged(block.kind, inode, at, problem);
        if block.kind != BlockKind::AttrLeaf {
            return Err(fail(Problem::Rule("node in the chain of leaves")));
        }
        let leaf = AttrLeaf::new(&block.bytes).map_err(fail)?;
        let forw = leaf.header.info.forw.get();
        if visit(leaf).map_err(fail)?.is_break() {
            return Ok(());
        }
        next = space.next_leaf(tx, inode, &mut chain, forw)?;
    }
    Ok(())
}
