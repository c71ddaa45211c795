//! Volumes over an image on a server, which is asked for ranges and never changes.

use xfskit::device::BlockDevice;
use xfskit_tests::rng::Rng;
use xfskit_wasm::store::chunks::Chunks;
use xfskit_wasm::store::overlay::{Overlay, upper_bytes};
use xfskit_wasm::store::shared::Shared;

use crate::place::Place;

const CHUNK_BYTES: u32 = 32 << 10;

/// What is on the server, and a place for what differs.
pub(crate) struct Over<P> {
    server: Shared,
    upper: P,
    base: Option<Chunks>,
}

impl<P: Place> Over<P> {
    /// `upper` has [`upper_bytes`] of the server's image.
    pub(crate) fn new(server: Shared, upper: P) -> Self {
        Self { server, upper, base: None }
    }

    /// Bytes that the upper has to have.
    pub(crate) fn upper_bytes(server: &Shared) -> u64 {
        upper_bytes(server.len_bytes())
    }

    fn base(&self) -> &Chunks {
        self.base.as_ref().expect("open")
    }
}

impl<P: Place> Place for Over<P> {
    async fn open(&mut self) -> Shared {
        let len_bytes = self.server.len_bytes();
        let base = Chunks::new(len_bytes, CHUNK_BYTES, 1 << 20, None, false).expect("a good shape");
        let upper = Box::new(self.upper.open().await);
        let overlay = Overlay::new(Box::new(base.device()), upper, b"version 1").expect("lengths fit");
        self.base = Some(base);
        Shared::new(overlay)
    }

    async fn fetch(&mut self) {
        for (first, end) in self.base().wanted() {
            let start = u64::from(first) * u64::from(CHUNK_BYTES);
            let len = (u64::from(end) * u64::from(CHUNK_BYTES)).min(self.server.len_bytes()) - start;
            let mut bytes = vec![0; len as usize];
            self.server.read_at(start, &mut bytes).expect("a range of the image");
            for (number, chunk) in (first..end).zip(bytes.chunks(CHUNK_BYTES as usize)) {
                self.base().supply(number, Some(chunk.to_vec())).expect("whole chunks");
            }
        }
        self.upper.fetch().await;
    }

    async fn settle(&mut self, rng: &mut Rng) {
        self.base().settle();
        self.upper.settle(rng).await;
    }

    async fn durable(&mut self) -> bool {
        self.upper.durable().await
    }

    async fn kill(&mut self, rng: &mut Rng) {
        self.base = None;
        self.upper.kill(rng).await;
    }
}
