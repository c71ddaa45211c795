//! A device that several hold: JavaScript's handle of it and the volume on it.

use std::cell::RefCell;
use std::rc::Rc;

use xfskit::device::{BlockDevice, DeviceError};

/// A handle of a device; clones are handles of the same one.
#[derive(Clone)]
pub struct Shared(Rc<RefCell<Box<dyn BlockDevice>>>);

impl Shared {
    /// The first handle of `device`.
    pub fn new(device: impl BlockDevice) -> Self {
        Self(Rc::new(RefCell::new(Box::new(device))))
    }

    /// Puts another device in this one's place, made from it, for all who hold a handle.
    pub fn wrap(&self, around: impl FnOnce(Box<dyn BlockDevice>) -> Box<dyn BlockDevice>) {
        let mut device = self.0.borrow_mut();
        let nothing = Box::new(xfskit::device::MemoryDevice::new(Vec::new()));
        let inner = std::mem::replace(&mut *device, nothing);
        *device = around(inner);
    }
}

impl BlockDevice for Shared {
    fn len_bytes(&self) -> u64 {
        self.0.borrow().len_bytes()
    }

    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<(), DeviceError> {
        self.0.borrow_mut().read_at(offset, buf)
    }

    fn write_at(&mut self, offset: u64, buf: &[u8]) -> Result<(), DeviceError> {
        self.0.borrow_mut().write_at(offset, buf)
    }

    fn flush(&mut self) -> Result<(), DeviceError> {
        self.0.borrow_mut().flush()
    }

    fn discard(&mut self, offset: u64, len_bytes: u64) -> Result<(), DeviceError> {
        self.0.borrow_mut().discard(offset, len_bytes)
    }

    fn is_read_only(&self) -> bool {
        self.0.borrow().is_read_only()
    }
}
