//! A golden image with bytes of its metadata replaced, opened, walked and read.
//!
//! CRCs are not compared under `cfg(fuzzing)`, so each byte of the input gets somewhere.
#![no_main]

use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use xfskit::device::BlockDevice;
use xfskit_tests::mutate::{MetadataBlock, metadata_blocks};
use xfskit_tests::overlay::OverlayDevice;
use xfskit_tests::{golden, walk::walk};

static IMAGES: LazyLock<Vec<(Arc<Vec<u8>>, Vec<MetadataBlock>)>> = LazyLock::new(|| {
    let images = golden::manifest().into_iter().map(|image| Arc::new(image.image()));
    images.map(|bytes| (bytes.clone(), metadata_blocks(&bytes))).collect()
});

// The first byte picks the image; then each five bytes are a metadata block (2), a place in it (2) and its new value.
fuzz_target!(|data: &[u8]| {
    let Some((&first, changes)) = data.split_first() else { return };
    let (bytes, blocks) = &IMAGES[usize::from(first) % IMAGES.len()];
    let mut device = OverlayDevice::new(bytes.clone());
    for change in changes.chunks_exact(5) {
        let block = &blocks[usize::from(u16::from_be_bytes([change[0], change[1]])) % blocks.len()];
        let inside = usize::from(u16::from_be_bytes([change[2], change[3]])) % block.range.len();
        let at = (block.range.start + inside) as u64;
        let _ = device.write_at(at, &change[4..]);
    }
    walk(device);
});
