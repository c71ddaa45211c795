//! A device that notes what is done to it, and can be told to fail.

use std::cell::{Ref, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use xfskit::device::{BlockDevice, DeviceError, check_range};

use super::image::Image;

/// The unit in which writes tear, in bytes.
pub const SECTOR_BYTES: usize = 512;

/// Something that was done to a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Bytes were written.
    Write {
        /// Where, in bytes.
        offset: u64,
        /// What.
        bytes: Arc<[u8]>,
    },
    /// All writes before are durable.
    Flush,
}

/// A failure to come.
#[derive(Debug, Clone, Copy)]
pub struct Fault {
    /// Calls that still succeed.
    pub calls_left: u64,
    /// Only one call fails, then all succeed again.
    pub once: bool,
    /// How much of a failing write gets through, in percent.
    pub written_percent: u64,
}

#[derive(Debug)]
struct Inner {
    image: Image,
    events: Vec<Event>,
    fault: Option<Fault>,
    calls: u64,
}

/// A device over an image whose bytes and history outlive the volume on it.
#[derive(Debug, Clone)]
pub struct Recorder {
    inner: Rc<RefCell<Inner>>,
}

impl Recorder {
    /// A device that holds `image`.
    pub fn new(image: Image) -> Self {
        let inner = Inner { image, events: Vec::new(), fault: None, calls: 0 };
        Self { inner: Rc::new(RefCell::new(inner)) }
    }

    /// Number of events so far.
    pub fn count(&self) -> usize {
        self.inner.borrow().events.len()
    }

    /// The events so far.
    pub fn events(&self) -> Ref<'_, [Event]> {
        Ref::map(self.inner.borrow(), |inner| inner.events.as_slice())
    }

    /// Forgets the events so far.
    pub fn forget(&self) {
        self.inner.borrow_mut().events.clear();
    }

    /// The bytes as they are now.
    pub fn image(&self) -> Image {
        self.inner.borrow().image.clone()
    }

    /// Number of calls so far, reads among them.
    pub fn calls(&self) -> u64 {
        self.inner.borrow().calls
    }

    /// Does something that no failure hits, and that is not counted.
    pub fn quietly<R>(&self, act: impl FnOnce() -> R) -> R {
        let (fault, calls) = {
            let mut inner = self.inner.borrow_mut();
            (inner.fault.take(), inner.calls)
        };
        let outcome = act();
        let mut inner = self.inner.borrow_mut();
        (inner.fault, inner.calls) = (fault, calls);
        outcome
    }

    /// Arranges for a failure, or for none.
    pub fn set_fault(&self, fault: Option<Fault>) {
        self.inner.borrow_mut().fault = fault;
    }
}

impl Inner {
    /// Counts a call; the fault that hits it, if one does.
    fn call(&mut self) -> Option<Fault> {
        self.calls += 1;
        let fault = self.fault.as_mut()?;
        if fault.calls_left > 0 {
            fault.calls_left -= 1;
            return None;
        }
        let hit = *fault;
        if hit.once {
            self.fault = None;
        }
        Some(hit)
    }
}

const FAILURE: DeviceError = DeviceError::Io { code: 5 };

impl BlockDevice for Recorder {
    fn len_bytes(&self) -> u64 {
        self.inner.borrow().image.len_bytes()
    }

    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<(), DeviceError> {
        check_range(offset, buf.len(), self.len_bytes())?;
        let mut inner = self.inner.borrow_mut();
        if inner.call().is_some() {
            return Err(FAILURE);
        }
        inner.image.read(offset, buf);
        Ok(())
    }

    fn write_at(&mut self, offset: u64, buf: &[u8]) -> Result<(), DeviceError> {
        check_range(offset, buf.len(), self.len_bytes())?;
        let mut inner = self.inner.borrow_mut();
        let fault = inner.call();
        let sectors = (buf.len() / SECTOR_BYTES) as u64;
        let written = match fault {
            None => buf,
            Some(fault) => &buf[..(sectors * fault.written_percent / 100) as usize * SECTOR_BYTES],
        };
        inner.image.write(offset, written);
        inner.events.push(Event::Write { offset, bytes: written.into() });
        if fault.is_some() { Err(FAILURE) } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), DeviceError> {
        let mut inner = self.inner.borrow_mut();
        if inner.call().is_some() {
            return Err(FAILURE);
        }
        inner.events.push(Event::Flush);
        Ok(())
    }
}
