//! Pulling the plug: notes what is done to a device, and cuts the power at a moment of choice.

use std::cell::RefCell;
use std::rc::Rc;

use xfskit::device::{BlockDevice, DeviceError};

/// Something that was done to a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// Bytes were written.
    Write {
        /// Where, in bytes.
        offset: u64,
        /// How many.
        len_bytes: u64,
    },
    /// All writes before are durable.
    Flush,
}

/// What a device says once it has no power.
const NO_POWER: DeviceError = DeviceError::Io { code: 5 };

#[derive(Debug, Default)]
struct Recording {
    events: Vec<Event>,
    /// Events that still get through, counted from the start of the recording.
    cut_after: Option<usize>,
    is_cut: bool,
}

/// The hand on the plug. Clones hold the same one.
#[derive(Debug, Clone, Default)]
pub struct Plug(Rc<RefCell<Recording>>);

impl Plug {
    /// A plug, and the device behind it: what is done through that is noted from now on.
    #[must_use]
    pub fn insert(device: Box<dyn BlockDevice>) -> (Self, Box<dyn BlockDevice>) {
        let plug = Self::default();
        (plug.clone(), Box::new(Plugged { device, plug }))
    }

    /// What was done since the start of the recording, and got through.
    #[must_use]
    pub fn events(&self) -> Vec<Event> {
        self.0.borrow().events.clone()
    }

    /// Starts the recording anew. A cut to come is off; one that came stays.
    pub fn clear(&self) {
        let mut recording = self.0.borrow_mut();
        recording.events.clear();
        recording.cut_after = None;
    }

    /// Cuts the power once `count` events have got through since the start of the recording: every later write and
    /// flush fails and leaves the device as it is. At once, if there were as many already.
    pub fn cut_after(&self, count: usize) {
        let mut recording = self.0.borrow_mut();
        recording.cut_after = Some(count);
        recording.is_cut |= recording.events.len() >= count;
    }

    /// The power is on again, and the recording starts anew. What the device had when it went is what it has.
    pub fn restore(&self) {
        *self.0.borrow_mut() = Recording::default();
    }

    /// Whether the power is off.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.0.borrow().is_cut
    }

    fn check(&self) -> Result<(), DeviceError> {
        if self.is_cut() { Err(NO_POWER) } else { Ok(()) }
    }

    fn note(&self, event: Event) {
        let mut recording = self.0.borrow_mut();
        recording.events.push(event);
        recording.is_cut |= recording.cut_after == Some(recording.events.len());
    }
}

/// A device with a plug.
struct Plugged {
    device: Box<dyn BlockDevice>,
    plug: Plug,
}

impl BlockDevice for Plugged {
    fn len_bytes(&self) -> u64 {
        self.device.len_bytes()
    }

    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<(), DeviceError> {
        self.device.read_at(offset, buf)
    }

    fn write_at(&mut self, offset: u64, buf: &[u8]) -> Result<(), DeviceError> {
        self.plug.check()?;
        self.device.write_at(offset, buf)?;
        self.plug.note(Event::Write { offset, len_bytes: buf.len() as u64 });
        Ok(())
    }

    fn flush(&mut self) -> Result<(), DeviceError> {
        self.plug.check()?;
        self.device.flush()?;
        self.plug.note(Event::Flush);
        Ok(())
    }

    fn discard(&mut self, offset: u64, len_bytes: u64) -> Result<(), DeviceError> {
        self.plug.check()?;
        self.device.discard(offset, len_bytes)
    }

    fn is_read_only(&self) -> bool {
        self.device.is_read_only()
    }
}

#[cfg(test)]
mod tests {
    use xfskit::device::MemoryDevice;

    use super::*;

    fn plugged() -> (Plug, Box<dyn BlockDevice>) {
        Plug::insert(Box::new(MemoryDevice::new(vec![0; 4096])))
    }

    #[test]
    fn what_gets_through_is_noted_and_the_rest_is_not_there() {
        let (plug, mut device) = plugged();
        device.write_at(0, &[1; 512]).expect("power");
        device.flush().expect("power");
        assert_eq!(plug.events(), [Event::Write { offset: 0, len_bytes: 512 }, Event::Flush]);
        plug.clear();
        plug.cut_after(2);
        device.write_at(512, &[2; 1024]).expect("power");
        assert!(!plug.is_cut());
        assert!(device.write_at(4000, &[2; 1024]).is_err(), "what fails is no event");
        device.flush().expect("power");
        assert!(plug.is_cut());
        assert_eq!(device.write_at(1024, &[3; 512]), Err(NO_POWER));
        assert_eq!(device.flush(), Err(NO_POWER));
        assert_eq!(plug.events(), [Event::Write { offset: 512, len_bytes: 1024 }, Event::Flush]);
        let mut buf = [0; 2048];
        device.read_at(0, &mut buf).expect("reading does no harm");
        assert!(buf[..512] == [1; 512] && buf[512..1536] == [2; 1024] && buf[1536..] == [0; 512]);
        plug.clear();
        assert!(plug.is_cut() && device.flush().is_err(), "power does not come back by itself");
        plug.restore();
        device.flush().expect("power");
        assert_eq!(plug.events(), [Event::Flush]);
    }

    #[test]
    fn a_cut_may_come_at_once() {
        let (plug, mut device) = plugged();
        plug.cut_after(0);
        assert!(plug.is_cut());
        assert_eq!(device.write_at(0, &[1]), Err(NO_POWER));
        let (plug, mut device) = plugged();
        device.flush().expect("power");
        plug.cut_after(5);
        plug.cut_after(1);
        assert_eq!(device.flush(), Err(NO_POWER));
        plug.clear();
        assert_eq!(plug.events(), []);
    }
}
