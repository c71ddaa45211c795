//! The public face of a volume: paths, attributes, contents.
//!
//! All names and paths are bytes. Calls take inode numbers ([`Ino`]); [`Volume::resolve`] turns a path into one.

mod acls;
mod allocate;
mod create;
mod flags;
mod link;
pub mod log;
mod map;
mod names;
mod open;
mod open_unlinked;
mod path;
mod path_of;
mod read;
mod recover;
mod rename;
#[cfg(test)]
mod tests;
mod types;
mod write;
mod xattrs;

pub use types::{
    DirEntry, ExtentPlace, FileExtent, FileType, Flags, Flags2, Follow, Namespace, ParentPointer, Stat,
    StatFs, Timestamp, XattrName,
};

pub use crate::acl::{Acl, AclEntry, AclKind, Tag};
pub use crate::inode::flags::XFlags;
pub use crate::inode::init::NewInode;
pub use allocate::Allocate;
pub use flags::FlagChanges;
pub use rename::RenameMode;
pub use write::SetAttributes;
pub use xattrs::SetMode;

use allocate::Shifting;
use open::Policy;
use open_unlinked::Held;
use recover::Opened;

pub use crate::recovery::Report;

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use crate::data::file::Files;
use crate::device::BlockDevice;
use crate::error::Result;
use crate::geometry::Geometry;
use crate::journal::Store;
use crate::units::Ino;
use crate::units::map::Ordered;

/// How to open a volume.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct OpenOptions {
    /// Refuse every change.
    pub read_only: bool,
    /// Bound on clean metadata kept in memory, in bytes; at least 1 MiB is used.
    pub cache_bytes: usize,
    /// Bound on file data that waits for writeback, in bytes.
    pub dirty_bytes: usize,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self { read_only: false, cache_bytes: 8 << 20, dirty_bytes: 64 << 20 }
    }
}

/// An open XFS volume.
///
/// ```
/// use xfskit::device::MemoryDevice;
/// use xfskit::mkfs::FormatOptions;
/// use xfskit::volume::{Follow, NewInode, OpenOptions, Timestamp, Volume};
///
/// let device = Box::new(MemoryDevice::new(vec![0; 20 << 20]));
/// let mut options = FormatOptions::new(uuid::Uuid::from_u128(1), Timestamp::default(), 1);
/// options.small = true;
/// let device = Volume::format(device, &options)?;
///
/// let mut volume = Volume::open(device, &OpenOptions::default())?;
/// let new = NewInode { mode: 0o644, uid: 0, gid: 0 };
/// let file = volume.create(volume.root(), b"greeting", &new)?;
/// volume.write(file, 0, b"hello")?;
/// let copy = volume.create(volume.root(), b"copy", &new)?;
/// volume.clone_file(file, copy)?;
///
/// assert_eq!(volume.resolve(b"/copy", Follow::Yes)?, copy);
/// let mut buf = [0; 100];
/// let len = volume.read(copy, 0, &mut buf)?;
/// assert_eq!(&buf[..len], b"hello");
/// assert!(volume.extents(copy)?[0].shared);
/// let device = volume.close()?;
/// # drop(device);
/// # Ok::<(), xfskit::Error>(())
/// ```
pub struct Volume {
    store: Store,
    /// Why changes are refused, when they are.
    read_only: Option<String>,
    /// What a user should know about the state of the volume.
    warnings: Vec<String>,
    /// The superblock's counters are not right.
    has_stale_counters: bool,
    /// A dirty log was replayed in memory: what the store writes never reaches the device.
    is_in_memory: bool,
    /// The log is dirty still.
    has_dirty_log: bool,
    /// What was done to a dirty log.
    recovered: Option<Report>,
    /// The time that changes are stamped with.
    now: Timestamp,
    /// Files with something in memory that is not on the device.
    files: Files,
    /// Inodes on unlinked lists that are still to be freed.
    orphans: Vec<Ino>,
    /// Those that are too damaged for it: they are left to recovery.
    abandoned: Vec<Ino>,
    /// Inodes that outlive their last name.
    held: Held,
    /// Those of them that were made without a name, and never had one.
    nameless: Ordered<Ino, ()>,
    /// A collapse or an insertion that failed on the way.
    shifting: Option<Shifting>,
    /// Bound on their data in memory, in bytes.
    dirty_limit: usize,
    /// Counts new directories, to spread them over the AGs.
    dir_rotor: u32,
    /// For inode generations.
    seed: u32,
    /// Permission bits that new inodes go without, where no default access control list says otherwise.
    umask: u16,
}

impl Volume {
    /// Opens the volume on `device`.
    ///
    /// # Errors
    /// [`Error::Unsupported`](crate::Error::Unsupported) names what cannot be read; [`Error::Corrupt`](crate::Error::Corrupt) says what is damaged.
    pub fn open(device: Box<dyn BlockDevice>, options: &OpenOptions) -> Result<Self> {
        let Opened { mut store, log } = recover::open(device, options)?;
        let Policy { read_only, warnings, has_stale_counters } = Policy::of(&mut store, &log, options);
        let seed = store.geometry().uuid.as_fields().0;
        Ok(Self {
            store,
            read_only,
            warnings,
            has_stale_counters,
            is_in_memory: log.is_in_memory(),
            has_dirty_log: log.is_left_dirty(),
            recovered: log.into_report(),
            now: Timestamp::default(),
            files: Files::default(),
            orphans: Vec::new(),
            abandoned: Vec::new(),
            held: Held::default(),
            shifting: None,
            nameless: Ordered::new(),
            dirty_limit: options.dirty_bytes,
            dir_rotor: 0,
            seed,
            umask: 0,
        })
    }

    /// Shape of the volume.
    #[must_use]
    pub fn geometry(&self) -> &Geometry {
        self.store.geometry()
    }

    /// Why every change is refused, if it is.
    #[must_use]
    pub fn read_only_reason(&self) -> Option<&str> {
        self.read_only.as_deref()
    }

    /// What a user should know about the state of the volume.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Whether the log on the device is dirty: it was left alone, or replayed in memory only.
    #[must_use]
    pub fn has_dirty_log(&self) -> bool {
        self.has_dirty_log
    }

    /// What was recovered from a dirty log when the volume was opened, for good or in memory.
    #[must_use]
    pub fn recovered(&self) -> Option<&Report> {
        self.recovered.as_ref()
    }

    /// The inode of the root directory.
    #[must_use]
    pub fn root(&self) -> Ino {
        self.store.geometry().rootino
    }

    /// The blocks below, for the checker.
    pub(crate) fn store(&mut self) -> &mut Store {
        &mut self.store
    }
}
