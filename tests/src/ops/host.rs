//! The same operations, done by the kernel on a mounted volume.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions, Permissions};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::{
    AtFlags, CWD, FallocateFlags, FileType, Gid, Mode, OFlags, RenameFlags, Timespec, Timestamps, Uid,
};

use super::{How, Op};
use crate::referee::run;
use crate::rng::pattern;
use crate::tree::{Kind, Time};

/// Has the kernel do `op` below `root`; [`Op::Reopen`] is left to the caller, and [`Op::Writeback`] to the kernel.
///
/// # Panics
/// If the kernel refuses.
pub fn apply_on_mount(root: &Path, op: &Op) {
    let host = |path: &[u8]| root.join(OsStr::from_bytes(path.strip_prefix(b"/").unwrap_or(path)));
    let child = |dir: &[u8], name: &[u8]| host(dir).join(OsStr::from_bytes(name));
    let done = match op {
        Op::Create { dir, name, mode } => create(&child(dir, name), *mode),
        Op::Mkdir { dir, name, mode } => mkdir(&child(dir, name), *mode),
        Op::Unlink { dir, name } => std::fs::remove_file(child(dir, name)),
        Op::Rmdir { dir, name } => std::fs::remove_dir(child(dir, name)),
        Op::Symlink { dir, name, target } => {
            std::os::unix::fs::symlink(OsStr::from_bytes(target), child(dir, name))
        }
        Op::Mknod { dir, name, mode, kind, rdev } => mknod(&child(dir, name), *mode, *kind, *rdev),
        Op::Link { path, dir, name } => {
            rustix::fs::linkat(CWD, host(path), CWD, child(dir, name), AtFlags::empty()).map_err(Into::into)
        }
        Op::Rename { dir, name, new_dir, new_name, how } => {
            let flags = rename_flags(*how);
            let (old, new) = (child(dir, name), child(new_dir, new_name));
            rustix::fs::renameat_with(CWD, old, CWD, new, flags).map_err(Into::into)
        }
        Op::Tmpfile { dir, name, mode, seed, len_bytes } => {
            tmpfile(&host(dir), &child(dir, name), *mode, &pattern(*seed, 0, *len_bytes))
        }
        Op::Write { path, seed, offset_bytes, len_bytes } => {
            let bytes = pattern(*seed, *offset_bytes, *len_bytes);
            open(&host(path)).and_then(|file| file.write_all_at(&bytes, *offset_bytes))
        }
        Op::Truncate { path, size_bytes } => open(&host(path)).and_then(|file| file.set_len(*size_bytes)),
        Op::CloneFile { source, target } => clone_range(&host(source), 0, &host(target), 0, 0),
        Op::CloneRange { source, from_bytes, target, to_bytes, len_bytes } => {
            clone_range(&host(source), *from_bytes, &host(target), *to_bytes, *len_bytes)
        }
        Op::Chmod { path, mode } => {
            std::fs::set_permissions(host(path), Permissions::from_mode((*mode).into()))
        }
        Op::Chown { path, uid, gid } => {
            let (uid, gid) = (Some(Uid::from_raw(*uid)), Some(Gid::from_raw(*gid)));
            rustix::fs::chownat(CWD, host(path), uid, gid, AtFlags::SYMLINK_NOFOLLOW).map_err(Into::into)
        }
        Op::Utimes { path, atime, mtime } => utimes(&host(path), *atime, *mtime),
        Op::Sync => File::open(root).and_then(|dir| rustix::fs::syncfs(dir).map_err(Into::into)),
        Op::Fsync { path } => open(&host(path)).and_then(|file| file.sync_all()),
        Op::Reopen | Op::Writeback { .. } => Ok(()),
        Op::SetXattr { .. } | Op::RemoveXattr { .. } | Op::SetAcl { .. } => {
            unreachable!("only xfskit does {op:?}")
        }
        Op::Preallocate { path, offset_bytes, len_bytes } => {
            allocate(&host(path), FallocateFlags::KEEP_SIZE, *offset_bytes, *len_bytes)
        }
        Op::Punch { path, offset_bytes, len_bytes } => {
            let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
            allocate(&host(path), flags, *offset_bytes, *len_bytes)
        }
    };
    done.unwrap_or_else(|error| panic!("the kernel refuses {op:?}: {error}"));
}

fn open(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().read(true).write(true).open(path)
}

/// The mode is set apart from the making: the umask of the tests is no part of them.
fn create(path: &Path, mode: u16) -> std::io::Result<()> {
    OpenOptions::new().write(true).create_new(true).open(path)?;
    std::fs::set_permissions(path, Permissions::from_mode(mode.into()))
}

fn mkdir(path: &Path, mode: u16) -> std::io::Result<()> {
    std::fs::DirBuilder::new().mode(0o700).create(path)?;
    std::fs::set_permissions(path, Permissions::from_mode(mode.into()))
}

fn mknod(path: &Path, mode: u16, kind: Kind, (major, minor): (u32, u32)) -> std::io::Result<()> {
    let file_type = match kind {
        Kind::CharDevice => FileType::CharacterDevice,
        Kind::BlockDevice => FileType::BlockDevice,
        Kind::Fifo => FileType::Fifo,
        _ => FileType::Socket,
    };
    rustix::fs::mknodat(CWD, path, file_type, Mode::empty(), rustix::fs::makedev(major, minor))?;
    std::fs::set_permissions(path, Permissions::from_mode(mode.into()))
}

fn rename_flags(how: How) -> RenameFlags {
    match how {
        How::Replace => RenameFlags::empty(),
        How::NoReplace => RenameFlags::NOREPLACE,
        How::Exchange => RenameFlags::EXCHANGE,
        How::Whiteout => RenameFlags::WHITEOUT,
    }
}

fn tmpfile(dir: &Path, path: &Path, mode: u16, bytes: &[u8]) -> std::io::Result<()> {
    let file = File::from(rustix::fs::open(dir, OFlags::TMPFILE | OFlags::RDWR, Mode::RUSR)?);
    file.write_all_at(bytes, 0)?;
    file.set_permissions(Permissions::from_mode(mode.into()))?;
    let open = format!("/proc/self/fd/{}", file.as_raw_fd());
    rustix::fs::linkat(CWD, open, CWD, path, AtFlags::SYMLINK_FOLLOW).map_err(Into::into)
}

fn allocate(path: &Path, flags: FallocateFlags, offset_bytes: u64, len_bytes: u64) -> std::io::Result<()> {
    let file = open(path)?;
    rustix::fs::fallocate(file, flags, offset_bytes, len_bytes).map_err(Into::into)
}

/// Shares a range; a length of 0 means up to the end of the source, as the system call has it.
fn clone_range(source: &Path, from: u64, target: &Path, to: u64, len: u64) -> std::io::Result<()> {
    // xfs_io takes names apart at spaces: give it open files instead.
    let link = plain_link(source);
    let action = format!("reflink {} {from} {to} {len}", link.display());
    let output = run(Command::new("xfs_io").args(["-c", &action]).arg(target));
    std::fs::remove_file(&link)?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if said.is_empty() { Ok(()) } else { Err(std::io::Error::other(said)) }
}

fn plain_link(path: &Path) -> PathBuf {
    let dir = path.ancestors().find(|dir| dir.extension().is_some_and(|name| name == "mnt"));
    let link = dir.expect("below a mount").with_extension("source");
    let _ = std::fs::remove_file(&link);
    std::os::unix::fs::symlink(path, &link).expect("symlink");
    link
}

fn utimes(path: &Path, atime: Time, mtime: Time) -> std::io::Result<()> {
    let stamp = |(tv_sec, nanoseconds): Time| Timespec { tv_sec, tv_nsec: nanoseconds.into() };
    let times = Timestamps { last_access: stamp(atime), last_modification: stamp(mtime) };
    rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).map_err(Into::into)
}
