//! Volumes in chunks that somebody keeps.

use std::cell::Cell;
use std::collections::VecDeque;
use std::rc::Rc;

use xfskit_tests::rng::Rng;
use xfskit_wasm::store::chunks::{Chunks, Epoch};
use xfskit_wasm::store::shared::Shared;

use crate::place::Place;

pub(crate) const CHUNK_BYTES: u32 = 64 << 10;

/// What keeps chunks by their number.
pub(crate) trait Keeper {
    async fn numbers(&mut self) -> Vec<u32>;

    async fn get(&mut self, numbers: &[u32]) -> Vec<Option<Vec<u8>>>;

    /// All of them or none: whether it was all, or there is no room.
    async fn put(&mut self, chunks: Vec<(u32, Vec<u8>)>) -> bool;
}

/// Keeps no more than so many chunks from some moment on, old ones that change included.
pub(crate) struct Limited<K> {
    pub(crate) keeper: K,
    /// How many more.
    pub(crate) left: Rc<Cell<u64>>,
}

impl<K: Keeper> Keeper for Limited<K> {
    async fn numbers(&mut self) -> Vec<u32> {
        self.keeper.numbers().await
    }

    async fn get(&mut self, numbers: &[u32]) -> Vec<Option<Vec<u8>>> {
        self.keeper.get(numbers).await
    }

    async fn put(&mut self, chunks: Vec<(u32, Vec<u8>)>) -> bool {
        let Some(left) = self.left.get().checked_sub(chunks.len() as u64) else { return false };
        self.left.set(left);
        self.keeper.put(chunks).await
    }
}

/// An image of which some chunks are in memory.
pub(crate) struct InChunks<K> {
    keeper: K,
    len_bytes: u64,
    memory_bytes: usize,
    chunks: Option<Chunks>,
    on_their_way: VecDeque<Epoch>,
    is_full: bool,
    rng: Rng,
}

impl<K: Keeper> InChunks<K> {
    pub(crate) fn new(keeper: K, len_bytes: u64, memory_bytes: usize) -> Self {
        let (chunks, on_their_way, rng) = (None, VecDeque::new(), Rng::new(len_bytes));
        Self { keeper, len_bytes, memory_bytes, chunks, on_their_way, is_full: false, rng }
    }

    fn chunks(&self) -> &Chunks {
        self.chunks.as_ref().expect("open")
    }

    /// The next epoch is saved, in one transaction.
    async fn save_one(&mut self) {
        let Some(epoch) = self.on_their_way.pop_front() else { return };
        let partial: Vec<usize> = (0..epoch.count()).filter(|&i| !epoch.is_whole(i)).collect();
        let numbers: Vec<u32> = partial.iter().map(|&i| epoch.index(i)).collect();
        let mut stored = self.keeper.get(&numbers).await.into_iter();
        let mut bytes = |i: usize| match epoch.is_whole(i) {
            true => epoch.bytes(i).to_vec(),
            false => epoch.merge(i, stored.next().expect("one for each").as_deref()),
        };
        let chunks = (0..epoch.count()).map(|i| (epoch.index(i), bytes(i))).collect();
        if self.keeper.put(chunks).await {
            self.chunks().saved(epoch.id());
        } else {
            self.chunks().failed("ENOSPC");
            self.on_their_way.clear();
            self.is_full = true;
        }
    }

    /// Something is taken, or saved, or nothing is.
    async fn time_passes(&mut self) {
        match self.rng.below(8) {
            0..2 => {
                let next = self.chunks().next_epoch();
                self.on_their_way.extend(next);
            }
            2 => self.save_one().await,
            _ => {}
        }
    }
}

impl<K: Keeper> Place for InChunks<K> {
    async fn open(&mut self) -> Shared {
        let present = self.keeper.numbers().await;
        let chunks = Chunks::new(self.len_bytes, CHUNK_BYTES, self.memory_bytes, Some(&present), true);
        let chunks = chunks.expect("a good shape");
        let device = Shared::new(chunks.device());
        (self.chunks, self.on_their_way, self.is_full) = (Some(chunks), VecDeque::new(), false);
        device
    }

    async fn fetch(&mut self) {
        let wanted = self.chunks().wanted();
        let numbers: Vec<u32> = wanted.into_iter().flat_map(|(first, end)| first..end).collect();
        let found = self.keeper.get(&numbers).await;
        self.time_passes().await;
        for (number, bytes) in numbers.into_iter().zip(found) {
            self.chunks().supply(number, bytes).expect("whole chunks");
        }
    }

    async fn settle(&mut self, _: &mut Rng) {
        self.chunks().settle();
        self.time_passes().await;
    }

    async fn durable(&mut self) -> bool {
        let sealed = self.chunks().sealed();
        while self.chunks().saved_up_to() < sealed && !self.is_full {
            let next = self.chunks().next_epoch();
            self.on_their_way.extend(next);
            self.save_one().await;
        }
        !self.is_full
    }

    async fn kill(&mut self, rng: &mut Rng) {
        for _ in 0..rng.below(self.on_their_way.len() as u64 + 1) {
            self.save_one().await;
        }
        self.chunks = None;
        self.on_their_way.clear();
    }
}
