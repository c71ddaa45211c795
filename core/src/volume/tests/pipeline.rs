//! Write, writeback, remap.

use super::{FILE, assert_sound, contents, fresh, pattern};
use crate::units::Ino;
use crate::volume::{ExtentPlace, OpenOptions, Volume};

const KIB: usize = 1024;

fn disk_extents(volume: &mut Volume, ino: Ino) -> usize {
    let extents = volume.extents(ino).expect("extents");
    extents.iter().filter(|extent| extent.place != ExtentPlace::Delalloc).count()
}

/// A file of 64 KiB and a clone of it, durable.
fn cloned(volume: &mut Volume) -> (Ino, Ino) {
    let root = volume.root();
    let source = volume.create(root, b"source", &FILE).expect("create");
    volume.write(source, 0, &pattern(1, 64 * KIB)).expect("write");
    let clone = volume.create(root, b"clone", &FILE).expect("create");
    volume.clone_file(source, clone).expect("clone");
    volume.sync().expect("sync");
    (source, clone)
}

#[test]
fn a_write_to_shared_blocks_changes_nothing_on_disk_until_writeback() {
    let device = fresh(64, |_| {});
    let mut volume = device.open();
    let (source, clone) = cloned(&mut volume);
    let before = device.bytes.borrow().clone();
    volume.write(clone, 8 * KIB as u64, &pattern(2, 4 * KIB)).expect("write");
    assert!(*device.bytes.borrow() == before);
    let extents = volume.extents(clone).expect("extents");
    assert!(
        extents.iter().any(|extent| extent.place == ExtentPlace::Delalloc && extent.offset_fsblocks == 2)
    );
    assert!(
        extents.iter().any(|extent| extent.shared && extent.len_fsblocks == 16),
        "the data fork is left alone"
    );

    volume.sync().expect("sync");
    let shared: Vec<_> =
        volume.extents(clone).expect("extents").iter().map(|e| (e.offset_fsblocks, e.shared)).collect();
    assert_eq!(shared, [(0, true), (2, false), (3, true)]);
    let mut expected = pattern(1, 64 * KIB);
    assert!(contents(&mut volume, source) == expected);
    expected[8 * KIB..12 * KIB].copy_from_slice(&pattern(2, 4 * KIB));
    assert!(contents(&mut volume, clone) == expected);
    assert_sound(&mut volume);
}

use alloc::vec::Vec;

#[test]
fn data_written_back_but_not_durable_leaves_the_old_data_at_a_crash() {
    let device = fresh(64, |_| {});
    let mut volume = device.open();
    let (_, clone) = cloned(&mut volume);
    volume.write(clone, 0, &pattern(2, 64 * KIB)).expect("write");
    volume.writeback(clone).expect("writeback");
    // The host dies here: the data is on its new blocks, but nothing says so.
    let mut after = device.snapshot().open();
    assert!(contents(&mut after, clone) == pattern(1, 64 * KIB));
    assert_sound(&mut after);
}

#[test]
fn a_block_is_not_written_over_before_it_is_known_for_good_that_nobody_else_has_it() {
    let device = fresh(64, |_| {});
    let mut volume = device.open();
    let (source, clone) = cloned(&mut volume);
    // The clone moves away, so the source has its blocks alone: but only in memory.
    volume.write(clone, 0, &pattern(2, 64 * KIB)).expect("write");
    volume.writeback(clone).expect("writeback");
    volume.write(source, 0, &pattern(3, 64 * KIB)).expect("write");
    volume.writeback(source).expect("writeback");
    let mut after = device.snapshot().open();
    assert!(contents(&mut after, clone) == pattern(1, 64 * KIB), "the clone shows what it had");
    assert!(contents(&mut after, source) == pattern(1, 64 * KIB));
    volume.sync().expect("sync");
    assert!(contents(&mut device.open(), clone) == pattern(2, 64 * KIB));
    assert!(contents(&mut device.open(), source) == pattern(3, 64 * KIB));
}

#[test]
fn a_block_that_is_no_longer_shared_is_written_in_place() {
    let device = fresh(64, |_| {});
    let mut volume = device.open();
    let (_, clone) = cloned(&mut volume);
    let before = volume.extents(clone).expect("extents")[0].place;
    let root = volume.root();
    volume.unlink(root, b"source").expect("unlink");
    volume.sync().expect("sync");
    volume.write(clone, 0, &pattern(2, 64 * KIB)).expect("write");
    volume.sync().expect("sync");
    let extents = volume.extents(clone).expect("extents");
    assert_eq!((extents.len(), extents[0].place, extents[0].shared), (1, before, false));
    assert_sound(&mut volume);
}

#[test]
fn small_appends_make_a_handful_of_extents() {
    let device = fresh(64, |_| {});
    let mut volume = device.open();
    let root = volume.root();
    let file = volume.create(root, b"log", &FILE).expect("create");
    for n in 0..100_000_u64 {
        volume.write(file, n * 100, &[n as u8; 100]).expect("write");
    }
    volume.sync().expect("sync");
    assert!(disk_extents(&mut volume, file) <= 4);
    let bytes = contents(&mut volume, file);
    assert!(bytes.chunks(100).zip(0_u64..).all(|(chunk, n)| chunk.iter().all(|&byte| byte == n as u8)));
    assert_sound(&mut volume);
}

#[test]
fn overwrites_near_each_other_stay_together_across_writebacks() {
    let device = fresh(64, |_| {});
    let mut volume = device.open();
    let (_, clone) = cloned(&mut volume);
    for block in 0..16 {
        volume.write(clone, block * 4096, &pattern(2, 4 * KIB)).expect("write");
        volume.fsync(clone).expect("fsync");
    }
    assert_eq!(disk_extents(&mut volume, clone), 1, "one stretch of staging blocks served all of them");
    assert_sound(&mut volume);
}

/// How often a file changes between blocks that were written and blocks that were not, and so the fewest extents.
fn fewest_extents(written: &[bool]) -> usize {
    1 + written.windows(2).filter(|pair| pair[0] != pair[1]).count()
}

#[test]
fn scattered_overwrites_make_no_more_extents_than_they_must() {
    for seed in 0..8 {
        let device = fresh(128, |_| {});
        let mut options = OpenOptions::default();
        options.dirty_bytes = 4 << 20;
        let mut volume = device.open_with(&options);
        let root = volume.root();
        let blocks = 20 << 20 >> 12;
        let source = volume.create(root, b"source", &FILE).expect("create");
        volume.write(source, 0, &pattern(1, blocks * 4096)).expect("write");
        let clone = volume.create(root, b"clone", &FILE).expect("create");
        volume.clone_file(source, clone).expect("clone");
        volume.sync().expect("sync");
        assert_eq!(disk_extents(&mut volume, source), 1);
        let mut written = alloc::vec![false; blocks];
        let mut random = 88_172_645_463_325_252_u64 + seed;
        // Several rounds of writeback: what the first ones leave out is written in later ones.
        for _ in 0..blocks / 2 {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let block = random as usize % blocks;
            written[block] = true;
            volume.write(clone, block as u64 * 4096, &pattern(2, 4096)).expect("write");
        }
        volume.sync().expect("sync");
        assert_eq!(disk_extents(&mut volume, clone), fewest_extents(&written), "seed {seed}");
        assert_sound(&mut volume);
    }
}

#[test]
fn dirty_memory_is_bounded() {
    let device = fresh(64, |_| {});
    let mut options = OpenOptions::default();
    options.dirty_bytes = 256 * KIB;
    let mut volume = device.open_with(&options);
    let root = volume.root();
    let file = volume.create(root, b"large", &FILE).expect("create");
    for n in 0..160_u64 {
        volume.write(file, n * 64 * 1024, &pattern(n as u8, 64 * KIB)).expect("write");
        assert!(volume.files.dirty_bytes() <= 256 * KIB);
    }
    assert!(contents(&mut volume, file).chunks(64 * KIB).zip(0_u8..).all(|(c, n)| c == pattern(n, 64 * KIB)));
    assert_sound(&mut volume);
}

#[test]
fn what_lies_behind_the_end_never_shows() {
    let device = fresh(64, |_| {});
    let mut volume = device.open();
    let root = volume.root();
    let file = volume.create(root, b"file", &FILE).expect("create");
    volume.write(file, 0, &[0xff; 10_000]).expect("write");
    volume.sync().expect("sync");
    volume.truncate(file, 5000).expect("truncate");
    volume.truncate(file, 20_000).expect("truncate");
    volume.write(file, 30_000, b"end").expect("write");
    let mut expected = alloc::vec![0; 30_003];
    expected[..5000].fill(0xff);
    expected[30_000..].copy_from_slice(b"end");
    assert!(contents(&mut volume, file) == expected);
    volume.sync().expect("sync");
    assert!(contents(&mut device.snapshot().open(), file) == expected);
    assert_sound(&mut volume);
}

#[test]
fn clones_follow_the_rules_of_linux() {
    let device = fresh(64, |_| {});
    let mut volume = device.open();
    let root = volume.root();
    let source = volume.create(root, b"source", &FILE).expect("create");
    volume.write(source, 0, &pattern(1, 10_000)).expect("write");
    let target = volume.create(root, b"target", &FILE).expect("create");
    volume.write(target, 0, &pattern(2, 30_000)).expect("write");
    let dir = volume.mkdir(root, b"dir", &FILE).expect("mkdir");
    let code = |outcome: crate::Result<()>| outcome.map_err(|error| error.code()).err();
    // Source offset, target offset, length; what Linux answers on 4 KiB blocks.
    let cases = [
        (1, 0, 4096, Some("invalid.argument")),
        (0, 512, 4096, Some("invalid.argument")),
        (0, 0, 1000, Some("invalid.argument")),
        (0, 0, 20_000, Some("invalid.argument")),
        (8192, 0, 10_000 - 8192, Some("invalid.argument")),
        (12_288, 0, 0, Some("invalid.argument")),
        (10_000, 0, 0, None),
        (8192, 28_672, 10_000 - 8192, None),
        (0, 4096, 8192, None),
    ];
    for (from, to, len, expected) in cases {
        assert_eq!(code(volume.clone_range(source, from, target, to, len)), expected, "{from} {to} {len}");
    }
    assert_eq!(code(volume.clone_range(target, 0, target, 4096, 8192)), Some("invalid.argument"));
    assert_eq!(code(volume.clone_file(source, dir)), Some("invalid.is-a-directory"));
    let mut expected = pattern(2, 30_000);
    expected.resize(28_672 + 1808, 0);
    let copied = pattern(1, 10_000);
    expected[28_672..].copy_from_slice(&copied[8192..]);
    expected[4096..12_288].copy_from_slice(&copied[..8192]);
    assert!(contents(&mut volume, target) == expected);
    assert_sound(&mut volume);
}
