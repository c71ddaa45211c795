//! Images in pages that many states share, and a device over one of them.

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use xfskit::device::{BlockDevice, DeviceError, check_range};

/// Granularity of sharing.
const PAGE_BYTES: usize = 4096;

type Page = [u8; PAGE_BYTES];

/// The bytes of a device. A clone costs a pointer for each page; pages are copied as they are written to.
#[derive(Debug, Clone)]
pub struct Image {
    pages: Vec<Arc<Page>>,
}

impl Image {
    /// An image of `len_bytes` zeros, a multiple of 4096.
    pub fn zeros(len_bytes: usize) -> Self {
        assert!(len_bytes.is_multiple_of(PAGE_BYTES), "images are whole pages");
        let zero = Arc::new([0; PAGE_BYTES]);
        Self { pages: vec![zero; len_bytes / PAGE_BYTES] }
    }

    /// Its size in bytes.
    pub fn len_bytes(&self) -> u64 {
        (self.pages.len() * PAGE_BYTES) as u64
    }

    /// Fills `buf` from byte `offset` on.
    pub fn read(&self, offset: u64, buf: &mut [u8]) {
        for_each_page(offset, buf.len(), |index, inside, range| {
            buf[range.clone()].copy_from_slice(&self.pages[index][inside..inside + range.len()]);
        });
    }

    /// Writes `bytes` at byte `offset`.
    pub fn write(&mut self, offset: u64, bytes: &[u8]) {
        for_each_page(offset, bytes.len(), |index, inside, range| {
            let page = Arc::make_mut(&mut self.pages[index]);
            page[inside..inside + range.len()].copy_from_slice(&bytes[range]);
        });
    }

    /// Writes it to a new sparse file.
    pub fn save(&self, path: &Path) {
        let file = File::create(path).expect("create an image file");
        file.set_len(self.len_bytes()).expect("set the size of an image file");
        for (index, page) in self.pages.iter().enumerate().filter(|(_, page)| page.iter().any(|&b| b != 0)) {
            file.write_all_at(&page[..], (index * PAGE_BYTES) as u64).expect("write an image file");
        }
    }
}

/// A device over a shared image: its writes go to pages of its own.
#[derive(Debug, Clone)]
pub struct Disk {
    base: Arc<Image>,
    own: HashMap<usize, Box<Page>>,
}

impl Disk {
    /// A device that shows `base`.
    pub fn new(base: Arc<Image>) -> Self {
        Self { base, own: HashMap::new() }
    }

    /// Writes `bytes` at byte `offset`.
    pub fn write(&mut self, offset: u64, bytes: &[u8]) {
        for_each_page(offset, bytes.len(), |index, inside, range| {
            let page = self.own.entry(index).or_insert_with(|| Box::new(*self.base.pages[index]));
            page[inside..inside + range.len()].copy_from_slice(&bytes[range]);
        });
    }

    /// An image of what it shows now.
    pub fn to_image(&self) -> Image {
        let mut image = (*self.base).clone();
        for (&index, page) in &self.own {
            image.pages[index] = Arc::new(**page);
        }
        image
    }
}

impl BlockDevice for Disk {
    fn len_bytes(&self) -> u64 {
        self.base.len_bytes()
    }

    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<(), DeviceError> {
        check_range(offset, buf.len(), self.len_bytes())?;
        for_each_page(offset, buf.len(), |index, inside, range| {
            let page = self.own.get(&index).map_or(&*self.base.pages[index], |page| page);
            buf[range.clone()].copy_from_slice(&page[inside..inside + range.len()]);
        });
        Ok(())
    }

    fn write_at(&mut self, offset: u64, buf: &[u8]) -> Result<(), DeviceError> {
        check_range(offset, buf.len(), self.len_bytes())?;
        self.write(offset, buf);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), DeviceError> {
        Ok(())
    }
}

/// Cuts a range of bytes at the borders of pages: calls with the page, the place in it, and the part of the range.
fn for_each_page(offset: u64, len_bytes: usize, mut act: impl FnMut(usize, usize, std::ops::Range<usize>)) {
    let start = usize::try_from(offset).expect("inside the image");
    let mut done = 0;
    while done < len_bytes {
        let at = start + done;
        let inside = at % PAGE_BYTES;
        let count = (len_bytes - done).min(PAGE_BYTES - inside);
        act(at / PAGE_BYTES, inside, done..done + count);
        done += count;
    }
}
