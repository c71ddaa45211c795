//! Reading: names, attributes, contents.

use alloc::vec::Vec;

use super::types::{DirEntry, FileExtent, Follow, Namespace, ParentPointer, Stat, StatFs, XattrName};
use super::{Volume, path};
use crate::error::{Mistake, Result};
use crate::format::inode::FileType;
use crate::inode::{self, Fork, Inode};
use crate::journal::Transaction;
use crate::space::counters::counted;
use crate::space::reserve;
use crate::units::Ino;
use crate::{attr, data, dir, symlink};

impl Volume {
    /// The inode that `path` names, from the root directory on.
    ///
    /// # Errors
    /// [`Mistake`] when there is no such thing; those of the device; corruption.
    pub fn resolve(&mut self, path: &[u8], follow: Follow) -> Result<Ino> {
        let root = self.root();
        path::resolve(&mut self.transaction(), root, path, follow)
    }

    /// The directory that the last component of `path` is to be looked up in, and that component.
    ///
    /// # Errors
    /// [`Mistake`] when the directory does not exist; those of the device; corruption.
    pub fn resolve_parent(&mut self, path: &[u8]) -> Result<(Ino, Vec<u8>)> {
        let root = self.root();
        path::resolve_parent(&mut self.transaction(), root, path)
    }

    /// The inode called `name` in a directory; `.` and `..` are known too.
    ///
    /// # Errors
    /// [`Mistake::NotFound`], [`Mistake::NotADirectory`]; those of the device; corruption.
    pub fn lookup(&mut self, dir: Ino, name: &[u8]) -> Result<Ino> {
        let mut tx = self.transaction();
        let dir = inode::read(&mut tx, dir)?;
        path::lookup(&mut tx, &dir, name)
    }

    /// Attributes of an inode.
    ///
    /// # Errors
    /// Those of the device; corruption.
    pub fn stat(&mut self, ino: Ino) -> Result<Stat> {
        let mut tx = self.transaction();
        let inode = inode::read(&mut tx, ino)?;
        let (blocksize, blocklog) = (tx.geometry().blocksize, tx.geometry().blocklog);
        let mut stat = stat(&inode, blocksize, blocklog);
        if let Some(file) = self.files.get(ino) {
            stat.size = file.size;
            stat.blocks_512 += file.delalloc.count() << (blocklog - 9);
            if let Some(modified) = file.modified {
                stat.mtime = modified;
                stat.ctime = modified;
            }
        }
        Ok(stat)
    }

    /// The names of an inode, from its parent pointers. Empty on volumes without them.
    ///
    /// # Errors
    /// Those of the device; corruption.
    pub fn parents(&mut self, ino: Ino) -> Result<Vec<ParentPointer>> {
        let mut tx = self.transaction();
        if !tx.geometry().has_parent_pointers() {
            return Ok(Vec::new());
        }
        let inode = inode::read(&mut tx, ino)?;
        attr::parents(&mut tx, &inode)
    }

    /// All entries of a directory but `.` and `..`.
    ///
    /// # Errors
    /// [`Mistake::NotADirectory`]; those of the device; corruption.
    pub fn read_dir(&mut self, dir: Ino) -> Result<Vec<DirEntry>> {
        self.read_dir_from(dir, 0, usize::MAX)
    }

    /// At most `max` entries of a directory, starting behind the one with this cookie (0: from the start).
    ///
    /// # Errors
    /// [`Mistake::NotADirectory`]; those of the device; corruption.
    pub fn read_dir_from(&mut self, dir: Ino, cookie: u64, max: usize) -> Result<Vec<DirEntry>> {
        let mut tx = self.transaction();
        let dir = inode::read(&mut tx, dir)?;
        if !dir.is_dir() {
            return Err(Mistake::NotADirectory.into());
        }
        dir::list(&mut tx, &dir, cookie, max)
    }

    /// Target of a symbolic link.
    ///
    /// # Errors
    /// [`Mistake::Argument`] when it is something else; those of the device; corruption.
    pub fn read_link(&mut self, ino: Ino) -> Result<Vec<u8>> {
        let mut tx = self.transaction();
        let link = inode::read(&mut tx, ino)?;
        if link.file_type != FileType::Symlink {
            return Err(Mistake::Argument("not a symbolic link").into());
        }
        symlink::target(&mut tx, &link)
    }

    /// Names of all extended attributes.
    ///
    /// # Errors
    /// Those of the device; corruption.
    pub fn list_xattrs(&mut self, ino: Ino) -> Result<Vec<XattrName>> {
        let mut tx = self.transaction();
        let inode = inode::read(&mut tx, ino)?;
        attr::list(&mut tx, &inode)
    }

    /// Value of an extended attribute.
    ///
    /// # Errors
    /// [`Mistake::NoAttribute`]; those of the device; corruption.
    pub fn xattr(&mut self, ino: Ino, namespace: Namespace, name: &[u8]) -> Result<Vec<u8>> {
        let mut tx = self.transaction();
        let inode = inode::read(&mut tx, ino)?;
        attr::get(&mut tx, &inode, namespace, name)?.ok_or_else(|| Mistake::NoAttribute.into())
    }

    /// Reads a file from byte `offset` on; returns how many bytes there were, which is less than asked for only at
    /// the end of the file.
    ///
    /// # Errors
    /// [`Mistake::IsADirectory`]; those of the device; corruption.
    pub fn read(&mut self, ino: Ino, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let mut tx = Transaction::new(&mut self.store);
        let inode = inode::read(&mut tx, ino)?;
        match self.files.get(ino) {
            None => data::read::read_disk(&mut tx, &inode, offset, buf),
            Some(file) => data::read::read_through(&mut tx, &inode, file, offset, buf),
        }
    }

    /// All extents of a file, by rising offset; holes are left out.
    ///
    /// Data that waits for writeback shows as [`ExtentPlace::Delalloc`](super::ExtentPlace::Delalloc), over shared
    /// blocks in addition to the blocks that it will replace.
    ///
    /// # Errors
    /// Those of the device; corruption.
    pub fn extents(&mut self, ino: Ino) -> Result<Vec<FileExtent>> {
        let mut tx = self.transaction();
        let inode = inode::read(&mut tx, ino)?;
        let mut extents = data::extents::on_disk(&mut tx, &inode)?;
        if let Some(file) = self.files.get(ino) {
            data::extents::add_delalloc(&mut extents, file);
        }
        Ok(extents)
    }

    /// Size and free space of the volume.
    ///
    /// # Errors
    /// Those of the device; corruption. Only a volume that was not left properly has to be read for this.
    pub fn statfs(&mut self) -> Result<StatFs> {
        let is_stale = self.has_stale_counters;
        let mut tx = self.transaction();
        let counters = if is_stale { counted(&mut tx)? } else { tx.counters() };
        let geometry = tx.geometry();
        let log_fsblocks = if geometry.logstart.is_null() { 0 } else { u64::from(geometry.logblocks) };
        let unsigned = |value: i64| u64::try_from(value).unwrap_or(0);
        Ok(StatFs {
            blocksize: geometry.blocksize,
            total_fsblocks: geometry.dblocks.saturating_sub(log_fsblocks),
            free_fsblocks: unsigned(counters.fdblocks),
            inodes: unsigned(counters.icount),
            free_inodes: unsigned(counters.ifree),
        })
    }

    /// What new data may have of the volume's free space, in fsblocks, metadata included: what is free without what the
    /// AGs withhold for their trees, the pool for data that has its blocks already, and what waits for writeback. Linux
    /// calls the same number free and available.
    ///
    /// # Errors
    /// Those of the device; corruption. Every AG's headers are read for this.
    pub fn available_fsblocks(&mut self) -> Result<u64> {
        let reserved = self.files.reserved().beside_pool(reserve::pool(self.geometry()));
        Ok(reserve::available(&mut self.transaction())?.saturating_sub(reserved))
    }
}

fn stat(inode: &Inode, blocksize: u32, blocklog: u8) -> Stat {
    let core = &inode.core;
    Stat {
        ino: inode.ino,
        file_type: inode.file_type,
        mode: core.mode.get() & 0o7777,
        uid: core.uid.get(),
        gid: core.gid.get(),
        nlink: core.nlink.get(),
        size: inode.size(),
        blocks_512: core.nblocks.get() << (blocklog - 9),
        blocksize,
        atime: core.time(core.atime),
        mtime: core.time(core.mtime),
        ctime: core.time(core.ctime),
        crtime: core.time(core.crtime),
        rdev: inode.rdev(),
        generation: core.gen_.get(),
        project_id: core.projid(),
        flags: core.flags(),
        flags2: core.flags2(),
        extsize: core.extsize.get(),
        cowextsize: core.cowextsize.get(),
        extents: inode.nextents(Fork::Data),
        attr_extents: inode.nextents(Fork::Attr),
        format: core.format,
        attr_format: core.aformat,
        parents: Vec::new(),
    }
}
