//! What is in files: read, written, preallocated, cloned.

use fuser::{Errno, INodeNo};
use xfskit::Error;
use xfskit::volume::Allocate;

use crate::tree::{Answer, Tree};

/// Bits of fallocate(2)'s mode.
const KEEP_SIZE: i32 = 0x01;
const PUNCH_HOLE: i32 = 0x02;
const COLLAPSE_RANGE: i32 = 0x08;
const ZERO_RANGE: i32 = 0x10;
const INSERT_RANGE: i32 = 0x20;
const UNSHARE_RANGE: i32 = 0x40;

/// lseek(2) from a place to data, or to a hole.
const SEEK_DATA: i32 = 3;
const SEEK_HOLE: i32 = 4;

/// Most that one call copies where it cannot clone.
const COPY_BYTES: u64 = 1 << 20;

impl Tree {
    /// Bytes of a file; fewer at its end.
    pub(crate) fn read(&mut self, ino: INodeNo, offset: u64, size: u32) -> Answer<Vec<u8>> {
        let ino = self.ino(ino);
        let mut buf = vec![0; size as usize];
        let len = self.call(|volume| volume.read(ino, offset, &mut buf))?;
        buf.truncate(len);
        Ok(buf)
    }

    /// Writes to a file.
    pub(crate) fn write(&mut self, ino: INodeNo, offset: u64, data: &[u8]) -> Answer<()> {
        let ino = self.ino(ino);
        self.call(|volume| volume.write(ino, offset, data))
    }

    /// Makes a file or a directory durable.
    pub(crate) fn fsync(&mut self, ino: INodeNo) -> Answer<()> {
        let ino = self.ino(ino);
        self.call(|volume| if volume.read_only_reason().is_some() { Ok(()) } else { volume.fsync(ino) })
    }

    /// fallocate(2).
    pub(crate) fn fallocate(&mut self, ino: INodeNo, mode: i32, offset: u64, len: u64) -> Answer<()> {
        let ino = self.ino(ino);
        let keep_size = mode & KEEP_SIZE != 0;
        let what = match mode & !KEEP_SIZE {
            0 => Allocate::Blocks { keep_size },
            PUNCH_HOLE => Allocate::Punch,
            ZERO_RANGE => Allocate::Zero { keep_size },
            COLLAPSE_RANGE if !keep_size => Allocate::Collapse,
            INSERT_RANGE if !keep_size => Allocate::Insert,
            UNSHARE_RANGE => Allocate::Unshare { keep_size },
            _ => return Err(Errno::EOPNOTSUPP),
        };
        self.call(|volume| volume.allocate(ino, what, offset, len))
    }

    /// lseek(2) to data or to a hole.
    pub(crate) fn lseek(&mut self, ino: INodeNo, offset: i64, whence: i32) -> Answer<i64> {
        let ino = self.ino(ino);
        let offset = u64::try_from(offset).map_err(|_| Errno::ENXIO)?;
        let found = self.call(|volume| match whence {
            SEEK_DATA => volume.seek_data(ino, offset),
            SEEK_HOLE => volume.seek_hole(ino, offset),
            _ => Ok(None),
        })?;
        found.and_then(|at| i64::try_from(at).ok()).ok_or(Errno::ENXIO)
    }

    /// copy_file_range(2): shares blocks where the range consists of whole ones, copies where it does not. Returns how
    /// much was done; the caller goes on from there.
    pub(crate) fn copy(
        &mut self,
        (source, from): (INodeNo, u64),
        (target, to): (INodeNo, u64),
        len: u64,
    ) -> Answer<u32> {
        let (source, target) = (self.ino(source), self.ino(target));
        self.call(|volume| {
            let (stat, size) = (volume.stat(source)?, volume.stat(target)?.size);
            let blocksize = u64::from(stat.blocksize);
            let len =
                len.min(stat.size.saturating_sub(from)).min(u64::from(u32::MAX) / blocksize * blocksize);
            if len == 0 {
                return Ok(0);
            }
            // A part of a block can be shared only where the source ends in it, and the target is no longer.
            let reaches_ends = from + len == stat.size && to + len >= size;
            let whole = if reaches_ends { len } else { len / blocksize * blocksize };
            if from % blocksize == 0 && to % blocksize == 0 && whole > 0 {
                match volume.clone_range(source, from, target, to, whole) {
                    Ok(()) => return Ok(whole as u32),
                    Err(Error::Unsupported { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
            let mut buf = vec![0; len.min(COPY_BYTES) as usize];
            let done = volume.read(source, from, &mut buf)?;
            volume.write(target, to, &buf[..done])?;
            Ok(done as u32)
        })
    }
}
