//! Reading the contents of files from the device.

use core::cmp::min;

use super::file::File;
use crate::error::{Error, Mistake, Result};
use crate::format::extent::Extent;
use crate::format::inode::FileType;
use crate::geometry::Geometry;
use crate::inode::{Fork, Inode, extents_from};
use crate::journal::Transaction;

/// Reads a regular file as it is on disk, from byte `offset` on; returns how many bytes there were.
///
/// Extents go straight from the device into `buf`; holes and unwritten extents are zeros.
///
/// # Errors
/// Those of the device; [`Error::Corrupt`]; [`Error::Unsupported`] for a realtime file.
pub fn read_disk(tx: &mut Transaction<'_>, inode: &Inode, offset: u64, buf: &mut [u8]) -> Result<usize> {
    check_readable(inode)?;
    let left = inode.size().saturating_sub(offset);
    let len = min(left, buf.len() as u64) as usize;
    fill(tx, inode, offset, &mut buf[..len])?;
    Ok(len)
}

/// Reads a regular file as callers see it: what is on disk, and over it the data that waits for writeback.
///
/// # Errors
/// Those of [`read_disk`].
pub fn read_through(
    tx: &mut Transaction<'_>,
    inode: &Inode,
    file: &File,
    offset: u64,
    buf: &mut [u8],
) -> Result<usize> {
    check_readable(inode)?;
    let len = min(file.size.saturating_sub(offset), buf.len() as u64) as usize;
    let buf = &mut buf[..len];
    fill(tx, inode, offset, buf)?;
    let geometry = tx.geometry();
    let bs = geometry.blocksize as usize;
    let end = offset + len as u64;
    let mut at = geometry.file_block(offset);
    while let Some(dirty) = file.dirty.next(at, bs).filter(|&block| geometry.file_byte(block) < end) {
        let run = file.dirty.at(dirty, bs).unwrap_or_default();
        let start = geometry.file_byte(dirty);
        let from = start.max(offset);
        let to = (start + run.len() as u64).min(end);
        let source = &run[(from - start) as usize..(to - start) as usize];
        buf[(from - offset) as usize..(to - offset) as usize].copy_from_slice(source);
        at = dirty.plus((run.len() / bs) as u64);
    }
    Ok(len)
}

/// Whether `inode` has contents that can be read.
///
/// # Errors
/// `IsADirectory`, an invalid argument, or [`Error::Unsupported`] for a realtime file.
pub fn check_readable(inode: &Inode) -> Result<()> {
    match inode.file_type {
        FileType::Regular if inode.is_realtime() => Err(Error::unsupported("file on the realtime device")),
        FileType::Regular => Ok(()),
        FileType::Directory => Err(Mistake::IsADirectory.into()),
        _ => Err(Mistake::Argument("not a regular file").into()),
    }
}

/// Fills `buf` with the bytes on disk from `offset` on, whatever the size of the file is.
///
/// # Errors
/// Those of the device; [`Error::Corrupt`].
pub fn fill(tx: &mut Transaction<'_>, inode: &Inode, offset: u64, buf: &mut [u8]) -> Result<()> {
    if buf.is_empty() {
        return Ok(());
    }
    let end = offset.saturating_add(buf.len() as u64);
    let last = tx.geometry().file_block_up(end);
    let range_of = |from: u64, to: u64| (from - offset) as usize..(to - offset) as usize;
    // Bytes before `done` are filled.
    let mut done = offset;
    let mut from = tx.geometry().file_block(offset);
    while from < last {
        let extents = extents_from(tx, inode, Fork::Data, from..last)?;
        let Some(behind) = extents.last().map(Extent::file_end) else { break };
        let mut rest = extents.as_slice();
        while let Some(run) = Run::take(tx.geometry(), &mut rest) {
            let (start, stop) = (run.file_start.max(offset), run.file_end.min(end));
            buf[range_of(done, start)].fill(0);
            let device_at = run.device_start + (start - run.file_start);
            tx.store().read_data(device_at, &mut buf[range_of(start, stop)])?;
            done = stop;
        }
        from = behind;
    }
    buf[range_of(done, end)].fill(0);
    Ok(())
}

/// Bytes that are neighbours in the file and on the device, across extents.
struct Run {
    file_start: u64,
    file_end: u64,
    device_start: u64,
}

impl Run {
    /// The first run of `extents` that is written, which loses it.
    fn take(geometry: &Geometry, extents: &mut &[Extent]) -> Option<Self> {
        let mut run: Option<Self> = None;
        while let Some((extent, rest)) = extents.split_first() {
            let file_start = geometry.file_byte(extent.file_block);
            let device_start = geometry.byte(extent.start);
            let file_end = geometry.file_byte(extent.file_end());
            match &mut run {
                None if extent.unwritten => {}
                None => run = Some(Self { file_start, file_end, device_start }),
                Some(run) if !extent.unwritten && run.goes_on_at(file_start, device_start) => {
                    run.file_end = file_end;
                }
                Some(_) => return run,
            }
            *extents = rest;
        }
        run
    }

    fn goes_on_at(&self, file_start: u64, device_start: u64) -> bool {
        self.file_end == file_start && self.device_start + (self.file_end - self.file_start) == device_start
    }
}
