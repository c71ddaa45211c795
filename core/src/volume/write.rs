//! Changing contents and attributes; making changes durable.

use alloc::boxed::Box;

use super::Volume;
use crate::acl;
use crate::data::clone::{CloneRange, clone_range};
use crate::data::truncate::truncate;
use crate::data::write::{check_reserved, check_room, write};
use crate::data::writeback::{writeback, writeback_all};
use crate::device::BlockDevice;
use crate::error::{Error, Mistake, Result};
use crate::format::inode::{FileType, Flags};
use crate::format::time::Timestamp;
use crate::inode::core::core_mut;
use crate::inode::{self, Inode};
use crate::journal::Transaction;
use crate::units::Ino;

/// Bytes of a large write that go through the pipeline at once.
const WRITE_STEP_BYTES: usize = 4 << 20;

/// Attributes to change; `None` leaves one as it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SetAttributes {
    /// Permission bits, setuid, setgid and sticky included; without the type.
    pub mode: Option<u16>,
    /// Owning user.
    pub uid: Option<u32>,
    /// Owning group.
    pub gid: Option<u32>,
    /// Last access.
    pub atime: Option<Timestamp>,
    /// Last change of the contents.
    pub mtime: Option<Timestamp>,
}

impl Volume {
    /// A transaction on the volume; dropping it changes nothing.
    pub(crate) fn transaction(&mut self) -> Transaction<'_> {
        Transaction::new(&mut self.store)
    }

    /// Sets the time that later changes are stamped with.
    pub fn set_time(&mut self, now: Timestamp) {
        self.now = now;
    }

    /// Refuses when the volume cannot take changes.
    pub(super) fn check_writable(&self) -> Result<()> {
        match &self.read_only {
            Some(reason) => Err(Error::ReadOnly { reason: reason.as_str().into() }),
            None => self.store.check_alive(),
        }
    }

    /// Runs an operation; when space seems short, frees what is only held back in memory and runs it once more.
    pub(super) fn with_space<R>(&mut self, mut act: impl FnMut(&mut Self) -> Result<R>) -> Result<R> {
        match act(self) {
            Err(Error::NoSpace) => {
                self.free_held_space()?;
                act(self)
            }
            outcome => outcome,
        }
    }

    /// Turns reservations into blocks, gives up promises, and makes freed blocks free for good.
    fn free_held_space(&mut self) -> Result<()> {
        self.drop_promises();
        self.store.force()?;
        for ino in self.files.inodes() {
            writeback(&mut self.store, &mut self.files, ino, true)?;
        }
        self.drop_promises();
        self.store.force()
    }

    fn drop_promises(&mut self) {
        self.files.forget_staging();
        self.store.promised_mut().clear();
    }

    /// Writes to a file. The data is on the device after [`Volume::fsync`] or [`Volume::sync`].
    ///
    /// # Errors
    /// [`Error::NoSpace`] when there is no room for it; nothing has changed then. Those of the device and of corrupt
    /// metadata; then what was written before in steps of 4 MiB may be there.
    pub fn write(&mut self, ino: Ino, offset: u64, data: &[u8]) -> Result<()> {
        self.check_writable()?;
        let file = self.writable_file(ino)?;
        let size = self.files.get(ino).map_or(file.size(), |file| file.size);
        if file.core.flags().contains(Flags::APPEND) && offset != size {
            return Err(Mistake::NotPermitted("file is append-only").into());
        }
        // Not in the fsync that follows.
        self.store.prepare()?;
        if data.len() > WRITE_STEP_BYTES {
            let len = data.len() as u64;
            self.with_space(|volume| check_room(&mut volume.store, &volume.files, ino, offset, len))?;
        }
        let mut offset = offset;
        for step in data.chunks(WRITE_STEP_BYTES) {
            self.write_step(ino, offset, step)?;
            offset += step.len() as u64;
        }
        if file.core.flags().contains(Flags::SYNC) { self.fsync(ino) } else { Ok(()) }
    }

    fn write_step(&mut self, ino: Ino, offset: u64, data: &[u8]) -> Result<()> {
        // Room is made before the data is accepted: an error then leaves the file as it was.
        if self.files.dirty_bytes() + data.len() > self.dirty_limit {
            self.writeback_all()?;
        }
        let now = self.now;
        self.with_space(|volume| write(&mut volume.store, &mut volume.files, ino, offset, data, now))
    }

    pub(super) fn writable_file(&mut self, ino: Ino) -> Result<Inode> {
        let inode = inode::read(&mut self.transaction(), ino)?;
        match inode.file_type {
            FileType::Regular if inode.is_realtime() => {
                Err(Error::unsupported("file on the realtime device"))
            }
            FileType::Regular if inode.core.flags().contains(Flags::IMMUTABLE) => {
                Err(Mistake::NotPermitted("file is immutable").into())
            }
            FileType::Regular => Ok(inode),
            FileType::Directory => Err(Mistake::IsADirectory.into()),
            _ => Err(Mistake::Argument("not a regular file").into()),
        }
    }

    /// Makes a file `size` bytes long.
    ///
    /// # Errors
    /// [`Mistake`]; those of the device; corruption. Nothing has changed then.
    pub fn truncate(&mut self, ino: Ino, size: u64) -> Result<()> {
        self.check_writable()?;
        if self.writable_file(ino)?.core.flags().contains(Flags::APPEND) {
            return Err(Mistake::NotPermitted("file is append-only").into());
        }
        let now = self.now;
        self.with_space(|volume| truncate(&mut volume.store, &mut volume.files, ino, size, now))
    }

    /// Changes attributes of an inode.
    ///
    /// # Errors
    /// [`Mistake::NotPermitted`]; those of the device; corruption. Nothing has changed then.
    pub fn set_attributes(&mut self, ino: Ino, set: &SetAttributes) -> Result<()> {
        self.check_writable()?;
        // A size that waits without data to carry it must not be lost with the time that it waits with.
        if self.files.get(ino).is_some_and(|file| file.dirty.is_empty()) {
            self.writeback(ino)?;
        }
        self.with_space(|volume| volume.set_attributes_once(ino, set))?;
        if set.mtime.is_some() && self.files.get(ino).is_some() {
            // A time set by hand holds, whenever the data gets to the device.
            let geometry = self.store.geometry().clone();
            self.files.change(&geometry, ino, 0, |file| file.modified = None);
        }
        Ok(())
    }

    fn set_attributes_once(&mut self, ino: Ino, set: &SetAttributes) -> Result<()> {
        let now = self.now;
        let mut tx = Transaction::new(&mut self.store);
        let before = inode::read(&mut tx, ino)?;
        if before.core.flags().intersects(Flags::IMMUTABLE | Flags::APPEND) {
            return Err(Mistake::NotPermitted("file is immutable or append-only").into());
        }
        let core = core_mut(&mut tx, ino)?;
        if let Some(mode) = set.mode {
            core.mode.set(before.file_type.mode_bits() | (mode & 0o7777));
        }
        if let Some(uid) = set.uid {
            core.uid.set(uid);
        }
        if let Some(gid) = set.gid {
            core.gid.set(gid);
        }
        if let Some(atime) = set.atime {
            core.atime = core.encode_time(atime);
        }
        if let Some(mtime) = set.mtime {
            core.mtime = core.encode_time(mtime);
        }
        core.note_change(now);
        if let Some(mode) = set.mode {
            acl::follow_mode(&mut tx, &before, mode)?;
            check_reserved(&mut tx, &self.files)?;
        }
        tx.commit()
    }

    /// Makes `target` a clone of `source`: all of its blocks are shared.
    ///
    /// # Errors
    /// Those of [`Volume::clone_range`].
    pub fn clone_file(&mut self, source: Ino, target: Ino) -> Result<()> {
        self.clone_range(source, 0, target, 0, 0)
    }

    /// Makes part of `target` share the blocks of part of `source`. All in bytes; `len` 0 means up to the end of the
    /// source.
    ///
    /// # Errors
    /// [`Mistake`] where Linux refuses FICLONERANGE; [`Error::Unsupported`] without reflink; those of the device;
    /// corruption. Nothing has changed then, unless so many extents are cloned that it took several transactions: then
    /// the first part of what the target had before may be replaced already.
    pub fn clone_range(
        &mut self,
        source: Ino,
        source_offset: u64,
        target: Ino,
        target_offset: u64,
        len: u64,
    ) -> Result<()> {
        self.check_writable()?;
        for ino in [source, target] {
            self.writeback(ino)?;
        }
        let range = CloneRange { source, source_offset, target, target_offset, len_bytes: len };
        let now = self.now;
        self.with_space(|volume| clone_range(&mut volume.store, &mut volume.files, range, now))
    }

    /// Gives all dirty data of a file blocks and writes it there. Durable only after a sync.
    ///
    /// # Errors
    /// Those of the device; corruption. What was not written back stays in memory.
    pub fn writeback(&mut self, ino: Ino) -> Result<()> {
        if self.files.get(ino).is_none_or(crate::data::file::File::is_clean) {
            return Ok(());
        }
        self.check_writable()?;
        match writeback(&mut self.store, &mut self.files, ino, false) {
            // Space was reserved, so it is there: but it may be busy, or promised to others.
            Err(Error::NoSpace) => {
                self.drop_promises();
                self.store.force()?;
                writeback(&mut self.store, &mut self.files, ino, true)?;
            }
            outcome => outcome?,
        }
        Ok(())
    }

    /// Writes every file back that can be; what is wrong with one is no reason to keep others from the device.
    fn writeback_all(&mut self) -> Result<()> {
        let inodes = self.files.inodes();
        if inodes.is_empty() {
            return Ok(());
        }
        self.check_writable()?;
        match writeback_all(&mut self.store, &mut self.files, &inodes, false) {
            Ok(()) => Ok(()),
            Err(_) => {
                let mut outcome = Ok(());
                for ino in inodes {
                    let own = self.writeback(ino);
                    outcome = outcome.and(own);
                }
                outcome
            }
        }
    }

    /// Makes a file durable: its data, its size, its times.
    ///
    /// Costs two flushes of the device at most, unless the file alone has so many changes that they don't fit into one
    /// checkpoint, or the volume is so full that space has to be found.
    ///
    /// # Errors
    /// Those of the device; corruption.
    pub fn fsync(&mut self, ino: Ino) -> Result<()> {
        self.store.expect_force(true);
        let written = self.writeback(ino);
        // Also when there is nothing to force: others do not get the room that is kept for this.
        self.store.expect_force(false);
        written?;
        self.store.force()
    }

    /// Makes everything durable.
    ///
    /// # Errors
    /// Those of the device; corruption. What could be written is durable then, unless it is the device that fails.
    pub fn sync(&mut self) -> Result<()> {
        let outcome = self.writeback_all();
        self.store.force()?;
        outcome
    }

    /// Makes everything durable and in place, and the log clean: what an unmount does, but the volume stays open. While
    /// somebody holds an inode without a name, the log stays as it is: recovery has to free that after a crash.
    ///
    /// # Errors
    /// Those of the device; corruption. An inode without a name that is too damaged to be freed is told of once and left
    /// to recovery, so the log stays dirty from then on; all else is durable.
    pub fn quiesce(&mut self) -> Result<()> {
        self.sync()?;
        let freed = self.free_orphans();
        // A clean log would say that there are none: recovery, which also frees them, would not look.
        if self.has_unlinked()? {
            self.store.force()?
        } else {
            self.store.quiesce()?
        }
        if matches!(freed, Err(Error::Corrupt(_))) {
            self.abandoned.append(&mut self.orphans);
        }
        freed
    }

    /// Makes everything durable and in place, the log clean, and gives the device back. Nothing is held any more.
    ///
    /// # Errors
    /// Those of [`Volume::quiesce`]. The device is gone then; open it again to see what is on it.
    pub fn close(mut self) -> Result<Box<dyn BlockDevice>> {
        if self.read_only.is_none() {
            self.release_all()?;
            self.quiesce()?;
        }
        let device = self.store.into_device();
        Ok(if self.is_in_memory { super::recover::below(device) } else { device })
    }

    /// The number after the seed so far, for inode generations.
    pub(super) fn next_seed(&self) -> u32 {
        self.seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223) ^ self.now.nanoseconds
    }
}
