//! The shape of a volume, and the only place where one kind of address becomes another.
//!
//! Source: "Superblocks", "Allocation Groups", "Inode Numbers".

use alloc::format;

use uuid::Uuid;

use crate::error::{Error, Place, Problem, Result};
use crate::format::da::{name_hash, name_hash_ascii_ci};
use crate::format::features::{Features2, Incompat, LogIncompat, RoCompat, Version};
use crate::format::superblock::{MAGIC, RawSuperblock};
use crate::units::{AgBlock, AgIno, AgNumber, Daddr, FileBlock, FsBlock, Ino};

/// Smallest AG that the format allows, in fsblocks.
pub const MIN_AG_FSBLOCKS: u32 = 64;

/// Byte offset in a directory's data fork where leaf and node blocks start.
const DIR_LEAF_BYTES: u64 = 1 << 35;
/// Byte offset in a directory's data fork where free index blocks start.
const DIR_FREE_BYTES: u64 = 1 << 36;

/// Everything about a volume that does not change while it is open.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields carry the kernel's names; units are in the names or below")]
pub struct Geometry {
    /// Bytes in a fsblock.
    pub blocksize: u32,
    pub blocklog: u8,
    /// Bytes in a sector, the smallest write to the device.
    pub sectsize: u32,
    pub inodesize: u32,
    pub inodelog: u8,
    /// Inodes in a fsblock.
    pub inopblock: u32,
    pub inopblog: u8,
    /// Fsblocks in every AG but the last.
    pub agblocks: u32,
    pub agblklog: u8,
    pub agcount: u32,
    /// Fsblocks of the data device.
    pub dblocks: u64,
    /// Log2 of fsblocks in a directory block.
    pub dirblklog: u8,
    /// First fsblock of the internal log; null when the log is external.
    pub logstart: FsBlock,
    /// Length of the log in fsblocks.
    pub logblocks: u32,
    /// Log stripe unit in bytes; 1 for none.
    pub logsunit_bytes: u32,
    pub rootino: Ino,
    /// Fsblocks of the realtime device; 0 without one.
    pub rblocks: u64,
    /// Alignment of inode chunks in fsblocks; 0 or 1 for none.
    pub inoalignmt: u32,
    /// Alignment of pieces of sparse chunks in fsblocks.
    pub spino_align: u32,
    /// Stripe unit in fsblocks; 0 for none.
    pub stripe_unit: u32,
    /// Most of the space that inodes may take, in percent; 0 for no limit.
    pub imax_pct: u8,
    /// The volume's UUID as users see it.
    pub uuid: Uuid,
    /// The UUID that metadata carries.
    pub meta_uuid: [u8; 16],
    pub version: Version,
    pub features2: Features2,
    pub ro_compat: RoCompat,
    pub incompat: Incompat,
    pub log_incompat: LogIncompat,
    /// Volume label, NUL padded.
    pub fname: [u8; 12],
}

fn corrupt(problem: Problem) -> Error {
    Error::corrupt("superblock", Place::daddr(Daddr(0)), problem)
}

fn bounds(ok: bool, field: &'static str, found: impl Into<u64>) -> Result<()> {
    if ok { Ok(()) } else { Err(corrupt(Problem::Bounds { field, found: found.into() })) }
}

/// Smallest `n` with `2^n >= value`.
const fn ceil_log2(value: u32) -> u8 {
    if value <= 1 { 0 } else { (32 - (value - 1).leading_zeros()) as u8 }
}

impl Geometry {
    /// Decodes and checks a superblock whose checksum was already verified.
    ///
    /// # Errors
    /// [`Error::Corrupt`] for fields that contradict each other, [`Error::Unsupported`] for what cannot be read.
    pub fn from_superblock(sb: &RawSuperblock) -> Result<Self> {
        if sb.magicnum.get() != MAGIC {
            return Err(corrupt(Problem::Value {
                field: "magic",
                expected: MAGIC.into(),
                found: sb.magicnum.get().into(),
            }));
        }
        let version_number = sb.versionnum.get() & 0xf;
        if version_number != 5 {
            return Err(Error::unsupported(format!("XFS format version {version_number} (v5 is required)")));
        }
        check_features(sb)?;
        check_sizes(sb)?;
        check_extent_of_volume(sb)?;
        let incompat = Incompat::from_bits_retain(sb.features_incompat.get());
        let meta_uuid = if incompat.contains(Incompat::META_UUID) { sb.meta_uuid } else { sb.uuid };
        let logstart = FsBlock(if sb.logstart.get() == 0 { u64::MAX } else { sb.logstart.get() });
        let geometry = Self {
            blocksize: sb.blocksize.get(),
            blocklog: sb.blocklog,
            sectsize: sb.sectsize.get().into(),
            inodesize: sb.inodesize.get().into(),
            inodelog: sb.inodelog,
            inopblock: sb.inopblock.get().into(),
            inopblog: sb.inopblog,
            agblocks: sb.agblocks.get(),
            agblklog: sb.agblklog,
            agcount: sb.agcount.get(),
            dblocks: sb.dblocks.get(),
            dirblklog: sb.dirblklog,
            logstart,
            logblocks: sb.logblocks.get(),
            logsunit_bytes: sb.logsunit.get(),
            rootino: Ino(sb.rootino.get()),
            rblocks: sb.rblocks.get(),
            inoalignmt: sb.inoalignmt.get(),
            spino_align: sb.spino_align.get(),
            stripe_unit: sb.unit.get(),
            imax_pct: sb.imax_pct,
            uuid: Uuid::from_bytes(sb.uuid),
            meta_uuid,
            version: Version::from_bits_retain(sb.versionnum.get() & !0xf),
            features2: Features2::from_bits_retain(sb.features2.get()),
            ro_compat: RoCompat::from_bits_retain(sb.features_ro_compat.get()),
            incompat,
            log_incompat: LogIncompat::from_bits_retain(sb.features_log_incompat.get()),
            fname: sb.fname,
        };
        geometry.check_log()?;
        geometry.check_root()?;
        Ok(geometry)
    }

    fn check_log(&self) -> Result<()> {
        if self.logstart.is_null() {
            return Ok(());
        }
        let (ag, agblock) = self.split(self.logstart);
        let end = u64::from(agblock.0) + u64::from(self.logblocks);
        let ok = self.logblocks > 0 && ag.0 < self.agcount && end <= u64::from(self.ag_len(ag));
        bounds(ok, "logstart", self.logstart.0)
    }

    fn check_root(&self) -> Result<()> {
        bounds(self.is_valid_ino(self.rootino), "rootino", self.rootino.0)
    }

    /// Whether the feature is on.
    #[must_use]
    pub fn has_rmapbt(&self) -> bool {
        self.ro_compat.contains(RoCompat::RMAPBT)
    }

    /// Whether the feature is on.
    #[must_use]
    pub fn has_reflink(&self) -> bool {
        self.ro_compat.contains(RoCompat::REFLINK)
    }

    /// Whether the feature is on.
    #[must_use]
    pub fn has_finobt(&self) -> bool {
        self.ro_compat.contains(RoCompat::FINOBT)
    }

    /// Whether the feature is on.
    #[must_use]
    pub fn has_inobtcount(&self) -> bool {
        self.ro_compat.contains(RoCompat::INOBTCNT)
    }

    /// Whether the feature is on.
    #[must_use]
    pub fn has_sparse_inodes(&self) -> bool {
        self.incompat.contains(Incompat::SPINODES)
    }

    /// Whether the feature is on.
    #[must_use]
    pub fn has_parent_pointers(&self) -> bool {
        self.incompat.contains(Incompat::PARENT)
    }

    /// Whether names that differ in the case of their letters only are the same.
    #[must_use]
    pub fn ignores_case(&self) -> bool {
        self.version.contains(Version::BORG)
    }

    /// Hash of a name as the directories and the parent pointers of this volume use it.
    #[must_use]
    pub fn dir_hash(&self, name: &[u8]) -> u32 {
        if self.ignores_case() { name_hash_ascii_ci(name) } else { name_hash(name) }
    }

    /// Fsblocks in `ag`; 0 for an AG that does not exist.
    #[must_use]
    pub fn ag_len(&self, ag: AgNumber) -> u32 {
        if ag.0.saturating_add(1) < self.agcount {
            self.agblocks
        } else if ag.0 < self.agcount {
            (self.dblocks - u64::from(ag.0) * u64::from(self.agblocks)) as u32
        } else {
            0
        }
    }

    /// Every AG number, ascending.
    pub fn ags(&self) -> impl DoubleEndedIterator<Item = AgNumber> + use<> {
        (0..self.agcount).map(AgNumber)
    }

    /// Fsblocks at the start of each AG that hold its headers.
    #[must_use]
    pub fn ag_header_blocks(&self) -> u32 {
        (4 * self.sectsize).div_ceil(self.blocksize)
    }

    /// The fsblock of `agblock` in `ag`.
    #[must_use]
    pub fn fsblock(&self, ag: AgNumber, agblock: AgBlock) -> FsBlock {
        FsBlock((u64::from(ag.0) << self.agblklog) | u64::from(agblock.0))
    }

    /// AG and AG block of `fsblock`. The parts may lie outside the volume when it comes from disk.
    #[must_use]
    pub fn split(&self, fsblock: FsBlock) -> (AgNumber, AgBlock) {
        let ag = u32::try_from(fsblock.0 >> self.agblklog).unwrap_or(u32::MAX);
        (AgNumber(ag), AgBlock((fsblock.0 & ((1 << self.agblklog) - 1)) as u32))
    }

    /// Whether `len_fsblocks` blocks from `fsblock` on lie inside one AG, behind its headers.
    #[must_use]
    pub fn is_valid_extent(&self, fsblock: FsBlock, len_fsblocks: u32) -> bool {
        let (ag, agblock) = self.split(fsblock);
        self.is_valid_ag_extent(ag, agblock, len_fsblocks)
    }

    /// Whether `len_fsblocks` blocks from `agblock` on lie inside `ag`, behind its headers.
    #[must_use]
    pub fn is_valid_ag_extent(&self, ag: AgNumber, agblock: AgBlock, len_fsblocks: u32) -> bool {
        len_fsblocks > 0
            && agblock.0 >= self.ag_header_blocks()
            && u64::from(agblock.0) + u64::from(len_fsblocks) <= u64::from(self.ag_len(ag))
    }

    /// The cluster that `ino` is in, the unit in which inodes are logged: its disk address, its length in basic blocks,
    /// and the byte where `ino` starts in it.
    #[must_use]
    pub fn inode_cluster(&self, ino: Ino) -> (Daddr, u32, u32) {
        let (ag, agino) = self.split_ino(ino);
        let (block, cluster) = (self.agino_block(agino), self.cluster_fsblocks());
        let daddr = self.ag_daddr(ag, AgBlock(block.0 / cluster * cluster));
        let boffset = self.ino_byte(ino) - (daddr.0 << 9);
        (daddr, cluster << (self.blocklog - 9), boffset as u32)
    }

    /// Length of the internal log in basic blocks; saturates for one that is too long to be used.
    #[must_use]
    pub fn log_bb(&self) -> u32 {
        u32::try_from(u64::from(self.logblocks) << (self.blocklog - 9)).unwrap_or(u32::MAX)
    }

    /// Byte offset of `agblock` in the device.
    #[must_use]
    pub fn ag_byte(&self, ag: AgNumber, agblock: AgBlock) -> u64 {
        (u64::from(ag.0) * u64::from(self.agblocks) + u64::from(agblock.0)) << self.blocklog
    }

    /// Byte offset of `fsblock` in the device.
    #[must_use]
    pub fn byte(&self, fsblock: FsBlock) -> u64 {
        let (ag, agblock) = self.split(fsblock);
        self.ag_byte(ag, agblock)
    }

    /// Disk address of `agblock`.
    #[must_use]
    pub fn ag_daddr(&self, ag: AgNumber, agblock: AgBlock) -> Daddr {
        Daddr(self.ag_byte(ag, agblock) >> 9)
    }

    /// Disk address of `fsblock`.
    #[must_use]
    pub fn daddr(&self, fsblock: FsBlock) -> Daddr {
        Daddr(self.byte(fsblock) >> 9)
    }

    /// Disk address of sector `sector` of `ag`: 0 superblock, 1 AGF, 2 AGI, 3 AGFL.
    #[must_use]
    pub fn ag_sector(&self, ag: AgNumber, sector: u32) -> Daddr {
        Daddr((self.ag_byte(ag, AgBlock(0)) + u64::from(sector) * u64::from(self.sectsize)) >> 9)
    }

    /// The inode number of `agino` in `ag`.
    #[must_use]
    pub fn ino(&self, ag: AgNumber, agino: AgIno) -> Ino {
        Ino((u64::from(ag.0) << (self.agblklog + self.inopblog)) | u64::from(agino.0))
    }

    /// AG and AG-relative inode of `ino`. The parts may lie outside the volume when it comes from disk.
    #[must_use]
    pub fn split_ino(&self, ino: Ino) -> (AgNumber, AgIno) {
        let bits = self.agblklog + self.inopblog;
        let ag = u32::try_from(ino.0 >> bits).unwrap_or(u32::MAX);
        (AgNumber(ag), AgIno((ino.0 & ((1 << bits) - 1)) as u32))
    }

    /// AG block that holds `agino`.
    #[must_use]
    pub fn agino_block(&self, agino: AgIno) -> AgBlock {
        AgBlock(agino.0 >> self.inopblog)
    }

    /// First AG-relative inode in `agblock`.
    #[must_use]
    pub fn first_agino(&self, agblock: AgBlock) -> AgIno {
        AgIno(agblock.0 << self.inopblog)
    }

    /// Whether `ino` could be an inode: inside its AG, behind the headers.
    #[must_use]
    pub fn is_valid_ino(&self, ino: Ino) -> bool {
        let (ag, agino) = self.split_ino(ino);
        self.is_valid_ag_extent(ag, self.agino_block(agino), 1)
    }

    /// Byte offset of `ino` in the device.
    #[must_use]
    pub fn ino_byte(&self, ino: Ino) -> u64 {
        let (ag, agino) = self.split_ino(ino);
        let slot = u64::from(agino.0) & (u64::from(self.inopblock) - 1);
        self.ag_byte(ag, self.agino_block(agino)) + (slot << self.inodelog)
    }

    /// Fsblocks that a chunk of 64 inodes takes; at least 1.
    #[must_use]
    pub fn chunk_fsblocks(&self) -> u32 {
        (64 >> self.inopblog).max(1)
    }

    /// Fsblocks of an inode cluster, the unit in which inodes are read; at least 1.
    #[must_use]
    pub fn cluster_fsblocks(&self) -> u32 {
        // On v5 a cluster holds 32 inodes: 8 KiB scaled by the inode size over the 256 bytes of old.
        ((self.inodesize * 32) >> self.blocklog).max(1)
    }

    /// Fsblocks in a directory block.
    #[must_use]
    pub fn dir_fsblocks(&self) -> u32 {
        1 << self.dirblklog
    }

    /// Bytes in a directory block.
    #[must_use]
    pub fn dir_blocksize(&self) -> u32 {
        self.blocksize << self.dirblklog
    }

    /// First file block of a directory's leaf and node space.
    #[must_use]
    pub fn dir_leaf_start(&self) -> FileBlock {
        FileBlock(DIR_LEAF_BYTES >> self.blocklog)
    }

    /// First file block of a directory's free index space.
    #[must_use]
    pub fn dir_free_start(&self) -> FileBlock {
        FileBlock(DIR_FREE_BYTES >> self.blocklog)
    }

    /// File block that holds byte `offset` of a file.
    #[must_use]
    pub fn file_block(&self, offset: u64) -> FileBlock {
        FileBlock(offset >> self.blocklog)
    }

    /// First file block at or behind byte `offset`.
    #[must_use]
    pub fn file_block_up(&self, offset: u64) -> FileBlock {
        FileBlock((offset >> self.blocklog) + u64::from(offset & (u64::from(self.blocksize) - 1) != 0))
    }

    /// Byte offset of a file block in its file.
    #[must_use]
    pub fn file_byte(&self, block: FileBlock) -> u64 {
        block.0 << self.blocklog
    }

    /// The label without its padding.
    #[must_use]
    pub fn label(&self) -> &[u8] {
        let end = self.fname.iter().position(|&b| b == 0).unwrap_or(self.fname.len());
        &self.fname[..end]
    }
}

/// Refuses what cannot even be read, by name.
fn check_features(sb: &RawSuperblock) -> Result<()> {
    let incompat = Incompat::from_bits_retain(sb.features_incompat.get());
    if let Some(bits) = crate::format::features::unknown_bits(&incompat) {
        return Err(Error::unsupported(format!("unknown incompatible feature bits {bits}")));
    }
    if incompat.intersects(Incompat::ZONED | Incompat::ZONE_GAPS) {
        return Err(Error::unsupported("zoned realtime device"));
    }
    if sb.inprogress != 0 {
        return Err(Error::unsupported("volume whose making was never finished (sb_inprogress)"));
    }
    let version = Version::from_bits_retain(sb.versionnum.get());
    let needed = Version::NLINK | Version::LOGV2 | Version::EXTFLG | Version::DIRV2 | Version::MOREBITS;
    bounds(
        version.contains(needed) && !version.contains(Version::SHARED),
        "versionnum",
        sb.versionnum.get(),
    )?;
    let features2 = Features2::from_bits_retain(sb.features2.get());
    bounds(features2.contains(Features2::CRC), "features2", sb.features2.get())
}

fn check_sizes(sb: &RawSuperblock) -> Result<()> {
    let power = |size: u32, log: u8, min: u32, max: u32| {
        size.is_power_of_two() && size.trailing_zeros() == u32::from(log) && (min..=max).contains(&size)
    };
    let (blocksize, sectsize) = (sb.blocksize.get(), u32::from(sb.sectsize.get()));
    let inodesize = u32::from(sb.inodesize.get());
    bounds(power(blocksize, sb.blocklog, 1024, 65536), "blocksize", blocksize)?;
    bounds(power(sectsize, sb.sectlog, 512, 32768), "sectsize", sectsize)?;
    bounds(sectsize <= blocksize, "sectsize", sectsize)?;
    bounds(power(inodesize, sb.inodelog, 512, 2048) && inodesize <= blocksize, "inodesize", inodesize)?;
    let inopblock = u32::from(sb.inopblock.get());
    let packs = inopblock.checked_mul(inodesize) == Some(blocksize) && power(inopblock, sb.inopblog, 1, 128);
    bounds(packs, "inopblock", inopblock)?;
    bounds(sb.dirblklog <= 16 - sb.blocklog, "dirblklog", sb.dirblklog)?;
    bounds(sb.imax_pct <= 100, "imax_pct", sb.imax_pct)?;
    bounds(sb.shared_vn == 0, "shared_vn", sb.shared_vn)
}

fn check_extent_of_volume(sb: &RawSuperblock) -> Result<()> {
    let (agblocks, agcount, dblocks) = (sb.agblocks.get(), sb.agcount.get(), sb.dblocks.get());
    let max_ag_bytes = 1_u64 << 40;
    let ag_bytes = u64::from(agblocks) << sb.blocklog;
    bounds(agblocks >= MIN_AG_FSBLOCKS && ag_bytes <= max_ag_bytes, "agblocks", agblocks)?;
    bounds(sb.agblklog == ceil_log2(agblocks), "agblklog", sb.agblklog)?;
    bounds(agcount > 0, "agcount", agcount)?;
    let most = u64::from(agcount) * u64::from(agblocks);
    let least = most - u64::from(agblocks) + u64::from(MIN_AG_FSBLOCKS);
    bounds((least..=most).contains(&dblocks), "dblocks", dblocks)?;
    // Beyond this, byte addresses overflow 63 bits.
    bounds(dblocks <= (1_u64 << 63) >> sb.blocklog, "dblocks", dblocks)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A volume of one AG, for tests of the floors below `Volume`.
    pub(crate) fn sample() -> Geometry {
        Geometry {
            blocksize: 1024,
            blocklog: 10,
            sectsize: 512,
            inodesize: 512,
            inodelog: 9,
            inopblock: 2,
            inopblog: 1,
            agblocks: 1 << 20,
            agblklog: 20,
            agcount: 1,
            dblocks: 1 << 20,
            dirblklog: 2,
            logstart: FsBlock::NULL,
            logblocks: 0,
            logsunit_bytes: 1,
            rootino: Ino(128),
            rblocks: 0,
            inoalignmt: 32,
            spino_align: 16,
            stripe_unit: 0,
            imax_pct: 25,
            uuid: uuid::Uuid::nil(),
            meta_uuid: [0; 16],
            version: Version::empty(),
            features2: Features2::empty(),
            ro_compat: RoCompat::all(),
            incompat: Incompat::NREXT64,
            log_incompat: LogIncompat::empty(),
            fname: [0; 12],
        }
    }

    #[test]
    fn ceil_log2_rounds_up() {
        assert_eq!([1, 2, 3, 4, 5, 64, 65, u32::MAX].map(ceil_log2), [0, 1, 2, 2, 3, 6, 7, 32]);
    }
}
