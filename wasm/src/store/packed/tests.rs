//! Crashes, quotas and hostile bytes.

use xfskit::device::{BlockDevice, DeviceError};

use super::Packed;
use crate::store::StoreError;
use crate::store::crashy::{CrashyFile, Expected, Fault, Rng};

const CHUNK_BYTES: u32 = 4096;
const SECTORS: usize = 8 * 300 + 3;
const LEN_BYTES: u64 = SECTORS as u64 * 512;

fn create(file: &CrashyFile) -> Packed {
    Packed::create_with(Box::new(file.clone()), LEN_BYTES, CHUNK_BYTES).expect("make it")
}

fn open(file: &CrashyFile) -> Result<Packed, StoreError> {
    Packed::open(Box::new(file.clone()), false)
}

/// One random write of whole sectors, some of them long.
fn write(image: &mut Packed, expected: &mut Expected, rng: &mut Rng, serial: u8) {
    let first = rng.below(SECTORS as u64) as usize;
    let most = if rng.below(4) == 0 { 100 } else { 4 };
    let count = (1 + rng.below(most) as usize).min(SECTORS - first);
    image.write_at(first as u64 * 512, &vec![serial; count * 512]).expect("room");
    expected.write(first, count, serial);
}

/// Goal: whatever lands of what was not flushed, each sector holds what was durable or what was written to it since.
/// Method: random writes and flushes over a file that loses any sectors of them and any change of length, again and again.
#[test]
fn a_crash_leaves_each_sector_old_or_new() {
    for seed in 0..200 {
        let mut rng = Rng(seed);
        let mut file = CrashyFile::default();
        let mut image = create(&file);
        let mut expected = Expected::new(SECTORS, |_| 0);
        let mut serial = 0;
        for round in 0..6 {
            for _ in 0..rng.below(30) {
                serial = serial % 250 + 1;
                write(&mut image, &mut expected, &mut rng, serial);
                if rng.below(8) == 0 {
                    image.flush().expect("room");
                    expected.flush();
                }
            }
            expected.assert_now(&mut image, "before the crash");
            if rng.below(2) == 0 {
                // The power goes in the middle of a flush: the map is on its way too.
                file.set_fault(Some(Fault::Flushes(0)));
                let _ = image.flush();
            }
            file = file.crash(&mut rng);
            image = open(&file).expect("open after a crash");
            expected.assert_crashed(&mut image, &format!("seed {seed}, round {round}"));
        }
    }
}

/// What a crash lost is handed out again, so that there are never more slots than chunks.
#[test]
fn slots_are_not_lost_in_crashes() {
    let mut rng = Rng(5);
    let mut file = CrashyFile::default();
    let mut image = create(&file);
    for round in 0..200 {
        for _ in 0..5 {
            let chunk = rng.below(LEN_BYTES / u64::from(CHUNK_BYTES));
            image.write_at(chunk * u64::from(CHUNK_BYTES), &[round as u8; 512]).expect("room");
        }
        file = file.crash(&mut rng);
        image = open(&file).expect("open after a crash");
    }
    image.write_at(0, &vec![1; LEN_BYTES as usize]).expect("room");
    image.flush().expect("room");
    assert!(image.used_bytes() <= 2 * 4096 + u64::from(CHUNK_BYTES) * LEN_BYTES.div_ceil(CHUNK_BYTES.into()));
}

#[test]
fn the_file_grows_with_use_and_calls_are_as_long_as_they_can_be() {
    let file = CrashyFile::default();
    let mut image = Packed::create(Box::new(file.clone()), 1 << 34).expect("make it");
    assert!(file.bytes().len() < 100 << 10, "only the map is there");
    let before = file.calls();
    let bytes = vec![3; 4 << 20];
    image.write_at(5 << 30, &bytes).expect("room");
    image.write_at((5 << 30) + (4 << 20), &bytes).expect("room");
    let mut back = vec![0; 8 << 20];
    image.read_at(5 << 30, &mut back).expect("it is there");
    assert!(back.iter().all(|&byte| byte == 3));
    let after = file.calls();
    assert_eq!((after.0 - before.0, after.1 - before.1), (1, 2), "one call each");
    assert!(after.2 - before.2 <= 2, "and few changes of length");
    assert!(file.bytes().len() < 24 << 20);
    image.flush().expect("room");
    drop(image);
    let mut image = open(&file).expect("open");
    assert!(file.bytes().len() < 9 << 20, "what it grew by in advance is given back");
    image.read_at(5 << 30, &mut back).expect("it is there");
    assert!(back.iter().all(|&byte| byte == 3));
}

#[test]
fn a_full_disk_is_no_space_and_leaves_the_rest_as_it_was() {
    let file = CrashyFile::default();
    let mut image = create(&file);
    image.write_at(0, &[1; 4096]).expect("room");
    image.flush().expect("room");
    drop(image);
    let mut image = open(&file).expect("open");
    file.set_quota(file.bytes().len() as u64);
    image.write_at(0, &[2; 4096]).expect("its place is there");
    let bytes = vec![3; LEN_BYTES as usize];
    file.set_quota(file.bytes().len() as u64 + 3 * 4096);
    assert_eq!(image.write_at(0, &bytes), Err(DeviceError::NoSpace));
    image.write_at(8192, &[4; 4096]).expect("what fits still goes");
    image.flush().expect("the map has its place from the start");
    let mut image = open(&file).expect("open");
    let mut back = [0; 4096];
    image.read_at(8192, &mut back).expect("it is there");
    assert_eq!(back, [4; 4096]);
    for (fault, error) in
        [(Fault::None, DeviceError::NoSpace), (Fault::Nonsense, DeviceError::Io { code: 5 })]
    {
        file.set_fault(Some(fault));
        assert_eq!(image.write_at(0, &[9; 512]), Err(error));
        file.set_fault(None);
    }
    file.set_fault(Some(Fault::Short));
    image.write_at(0, &[9; 4096]).expect("short counts are gone on from");
    image.read_at(0, &mut back).expect("the same");
    assert_eq!(back, [9; 4096]);
}

#[test]
fn foreign_and_damaged_files_are_refused_by_name() {
    let refused = |bytes: Vec<u8>| open(&CrashyFile::with_bytes(bytes)).err().expect("refused").to_string();
    let file = CrashyFile::default();
    let mut image = create(&file);
    image.write_at(0, &[1; 3 * 4096]).expect("room");
    image.flush().expect("room");
    drop(image);
    let good = file.bytes();
    let edited = |at: usize, bytes: &[u8]| {
        let mut all = good.clone();
        all[at..at + bytes.len()].copy_from_slice(bytes);
        all
    };
    let resealed = |at: usize, bytes: &[u8]| {
        let mut all = edited(at, bytes);
        let crc = xfskit::format::crc::Crc32c::new().update(&all[..28]).finish();
        all[28..32].copy_from_slice(&crc.to_le_bytes());
        all
    };
    for (bytes, text) in [
        (Vec::new(), "this is no packed image: an empty file"),
        (vec![0; 9000], "this is no packed image: zeros"),
        (edited(0, b"XFSB"), "this is no packed image: an XFS volume as it is"),
        (edited(0, b"PK"), "this is no packed image: something else"),
        (edited(16, &[1]), "packed image is damaged: checksum of its head"),
        (resealed(12, &[9]), "packed image of version 9, which this release does not know"),
        (resealed(16, &[0xff; 8]), "packed image is damaged: the shape in its head"),
        (resealed(24, &[0, 0, 0, 0]), "packed image is damaged: the shape in its head"),
        (resealed(20, &[1]), "packed image is damaged: the file ends inside the map"),
        (good[..5000].to_vec(), "packed image is damaged: the file ends inside the map"),
        (edited(4096, &[2]), "packed image is damaged: two chunks lie in one slot"),
        (edited(4096, &[0xff; 4]), "packed image is damaged: a chunk lies behind the last slot"),
    ] {
        assert_eq!(refused(bytes), text);
    }
}

/// No byte of the head or the map brings it down, whatever it becomes.
#[test]
fn no_damage_makes_it_panic() {
    let file = CrashyFile::default();
    let mut image = create(&file);
    image.write_at(0, &[1; 3 * 4096]).expect("room");
    image.flush().expect("room");
    drop(image);
    let good = file.bytes();
    let mut rng = Rng(1);
    for _ in 0..2000 {
        let mut bytes = good.clone();
        for _ in 0..=rng.below(3) {
            let at = rng.below(8192) as usize;
            bytes[if rng.below(2) == 0 { at % 32 } else { at }] = rng.bits() as u8;
        }
        let Ok(mut image) = open(&CrashyFile::with_bytes(bytes)) else { continue };
        let mut buf = [0; 9000];
        let _ = image.read_at(rng.below(LEN_BYTES), &mut buf);
        let _ = image.write_at(rng.below(LEN_BYTES), &buf);
        let _ = image.flush();
    }
}

#[test]
fn nothing_is_made_over_what_is_there() {
    let file = CrashyFile::default();
    drop(create(&file));
    let again = Packed::create(Box::new(file.clone()), LEN_BYTES).err().map(|error| error.to_string());
    assert_eq!(again.as_deref(), Some("this is no packed image: a file that is not empty"));
    let image = Packed::open_or_create(Box::new(file), 1 << 30).expect("it is there");
    assert_eq!(image.len_bytes(), LEN_BYTES);
    let foreign = CrashyFile::with_bytes(vec![1; 12345]);
    assert!(Packed::open_or_create(Box::new(foreign.clone()), LEN_BYTES).is_err());
    assert_eq!(foreign.bytes(), [1; 12345]);
    for unfinished in [0, 12345] {
        let file = CrashyFile::with_bytes(vec![0; unfinished]);
        let image = Packed::open_or_create(Box::new(file), LEN_BYTES).expect("nothing is there yet");
        assert_eq!(image.len_bytes(), LEN_BYTES);
    }
    for len in [0, 100, u64::MAX] {
        assert!(Packed::create(Box::new(CrashyFile::default()), len).is_err(), "{len}");
    }
}

/// The making of an image can be cut short anywhere: what is there then is the image, or can be made again.
#[test]
fn a_crash_while_it_is_made_leaves_nothing_or_all() {
    for seed in 0..100 {
        let file = CrashyFile::default();
        file.set_fault(Some(Fault::Flushes(seed as usize % 2)));
        let made = Packed::create_with(Box::new(file.clone()), LEN_BYTES, CHUNK_BYTES);
        assert!(made.is_err());
        let file = file.crash(&mut Rng(seed));
        if let Err(error) = open(&file) {
            assert!(matches!(error, StoreError::Foreign { .. }), "{error}");
            drop(create(&file));
            open(&file).expect("it is there now");
        }
    }
}
