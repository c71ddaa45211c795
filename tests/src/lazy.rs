//! A device whose bytes have to be fetched first, as in a browser.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use xfskit::device::{BlockDevice, DeviceError};
use xfskit::{Error, Result};

/// Bytes that are fetched at once.
pub const PAGE_BYTES: u64 = 16 << 10;

/// Which pages have been fetched; shared by a device and its host.
pub type Resident = Arc<Mutex<HashSet<u64>>>;

/// Shows another device, but only where its pages are resident.
#[derive(Debug)]
pub struct LazyDevice<D> {
    inner: D,
    resident: Resident,
}

impl<D: BlockDevice> LazyDevice<D> {
    /// A device that shows the resident pages of `inner`.
    pub fn new(inner: D, resident: Resident) -> Self {
        Self { inner, resident }
    }

    fn missing(&self, offset: u64, len_bytes: u64) -> Option<DeviceError> {
        let resident = self.resident.lock().expect("no panic while it was held");
        let pages = offset / PAGE_BYTES..(offset + len_bytes).div_ceil(PAGE_BYTES);
        let page = pages.into_iter().find(|page| !resident.contains(page))?;
        let end = ((page + 1) * PAGE_BYTES).min(self.inner.len_bytes());
        Some(DeviceError::NotResident { range: Box::new(page * PAGE_BYTES..end) })
    }
}

impl<D: BlockDevice> BlockDevice for LazyDevice<D> {
    fn len_bytes(&self) -> u64 {
        self.inner.len_bytes()
    }

    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> std::result::Result<(), DeviceError> {
        self.missing(offset, buf.len() as u64).map_or_else(|| self.inner.read_at(offset, buf), Err)
    }

    fn write_at(&mut self, offset: u64, buf: &[u8]) -> std::result::Result<(), DeviceError> {
        self.inner.write_at(offset, buf)
    }

    fn flush(&mut self) -> std::result::Result<(), DeviceError> {
        self.inner.flush()
    }
}

/// Calls an operation again and again, each time fetching what it said is missing, until it says something else.
///
/// # Errors
/// Those of the operation but `NotResident`.
pub fn fetching<T>(resident: &Resident, mut operation: impl FnMut() -> Result<T>) -> Result<T> {
    loop {
        match operation() {
            Err(Error::Device(DeviceError::NotResident { range })) => {
                let page = range.start / PAGE_BYTES;
                let is_new = resident.lock().expect("no panic while it was held").insert(page);
                assert!(is_new, "{range:?} was fetched already");
            }
            other => return other,
        }
    }
}
