//! Attributes as FUSE has them.

use std::time::{SystemTime, UNIX_EPOCH};

use fuser::{FileAttr, INodeNo, TimeOrNow};
use xfskit::units::Ino;
use xfskit::volume::{FileType, Stat, Timestamp};

/// The type as FUSE has it.
pub(crate) fn kind(file_type: FileType) -> fuser::FileType {
    match file_type {
        FileType::Regular => fuser::FileType::RegularFile,
        FileType::Directory => fuser::FileType::Directory,
        FileType::Symlink => fuser::FileType::Symlink,
        FileType::CharDevice => fuser::FileType::CharDevice,
        FileType::BlockDevice => fuser::FileType::BlockDevice,
        FileType::Fifo => fuser::FileType::NamedPipe,
        FileType::Socket => fuser::FileType::Socket,
    }
}

/// The attributes of an inode; `root` is the volume's root directory.
pub(crate) fn of(stat: &Stat, root: Ino) -> FileAttr {
    FileAttr {
        ino: to_fuse(stat.ino, root),
        size: stat.size,
        blocks: stat.blocks_512,
        atime: to_system(stat.atime),
        mtime: to_system(stat.mtime),
        ctime: to_system(stat.ctime),
        crtime: to_system(stat.crtime),
        kind: kind(stat.file_type),
        perm: stat.mode,
        nlink: stat.nlink,
        uid: stat.uid,
        gid: stat.gid,
        rdev: pack_rdev(stat.rdev),
        blksize: stat.blocksize,
        flags: 0,
    }
}

/// The number that FUSE knows an inode by: 1 is the root.
pub(crate) fn to_fuse(ino: Ino, root: Ino) -> INodeNo {
    if ino == root { INodeNo::ROOT } else { INodeNo(ino.0) }
}

/// The inode that FUSE means.
pub(crate) fn from_fuse(ino: INodeNo, root: Ino) -> Ino {
    if ino == INodeNo::ROOT { root } else { Ino(ino.0) }
}

/// Linux's 32-bit form of a device number: 12 bits of major number between 8 and 12 of minor.
fn pack_rdev((major, minor): (u32, u32)) -> u32 {
    (minor & 0xff) | (major & 0xfff) << 8 | (minor & !0xff) << 12
}

/// The same the other way.
pub(crate) fn unpack_rdev(rdev: u32) -> (u32, u32) {
    (rdev >> 8 & 0xfff, rdev & 0xff | rdev >> 12 & 0xf_ff00)
}

/// A time as the host has it.
fn to_system(time: Timestamp) -> SystemTime {
    let time = match time.to_epoch() {
        Ok(after) => UNIX_EPOCH.checked_add(after),
        Err(before) => UNIX_EPOCH.checked_sub(before),
    };
    time.unwrap_or(UNIX_EPOCH)
}

/// A time as the volume has it.
fn from_system(time: SystemTime) -> Timestamp {
    Timestamp::from_epoch(time.duration_since(UNIX_EPOCH).map_err(|error| error.duration()))
}

/// The time that was asked for.
pub(crate) fn asked(time: TimeOrNow) -> Timestamp {
    match time {
        TimeOrNow::SpecificTime(time) => from_system(time),
        TimeOrNow::Now => now(),
    }
}

/// The time it is.
pub(crate) fn now() -> Timestamp {
    from_system(SystemTime::now())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_numbers_come_back() {
        for rdev in [(0, 0), (8, 17), (511, 262_143), (1, 256)] {
            assert_eq!(unpack_rdev(pack_rdev(rdev)), rdev);
        }
    }
}
