//! A volume changed through xfskit by the operations of a generator.

#[cfg(unix)]
mod image;

#[cfg(unix)]
pub use image::Session;

use xfskit::volume::{FileType, Follow, Namespace, NewInode, RenameMode, SetAttributes, SetMode, Timestamp};
use xfskit::{Result, Volume};

use crate::ops::{How, Op, value};
use crate::rng::pattern;
use crate::tree::{Kind, Time};

/// Does an operation, but [`Op::Reopen`], to a volume; its paths start at the directory `top`, `b""` for the root.
///
/// # Errors
/// Those of the operation.
pub fn apply(volume: &mut Volume, top: &[u8], op: &Op) -> Result<()> {
    let ino = |volume: &mut Volume, path: &[u8]| volume.resolve(&[top, path].concat(), Follow::No);
    let set = |volume: &mut Volume, path: &[u8], attributes: SetAttributes| {
        let ino = ino(volume, path)?;
        volume.set_attributes(ino, &attributes)
    };
    match op {
        Op::Write { path, seed, offset_bytes, len_bytes } => {
            let ino = ino(volume, path)?;
            volume.write(ino, *offset_bytes, &pattern(*seed, *offset_bytes, *len_bytes))
        }
        Op::Truncate { path, size_bytes } => {
            let ino = ino(volume, path)?;
            volume.truncate(ino, *size_bytes)
        }
        Op::CloneFile { source, target } => {
            let (source, target) = (ino(volume, source)?, ino(volume, target)?);
            volume.clone_file(source, target)
        }
        Op::CloneRange { source, from_bytes, target, to_bytes, len_bytes } => {
            let (source, target) = (ino(volume, source)?, ino(volume, target)?);
            volume.clone_range(source, *from_bytes, target, *to_bytes, *len_bytes)
        }
        Op::Chmod { path, mode } => {
            set(volume, path, SetAttributes { mode: Some(*mode), ..SetAttributes::default() })
        }
        Op::Chown { path, uid, gid } => {
            let (uid, gid) = (Some(*uid), Some(*gid));
            set(volume, path, SetAttributes { uid, gid, ..SetAttributes::default() })
        }
        Op::Utimes { path, atime, mtime } => {
            let (atime, mtime) = (Some(stamp(*atime)), Some(stamp(*mtime)));
            set(volume, path, SetAttributes { atime, mtime, ..SetAttributes::default() })
        }
        Op::SetXattr { path, name, seed, len_bytes } => {
            let ino = ino(volume, path)?;
            volume.set_xattr(ino, Namespace::User, name, &value(*seed, *len_bytes), SetMode::Either)
        }
        Op::RemoveXattr { path, name } => {
            let ino = ino(volume, path)?;
            volume.remove_xattr(ino, Namespace::User, name)
        }
        Op::SetAcl { path, kind, list } => {
            let ino = ino(volume, path)?;
            volume.set_acl(ino, *kind, list.as_ref())
        }
        Op::Sync => volume.sync(),
        Op::Fsync { path } => {
            let ino = ino(volume, path)?;
            volume.fsync(ino)
        }
        Op::Writeback { path } => {
            let ino = ino(volume, path)?;
            volume.writeback(ino)
        }
        Op::Reopen | Op::Preallocate { .. } | Op::Punch { .. } => unreachable!("not for a volume: {op:?}"),
        _ => apply_to_names(volume, top, op),
    }
}

/// Does an operation that changes names.
fn apply_to_names(volume: &mut Volume, top: &[u8], op: &Op) -> Result<()> {
    let ino = |volume: &mut Volume, path: &[u8]| volume.resolve(&[top, path].concat(), Follow::No);
    match op {
        Op::Create { dir, name, mode } => {
            let dir = ino(volume, dir)?;
            volume.create(dir, name, &new_inode(*mode)).map(drop)
        }
        Op::Mkdir { dir, name, mode } => {
            let dir = ino(volume, dir)?;
            volume.mkdir(dir, name, &new_inode(*mode)).map(drop)
        }
        Op::Unlink { dir, name } => {
            let dir = ino(volume, dir)?;
            volume.unlink(dir, name)
        }
        Op::Rmdir { dir, name } => {
            let dir = ino(volume, dir)?;
            volume.rmdir(dir, name)
        }
        Op::Symlink { dir, name, target } => {
            let dir = ino(volume, dir)?;
            volume.symlink(dir, name, target, &new_inode(0o777)).map(drop)
        }
        Op::Mknod { dir, name, mode, kind, rdev } => {
            let dir = ino(volume, dir)?;
            volume.mknod(dir, name, file_type(*kind), *rdev, &new_inode(*mode)).map(drop)
        }
        Op::Link { path, dir, name } => {
            let (file, dir) = (ino(volume, path)?, ino(volume, dir)?);
            volume.link(file, dir, name)
        }
        Op::Rename { dir, name, new_dir, new_name, how } => {
            let (dir, new_dir) = (ino(volume, dir)?, ino(volume, new_dir)?);
            volume.rename(dir, name, new_dir, new_name, rename_mode(*how))
        }
        Op::Tmpfile { dir, name, mode, seed, len_bytes } => {
            let dir = ino(volume, dir)?;
            let file = volume.tmpfile(dir, &new_inode(*mode))?;
            let linked = volume
                .write(file, 0, &pattern(*seed, 0, *len_bytes))
                .and_then(|()| volume.link(file, dir, name));
            linked.and(volume.release(file))
        }
        _ => unreachable!("changes no names: {op:?}"),
    }
}

/// The type of a kind.
pub fn file_type(kind: Kind) -> FileType {
    match kind {
        Kind::File => FileType::Regular,
        Kind::Directory => FileType::Directory,
        Kind::Symlink => FileType::Symlink,
        Kind::CharDevice => FileType::CharDevice,
        Kind::BlockDevice => FileType::BlockDevice,
        Kind::Fifo => FileType::Fifo,
        Kind::Socket => FileType::Socket,
    }
}

fn rename_mode(how: How) -> RenameMode {
    match how {
        How::Replace => RenameMode::Replace,
        How::NoReplace => RenameMode::NoReplace,
        How::Exchange => RenameMode::Exchange,
        How::Whiteout => RenameMode::Whiteout { uid: 0, gid: 0, no_replace: false },
    }
}

/// All that xfskit's own check has to say about a volume, one finding a line.
///
/// # Panics
/// If checking itself fails.
pub fn findings(volume: &mut Volume) -> Vec<String> {
    let mut found = Vec::new();
    let summary =
        volume.check(&mut |finding| found.push(format!("{:?}: {}", finding.severity, finding.corruption)));
    summary.expect("check runs");
    found
}

/// Attributes of a new inode that belongs to root.
pub fn new_inode(mode: u16) -> NewInode {
    NewInode { mode, uid: 0, gid: 0 }
}

/// A time as volumes take it.
pub fn stamp((seconds, nanoseconds): Time) -> Timestamp {
    Timestamp { seconds, nanoseconds }
}
