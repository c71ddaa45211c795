//! Volumes of unusual shape, and what must hold on each of them.

use alloc::boxed::Box;
use alloc::format;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::RefCell;

use super::{DIR, FILE, Shared, assert_sound, contents, fresh, pattern};
use crate::btree::bmap::Fork;
use crate::cache::Piece;
use crate::device::{BlockDevice, DeviceError};
use crate::dir::edit::shortform_limit;
use crate::error::{Error, Result};
use crate::format::BlockKind;
use crate::format::extent::Extent;
use crate::format::time::Timestamp;
use crate::inode::bmap;
use crate::journal::Locator;
use crate::space::reserve::{is_available, pool};
use crate::units::{FileBlock, FsBlock, Ino};
use crate::volume::{Allocate, OpenOptions, Volume};

/// Some of everything, on a fresh volume.
fn scenario(device: &Shared) {
    let mut volume = device.open();
    let root = volume.root();
    let before = volume.statfs().expect("statfs");
    let dir = volume.mkdir(root, b"dir", &DIR).expect("mkdir");
    for n in 0..140 {
        let parent = if n % 3 == 0 { dir } else { root };
        let ino = volume.create(parent, format!("f{n}").as_bytes(), &FILE).expect("create");
        volume.write(ino, n * 100, &pattern(n as u8, 10_000)).expect("write");
    }
    volume.sync().expect("sync");
    assert_sound(&mut volume);
    let source = volume.lookup(root, b"f1").expect("lookup");
    volume.write(source, 0, &pattern(7, 700_000)).expect("write");
    let clone = volume.create(dir, b"clone", &FILE).expect("create");
    volume.clone_file(source, clone).expect("clone");
    for n in 0..5 {
        volume.write(clone, n * 150_000, &pattern(n as u8, 1000)).expect("write");
    }
    volume.truncate(clone, 650_001).expect("truncate");
    volume.sync().expect("sync");
    assert_sound(&mut volume);
    for parent in [dir, root] {
        for entry in volume.read_dir(parent).expect("read_dir") {
            if entry.ino != dir {
                volume.unlink(parent, &entry.name).expect("unlink");
            }
        }
    }
    volume.rmdir(root, b"dir").expect("rmdir");
    volume.sync().expect("sync");
    assert_sound(&mut volume);
    let after = volume.statfs().expect("statfs");
    // Inodes that share their block with another chunk stay.
    if volume.geometry().inopblock <= 64 {
        assert_eq!(after, before);
    }
}

#[test]
fn every_shape_of_volume_takes_changes() {
    for (block_size, inode_size) in
        [(1024, 512), (2048, 1024), (8192, 2048), (16384, 512), (65536, 512), (65536, 2048)]
    {
        for ag_count in [Some(1), Some(4)] {
            // The least log for the largest blocks does not fit a small AG.
            let (mib, ag_count) = if block_size > 8192 { (256, Some(1)) } else { (128, ag_count) };
            scenario(&fresh(mib, |options| {
                options.block_size = block_size;
                options.inode_size = inode_size;
                options.ag_count = ag_count;
            }));
        }
    }
}

#[test]
fn every_mix_of_trees_takes_changes() {
    for bits in 0..16_u32 {
        scenario(&fresh(64, |options| {
            options.rmapbt = bits & 1 != 0;
            options.finobt = bits & 2 != 0;
            options.inobtcount = options.finobt;
            options.sparse_inodes = bits & 4 != 0;
            options.bigtime = bits & 8 != 0;
            options.nrext64 = bits & 8 != 0;
        }));
    }
}

#[test]
fn a_directory_in_its_inode_always_fits_a_block() {
    let device = fresh(64, |options| options.block_size = 1024);
    let mut volume = device.open();
    let root = volume.root();
    let dir = volume.mkdir(root, b"dir", &DIR).expect("mkdir");
    let name = |n: usize| [b'0' + (n % 78) as u8];
    // Names at the front go and others come at the end, until the end of the block is near; then gaps are filled.
    let mut next = 0;
    let mut names: Vec<[u8; 1]> = Vec::new();
    for _ in 0..30 {
        names.push(name(next));
        next += 1;
    }
    for name in &names {
        volume.create(dir, name, &FILE).expect("create");
    }
    for round in 0..200 {
        let target = if round % 2 == 0 { 18 } else { 36 };
        while names.len() > target {
            let gone = names.remove(names.len() / 3);
            volume.unlink(dir, &gone).expect("unlink");
        }
        while names.len() < target {
            let new = name(next);
            next += 1;
            if names.contains(&new) {
                continue;
            }
            volume.create(dir, &new, &FILE).expect("create");
            names.push(new);
            let (end, limit) = shortform_limit(&mut volume.transaction(), dir).expect("reads");
            assert!(end <= limit, "round {round}: {end} > {limit}");
        }
    }
    assert_sound(&mut volume);
}

/// A device of which nothing is resident until it was asked for once.
struct Distant {
    device: Shared,
    resident: Rc<RefCell<Vec<bool>>>,
}

const PAGE: u64 = 512;

impl BlockDevice for Distant {
    fn len_bytes(&self) -> u64 {
        self.device.len_bytes()
    }

    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> core::result::Result<(), DeviceError> {
        let pages = (offset / PAGE) as usize..(offset + buf.len() as u64).div_ceil(PAGE) as usize;
        let mut resident = self.resident.borrow_mut();
        if resident[pages.clone()].iter().all(|&there| there) {
            return self.device.read_at(offset, buf);
        }
        resident[pages].fill(true);
        Err(DeviceError::NotResident { range: Box::new(offset..offset + buf.len() as u64) })
    }

    fn write_at(&mut self, offset: u64, buf: &[u8]) -> core::result::Result<(), DeviceError> {
        self.device.write_at(offset, buf)
    }

    fn flush(&mut self) -> core::result::Result<(), DeviceError> {
        self.device.flush()
    }
}

/// Calls until nothing is missing any more; with nothing missing, that is once.
fn again<R>(volume: &mut Volume, mut act: impl FnMut(&mut Volume) -> Result<R>) -> R {
    for _ in 0..10_000 {
        match act(volume) {
            Err(error) if error.code() == "device.not-resident" => {}
            outcome => return outcome.expect("succeeds"),
        }
    }
    panic!("never done");
}

fn changes(volume: &mut Volume) {
    let root = volume.root();
    for n in 0..5 {
        let name = format!("dir{n}");
        again(volume, |v| v.mkdir(root, name.as_bytes(), &DIR));
    }
    let source = again(volume, |v| v.lookup(root, b"source"));
    let clone = again(volume, |v| v.create(root, b"clone", &FILE));
    again(volume, |v| v.write(clone, 0, &pattern(9, 5000)));
    again(volume, |v| v.fsync(clone));
    again(volume, |v| v.clone_range(source, 0, clone, 8192, 32_768));
    again(volume, |v| v.write(clone, 10_000, &pattern(2, 9000)));
    again(volume, |v| v.write(clone, 100_000, &pattern(2, 9000)));
    again(volume, |v| v.fsync(clone));
    again(volume, |v| v.truncate(clone, 12_345));
    again(volume, |v| v.unlink(root, b"victim"));
    again(volume, |v| v.rmdir(root, b"dir3"));
    let large = again(volume, |v| v.lookup(root, b"large"));
    for n in 0..40 {
        again(volume, |v| v.create(large, format!("another {n}").as_bytes(), &FILE));
        again(volume, |v| v.unlink(large, format!("a name {n}").as_bytes()));
    }
    again(volume, Volume::sync);
}

#[test]
fn an_operation_that_met_what_is_not_resident_is_repeated_as_if_nothing_had_been() {
    let prepared = fresh(64, |_| {});
    let mut volume = prepared.open();
    let root = volume.root();
    for name in [&b"source"[..], b"victim"] {
        let ino = volume.create(root, name, &FILE).expect("create");
        volume.write(ino, 0, &pattern(1, 40_000)).expect("write");
    }
    let large = volume.mkdir(root, b"large", &DIR).expect("mkdir");
    for n in 0..600 {
        volume.create(large, format!("a name {n}").as_bytes(), &FILE).expect("create");
    }
    volume.close().expect("close");

    let near = prepared.snapshot();
    changes(&mut near.open());
    let far = prepared.snapshot();
    let pages = (far.len_bytes() / PAGE) as usize;
    let resident = Rc::new(RefCell::new(alloc::vec![true; pages]));
    let device = Distant { device: far.clone(), resident: Rc::clone(&resident) };
    let mut volume = Volume::open(Box::new(device), &OpenOptions::default()).expect("opens");
    volume.set_time(Timestamp { seconds: 1_700_000_000, nanoseconds: 7 });
    resident.borrow_mut().fill(false);
    changes(&mut volume);
    let differing =
        near.bytes.borrow().chunks(512).zip(far.bytes.borrow().chunks(512)).filter(|(a, b)| a != b).count();
    assert_eq!(differing, 0, "sectors");
}

/// What takes several steps goes on with the step that failed.
#[test]
fn extents_move_once_whatever_is_not_resident_on_the_way() {
    let prepared = fresh(64, |format| format.log_fsblocks = Some(512));
    let mut volume = prepared.open();
    let root = volume.root();
    let ino = volume.create(root, b"many", &FILE).expect("create");
    for block in 0..6000_u64 {
        volume.write(ino, block * 8192, &[block as u8 | 1; 4096]).expect("write");
    }
    volume.close().expect("close");
    let act = |volume: &mut Volume| {
        let ino = again(volume, |v| v.lookup(root, b"many"));
        for (what, at, len) in [
            (Allocate::Collapse, 8192, 12_288),
            (Allocate::Insert, 4096, 20_480),
            (Allocate::Collapse, 0, 4096),
        ] {
            again(volume, |v| v.allocate(ino, what, at, len));
        }
        again(volume, Volume::sync);
    };
    let near = prepared.snapshot();
    let mut volume = near.open();
    act(&mut volume);
    let expected = contents(&mut volume, ino);
    drop(volume);

    let far = prepared.snapshot();
    let pages = (far.len_bytes() / PAGE) as usize;
    let resident = Rc::new(RefCell::new(alloc::vec![true; pages]));
    let device = Distant { device: far.clone(), resident: Rc::clone(&resident) };
    let mut volume = Volume::open(Box::new(device), &OpenOptions::default()).expect("opens");
    resident.borrow_mut().fill(false);
    act(&mut volume);
    resident.borrow_mut().fill(true);
    assert!(contents(&mut volume, ino) == expected);
    assert_sound(&mut volume);
}

#[test]
fn what_is_reserved_for_data_is_not_spent_on_inodes() {
    let device = fresh(32, |_| {});
    let mut volume = device.open();
    let root = volume.root();
    let file = volume.create(root, b"file", &FILE).expect("create");
    let mut at = 0;
    // Up to where the next write would have to be preceded by writeback.
    loop {
        let next = volume.files.reserved().beside_pool(pool(volume.geometry())) + 24;
        if !is_available(&mut volume.transaction(), next).expect("reads") {
            break;
        }
        volume.write(file, at, &pattern(1, 4 * 4096)).expect("write");
        at += 4 * 4096;
    }
    assert!(volume.files.reserved().total() > 1000);
    let dirs: Vec<_> =
        (0..60).map_while(|n| volume.mkdir(root, format!("d{n}").as_bytes(), &DIR).ok()).collect();
    for (n, &dir) in (0..).zip(&dirs) {
        for m in 0..70 {
            match volume.create(dir, format!("{m}").as_bytes(), &FILE) {
                Ok(_) => {}
                Err(Error::NoSpace) => break,
                Err(error) => panic!("{n} {m}: {error}"),
            }
        }
    }
    volume.sync().expect("what was accepted finds its space");
    assert_sound(&mut volume);
    assert_eq!(contents(&mut volume, file).len() as u64, at);
}

#[test]
fn staging_blocks_are_promised_once() {
    let device = fresh(64, |_| {});
    let mut volume = device.open();
    let root = volume.root();
    let block = |n: u64| n * 4096;
    let file = volume.create(root, b"file", &FILE).expect("create");
    volume.write(file, 0, &pattern(1, 64 * 4096)).expect("write");
    let mut expected = pattern(1, 64 * 4096);
    let mut put = |volume: &mut Volume, from: u64, blocks: u64, seed: u8| {
        let data = pattern(seed, (blocks * 4096) as usize);
        volume.write(file, block(from), &data).expect("write");
        expected[block(from) as usize..][..data.len()].copy_from_slice(&data);
    };
    let snapshot = |volume: &mut Volume, name: &[u8]| {
        let clone = volume.create(root, name, &FILE).expect("create");
        volume.clone_file(file, clone).expect("clone");
    };
    snapshot(&mut volume, b"1");
    // One stretch of staging blocks for 0..64.
    put(&mut volume, 0, 20, 2);
    put(&mut volume, 60, 1, 3);
    volume.writeback(file).expect("writeback");
    snapshot(&mut volume, b"2");
    put(&mut volume, 35, 1, 4);
    put(&mut volume, 60, 1, 5);
    volume.writeback(file).expect("writeback");
    snapshot(&mut volume, b"3");
    put(&mut volume, 20, 20, 6);
    volume.writeback(file).expect("writeback");
    for round in 0..40_u8 {
        snapshot(&mut volume, format!("s{round}").as_bytes());
        for n in 0..3_u64 {
            let at = (u64::from(round) * 13 + n * 17) % 50;
            put(&mut volume, at, 1 + (u64::from(round) + n) % 14, round + 10);
        }
        volume.writeback(file).expect("writeback");
    }
    volume.sync().expect("sync");
    assert!(contents(&mut volume, file) == expected);
    assert_sound(&mut volume);
    let held = volume.store.promised().count_fsblocks();
    let staged: u64 =
        volume.files.get(file).map_or(0, |file| file.staging.iter().map(|(_, s)| u64::from(s.len)).sum());
    assert_eq!(held, staged);
}

#[test]
fn old_data_behind_the_end_does_not_come_into_view() {
    for grow in 0..3 {
        let device = fresh(64, |_| {});
        let mut volume = device.open();
        let root = volume.root();
        let source = volume.create(root, b"source", &FILE).expect("create");
        volume.write(source, 0, &pattern(2, 4096)).expect("write");
        let file = volume.create(root, b"file", &FILE).expect("create");
        volume.write(file, 0, &pattern(1, 40_000)).expect("write");
        volume.sync().expect("sync");
        // As old kernels may leave it: blocks behind the end, not marked as unwritten.
        let mut tx = volume.transaction();
        crate::inode::core::core_mut(&mut tx, file).expect("core").size.set(5000);
        tx.commit().expect("commits");
        let mut expected = pattern(1, 5000);
        match grow {
            0 => {
                volume.truncate(file, 36_000).expect("truncate");
                expected.resize(36_000, 0);
            }
            1 => {
                volume.write(file, 30_000, b"end").expect("write");
                expected.resize(30_000, 0);
                expected.extend(b"end");
            }
            _ => {
                volume.clone_range(source, 0, file, 32_768, 0).expect("clone");
                expected.resize(32_768, 0);
                expected.extend(pattern(2, 4096));
            }
        }
        assert!(contents(&mut volume, file) == expected, "{grow}");
        volume.sync().expect("sync");
        assert!(contents(&mut device.open(), file) == expected, "{grow}");
        assert_sound(&mut volume);
    }
}

/// Moves the one block of a directory, of four fsblocks, to other places: first fsblock and length of each.
fn rehouse(volume: &mut Volume, dir: Ino, places: &[(u64, u32)]) {
    let mut tx = volume.transaction();
    let old = bmap::lookup(&mut tx, dir, Fork::Data, FileBlock(0)).expect("lookup").expect("mapped");
    let geometry = tx.geometry().clone();
    let at = Locator::new(&[BlockKind::DirBlock], geometry.daddr(old.start), 4096, Some(dir.0));
    let bytes = tx.read(&at).expect("read").to_vec();
    bmap::unmap(&mut tx, dir, Fork::Data, FileBlock(0), FileBlock(4)).expect("unmap");
    tx.cancel(at.daddr, 4096);
    let (mut file_block, mut pieces) = (FileBlock(0), Vec::new());
    for &(start, len) in places {
        let extent = Extent { file_block, start: FsBlock(start), len, unwritten: false };
        bmap::allocate_exact(&mut tx, dir, Fork::Data, extent).expect("allocate");
        pieces.push(Piece { daddr: geometry.daddr(extent.start), len_bytes: len * 1024 });
        file_block = extent.file_end();
    }
    // What stands behind the header's own part of the block, which names its address.
    let block = tx.create(&Locator { daddr: pieces[0].daddr, pieces, ..at });
    block[48..].copy_from_slice(&bytes[48..]);
    tx.commit().expect("commits");
}

#[test]
fn a_directory_block_in_pieces_goes_without_its_neighbours() {
    let device = fresh(64, |options| options.block_size = 1024);
    let mut volume = device.open();
    let root = volume.root();
    let long = |n: usize| format!("a name of some length {n}");
    let dirs = [&b"a"[..], b"b"].map(|name| volume.mkdir(root, name, &DIR).expect("mkdir"));
    for dir in dirs {
        for n in 0..20 {
            volume.create(dir, long(n).as_bytes(), &FILE).expect("create");
        }
    }
    rehouse(&mut volume, dirs[0], &[(2000, 2), (2008, 2)]);
    rehouse(&mut volume, dirs[1], &[(2002, 4)]);
    volume.sync().expect("sync");
    assert_sound(&mut volume);
    volume.create(dirs[1], b"one more", &FILE).expect("create");
    for n in 0..20 {
        volume.unlink(dirs[0], long(n).as_bytes()).expect("unlink");
        if n == 0 {
            // The change moved the block to a place where it is whole.
            let mut tx = volume.transaction();
            let found = bmap::lookup(&mut tx, dirs[0], Fork::Data, FileBlock(0)).expect("lookup");
            assert_eq!(found.map(|extent| extent.len), Some(4));
        }
    }
    volume.sync().expect("sync");
    assert_sound(&mut volume);
    assert_eq!(device.open().read_dir(dirs[1]).expect("read_dir").len(), 21);
}
