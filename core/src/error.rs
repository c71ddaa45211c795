//! What can go wrong, and where.

use alloc::boxed::Box;
use core::fmt;
use core::ops::Range;

use crate::units::{AgBlock, AgNumber, Daddr, FileBlock, Ino};

/// Result of everything in this crate that can fail.
pub type Result<T, E = Error> = core::result::Result<T, E>;

/// An operation that failed. The volume is then what it was before the operation.
///
/// Results are handed on everywhere, so what an error has to say is boxed: the value itself stays small.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The device failed.
    #[error("{0}")]
    Device(#[from] DeviceError),
    /// Stored bytes break the format.
    #[error("corrupt {0}")]
    Corrupt(Box<Corruption>),
    /// The volume uses something that this version cannot read, or cannot write.
    #[error("unsupported: {feature}")]
    Unsupported {
        /// What it is, by its name in the field.
        feature: Box<str>,
    },
    /// No space left for what was asked.
    #[error("no space left on volume")]
    NoSpace,
    /// The volume was opened read-only; the reason says why.
    #[error("volume is read-only: {reason}")]
    ReadOnly {
        /// Why changes are refused.
        reason: Box<str>,
    },
    /// An earlier failure while writing left the volume unable to take changes.
    #[error("volume refuses changes after an earlier failure: {reason}")]
    Shutdown {
        /// The failure that caused it.
        reason: Box<str>,
    },
    /// The caller asked for something that cannot be done.
    #[error("{0}")]
    Invalid(Mistake),
}

/// Why a device could not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// The bytes are not here yet: the host has to fetch them and call again.
    #[error("bytes {}..{} are not resident", range.start, range.end)]
    NotResident {
        /// Byte range of the device that is needed.
        range: Box<Range<u64>>,
    },
    /// The range lies outside the device.
    #[error("bytes {}..{} lie past the end of the device", range.start, range.end)]
    OutOfRange {
        /// Byte range asked for.
        range: Box<Range<u64>>,
    },
    /// The device was opened for reading only.
    #[error("device is read-only")]
    ReadOnly,
    /// The device is full (a sparse file on a full disk, a quota).
    #[error("device has no space left")]
    NoSpace,
    /// Anything else that the host reports, with its own number for it (an errno where there is one).
    #[error("device I/O failed (code {code})")]
    Io {
        /// The host's error number; 0 when there is none.
        code: i32,
    },
}

/// Mistakes of a caller, each with the meaning of the POSIX error of that name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Mistake {
    /// ENOENT
    #[error("no such file or directory")]
    NotFound,
    /// EEXIST
    #[error("file exists")]
    Exists,
    /// ENOTDIR
    #[error("not a directory")]
    NotADirectory,
    /// EISDIR
    #[error("is a directory")]
    IsADirectory,
    /// ENOTEMPTY
    #[error("directory not empty")]
    NotEmpty,
    /// ENAMETOOLONG
    #[error("name too long")]
    NameTooLong,
    /// EINVAL
    #[error("invalid argument: {0}")]
    Argument(&'static str),
    /// ELOOP
    #[error("too many levels of symbolic links")]
    Loop,
    /// EFBIG
    #[error("file too large")]
    FileTooLarge,
    /// ENODATA
    #[error("no such attribute")]
    NoAttribute,
    /// E2BIG
    #[error("value too large")]
    ValueTooLarge,
    /// EMLINK
    #[error("too many links")]
    TooManyLinks,
    /// EPERM
    #[error("operation not permitted: {0}")]
    NotPermitted(&'static str),
    /// EACCES
    #[error("permission denied")]
    NoAccess,
    /// EBUSY
    #[error("resource busy")]
    Busy,
    /// EXDEV
    #[error("not within one project")]
    CrossDevice,
}

/// Stored bytes that break the format: which structure, where, and what was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Corruption {
    /// Structure, by its name in the field ("AGF", "bnobt", "inode", "directory leaf").
    pub structure: &'static str,
    /// Where it lies.
    pub place: Place,
    /// What is wrong with it.
    pub problem: Problem,
}

/// Where a structure lies, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Place {
    /// Disk address in 512-byte units.
    pub daddr: Option<Daddr>,
    /// Allocation group.
    pub ag: Option<AgNumber>,
    /// Block in that allocation group.
    pub agblock: Option<AgBlock>,
    /// Inode that owns it, or that it is.
    pub ino: Option<Ino>,
    /// Block of the file, directory or attribute fork.
    pub file_block: Option<FileBlock>,
}

/// What is wrong with a structure.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The checksum does not fit the bytes.
    #[error("checksum: expected {expected:#010x}, found {found:#010x}")]
    Crc {
        /// Computed over the bytes.
        expected: u32,
        /// Stored in them.
        found: u32,
    },
    /// A field does not have the one value that it must have.
    #[error("{field}: expected {expected:#x}, found {found:#x}")]
    Value {
        /// Name of the field.
        field: &'static str,
        /// What must stand there.
        expected: u64,
        /// What stands there.
        found: u64,
    },
    /// A field is outside its bounds.
    #[error("{field}: {found:#x} is out of bounds")]
    Bounds {
        /// Name of the field.
        field: &'static str,
        /// What stands there.
        found: u64,
    },
    /// The UUID is not the volume's.
    #[error("uuid: not that of the volume")]
    Uuid,
    /// Anything else, in a few words.
    #[error("{0}")]
    Rule(&'static str),
}

impl Error {
    /// Corruption of `structure` at `place`.
    #[must_use]
    pub fn corrupt(structure: &'static str, place: Place, problem: Problem) -> Self {
        Self::Corrupt(Box::new(Corruption { structure, place, problem }))
    }

    /// A stable code for programs: `corrupt.crc`, `no-space`, `invalid.not-found`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Device(DeviceError::NotResident { .. }) => "device.not-resident",
            Self::Device(DeviceError::NoSpace) => "device.no-space",
            Self::Device(_) => "device.io",
            Self::Corrupt(c) => match c.problem {
                Problem::Crc { .. } => "corrupt.crc",
                Problem::Value { .. } => "corrupt.value",
                Problem::Bounds { .. } => "corrupt.bounds",
                Problem::Uuid => "corrupt.uuid",
                Problem::Rule(_) => "corrupt.rule",
            },
            Self::Unsupported { .. } => "unsupported",
            Self::NoSpace => "no-space",
            Self::ReadOnly { .. } => "read-only",
            Self::Shutdown { .. } => "shutdown",
            Self::Invalid(mistake) => mistake.code(),
        }
    }

    /// The feature `name` is not supported.
    #[must_use]
    pub fn unsupported(name: impl Into<Box<str>>) -> Self {
        Self::Unsupported { feature: name.into() }
    }
}

impl Mistake {
    fn code(self) -> &'static str {
        match self {
            Self::NotFound => "invalid.not-found",
            Self::Exists => "invalid.exists",
            Self::NotADirectory => "invalid.not-a-directory",
            Self::IsADirectory => "invalid.is-a-directory",
            Self::NotEmpty => "invalid.not-empty",
            Self::NameTooLong => "invalid.name-too-long",
            Self::Argument(_) => "invalid.argument",
            Self::Loop => "invalid.loop",
            Self::FileTooLarge => "invalid.file-too-large",
            Self::NoAttribute => "invalid.no-attribute",
            Self::ValueTooLarge => "invalid.value-too-large",
            Self::TooManyLinks => "invalid.too-many-links",
            Self::NotPermitted(_) => "invalid.not-permitted",
            Self::NoAccess => "invalid.no-access",
            Self::Busy => "invalid.busy",
            Self::CrossDevice => "invalid.cross-device",
        }
    }
}

impl From<Mistake> for Error {
    fn from(mistake: Mistake) -> Self {
        Self::Invalid(mistake)
    }
}

impl Place {
    /// A place known by its disk address.
    #[must_use]
    pub fn daddr(daddr: Daddr) -> Self {
        Self { daddr: Some(daddr), ..Self::default() }
    }

    /// An allocation group as a whole.
    #[must_use]
    pub fn ag(ag: AgNumber) -> Self {
        Self { ag: Some(ag), ..Self::default() }
    }

    /// A block of an allocation group.
    #[must_use]
    pub fn agblock(ag: AgNumber, agblock: AgBlock) -> Self {
        Self { ag: Some(ag), agblock: Some(agblock), ..Self::default() }
    }

    /// An inode.
    #[must_use]
    pub fn ino(ino: Ino) -> Self {
        Self { ino: Some(ino), ..Self::default() }
    }

    /// A block of an inode's fork.
    #[must_use]
    pub fn file_block(ino: Ino, file_block: FileBlock) -> Self {
        Self { ino: Some(ino), file_block: Some(file_block), ..Self::default() }
    }

    /// The same place, with its disk address.
    #[must_use]
    pub fn at(mut self, daddr: Daddr) -> Self {
        self.daddr = Some(daddr);
        self
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(ino) = self.ino {
            write!(f, " inode {ino}")?;
        }
        if let Some(block) = self.file_block {
            write!(f, " file block {block}")?;
        }
        if let Some(ag) = self.ag {
            write!(f, " AG {ag}")?;
        }
        if let Some(block) = self.agblock {
            write!(f, " block {block}")?;
        }
        if let Some(daddr) = self.daddr {
            write!(f, " daddr {daddr}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Corruption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}: {}", self.structure, self.place, self.problem)
    }
}
