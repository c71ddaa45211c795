//! Where a copy goes inside an image.

use xfskit::error::Mistake;
use xfskit::units::Ino;
use xfskit::volume::FileType;
use xfskit::volume::{NewInode, SetAttributes};
use xfskit::{Error, Volume};

use crate::address::{Address, join};
use crate::failure::Failure;
use crate::image::Image;
use crate::replace;

/// A name in a directory of the image.
#[derive(Debug, Clone)]
pub(super) struct Spot {
    pub(super) parent: Ino,
    pub(super) name: Vec<u8>,
    pub(super) path: Vec<u8>,
}

/// What the last argument means.
#[derive(Debug)]
pub(super) enum Destination {
    /// Sources go into this directory.
    Directory(Ino, Vec<u8>),
    /// The one source goes into this file.
    File(Ino, Vec<u8>),
    /// The one source gets this name.
    Spot(Spot),
}

/// Where one source goes: to a name, or into something that exists.
#[derive(Debug, Clone, Copy)]
pub(super) enum To<'a> {
    /// Made, or what is there reused.
    Spot(&'a Spot),
    /// An inode and its path.
    Existing(Ino, &'a [u8]),
}

impl Destination {
    /// Looks at what is there.
    pub(super) fn find(image: &mut Image, target: &Address, sources: usize) -> Result<Self, Failure> {
        let path = &target.path;
        if let Some(ino) = image.existing(path)? {
            let file_type = image.stat(ino, path)?.file_type;
            if file_type == FileType::Directory {
                return Ok(Self::Directory(ino, path.clone()));
            }
            if sources == 1 && !path.ends_with(b"/") {
                return match file_type {
                    FileType::Regular => Ok(Self::File(ino, path.clone())),
                    _ => Err(Failure::new(target, "cannot overwrite", "not a regular file")),
                };
            }
        }
        if sources > 1 {
            return Err(Failure::new(target, "", "target is not a directory"));
        }
        let (parent, name) = image.parent_of(path)?;
        Ok(Self::Spot(Spot { parent, name, path: path.clone() }))
    }
}

impl Spot {
    /// The name `name` in a directory.
    pub(super) fn inside(parent: Ino, path: &[u8], name: &[u8]) -> Self {
        Self { parent, name: name.to_vec(), path: join(path, name) }
    }

    /// Makes the file, or takes the one that is there; says whether it is new.
    pub(super) fn file(&self, image: &mut Image, new: &NewInode) -> Result<(Ino, bool), Failure> {
        match image.volume.create(self.parent, &self.name, new) {
            Ok(ino) => Ok((ino, true)),
            Err(Error::Invalid(Mistake::Exists)) => match self.existing(image)? {
                (ino, FileType::Regular) => Ok((ino, false)),
                (_, FileType::Directory) => Err(self.refuse(image, "is a directory")),
                _ => Err(self.refuse(image, "not a regular file")),
            },
            Err(error) => Err(image.fail(&self.path, "cannot create", &error)),
        }
    }

    /// Makes the directory, or takes the one that is there.
    pub(super) fn directory(&self, image: &mut Image, new: &NewInode) -> Result<Ino, Failure> {
        match image.volume.mkdir(self.parent, &self.name, new) {
            Ok(ino) => Ok(ino),
            Err(Error::Invalid(Mistake::Exists)) => match self.existing(image)? {
                (ino, FileType::Directory) => Ok(ino),
                _ => Err(self.refuse(image, "not a directory")),
            },
            Err(error) => Err(image.fail(&self.path, "cannot make directory", &error)),
        }
    }

    /// Makes what is neither file nor directory, or one more name of something, in place of anything but a directory.
    pub(super) fn other<T>(
        &self,
        image: &mut Image,
        make: impl Fn(&mut Volume, Ino, &[u8]) -> xfskit::Result<T>,
    ) -> Result<T, Failure> {
        let mut made = make(&mut image.volume, self.parent, &self.name);
        if let Err(Error::Invalid(Mistake::Exists)) = made {
            if self.existing(image)?.1 == FileType::Directory {
                return Err(self.refuse(image, "is a directory"));
            }
            let volume = &mut image.volume;
            made = replace::free_name(volume, self.parent).and_then(|aside| {
                let made = make(volume, self.parent, &aside)?;
                replace::put_over(volume, self.parent, &aside, &self.name)?;
                Ok(made)
            });
        }
        made.map_err(|error| image.fail(&self.path, "cannot create", &error))
    }

    /// Gives a file that was copied one more name.
    pub(super) fn link(&self, image: &mut Image, ino: Ino) -> Result<(), Failure> {
        if image.volume.lookup(self.parent, &self.name) == Ok(ino) {
            return Ok(());
        }
        self.other(image, |volume, dir, name| volume.link(ino, dir, name))
    }

    fn existing(&self, image: &mut Image) -> Result<(Ino, FileType), Failure> {
        let found = image.volume.lookup(self.parent, &self.name);
        let ino = found.map_err(|error| image.fail(&self.path, "", &error))?;
        Ok((ino, image.stat(ino, &self.path)?.file_type))
    }

    fn refuse(&self, image: &Image, why: &str) -> Failure {
        Failure::new(image.place(&self.path), "cannot overwrite", why)
    }
}

impl<'a> To<'a> {
    /// The inode to fill, empty by now; its path; whether it is new.
    pub(super) fn open(self, image: &mut Image, new: &NewInode) -> Result<(Ino, &'a [u8], bool), Failure> {
        match self {
            Self::Spot(spot) => {
                let (ino, is_new) = spot.file(image, new)?;
                Ok((ino, &spot.path, is_new))
            }
            Self::Existing(ino, path) => Ok((ino, path, false)),
        }
    }
}

/// Neither file nor directory, without `-r`.
pub(super) fn needs_recursive_for_node(place: impl std::fmt::Display) -> Failure {
    Failure::new(place, "not copied", "is not a regular file, and -r was not given")
}

/// A directory without `-r`.
pub(super) fn needs_recursive(place: impl std::fmt::Display) -> Failure {
    Failure::new(place, "not copied", "is a directory, and -r was not given")
}

/// Empties a file that is about to be filled.
pub(super) fn empty(image: &mut Image, ino: Ino, path: &[u8]) -> Result<(), Failure> {
    image.volume.truncate(ino, 0).map_err(|error| image.fail(path, "cannot truncate", &error))
}

/// Applies what `-p` keeps and creation did not set.
pub(super) fn set(image: &mut Image, ino: Ino, path: &[u8], changes: &SetAttributes) -> Result<(), Failure> {
    image
        .volume
        .set_attributes(ino, changes)
        .map_err(|error| image.fail(path, "cannot set attributes", &error))
}
