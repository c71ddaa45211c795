//! Setting and removing extended attributes.

use super::Volume;
use super::types::Namespace;
use crate::attr::{self, Key};
use crate::data::write::check_reserved;
use crate::error::{Mistake, Result};
use crate::format::features::Version;
use crate::format::inode::{FileType, Flags};
use crate::inode::core::touch;
use crate::inode::{self, Inode};
use crate::journal::Transaction;
use crate::units::Ino;

/// What setting an extended attribute may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SetMode {
    /// Make a new one; one that is there already is a mistake.
    Create,
    /// Change one that is there; that there is none is a mistake.
    Replace,
    /// Whichever of the two it takes.
    #[default]
    Either,
}

impl Volume {
    /// Gives an inode an extended attribute. The name goes without the prefix that stands for the namespace.
    ///
    /// # Errors
    /// The mistakes of setxattr(2): [`Mistake::Exists`], [`Mistake::NoAttribute`], [`Mistake::NameTooLong`],
    /// [`Mistake::ValueTooLarge`], [`Mistake::NotPermitted`]; [`Error::NoSpace`](crate::Error::NoSpace); those of the
    /// device; corruption. Nothing has changed then.
    pub fn set_xattr(
        &mut self,
        ino: Ino,
        namespace: Namespace,
        name: &[u8],
        value: &[u8],
        mode: SetMode,
    ) -> Result<()> {
        self.check_writable()?;
        let flags = namespace.flags();
        Key::new(flags, name, value)?;
        let now = self.now;
        self.with_space(|volume| {
            let mut tx = Transaction::new(&mut volume.store);
            let inode = changeable(&mut tx, ino, namespace)?;
            if mode != SetMode::Either {
                match (attr::exists(&mut tx, &inode, namespace, name)?, mode) {
                    (true, SetMode::Create) => return Err(Mistake::Exists.into()),
                    (false, SetMode::Replace) => return Err(Mistake::NoAttribute.into()),
                    _ => {}
                }
            }
            attr::set(&mut tx, ino, flags, name, value)?;
            touch(&mut tx, ino, now)?;
            check_reserved(&mut tx, &volume.files)?;
            tx.commit()
        })?;
        self.store.note_version(Version::ATTR);
        Ok(())
    }

    /// Removes an extended attribute.
    ///
    /// # Errors
    /// The mistakes of removexattr(2): [`Mistake::NoAttribute`] and those of [`Volume::set_xattr`]; those of the
    /// device; corruption. Nothing has changed then.
    pub fn remove_xattr(&mut self, ino: Ino, namespace: Namespace, name: &[u8]) -> Result<()> {
        self.check_writable()?;
        let key = Key::new(namespace.flags(), name, &[])?;
        let now = self.now;
        self.with_space(|volume| {
            let mut tx = Transaction::new(&mut volume.store);
            changeable(&mut tx, ino, namespace)?;
            if !attr::remove(&mut tx, ino, &key)? {
                return Err(Mistake::NoAttribute.into());
            }
            touch(&mut tx, ino, now)?;
            tx.commit()
        })
    }
}

/// The inode, whose attributes of that namespace must be allowed to change.
fn changeable(tx: &mut Transaction<'_>, ino: Ino, namespace: Namespace) -> Result<Inode> {
    let inode = inode::read(tx, ino)?;
    if inode.core.flags().intersects(Flags::IMMUTABLE | Flags::APPEND) {
        return Err(Mistake::NotPermitted("file is immutable or append-only").into());
    }
    let is_users = matches!(inode.file_type, FileType::Regular | FileType::Directory);
    if namespace == Namespace::User && !is_users {
        return Err(Mistake::NotPermitted("only files and directories have user attributes").into());
    }
    Ok(inode)
}
