//! A volume on an image file, changed through xfskit by the operations of a generator.

use std::fs::File;
use std::path::{Path, PathBuf};

use xfskit::device::FileDevice;
use xfskit::units::Ino;
use xfskit::volume::{Follow, NewInode, OpenOptions, SetAttributes, Timestamp};
use xfskit::{Result, Volume};

use crate::ops::Op;
use crate::rng::pattern;
use crate::tree::Time;

/// An open volume; paths of operations start at a directory of it.
pub struct Session {
    image: PathBuf,
    top: Vec<u8>,
    options: OpenOptions,
    volume: Option<Volume>,
}

impl Session {
    /// Opens the volume for writing; operations work below `top`, `b""` for the root.
    ///
    /// # Errors
    /// Those of opening.
    pub fn open(image: &Path, top: &[u8]) -> Result<Self> {
        Self::open_with(image, top, OpenOptions::default())
    }

    /// Like [`Session::open`], with options.
    ///
    /// # Errors
    /// Those of opening.
    pub fn open_with(image: &Path, top: &[u8], options: OpenOptions) -> Result<Self> {
        let volume = Some(open(image, &options)?);
        Ok(Self { image: image.to_owned(), top: top.to_vec(), options, volume })
    }

    /// The volume.
    pub fn volume(&mut self) -> &mut Volume {
        self.volume.as_mut().expect("open between operations")
    }

    /// Closes the volume and opens it again.
    ///
    /// # Errors
    /// Those of closing and opening.
    pub fn reopen(&mut self) -> Result<()> {
        self.volume.take().expect("open between operations").close()?;
        self.volume = Some(open(&self.image, &self.options)?);
        Ok(())
    }

    /// Closes the volume.
    ///
    /// # Errors
    /// Those of closing.
    pub fn close(mut self) -> Result<()> {
        self.volume.take().expect("open between operations").close().map(drop)
    }

    /// The inode at a path of an operation.
    ///
    /// # Errors
    /// Those of the lookup.
    pub fn ino(&mut self, path: &[u8]) -> Result<Ino> {
        let mut full = self.top.clone();
        full.extend_from_slice(path);
        self.volume().resolve(&full, Follow::No)
    }

    fn set(&mut self, path: &[u8], attributes: &SetAttributes) -> Result<()> {
        let ino = self.ino(path)?;
        self.volume().set_attributes(ino, attributes)
    }

    /// Does an operation.
    ///
    /// # Errors
    /// Those of the operation.
    pub fn apply(&mut self, op: &Op) -> Result<()> {
        match op {
            Op::Create { dir, name, mode } => {
                let dir = self.ino(dir)?;
                self.volume().create(dir, name, &new_inode(*mode)).map(drop)
            }
            Op::Mkdir { dir, name, mode } => {
                let dir = self.ino(dir)?;
                self.volume().mkdir(dir, name, &new_inode(*mode)).map(drop)
            }
            Op::Unlink { dir, name } => {
                let dir = self.ino(dir)?;
                self.volume().unlink(dir, name)
            }
            Op::Rmdir { dir, name } => {
                let dir = self.ino(dir)?;
                self.volume().rmdir(dir, name)
            }
            Op::Write { path, seed, offset_bytes, len_bytes } => {
                let ino = self.ino(path)?;
                let bytes = pattern(*seed, *offset_bytes, *len_bytes);
                self.volume().write(ino, *offset_bytes, &bytes)
            }
            Op::Truncate { path, size_bytes } => {
                let ino = self.ino(path)?;
                self.volume().truncate(ino, *size_bytes)
            }
            Op::CloneFile { source, target } => {
                let (source, target) = (self.ino(source)?, self.ino(target)?);
                self.volume().clone_file(source, target)
            }
            Op::CloneRange { source, from_bytes, target, to_bytes, len_bytes } => {
                let (source, target) = (self.ino(source)?, self.ino(target)?);
                self.volume().clone_range(source, *from_bytes, target, *to_bytes, *len_bytes)
            }
            Op::Chmod { path, mode } => {
                self.set(path, &SetAttributes { mode: Some(*mode), ..SetAttributes::default() })
            }
            Op::Chown { path, uid, gid } => {
                let (uid, gid) = (Some(*uid), Some(*gid));
                self.set(path, &SetAttributes { uid, gid, ..SetAttributes::default() })
            }
            Op::Utimes { path, atime, mtime } => {
                let (atime, mtime) = (Some(stamp(*atime)), Some(stamp(*mtime)));
                self.set(path, &SetAttributes { atime, mtime, ..SetAttributes::default() })
            }
            Op::Sync => self.volume().sync(),
            Op::Reopen => self.reopen(),
            Op::Preallocate { .. } | Op::Punch { .. } => unreachable!("only the kernel does {op:?}"),
        }
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

fn stamp((seconds, nanoseconds): Time) -> Timestamp {
    Timestamp { seconds, nanoseconds }
}

fn open(image: &Path, options: &OpenOptions) -> Result<Volume> {
    let file = File::options().read(true).write(true).open(image).expect("open the image");
    let device = FileDevice::new(file, false).expect("length of the image");
    Volume::open(Box::new(device), options)
}
