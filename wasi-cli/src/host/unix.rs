//! Unix hosts.

use std::ffi::OsStr;
use std::fs::{DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io;
#[cfg(target_os = "linux")]
use std::os::fd::AsRawFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{
    DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
};
use std::path::Path;

#[cfg(target_os = "linux")]
use xfskit::volume::Timestamp;
use xfskit::volume::{FileType, Stat};

/// The bytes of a name.
pub(crate) fn bytes(name: &OsStr) -> &[u8] {
    name.as_bytes()
}

/// A name made of bytes.
pub(crate) fn os_str(bytes: &[u8]) -> &OsStr {
    OsStr::from_bytes(bytes)
}

/// Permission bits, setuid, setgid and sticky included.
pub(crate) fn mode(metadata: &Metadata) -> u16 {
    (metadata.mode() & 0o7777) as u16
}

/// Owning user and group.
pub(crate) fn owner(metadata: &Metadata) -> (u32, u32) {
    (metadata.uid(), metadata.gid())
}

/// Whether the file may have holes.
pub(crate) fn may_be_sparse(metadata: &Metadata) -> bool {
    metadata.blocks().saturating_mul(512) < metadata.len()
}

/// Whether both are the same file.
pub(crate) fn is_same_file(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// What tells a file with several names from others.
pub(crate) fn link_key(metadata: &Metadata) -> Option<(u64, u64)> {
    (metadata.nlink() > 1).then(|| (metadata.dev(), metadata.ino()))
}

/// Type and device numbers of a node.
pub(crate) fn node(metadata: &Metadata) -> Option<(FileType, (u32, u32))> {
    let (kind, dev) = (metadata.file_type(), metadata.rdev());
    // How the C library packs them.
    let major = ((dev >> 8) & 0xfff) | ((dev >> 32) & !0xfff);
    let minor = (dev & 0xff) | ((dev >> 12) & !0xff);
    let rdev = (u32::try_from(major).ok()?, u32::try_from(minor).ok()?);
    if kind.is_char_device() {
        Some((FileType::CharDevice, rdev))
    } else if kind.is_block_device() {
        Some((FileType::BlockDevice, rdev))
    } else if kind.is_fifo() {
        Some((FileType::Fifo, (0, 0)))
    } else if kind.is_socket() {
        Some((FileType::Socket, (0, 0)))
    } else {
        None
    }
}

/// Makes a file that does not exist yet, open for writing. The process's umask applies to `mode`.
pub(crate) fn create_new(path: &Path, mode: u16) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(u32::from(mode & 0o777)).open(path)
}

/// Makes a directory. The process's umask applies to `mode`, and its owner can always fill it.
pub(crate) fn create_dir(path: &Path, mode: u16) -> io::Result<()> {
    DirBuilder::new().mode(u32::from(mode & 0o777) | 0o700).create(path)
}

/// Makes a symbolic link.
pub(crate) fn symlink(target: &[u8], link: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(os_str(target), link)
}

/// Makes a device node, a fifo or a socket. The process's umask applies to `mode`.
#[cfg(target_os = "linux")]
pub(crate) fn make_node(path: &Path, kind: FileType, rdev: (u32, u32), mode: u16) -> io::Result<()> {
    use rustix::fs::{CWD, FileType as Kind, Mode, makedev, mknodat};
    let kind = match kind {
        FileType::CharDevice => Kind::CharacterDevice,
        FileType::BlockDevice => Kind::BlockDevice,
        FileType::Fifo => Kind::Fifo,
        FileType::Socket => Kind::Socket,
        _ => return Err(io::ErrorKind::Unsupported.into()),
    };
    let mode = Mode::from_raw_mode(u32::from(mode & 0o777));
    Ok(mknodat(CWD, path, kind, mode, makedev(rdev.0, rdev.1))?)
}

/// Not here.
#[cfg(not(target_os = "linux"))]
pub(crate) fn make_node(_path: &Path, _kind: FileType, _rdev: (u32, u32), _mode: u16) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Gives a node owner, permissions and times, as far as this process may. What it stands for is not opened for that, and
/// no link followed.
#[cfg(target_os = "linux")]
pub(crate) fn preserve_node(path: &Path, stat: &Stat) -> io::Result<()> {
    use rustix::fs::{
        AtFlags, CWD, Gid, Mode, OFlags, Timespec, Timestamps, Uid, chownat, openat, utimensat,
    };
    let node = openat(CWD, path, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
    let (uid, gid) = (Uid::from_raw(stat.uid), Gid::from_raw(stat.gid));
    let is_owned = chownat(&node, "", Some(uid), Some(gid), AtFlags::EMPTY_PATH).is_ok();
    let mode = if is_owned { stat.mode } else { stat.mode & 0o1777 };
    let handle = format!("/proc/self/fd/{}", node.as_raw_fd());
    std::fs::set_permissions(handle, Permissions::from_mode(mode.into()))?;
    let time = |time: Timestamp| Timespec { tv_sec: time.seconds, tv_nsec: time.nanoseconds.into() };
    let times = Timestamps { last_access: time(stat.atime), last_modification: time(stat.mtime) };
    Ok(utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}

/// Not here.
#[cfg(not(target_os = "linux"))]
pub(crate) fn preserve_node(_path: &Path, _stat: &Stat) -> io::Result<()> {
    Ok(())
}

/// Whether the second is still the file that the first told of.
pub(crate) fn is_still(before: &Metadata, now: &Metadata) -> bool {
    is_same_file(before, now)
}

/// Gives a file or directory to another owner. Returns whether this process may.
pub(crate) fn set_owner(file: &File, uid: u32, gid: u32) -> bool {
    std::os::unix::fs::fchown(file, Some(uid), Some(gid)).is_ok()
}

/// Sets the permission bits of a file or directory.
pub(crate) fn set_mode(file: &File, mode: u16) -> io::Result<()> {
    file.set_permissions(Permissions::from_mode(mode.into()))
}
