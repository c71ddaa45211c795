//! The log of a fresh volume: how long it is, and the one record in it.
//!
//! The kernel refuses a log that is shorter than a few of its largest transactions, a number that it derives from
//! block size, features and AG size in ways that differ between releases. The tables below hold what mkfs.xfs 7.2
//! asks for (Linux 6.18 wants a little less), measured.
//!
//! Source: "Journaling Log"; sizes measured.

use alloc::vec::Vec;

use super::FormatOptions;
use crate::format::header::put;
use crate::geometry::Geometry;

const GIB: u64 = 1 << 30;

/// Volumes below this get the shortest log that is allowed.
const SMALL_BYTES: u64 = 300 << 20;
/// Log of an ordinary volume.
const USUAL_BYTES: u64 = 64 << 20;
/// From here on the log grows with the volume.
const GROWS_FROM_BYTES: u64 = 128 * GIB;
/// The log's share of a large volume, in blocks.
const LARGE_SHARE: u64 = 2048;
/// Bounds on a log.
const MAX_BYTES: u64 = 2038 << 20;
const MAX_FSBLOCKS: u64 = 1 << 20;

/// Length of the log in fsblocks.
pub(super) fn length(options: &FormatOptions, dirblklog: u8, dblocks: u64, agblocks: u32) -> u32 {
    let blocksize = u64::from(options.block_size);
    let volume_bytes = dblocks * blocksize;
    let usual = if volume_bytes < SMALL_BYTES {
        0
    } else if volume_bytes < GROWS_FROM_BYTES {
        USUAL_BYTES / blocksize
    } else {
        (dblocks / LARGE_SHARE).clamp(USUAL_BYTES / blocksize, (MAX_BYTES / blocksize).min(MAX_FSBLOCKS))
    };
    // Many AGs in a small volume are asked for by tests; there the shortest log will do as well.
    let fits = !options.small || usual + 64 < u64::from(agblocks);
    let least = minimum(options, dirblklog, agblocks).into();
    (if fits { usual.max(least) } else { least }) as u32
}

/// Shortest log in fsblocks that Linux mounts.
fn minimum(options: &FormatOptions, dirblklog: u8, agblocks: u32) -> u32 {
    if options.parent {
        with_parents(options, dirblklog)
    } else {
        without_parents(options, dirblklog, agblocks)
    }
}

/// With parent pointers neither the size of the AGs nor the other features count.
fn with_parents(options: &FormatOptions, dirblklog: u8) -> u32 {
    // By rising size of a directory block, from that of a block (or 4 KiB) on; on sectors of 512 bytes and on larger
    // ones, where the log has a stripe unit.
    let (small, large): (&[u32], &[u32]) = match options.block_size {
        1024 => (&[4862, 5867, 7757, 11597, 21464], &[3348, 4353, 6243, 10083, 19950]),
        2048 => (&[3172, 3618, 4511, 6326, 9956], &[2433, 2880, 3771, 5586, 9216]),
        4096 => (&[2001, 2218, 2666, 3548, 5310], &[1650, 1866, 2316, 3198, 4959]),
        8192 => (&[1766, 1979, 2413, 3282], &[1608, 1821, 2256, 3126]),
        16384 => (&[1429, 1645, 2075], &[1368, 1584, 2016]),
        32768 => (&[1157, 1369], &[1146, 1359]),
        _ => (&[1127], &[1140]),
    };
    let row = if options.sector_size == 512 { small } else { large };
    let least_dirblklog = (4096 / options.block_size).max(1).ilog2() as u8;
    let index = usize::from(dirblklog.saturating_sub(least_dirblklog)).min(row.len() - 1);
    // Large inodes take up to 30 blocks more.
    row[index] + if options.inode_size > 512 && options.block_size < 65536 { 32 } else { 0 }
}

fn without_parents(options: &FormatOptions, dirblklog: u8, agblocks: u32) -> u32 {
    // Rows: block size; AG size up to which the first number holds, then that number and the one beyond; the
    // number unless both rmapbt and reflink are on.
    let (bound, both, both_large, other) = match options.block_size {
        1024 => (76_800, 5363, 6000, 8681),
        2048 => (38_400, 3606, 4250, 6115),
        4096 => (20_000, 3075, 3300, 4049),
        8192 => (10_000, 2810, 2900, 3739),
        16384 => (1024, 2278, 2671, 2270),
        32768 => (4000, 2213, 2605, 2200),
        _ if agblocks <= 4096 => (2720, 1984, 2180, 1024),
        _ => (0, 0, 2570, 1024),
    };
    let fixed = match (options.rmapbt && options.reflink, agblocks <= bound) {
        (true, true) => both,
        (true, false) => both_large,
        (false, _) => other,
    };
    // Large directory blocks make for large transactions only where blocks are small.
    let directory = match options.block_size {
        1024 if dirblklog > 2 => 9501,
        2048 if dirblklog > 1 => 4440,
        _ => 0,
    };
    fixed.max(directory)
}

/// The record that says that nothing is to be recovered, with its header; goes to the start of the log.
pub(super) fn first_record(geometry: &Geometry) -> Vec<u8> {
    let size = geometry.logsunit_bytes.max(32768);
    // A header covers 32 KiB of record; beyond that come extended ones.
    let headers = size as usize / 32768 * 512;
    let unit = (geometry.logsunit_bytes as usize).max(headers + 512);
    let payload = unit - headers;
    let mut bytes = alloc::vec![0; unit];
    let be = |bytes: &mut [u8], at: usize, value: u32| put(bytes, at, &value.to_be_bytes());
    be(&mut bytes, 0, 0xfeed_babe);
    be(&mut bytes, 4, 1); // cycle
    be(&mut bytes, 8, 2); // version
    be(&mut bytes, 12, payload as u32);
    be(&mut bytes, 16, 1); // cycle of its LSN, whose block is 0
    be(&mut bytes, 24, 1); // cycle of the tail, whose block is 0
    be(&mut bytes, 36, u32::MAX); // no record before this one
    be(&mut bytes, 40, 1); // operations
    be(&mut bytes, 44, 0xb0c0_d0d0); // the first word of the payload, which gives its place to the cycle
    be(&mut bytes, 300, 1); // little-endian Linux
    put(&mut bytes, 304, geometry.uuid.as_bytes());
    be(&mut bytes, 320, size);
    for sector in 1..unit / 512 {
        be(&mut bytes, sector * 512, 1);
    }
    // The one operation: eight bytes from the log itself, flagged as unmount.
    be(&mut bytes, headers + 4, 8);
    put(&mut bytes, headers + 8, &[0xaa, 0x20]);
    put(&mut bytes, headers + 12, &0x556e_u16.to_le_bytes());
    bytes
}
