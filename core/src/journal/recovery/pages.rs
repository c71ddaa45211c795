//! What replay reads and changes, gathered in memory.
//!
//! Blocks of any size and alignment are read and written here; sectors that changed go to the device together, by rising
//! address. Nothing reaches the device before [`Pages::flush`].

use alloc::vec::Vec;

use crate::device::{BlockDevice, DeviceError};
use crate::error::Result;
use crate::sort;
use crate::units::map::Hashed;

const PAGE_BYTES: usize = 16 << 10;
const SECTOR_BYTES: usize = 512;
/// Largest single write.
const GATHER_BYTES: usize = 1 << 20;

/// A piece of the device, and which of its sectors changed.
struct Page {
    bytes: Vec<u8>,
    dirty: u32,
}

const _: () = assert!(PAGE_BYTES / SECTOR_BYTES == u32::BITS as usize);

/// Pieces of the device by number.
#[derive(Default)]
pub(crate) struct Pages {
    pages: Hashed<u64, Page>,
}

impl Pages {
    /// Bytes in memory.
    pub(crate) fn held_bytes(&self) -> usize {
        self.pages.len() * PAGE_BYTES
    }

    fn page(&mut self, device: &mut dyn BlockDevice, number: u64) -> Result<&mut Page, DeviceError> {
        if !self.pages.contains(number) {
            let start = number * PAGE_BYTES as u64;
            let len = device.len_bytes().saturating_sub(start).min(PAGE_BYTES as u64);
            let mut bytes = alloc::vec![0; PAGE_BYTES];
            device.read_at(start, &mut bytes[..len as usize])?;
            self.pages.insert(number, Page { bytes, dirty: 0 });
        }
        Ok(self.pages.get_mut(number).expect("inserted above"))
    }

    /// Reads `len_bytes` bytes at `offset`, which lie inside the device.
    pub(crate) fn read(
        &mut self,
        device: &mut dyn BlockDevice,
        offset: u64,
        len_bytes: usize,
    ) -> Result<Vec<u8>> {
        let mut read = Vec::with_capacity(len_bytes);
        while read.len() < len_bytes {
            let at = offset + read.len() as u64;
            let page = self.page(device, at / PAGE_BYTES as u64)?;
            let skip = (at % PAGE_BYTES as u64) as usize;
            let count = (PAGE_BYTES - skip).min(len_bytes - read.len());
            read.extend_from_slice(&page.bytes[skip..skip + count]);
        }
        Ok(read)
    }

    /// Writes whole sectors at `offset`, inside the device.
    pub(crate) fn write(&mut self, device: &mut dyn BlockDevice, offset: u64, bytes: &[u8]) -> Result<()> {
        let mut done = 0;
        while done < bytes.len() {
            let at = offset + done as u64;
            let page = self.page(device, at / PAGE_BYTES as u64)?;
            let skip = (at % PAGE_BYTES as u64) as usize;
            let count = (PAGE_BYTES - skip).min(bytes.len() - done);
            page.bytes[skip..skip + count].copy_from_slice(&bytes[done..done + count]);
            for sector in skip / SECTOR_BYTES..(skip + count).div_ceil(SECTOR_BYTES) {
                page.dirty |= 1 << sector;
            }
            done += count;
        }
        Ok(())
    }

    /// Writes what changed, neighbours together, and forgets everything.
    pub(crate) fn flush(&mut self, device: &mut dyn BlockDevice) -> Result<()> {
        let mut pages = self.pages.take();
        pages.retain(|(_, page)| page.dirty != 0);
        sort::by_number(&mut pages, |&(number, _)| number);
        let mut run: Vec<u8> = Vec::new();
        let mut start = 0;
        for (number, page) in pages {
            for (sector, bytes) in page.bytes.chunks_exact(SECTOR_BYTES).enumerate() {
                if page.dirty >> sector & 1 == 0 {
                    continue;
                }
                let at = number * PAGE_BYTES as u64 + (sector * SECTOR_BYTES) as u64;
                if start + run.len() as u64 != at || run.len() >= GATHER_BYTES {
                    write_run(device, start, &run)?;
                    run.clear();
                    start = at;
                }
                run.extend_from_slice(bytes);
            }
        }
        Ok(write_run(device, start, &run)?)
    }
}

fn write_run(device: &mut dyn BlockDevice, start: u64, run: &[u8]) -> Result<(), DeviceError> {
    if run.is_empty() { Ok(()) } else { device.write_at(start, run) }
}
