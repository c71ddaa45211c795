//! What a volume lives on, as JavaScript sees it.

use js_sys::Uint8Array;
use wasm_bindgen::prelude::wasm_bindgen;
use xfskit::device::{BlockDevice, check_range};

use crate::failure::{Failure, Result};
use crate::store::file::{ImageFile, RawFile, SyncFile};
use crate::store::memory::SparseMemory;
use crate::store::shared::Shared;

/// A block device. Volumes opened on it share it.
#[wasm_bindgen]
pub struct Disk(Shared);

#[wasm_bindgen]
impl Disk {
    /// `len` bytes of zeros in memory; what is never written takes none.
    ///
    /// # Errors
    /// `EINVAL` for a length that cannot be.
    pub fn memory(len: f64) -> Result<Disk> {
        Ok(Self(Shared::new(SparseMemory::new(bytes(len)?))))
    }

    /// A raw image in `file`: as long as that, or `len` bytes if that is not 0; a shorter file is made as long.
    ///
    /// # Errors
    /// Those of the file.
    pub fn file(file: SyncFile, len: f64, read_only: bool) -> Result<Disk> {
        let image = ImageFile::new(RawFile::new(file), bytes(len)?, read_only)?;
        Ok(Self(Shared::new(image)))
    }

    /// Size in bytes.
    #[allow(clippy::len_without_is_empty, reason = "JavaScript asks for the length only")]
    pub fn len(&self) -> f64 {
        self.0.len_bytes() as f64
    }

    /// Reads `len` bytes from byte `at` on.
    ///
    /// # Errors
    /// Those of the store; `EINVAL` outside of it.
    pub fn read(&mut self, at: f64, len: f64) -> Result<Uint8Array> {
        let (at, len) = (bytes(at)?, bytes(len)? as usize);
        check_range(at, len, self.0.len_bytes())?;
        let mut buf = vec![0; len];
        self.0.read_at(at, &mut buf)?;
        Ok(Uint8Array::from(&buf[..]))
    }

    /// Writes `data` at byte `at`.
    ///
    /// # Errors
    /// Those of the store; `EINVAL` outside of it.
    pub fn write(&mut self, at: f64, data: &[u8]) -> Result<()> {
        Ok(self.0.write_at(bytes(at)?, data)?)
    }

    /// Makes what was written durable, or, in a store that waits, closes the epoch that will be.
    ///
    /// # Errors
    /// Those of the store.
    pub fn flush(&mut self) -> Result<()> {
        Ok(self.0.flush()?)
    }
}

impl Disk {
    /// A handle for a volume.
    pub(crate) fn device(&self) -> Box<dyn BlockDevice> {
        Box::new(self.0.clone())
    }
}

/// A number of bytes from JavaScript.
///
/// # Errors
/// `EINVAL` for one that is negative, not whole, or too large to be exact.
pub(crate) fn bytes(number: f64) -> Result<u64> {
    if (0.0..=9_007_199_254_740_991.0).contains(&number) && number.fract() == 0.0 {
        Ok(number as u64)
    } else {
        Err(Failure::invalid("not a number of bytes"))
    }
}
