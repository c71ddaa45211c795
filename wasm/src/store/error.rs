//! Why a store can't be opened.

use xfskit::device::DeviceError;

/// A store that can't be opened, or made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// What lies below failed.
    #[error("{0}")]
    Device(#[from] DeviceError),
    /// There is something, but not one of ours.
    #[error("this is no {store}: {found}")]
    Foreign {
        /// What was expected ("packed image", "overlay").
        store: &'static str,
        /// What is there instead.
        found: &'static str,
    },
    /// It was made by a later version.
    #[error("{store} of version {version}, which this release does not know")]
    Version {
        /// What it is.
        store: &'static str,
        /// The version it says.
        version: u32,
    },
    /// It is one of ours, and damaged.
    #[error("{store} is damaged: {problem}")]
    Damaged {
        /// What it is.
        store: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// An overlay is over something else than what it was made for.
    #[error("overlay was made for another base: {what} differs")]
    OtherBase {
        /// What tells them apart.
        what: &'static str,
    },
    /// The caller asked for something that can't be.
    #[error("invalid argument: {0}")]
    Argument(&'static str),
}

impl StoreError {
    /// The name that Node.js has for it.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Device(DeviceError::NotResident { .. }) => "NOT_RESIDENT",
            Self::Device(DeviceError::NoSpace) => "ENOSPC",
            Self::Device(DeviceError::ReadOnly) => "EROFS",
            Self::Device(DeviceError::OutOfRange { .. }) | Self::Argument(_) => "EINVAL",
            Self::Device(DeviceError::Io { code }) => code_name(*code),
            Self::Device(_) => "EIO",
            Self::Foreign { .. } => "EINVAL",
            Self::OtherBase { .. } => "ESTALE",
            Self::Version { .. } => "EOPNOTSUPP",
            Self::Damaged { .. } => "EUCLEAN",
        }
    }
}

/// errno of what another tab has taken away.
pub(super) const BUSY: i32 = 16;
/// errno of an overlay whose base is not what it was.
pub(super) const STALE: i32 = 116;

/// The name of a number that a store of this crate puts into [`DeviceError::Io`].
#[must_use]
pub fn code_name(code: i32) -> &'static str {
    match code {
        BUSY => "EBUSY",
        STALE => "ESTALE",
        _ => "EIO",
    }
}
