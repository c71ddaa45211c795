//! What programs are told when something fails.

use fuser::Errno;
use xfskit::Error;
use xfskit::error::{DeviceError, Mistake};

/// The error number with the meaning of `error`.
pub(crate) fn of(error: &Error) -> Errno {
    match error {
        Error::Device(DeviceError::NoSpace) | Error::NoSpace => Errno::ENOSPC,
        Error::Device(DeviceError::ReadOnly) | Error::ReadOnly { .. } => Errno::EROFS,
        Error::Unsupported { .. } => Errno::EOPNOTSUPP,
        Error::Invalid(mistake) => of_mistake(*mistake),
        // Linux says EUCLEAN for damage; programs know EIO.
        _ => Errno::EIO,
    }
}

fn of_mistake(mistake: Mistake) -> Errno {
    match mistake {
        Mistake::NotFound => Errno::ENOENT,
        Mistake::Exists => Errno::EEXIST,
        Mistake::NotADirectory => Errno::ENOTDIR,
        Mistake::IsADirectory => Errno::EISDIR,
        Mistake::NotEmpty => Errno::ENOTEMPTY,
        Mistake::NameTooLong => Errno::ENAMETOOLONG,
        Mistake::Loop => Errno::ELOOP,
        Mistake::FileTooLarge => Errno::EFBIG,
        Mistake::NoAttribute => Errno::ENODATA,
        Mistake::ValueTooLarge => Errno::E2BIG,
        Mistake::TooManyLinks => Errno::EMLINK,
        Mistake::NotPermitted(_) => Errno::EPERM,
        Mistake::Busy => Errno::EBUSY,
        Mistake::CrossDevice => Errno::EXDEV,
        _ => Errno::EINVAL,
    }
}
