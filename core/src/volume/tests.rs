//! Scenarios on small volumes in memory, each held against the checker afterwards.

mod agree;
mod allocate;
mod damaged;
mod dirs;
mod failures;
mod full;
mod journal;
mod listing;
mod log;
mod many;
mod names;
mod pipeline;
mod shapes;
mod xattrs;

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

use super::{NewInode, OpenOptions, Volume};
use crate::check::Severity;
use crate::device::{BlockDevice, DeviceError, check_range};
use crate::format::time::Timestamp;
use crate::mkfs::FormatOptions;
use crate::units::Ino;

const FILE: NewInode = NewInode { mode: 0o644, uid: 1000, gid: 100 };
const DIR: NewInode = NewInode { mode: 0o755, uid: 0, gid: 0 };

/// A device whose bytes outlive the volume on it, and which can be told to fail.
#[derive(Clone, Default)]
struct Shared {
    bytes: Rc<RefCell<Vec<u8>>>,
    /// Calls that still succeed; `None` for all of them.
    calls_left: Rc<Cell<Option<u64>>>,
    /// Only one call fails, then all succeed again.
    fail_once: Rc<Cell<bool>>,
    calls: Rc<Cell<u64>>,
    flushes: Rc<Cell<u64>>,
}

impl Shared {
    fn new(bytes: Vec<u8>) -> Self {
        Self { bytes: Rc::new(RefCell::new(bytes)), ..Self::default() }
    }

    /// Another device with what is on this one now.
    fn snapshot(&self) -> Self {
        Self::new(self.bytes.borrow().clone())
    }

    fn open(&self) -> Volume {
        self.open_with(&OpenOptions::default())
    }

    fn open_with(&self, options: &OpenOptions) -> Volume {
        let mut volume = Volume::open(Box::new(self.clone()), options).expect("opens");
        volume.set_time(Timestamp { seconds: 1_700_000_000, nanoseconds: 7 });
        volume
    }

    fn call(&self) -> Result<(), DeviceError> {
        self.calls.set(self.calls.get() + 1);
        match self.calls_left.get() {
            None => Ok(()),
            Some(0) => {
                if self.fail_once.get() {
                    self.calls_left.set(None);
                }
                Err(DeviceError::Io { code: 5 })
            }
            Some(left) => {
                self.calls_left.set(Some(left - 1));
                Ok(())
            }
        }
    }
}

impl BlockDevice for Shared {
    fn len_bytes(&self) -> u64 {
        self.bytes.borrow().len() as u64
    }

    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<(), DeviceError> {
        self.call()?;
        check_range(offset, buf.len(), self.len_bytes())?;
        let start = offset as usize;
        buf.copy_from_slice(&self.bytes.borrow()[start..start + buf.len()]);
        Ok(())
    }

    fn write_at(&mut self, offset: u64, buf: &[u8]) -> Result<(), DeviceError> {
        self.call()?;
        check_range(offset, buf.len(), self.len_bytes())?;
        let start = offset as usize;
        self.bytes.borrow_mut()[start..start + buf.len()].copy_from_slice(buf);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), DeviceError> {
        self.flushes.set(self.flushes.get() + 1);
        self.call()
    }
}

/// A fresh volume of `mib` MiB.
fn fresh(mib: usize, change: impl FnOnce(&mut FormatOptions)) -> Shared {
    let mut options = FormatOptions { small: true, assume_zeroed: true, ..FormatOptions::default() };
    change(&mut options);
    let device = Shared::new(alloc::vec![0; mib << 20]);
    Volume::format(Box::new(device.clone()), &options).expect("formats");
    device
}

/// Nothing is wrong with the volume.
fn assert_sound(volume: &mut Volume) {
    let mut damage = Vec::new();
    let check = volume.check(&mut |finding| {
        if finding.severity == Severity::Damage {
            damage.push(alloc::format!("{finding}"));
        }
    });
    check.expect("the check runs");
    assert!(damage.is_empty(), "{damage:#?}");
}

fn contents(volume: &mut Volume, ino: Ino) -> Vec<u8> {
    let size = volume.stat(ino).expect("stat").size as usize;
    let mut bytes = alloc::vec![0; size + 1];
    assert_eq!(volume.read(ino, 0, &mut bytes).expect("read"), size);
    bytes.truncate(size);
    bytes
}

fn pattern(seed: u8, len: usize) -> Vec<u8> {
    (0..len).map(|i| (i as u8).wrapping_mul(31).wrapping_add((i >> 8) as u8) ^ seed).collect()
}
