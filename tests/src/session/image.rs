//! The volume on an image file.

use std::fs::File;
use std::path::{Path, PathBuf};

use xfskit::device::FileDevice;
use xfskit::units::Ino;
use xfskit::volume::{Follow, OpenOptions};
use xfskit::{Result, Volume};

use super::apply;
use crate::ops::Op;

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
        let full = [&self.top, path].concat();
        self.volume().resolve(&full, Follow::No)
    }

    /// Does an operation.
    ///
    /// # Errors
    /// Those of the operation.
    pub fn apply(&mut self, op: &Op) -> Result<()> {
        if matches!(op, Op::Reopen) {
            return self.reopen();
        }
        let volume = self.volume.as_mut().expect("open between operations");
        apply(volume, &self.top, op)
    }
}

fn open(image: &Path, options: &OpenOptions) -> Result<Volume> {
    let file = File::options().read(true).write(true).open(image).expect("open the image");
    let device = FileDevice::new(file, false).expect("length of the image");
    Volume::open(Box::new(device), options)
}
