//! Changing names: create, mkdir, unlink, rmdir.

use super::Volume;
use crate::data::truncate::release;
use crate::data::write::check_reserved;
use crate::dir::edit::{self, NewName};
use crate::dir::{self};
use crate::error::{Error, Mistake, Result};
use crate::format::dir::{MAX_NAME_BYTES, is_valid_name};
use crate::format::features::Version;
use crate::format::inode::{FileType, Flags};
use crate::inode::core::{core, core_mut};
use crate::inode::init::{self, NewInode};
use crate::inode::{self, Inode, inactivate, unlinked};
use crate::journal::Transaction;
use crate::units::{AgIno, AgNumber, Ino};

/// Most links that an inode can have.
const MAX_LINKS: u32 = i32::MAX as u32;

impl Volume {
    /// Makes an empty regular file.
    ///
    /// # Errors
    /// [`Mistake::Exists`] and the like; [`Error::NoSpace`]; [`Error::Unsupported`] where the directory or the volume
    /// cannot take names yet. Nothing has changed then.
    pub fn create(&mut self, dir: Ino, name: &[u8], new: &NewInode) -> Result<Ino> {
        self.make(dir, name, FileType::Regular, new)
    }

    /// Makes an empty directory.
    ///
    /// # Errors
    /// Those of [`Volume::create`].
    pub fn mkdir(&mut self, dir: Ino, name: &[u8], new: &NewInode) -> Result<Ino> {
        self.make(dir, name, FileType::Directory, new)
    }

    fn make(&mut self, dir: Ino, name: &[u8], file_type: FileType, new: &NewInode) -> Result<Ino> {
        self.check_writable()?;
        self.check_names_can_change()?;
        let (now, seed) = (self.now, self.next_seed());
        let (first_ag, near) = self.place_for(dir, file_type);
        let ino = self.with_space(|volume| {
            let mut tx = Transaction::new(&mut volume.store);
            let parent = writable_dir(&mut tx, dir)?;
            check_name(name)?;
            if dir::lookup(&mut tx, &parent, name)?.is_some() {
                return Err(Mistake::Exists.into());
            }
            if file_type == FileType::Directory && parent.core.nlink.get() >= MAX_LINKS {
                return Err(Mistake::TooManyLinks.into());
            }
            if file_type == FileType::Regular && parent.core.flags().contains(Flags::RTINHERIT) {
                return Err(Error::unsupported("new file on the realtime device"));
            }
            let ino = inode::alloc::allocate(&mut tx, first_ag, near, seed)?;
            init::initialise(&mut tx, ino, file_type, new, &parent.core, now)?;
            if file_type == FileType::Directory {
                edit::initialise(&mut tx, ino, dir)?;
            }
            edit::add(&mut tx, &parent, &NewName { name, ino, file_type })?;
            touch_dir(&mut tx, dir, i32::from(file_type == FileType::Directory), now)?;
            check_reserved(&mut tx, &volume.files)?;
            tx.commit()?;
            Ok(ino)
        })?;
        // Not before: a call that is repeated must look for the same place.
        self.seed = seed;
        self.dir_rotor = self.dir_rotor.wrapping_add(u32::from(file_type == FileType::Directory));
        Ok(ino)
    }

    /// Where a new inode should lie: files near their directory, directories spread over the AGs.
    fn place_for(&self, dir: Ino, file_type: FileType) -> (AgNumber, AgIno) {
        let (ag, near) = self.geometry().split_ino(dir);
        if file_type != FileType::Directory {
            return (ag, near);
        }
        (AgNumber(self.dir_rotor % self.geometry().agcount), AgIno(0))
    }

    /// Removes a name of anything but a directory. What it named goes with its last name.
    ///
    /// # Errors
    /// [`Mistake::IsADirectory`] and the like; [`Error::Unsupported`] where the directory or the volume cannot change
    /// names yet. Nothing has changed then.
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
        self.check_names_can_change()?;
        let now = self.now;
        self.with_space(|volume| {
            let mut tx = volume.transaction();
            let parent = writable_dir(&mut tx, dir)?;
            if parent.core.flags().contains(Flags::APPEND) {
                return Err(Mistake::NotPermitted("directory is append-only").into());
            }
            check_name(name)?;
            let Some((ino, _)) = dir::lookup(&mut tx, &parent, name)? else {
                return Err(Mistake::NotFound.into());
            };
            let target = inode::read(&mut tx, ino)?;
            check_removable(&mut tx, &target, directory)?;
            edit::remove(&mut tx, &parent, name)?;
            touch_dir(&mut tx, dir, -i32::from(directory), now)?;
            let core = core_mut(&mut tx, ino)?;
            let nlink = if directory { 0 } else { core.nlink.get().saturating_sub(1) };
            core.nlink.set(nlink);
            core.ctime = core.encode_time(now);
            let is_gone = nlink > 0 || start_freeing(&mut tx, ino)?;
            tx.commit()?;
            if nlink == 0 {
                volume.forget_file(ino);
            }
            if !is_gone {
                volume.orphans.push(ino);
            }
            Ok(())
        })?;
        // The name is gone, whatever becomes of the rest: what can't be freed now is left for later.
        let _ = self.free_orphans();
        Ok(())
    }

    /// Frees what has lost its last name and was too large to go with it.
    pub(super) fn free_orphans(&mut self) -> Result<()> {
        while let Some(&ino) = self.orphans.last() {
            inactivate::finish(&mut self.store, ino)?;
            self.orphans.pop();
        }
        Ok(())
    }

    /// Drops what is in memory of a file that is gone.
    fn forget_file(&mut self, ino: Ino) {
        let geometry = self.store.geometry().clone();
        let staging = self.files.forget(&geometry, ino);
        release(&mut self.store, staging.values());
    }

    fn check_names_can_change(&self) -> Result<()> {
        if self.geometry().has_parent_pointers() {
            return Err(Error::unsupported("changing names on a volume with parent pointers"));
        }
        if self.geometry().version.contains(Version::BORG) {
            return Err(Error::unsupported(
                "changing names on a volume that ignores the case of ASCII letters",
            ));
        }
        Ok(())
    }
}

fn check_name(name: &[u8]) -> Result<()> {
    if name.len() > MAX_NAME_BYTES {
        return Err(Mistake::NameTooLong.into());
    }
    if !is_valid_name(name) || name == b"." || name == b".." {
        return Err(Mistake::Argument("name").into());
    }
    Ok(())
}

fn writable_dir(tx: &mut Transaction<'_>, dir: Ino) -> Result<Inode> {
    let dir = inode::read(tx, dir)?;
    if !dir.is_dir() {
        return Err(Mistake::NotADirectory.into());
    }
    if dir.core.flags().contains(Flags::IMMUTABLE) {
        return Err(Mistake::NotPermitted("directory is immutable").into());
    }
    Ok(dir)
}

/// Frees an inode without a name, or as much of it as the transaction takes: then it goes on the unlinked list, and
/// this returns false.
fn start_freeing(tx: &mut Transaction<'_>, ino: Ino) -> Result<bool> {
    if inactivate::step(tx, ino)? {
        inode::alloc::free(tx, ino)?;
        return Ok(true);
    }
    unlinked::insert(tx, ino)?;
    Ok(false)
}

fn check_removable(tx: &mut Transaction<'_>, target: &Inode, directory: bool) -> Result<()> {
    if target.core.flags().intersects(Flags::IMMUTABLE | Flags::APPEND) {
        return Err(Mistake::NotPermitted("file is immutable or append-only").into());
    }
    if target.is_realtime() {
        return Err(Error::unsupported("removing a file on the realtime device"));
    }
    match (target.is_dir(), directory) {
        (true, false) => Err(Mistake::IsADirectory.into()),
        (false, true) => Err(Mistake::NotADirectory.into()),
        (false, false) => Ok(()),
        (true, true) if dir::list(tx, target, 0, 1)?.is_empty() => Ok(()),
        (true, true) => Err(Mistake::NotEmpty.into()),
    }
}

/// Times and link count of a directory whose names changed.
fn touch_dir(
    tx: &mut Transaction<'_>,
    dir: Ino,
    links: i32,
    now: crate::format::time::Timestamp,
) -> Result<()> {
    let nlink = core(tx, dir)?.nlink.get();
    let core = core_mut(tx, dir)?;
    core.nlink.set(nlink.saturating_add_signed(links));
    let time = core.encode_time(now);
    core.mtime = time;
    core.ctime = time;
    core.changecount.set(core.changecount.get().wrapping_add(1));
    Ok(())
}
