//! Making a fresh volume.
//!
//! The shape is chosen as mkfs.xfs 7.2 chooses it; `shape` has the sizes, `log` that of the journal. Writes go
//! out in an order that never leaves something that looks like a finished volume: old signatures are wiped first,
//! then come the AGs with their secondary superblocks, the root inodes and the log, and only when all of that is
//! durable the primary superblock loses its mark of being in progress.
//!
//! Source: "Superblocks", "Allocation Groups"; geometry measured against mkfs.xfs.

mod ag;
mod log;
mod root;
mod shape;
#[cfg(test)]
mod tests;
mod wipe;

use alloc::boxed::Box;
use alloc::vec::Vec;

use uuid::Uuid;
use zerocopy::IntoBytes;

use crate::device::{BlockDevice, DeviceError};
use crate::error::Result;
use crate::format::BlockKind;
use crate::format::header;
use crate::format::time::Timestamp;
use crate::units::{AgBlock, AgNumber};
use crate::volume::Volume;

use shape::Shape;

/// What a fresh volume looks like. Defaults are those of mkfs.xfs 7.2.
#[derive(Debug, Clone)]
#[non_exhaustive]
#[expect(missing_docs, reason = "switches are named after the features that they turn on")]
pub struct FormatOptions {
    /// Bytes in a fsblock: a power of two, `1024..=65536`.
    pub block_size: u32,
    /// Bytes in a sector: a power of two, `512..=32768`, at most a fsblock.
    pub sector_size: u32,
    /// Bytes in an inode: a power of two, `512..=2048`, at most half a fsblock.
    pub inode_size: u32,
    /// Bytes in a directory block: a power of two, at least a fsblock and at most 65536; 0 for the default.
    pub dir_block_size: u32,
    /// Label, at most 12 bytes without NUL.
    pub label: Vec<u8>,
    /// Identity of the volume; two volumes with the same one cannot be mounted together.
    pub uuid: Uuid,
    /// The time that the root directory was made.
    pub now: Timestamp,
    /// Seed of the inodes' generation numbers.
    pub generation: u32,
    pub finobt: bool,
    pub rmapbt: bool,
    pub reflink: bool,
    pub inobtcount: bool,
    pub sparse_inodes: bool,
    pub bigtime: bool,
    pub nrext64: bool,
    pub exchange: bool,
    pub parent: bool,
    /// Allow volumes below 300 MB, from 16 MiB on: fit for sandboxes, slow under load.
    pub small: bool,
    /// The device reads as zeros: nothing has to be wiped.
    pub assume_zeroed: bool,
    /// Number of allocation groups, instead of what mkfs.xfs would choose.
    pub ag_count: Option<u32>,
    /// Length of the log in fsblocks, instead of what mkfs.xfs would choose.
    pub log_fsblocks: Option<u32>,
}

impl Default for FormatOptions {
    fn default() -> Self {
        Self {
            block_size: 4096,
            sector_size: 512,
            inode_size: 512,
            dir_block_size: 0,
            label: Vec::new(),
            uuid: Uuid::nil(),
            now: Timestamp::default(),
            generation: 0,
            finobt: true,
            rmapbt: true,
            reflink: true,
            inobtcount: true,
            sparse_inodes: true,
            bigtime: true,
            nrext64: true,
            exchange: true,
            parent: true,
            small: false,
            assume_zeroed: false,
            ag_count: None,
            log_fsblocks: None,
        }
    }
}

impl FormatOptions {
    /// Defaults with what every volume needs of its own: a UUID, the time, and a seed for generation numbers.
    #[must_use]
    pub fn new(uuid: Uuid, now: Timestamp, generation: u32) -> Self {
        Self { uuid, now, generation, ..Self::default() }
    }
}

impl Volume {
    /// Makes a fresh volume that fills `device`, and gives the device back. All that was on it is lost.
    ///
    /// # Errors
    /// [`Mistake::Argument`](crate::error::Mistake::Argument) when the options contradict each other or the device is
    /// too small for them: nothing was written then. Otherwise those of the device.
    pub fn format(mut device: Box<dyn BlockDevice>, options: &FormatOptions) -> Result<Box<dyn BlockDevice>> {
        let shape = Shape::new(device.len_bytes(), options)?;
        if device.is_read_only() {
            return Err(DeviceError::ReadOnly.into());
        }
        if !options.assume_zeroed {
            wipe::signatures(&mut *device)?;
            device.flush()?;
        }
        write_ags(&mut *device, &shape)?;
        write_log(&mut *device, &shape, options.assume_zeroed)?;
        let (ag, agblock) = (AgNumber(0), shape.layout(AgNumber(0)).chunk_start());
        device.write_at(shape.geometry.ag_byte(ag, agblock), &root::chunk(&shape, options))?;
        device.flush()?;
        device.write_at(0, &primary(&shape))?;
        device.flush()?;
        Ok(device)
    }
}

/// Headers and btree roots of every AG. The primary superblock stays marked as being in progress.
fn write_ags(device: &mut dyn BlockDevice, shape: &Shape) -> Result<()> {
    for ag in shape.geometry.ags() {
        let bytes = ag::start_of_ag(shape, ag);
        device.write_at(shape.geometry.ag_byte(ag, AgBlock(0)), &bytes)?;
    }
    Ok(())
}

fn write_log(device: &mut dyn BlockDevice, shape: &Shape, is_zeroed: bool) -> Result<()> {
    let geometry = &shape.geometry;
    let start = geometry.byte(geometry.logstart);
    let record = log::first_record(geometry);
    if !is_zeroed {
        let len = u64::from(geometry.logblocks) << geometry.blocklog;
        wipe::zero(device, start, len)?;
    }
    Ok(device.write_at(start, &record)?)
}

/// The finished primary superblock, a whole sector.
fn primary(shape: &Shape) -> Vec<u8> {
    let mut sector = alloc::vec![0; shape.geometry.sectsize as usize];
    header::put(&mut sector, 0, shape.superblock.as_bytes());
    header::seal(BlockKind::Superblock, &mut sector);
    sector
}
