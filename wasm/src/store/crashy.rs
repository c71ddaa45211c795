//! A file and a device in memory that lose what was not flushed: any of its sectors, in any order.

use std::cell::RefCell;
use std::rc::Rc;

use xfskit::device::{BlockDevice, DeviceError, check_range};

use super::raw::{NO_COUNT, RawFile};

/// The unit in which writes tear, in bytes.
const SECTOR_BYTES: usize = 512;

/// SplitMix64: same seed, same run.
#[derive(Debug, Clone)]
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.bits() % bound.max(1)
    }
}

/// What goes wrong from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A call does half of what it was asked for.
    Short,
    /// A call does nothing, and says so.
    None,
    /// A call gives a count that can't be.
    Nonsense,
    /// A call fails.
    Error(DeviceError),
    /// So many flushes succeed, then they fail.
    Flushes(usize),
}

#[derive(Debug, Clone)]
enum Change {
    Write(u64, Vec<u8>),
    Truncate(u64),
}

#[derive(Debug, Default)]
struct Inner {
    now: Vec<u8>,
    durable: Vec<u8>,
    changes: Vec<Change>,
    fault: Option<Fault>,
    quota_bytes: Option<u64>,
    writes: usize,
    reads: usize,
    truncates: usize,
}

/// The file; clones are the same file.
#[derive(Debug, Clone, Default)]
pub(crate) struct CrashyFile(Rc<RefCell<Inner>>);

impl CrashyFile {
    pub(crate) fn with_bytes(bytes: Vec<u8>) -> Self {
        Self(Rc::new(RefCell::new(Inner { now: bytes.clone(), durable: bytes, ..Inner::default() })))
    }

    pub(crate) fn set_fault(&self, fault: Option<Fault>) {
        self.0.borrow_mut().fault = fault;
    }

    /// No more than so many bytes from now on.
    pub(crate) fn set_quota(&self, bytes: u64) {
        self.0.borrow_mut().quota_bytes = Some(bytes);
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.0.borrow().now.clone()
    }

    /// Changes the bytes behind everybody's back.
    pub(crate) fn edit(&self, act: impl FnOnce(&mut Vec<u8>)) {
        act(&mut self.0.borrow_mut().now);
    }

    /// Reads, writes and changes of length so far.
    pub(crate) fn calls(&self) -> (usize, usize, usize) {
        let inner = self.0.borrow();
        (inner.reads, inner.writes, inner.truncates)
    }

    /// A file as a loss of power may leave it.
    pub(crate) fn crash(&self, rng: &mut Rng) -> Self {
        let inner = self.0.borrow();
        let mut bytes = inner.durable.clone();
        let mut changes = inner.changes.clone();
        let percent = [0, 10, 50, 90, 100][rng.below(5) as usize];
        if rng.below(2) == 0 {
            (1..changes.len()).rev().for_each(|last| changes.swap(last, rng.below(last as u64 + 1) as usize));
        }
        let whole = rng.below(2) == 0;
        for change in changes {
            let survives = rng.below(100) < percent;
            match change {
                Change::Truncate(len) if survives => bytes.resize(len as usize, 0),
                Change::Truncate(_) => {}
                Change::Write(at, written) => {
                    for (sector, piece) in written.chunks(SECTOR_BYTES).enumerate() {
                        if if whole { survives } else { rng.below(100) < percent } {
                            put(&mut bytes, at as usize + sector * SECTOR_BYTES, piece);
                        }
                    }
                }
            }
        }
        Self::with_bytes(bytes)
    }
}

fn put(bytes: &mut Vec<u8>, at: usize, piece: &[u8]) {
    if bytes.len() < at + piece.len() {
        bytes.resize(at + piece.len(), 0);
    }
    bytes[at..at + piece.len()].copy_from_slice(piece);
}

impl Inner {
    /// How many of `len` bytes a call may do, and what it says.
    fn count(&self, len: usize) -> Result<(usize, usize), DeviceError> {
        match &self.fault {
            None | Some(Fault::Flushes(_)) => Ok((len, len)),
            Some(Fault::Short) => Ok((len.div_ceil(2), len.div_ceil(2))),
            Some(Fault::None) => Ok((0, 0)),
            Some(Fault::Nonsense) => Ok((0, NO_COUNT)),
            Some(Fault::Error(error)) => Err(error.clone()),
        }
    }

    fn check_quota(&self, len_bytes: u64) -> Result<(), DeviceError> {
        match self.quota_bytes {
            Some(quota) if len_bytes > quota && len_bytes > self.now.len() as u64 => {
                Err(DeviceError::NoSpace)
            }
            _ => Ok(()),
        }
    }
}

impl RawFile for CrashyFile {
    fn read_at(&mut self, at: u64, buf: &mut [u8]) -> Result<usize, DeviceError> {
        let mut inner = self.0.borrow_mut();
        inner.reads += 1;
        let there = inner.now.len().saturating_sub(at as usize).min(buf.len());
        let (done, said) = inner.count(there)?;
        buf[..done].copy_from_slice(&inner.now[at as usize..at as usize + done]);
        Ok(said)
    }

    fn write_at(&mut self, at: u64, bytes: &[u8]) -> Result<usize, DeviceError> {
        let mut inner = self.0.borrow_mut();
        inner.writes += 1;
        inner.check_quota(at + bytes.len() as u64)?;
        let (done, said) = inner.count(bytes.len())?;
        put(&mut inner.now, at as usize, &bytes[..done]);
        inner.changes.push(Change::Write(at, bytes[..done].to_vec()));
        Ok(said)
    }

    fn flush(&mut self) -> Result<(), DeviceError> {
        let mut inner = self.0.borrow_mut();
        inner.count(0)?;
        if let Some(Fault::Flushes(left)) = &mut inner.fault {
            *left = left.checked_sub(1).ok_or(DeviceError::Io { code: 5 })?;
        }
        inner.durable = inner.now.clone();
        inner.changes.clear();
        Ok(())
    }

    fn truncate(&mut self, len_bytes: u64) -> Result<(), DeviceError> {
        let mut inner = self.0.borrow_mut();
        inner.truncates += 1;
        inner.check_quota(len_bytes)?;
        inner.count(0)?;
        inner.now.resize(len_bytes as usize, 0);
        inner.changes.push(Change::Truncate(len_bytes));
        Ok(())
    }

    fn len_bytes(&mut self) -> Result<u64, DeviceError> {
        Ok(self.0.borrow().now.len() as u64)
    }
}

/// A device of a fixed length over such a file.
#[derive(Debug, Clone)]
pub(crate) struct CrashyDevice(pub(crate) CrashyFile, u64);

impl CrashyDevice {
    pub(crate) fn new(file: CrashyFile, len_bytes: u64) -> Self {
        file.edit(|bytes| bytes.resize(len_bytes as usize, 0));
        Self(file, len_bytes)
    }
}

impl BlockDevice for CrashyDevice {
    fn len_bytes(&self) -> u64 {
        self.1
    }

    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<(), DeviceError> {
        check_range(offset, buf.len(), self.1)?;
        super::raw::read_all(&mut self.0, offset, buf)
    }

    fn write_at(&mut self, offset: u64, buf: &[u8]) -> Result<(), DeviceError> {
        check_range(offset, buf.len(), self.1)?;
        super::raw::write_all(&mut self.0, offset, buf)
    }

    fn flush(&mut self) -> Result<(), DeviceError> {
        self.0.flush()
    }
}

/// What each sector of a device may hold after a crash: what was durable, and whatever was written to it since.
#[derive(Debug, Clone)]
pub(crate) struct Expected {
    sectors: Vec<Vec<u8>>,
}

impl Expected {
    /// Sectors that hold one byte, over and over; `of` tells which.
    pub(crate) fn new(sectors: usize, of: impl Fn(usize) -> u8) -> Self {
        Self { sectors: (0..sectors).map(|sector| vec![of(sector)]).collect() }
    }

    /// Sectors `first..first + count` are filled with `byte`.
    pub(crate) fn write(&mut self, first: usize, count: usize, byte: u8) {
        self.sectors[first..first + count].iter_mut().for_each(|sector| sector.push(byte));
    }

    /// All of it is durable.
    pub(crate) fn flush(&mut self) {
        self.sectors.iter_mut().for_each(|sector| drop(sector.drain(..sector.len() - 1)));
    }

    /// Asserts that a device holds the last of everything.
    pub(crate) fn assert_now(&self, device: &mut dyn BlockDevice, what: &str) {
        for (number, byte) in self.contents(device, what).into_iter().enumerate() {
            assert_eq!(Some(&byte), self.sectors[number].last(), "{what}: sector {number}");
        }
    }

    /// Asserts that a device holds what may be there after a crash; what is there is then all that may.
    pub(crate) fn assert_crashed(&mut self, device: &mut dyn BlockDevice, what: &str) {
        for (number, byte) in self.contents(device, what).into_iter().enumerate() {
            let may = &self.sectors[number];
            assert!(may.contains(&byte), "{what}: sector {number} holds {byte}, may be {may:?}");
            self.sectors[number] = vec![byte];
        }
    }

    fn contents(&self, device: &mut dyn BlockDevice, what: &str) -> Vec<u8> {
        let mut bytes = vec![0; self.sectors.len() * SECTOR_BYTES];
        device.read_at(0, &mut bytes).expect(what);
        bytes
            .chunks(SECTOR_BYTES)
            .map(|sector| {
                assert!(sector.iter().all(|&byte| byte == sector[0]), "{what}: a torn sector");
                sector[0]
            })
            .collect()
    }
}
