//! Access control lists of inodes.

use super::Volume;
use crate::acl::{self, Acl, AclKind};
use crate::data::write::check_reserved;
use crate::error::{Error, Mistake, Result};
use crate::format::features::Version;
use crate::format::inode::{FileType, Flags};
use crate::inode::core::{core_mut, touch};
use crate::inode::{self, Inode};
use crate::journal::Transaction;
use crate::units::Ino;

const S_ISGID: u16 = 0o2000;

impl Volume {
    /// An access control list of an inode; `None` when there is none and the mode says it all.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a symbolic link; those of the device; corruption.
    pub fn acl(&mut self, ino: Ino, kind: AclKind) -> Result<Option<Acl>> {
        let mut tx = self.transaction();
        let inode = with_lists(&mut tx, ino)?;
        acl::get(&mut tx, &inode, kind)
    }

    /// Sets an access control list of an inode, or removes it. Setting that of access changes the mode; where it says no
    /// more than the mode, only that is set. Removing it leaves the mode.
    ///
    /// # Errors
    /// [`Mistake::NoAccess`] for a default list of anything but a directory; [`Mistake::NotPermitted`];
    /// [`Error::Unsupported`] for a symbolic link; [`Error::NoSpace`]; those of the device; corruption. Nothing has
    /// changed then.
    pub fn set_acl(&mut self, ino: Ino, kind: AclKind, list: Option<&Acl>) -> Result<()> {
        self.set_list(ino, kind, list, false)
    }

    /// [`Volume::set_acl`] for somebody who is neither of the owning group nor the superuser: setting a list of access
    /// then takes the setgid bit away, as it does in Linux.
    ///
    /// # Errors
    /// Those of [`Volume::set_acl`].
    pub fn set_acl_from_outside(&mut self, ino: Ino, kind: AclKind, list: Option<&Acl>) -> Result<()> {
        self.set_list(ino, kind, list, kind == AclKind::Access && list.is_some())
    }

    fn set_list(&mut self, ino: Ino, kind: AclKind, list: Option<&Acl>, clears_setgid: bool) -> Result<()> {
        self.check_writable()?;
        let now = self.now;
        self.with_space(|volume| {
            let mut tx = Transaction::new(&mut volume.store);
            let inode = with_lists(&mut tx, ino)?;
            if inode.core.flags().intersects(Flags::IMMUTABLE | Flags::APPEND) {
                return Err(Mistake::NotPermitted("file is immutable or append-only").into());
            }
            acl::set(&mut tx, &inode, kind, list)?;
            if clears_setgid {
                let core = core_mut(&mut tx, ino)?;
                core.mode.set(core.mode.get() & !S_ISGID);
            }
            touch(&mut tx, ino, now)?;
            check_reserved(&mut tx, &volume.files)?;
            tx.commit()
        })?;
        self.store.note_version(Version::ATTR);
        Ok(())
    }

    /// Sets the permission bits that new inodes go without. A default access control list of the directory takes the
    /// place of this. 0 to begin with.
    pub fn set_umask(&mut self, umask: u16) {
        self.umask = umask & 0o777;
    }
}

/// The inode, which must be of a type that has lists.
fn with_lists(tx: &mut Transaction<'_>, ino: Ino) -> Result<Inode> {
    let inode = inode::read(tx, ino)?;
    match inode.file_type {
        FileType::Symlink => Err(Error::unsupported("access control list of a symbolic link")),
        _ => Ok(inode),
    }
}
