//! Inodes without a name: what is still open, and what was too large to go with its name.
//!
//! Both stand on the unlinked list of their AG, so that a crash leaves them to recovery. What nobody holds any more is
//! freed here, in as many transactions as the log asks for.

use super::Volume;
use super::names::{check_may_gain_name, forget, named_dir, touch};
use crate::data::truncate::release;
use crate::data::write::check_reserved;
use crate::dir::edit::NewName;
use crate::dir::replace::replace;
use crate::error::{Mistake, Result};
use crate::format::features::Version;
use crate::format::inode::FileType;
use crate::format::time::Timestamp;
use crate::inode::core::core_mut;
use crate::inode::init::NewInode;
use crate::inode::{self, Inode, inactivate, unlinked};
use crate::journal::Transaction;
use crate::units::Ino;
use crate::units::map::Ordered;

/// How many hold an inode.
pub(super) type Held = Ordered<Ino, u32>;

/// What became of an inode that lost a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It has others, or somebody holds it.
    Stays,
    /// It was freed.
    Freed,
    /// It waits on its unlinked list to be freed.
    Orphan,
}

impl Volume {
    /// Keeps an inode when its last name goes, until it is [released](Volume::release) as often as it was held. It can
    /// be read and written meanwhile. A crash frees it.
    ///
    /// # Errors
    /// [`Mistake::NotFound`] for one that is being freed already; corruption when there is no such inode; those of the
    /// device.
    pub fn hold(&mut self, ino: Ino) -> Result<()> {
        if self.orphans.contains(&ino) || self.abandoned.contains(&ino) {
            return Err(Mistake::NotFound.into());
        }
        inode::read(&mut self.transaction(), ino)?;
        *self.held.get_or_insert_with(ino, || 0) += 1;
        Ok(())
    }

    /// Gives up one hold on an inode; when nobody holds it any more and no name leads to it, it is freed. Releasing what
    /// is not held does nothing.
    ///
    /// # Errors
    /// Those of the device; corruption. The hold is as it was then.
    pub fn release(&mut self, ino: Ino) -> Result<()> {
        let Some(&count) = self.held.get(ino) else { return Ok(()) };
        if count > 1 {
            self.held.insert(ino, count - 1);
            return Ok(());
        }
        let has_name = inode::read(&mut self.transaction(), ino)?.core.nlink.get() > 0;
        self.held.remove(ino);
        self.nameless.remove(ino);
        if !has_name && self.read_only.is_none() {
            self.settle(ino, Fate::Orphan);
            // It is let go, whatever becomes of the rest: what can't be freed now is left for later.
            let _ = self.free_orphans();
        }
        Ok(())
    }

    /// Gives up every hold.
    ///
    /// # Errors
    /// Those of [`Volume::release`]; the rest is held still.
    pub fn release_all(&mut self) -> Result<()> {
        while let Some((ino, _)) = self.held.at_or_after(Ino(0)) {
            self.held.insert(ino, 1);
            self.release(ino)?;
        }
        Ok(())
    }

    /// Makes a regular file without a name, in the AG of a directory and with what it passes on. It is held once; a
    /// [`link`](Volume::link) gives it a name, and without one it goes when it is released.
    ///
    /// # Errors
    /// Those of [`Volume::create`]. Nothing has changed then.
    pub fn tmpfile(&mut self, dir: Ino, new: &NewInode) -> Result<Ino> {
        self.check_writable()?;
        let making = self.making(dir, FileType::Regular, new);
        let ino = self.with_space(|volume| {
            let mut tx = Transaction::new(&mut volume.store);
            let parent = named_dir(&mut tx, dir)?;
            check_may_gain_name(&parent)?;
            let ino = making.inode(&mut tx, &parent)?;
            core_mut(&mut tx, ino)?.nlink.set(0);
            unlinked::insert(&mut tx, ino)?;
            making.inherit_acls(&mut tx, &parent, ino)?;
            check_reserved(&mut tx, &volume.files)?;
            tx.commit()?;
            Ok(ino)
        })?;
        self.seed = making.seed();
        self.note_attributes();
        self.held.insert(ino, 1);
        self.nameless.insert(ino, ());
        Ok(ino)
    }

    /// New inodes have attribute forks from the start, which the superblock has to say.
    pub(super) fn note_attributes(&mut self) {
        self.store.note_version(Version::ATTR);
    }

    /// Follows up, once it is committed, what became of an inode that lost a name.
    pub(super) fn settle(&mut self, ino: Ino, fate: Fate) {
        if fate == Fate::Stays {
            return;
        }
        let geometry = self.store.geometry().clone();
        // Its number may be that of another file soon.
        self.shifting = None;
        let staging = self.files.forget(&geometry, ino);
        release(&mut self.store, staging.into_iter().map(|(_, staging)| staging));
        if fate == Fate::Orphan {
            self.orphans.push(ino);
        }
    }

    /// Frees what has lost its last name and was too large to go with it. One that can't be freed keeps no other.
    pub(super) fn free_orphans(&mut self) -> Result<()> {
        let mut outcome = Ok(());
        for ino in core::mem::take(&mut self.orphans) {
            let freed = inactivate::finish(&mut self.store, ino);
            if freed.is_err() {
                self.orphans.push(ino);
            }
            outcome = outcome.and(freed);
        }
        outcome
    }

    /// Whether there is an inode without a name: one that is held, or could not be freed.
    pub(super) fn has_unlinked(&mut self) -> Result<bool> {
        if !self.orphans.is_empty() || !self.abandoned.is_empty() {
            return Ok(true);
        }
        let mut tx = Transaction::new(&mut self.store);
        for &(ino, _) in self.held.items() {
            if inode::read(&mut tx, ino)?.core.nlink.get() == 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Takes from `target` one of its names, whose entry `at` (a directory, and the name in it) is gone already; a directory
/// has no other. With the last name the inode is freed, or goes on its unlinked list.
pub(super) fn lose_name(
    tx: &mut Transaction<'_>,
    target: &Inode,
    at: (&Inode, &[u8]),
    held: &Held,
    now: Timestamp,
) -> Result<Fate> {
    let ino = target.ino;
    let links = if target.is_dir() { target.core.nlink.get() } else { 1 };
    touch(tx, ino, -i32::try_from(links).unwrap_or(i32::MAX), now)?;
    let is_last = target.core.nlink.get() <= links;
    if is_last && !held.contains(ino) {
        return start_freeing(tx, ino);
    }
    forget(tx, ino, at.0, at.1)?;
    if is_last {
        leave_parent(tx, ino, target.is_dir())?;
        unlinked::insert(tx, ino)?;
    }
    Ok(Fate::Stays)
}

/// Frees an inode without a name, or as much of it as the transaction takes: then it goes on the unlinked list.
fn start_freeing(tx: &mut Transaction<'_>, ino: Ino) -> Result<Fate> {
    if inactivate::step(tx, ino)? {
        inode::alloc::free(tx, ino)?;
        return Ok(Fate::Freed);
    }
    unlinked::insert(tx, ino)?;
    Ok(Fate::Orphan)
}

/// A removed directory that is held must not lead to one that may be removed next, and its number used again.
fn leave_parent(tx: &mut Transaction<'_>, ino: Ino, is_dir: bool) -> Result<()> {
    if !is_dir {
        return Ok(());
    }
    let dir = inode::read(tx, ino)?;
    let root = tx.geometry().rootino;
    replace(tx, &dir, &NewName { name: b"..", ino: root, file_type: FileType::Directory })
}
