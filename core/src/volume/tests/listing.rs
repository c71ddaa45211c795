//! Long directories, listed from a device that counts.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::{DIR, FILE, Shared, fresh};
use crate::error::Result;
use crate::units::Ino;
use crate::volume::Volume;

/// A directory whose blocks lie between the inodes of what is in it, on a volume that is closed: number and blocks.
fn grown(dir_block_size: u32) -> (Shared, Ino, u64) {
    let device = fresh(64, |options| options.dir_block_size = dir_block_size);
    let mut volume = device.open();
    let root = volume.root();
    let dir = volume.mkdir(root, b"dir", &DIR).expect("mkdir");
    for n in 0..6000 {
        volume.create(dir, name(n).as_bytes(), &FILE).expect("create");
    }
    let blocks = volume.stat(dir).expect("stat").size / u64::from(dir_block_size);
    volume.close().expect("close");
    (device, dir, blocks)
}

fn name(n: usize) -> String {
    format!("{:08x}-{n}-and-some-more-of-a-name", (n as u32).wrapping_mul(0x9e37_79b1))
}

/// Everything, in steps of `max` entries.
fn listed(volume: &mut Volume, dir: Ino, max: usize) -> Result<Vec<Vec<u8>>> {
    let (mut names, mut cookie) = (Vec::new(), 0);
    loop {
        let entries = volume.read_dir_from(dir, cookie, max)?;
        let Some(last) = entries.last() else { return Ok(names) };
        cookie = last.cookie;
        names.extend(entries.into_iter().map(|entry| entry.name));
    }
}

#[test]
fn blocks_of_a_directory_that_lie_close_are_read_together() {
    for (dir_block_size, times) in [(4096, 3), (16384, 1)] {
        let (device, dir, blocks) = grown(dir_block_size);
        for max in [7, 4096, usize::MAX] {
            let mut volume = device.open();
            volume.stat(dir).expect("stat");
            let before = device.calls.get();
            let names = listed(&mut volume, dir, max).expect("lists");
            let calls = device.calls.get() - before;
            assert!((0..6000).all(|n| names[n] == name(n).as_bytes()), "in the order that they were made in");
            assert_eq!(names.len(), 6000);
            assert!(calls * times < blocks, "{calls} calls for {blocks} blocks of {dir_block_size} bytes");
        }
    }
}

#[test]
fn a_read_of_many_blocks_that_fails_loses_none_of_them() {
    let (device, dir, blocks) = grown(4096);
    device.fail_once.set(true);
    let (mut lists, mut failures) = (0, 0);
    for call in 0..blocks {
        let mut volume = device.open();
        volume.stat(dir).expect("stat");
        device.calls_left.set(Some(call));
        match listed(&mut volume, dir, usize::MAX) {
            Ok(names) => {
                assert_eq!(names.len(), 6000, "call {call}");
                lists += 1;
            }
            Err(error) => {
                assert_eq!(error.code(), "device.io", "call {call}");
                failures += 1;
            }
        }
        if device.calls_left.replace(None).is_some() {
            break;
        }
    }
    assert!(
        lists > failures,
        "{lists} listed, {failures} failed: only the tree over the blocks is read alone"
    );
}

#[test]
fn a_damaged_block_is_told_when_its_turn_comes() {
    let (device, dir, _) = grown(4096);
    let at = {
        let bytes = device.bytes.borrow();
        let wanted = name(3000);
        bytes.windows(wanted.len()).position(|window| window == wanted.as_bytes()).expect("stored")
    };
    device.bytes.borrow_mut()[at] ^= 1;
    let mut volume = device.open();
    let before = volume.read_dir_from(dir, 0, 2800).expect("the block is not among these");
    assert_eq!(before.len(), 2800);
    let error = listed(&mut volume, dir, 500).expect_err("is noticed");
    assert_eq!(error.code(), "corrupt.crc");
}
