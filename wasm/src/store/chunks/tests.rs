//! A host that fetches late, saves when it likes, and loses power.

use std::collections::{BTreeMap, VecDeque};

use xfskit::device::{BlockDevice, DeviceError};

use super::{Chunked, Chunks, Epoch};
use crate::store::crashy::Rng;

const CHUNK_BYTES: u32 = 4096;
const SECTORS: usize = 8 * 60 + 3;
const LEN_BYTES: u64 = SECTORS as u64 * 512;

/// What is stored: as IndexedDB would.
#[derive(Clone, Default)]
struct Stored(BTreeMap<u32, Vec<u8>>);

impl Stored {
    /// All of an epoch, as in one transaction.
    fn save(&mut self, epoch: &Epoch) {
        for i in 0..epoch.count() {
            let old = self.0.get(&epoch.index(i)).map(Vec::as_slice);
            let new = if epoch.is_whole(i) { epoch.bytes(i).to_vec() } else { epoch.merge(i, old) };
            self.0.insert(epoch.index(i), new);
        }
    }

    fn chunks(&self, memory_bytes: usize, knows_present: bool) -> Chunks {
        let present: Vec<u32> = self.0.keys().copied().collect();
        let present = knows_present.then_some(&present[..]);
        Chunks::new(LEN_BYTES, CHUNK_BYTES, memory_bytes, present, true).expect("a good shape")
    }

    fn sectors(&self) -> Vec<u8> {
        let chunk = |index: usize| self.0.get(&(index as u32 / 8)).map_or(0, |bytes| bytes[index % 8 * 512]);
        (0..SECTORS).map(chunk).collect()
    }
}

/// A host with an image, and what must survive of it.
struct Host {
    stored: Stored,
    chunks: Chunks,
    device: Chunked,
    on_their_way: VecDeque<Epoch>,
    rng: Rng,
    fetches: usize,
    /// What each sector holds now.
    now: Vec<u8>,
    flushes: Vec<Flush>,
}

/// The epoch that it waits for, what each sector held, and what was written after it.
type Flush = (u64, Vec<u8>, Vec<(usize, u8)>);

impl Host {
    fn new(stored: Stored, rng: Rng) -> Self {
        let (mut rng, now) = (rng, stored.sectors());
        let chunks = stored.chunks([0, 10, 30, 1000][rng.below(4) as usize] * 4096, rng.below(2) == 0);
        let device = chunks.device();
        let flushes = vec![(0, now.clone(), Vec::new())];
        Self { stored, chunks, device, on_their_way: VecDeque::new(), rng, fetches: 0, now, flushes }
    }

    /// Tries until it is not something missing that stops it. Between asking and getting, time passes.
    fn trying<T>(
        &mut self,
        mut act: impl FnMut(&mut Chunked) -> Result<T, DeviceError>,
    ) -> Result<T, DeviceError> {
        for _ in 0..SECTORS {
            match act(&mut self.device) {
                Err(DeviceError::NotResident { .. }) => {}
                other => {
                    self.chunks.settle();
                    return other;
                }
            }
            self.fetches += 1;
            let wanted = self.chunks.wanted();
            assert!(!wanted.is_empty(), "something is missing, but nothing wanted");
            let chunks = wanted.iter().flat_map(|&(first, end)| first..end);
            let fetched: Vec<_> = chunks.map(|chunk| (chunk, self.stored.0.get(&chunk).cloned())).collect();
            self.time_passes();
            for (chunk, bytes) in fetched {
                self.chunks.supply(chunk, bytes).expect("whole chunks");
            }
        }
        panic!("it never gets further");
    }

    /// Epochs are taken, and saved.
    fn time_passes(&mut self) {
        while self.rng.below(3) == 0 {
            if self.rng.below(2) == 0 {
                self.on_their_way.extend(self.chunks.next_epoch());
            } else {
                self.save_one();
            }
        }
    }

    fn save_one(&mut self) {
        let Some(epoch) = self.on_their_way.pop_front() else { return };
        self.stored.save(&epoch);
        self.chunks.saved(epoch.id());
    }

    fn write(&mut self, serial: u8) {
        let first = self.rng.below(SECTORS as u64) as usize;
        let most = [3, 3, 20, 200][self.rng.below(4) as usize];
        let count = (1 + self.rng.below(most) as usize).min(SECTORS - first);
        let bytes = vec![serial; count * 512];
        let asked = self.fetches;
        self.trying(|device| device.write_at(first as u64 * 512, &bytes)).expect("room");
        assert_eq!(self.fetches, asked, "whole sectors are written without waiting");
        for sector in first..first + count {
            self.now[sector] = serial;
            self.flushes.last_mut().expect("never empty").2.push((sector, serial));
        }
    }

    fn read(&mut self) {
        let first = self.rng.below(SECTORS as u64) as usize;
        let count = (1 + self.rng.below(40) as usize).min(SECTORS - first);
        let mut buf = vec![0; count * 512];
        self.trying(|device| device.read_at(first as u64 * 512, &mut buf)).expect("it is there");
        let found: Vec<u8> = buf.chunks(512).map(|sector| sector[0]).collect();
        assert_eq!(found, self.now[first..first + count]);
    }

    fn flush(&mut self) {
        self.device.flush().expect("room");
        self.flushes.push((self.chunks.sealed(), self.now.clone(), Vec::new()));
    }

    /// Asserts that what is stored is what some flush left, no earlier than the last one that was said to be durable, and of
    /// what was written between that one and the next any sectors.
    fn assert_prefix(&self, what: &str) {
        let found = self.stored.sectors();
        let promised = self.chunks.saved_up_to();
        let first = self.flushes.iter().rposition(|&(id, ..)| id <= promised).unwrap_or(0);
        let fits = |(_, at_flush, after): &Flush| {
            let may_be =
                |sector: usize| at_flush[sector] == found[sector] || after.contains(&(sector, found[sector]));
            (0..SECTORS).all(may_be)
        };
        assert!(self.flushes[first..].iter().any(fits), "{what}: no prefix from flush {first} on");
    }

    /// The power goes: some of the epochs on their way have landed, in order.
    fn crash(mut self, what: &str) -> Self {
        let landed = self.rng.below(self.on_their_way.len() as u64 + 1);
        for epoch in self.on_their_way.iter().take(landed as usize) {
            self.stored.save(epoch);
        }
        self.assert_prefix(what);
        Self::new(self.stored, self.rng)
    }
}

/// Goal: what survives is a prefix, and until then everything reads as it was written.
/// Method: random writes, reads, flushes over a host that saves and fetches at random moments, with any bound on memory.
#[test]
fn what_survives_is_a_prefix() {
    for seed in 0..300 {
        let mut host = Host::new(Stored::default(), Rng(seed));
        let mut serial = 0;
        for round in 0..6 {
            for _ in 0..host.rng.below(40) {
                match host.rng.below(8) {
                    0..4 => {
                        serial = serial % 250 + 1;
                        host.write(serial);
                    }
                    4..6 => host.read(),
                    6 => host.flush(),
                    _ => {}
                }
                host.time_passes();
                host.assert_prefix("while it runs");
            }
            host = host.crash(&format!("seed {seed}, round {round}"));
        }
    }
}

/// A chunk that was handed out does not change any more, and reads as it was written since.
#[test]
fn a_chunk_on_its_way_is_copied() {
    let chunks = Stored::default().chunks(1 << 20, true);
    let mut device = chunks.device();
    device.write_at(0, &[1; 8192]).expect("room");
    device.flush().expect("room");
    let epoch = chunks.next_epoch().expect("one is closed");
    let before = chunks.memory();
    device.write_at(512, &[2; 512]).expect("room");
    assert_eq!(chunks.memory() - before, 4096, "one chunk is there twice");
    assert!(epoch.bytes(0).iter().all(|&byte| byte == 1));
    let mut buf = [0; 1024];
    device.read_at(0, &mut buf).expect("it is here");
    assert!(buf[..512] == [1; 512] && buf[512..] == [2; 512]);
    assert!(chunks.next_epoch().is_none(), "no flush has closed it");
    chunks.saved(epoch.id());
    assert_eq!(chunks.memory(), before);
}

#[test]
fn flushes_that_wait_are_one_epoch_and_a_flush_without_writes_is_none() {
    let chunks = Stored::default().chunks(1 << 20, true);
    let mut device = chunks.device();
    assert_eq!((chunks.sealed(), chunks.saved_up_to()), (0, 0));
    device.flush().expect("nothing to do");
    assert_eq!(chunks.sealed(), 0, "nothing to wait for");
    for byte in 1..4 {
        device.write_at(0, &[byte; 512]).expect("room");
        device.write_at(4096 * u64::from(byte), &[byte; 512]).expect("room");
        device.flush().expect("room");
    }
    let sealed = chunks.sealed();
    let epoch = chunks.next_epoch().expect("they are closed");
    assert_eq!((epoch.id(), epoch.count(), chunks.next_epoch().is_none()), (sealed, 4, true));
    assert_eq!(epoch.bytes(0)[0], 3);
    assert!((0..4).map(|i| epoch.index(i)).eq(0..4));
    chunks.saved(epoch.id());
    device.flush().expect("nothing to do");
    assert_eq!((chunks.sealed(), chunks.saved_up_to()), (sealed, sealed));
}

/// What was written without a flush goes early when it is more than memory is to hold, and the flush waits for it.
#[test]
fn much_that_is_not_flushed_goes_early() {
    let chunks = Stored::default().chunks(16 * 4096, true);
    let mut device = chunks.device();
    device.write_at(0, &[1; 7 * 4096]).expect("room");
    assert!(chunks.next_epoch().is_none());
    device.write_at(7 * 4096, &[1; 4096]).expect("room");
    let early = chunks.next_epoch().expect("half of what memory may hold");
    assert_eq!((early.count(), chunks.sealed()), (8, 0));
    device.flush().expect("room");
    assert_eq!(chunks.sealed(), early.id(), "the flush waits for what went early");
    for chunk in 8..48 {
        device.write_at(chunk * 4096, &[2; 4096]).expect("room");
        if let Some(epoch) = chunks.next_epoch() {
            chunks.saved(epoch.id());
        }
        assert!(chunks.memory() <= 24 * 4096, "memory is bounded: {}", chunks.memory());
    }
}

#[test]
fn what_was_supplied_stays_until_the_operation_is_settled() {
    let mut stored = Stored::default();
    (0..60).for_each(|chunk| drop(stored.0.insert(chunk, vec![chunk as u8; 4096])));
    let chunks = stored.chunks(4 * 4096, true);
    let mut device = chunks.device();
    let mut buf = vec![0; 30 * 4096];
    assert!(device.read_at(0, &mut buf).is_err());
    assert_eq!(chunks.wanted(), [(0, 30)], "more than memory is to hold, and nothing ahead");
    assert_eq!(chunks.wanted(), [], "asked for once");
    (0..30).for_each(|chunk| chunks.supply(chunk, stored.0.get(&chunk).cloned()).expect("whole"));
    device.read_at(0, &mut buf).expect("all is here");
    assert_eq!(chunks.memory(), 30 * 4096);
    chunks.settle();
    assert!(chunks.memory() <= 4 * 4096);
    assert!(device.read_at(0, &mut buf[..512]).is_err(), "the first ones went");
    chunks.settle();
    chunks.supply(0, Some(vec![9; 4096])).expect("whole");
    assert!(device.read_at(0, &mut buf[..512]).is_err(), "what nobody waits for may be old");
}

#[test]
fn a_write_of_part_of_a_sector_waits_for_the_rest() {
    let mut stored = Stored::default();
    stored.0.insert(0, vec![7; 4096]);
    let chunks = stored.chunks(1 << 20, true);
    let mut device = chunks.device();
    assert!(matches!(device.write_at(100, &[1; 1000]), Err(DeviceError::NotResident { .. })));
    assert_eq!(chunks.wanted(), [(0, 1)]);
    device.write_at(0, &[2; 512]).expect("a whole sector");
    chunks.supply(0, Some(vec![7; 4096])).expect("whole");
    device.write_at(100, &[1; 1000]).expect("it is here");
    let mut buf = [0; 4096];
    device.read_at(0, &mut buf).expect("it is here");
    assert!(buf[..100] == [2; 100] && buf[100..1100] == [1; 1000] && buf[1100..] == [7; 2996]);
    device.write_at(5 * 4096 + 7, &[1; 3]).expect("not stored: zeros");
    device.write_at(LEN_BYTES - 100, &[1; 100]).expect("not stored: zeros");
}

#[test]
fn a_store_that_failed_takes_nothing_more() {
    let chunks = Stored::default().chunks(1 << 20, true);
    let mut device = chunks.device();
    device.write_at(0, &[1; 512]).expect("room");
    device.flush().expect("room");
    chunks.failed("ENOSPC");
    chunks.failed("EIO");
    assert_eq!(device.write_at(0, &[1; 512]), Err(DeviceError::NoSpace));
    assert_eq!(device.flush(), Err(DeviceError::NoSpace));
    assert!(chunks.next_epoch().is_none());
    device.read_at(0, &mut [0; 512]).expect("reading does no harm");
}

#[test]
fn shapes_and_bytes_that_can_not_be_are_refused() {
    assert!(Chunks::new(1 << 20, 3000, 0, None, true).is_err());
    assert!(Chunks::new(u64::MAX, 4096, 0, None, true).is_err());
    assert!(Chunks::new(1 << 20, 4096, 0, Some(&[256]), true).is_err(), "a chunk behind the end");
    assert!(Chunks::new(1 << 20, 4096, 0, Some(&[u32::MAX]), true).is_err());
    let chunks = Chunks::new(10_000, 4096, 0, None, false).expect("a good shape");
    let mut device = chunks.device();
    assert!(device.is_read_only() && device.write_at(0, &[1]) == Err(DeviceError::ReadOnly));
    assert!(device.read_at(8192, &mut [0; 1808]).is_err());
    assert_eq!(chunks.supply(2, Some(vec![1; 1807])).map_err(|error| error.code()), Err("EUCLEAN"));
    assert_eq!(chunks.supply(3, Some(vec![1; 4096])).map_err(|error| error.code()), Err("EINVAL"));
    chunks.supply(2, Some(vec![1; 1808])).expect("as short as the image ends");
    chunks.supply(1, None).expect("nothing can change, so anything may come");
    let mut buf = [9; 2000];
    device.read_at(8000, &mut buf).expect("it is here");
    assert!(buf[..192] == [0; 192] && buf[192..] == [1; 1808]);
}
