//! A device over another one that keeps every change in memory.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::{BlockDevice, DeviceError, check_range};
use crate::units::map::Hashed;

const PAGE_BYTES: usize = 4096;

/// Shows the device below, and over it what was written since. Nothing of that ever reaches the device below.
pub struct OverlayDevice {
    base: Box<dyn BlockDevice>,
    pages: Hashed<u64, Vec<u8>>,
}

impl OverlayDevice {
    /// An overlay without changes.
    #[must_use]
    pub fn new(base: Box<dyn BlockDevice>) -> Self {
        Self { base, pages: Hashed::new() }
    }

    /// Drops the changes, and gives the device below back.
    #[must_use]
    pub fn into_inner(self) -> Box<dyn BlockDevice> {
        self.base
    }

    /// The private copy of a page, which a write that does not cover it starts with what lies below.
    fn page_mut(&mut self, number: u64, is_covered: bool) -> Result<&mut Vec<u8>, DeviceError> {
        if !self.pages.contains(number) {
            let start = number * PAGE_BYTES as u64;
            let len = (self.base.len_bytes() - start).min(PAGE_BYTES as u64);
            let mut bytes = alloc::vec![0; len as usize];
            if !is_covered {
                self.base.read_at(start, &mut bytes)?;
            }
            self.pages.insert(number, bytes);
        }
        Ok(self.pages.get_mut(number).expect("inserted above"))
    }
}

impl BlockDevice for OverlayDevice {
    fn len_bytes(&self) -> u64 {
        self.base.len_bytes()
    }

    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<(), DeviceError> {
        check_range(offset, buf.len(), self.len_bytes())?;
        self.base.read_at(offset, buf)?;
        if self.pages.is_empty() || buf.is_empty() {
            return Ok(());
        }
        let end = offset + buf.len() as u64;
        for number in offset / PAGE_BYTES as u64..end.div_ceil(PAGE_BYTES as u64) {
            let Some(page) = self.pages.get(number) else { continue };
            let start = number * PAGE_BYTES as u64;
            let (from, to) = (offset.max(start), end.min(start + page.len() as u64));
            let inside = &page[(from - start) as usize..(to - start) as usize];
            buf[(from - offset) as usize..(to - offset) as usize].copy_from_slice(inside);
        }
        Ok(())
    }

    fn write_at(&mut self, offset: u64, buf: &[u8]) -> Result<(), DeviceError> {
        check_range(offset, buf.len(), self.len_bytes())?;
        let (mut at, mut rest) = (offset, buf);
        while !rest.is_empty() {
            let inside = (at % PAGE_BYTES as u64) as usize;
            let count = rest.len().min(PAGE_BYTES - inside);
            let page = self.page_mut(at / PAGE_BYTES as u64, count == PAGE_BYTES)?;
            page[inside..inside + count].copy_from_slice(&rest[..count]);
            at += count as u64;
            rest = &rest[count..];
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), DeviceError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::MemoryDevice;

    #[test]
    fn shows_what_was_written_and_keeps_it_from_the_device_below() {
        let below: Vec<u8> = (0..10_000_u32).map(|n| n as u8).collect();
        let mut device = OverlayDevice::new(Box::new(MemoryDevice::new(below.clone())));
        let mut expected = below.clone();
        for (at, len) in [(0, 1), (4090, 20), (4096, 4096), (9_990, 10), (100, 9_000), (5, 0)] {
            let bytes = alloc::vec![at as u8 ^ 0x55; len];
            device.write_at(at as u64, &bytes).expect("inside");
            expected[at..at + len].copy_from_slice(&bytes);
            let mut all = alloc::vec![0; below.len()];
            device.read_at(0, &mut all).expect("inside");
            assert_eq!(all, expected);
            let mut some = alloc::vec![0; 3_000];
            device.read_at(4_000, &mut some).expect("inside");
            assert_eq!(some, expected[4_000..7_000]);
        }
        assert!(device.write_at(9_999, &[0, 0]).is_err());
        device.flush().expect("nothing to do");
        let mut base = device.into_inner();
        let mut all = alloc::vec![0; below.len()];
        base.read_at(0, &mut all).expect("inside");
        assert_eq!(all, below);
    }
}
