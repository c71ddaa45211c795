//! A step, done by xfskit, and around it what a system call does before it comes to the filesystem.

use std::path::Path;

use rustix::io::Errno;
use xfskit::error::{DeviceError, Mistake};
use xfskit::units::Ino;
use xfskit::volume::{FileType, Flags, Follow, RenameMode, SetAttributes, Timestamp};
use xfskit::{Error, Result, Volume};

use super::sequence::{Outcome, SETTABLE, Step};
use crate::ops::How;
use crate::rng::pattern;
use crate::session::{Session, file_type, new_inode, stamp};

/// The time of all changes; in 2033, after the start of any sequence, and before 2038.
const NOW: Timestamp = Timestamp { seconds: 2_000_000_000, nanoseconds: 0 };

/// Opens the twin that xfskit changes.
///
/// # Errors
/// Those of opening.
pub fn open(image: &Path) -> Result<Session> {
    let mut session = Session::open(image, b"")?;
    session.volume().set_time(NOW);
    session.volume().set_umask(umask());
    Ok(session)
}

/// The permission bits that the kernel takes from what this process makes.
fn umask() -> u16 {
    let status = std::fs::read_to_string("/proc/self/status").expect("read /proc/self/status");
    let line = status.lines().find_map(|line| line.strip_prefix("Umask:"));
    u16::from_str_radix(line.expect("an umask").trim(), 8).expect("octal")
}

/// Does a step; also what xfskit says about a failure.
pub fn apply(volume: &mut Volume, step: &Step) -> (Outcome, String) {
    match change(volume, step) {
        Ok(()) => (Ok(()), String::new()),
        Err(error) => (Err(errno(&error)), error.to_string()),
    }
}

fn errno(error: &Error) -> Errno {
    match error {
        Error::Device(DeviceError::NoSpace) | Error::NoSpace => Errno::NOSPC,
        Error::ReadOnly { .. } => Errno::ROFS,
        Error::Unsupported { .. } => Errno::OPNOTSUPP,
        Error::Invalid(mistake) => match mistake {
            Mistake::NotFound => Errno::NOENT,
            Mistake::Exists => Errno::EXIST,
            Mistake::NotADirectory => Errno::NOTDIR,
            Mistake::IsADirectory => Errno::ISDIR,
            Mistake::NotEmpty => Errno::NOTEMPTY,
            Mistake::NameTooLong => Errno::NAMETOOLONG,
            Mistake::Loop => Errno::LOOP,
            Mistake::FileTooLarge => Errno::FBIG,
            Mistake::NoAttribute => Errno::NODATA,
            Mistake::ValueTooLarge => Errno::TOOBIG,
            Mistake::TooManyLinks => Errno::MLINK,
            Mistake::NotPermitted(_) => Errno::PERM,
            Mistake::NoAccess => Errno::ACCESS,
            Mistake::Busy => Errno::BUSY,
            Mistake::CrossDevice => Errno::XDEV,
            _ => Errno::INVAL,
        },
        _ => Errno::IO,
    }
}

fn ino(volume: &mut Volume, path: &[u8]) -> Result<Ino> {
    volume.resolve(if path.is_empty() { b"/" } else { path }, Follow::No)
}

/// The directory of a path, and the name in it.
fn place<'a>(volume: &mut Volume, path: &'a [u8]) -> Result<(Ino, &'a [u8])> {
    let slash = path.iter().rposition(|&byte| byte == b'/').expect("paths start with a slash");
    let dir = if slash == 0 { b"/" } else { &path[..slash] };
    Ok((volume.resolve(dir, Follow::Yes)?, &path[slash + 1..]))
}

fn change(volume: &mut Volume, step: &Step) -> Result<()> {
    match step {
        Step::Create { .. }
        | Step::Mkdir { .. }
        | Step::Symlink { .. }
        | Step::Mknod { .. }
        | Step::Tmpfile { .. } => make(volume, step),
        Step::Link { path, new } => link(volume, path, new),
        Step::Crowd { path, base, first, count } => (*first..first + count)
            .try_for_each(|number| link(volume, path, &[base, number.to_string().as_bytes()].concat())),
        Step::Thin { base, first, count } => (*first..first + count)
            .step_by(2)
            .try_for_each(|number| unlink(volume, &[base, number.to_string().as_bytes()].concat())),
        Step::Unlink { path } => unlink(volume, path),
        Step::Rmdir { path } => {
            let (dir, name) = place(volume, path)?;
            volume.rmdir(dir, name)
        }
        Step::Rename { path, new, how } => {
            let (dir, name) = place(volume, path)?;
            let (new_dir, new_name) = place(volume, new)?;
            volume.rename(dir, name, new_dir, new_name, rename_mode(*how))
        }
        Step::Sync => volume.sync(),
        Step::Fsync { path } => {
            let ino = ino(volume, path)?;
            volume.fsync(ino)
        }
        Step::Write { .. }
        | Step::Append { .. }
        | Step::Truncate { .. }
        | Step::Allocate { .. }
        | Step::CloneFile { .. }
        | Step::CloneRange { .. } => change_data(volume, step),
        _ => set_attribute(volume, step),
    }
}

fn link(volume: &mut Volume, path: &[u8], new: &[u8]) -> Result<()> {
    let file = ino(volume, path)?;
    let (dir, name) = place(volume, new)?;
    volume.link(file, dir, name)
}

fn unlink(volume: &mut Volume, path: &[u8]) -> Result<()> {
    let (dir, name) = place(volume, path)?;
    volume.unlink(dir, name)
}

fn rename_mode(how: How) -> RenameMode {
    match how {
        How::Replace => RenameMode::Replace,
        How::NoReplace => RenameMode::NoReplace,
        How::Exchange => RenameMode::Exchange,
        How::Whiteout => RenameMode::Whiteout { uid: 0, gid: 0, no_replace: false },
    }
}

/// Makes something new.
fn make(volume: &mut Volume, step: &Step) -> Result<()> {
    match step {
        Step::Create { path, mode } => {
            let (dir, name) = place(volume, path)?;
            volume.create(dir, name, &new_inode(*mode)).map(drop)
        }
        Step::Mkdir { path, mode } => {
            let (dir, name) = place(volume, path)?;
            volume.mkdir(dir, name, &new_inode(*mode)).map(drop)
        }
        Step::Symlink { path, target } => {
            // The system call looks at the target first.
            if target.is_empty() {
                return Err(Mistake::NotFound.into());
            }
            let (dir, name) = place(volume, path)?;
            volume.symlink(dir, name, target, &new_inode(0o777)).map(drop)
        }
        Step::Mknod { path, kind, mode, rdev } => {
            let (dir, name) = place(volume, path)?;
            volume.mknod(dir, name, file_type(*kind), *rdev, &new_inode(*mode)).map(drop)
        }
        Step::Tmpfile { dir, path, mode, seed, len } => {
            let dir = ino(volume, dir)?;
            let file = volume.tmpfile(dir, &new_inode(*mode))?;
            let bytes = pattern(*seed, 0, *len);
            let linked = volume.write(file, 0, &bytes).and_then(|()| {
                let (dir, name) = place(volume, path)?;
                volume.link(file, dir, name)
            });
            linked.and(volume.release(file))
        }
        _ => unreachable!("makes nothing: {step:?}"),
    }
}

/// The inode at a path, opened for writing.
fn opened(volume: &mut Volume, path: &[u8], appends: bool) -> Result<Ino> {
    let ino = ino(volume, path)?;
    let stat = volume.stat(ino)?;
    if stat.file_type == FileType::Directory {
        return Err(Mistake::IsADirectory.into());
    }
    if stat.flags.contains(Flags::IMMUTABLE) || stat.flags.contains(Flags::APPEND) && !appends {
        return Err(Mistake::NotPermitted("opened for writing").into());
    }
    Ok(ino)
}

/// Changes what a file holds.
fn change_data(volume: &mut Volume, step: &Step) -> Result<()> {
    match step {
        Step::Write { path, seed, offset, len } => {
            let file = opened(volume, path, false)?;
            volume.write(file, *offset, &pattern(*seed, *offset, *len))
        }
        Step::Append { path, seed, len } => {
            let file = opened(volume, path, true)?;
            let size = volume.stat(file)?.size;
            volume.write(file, size, &pattern(*seed, size, *len))
        }
        Step::Truncate { path, size } => {
            let file = opened(volume, path, false)?;
            volume.truncate(file, *size)
        }
        Step::Allocate { path, what, offset, len } => {
            let file = opened(volume, path, true)?;
            let done = volume.allocate(file, *what, *offset, *len);
            if let Err(Error::Invalid(Mistake::Argument(_))) = done {
                // Linux counts what it then refuses as a change of the file already.
                volume
                    .set_attributes(file, &SetAttributes { mtime: Some(NOW), ..SetAttributes::default() })?;
            }
            done
        }
        Step::CloneFile { source, target } => {
            let source = ino(volume, source)?;
            let target = opened(volume, target, false)?;
            volume.clone_file(source, target)
        }
        Step::CloneRange { source, from, target, to, len } => {
            let source = ino(volume, source)?;
            let target = opened(volume, target, false)?;
            volume.clone_range(source, *from, target, *to, *len)
        }
        _ => unreachable!("changes no data: {step:?}"),
    }
}

/// Changes attributes.
fn set_attribute(volume: &mut Volume, step: &Step) -> Result<()> {
    match step {
        Step::Chmod { path, mode } => {
            let ino = ino(volume, path)?;
            volume.set_attributes(ino, &SetAttributes { mode: Some(*mode), ..SetAttributes::default() })
        }
        Step::Chown { path, uid, gid } => {
            let ino = ino(volume, path)?;
            let mode = mode_after_chown(volume, ino)?;
            let set = SetAttributes { mode, uid: Some(*uid), gid: Some(*gid), ..SetAttributes::default() };
            volume.set_attributes(ino, &set)
        }
        Step::Utimes { path, atime, mtime } => {
            let ino = ino(volume, path)?;
            let (atime, mtime) = (Some(stamp(*atime)), Some(stamp(*mtime)));
            volume.set_attributes(ino, &SetAttributes { atime, mtime, ..SetAttributes::default() })
        }
        Step::SetXattr { path, namespace, name, seed, len, mode } => {
            let ino = ino(volume, path)?;
            volume.set_xattr(ino, *namespace, name, &pattern(*seed, 0, *len), *mode)
        }
        Step::RemoveXattr { path, namespace, name } => {
            let ino = ino(volume, path)?;
            volume.remove_xattr(ino, *namespace, name)
        }
        Step::SetAcl { path, kind, list } => {
            let ino = ino(volume, path)?;
            volume.set_acl(ino, *kind, list.as_ref())
        }
        Step::SetFlags { path, flags } => {
            let ino = ino(volume, path)?;
            let before = volume.flags(ino)?;
            volume.set_flags(ino, (before - SETTABLE) | *flags)
        }
        Step::SetProject { path, id } => {
            let ino = ino(volume, path)?;
            volume.set_project(ino, *id)
        }
        Step::SetExtsize { path, bytes } => {
            let ino = ino(volume, path)?;
            volume.set_extsize(ino, *bytes)
        }
        Step::SetCowextsize { path, bytes } => {
            let ino = ino(volume, path)?;
            volume.set_cowextsize(ino, *bytes)
        }
        _ => unreachable!("changes no attribute: {step:?}"),
    }
}

/// The mode that chown(2) sets beside the owner: what is no directory loses setuid, and setgid where that is not about
/// locking.
fn mode_after_chown(volume: &mut Volume, ino: Ino) -> Result<Option<u16>> {
    let stat = volume.stat(ino)?;
    let mut mode = stat.mode & !0o4000;
    if mode & 0o2010 == 0o2010 {
        mode &= !0o2000;
    }
    Ok((stat.file_type != FileType::Directory && mode != stat.mode).then_some(mode))
}
