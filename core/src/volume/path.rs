//! From paths to inodes.

use alloc::vec::Vec;

use super::types::Follow;
use crate::dir;
use crate::error::{Mistake, Result};
use crate::format::dir::MAX_NAME_BYTES;
use crate::format::inode::FileType;
use crate::inode::{self, Inode};
use crate::journal::Transaction;
use crate::symlink;
use crate::units::Ino;

/// Symbolic links that are followed for one path at most, as in Linux.
const MAX_LINKS: u32 = 40;

/// Looks `path` up from `root` on. A `/` at its end asks for a directory.
///
/// # Errors
/// [`Mistake`]; those of the device; corruption.
pub(super) fn resolve(tx: &mut Transaction<'_>, root: Ino, path: &[u8], follow: Follow) -> Result<Ino> {
    let mut at = inode::read(tx, root)?;
    // Components still to be walked, the next one last.
    let mut todo: Vec<Vec<u8>> = Vec::new();
    let mut must_be_dir = push(&mut todo, path);
    let mut links = 0;
    while let Some(name) = todo.pop() {
        let ino = lookup(tx, &at, &name)?;
        let next = inode::read(tx, ino)?;
        let is_last = todo.is_empty();
        let through =
            next.file_type == FileType::Symlink && (!is_last || must_be_dir || follow == Follow::Yes);
        if !through {
            at = next;
            continue;
        }
        links += 1;
        if links > MAX_LINKS {
            return Err(Mistake::Loop.into());
        }
        let target = symlink::target(tx, &next)?;
        if target.first() == Some(&b'/') {
            at = inode::read(tx, root)?;
        }
        let is_dir_target = push(&mut todo, &target);
        must_be_dir |= is_last && is_dir_target;
    }
    if must_be_dir && !at.is_dir() {
        return Err(Mistake::NotADirectory.into());
    }
    Ok(at.ino)
}

/// The directory of the last component of `path`, and that component.
///
/// # Errors
/// [`Mistake`]; those of the device; corruption.
pub(super) fn resolve_parent(tx: &mut Transaction<'_>, root: Ino, path: &[u8]) -> Result<(Ino, Vec<u8>)> {
    let trimmed = path.len() - path.iter().rev().take_while(|&&byte| byte == b'/').count();
    let path = &path[..trimmed];
    if path.is_empty() {
        return Err(Mistake::Exists.into());
    }
    let at = path.iter().rposition(|&byte| byte == b'/').map_or(0, |slash| slash + 1);
    let (parent, name) = path.split_at(at);
    check_name(name)?;
    let parent = resolve(tx, root, parent, Follow::Yes)?;
    if !inode::read(tx, parent)?.is_dir() {
        return Err(Mistake::NotADirectory.into());
    }
    Ok((parent, name.to_vec()))
}

/// The inode that `name` names in `dir`.
///
/// # Errors
/// [`Mistake`]; those of the device; corruption.
pub(super) fn lookup(tx: &mut Transaction<'_>, dir: &Inode, name: &[u8]) -> Result<Ino> {
    if !dir.is_dir() {
        return Err(Mistake::NotADirectory.into());
    }
    check_name(name)?;
    match dir::lookup(tx, dir, name)? {
        Some((ino, _)) => Ok(ino),
        None => Err(Mistake::NotFound.into()),
    }
}

fn check_name(name: &[u8]) -> Result<()> {
    if name.len() > MAX_NAME_BYTES {
        return Err(Mistake::NameTooLong.into());
    }
    if name.is_empty() || name.iter().any(|&byte| byte == 0 || byte == b'/') {
        return Err(Mistake::Argument("name").into());
    }
    Ok(())
}

/// Puts the components of `path` in front of those in `todo`; whether it ends in a slash.
fn push(todo: &mut Vec<Vec<u8>>, path: &[u8]) -> bool {
    let names = path.split(|&byte| byte == b'/').filter(|name| !name.is_empty() && *name != b".");
    let before = todo.len();
    todo.extend(names.map(<[u8]>::to_vec));
    todo[before..].reverse();
    path.last() == Some(&b'/') || path.ends_with(b"/.")
}
