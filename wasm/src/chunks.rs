//! The chunks of an image that the package fetches and saves, as JavaScript sees them.

use js_sys::{Uint8Array, Uint32Array};
use wasm_bindgen::prelude::wasm_bindgen;

use crate::disk::bytes;
use crate::failure::Result;
use crate::store::chunks;

/// What is in memory of an image in chunks, and what of it is to be saved.
#[wasm_bindgen]
pub struct Chunks(chunks::Chunks);

#[wasm_bindgen]
impl Chunks {
    /// An image of `len` bytes in chunks of `chunk_bytes`, of which about `memory_bytes` are kept. `present` are the
    /// numbers of those that are stored, if that is known: all others read as zeros, and are not fetched.
    ///
    /// # Errors
    /// `EINVAL` for a shape that cannot be, `EUCLEAN` for a chunk behind the end.
    #[wasm_bindgen(constructor)]
    pub fn new(
        len: f64,
        chunk_bytes: u32,
        memory_bytes: f64,
        present: Option<Vec<u32>>,
        writable: bool,
    ) -> Result<Chunks> {
        let memory_bytes = bytes(memory_bytes)? as usize;
        let present = present.as_deref();
        Ok(Self(chunks::Chunks::new(bytes(len)?, chunk_bytes, memory_bytes, present, writable)?))
    }

    /// What the last `NOT_RESIDENT` was about, and what is read ahead with it: first number and end of each range.
    pub fn wanted(&self) -> Uint32Array {
        let numbers: Vec<u32> = self.0.wanted().into_iter().flat_map(|(first, end)| [first, end]).collect();
        Uint32Array::from(&numbers[..])
    }

    /// Brings a chunk that was wanted; without bytes, one that is not stored.
    ///
    /// # Errors
    /// `EUCLEAN` when it is too short, `EINVAL` when there is no such chunk.
    pub fn supply(&self, index: u32, bytes: Option<Vec<u8>>) -> Result<()> {
        Ok(self.0.supply(index, bytes)?)
    }

    /// The operation is done for which chunks were brought: from now on they may go.
    pub fn settle(&self) {
        self.0.settle();
    }

    /// What is to be saved next, in one transaction, behind all before.
    #[wasm_bindgen(js_name = nextEpoch)]
    pub fn next_epoch(&self) -> Option<Epoch> {
        self.0.next_epoch().map(Epoch)
    }

    /// The epoch `id` and all before it are durable.
    pub fn saved(&self, id: f64) {
        self.0.saved(id as u64);
    }

    /// Saving failed with one of Node's codes: all later writes do.
    pub fn failed(&self, code: &str) {
        self.0.failed(code);
    }

    /// The epoch that the last flush waits for.
    pub fn sealed(&self) -> f64 {
        self.0.sealed() as f64
    }

    /// The last epoch that is durable.
    #[wasm_bindgen(js_name = savedUpTo)]
    pub fn saved_up_to(&self) -> f64 {
        self.0.saved_up_to() as f64
    }

    /// Bytes in memory.
    pub fn memory(&self) -> f64 {
        self.0.memory() as f64
    }
}

impl Chunks {
    pub(crate) fn device(&self) -> chunks::Chunked {
        self.0.device()
    }
}

/// Chunks that are saved together.
#[wasm_bindgen]
pub struct Epoch(chunks::Epoch);

#[wasm_bindgen]
impl Epoch {
    /// Its number; larger than those of all before.
    #[wasm_bindgen(getter)]
    pub fn id(&self) -> f64 {
        self.0.id() as f64
    }

    /// How many chunks there are.
    pub fn count(&self) -> u32 {
        self.0.count() as u32
    }

    /// The number of the `i`-th.
    pub fn index(&self, i: u32) -> u32 {
        self.0.index(i as usize)
    }

    /// Whether all of it is here. Otherwise it is to be merged with what is stored.
    #[wasm_bindgen(js_name = isWhole)]
    pub fn is_whole(&self, i: u32) -> bool {
        self.0.is_whole(i as usize)
    }

    /// Its bytes.
    pub fn bytes(&self, i: u32) -> Uint8Array {
        Uint8Array::from(self.0.bytes(i as usize))
    }

    /// Its bytes, with what is not here taken from what is stored.
    pub fn merge(&self, i: u32, old: Option<Vec<u8>>) -> Uint8Array {
        Uint8Array::from(&self.0.merge(i as usize, old.as_deref())[..])
    }
}
