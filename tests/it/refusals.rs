//! What can't be read is refused by name, what can't be written opens read-only by name; nothing is guessed.

use std::process::Command;

use xfskit::device::MemoryDevice;
use xfskit::error::Error;
use xfskit::volume::OpenOptions;
use xfskit::{Result, Volume};
use xfskit_tests::golden;
use xfskit_tests::mutate::edit_superblock;
use xfskit_tests::referee::{Referee, Xfsprogs, make_sparse, run};
use xfskit_tests::temp::TempDir;

const RO_COMPAT: usize = 212;
const INCOMPAT: usize = 216;
const LOG_INCOMPAT: usize = 220;

fn open(image: Vec<u8>) -> Result<Volume> {
    Volume::open(Box::new(MemoryDevice::new(image)), &OpenOptions::default())
}

/// Asserts that opening fails as unsupported, and says one of some words.
fn refused(image: Vec<u8>, words: &[&str]) {
    let error = open(image).err().expect("refused");
    assert!(matches!(error, Error::Unsupported { .. }), "{error}");
    let text = error.to_string();
    assert!(words.iter().any(|word| text.contains(word)), "{text}");
}

/// Asserts that the volume opens read-only, and says one of some words.
fn read_only(image: Vec<u8>, words: &[&str]) {
    let mut volume = open(image).expect("opens");
    let reason = volume.read_only_reason().expect("read-only").to_owned();
    assert!(words.iter().any(|word| reason.contains(word)), "{reason}");
    let root = volume.root();
    assert!(!volume.read_dir(root).expect("can be read").is_empty());
}

fn edited(at: usize, change: impl Fn(u32) -> u32) -> Vec<u8> {
    let mut image = golden::named("default").image();
    edit_superblock(&mut image, at, change);
    image
}

#[test]
fn unknown_features_are_named_by_their_bits() {
    refused(edited(INCOMPAT, |bits| bits | 1 << 27), &["0x8000000"]);
    read_only(edited(RO_COMPAT, |bits| bits | 1 << 26), &["0x4000000"]);
}

#[test]
fn volume_that_needs_repair_is_not_written() {
    let image = edited(INCOMPAT, |bits| bits | 0x10);
    let words = ["needsrepair", "needs repair", "NEEDSREPAIR"];
    match open(image.clone()) {
        Ok(_) => read_only(image, &words),
        Err(_) => refused(image, &words),
    }
}

#[test]
fn unknown_log_features_are_no_reason_on_a_clean_log() {
    let volume = open(edited(LOG_INCOMPAT, |bits| bits | 1 << 25)).expect("opens");
    if let Some(reason) = volume.read_only_reason() {
        assert!(reason.contains("log"), "{reason}");
    }
    let mut dirty = golden::named("dirty-log").image();
    edit_superblock(&mut dirty, LOG_INCOMPAT, |bits| bits | 1 << 25);
    let words = ["log"];
    match open(dirty.clone()) {
        Ok(_) => read_only(dirty, &words),
        Err(_) => refused(dirty, &words),
    }
}

#[test]
fn what_is_no_volume_is_refused() {
    assert!(open(Vec::new()).is_err());
    assert!(open(vec![0; 100]).is_err());
    assert!(open(vec![0; 1 << 20]).is_err());
    let mut image = golden::named("default").image();
    image.truncate(image.len() / 2);
    let text = open(image).err().expect("refused").to_string();
    assert!(text.contains("truncated"), "{text}");
}

/// What mkfs.xfs can make and the kernel here does not mount.
#[test]
fn v4_and_realtime_volumes_are_refused_by_name() {
    let Some(referee) = Referee::find() else { return };
    let temp = TempDir::new("refused");
    let (image, realtime) = (temp.join("a.img"), temp.join("rt.img"));
    make_sparse(&image, 300 << 20);
    run(referee.xfsprogs(Xfsprogs::V6_1, "mkfs.xfs").args(["-q", "-m", "crc=0"]).arg(&image));
    refused(std::fs::read(&image).expect("read"), &["v4", "V4", "version 4"]);
    make_sparse(&image, 300 << 20);
    make_sparse(&realtime, 300 << 20);
    let mkfs: &mut Command = &mut referee.xfsprogs(Xfsprogs::V6_1, "mkfs.xfs");
    run(mkfs.args(["-q", "-r", &format!("rtdev={}", realtime.display())]).arg(&image));
    let image = std::fs::read(&image).expect("read");
    match open(image.clone()) {
        Ok(_) => {
            let volume = open(image).expect("opens");
            assert!(volume.read_only_reason().expect("read-only").contains("realtime"));
        }
        Err(_) => refused(image, &["realtime"]),
    }
}
