//! What all changes of names have in common, and taking names away: unlink and rmdir.
//!
//! Each operation is one transaction: the entry, its parent pointer, link counts and times change together. Only what
//! an inode owned when it lost its last name may be too much for one; see [`open_unlinked`](super::open_unlinked).

use alloc::borrow::Cow;

use super::Volume;
use super::open_unlinked::lose_name;
use crate::data::write::check_accepted;
use crate::dir::edit;
use crate::dir::{self};
use crate::error::{Error, Mistake, Place, Problem, Result};
use crate::format::dir::{MAX_NAME_BYTES, is_valid_name};
use crate::format::inode::{FileType, Flags};
use crate::format::time::Timestamp;
use crate::inode::core::{core, core_mut};
use crate::inode::{self, Inode};
use crate::journal::Transaction;
use crate::units::Ino;
use crate::{attr, attr::ParentPointer};

/// Most links that an inode can have.
pub(super) const MAX_LINKS: u32 = i32::MAX as u32;

impl Volume {
    /// Removes a name of anything but a directory. What it named goes with its last name, or when it is let go if
    /// somebody [holds](Volume::hold) it.
    ///
    /// # Errors
    /// [`Mistake::IsADirectory`] and the like; [`Error::Unsupported`] for a file on the realtime device. Nothing has
    /// changed then.
    pub fn unlink(&mut self, dir: Ino, name: &[u8]) -> Result<()> {
        self.remove(dir, name, false)
    }

    /// Removes an empty directory.
    ///
    /// # Errors
    /// [`Mistake::NotEmpty`] and the like, and those of [`Volume::unlink`]. Nothing has changed then.
    pub fn rmdir(&mut self, dir: Ino, name: &[u8]) -> Result<()> {
        self.remove(dir, name, true)
    }

    fn remove(&mut self, dir: Ino, name: &[u8], directory: bool) -> Result<()> {
        self.check_writable()?;
        let now = self.now;
        self.with_space(|volume| {
            let mut tx = Transaction::new(&mut volume.store);
            let parent = named_dir(&mut tx, dir)?;
            check_name(name)?;
            let name = &*spelled(&mut tx, &parent, name)?;
            let target = existing(&mut tx, &parent, name)?;
            check_may_lose_name(&parent, &target)?;
            check_kind(&target, directory)?;
            check_empty(&mut tx, &target)?;
            edit::remove(&mut tx, &parent, name)?;
            touch_dir(&mut tx, dir, -i32::from(directory), now)?;
            let fate = lose_name(&mut tx, &target, (&parent, name), &volume.held, now)?;
            check_accepted(&mut tx, &volume.files)?;
            tx.commit()?;
            volume.settle(target.ino, fate);
            Ok(())
        })?;
        // The name is gone, whatever becomes of the rest: what can't be freed now is left for later.
        let _ = self.free_orphans();
        Ok(())
    }
}

/// Refuses what can't be the name of an entry that changes.
pub(super) fn check_name(name: &[u8]) -> Result<()> {
    if name.len() > MAX_NAME_BYTES {
        return Err(Mistake::NameTooLong.into());
    }
    if !is_valid_name(name) || name == b"." || name == b".." {
        return Err(Mistake::Argument("name").into());
    }
    Ok(())
}

/// A directory to look names up in that are to change. Whether they may is asked when it is known what is there.
pub(super) fn named_dir(tx: &mut Transaction<'_>, dir: Ino) -> Result<Inode> {
    let dir = inode::read(tx, dir)?;
    if !dir.is_dir() {
        return Err(Mistake::NotADirectory.into());
    }
    if dir.core.nlink.get() == 0 {
        return Err(Mistake::NotFound.into());
    }
    Ok(dir)
}

/// Refuses new names in `dir` where flags forbid them.
pub(super) fn check_may_gain_name(dir: &Inode) -> Result<()> {
    if dir.core.flags().contains(Flags::IMMUTABLE) {
        return Err(Mistake::NotPermitted("directory is immutable").into());
    }
    Ok(())
}

/// `name` as `dir` has it: without case, that may be another spelling, and parent pointers go by what is stored.
pub(super) fn spelled<'a>(tx: &mut Transaction<'_>, dir: &Inode, name: &'a [u8]) -> Result<Cow<'a, [u8]>> {
    Ok(dir::spelling(tx, dir, name)?.map_or(Cow::Borrowed(name), Cow::Owned))
}

/// The inode that `name` names in `dir`.
pub(super) fn existing(tx: &mut Transaction<'_>, dir: &Inode, name: &[u8]) -> Result<Inode> {
    match dir::lookup(tx, dir, name)? {
        Some((ino, _)) => inode::read(tx, ino),
        None => Err(Mistake::NotFound.into()),
    }
}

/// Refuses to take a name of `target` out of `dir` where flags forbid it.
pub(super) fn check_may_lose_name(dir: &Inode, target: &Inode) -> Result<()> {
    if dir.core.flags().intersects(Flags::IMMUTABLE | Flags::APPEND) {
        return Err(Mistake::NotPermitted("directory is immutable or append-only").into());
    }
    if target.core.flags().intersects(Flags::IMMUTABLE | Flags::APPEND) {
        return Err(Mistake::NotPermitted("file is immutable or append-only").into());
    }
    Ok(())
}

/// Refuses to remove a directory as a file, or a file as a directory.
pub(super) fn check_kind(target: &Inode, directory: bool) -> Result<()> {
    if target.is_realtime() {
        return Err(Error::unsupported("removing a file on the realtime device"));
    }
    match (target.is_dir(), directory) {
        (true, false) => Err(Mistake::IsADirectory.into()),
        (false, true) => Err(Mistake::NotADirectory.into()),
        (false, false) | (true, true) => Ok(()),
    }
}

/// Refuses to remove a directory that holds something.
pub(super) fn check_empty(tx: &mut Transaction<'_>, target: &Inode) -> Result<()> {
    if target.is_dir() && !dir::list(tx, target, 0, 1)?.is_empty() {
        return Err(Mistake::NotEmpty.into());
    }
    Ok(())
}

/// Refuses to give `inode` a name in a directory that is a project of its own: its quota would not see it. Special
/// files may be without a project.
pub(super) fn check_same_project(dir: &Inode, inode: &Inode) -> Result<()> {
    let is_special = !matches!(inode.file_type, FileType::Regular | FileType::Directory | FileType::Symlink);
    let differs = inode.core.projid() != dir.core.projid() && !(is_special && inode.core.projid() == 0);
    if dir.core.flags().contains(Flags::PROJINHERIT) && differs {
        return Err(Mistake::CrossDevice.into());
    }
    Ok(())
}

/// What an inode remembers of its name `name` in `dir`.
fn pointer(dir: &Inode, name: &[u8]) -> ParentPointer {
    ParentPointer { parent: dir.ino, generation: dir.core.gen_.get(), name: name.to_vec() }
}

/// Has an inode remember a name that it got, on volumes with parent pointers.
pub(super) fn remember(tx: &mut Transaction<'_>, ino: Ino, dir: &Inode, name: &[u8]) -> Result<()> {
    if !tx.geometry().has_parent_pointers() {
        return Ok(());
    }
    attr::add_parent(tx, ino, &pointer(dir, name))
}

/// Has an inode forget a name that it lost, on volumes with parent pointers.
pub(super) fn forget(tx: &mut Transaction<'_>, ino: Ino, dir: &Inode, name: &[u8]) -> Result<()> {
    if !tx.geometry().has_parent_pointers() || attr::remove_parent(tx, ino, &pointer(dir, name))? {
        return Ok(());
    }
    Err(Error::corrupt("inode", Place::ino(ino), Problem::Rule("name without a parent pointer")))
}

/// Times and link count of a directory whose names changed.
pub(super) fn touch_dir(tx: &mut Transaction<'_>, dir: Ino, links: i32, now: Timestamp) -> Result<()> {
    let nlink = core(tx, dir)?.nlink.get();
    let core = core_mut(tx, dir)?;
    core.nlink.set(nlink.saturating_add_signed(links));
    core.note_contents_changed(now);
    Ok(())
}

/// Change time, and link count, of an inode whose names changed.
pub(super) fn touch(tx: &mut Transaction<'_>, ino: Ino, links: i32, now: Timestamp) -> Result<()> {
    let core = core_mut(tx, ino)?;
    core.nlink.set(core.nlink.get().saturating_add_signed(links));
    core.note_change(now);
    Ok(())
}
