//! Volumes in a file of the host.

use xfskit_tests::rng::Rng;
use xfskit_wasm::store::packed::Packed;
use xfskit_wasm::store::raw::{RawFile, RawImage};
use xfskit_wasm::store::shared::Shared;

use crate::place::{LEN_BYTES, Place};

/// A file that can be opened again and again; opening it closes it first.
pub(crate) trait Source {
    async fn open(&mut self) -> Box<dyn RawFile>;

    async fn close(&mut self);
}

/// A raw image, or a packed one.
pub(crate) struct InFile<S> {
    source: S,
    is_packed: bool,
    is_made: bool,
}

impl<S: Source> InFile<S> {
    pub(crate) fn raw(source: S) -> Self {
        Self { source, is_packed: false, is_made: false }
    }

    pub(crate) fn packed(source: S) -> Self {
        Self { source, is_packed: true, is_made: false }
    }
}

impl<S: Source> Place for InFile<S> {
    async fn open(&mut self) -> Shared {
        let file = self.source.open().await;
        let is_made = std::mem::replace(&mut self.is_made, true);
        match (self.is_packed, is_made) {
            (false, _) => Shared::new(RawImage::open(file, LEN_BYTES, false).expect("open a raw image")),
            (true, false) => Shared::new(Packed::create(file, LEN_BYTES).expect("make a packed image")),
            (true, true) => Shared::new(Packed::open(file, false).expect("open a packed image")),
        }
    }

    async fn kill(&mut self, _: &mut Rng) {
        self.source.close().await;
    }
}
