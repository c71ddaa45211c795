//! Errors as JavaScript's programs know them: an `Error` with Node's `code`.

use js_sys::Reflect;
use wasm_bindgen::JsValue;
use xfskit::device::DeviceError;
use xfskit::error::Mistake;

use crate::store::{StoreError, code_name};

/// An error on its way to JavaScript.
#[derive(Debug)]
pub struct Failure {
    code: &'static str,
    message: String,
}

/// Result of all that JavaScript calls.
pub type Result<T> = core::result::Result<T, Failure>;

impl Failure {
    /// A failure with one of Node's codes.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// The caller's mistake.
    pub fn invalid(message: &str) -> Self {
        Self::new("EINVAL", message)
    }
}

impl From<Failure> for JsValue {
    fn from(failure: Failure) -> Self {
        let error = js_sys::Error::new(&failure.message);
        // Setting a property of a fresh object cannot fail.
        let _ = Reflect::set(&error, &"code".into(), &failure.code.into());
        error.into()
    }
}

impl From<xfskit::Error> for Failure {
    fn from(error: xfskit::Error) -> Self {
        Self { code: code(&error), message: error.to_string() }
    }
}

impl From<DeviceError> for Failure {
    fn from(error: DeviceError) -> Self {
        xfskit::Error::from(error).into()
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self { code: error.code(), message: error.to_string() }
    }
}

fn code(error: &xfskit::Error) -> &'static str {
    use xfskit::Error::{Corrupt, Device, Invalid, NoSpace, ReadOnly, Unsupported};
    match error {
        Device(DeviceError::NotResident { .. }) => "NOT_RESIDENT",
        Device(DeviceError::NoSpace) | NoSpace => "ENOSPC",
        Device(DeviceError::ReadOnly) | ReadOnly { .. } => "EROFS",
        Device(DeviceError::Io { code }) => code_name(*code),
        Corrupt(_) => "EUCLEAN",
        Unsupported { .. } => "EOPNOTSUPP",
        Invalid(mistake) => mistake_code(*mistake),
        // A shutdown among them: Linux says the same of a volume that it has given up.
        _ => "EIO",
    }
}

fn mistake_code(mistake: Mistake) -> &'static str {
    match mistake {
        Mistake::NotFound => "ENOENT",
        Mistake::Exists => "EEXIST",
        Mistake::NotADirectory => "ENOTDIR",
        Mistake::IsADirectory => "EISDIR",
        Mistake::NotEmpty => "ENOTEMPTY",
        Mistake::NameTooLong => "ENAMETOOLONG",
        Mistake::Loop => "ELOOP",
        Mistake::FileTooLarge => "EFBIG",
        Mistake::NoAttribute => "ENODATA",
        Mistake::ValueTooLarge => "E2BIG",
        Mistake::TooManyLinks => "EMLINK",
        Mistake::NotPermitted(_) => "EPERM",
        Mistake::NoAccess => "EACCES",
        Mistake::Busy => "EBUSY",
        Mistake::CrossDevice => "EXDEV",
        _ => "EINVAL",
    }
}
