//! A device over bytes that many devices share: each sees its own changes only.

use std::collections::HashMap;
use std::sync::Arc;

use xfskit::device::{BlockDevice, DeviceError, check_range};

use crate::mutate::Patch;

const PAGE_BYTES: usize = 4096;

/// Shared bytes under private pages; starting one costs nothing, however large the image.
#[derive(Debug, Clone)]
pub struct OverlayDevice {
    base: Arc<Vec<u8>>,
    pages: HashMap<usize, Vec<u8>>,
}

impl OverlayDevice {
    /// A device that shows `base`.
    pub fn new(base: Arc<Vec<u8>>) -> Self {
        Self { base, pages: HashMap::new() }
    }

    /// A device that shows `base` with a patch.
    pub fn patched(base: Arc<Vec<u8>>, patch: &Patch) -> Self {
        let mut device = Self::new(base);
        for (at, bytes) in patch.pieces() {
            device.write_at(at, &bytes).expect("a patch lies inside its image");
        }
        device
    }

    fn page_mut(&mut self, index: usize) -> &mut Vec<u8> {
        let base = &self.base;
        self.pages.entry(index).or_insert_with(|| {
            let start = index * PAGE_BYTES;
            let end = (start + PAGE_BYTES).min(base.len());
            base[start..end].to_vec()
        })
    }

    /// The bytes as they are now.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.base.to_vec();
        for (index, page) in &self.pages {
            bytes[index * PAGE_BYTES..index * PAGE_BYTES + page.len()].copy_from_slice(page);
        }
        bytes
    }
}

impl BlockDevice for OverlayDevice {
    fn len_bytes(&self) -> u64 {
        self.base.len() as u64
    }

    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<(), DeviceError> {
        check_range(offset, buf.len(), self.len_bytes())?;
        let start = usize::try_from(offset).expect("inside the image");
        buf.copy_from_slice(&self.base[start..start + buf.len()]);
        let end = start + buf.len();
        for index in start / PAGE_BYTES..end.div_ceil(PAGE_BYTES) {
            if let Some(page) = self.pages.get(&index) {
                let page_start = index * PAGE_BYTES;
                let (from, to) = (start.max(page_start), end.min(page_start + page.len()));
                buf[from - start..to - start].copy_from_slice(&page[from - page_start..to - page_start]);
            }
        }
        Ok(())
    }

    fn write_at(&mut self, offset: u64, buf: &[u8]) -> Result<(), DeviceError> {
        check_range(offset, buf.len(), self.len_bytes())?;
        let mut at = usize::try_from(offset).expect("inside the image");
        let mut rest = buf;
        while !rest.is_empty() {
            let inside = at % PAGE_BYTES;
            let count = rest.len().min(PAGE_BYTES - inside);
            self.page_mut(at / PAGE_BYTES)[inside..inside + count].copy_from_slice(&rest[..count]);
            at += count;
            rest = &rest[count..];
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), DeviceError> {
        Ok(())
    }
}
