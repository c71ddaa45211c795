//! What goes into the log, and when.

use alloc::format;
use alloc::vec::Vec;

use super::{FILE, Shared, assert_sound, contents, fresh, pattern};
use crate::format::header::{be_u32, be_u64};
use crate::format::log::RECORD_MAGIC;
use crate::format::log_item::{XmiFormat, item_type};
use crate::journal::Done;
use crate::journal::log_state::{LogState, log_state};
use crate::recovery::exchange::exchange;
use crate::units::{Ino, Lsn};
use crate::volume::Volume;

const BLOCK: usize = 4096;

/// Flushes that `act` costs.
fn flushes(device: &Shared, act: impl FnOnce()) -> u64 {
    let before = device.flushes.get();
    act();
    device.flushes.get() - before
}

/// A file of `blocks` blocks of which each is an extent of its own: every other block of a larger one is written over
/// while it is shared.
fn fragmented(volume: &mut Volume, name: &[u8], blocks: u64) -> Ino {
    let root = volume.root();
    let whole = volume.create(root, b"whole", &FILE).expect("create");
    volume.write(whole, 0, &pattern(1, blocks as usize * BLOCK)).expect("write");
    let file = volume.create(root, name, &FILE).expect("create");
    volume.clone_file(whole, file).expect("clone");
    for block in (0..blocks).step_by(2) {
        volume.write(file, block * BLOCK as u64, &pattern(2, BLOCK)).expect("write");
    }
    volume.sync().expect("sync");
    file
}

#[test]
fn an_fsync_costs_one_flush_or_two_when_there_is_data() {
    let device = fresh(32, |_| {});
    let mut volume = device.open();
    let root = volume.root();
    let file = volume.create(root, b"file", &FILE).expect("create");
    assert_eq!(flushes(&device, || volume.fsync(file).expect("fsync")), 1, "metadata alone");
    for n in 0..50 {
        volume.write(file, n * 3000, &pattern(n as u8, 3000)).expect("write");
        assert_eq!(flushes(&device, || volume.fsync(file).expect("fsync")), 2, "append {n}");
    }
    assert_eq!(flushes(&device, || volume.fsync(file).expect("fsync")), 0, "nothing to do");
    volume.close().expect("close");
}

/// However full the log is, and whatever was done since the last one.
#[test]
fn no_fsync_costs_more_than_two_flushes() {
    for (log_fsblocks, files) in [(256, 1), (256, 12), (512, 3)] {
        let device = fresh(64, |format| {
            format.small = true;
            format.log_fsblocks = Some(log_fsblocks);
        });
        let mut volume = device.open();
        let root = volume.root();
        let make = |n: u64| format!("file-{n}").into_bytes();
        let files: Vec<Ino> =
            (0..files).map(|n| volume.create(root, &make(n), &FILE).expect("create")).collect();
        volume.quiesce().expect("quiesce");
        let volume = &mut volume;
        for n in 0..3000_u64 {
            for (&file, at) in files.iter().zip(0_u64..) {
                let block = n % 100 + at * 7;
                volume.write(file, block * 4096, &pattern(n as u8, 4096)).expect("write");
            }
            let more = n % 11 == 0;
            for serial in 0..if more { n % 40 } else { 0 } {
                let name = make(1000 + serial);
                volume.create(root, &name, &FILE).expect("create");
                volume.unlink(root, &name).expect("unlink");
            }
            for &file in &files {
                let count = flushes(&device, || volume.fsync(file).expect("fsync"));
                assert!(count <= 2, "round {n}: {count} flushes");
            }
            if n % 100 == 99 {
                files.iter().for_each(|&file| volume.truncate(file, 0).expect("truncate"));
            }
        }
        assert_sound(volume);
    }
}

#[test]
fn the_log_goes_round_and_round() {
    let device = fresh(32, |_| {});
    let mut volume = device.open();
    let LogState::Clean { head: before } = log_state(volume.store()).expect("state") else {
        panic!("a fresh log is clean")
    };
    let root = volume.root();
    let file = volume.create(root, b"file", &FILE).expect("create");
    for n in 0..8000_u64 {
        volume.write(file, n % 64 * 4096, &pattern(n as u8, 4096)).expect("write");
        volume.truncate(file, (n % 64 + 1) * 4096).expect("truncate");
        volume.fsync(file).expect("fsync");
    }
    assert_sound(&mut volume);
    let LogState::Clean { head } = log_state(volume.store()).expect("state") else {
        panic!("a volume at rest has a clean log")
    };
    assert!(head.cycle() > before.cycle(), "{before:?} to {head:?}");
    volume.close().expect("close");
    assert_sound(&mut device.open());
}

#[test]
fn work_that_no_checkpoint_could_hold_goes_on_in_another() {
    let device = fresh(128, |_| {});
    let mut volume = device.open();
    let root = volume.root();
    let file = fragmented(&mut volume, b"file", 12_000);
    assert!(volume.stat(file).expect("stat").extents > 11_000);
    let expected = contents(&mut volume, file);
    let copy = volume.create(root, b"copy", &FILE).expect("create");
    volume.clone_file(file, copy).expect("clone");
    assert!(contents(&mut volume, copy) == expected);
    volume.truncate(copy, 4096).expect("truncate");
    volume.unlink(root, b"file").expect("unlink");
    volume.sync().expect("sync");
    assert!(contents(&mut volume, copy) == expected[..4096]);
    assert_sound(&mut volume);
}

#[test]
fn every_record_names_a_tail_that_is_not_behind_it_and_no_other_record_overwrote() {
    let device = fresh(32, |_| {});
    let mut volume = device.open();
    let geometry = volume.geometry().clone();
    let root = volume.root();
    for n in 0..40 {
        volume.create(root, format!("{n}").as_bytes(), &FILE).expect("create");
        volume.sync().expect("sync");
    }
    let bytes = device.bytes.borrow();
    let start = geometry.byte(geometry.logstart) as usize;
    let log = &bytes[start..start + ((geometry.logblocks as usize) << geometry.blocklog)];
    let mut records = 0;
    for (at, sector) in log.chunks_exact(512).enumerate() {
        if be_u32(sector, 0) == RECORD_MAGIC {
            let (lsn, tail) = (Lsn(be_u64(sector, 16)), Lsn(be_u64(sector, 24)));
            assert_eq!(lsn.block_bb() as usize, at);
            assert!(tail <= lsn, "{tail:?} {lsn:?}");
            records += 1;
        }
    }
    assert!(records > 40, "{records}");
}

/// Linux takes the number of header blocks of all records from the one at the tail.
#[test]
fn all_records_from_the_tail_on_have_one_length() {
    let device = fresh(64, |format| {
        format.small = true;
        format.log_fsblocks = Some(1024);
    });
    let mut volume = device.open();
    let geometry = volume.geometry().clone();
    let root = volume.root();
    let start = geometry.byte(geometry.logstart) as usize;
    let log = start..start + ((geometry.logblocks as usize) << geometry.blocklog);
    let size_at = |log: &[u8], lsn: Lsn| {
        let sector = &log[lsn.block_bb() as usize * 512..][..512];
        (be_u32(sector, 0) == RECORD_MAGIC && be_u64(sector, 16) == lsn.0).then(|| be_u32(sector, 320))
    };
    let mut lengths = alloc::collections::BTreeSet::new();
    for n in 0..6000 {
        volume.create(root, format!("{n}").as_bytes(), &FILE).expect("create");
        if n % 20 > 0 {
            continue;
        }
        let bytes = device.bytes.borrow();
        let log = &bytes[log.clone()];
        for sector in log.chunks_exact(512).filter(|sector| be_u32(sector, 0) == RECORD_MAGIC) {
            let (lsn, tail) = (Lsn(be_u64(sector, 16)), Lsn(be_u64(sector, 24)));
            if let (Some(size), Some(first)) = (size_at(log, lsn), size_at(log, tail)) {
                assert_eq!(size, first, "record at {lsn:?}, tail at {tail:?}");
                lengths.insert(size);
            }
        }
    }
    assert!(lengths.contains(&(256 << 10)), "no long records: {lengths:?}");
    assert_sound(&mut volume);
}

/// Each part of a large exchange logs what is left of it, and recovery goes on from there.
#[test]
fn an_exchange_of_very_many_extents_goes_on_after_each_part() {
    let device = fresh(128, |format| format.log_fsblocks = Some(512));
    let mut volume = device.open();
    let root = volume.root();
    let one = fragmented(&mut volume, b"one", 9000);
    let two = volume.create(root, b"two", &FILE).expect("create");
    volume.clone_file(one, two).expect("clone");
    volume.write(two, 0, &pattern(3, 2000 * BLOCK)).expect("write");
    volume.truncate(two, 2000 * BLOCK as u64).expect("truncate");
    volume.sync().expect("sync");
    let expected = [contents(&mut volume, two), contents(&mut volume, one)];
    let gen_of = |volume: &mut Volume, ino| {
        crate::inode::read(&mut volume.transaction(), ino).expect("inode").core.gen_
    };
    let mut format = XmiFormat {
        type_: item_type::XMI.into(),
        size: 1.into(),
        pad: 0.into(),
        id: 0xffff_8880_1234_5678.into(),
        ino1: one.0.into(),
        ino2: two.0.into(),
        igen1: gen_of(&mut volume, one).get().into(),
        igen2: gen_of(&mut volume, two).get().into(),
        startoff1: 0.into(),
        startoff2: 0.into(),
        blockcount: 9000.into(),
        flags: 0x2.into(),
        isize1: (2000 * BLOCK as u64).into(),
        isize2: (9000 * BLOCK as u64).into(),
    };
    let mut parts = 0;
    loop {
        let mut tx = volume.transaction();
        let rest = exchange(&mut tx, &format).expect("exchange");
        tx.note_done(Done { intent: item_type::XMI, id: format.id.get(), extents: Vec::new() });
        rest.into_iter().for_each(|rest| tx.note_exchange(rest));
        tx.commit().expect("commit");
        parts += 1;
        let Some(rest) = rest else { break };
        format = rest;
        if parts % 2 == 1 {
            volume.store().force().expect("force");
            let mut recovered = Shared::new(device.bytes.borrow().clone()).open();
            let report = recovered.recovered().expect("a dirty log");
            assert_eq!(report.intents, [(item_type::XMI, 1)]);
            assert!(
                contents(&mut recovered, one) == expected[0] && contents(&mut recovered, two) == expected[1]
            );
            assert_sound(&mut recovered);
        }
    }
    assert!(parts > 3, "{parts} parts");
    // What the volume remembers of both files is not what they are now.
    volume.store().force().expect("force");
    let mut volume = Shared::new(device.bytes.borrow().clone()).open();
    assert!(contents(&mut volume, one) == expected[0] && contents(&mut volume, two) == expected[1]);
    assert_sound(&mut volume);
}
