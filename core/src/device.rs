//! What a volume lives on.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::any::Any;

mod memory;
mod overlay;
pub use memory::MemoryDevice;
pub use overlay::OverlayDevice;

#[cfg(feature = "std")]
mod file;
#[cfg(feature = "std")]
pub use file::FileDevice;

pub use crate::error::DeviceError;

/// A random-access store of bytes.
///
/// # Guarantees asked of an implementation
///
/// * `read_at` after `write_at` sees what was written, also before a flush.
/// * A returned `flush` means that every write that returned before it survives a loss of power. Writes between
///   two flushes may land in any order, in part or not at all, and tear at 512-byte boundaries.
/// * A failed write leaves the bytes of its own range undefined and all others untouched.
pub trait BlockDevice: Any {
    /// Size of the device in bytes.
    fn len_bytes(&self) -> u64;

    /// Fills `buf` from byte `offset` on.
    ///
    /// # Errors
    /// [`DeviceError`]; a short read is an error.
    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<(), DeviceError>;

    /// Writes all of `buf` at byte `offset`.
    ///
    /// # Errors
    /// [`DeviceError`]; a short write is an error.
    fn write_at(&mut self, offset: u64, buf: &[u8]) -> Result<(), DeviceError>;

    /// Makes every completed write durable.
    ///
    /// # Errors
    /// [`DeviceError`]; afterwards nothing is known about the durability of earlier writes.
    fn flush(&mut self) -> Result<(), DeviceError>;

    /// Tells the device that the contents of a range are no longer needed. May do nothing.
    ///
    /// # Errors
    /// [`DeviceError`]; the contents of the range are then undefined.
    fn discard(&mut self, _offset: u64, _len_bytes: u64) -> Result<(), DeviceError> {
        Ok(())
    }

    /// Whether writes can succeed at all.
    fn is_read_only(&self) -> bool {
        false
    }
}

/// Reads `len_bytes` bytes at `offset` into a fresh vector.
///
/// # Errors
/// Those of [`BlockDevice::read_at`].
pub(crate) fn read_vec(
    device: &mut dyn BlockDevice,
    offset: u64,
    len_bytes: usize,
) -> Result<Vec<u8>, DeviceError> {
    let mut buf = alloc::vec![0; len_bytes];
    device.read_at(offset, &mut buf)?;
    Ok(buf)
}

/// Checks that `offset..offset + len` lies inside a device of `device_bytes` bytes.
///
/// # Errors
/// [`DeviceError::OutOfRange`] when it does not.
pub fn check_range(offset: u64, len_bytes: usize, device_bytes: u64) -> Result<(), DeviceError> {
    let len_bytes = len_bytes as u64;
    match offset.checked_add(len_bytes) {
        Some(end) if end <= device_bytes => Ok(()),
        _ => Err(DeviceError::OutOfRange { range: Box::new(offset..offset.saturating_add(len_bytes)) }),
    }
}
