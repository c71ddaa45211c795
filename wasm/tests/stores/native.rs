//! Files and chunks in memory: many more kills than a browser would have the patience for.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use xfskit::device::DeviceError;
use xfskit_tests::rng::Rng;
use xfskit_wasm::store::raw::RawFile;

use crate::chunks::{InChunks, Keeper, Limited};
use crate::files::{InFile, Source};
use crate::overlay::Over;
use crate::place::{LEN_BYTES, Memory};
use crate::scenario::{Run, image_on_a_server, kills, kills_over_a_server, no_more_room, random_operations};

/// Nothing here ever waits.
fn done<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("something waits"),
    }
}

/// `count` seeds, the same ones every time unless `XFSKIT_SEED` says where to begin.
fn seeds(count: u64) -> std::ops::Range<u64> {
    let first = Rng::seed_or(0);
    first..first + count
}

/// Room that is left, in bytes or in chunks; without limit at first.
type Room = Rc<Cell<u64>>;

fn room() -> Room {
    Rc::new(Cell::new(u64::MAX))
}

/// A file in memory.
#[derive(Clone)]
struct File(Rc<RefCell<Vec<u8>>>, Room);

impl Default for File {
    fn default() -> Self {
        Self(Rc::default(), room())
    }
}

impl File {
    /// Makes it as long as `len`, if it may be.
    fn extend(&self, len: usize) -> Result<(), DeviceError> {
        let mut all = self.0.borrow_mut();
        let more = len.saturating_sub(all.len());
        let left = self.1.get().checked_sub(more as u64).ok_or(DeviceError::NoSpace)?;
        self.1.set(left);
        let len = all.len() + more;
        all.resize(len, 0);
        Ok(())
    }
}

impl Source for File {
    async fn open(&mut self) -> Box<dyn RawFile> {
        Box::new(self.clone())
    }

    async fn close(&mut self) {}
}

impl RawFile for File {
    fn read_at(&mut self, at: u64, buf: &mut [u8]) -> Result<usize, DeviceError> {
        let bytes = self.0.borrow();
        let there = &bytes[(at as usize).min(bytes.len())..];
        let count = there.len().min(buf.len());
        buf[..count].copy_from_slice(&there[..count]);
        Ok(count)
    }

    fn write_at(&mut self, at: u64, bytes: &[u8]) -> Result<usize, DeviceError> {
        let (start, end) = (at as usize, at as usize + bytes.len());
        self.extend(end)?;
        self.0.borrow_mut()[start..end].copy_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<(), DeviceError> {
        Ok(())
    }

    fn truncate(&mut self, len_bytes: u64) -> Result<(), DeviceError> {
        self.extend(len_bytes as usize)?;
        self.0.borrow_mut().truncate(len_bytes as usize);
        Ok(())
    }

    fn len_bytes(&mut self) -> Result<u64, DeviceError> {
        Ok(self.0.borrow().len() as u64)
    }
}

/// Chunks in a map.
#[derive(Default)]
struct Map(BTreeMap<u32, Vec<u8>>);

impl Keeper for Map {
    async fn numbers(&mut self) -> Vec<u32> {
        self.0.keys().copied().collect()
    }

    async fn get(&mut self, numbers: &[u32]) -> Vec<Option<Vec<u8>>> {
        numbers.iter().map(|number| self.0.get(number).cloned()).collect()
    }

    async fn put(&mut self, chunks: Vec<(u32, Vec<u8>)>) -> bool {
        self.0.extend(chunks);
        true
    }
}

fn in_chunks(memory_bytes: usize) -> InChunks<Map> {
    InChunks::new(Map::default(), LEN_BYTES, memory_bytes)
}

#[test]
fn operations_in_memory() {
    done(random_operations(&mut Memory::default(), 1, 300));
}

#[test]
fn operations_in_a_raw_file() {
    done(random_operations(&mut InFile::raw(File::default()), 2, 300));
}

#[test]
fn operations_in_a_packed_file() {
    done(random_operations(&mut InFile::packed(File::default()), 3, 300));
}

#[test]
fn operations_in_chunks() {
    for (seed, memory_bytes) in [(4, 0), (5, 1 << 20), (6, 64 << 20)] {
        done(random_operations(&mut in_chunks(memory_bytes), seed, 300));
    }
}

#[test]
fn kills_in_files() {
    for seed in seeds(4) {
        done(async {
            let mut raw = InFile::raw(File::default());
            kills(Run::format(&mut raw, seed).await, seed, 8).await;
            let mut packed = InFile::packed(File::default());
            kills(Run::format(&mut packed, seed).await, seed, 8).await;
        });
    }
}

#[test]
fn kills_in_chunks() {
    for seed in seeds(24) {
        let mut place = in_chunks([0, 1 << 20, 64 << 20][seed as usize % 3]);
        done(async { kills(Run::format(&mut place, seed).await, seed, 8).await });
    }
}

#[test]
fn kills_over_a_server_in_chunks() {
    for seed in seeds(8) {
        done(async {
            let (server, tree) = image_on_a_server(seed).await;
            let upper_bytes = Over::<InChunks<Map>>::upper_bytes(&server);
            let upper = InChunks::new(Map::default(), upper_bytes, [0, 4 << 20][seed as usize % 2]);
            kills_over_a_server(&mut Over::new(server, upper), &tree, seed, 8).await;
        });
    }
}

#[test]
fn no_more_room_in_a_packed_file() {
    for bytes in [1, 3 << 20, (5 << 20) + 4096, 12 << 20] {
        let file = File::default();
        let room = Rc::clone(&file.1);
        let (limit, unlimit) = (|| room.set(bytes), || room.set(u64::MAX));
        done(no_more_room(&mut InFile::packed(file), limit, unlimit));
    }
}

#[test]
fn no_more_room_for_chunks() {
    for (chunks, memory_bytes) in [(20, 0), (31, 1 << 20), (70, 64 << 20)] {
        let room = room();
        let map = Limited { keeper: Map::default(), left: Rc::clone(&room) };
        let (limit, unlimit) = (|| room.set(chunks), || room.set(u64::MAX));
        done(no_more_room(&mut InChunks::new(map, LEN_BYTES, memory_bytes), limit, unlimit));
    }
}
