//! Space of files without writing: held against plain arrays, with sharing, hints, full volumes and failing devices.

use alloc::vec::Vec;

use super::{FILE, assert_sound, contents, fresh, pattern};
use crate::error::{Error, Mistake};
use crate::units::Ino;
use crate::volume::{Allocate, Volume, XFlags};

const BS: u64 = 4096;

/// What a part of a file is made of: `.` for a hole, `u` unwritten, `d` data, one for each block.
fn shape(volume: &mut Volume, ino: Ino) -> alloc::string::String {
    volume.writeback(ino).expect("writeback");
    let extents = volume.extents(ino).expect("extents");
    let mut shape = alloc::string::String::new();
    for extent in extents {
        while (shape.len() as u64) < extent.offset_fsblocks {
            shape.push('.');
        }
        (0..extent.len_fsblocks).for_each(|_| shape.push(if extent.unwritten { 'u' } else { 'd' }));
    }
    shape
}

/// What each operation does to the bytes of a file.
fn apply(model: &mut Vec<u8>, what: Allocate, offset: usize, len: usize) {
    let end = offset + len;
    let grow = |model: &mut Vec<u8>, keep: bool| {
        if !keep && model.len() < end {
            model.resize(end, 0);
        }
    };
    match what {
        Allocate::Blocks { keep_size } | Allocate::Unshare { keep_size } => grow(model, keep_size),
        Allocate::Zero { keep_size } => {
            let until = end.min(model.len());
            model[offset.min(until)..until].fill(0);
            grow(model, keep_size);
        }
        Allocate::Punch => {
            let until = end.min(model.len());
            model[offset.min(until)..until].fill(0);
        }
        Allocate::Collapse => drop(model.drain(offset..end)),
        Allocate::Insert => drop(model.splice(offset..offset, alloc::vec![0; len])),
    }
}

#[test]
fn every_operation_has_its_shape() {
    let device = fresh(64, |_| {});
    let mut volume = device.open();
    let root = volume.root();
    let ino = volume.create(root, b"a", &FILE).expect("create");
    volume.allocate(ino, Allocate::Blocks { keep_size: true }, 100, 3 * BS).expect("keep size");
    assert_eq!((shape(&mut volume, ino).as_str(), volume.stat(ino).expect("stat").size), ("uuuu", 0));
    volume.allocate(ino, Allocate::Blocks { keep_size: false }, BS, 5 * BS).expect("grow");
    assert_eq!((shape(&mut volume, ino).as_str(), volume.stat(ino).expect("stat").size), ("uuuuuu", 6 * BS));
    volume.write(ino, BS, &pattern(1, 4 * BS as usize)).expect("write");
    assert_eq!(shape(&mut volume, ino), "uddddu");
    volume.allocate(ino, Allocate::Punch, 2 * BS - 1, BS + 2).expect("punch");
    assert_eq!(shape(&mut volume, ino), "ud.ddu");
    volume.allocate(ino, Allocate::Zero { keep_size: true }, 0, 3 * BS + 1).expect("zero");
    assert_eq!(shape(&mut volume, ino), "uuuddu");
    volume.allocate(ino, Allocate::Insert, 4 * BS, 2 * BS).expect("insert");
    assert_eq!(shape(&mut volume, ino), "uuud..du");
    volume.allocate(ino, Allocate::Collapse, 2 * BS, 3 * BS).expect("collapse");
    assert_eq!(shape(&mut volume, ino), "uu.du");
    assert_eq!(volume.seek_data(ino, 0), Ok(Some(3 * BS)));
    assert_eq!(volume.seek_hole(ino, 3 * BS + 5), Ok(Some(4 * BS)));
    assert_eq!(volume.seek_data(ino, 4 * BS), Ok(None));
    assert_eq!(volume.seek_hole(ino, 5 * BS), Ok(None));
    volume.write(ino, 7, b"x").expect("write");
    assert_eq!(volume.seek_data(ino, 3), Ok(Some(3)), "what waits in memory is data");
    assert_sound(&mut volume);
}

#[test]
fn what_linux_refuses_is_refused() {
    let device = fresh(64, |_| {});
    let mut volume = device.open();
    let root = volume.root();
    let ino = volume.create(root, b"a", &FILE).expect("create");
    volume.write(ino, 0, &[1; 20_000]).expect("write");
    let mut fails = |what, offset, len| volume.allocate(ino, what, offset, len).expect_err("refused");
    for what in [Allocate::Collapse, Allocate::Insert] {
        assert!(matches!(fails(what, 1, BS), Error::Invalid(Mistake::Argument(_))));
        assert!(matches!(fails(what, BS, 7), Error::Invalid(Mistake::Argument(_))));
        assert!(matches!(fails(what, 8 * BS, BS), Error::Invalid(Mistake::Argument(_))));
    }
    assert!(matches!(fails(Allocate::Collapse, BS, 4 * BS), Error::Invalid(Mistake::Argument(_))));
    assert!(matches!(fails(Allocate::Punch, 0, 0), Error::Invalid(Mistake::Argument(_))));
    assert_eq!(fails(Allocate::Insert, BS, (1 << 63) - 4 * BS), Error::Invalid(Mistake::FileTooLarge));
    let too_much = fails(Allocate::Blocks { keep_size: false }, 0, 1 << 30);
    assert_eq!(too_much, Error::NoSpace);
    assert_eq!((shape(&mut volume, ino).as_str(), volume.stat(ino).expect("stat").size), ("ddddd", 20_000));
    volume.set_flags(ino, XFlags::APPEND).expect("append-only");
    volume.allocate(ino, Allocate::Blocks { keep_size: true }, 0, 8 * BS).expect("allowed");
    assert!(volume.allocate(ino, Allocate::Punch, 0, BS).is_err());
    volume.set_flags(ino, XFlags::IMMUTABLE).expect("immutable");
    assert!(volume.allocate(ino, Allocate::Blocks { keep_size: true }, 0, BS).is_err());
    assert_sound(&mut volume);
}

#[test]
fn random_operations_on_shared_files_agree_with_arrays() {
    let device = fresh(64, |_| {});
    let mut volume = device.open();
    let root = volume.root();
    let names = [b"a", b"b", b"c"];
    let files = names.map(|name| volume.create(root, name, &FILE).expect("create"));
    let mut models: [Vec<u8>; 3] = Default::default();
    let mut seed = 11_u64;
    let mut random = move |bound: u64| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed % bound
    };
    for round in 0..600 {
        let at = random(3) as usize;
        let (ino, size) = (files[at], models[at].len() as u64);
        let (mut offset, mut len) = (random(40 * BS), 1 + random(12 * BS));
        let keep_size = random(2) == 0;
        let what = match random(9) {
            0 | 1 => {
                let data = pattern(round as u8, len as usize);
                volume.write(ino, offset, &data).expect("write");
                let end = (offset + len) as usize;
                if models[at].len() < end {
                    models[at].resize(end, 0);
                }
                models[at][offset as usize..end].copy_from_slice(&data);
                continue;
            }
            2 => {
                let other = (at + 1) % 3;
                volume.truncate(files[other], 0).expect("truncate");
                volume.clone_file(ino, files[other]).expect("clone");
                models[other] = models[at].clone();
                continue;
            }
            3 => Allocate::Blocks { keep_size },
            4 => Allocate::Punch,
            5 => Allocate::Zero { keep_size },
            6 => Allocate::Collapse,
            7 => Allocate::Insert,
            _ => Allocate::Unshare { keep_size },
        };
        if matches!(what, Allocate::Collapse | Allocate::Insert) {
            (offset, len) = (offset / BS * BS, len.next_multiple_of(BS));
            let fits = if what == Allocate::Collapse { offset + len < size } else { offset < size };
            if !fits {
                assert!(volume.allocate(ino, what, offset, len).is_err());
                continue;
            }
            if what == Allocate::Insert && size > 100 * BS {
                continue;
            }
        }
        volume.allocate(ino, what, offset, len).expect("allocate");
        apply(&mut models[at], what, offset as usize, len as usize);
        for (ino, model) in files.iter().zip(&models) {
            assert!(contents(&mut volume, *ino) == *model, "after {what:?} {offset} {len} in round {round}");
        }
        if round % 100 == 99 {
            volume.sync().expect("sync");
            assert_sound(&mut volume);
        }
    }
    volume.sync().expect("sync");
    assert_sound(&mut volume);
}

#[test]
fn a_hint_rounds_what_is_allocated() {
    let device = fresh(64, |_| {});
    let mut volume = device.open();
    let root = volume.root();
    let ino = volume.create(root, b"a", &FILE).expect("create");
    volume.set_extsize(ino, 4 * BS).expect("hint");
    volume.write(ino, 5 * BS, &pattern(1, BS as usize)).expect("write");
    assert_eq!(shape(&mut volume, ino), "....uduu");
    volume.write(ino, 0, &pattern(1, BS as usize)).expect("write");
    assert_eq!(shape(&mut volume, ino), "duuuuduu");
    volume.allocate(ino, Allocate::Blocks { keep_size: true }, 9 * BS, 1).expect("allocate");
    assert_eq!(shape(&mut volume, ino), "duuuuduuuuuu");
    assert!(volume.set_extsize(ino, 8 * BS).is_err(), "has blocks");
    assert_sound(&mut volume);
}

#[test]
fn many_extents_move_in_steps() {
    let device = fresh(64, |_| {});
    let mut volume = device.open();
    let root = volume.root();
    let ino = volume.create(root, b"a", &FILE).expect("create");
    let count = 3000;
    for block in 0..count {
        volume.write(ino, block * 2 * BS, &[block as u8 | 1; 9]).expect("write");
    }
    volume.sync().expect("sync");
    let mut model = contents(&mut volume, ino);
    for (what, offset, len) in [
        (Allocate::Insert, 2 * BS, 3 * BS),
        (Allocate::Collapse, BS, 5 * BS),
        (Allocate::Zero { keep_size: true }, 5, 900 * BS),
        (Allocate::Punch, 1000 * BS + 1, 1000 * BS),
    ] {
        volume.allocate(ino, what, offset, len).expect("allocate");
        apply(&mut model, what, offset as usize, len as usize);
        assert!(contents(&mut volume, ino) == model, "{what:?}");
        volume.sync().expect("sync");
        assert_sound(&mut volume);
    }
}

#[test]
fn any_failing_call_leaves_a_sound_volume() {
    let prepared = fresh(32, |_| {});
    let mut volume = prepared.open();
    let root = volume.root();
    let ino = volume.create(root, b"a", &FILE).expect("create");
    let other = volume.create(root, b"b", &FILE).expect("create");
    volume.write(ino, 0, &pattern(3, 20 * BS as usize)).expect("write");
    volume.clone_file(ino, other).expect("clone");
    let before = contents(&mut volume, other);
    drop(volume.close().expect("close"));
    let run = |volume: &mut Volume| {
        for (what, offset, len) in [
            (Allocate::Punch, 100, 3 * BS),
            (Allocate::Insert, BS, 2 * BS),
            (Allocate::Zero { keep_size: false }, 15 * BS + 1, 20 * BS),
            (Allocate::Collapse, 2 * BS, 2 * BS),
            (Allocate::Unshare { keep_size: true }, 0, 30 * BS),
        ] {
            volume.allocate(ino, what, offset, len)?;
        }
        volume.sync()
    };
    let whole = prepared.snapshot();
    let mut volume = whole.open();
    let opened = whole.calls.get();
    run(&mut volume).expect("nothing fails");
    let calls = whole.calls.get() - opened;
    for call in 0..calls {
        let device = prepared.snapshot();
        let mut volume = device.open();
        device.calls_left.set(Some(call));
        device.fail_once.set(true);
        let _ = run(&mut volume);
        device.calls_left.set(None);
        drop(volume);
        let mut volume = device.open();
        assert_sound(&mut volume);
        assert!(contents(&mut volume, other) == before, "call {call}: the other owner's data changed");
    }
}
