//! Making something new under a name: files, directories, symlinks, nodes.

use super::Volume;
use super::names::{MAX_LINKS, check_may_gain_name, check_name, named_dir, remember, touch_dir};
use crate::acl;
use crate::data::write::check_reserved;
use crate::dir::edit::{self, NewName};
use crate::dir::{self};
use crate::error::{Error, Mistake, Result};
use crate::format::inode::{FileType, Flags};
use crate::format::symlink::MAX_TARGET_BYTES;
use crate::format::time::Timestamp;
use crate::inode::init::{self, NewInode};
use crate::inode::{self, Inode};
use crate::journal::Transaction;
use crate::symlink;
use crate::units::{AgIno, AgNumber, Ino};

/// Largest major and minor number of a device: an inode could hold a larger major number, but Linux takes no more.
const MAX_DEVICE: (u32, u32) = ((1 << 9) - 1, (1 << 18) - 1);

/// What an inode of each kind starts with besides its attributes.
#[derive(Debug, Clone, Copy)]
enum Contents<'a> {
    Nothing,
    Target(&'a [u8]),
    Device(u32, u32),
}

/// What it takes to make an inode.
#[derive(Debug, Clone, Copy)]
pub(super) struct Making<'a> {
    file_type: FileType,
    new: &'a NewInode,
    now: Timestamp,
    /// Seeds the generation numbers of a chunk that is made for it.
    seed: u32,
    /// Where it should lie.
    first_ag: AgNumber,
    near: AgIno,
    /// Permission bits that it goes without, where no default access control list says otherwise.
    umask: u16,
}

impl Making<'_> {
    /// The seed, for the volume to go on from when the inode is made.
    pub(super) fn seed(&self) -> u32 {
        self.seed
    }

    /// Makes the inode, with what it takes over from the directory `parent`.
    pub(super) fn inode(&self, tx: &mut Transaction<'_>, parent: &Inode) -> Result<Ino> {
        if self.file_type == FileType::Regular && parent.core.flags().contains(Flags::RTINHERIT) {
            return Err(Error::unsupported("new file on the realtime device"));
        }
        let ino = inode::alloc::allocate(tx, self.first_ag, self.near, self.seed)?;
        init::initialise(tx, ino, self.file_type, self.new, &parent.core, self.now)?;
        Ok(ino)
    }

    /// Gives the inode, when it has its name, the access control lists that `parent` passes on.
    pub(super) fn inherit_acls(&self, tx: &mut Transaction<'_>, parent: &Inode, ino: Ino) -> Result<()> {
        acl::inherit(tx, parent, ino, self.umask)
    }
}

impl Volume {
    /// Makes an empty regular file.
    ///
    /// # Errors
    /// [`Mistake::Exists`] and the like; [`Error::NoSpace`]; [`Error::Unsupported`] for a file on the realtime device.
    /// Nothing has changed then.
    pub fn create(&mut self, dir: Ino, name: &[u8], new: &NewInode) -> Result<Ino> {
        self.make(dir, name, FileType::Regular, Contents::Nothing, new)
    }

    /// Makes an empty directory.
    ///
    /// # Errors
    /// Those of [`Volume::create`]; [`Mistake::TooManyLinks`].
    pub fn mkdir(&mut self, dir: Ino, name: &[u8], new: &NewInode) -> Result<Ino> {
        self.make(dir, name, FileType::Directory, Contents::Nothing, new)
    }

    /// Makes a symbolic link with that target, of 1 to 1023 bytes. Its mode is usually 0777.
    ///
    /// # Errors
    /// Those of [`Volume::create`]; [`Mistake::NotFound`] for an empty target, [`Mistake::NameTooLong`] for one that is
    /// too long.
    pub fn symlink(&mut self, dir: Ino, name: &[u8], target: &[u8], new: &NewInode) -> Result<Ino> {
        if target.is_empty() {
            return Err(Mistake::NotFound.into());
        }
        if target.contains(&0) {
            return Err(Mistake::Argument("target of a symbolic link").into());
        }
        self.make(dir, name, FileType::Symlink, Contents::Target(target), new)
    }

    /// Makes a device node, a fifo or a socket; `rdev` is major and minor number of a device, of no meaning for others.
    ///
    /// # Errors
    /// Those of [`Volume::create`]; [`Mistake::Argument`] for another type, and for numbers past 9 and 18 bits.
    pub fn mknod(
        &mut self,
        dir: Ino,
        name: &[u8],
        file_type: FileType,
        rdev: (u32, u32),
        new: &NewInode,
    ) -> Result<Ino> {
        let (major, minor) = match file_type {
            FileType::CharDevice | FileType::BlockDevice => rdev,
            FileType::Fifo | FileType::Socket => (0, 0),
            _ => return Err(Mistake::Argument("type of a node").into()),
        };
        if major > MAX_DEVICE.0 || minor > MAX_DEVICE.1 {
            return Err(Mistake::Argument("number of a device").into());
        }
        self.make(dir, name, file_type, Contents::Device(major, minor), new)
    }

    fn make(
        &mut self,
        dir: Ino,
        name: &[u8],
        file_type: FileType,
        contents: Contents<'_>,
        new: &NewInode,
    ) -> Result<Ino> {
        self.check_writable()?;
        let making = self.making(dir, file_type, new);
        let ino = self.with_space(|volume| {
            let mut tx = Transaction::new(&mut volume.store);
            let parent = named_dir(&mut tx, dir)?;
            check_name(name)?;
            let ino = make_named(&mut tx, &parent, name, &making, contents)?;
            check_reserved(&mut tx, &volume.files)?;
            tx.commit()?;
            Ok(ino)
        })?;
        // Not before: a call that is repeated must look for the same place.
        self.seed = making.seed();
        self.dir_rotor = self.dir_rotor.wrapping_add(u32::from(file_type == FileType::Directory));
        self.note_attributes();
        Ok(ino)
    }

    /// How a new inode in `dir` is to be made: files near their directory, directories spread over the AGs.
    pub(super) fn making<'a>(&self, dir: Ino, file_type: FileType, new: &'a NewInode) -> Making<'a> {
        let (first_ag, near) = match file_type {
            FileType::Directory => (AgNumber(self.dir_rotor % self.geometry().agcount), AgIno(0)),
            _ => self.geometry().split_ino(dir),
        };
        Making { file_type, new, now: self.now, seed: self.next_seed(), first_ag, near, umask: self.umask }
    }
}

/// Makes an inode with a name in `parent`.
fn make_named(
    tx: &mut Transaction<'_>,
    parent: &Inode,
    name: &[u8],
    making: &Making<'_>,
    contents: Contents<'_>,
) -> Result<Ino> {
    if dir::lookup(tx, parent, name)?.is_some() {
        return Err(Mistake::Exists.into());
    }
    check_may_gain_name(parent)?;
    if making.file_type == FileType::Symlink && parent.core.flags().contains(Flags::NOSYMLINKS) {
        return Err(Mistake::NotPermitted("no symbolic links in this directory").into());
    }
    if matches!(contents, Contents::Target(target) if target.len() as u64 >= MAX_TARGET_BYTES) {
        return Err(Mistake::NameTooLong.into());
    }
    let is_dir = making.file_type == FileType::Directory;
    if is_dir && parent.core.nlink.get() >= MAX_LINKS {
        return Err(Mistake::TooManyLinks.into());
    }
    let ino = making.inode(tx, parent)?;
    match contents {
        Contents::Nothing if is_dir => edit::initialise(tx, ino, parent.ino)?,
        Contents::Nothing => {}
        Contents::Target(target) => symlink::initialise(tx, ino, target)?,
        Contents::Device(major, minor) => init::set_rdev(tx, ino, major, minor)?,
    }
    edit::add(tx, parent, &NewName { name, ino, file_type: making.file_type })?;
    touch_dir(tx, parent.ino, i32::from(is_dir), making.now)?;
    remember(tx, ino, parent, name)?;
    making.inherit_acls(tx, parent, ino)?;
    Ok(ino)
}
