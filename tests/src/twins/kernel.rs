//! A step, done by the kernel on a mounted volume.

use std::ffi::{CString, OsStr};
use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::{
    AtFlags, CWD, FallocateFlags, FileType, Gid, IFlags, Mode, OFlags, RenameFlags, Timespec, Timestamps,
    Uid, XattrFlags,
};
use rustix::io::Errno;
use xfskit::volume::{Acl, AclKind, Allocate, SetMode, Tag, XFlags};

use super::sequence::{Outcome, Step};
use crate::ops::How;
use crate::referee::text_of;
use crate::rng::pattern;
use crate::tree::{Kind, Time};

/// Does a step below `root`, where the volume is mounted.
pub fn apply(root: &Path, step: &Step) -> Outcome {
    let host = |path: &[u8]| root.join(OsStr::from_bytes(path.strip_prefix(b"/").unwrap_or(path)));
    match step {
        Step::Create { .. }
        | Step::Mkdir { .. }
        | Step::Symlink { .. }
        | Step::Mknod { .. }
        | Step::Tmpfile { .. } => make(&host, step),
        Step::Link { path, new } => rustix::fs::linkat(CWD, host(path), CWD, host(new), AtFlags::empty()),
        Step::Crowd { path, base, first, count } => {
            let name = |number: u32| host(&[base, number.to_string().as_bytes()].concat());
            let link = |number| rustix::fs::linkat(CWD, host(path), CWD, name(number), AtFlags::empty());
            (*first..first + count).try_for_each(link)
        }
        Step::Thin { base, first, count } => {
            let name = |number: u32| host(&[base, number.to_string().as_bytes()].concat());
            (*first..first + count).step_by(2).try_for_each(|number| rustix::fs::unlink(name(number)))
        }
        Step::Unlink { path } => rustix::fs::unlink(host(path)),
        Step::Rmdir { path } => rustix::fs::rmdir(host(path)),
        Step::Rename { path, new, how } => {
            rustix::fs::renameat_with(CWD, host(path), CWD, host(new), rename_flags(*how))
        }
        Step::Sync => rustix::fs::syncfs(open(root, OFlags::RDONLY)?),
        Step::Fsync { path } => rustix::fs::fsync(open(&host(path), OFlags::RDONLY)?),
        Step::Write { .. }
        | Step::Append { .. }
        | Step::Truncate { .. }
        | Step::Allocate { .. }
        | Step::CloneFile { .. }
        | Step::CloneRange { .. } => change_data(&host, step),
        _ => set_attribute(&host, step),
    }
}

fn open(path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
    rustix::fs::open(path, flags | OFlags::CLOEXEC, Mode::empty())
}

fn mode_bits(mode: u16) -> Mode {
    Mode::from_raw_mode(mode.into())
}

/// Makes something new.
fn make(host: &dyn Fn(&[u8]) -> PathBuf, step: &Step) -> Outcome {
    match step {
        Step::Create { path, mode } => {
            let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
            rustix::fs::open(host(path), flags, mode_bits(*mode)).map(drop)
        }
        Step::Mkdir { path, mode } => rustix::fs::mkdir(host(path), mode_bits(*mode)),
        Step::Symlink { path, target } => rustix::fs::symlink(OsStr::from_bytes(target), host(path)),
        Step::Mknod { path, kind, mode, rdev: (major, minor) } => {
            let device = rustix::fs::makedev(*major, *minor);
            rustix::fs::mknodat(CWD, host(path), file_type(*kind), mode_bits(*mode), device)
        }
        Step::Tmpfile { dir, path, mode, seed, len } => {
            let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
            let file = File::from(rustix::fs::open(host(dir), flags, mode_bits(*mode))?);
            write(&file, &pattern(*seed, 0, *len), 0)?;
            let held = format!("/proc/self/fd/{}", file.as_raw_fd());
            rustix::fs::linkat(CWD, held, CWD, host(path), AtFlags::SYMLINK_FOLLOW)
        }
        _ => unreachable!("makes nothing: {step:?}"),
    }
}

fn file_type(kind: Kind) -> FileType {
    match kind {
        Kind::CharDevice => FileType::CharacterDevice,
        Kind::BlockDevice => FileType::BlockDevice,
        Kind::Fifo => FileType::Fifo,
        _ => FileType::Socket,
    }
}

fn rename_flags(how: How) -> RenameFlags {
    match how {
        How::Replace => RenameFlags::empty(),
        How::NoReplace => RenameFlags::NOREPLACE,
        How::Exchange => RenameFlags::EXCHANGE,
        How::Whiteout => RenameFlags::WHITEOUT,
    }
}

/// Changes what a file holds.
fn change_data(host: &dyn Fn(&[u8]) -> PathBuf, step: &Step) -> Outcome {
    match step {
        Step::Write { path, seed, offset, len } => {
            let file = File::from(open(&host(path), OFlags::WRONLY)?);
            write(&file, &pattern(*seed, *offset, *len), *offset)
        }
        Step::Append { path, seed, len } => {
            let file = open(&host(path), OFlags::WRONLY | OFlags::APPEND)?;
            let size = rustix::fs::fstat(&file)?.st_size as u64;
            let bytes = pattern(*seed, size, *len);
            let done = rustix::io::write(&file, &bytes)?;
            assert_eq!(done, bytes.len(), "a short write");
            Ok(())
        }
        Step::Truncate { path, size } => rustix::fs::ftruncate(open(&host(path), OFlags::WRONLY)?, *size),
        Step::Allocate { path, what, offset, len } => {
            // Opened like this, what may only grow at its end can be opened at all.
            let file = open(&host(path), OFlags::WRONLY | OFlags::APPEND)?;
            rustix::fs::fallocate(file, allocate_flags(*what), *offset, *len)
        }
        Step::CloneFile { source, target } => {
            let (source, target) = open_both(host, source, target)?;
            rustix::fs::ioctl_ficlone(target, source)
        }
        Step::CloneRange { source, from, target, to, len } => {
            let (source, target) = open_both(host, source, target)?;
            let place = |file: &OwnedFd| format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd());
            xfs_io(&format!("reflink {} {from} {to} {len}", place(&source)), Path::new(&place(&target)))
        }
        _ => unreachable!("changes no data: {step:?}"),
    }
}

fn open_both(
    host: &dyn Fn(&[u8]) -> PathBuf,
    source: &[u8],
    target: &[u8],
) -> Result<(OwnedFd, OwnedFd), Errno> {
    let source = open(&host(source), OFlags::RDONLY)?;
    Ok((source, open(&host(target), OFlags::WRONLY)?))
}

fn write(file: &File, bytes: &[u8], offset: u64) -> Outcome {
    file.write_all_at(bytes, offset).map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
}

fn allocate_flags(what: Allocate) -> FallocateFlags {
    let keep = |keep_size| if keep_size { FallocateFlags::KEEP_SIZE } else { FallocateFlags::empty() };
    match what {
        Allocate::Blocks { keep_size } => keep(keep_size),
        Allocate::Punch => FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE,
        Allocate::Zero { keep_size } => FallocateFlags::ZERO_RANGE | keep(keep_size),
        Allocate::Collapse => FallocateFlags::COLLAPSE_RANGE,
        Allocate::Insert => FallocateFlags::INSERT_RANGE,
        Allocate::Unshare { keep_size } => FallocateFlags::UNSHARE_RANGE | keep(keep_size),
        _ => unreachable!("no such step"),
    }
}

/// Changes attributes.
fn set_attribute(host: &dyn Fn(&[u8]) -> PathBuf, step: &Step) -> Outcome {
    match step {
        Step::Chmod { path, mode } => rustix::fs::chmod(host(path), mode_bits(*mode)),
        Step::Chown { path, uid, gid } => {
            let (uid, gid) = (Some(Uid::from_raw(*uid)), Some(Gid::from_raw(*gid)));
            rustix::fs::chownat(CWD, host(path), uid, gid, AtFlags::SYMLINK_NOFOLLOW)
        }
        Step::Utimes { path, atime, mtime } => {
            let stamp = |(tv_sec, nanoseconds): Time| Timespec { tv_sec, tv_nsec: nanoseconds.into() };
            let times = Timestamps { last_access: stamp(*atime), last_modification: stamp(*mtime) };
            rustix::fs::utimensat(CWD, host(path), &times, AtFlags::SYMLINK_NOFOLLOW)
        }
        Step::SetXattr { path, namespace, name, seed, len, mode } => {
            let flags = match mode {
                SetMode::Create => XattrFlags::CREATE,
                SetMode::Replace => XattrFlags::REPLACE,
                SetMode::Either => XattrFlags::empty(),
            };
            let name = CString::new([namespace.prefix(), name].concat()).expect("no NUL");
            rustix::fs::lsetxattr(host(path), name, &pattern(*seed, 0, *len), flags)
        }
        Step::RemoveXattr { path, namespace, name } => {
            let name = CString::new([namespace.prefix(), name].concat()).expect("no NUL");
            rustix::fs::lremovexattr(host(path), name)
        }
        Step::SetAcl { path, kind, list } => match list {
            Some(list) => {
                rustix::fs::lsetxattr(host(path), acl_name(*kind), &acl_value(list), XattrFlags::empty())
            }
            None => rustix::fs::lremovexattr(host(path), acl_name(*kind)),
        },
        Step::SetFlags { path, flags } => {
            rustix::fs::ioctl_setflags(open(&host(path), OFlags::RDONLY)?, inode_flags(*flags))
        }
        Step::SetProject { path, id } => xfs_io_on(&host(path), &format!("chproj {id}")),
        Step::SetExtsize { path, bytes } => xfs_io_on(&host(path), &format!("extsize {bytes}")),
        Step::SetCowextsize { path, bytes } => xfs_io_on(&host(path), &format!("cowextsize {bytes}")),
        _ => unreachable!("changes no attribute: {step:?}"),
    }
}

/// Name of the attribute through which the kernel takes a list.
pub fn acl_name(kind: AclKind) -> &'static str {
    match kind {
        AclKind::Access => "system.posix_acl_access",
        AclKind::Default => "system.posix_acl_default",
    }
}

/// A list as the kernel takes it.
pub fn acl_value(list: &Acl) -> Vec<u8> {
    let mut bytes = 2_u32.to_le_bytes().to_vec();
    for entry in list.entries() {
        let (tag, id) = match entry.tag {
            Tag::UserObj => (1_u16, u32::MAX),
            Tag::User(id) => (2, id),
            Tag::GroupObj => (4, u32::MAX),
            Tag::Group(id) => (8, id),
            Tag::Mask => (16, u32::MAX),
            Tag::Other => (32, u32::MAX),
        };
        bytes.extend(tag.to_le_bytes());
        bytes.extend(u16::from(entry.perm).to_le_bytes());
        bytes.extend(id.to_le_bytes());
    }
    bytes
}

fn inode_flags(flags: XFlags) -> IFlags {
    let pairs = [
        (XFlags::IMMUTABLE, IFlags::IMMUTABLE),
        (XFlags::APPEND, IFlags::APPEND),
        (XFlags::SYNC, IFlags::SYNC),
        (XFlags::NOATIME, IFlags::NOATIME),
        (XFlags::NODUMP, IFlags::NODUMP),
        (XFlags::PROJINHERIT, IFlags::PROJECT_INHERIT),
    ];
    pairs.iter().filter(|(flag, _)| flags.contains(*flag)).map(|(_, theirs)| *theirs).collect()
}

/// Has xfs_io do what no system call of rustix does, to a file that is opened here: its name may be anything.
fn xfs_io_on(path: &Path, action: &str) -> Outcome {
    let file = open(path, OFlags::RDONLY)?;
    let place = format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd());
    let output = Command::new("xfs_io").args(["-r", "-c", action, &place]).output().expect("start xfs_io");
    told(&text_of(&output))
}

fn xfs_io(action: &str, path: &Path) -> Outcome {
    let output = Command::new("xfs_io").args(["-c", action]).arg(path).output().expect("start xfs_io");
    told(&String::from_utf8_lossy(&output.stderr))
}

/// The error in what xfs_io said.
fn told(said: &str) -> Outcome {
    let errors = [
        ("Invalid argument", Errno::INVAL),
        ("Operation not permitted", Errno::PERM),
        ("Operation not supported", Errno::OPNOTSUPP),
        ("File too large", Errno::FBIG),
        ("Is a directory", Errno::ISDIR),
        ("Bad file descriptor", Errno::BADF),
        ("No space left on device", Errno::NOSPC),
    ];
    match errors.iter().find(|(text, _)| said.contains(text)) {
        Some((_, errno)) => Err(*errno),
        None if said.is_empty() => Ok(()),
        None => panic!("xfs_io says: {said}"),
    }
}
