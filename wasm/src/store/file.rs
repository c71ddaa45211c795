//! A file that is read and written at once: a sync access handle of OPFS, or a file of Node.js in the same shape.

use js_sys::{Object, Reflect};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use xfskit::device::DeviceError;

use super::error::BUSY;
use super::raw::{NONSENSE, RawFile, count_of};

#[wasm_bindgen]
extern "C" {
    /// A file with the calls of `FileSystemSyncAccessHandle`.
    pub type SyncFile;

    #[wasm_bindgen(method, catch)]
    fn read(this: &SyncFile, buf: &mut [u8], options: &Position) -> Result<f64, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn write(this: &SyncFile, buf: &[u8], options: &Position) -> Result<f64, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn flush(this: &SyncFile) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch)]
    fn truncate(this: &SyncFile, size: f64) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch, js_name = getSize)]
    fn get_size(this: &SyncFile) -> Result<f64, JsValue>;

    /// The `{ at }` of a call.
    type Position;

    // Faster than setting a field by a name that comes from here, which shows where little is read at a time.
    #[wasm_bindgen(method, structural, setter)]
    fn set_at(this: &Position, at: f64);
}

/// Such a file, its errors made ours.
pub struct HostFile {
    file: SyncFile,
    /// Made once, and set anew for each call.
    position: Position,
}

impl HostFile {
    /// Around `file`, which nobody else writes.
    pub fn new(file: SyncFile) -> Self {
        Self { file, position: Object::new().unchecked_into() }
    }

    fn at(&self, offset: u64) -> &Position {
        self.position.set_at(offset as f64);
        &self.position
    }
}

impl RawFile for HostFile {
    fn read_at(&mut self, at: u64, buf: &mut [u8]) -> Result<usize, DeviceError> {
        let count = self.file.read(buf, self.at(at)).map_err(|error| device_error(&error))?;
        Ok(count_of(count))
    }

    fn write_at(&mut self, at: u64, bytes: &[u8]) -> Result<usize, DeviceError> {
        let count = self.file.write(bytes, self.at(at)).map_err(|error| device_error(&error))?;
        Ok(count_of(count))
    }

    fn flush(&mut self) -> Result<(), DeviceError> {
        self.file.flush().map_err(|error| device_error(&error))
    }

    fn truncate(&mut self, len_bytes: u64) -> Result<(), DeviceError> {
        self.file.truncate(len_bytes as f64).map_err(|error| device_error(&error))
    }

    fn len_bytes(&mut self) -> Result<u64, DeviceError> {
        let size = self.file.get_size().map_err(|error| device_error(&error))?;
        if (0.0..=MAX_EXACT).contains(&size) && size.fract() == 0.0 { Ok(size as u64) } else { Err(NONSENSE) }
    }
}

/// The largest integer up to which a JavaScript number has all of them.
const MAX_EXACT: f64 = 9_007_199_254_740_991.0;

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
