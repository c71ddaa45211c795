//! Crashes, other bases, bytes that are not here.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use xfskit::device::{BlockDevice, DeviceError, MemoryDevice};

use super::{Overlay, upper_bytes};
use crate::store::StoreError;
use crate::store::crashy::{CrashyDevice, CrashyFile, Expected, Fault, Rng};

const SECTORS: usize = 5000;
const LEN_BYTES: u64 = SECTORS as u64 * 512;

/// A base whose sectors hold their number.
fn base() -> Box<dyn BlockDevice> {
    let bytes = (0..SECTORS).flat_map(|sector| [sector as u8; 512]).collect();
    Box::new(MemoryDevice::new(bytes))
}

fn over(file: &CrashyFile) -> Overlay {
    over_base(base(), file, b"v1")
}

fn over_base(base: Box<dyn BlockDevice>, file: &CrashyFile, fingerprint: &[u8]) -> Overlay {
    let upper = CrashyDevice::new(file.clone(), upper_bytes(base.len_bytes()));
    Overlay::new(base, Box::new(upper), fingerprint).expect("lengths fit")
}

/// Goal: whatever lands of what was not flushed, each sector holds what was durable or what was written to it since, and
/// never what the upper held before by chance.
#[test]
fn a_crash_leaves_each_sector_old_or_new() {
    for seed in 0..120 {
        let mut rng = Rng(seed);
        let mut file = CrashyFile::default();
        let mut overlay = over(&file);
        let mut expected = Expected::new(SECTORS, |sector| sector as u8);
        let mut serial = 0;
        for round in 0..5 {
            for _ in 0..rng.below(30) {
                serial = serial % 250 + 1;
                let first = rng.below(SECTORS as u64) as usize;
                let most = if rng.below(4) == 0 { 4500 } else { 10 };
                let count = (1 + rng.below(most) as usize).min(SECTORS - first);
                overlay.write_at(first as u64 * 512, &vec![serial; count * 512]).expect("room");
                expected.write(first, count, serial);
                if rng.below(8) == 0 {
                    overlay.flush().expect("room");
                    expected.flush();
                }
            }
            expected.assert_now(&mut overlay, "before the crash");
            if rng.below(2) == 0 {
                // The power goes in the middle of a flush: before or after the bits are written.
                file.set_fault(Some(Fault::Flushes(rng.below(2) as usize)));
                let _ = overlay.flush();
            }
            file = file.crash(&mut rng);
            overlay = over(&file);
            expected.assert_crashed(&mut overlay, &format!("seed {seed}, round {round}"));
        }
    }
}

#[test]
fn writes_of_any_length_at_any_place_show() {
    let len = 100 * 512 + 77;
    let mut plain: Vec<u8> = (0..len).map(|at| (at / 7) as u8).collect();
    let file = CrashyFile::default();
    let mut overlay = over_base(Box::new(MemoryDevice::new(plain.clone())), &file, b"");
    let mut rng = Rng(9);
    for step in 0..400 {
        let at = rng.below(len as u64) as usize;
        let count = (rng.below(1500) as usize).min(len - at);
        let bytes = vec![rng.bits() as u8; count];
        overlay.write_at(at as u64, &bytes).expect("room");
        plain[at..at + count].copy_from_slice(&bytes);
        let from = rng.below(len as u64) as usize;
        let mut back = vec![0; (rng.below(9000) as usize).min(len - from)];
        overlay.read_at(from as u64, &mut back).expect("it is there");
        assert!(back == plain[from..from + back.len()], "step {step}");
        if rng.below(20) == 0 {
            overlay.flush().expect("room");
            overlay = over_base(overlay.base, &file, b"");
        }
    }
    assert!(overlay.write_at(len as u64 - 1, &[0, 0]).is_err());
}

#[test]
fn an_upper_for_another_base_is_refused() {
    let file = CrashyFile::default();
    let mut overlay = over(&file);
    overlay.write_at(512, &[1; 512]).expect("room");
    overlay.flush().expect("room");
    over(&file).load().expect("the same base");
    let other = over_base(base(), &file, b"v2").load().expect_err("another version of the base");
    assert_eq!(other, StoreError::OtherBase { what: "its fingerprint" });
    assert_eq!(other.code(), "ESTALE");
    let mut overlay = over_base(base(), &file, b"v2");
    assert!(overlay.read_at(0, &mut [0; 512]).is_err() && overlay.write_at(0, &[0; 512]).is_err());
    let shorter = Box::new(MemoryDevice::new(vec![0; LEN_BYTES as usize - 1]));
    let other = over_base(shorter, &file, b"v1").load().expect_err("a shorter base");
    assert_eq!(other, StoreError::OtherBase { what: "its length" });
    let upper = Box::new(MemoryDevice::new(vec![0; 4096]));
    assert!(Overlay::new(base(), upper, b"").is_err(), "too short");
    assert!(Overlay::new(base(), Box::new(MemoryDevice::default()), &[0; 129]).is_err());
}

#[test]
fn hostile_heads_are_refused_by_name() {
    let at = LEN_BYTES.next_multiple_of(4096) as usize;
    for (offset, text) in [
        (0, "this is no overlay: something else"),
        (30, "overlay is damaged: checksum of its head"),
        (4096, "this is no overlay: bytes without a head"),
    ] {
        let file = CrashyFile::default();
        let mut overlay = over(&file);
        if offset != 4096 {
            overlay.write_at(512, &[1; 512]).expect("room");
            overlay.flush().expect("room");
        }
        let mut overlay = over(&file);
        file.edit(|bytes| bytes[at + offset] ^= 0x55);
        assert_eq!(overlay.load().expect_err("refused").to_string(), text);
    }
}

/// One flush where no bit is new, two where one is; and a flush that fails makes no bit durable.
#[test]
fn bits_follow_their_data() {
    let file = CrashyFile::default();
    let mut overlay = over(&file);
    overlay.write_at(0, &[1; 512]).expect("room");
    overlay.flush().expect("room");
    let before = file.calls().1;
    overlay.write_at(0, &[2; 512]).expect("room");
    overlay.flush().expect("room");
    assert_eq!(file.calls().1 - before, 1, "the bit was there");
    overlay.write_at(512, &[3; 512]).expect("room");
    let before = file.bytes();
    file.set_fault(Some(Fault::Error(DeviceError::NoSpace)));
    assert_eq!(overlay.flush(), Err(DeviceError::NoSpace));
    assert!(file.bytes() == before, "no bit is written after a flush that failed");
    file.set_fault(None);
    overlay.flush().expect("room");
    assert!(file.bytes() != before);
}

/// Sectors of a device that are here; the rest has to be fetched.
#[derive(Clone)]
struct Lazy(Rc<RefCell<(MemoryDevice, BTreeSet<u64>)>>);

impl Lazy {
    fn new(device: MemoryDevice) -> Self {
        Self(Rc::new(RefCell::new((device, BTreeSet::new()))))
    }

    fn fetch(&self, sector: u64) {
        self.0.borrow_mut().1.insert(sector);
    }
}

impl BlockDevice for Lazy {
    fn len_bytes(&self) -> u64 {
        self.0.borrow().0.len_bytes()
    }

    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<(), DeviceError> {
        let (device, here) = &mut *self.0.borrow_mut();
        let sectors = offset / 512..(offset + buf.len() as u64).div_ceil(512);
        match sectors.into_iter().find(|sector| !here.contains(sector)) {
            Some(sector) => {
                let range = Box::new(sector * 512..(sector + 1) * 512);
                Err(DeviceError::NotResident { range })
            }
            None => device.read_at(offset, buf),
        }
    }

    fn write_at(&mut self, offset: u64, buf: &[u8]) -> Result<(), DeviceError> {
        let (device, here) = &mut *self.0.borrow_mut();
        here.extend(offset / 512..(offset + buf.len() as u64) / 512);
        device.write_at(offset, buf)
    }

    fn flush(&mut self) -> Result<(), DeviceError> {
        Ok(())
    }
}

/// What is missing on either side is asked for; once the bits are here, whole sectors are written without waiting.
#[test]
fn bytes_that_are_not_here_are_asked_for_and_nothing_changes_before() {
    let lower = Lazy::new(MemoryDevice::new(vec![7; LEN_BYTES as usize]));
    let upper = Lazy::new(MemoryDevice::new(vec![0; upper_bytes(LEN_BYTES) as usize]));
    let mut overlay = Overlay::new(Box::new(lower.clone()), Box::new(upper.clone()), b"").expect("lengths");
    let mut fetched = 0;
    while let Err(StoreError::Device(DeviceError::NotResident { range })) = overlay.load() {
        upper.fetch(range.start / 512);
        fetched += 1;
    }
    assert_eq!(fetched, 1 + 4096 / 512, "the head and the map");
    overlay.write_at(512, &[1; 512]).expect("no need to wait");
    let missing = |at: u64| Err(DeviceError::NotResident { range: Box::new(at..at + 512) });
    assert_eq!(overlay.write_at(100, &[2; 100]), missing(0), "the rest of the sector is not here");
    let mut buf = [0; 1536];
    assert_eq!(overlay.read_at(0, &mut buf), missing(0));
    lower.fetch(0);
    assert_eq!(overlay.read_at(0, &mut buf), missing(1024));
    lower.fetch(2);
    overlay.read_at(0, &mut buf).expect("all is here");
    assert!(buf[..512] == [7; 512] && buf[512..1024] == [1; 512] && buf[1024..] == [7; 512]);
}
