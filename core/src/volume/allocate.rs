//! Space of files without writing to them: preallocation, holes, and moving what lies behind. The rules are those of
//! fallocate(2) on XFS.

use super::Volume;
use crate::data::punch::{self, Part};
use crate::data::reflink;
use crate::data::seek::{Seek, seek};
use crate::data::shift;
use crate::data::truncate::truncate;
use crate::data::write::{check_room, write};
use crate::error::{Mistake, Result};
use crate::format::inode::Flags;
use crate::inode::core::core_mut;
use crate::inode::{self};
use crate::journal::Transaction;
use crate::units::{Ino, MAX_FILE_BYTES};

/// Bytes that are copied at once where blocks stop being shared.
const UNSHARE_STEP_BYTES: u64 = 1 << 20;

/// What to do to a part of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Allocate {
    /// Blocks for all of it, unwritten where there were none. The file grows, unless its size is to be kept.
    Blocks {
        /// Blocks behind the end of the file are not part of it.
        keep_size: bool,
    },
    /// No blocks for it: it reads as zeros. The size stays.
    Punch,
    /// It reads as zeros and has blocks. The file grows, unless its size is to be kept.
    Zero {
        /// Blocks behind the end of the file are not part of it.
        keep_size: bool,
    },
    /// It goes, and what lies behind moves there. Whole blocks, before the end of the file.
    Collapse,
    /// A hole is put there, and what was there moves behind it. Whole blocks, before the end of the file.
    Insert,
    /// Blocks of its own for all of it. The file grows, unless its size is to be kept.
    Unshare {
        /// Blocks behind the end of the file are not part of it.
        keep_size: bool,
    },
}

impl Allocate {
    fn keeps_size(self) -> bool {
        match self {
            Self::Blocks { keep_size } | Self::Zero { keep_size } | Self::Unshare { keep_size } => keep_size,
            Self::Punch => true,
            Self::Collapse | Self::Insert => false,
        }
    }
}

/// Extents of a file that are being moved, where a call failed on the way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shifting {
    ino: Ino,
    what: Allocate,
    part: Part,
    progress: shift::Progress,
}

impl Shifting {
    fn is_of(&self, ino: Ino, what: Allocate, part: Part) -> bool {
        (self.ino, self.what, self.part) == (ino, what, part)
    }
}

impl Volume {
    /// Does something to the space of the `len` bytes of a file from byte `offset` on.
    ///
    /// # Errors
    /// [`Mistake`] where fallocate(2) refuses; [`Error::NoSpace`](crate::Error::NoSpace). Nothing has changed then.
    /// Those of the device: where it takes several transactions, the first of them may be done then, and the same call goes
    /// on with the others.
    pub fn allocate(&mut self, ino: Ino, what: Allocate, offset: u64, len: u64) -> Result<()> {
        self.check_writable()?;
        let file = self.writable_file(ino)?;
        let end = offset.checked_add(len).filter(|&end| end <= MAX_FILE_BYTES);
        let part = Part { from: offset, to: end.ok_or(Mistake::FileTooLarge)? };
        if len == 0 {
            return Err(Mistake::Argument("length of nothing").into());
        }
        let may_append = matches!(what, Allocate::Blocks { .. });
        if file.core.flags().contains(Flags::APPEND) && !may_append {
            return Err(Mistake::NotPermitted("file is append-only").into());
        }
        // What is in memory goes to its blocks, so that there is one picture of the file.
        self.writeback(ino)?;
        let now = self.now;
        let size = shift::size(&mut self.store, ino)?;
        match what {
            Allocate::Blocks { .. } => {
                self.with_space(|volume| punch::preallocate(&mut volume.store, &volume.files, ino, part))?;
            }
            Allocate::Punch => {
                self.with_space(|volume| punch::punch(&mut volume.store, &mut volume.files, ino, part, now))?;
            }
            Allocate::Zero { .. } => {
                self.with_space(|volume| punch::zero(&mut volume.store, &mut volume.files, ino, part, now))?;
            }
            Allocate::Unshare { .. } => self.unshare(ino, Part { to: part.to.min(size), ..part }, part)?,
            Allocate::Collapse | Allocate::Insert => return self.shift(ino, what, part, size),
        }
        if part.to > size && !what.keeps_size() {
            return self
                .with_space(|volume| truncate(&mut volume.store, &mut volume.files, ino, part.to, now));
        }
        self.touch_data(ino)
    }

    /// Notes that the contents of a file changed, in whatever way its size and times wait now.
    fn touch_data(&mut self, ino: Ino) -> Result<()> {
        let now = self.now;
        let mut tx = self.transaction();
        core_mut(&mut tx, ino)?.note_contents_changed(now);
        tx.commit()
    }

    fn shift(&mut self, ino: Ino, what: Allocate, part: Part, size: u64) -> Result<()> {
        let before = self.shifting.filter(|shifting| shifting.is_of(ino, what, part));
        let mut shifting = match before {
            Some(before) if before.progress.goes_on(&mut self.store, ino)? => before,
            _ => Shifting { ino, what, part, progress: self.check_shift(what, part, size)? },
        };
        let now = self.now;
        let outcome = self.with_space(|Self { store, files, .. }| match what {
            Allocate::Collapse => shift::collapse(store, files, ino, part, &mut shifting.progress, now),
            _ => shift::insert(store, files, ino, part, &mut shifting.progress, now),
        });
        self.shifting = outcome.is_err().then_some(shifting);
        outcome
    }

    /// Refuses what fallocate(2) does; else all of the work is ahead.
    fn check_shift(&self, what: Allocate, part: Part, size: u64) -> Result<shift::Progress> {
        let unit = u64::from(self.geometry().blocksize);
        if !part.from.is_multiple_of(unit) || !part.to.is_multiple_of(unit) {
            return Err(Mistake::Argument("offset and length must be multiples of the block size").into());
        }
        if what == Allocate::Collapse {
            if part.to >= size {
                return Err(Mistake::Argument("part reaches the end of the file").into());
            }
            return Ok(shift::Progress::collapse(self.geometry(), part, size));
        }
        if part.from >= size {
            return Err(Mistake::Argument("offset at or behind the end of the file").into());
        }
        if (part.to - part.from) > MAX_FILE_BYTES - size {
            return Err(Mistake::FileTooLarge.into());
        }
        Ok(shift::Progress::insert(part, size))
    }

    /// Gives a file copies of the blocks in `data` that others own too, and blocks for all of `all`.
    fn unshare(&mut self, ino: Ino, data: Part, all: Part) -> Result<()> {
        let shared = if data.from < data.to { self.shared_parts(ino, data)? } else { Default::default() };
        for part in &shared {
            let len = part.to - part.from;
            self.with_space(|volume| check_room(&mut volume.store, &volume.files, ino, part.from, len))?;
        }
        let now = self.now;
        for part in shared {
            let mut at = part.from;
            while at < part.to {
                let mut bytes = alloc::vec![0; (part.to - at).min(UNSHARE_STEP_BYTES) as usize];
                let len = self.read(ino, at, &mut bytes)?;
                if len == 0 {
                    break;
                }
                self.with_space(|volume| {
                    write(&mut volume.store, &mut volume.files, ino, at, &bytes[..len], now)
                })?;
                self.writeback(ino)?;
                at += len as u64;
            }
        }
        self.with_space(|volume| punch::preallocate(&mut volume.store, &volume.files, ino, all))?;
        reflink::clear_if_unshared(&mut self.store, &mut self.files, ino)
    }

    fn shared_parts(&mut self, ino: Ino, part: Part) -> Result<alloc::vec::Vec<Part>> {
        punch::shared_parts(&mut self.store, ino, part)
    }

    /// The first byte of data at or behind `offset`; `None` when there is none up to the end of the file.
    ///
    /// # Errors
    /// Those of the device; corruption.
    pub fn seek_data(&mut self, ino: Ino, offset: u64) -> Result<Option<u64>> {
        self.seek(ino, offset, Seek::Data)
    }

    /// The first byte at or behind `offset` that lies in a hole, or the end of the file; `None` behind that.
    ///
    /// # Errors
    /// Those of the device; corruption.
    pub fn seek_hole(&mut self, ino: Ino, offset: u64) -> Result<Option<u64>> {
        self.seek(ino, offset, Seek::Hole)
    }

    fn seek(&mut self, ino: Ino, offset: u64, wanted: Seek) -> Result<Option<u64>> {
        let mut tx = Transaction::new(&mut self.store);
        let inode = inode::read(&mut tx, ino)?;
        let file = self.files.get(ino);
        let size = file.map_or(inode.size(), |file| file.size);
        seek(&mut tx, ino, file, size, offset, wanted)
    }
}
