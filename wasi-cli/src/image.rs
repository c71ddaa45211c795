//! Images: opened, locked against a second writer, closed.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use xfskit::device::FileDevice;
use xfskit::error::Mistake;
use xfskit::units::Ino;
use xfskit::volume::{Follow, Stat};
use xfskit::{Error, Volume};

use crate::address::{Address, show_path};
use crate::failure::Failure;
use crate::host;
use crate::name;
use crate::session::Session;

/// The core's reasons that tell of the way in which a volume was opened.
const OPENED_READ_ONLY: &str = "opened read-only";
const DEVICE_READ_ONLY: &str = "the image is read-only";

/// What files and directories that nobody names a mode for go without where no default access control list says
/// otherwise; the same on every host.
const UMASK: u16 = 0o022;

/// What a command is going to do with an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Look at it.
    Read,
    /// Change it.
    Write,
}

/// An open image.
pub(crate) struct Image {
    /// The volume in it.
    pub(crate) volume: Volume,
    path: PathBuf,
    name: String,
    access: Access,
}

impl Image {
    /// Opens an image, says what the volume warns of, and refuses at once to change what is read-only.
    pub(crate) fn open(path: &Path, access: Access, session: &mut Session) -> Result<Self, Failure> {
        let image = Self::open_silently(path, access, session)?;
        for warning in image.volume.warnings() {
            session.warn(&image.name, warning);
        }
        image.refuse_changes()?;
        Ok(image)
    }

    /// Like [`Image::open`], for who tells by itself what was found: warnings are left to the caller.
    pub(crate) fn open_quietly(path: &Path, access: Access, session: &mut Session) -> Result<Self, Failure> {
        let image = Self::open_silently(path, access, session)?;
        image.refuse_changes()?;
        Ok(image)
    }

    fn open_silently(path: &Path, access: Access, session: &Session) -> Result<Self, Failure> {
        let name = show_path(path);
        if access == Access::Write && session.read_only {
            return Err(Failure::new(name, "", "volume is read-only: --read-only was given"));
        }
        let device = device(path, access)?;
        let mut options = xfskit::volume::OpenOptions::default();
        options.read_only = access == Access::Read;
        let mut volume =
            Volume::open(Box::new(device), &options).map_err(|error| cannot_open(&name, error))?;
        volume.set_time(host::now());
        Ok(Self { volume, path: path.to_owned(), name, access })
    }

    fn refuse_changes(&self) -> Result<(), Failure> {
        match self.volume.read_only_reason() {
            Some(reason) if self.access == Access::Write => {
                Err(Failure::new(&self.name, "", format!("volume is read-only: {reason}")))
            }
            _ => Ok(()),
        }
    }

    /// Makes everything durable.
    pub(crate) fn close(self) -> Result<(), Failure> {
        if self.access == Access::Read {
            return Ok(());
        }
        self.volume.close().map(drop).map_err(|error| Failure::new(self.name, "cannot sync", error))
    }

    /// The image's own name, for messages.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Why the volume cannot be changed by anyone, if so.
    pub(crate) fn reason(&self) -> Option<&str> {
        // That this run opened it for reading is no property of the volume.
        self.volume
            .read_only_reason()
            .filter(|reason| !matches!(*reason, OPENED_READ_ONLY | DEVICE_READ_ONLY))
    }

    /// `IMAGE:PATH`, for messages.
    pub(crate) fn place(&self, path: &[u8]) -> String {
        format!("{}:{}", self.name, name::escaped(path))
    }

    /// A failure at a path inside the image.
    pub(crate) fn fail(&self, path: &[u8], what: &str, error: &Error) -> Failure {
        Failure::new(self.place(path), what, error)
    }

    /// The inode at `path`.
    pub(crate) fn resolve(&mut self, path: &[u8], follow: Follow) -> Result<Ino, Failure> {
        // As POSIX has it, a slash at the end asks for the directory behind a symbolic link.
        let follow = if path.ends_with(b"/") { Follow::Yes } else { follow };
        self.volume.resolve(path, follow).map_err(|error| self.fail(path, "", &error))
    }

    /// The inode at `path`, if there is one. Symbolic links are followed.
    pub(crate) fn existing(&mut self, path: &[u8]) -> Result<Option<Ino>, Failure> {
        match self.volume.resolve(path, Follow::Yes) {
            Ok(ino) => Ok(Some(ino)),
            Err(Error::Invalid(Mistake::NotFound)) => Ok(None),
            Err(error) => Err(self.fail(path, "", &error)),
        }
    }

    /// The directory of `path` and the name in it, for what is about to be made there.
    pub(crate) fn parent_of(&mut self, path: &[u8]) -> Result<(Ino, Vec<u8>), Failure> {
        self.volume.resolve_parent(path).map_err(|error| self.fail(path, "", &error))
    }

    /// Does what makes files that nobody names a mode for.
    pub(crate) fn with_umask<T>(&mut self, make: impl FnOnce(&mut Volume) -> T) -> T {
        self.volume.set_umask(UMASK);
        let made = make(&mut self.volume);
        self.volume.set_umask(0);
        made
    }

    /// Attributes of the inode at `path`.
    pub(crate) fn stat(&mut self, ino: Ino, path: &[u8]) -> Result<Stat, Failure> {
        self.volume.stat(ino).map_err(|error| self.fail(path, "cannot stat", &error))
    }
}

/// The images of one run, each opened once.
pub(crate) struct Images {
    open: Vec<Image>,
    access: Access,
}

impl Images {
    /// None yet.
    pub(crate) fn new(access: Access) -> Self {
        Self { open: Vec::new(), access }
    }

    /// The image at `path`, opened when it is not yet.
    pub(crate) fn get(&mut self, path: &Path, session: &mut Session) -> Result<&mut Image, Failure> {
        let index = match self.open.iter().position(|image| is_same_path(&image.path, path)) {
            Some(index) => index,
            None => {
                self.open.push(Image::open(path, self.access, session)?);
                self.open.len() - 1
            }
        };
        Ok(&mut self.open[index])
    }

    /// Closes all of them.
    pub(crate) fn close(self, session: &mut Session) {
        for image in self.open {
            if let Err(failure) = image.close() {
                session.report(&failure);
            }
        }
    }
}

/// Does `work` at each address, one after the other; a failure at one does not keep the others from it.
pub(crate) fn at_each(
    addresses: &[Address],
    access: Access,
    session: &mut Session,
    mut work: impl FnMut(&mut Image, &Address, &mut Session) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut images = Images::new(access);
    let mut outcome = Ok(());
    for address in addresses {
        let part = images.get(&address.image, session).map(|_| ());
        let part = part.and_then(|()| {
            let image = images.get(&address.image, session)?;
            work(image, address, session)
        });
        outcome = session.part(part);
        if outcome.is_err() {
            break;
        }
    }
    images.close(session);
    outcome
}

/// Whether both paths lead to the same file of the host.
pub(crate) fn is_same_path(one: &Path, other: &Path) -> bool {
    if one == other {
        return true;
    }
    match (std::fs::metadata(one), std::fs::metadata(other)) {
        (Ok(one), Ok(other)) => host::is_same_file(&one, &other),
        _ => false,
    }
}

/// The device that an image is, locked against a second writer.
pub(crate) fn device(path: &Path, access: Access) -> Result<FileDevice, Failure> {
    let name = show_path(path);
    let file = open_file(path, access).map_err(|error| Failure::io(&name, "cannot open", &error))?;
    lock(&file, access).map_err(|why| Failure::new(&name, "cannot lock", why))?;
    let is_read_only = access == Access::Read;
    FileDevice::new(file, is_read_only).map_err(|error| Failure::io(&name, "cannot open", &error))
}

/// A volume could not be opened.
pub(crate) fn cannot_open(image: &str, error: Error) -> Failure {
    match error {
        Error::Corrupt(corruption) => Failure::Corrupt { image: image.to_owned(), corruption },
        error => Failure::new(image, "cannot open volume", error),
    }
}

fn open_file(path: &Path, access: Access) -> io::Result<File> {
    let file = OpenOptions::new().read(true).write(access == Access::Write).open(path)?;
    if file.metadata()?.is_dir() {
        return Err(io::Error::from(io::ErrorKind::IsADirectory));
    }
    Ok(file)
}

/// Takes the lock that keeps two writers, or a writer and a reader, from using the image at the same time. It goes
/// when the file is closed. Hosts and filesystems without locks do without.
pub(crate) fn lock(file: &File, access: Access) -> Result<(), String> {
    let outcome = match access {
        Access::Read => file.try_lock_shared(),
        Access::Write => file.try_lock(),
    };
    match outcome {
        Err(TryLockError::WouldBlock) => Err("image is in use by another process".to_owned()),
        Err(TryLockError::Error(error))
            if access == Access::Write && error.kind() != io::ErrorKind::Unsupported =>
        {
            Err(crate::failure::io_text(&error))
        }
        Ok(()) | Err(TryLockError::Error(_)) => Ok(()),
    }
}
