//! The shape of a fresh volume: sizes, AGs, where everything lies, and the superblock that says so.

use alloc::vec::Vec;

use zerocopy::FromZeros;

use super::FormatOptions;
use super::log;
use crate::error::{Error, Mistake, Result};
use crate::format::btree::{FreeRec, RmapRec, SHORT_HEADER_BYTES};
use crate::format::features::{Features2, Incompat, RoCompat, Version};
use crate::format::superblock::{MAGIC, RawSuperblock};
use crate::geometry::Geometry;
use crate::units::{AgBlock, AgNumber, Ino};

const MIB: u64 = 1 << 20;
const TIB: u64 = 1 << 40;

/// Smallest volume that is fit for general use.
const MIN_BYTES: u64 = 300 * 1000 * 1000;
/// Smallest volume at all.
const MIN_SMALL_BYTES: u64 = 16 * MIB;
/// Linux wants AGs of at least this size. A shorter last AG is left out.
const MIN_AG_BYTES: u64 = 16 * MIB;
/// Inodes in use on a fresh volume: root directory, realtime bitmap and summary.
pub(super) const USED_INODES: u32 = 3;

/// A fresh volume before it is written.
pub(super) struct Shape {
    /// The primary superblock as it will be in the end, but for its checksum.
    pub(super) superblock: RawSuperblock,
    /// The same, decoded.
    pub(super) geometry: Geometry,
}

/// Where the parts of one AG lie, each behind the other.
pub(super) struct Layout {
    /// Fsblocks of this AG.
    pub(super) len: u32,
    /// Fsblocks of the headers.
    pub(super) headers: u32,
    /// Roots of the btrees.
    pub(super) bnobt: AgBlock,
    pub(super) cntbt: AgBlock,
    pub(super) inobt: AgBlock,
    pub(super) finobt: Option<AgBlock>,
    pub(super) rmapbt: Option<AgBlock>,
    pub(super) refcountbt: Option<AgBlock>,
    /// First block behind the roots.
    pub(super) roots_end: u32,
    /// The log, in one AG only: start and length in fsblocks.
    pub(super) log: Option<(u32, u32)>,
    /// Blocks of the AGFL: start and length in fsblocks.
    pub(super) agfl: (u32, u32),
    /// Root inodes, in AG 0 only: start and length in fsblocks.
    pub(super) chunk: Option<(u32, u32)>,
}

impl Layout {
    /// Free extents, by block: start and length in fsblocks.
    pub(super) fn free(&self) -> Vec<(u32, u32)> {
        let behind_agfl = self.agfl.0 + self.agfl.1;
        let ranges = match self.chunk {
            Some((start, len)) => [(behind_agfl, start), (start + len, self.len)],
            None => [(behind_agfl, self.len), (self.len, self.len)],
        };
        ranges.iter().filter(|(from, to)| from < to).map(|&(from, to)| (from, to - from)).collect()
    }

    /// Free blocks in the free space btrees.
    pub(super) fn free_blocks(&self) -> u32 {
        self.free().iter().map(|&(_, len)| len).sum()
    }

    /// Start of the root inodes' chunk.
    pub(super) fn chunk_start(&self) -> AgBlock {
        AgBlock(self.chunk.map_or(0, |(start, _)| start))
    }
}

fn refuse<T>(what: &'static str) -> Result<T> {
    Err(Error::Invalid(Mistake::Argument(what)))
}

impl Shape {
    pub(super) fn new(device_bytes: u64, options: &FormatOptions) -> Result<Self> {
        check_options(options)?;
        let least = if options.small { MIN_SMALL_BYTES } else { MIN_BYTES };
        if device_bytes < least {
            return refuse(if options.small {
                "a volume needs at least 16 MiB"
            } else {
                "a volume needs at least 300 MB (or 16 MiB as a small one)"
            });
        }
        let mut agcount = options.ag_count;
        loop {
            let (dblocks, agblocks) = divide(device_bytes, options, agcount)?;
            match Self::with_ags(options, dblocks, agblocks)? {
                Some(shape) => return Ok(shape),
                // Few large AGs leave room for a log where many small ones don't.
                None if options.ag_count.is_none() && dblocks > u64::from(agblocks) => {
                    let count = dblocks.div_ceil(u64::from(agblocks));
                    agcount = Some((count / 2).max(1) as u32);
                }
                None => return refuse("the log does not fit: the volume is too small, or has too many AGs"),
            }
        }
    }

    /// The shape for these AGs; `None` if the log does not fit into one.
    fn with_ags(options: &FormatOptions, dblocks: u64, agblocks: u32) -> Result<Option<Self>> {
        let mut superblock = fixed_fields(options);
        let agcount = dblocks.div_ceil(u64::from(agblocks)) as u32;
        superblock.dblocks.set(dblocks);
        superblock.agblocks.set(agblocks);
        superblock.agcount.set(agcount);
        superblock.agblklog = ceil_log2(agblocks);
        superblock.imax_pct = max_inode_percent(dblocks << superblock.blocklog);
        let logblocks = match options.log_fsblocks {
            Some(wanted) => wanted,
            None => log::length(options, superblock.dirblklog, dblocks, agblocks),
        };
        // For now at the first legal places, so that the layout can be asked where they really go.
        superblock.logblocks.set(1);
        superblock.logstart.set(u64::from(headers(options)));
        superblock.rootino.set(u64::from(headers(options)) << superblock.inopblog);
        let mut shape = Self { geometry: Geometry::from_superblock(&superblock)?, superblock };
        let log_ag = AgNumber(agcount / 2);
        shape.geometry.logblocks = logblocks;
        let roots_end = shape.roots_end();
        let unit = (shape.geometry.logsunit_bytes >> shape.geometry.blocklog).max(1);
        let log_start = AgBlock(roots_end.next_multiple_of(unit));
        shape.geometry.logstart = shape.geometry.fsblock(log_ag, log_start);
        let layout = shape.layout(log_ag);
        let agfl_end = u64::from(layout.agfl.0) + u64::from(layout.agfl.1);
        let end = layout.chunk.map_or(agfl_end, |(start, len)| u64::from(start) + u64::from(len));
        if end >= u64::from(layout.len) {
            return Ok(None);
        }
        shape.superblock.logblocks.set(logblocks);
        shape.superblock.logstart.set(shape.geometry.logstart.0);
        shape.place_root()?;
        Ok(Some(shape))
    }

    /// Fills in what depends on the layout of AG 0, and the counters.
    fn place_root(&mut self) -> Result<()> {
        let first = self.layout(AgNumber(0));
        let rootino = u64::from(first.chunk_start().0) << self.superblock.inopblog;
        self.superblock.rootino.set(rootino);
        self.superblock.rbmino.set(rootino + 1);
        self.superblock.rsumino.set(rootino + 2);
        let mut free = 0_u64;
        for ag in self.geometry.ags() {
            let layout = self.layout(ag);
            free += u64::from(layout.free_blocks()) + u64::from(layout.agfl.1);
        }
        let inodes = self.chunk_inodes();
        self.superblock.icount.set(inodes.into());
        self.superblock.ifree.set((inodes - USED_INODES).into());
        self.superblock.fdblocks.set(free);
        self.geometry = Geometry::from_superblock(&self.superblock)?;
        Ok(())
    }

    /// Inodes that exist on the fresh volume.
    pub(super) fn chunk_inodes(&self) -> u32 {
        self.geometry.chunk_fsblocks() << self.geometry.inopblog
    }

    fn roots_end(&self) -> u32 {
        let geometry = &self.geometry;
        let optional = [geometry.has_finobt(), geometry.has_rmapbt(), geometry.has_reflink()];
        geometry.ag_header_blocks() + 3 + optional.iter().filter(|&&on| on).count() as u32
    }

    /// Blocks on a fresh AGFL: for every free space btree what a root that splits would take. A tree that cannot
    /// outgrow one block takes none.
    fn free_list_len(&self) -> u32 {
        let geometry = &self.geometry;
        let body = geometry.blocksize - SHORT_HEADER_BYTES as u32;
        let least_records = |record_bytes: usize| body / record_bytes as u32 / 2;
        let can_grow = |records: u32, record_bytes: usize| records > least_records(record_bytes);
        let mut len = if can_grow(geometry.agblocks.div_ceil(2), FreeRec::BYTES) { 4 } else { 0 };
        // Shared blocks have any number of records.
        if geometry.has_rmapbt() && (geometry.has_reflink() || can_grow(geometry.agblocks, RmapRec::BYTES)) {
            len += 2;
        }
        len
    }

    /// Where the parts of `ag` lie.
    pub(super) fn layout(&self, ag: AgNumber) -> Layout {
        let geometry = &self.geometry;
        let headers = geometry.ag_header_blocks();
        let mut next = headers + 3;
        let mut optional = |on: bool| {
            on.then(|| {
                next += 1;
                AgBlock(next - 1)
            })
        };
        let finobt = optional(geometry.has_finobt());
        let rmapbt = optional(geometry.has_rmapbt());
        let refcountbt = optional(geometry.has_reflink());
        let roots_end = next;
        let (log_ag, log_start) = geometry.split(geometry.logstart);
        let log = (log_ag == ag).then_some((log_start.0, geometry.logblocks));
        let agfl_start = log.map_or(roots_end, |(start, len)| start.saturating_add(len));
        let agfl = (agfl_start, self.free_list_len());
        let chunk = (ag.0 == 0).then(|| {
            let behind = agfl_start.saturating_add(agfl.1);
            (behind.next_multiple_of(geometry.inoalignmt.max(1)), geometry.chunk_fsblocks())
        });
        Layout {
            len: geometry.ag_len(ag),
            headers,
            bnobt: AgBlock(headers),
            cntbt: AgBlock(headers + 1),
            inobt: AgBlock(headers + 2),
            finobt,
            rmapbt,
            refcountbt,
            roots_end,
            log,
            agfl,
            chunk,
        }
    }

    /// The secondary superblock of `ag`, as mkfs.xfs leaves them: only the middle and the last know the root inode.
    pub(super) fn secondary(&self, ag: AgNumber) -> RawSuperblock {
        let mut sb = self.superblock;
        let last = self.geometry.agcount - 1;
        if ag.0 != (last / 2).max(1) && ag.0 != last {
            sb.rootino.set(Ino::NULL.0);
        }
        sb.rbmino.set(Ino::NULL.0);
        sb.rsumino.set(Ino::NULL.0);
        sb.inprogress = 1;
        sb.icount.set(0);
        sb.ifree.set(0);
        sb.fdblocks.set(sb.fdblocks.get() + u64::from(self.geometry.chunk_fsblocks()));
        sb
    }
}

fn headers(options: &FormatOptions) -> u32 {
    (4 * options.sector_size).div_ceil(options.block_size)
}

fn is_power(value: u32, min: u32, max: u32) -> bool {
    value.is_power_of_two() && (min..=max).contains(&value)
}

fn check_options(options: &FormatOptions) -> Result<()> {
    let block = options.block_size;
    if !is_power(block, 1024, 65536) {
        return refuse("the block size is a power of two from 1024 to 65536");
    }
    if !is_power(options.sector_size, 512, block.min(32768)) {
        return refuse("the sector size is a power of two from 512 to 32768, at most the block size");
    }
    if !is_power(options.inode_size, 512, (block / 2).min(2048)) {
        return refuse("the inode size is a power of two from 512 to 2048, at most half a block");
    }
    if options.dir_block_size != 0 && !is_power(options.dir_block_size, block.max(4096), 65536) {
        return refuse("the directory block size is a power of two from the block size (or 4096) to 65536");
    }
    if options.label.len() > 12 || options.label.contains(&0) {
        return refuse("the label has at most 12 bytes, none of them NUL");
    }
    if options.inobtcount && !options.finobt {
        return refuse("inobtcount needs finobt");
    }
    if options.ag_count == Some(0) {
        return refuse("a volume has at least one AG");
    }
    Ok(())
}

/// Fsblocks of the volume and of one AG.
fn divide(device_bytes: u64, options: &FormatOptions, agcount: Option<u32>) -> Result<(u64, u32)> {
    let blocksize = u64::from(options.block_size);
    let dblocks = device_bytes / blocksize;
    let max_agblocks = TIB / blocksize - 1;
    let agblocks = match agcount {
        Some(count) => dblocks.div_ceil(count.into()),
        None if device_bytes < 32 * MIB => dblocks,
        None if device_bytes < 64 * MIB => dblocks.div_ceil(2),
        None if device_bytes < 4 * TIB => dblocks.div_ceil(4),
        None => max_agblocks,
    };
    if agblocks > max_agblocks {
        return refuse("an AG is smaller than 1 TiB: more AGs are needed");
    }
    if agblocks * blocksize < MIN_AG_BYTES {
        return refuse("an AG has at least 16 MiB: fewer AGs are needed");
    }
    let rest = dblocks % agblocks;
    let is_runt = rest > 0 && dblocks > agblocks && rest * blocksize < MIN_AG_BYTES;
    Ok((if is_runt { dblocks - rest } else { dblocks }, agblocks as u32))
}

fn max_inode_percent(volume_bytes: u64) -> u8 {
    match volume_bytes {
        0..TIB => 25,
        bytes if bytes < 50 * TIB => 5,
        _ => 1,
    }
}

/// Smallest `n` with `2^n >= value`.
const fn ceil_log2(value: u32) -> u8 {
    if value <= 1 { 0 } else { (32 - (value - 1).leading_zeros()) as u8 }
}

fn log2(value: u32) -> u8 {
    value.trailing_zeros() as u8
}

/// Everything that does not depend on the size of the volume.
fn fixed_fields(options: &FormatOptions) -> RawSuperblock {
    let (block, sector, inode) = (options.block_size, options.sector_size, options.inode_size);
    let mut sb = RawSuperblock::new_zeroed();
    sb.magicnum.set(MAGIC);
    sb.blocksize.set(block);
    sb.uuid = options.uuid.into_bytes();
    sb.rextsize.set((4096 / block).max(1));
    sb.sectsize.set(sector as u16);
    sb.inodesize.set(inode as u16);
    sb.inopblock.set((block / inode) as u16);
    sb.fname[..options.label.len()].copy_from_slice(&options.label);
    sb.blocklog = log2(block);
    sb.sectlog = log2(sector);
    sb.inodelog = log2(inode);
    sb.inopblog = log2(block / inode);
    // Clusters are 32 inodes on v5, chunks 64.
    let (cluster, chunk) = (32 * inode / block, 64 * inode / block);
    sb.inoalignmt.set(if options.sparse_inodes { chunk } else { cluster });
    sb.spino_align.set(if options.sparse_inodes { cluster } else { 0 });
    let dir_block = if options.dir_block_size == 0 { block.max(4096) } else { options.dir_block_size };
    sb.dirblklog = log2(dir_block / block);
    sb.logsunit.set(1);
    if sector != 512 {
        sb.logsectlog = log2(sector);
        sb.logsectsize.set(sector as u16);
        sb.logsunit.set(block);
    }
    set_features(&mut sb, options);
    sb
}

fn set_features(sb: &mut RawSuperblock, options: &FormatOptions) {
    let mut version = Version::NLINK | Version::ALIGN | Version::LOGV2 | Version::EXTFLG;
    version |= Version::DIRV2 | Version::MOREBITS;
    version.set(Version::SECTOR, options.sector_size != 512);
    version.set(Version::ATTR, options.parent);
    let features2 = Features2::LAZYSBCOUNT | Features2::ATTR2 | Features2::PROJID32 | Features2::CRC;
    let mut ro_compat = RoCompat::empty();
    ro_compat.set(RoCompat::FINOBT, options.finobt);
    ro_compat.set(RoCompat::RMAPBT, options.rmapbt);
    ro_compat.set(RoCompat::REFLINK, options.reflink);
    ro_compat.set(RoCompat::INOBTCNT, options.inobtcount);
    let mut incompat = Incompat::FTYPE;
    incompat.set(Incompat::SPINODES, options.sparse_inodes);
    incompat.set(Incompat::BIGTIME, options.bigtime);
    incompat.set(Incompat::NREXT64, options.nrext64);
    incompat.set(Incompat::EXCHRANGE, options.exchange);
    incompat.set(Incompat::PARENT, options.parent);
    sb.versionnum.set(version.bits() | 5);
    sb.features2.set(features2.bits());
    sb.bad_features2.set(features2.bits());
    sb.features_ro_compat.set(ro_compat.bits());
    sb.features_incompat.set(incompat.bits());
}
