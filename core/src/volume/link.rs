//! Further names of an inode.

use super::Volume;
use super::names::{
    MAX_LINKS, check_may_gain_name, check_name, check_same_project, named_dir, remember, touch, touch_dir,
};
use crate::data::write::check_reserved;
use crate::dir::edit::{self, NewName};
use crate::dir::{self};
use crate::error::{Mistake, Result};
use crate::format::inode::Flags;
use crate::inode::{self, unlinked};
use crate::journal::Transaction;
use crate::units::Ino;

impl Volume {
    /// Gives an inode that is not a directory one more name. One without a name must be a [`tmpfile`](Volume::tmpfile)
    /// that never had one: what has lost its last name gets no other, as in Linux.
    ///
    /// # Errors
    /// [`Mistake::Exists`], [`Mistake::TooManyLinks`], [`Mistake::CrossDevice`] into another project and the like,
    /// [`Mistake::NotFound`] for what has lost its last name, and those of [`Volume::create`]. Nothing has changed then.
    pub fn link(&mut self, ino: Ino, dir: Ino, name: &[u8]) -> Result<()> {
        self.check_writable()?;
        let now = self.now;
        self.with_space(|volume| {
            let mut tx = Transaction::new(&mut volume.store);
            let parent = named_dir(&mut tx, dir)?;
            check_name(name)?;
            let target = inode::read(&mut tx, ino)?;
            if dir::lookup(&mut tx, &parent, name)?.is_some() {
                return Err(Mistake::Exists.into());
            }
            check_may_gain_name(&parent)?;
            if target.is_dir() {
                return Err(Mistake::NotPermitted("a directory has one name").into());
            }
            if target.core.flags().intersects(Flags::IMMUTABLE | Flags::APPEND) {
                return Err(Mistake::NotPermitted("file is immutable or append-only").into());
            }
            check_same_project(&parent, &target)?;
            match target.core.nlink.get() {
                0 if volume.nameless.contains(ino) => unlinked::remove(&mut tx, ino)?,
                0 => return Err(Mistake::NotFound.into()),
                MAX_LINKS.. => return Err(Mistake::TooManyLinks.into()),
                _ => {}
            }
            edit::add(&mut tx, &parent, &NewName { name, ino, file_type: target.file_type })?;
            touch_dir(&mut tx, dir, 0, now)?;
            touch(&mut tx, ino, 1, now)?;
            remember(&mut tx, ino, &parent, name)?;
            check_reserved(&mut tx, &volume.files)?;
            tx.commit()
        })?;
        self.nameless.remove(ino);
        self.note_attributes();
        Ok(())
    }
}
