//! A file that is read and written at once: a sync access handle of OPFS, or a file of Node.js in the same shape.

use js_sys::{Object, Reflect};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use xfskit::device::{BlockDevice, DeviceError, check_range};

use super::BUSY;

#[wasm_bindgen]
extern "C" {
    /// A file with the calls of `FileSystemSyncAccessHandle`.
    pub type SyncFile;

    #[wasm_bindgen(method, catch)]
    fn read(this: &SyncFile, buf: &mut [u8], options: &Object) -> Result<f64, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn write(this: &SyncFile, buf: &[u8], options: &Object) -> Result<f64, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn flush(this: &SyncFile) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch)]
    fn truncate(this: &SyncFile, size: f64) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch, js_name = getSize)]
    fn get_size(this: &SyncFile) -> Result<f64, JsValue>;
}

/// A file, its errors made ours, every count that it returns checked.
pub struct RawFile {
    file: SyncFile,
    /// The `{ at }` of a call, and the name of its field; made once.
    options: Object,
    at: JsValue,
}

impl RawFile {
    /// Around `file`, which nobody else writes.
    pub fn new(file: SyncFile) -> Self {
        Self { file, options: Object::new(), at: "at".into() }
    }

    fn at(&self, offset: u64) -> Result<&Object, DeviceError> {
        let set = Reflect::set(&self.options, &self.at, &(offset as f64).into());
        set.map(|_| &self.options).map_err(|error| device_error(&error))
    }

    /// Reads up to `buf.len()` bytes; less only at the end of the file.
    ///
    /// # Errors
    /// [`DeviceError::Io`], also for a count that cannot be.
    pub fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize, DeviceError> {
        let count = self.file.read(buf, self.at(offset)?).map_err(|error| device_error(&error))?;
        counted(count, buf.len()).ok_or(DeviceError::Io { code: 0 })
    }

    /// Writes all of `buf`.
    ///
    /// # Errors
    /// [`DeviceError::NoSpace`] when only a part was taken: at their quota, browsers throw, or return some other
    /// number. [`DeviceError::Io`].
    pub fn write_at(&self, offset: u64, buf: &[u8]) -> Result<(), DeviceError> {
        let count = self.file.write(buf, self.at(offset)?).map_err(|error| device_error(&error))?;
        match counted(count, buf.len()) {
            Some(count) if count == buf.len() => Ok(()),
            _ => Err(DeviceError::NoSpace),
        }
    }

    /// Makes what was written durable.
    ///
    /// # Errors
    /// [`DeviceError::Io`], [`DeviceError::NoSpace`].
    pub fn flush(&self) -> Result<(), DeviceError> {
        self.file.flush().map_err(|error| device_error(&error))
    }

    /// Makes the file `size` bytes long; new ones are zeros.
    ///
    /// # Errors
    /// [`DeviceError::Io`], [`DeviceError::NoSpace`].
    pub fn truncate(&self, size: u64) -> Result<(), DeviceError> {
        self.file.truncate(size as f64).map_err(|error| device_error(&error))
    }

    /// Size of the file in bytes.
    ///
    /// # Errors
    /// [`DeviceError::Io`], also for a size that cannot be.
    pub fn len_bytes(&self) -> Result<u64, DeviceError> {
        let size = self.file.get_size().map_err(|error| device_error(&error))?;
        if (0.0..=MAX_EXACT).contains(&size) && size.fract() == 0.0 {
            Ok(size as u64)
        } else {
            Err(DeviceError::Io { code: 0 })
        }
    }
}

/// The largest integer up to which a JavaScript number has all of them.
const MAX_EXACT: f64 = 9_007_199_254_740_991.0;

/// A count that a call returned, if it is one.
fn counted(count: f64, asked: usize) -> Option<usize> {
    let is_count = count >= 0.0 && count <= asked as f64 && count.fract() == 0.0;
    is_count.then_some(count as usize)
}

/// What an exception of a file means. Browsers name theirs, Node.js has codes.
fn device_error(error: &JsValue) -> DeviceError {
    let field = |name: &str| Reflect::get(error, &name.into()).ok().and_then(|value| value.as_string());
    let word = if error.is_object() { field("code").or_else(|| field("name")) } else { None };
    match word.as_deref() {
        Some("QuotaExceededError" | "ENOSPC" | "EDQUOT" | "EFBIG") => DeviceError::NoSpace,
        Some("EROFS" | "EBADF" | "NoModificationAllowedError") => DeviceError::ReadOnly,
        // The handle was closed: the browser, or another tab, has taken the file away.
        Some("InvalidStateError" | "NotFoundError" | "EBUSY") => DeviceError::Io { code: BUSY },
        _ => DeviceError::Io { code: 0 },
    }
}

/// A raw image.
pub struct ImageFile {
    file: RawFile,
    len_bytes: u64,
    read_only: bool,
}

impl ImageFile {
    /// A device of `len_bytes` bytes, or as long as the file when that is 0. A shorter file is made as long.
    ///
    /// # Errors
    /// Those of the file.
    pub fn new(file: RawFile, len_bytes: u64, read_only: bool) -> Result<Self, DeviceError> {
        let found = file.len_bytes()?;
        if found < len_bytes {
            file.truncate(len_bytes)?;
        }
        Ok(Self { file, len_bytes: if len_bytes == 0 { found } else { len_bytes }, read_only })
    }
}

impl BlockDevice for ImageFile {
    fn len_bytes(&self) -> u64 {
        self.len_bytes
    }

    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<(), DeviceError> {
        check_range(offset, buf.len(), self.len_bytes)?;
        match self.file.read_at(offset, buf)? {
            count if count == buf.len() => Ok(()),
            _ => Err(DeviceError::Io { code: 0 }),
        }
    }

    fn write_at(&mut self, offset: u64, buf: &[u8]) -> Result<(), DeviceError> {
        if self.read_only {
            return Err(DeviceError::ReadOnly);
        }
        check_range(offset, buf.len(), self.len_bytes)?;
        self.file.write_at(offset, buf)
    }

    fn flush(&mut self) -> Result<(), DeviceError> {
        if self.read_only { Ok(()) } else { self.file.flush() }
    }

    fn is_read_only(&self) -> bool {
        self.read_only
    }
}
