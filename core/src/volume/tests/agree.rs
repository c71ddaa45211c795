//! Rules that a comparison with the kernel brought up.

use super::{DIR, FILE, assert_sound, fresh, pattern};
use crate::error::{Error, Mistake};
use crate::format::inode::Flags2;
use crate::units::Ino;
use crate::volume::{Allocate, RenameMode, Volume, XFlags};

const BS: u64 = 4096;

fn is_marked(volume: &mut Volume, ino: Ino) -> bool {
    volume.stat(ino).expect("stat").flags2.contains(Flags2::REFLINK)
}

#[test]
fn what_forbids_a_change_is_asked_after_what_is_there() {
    let device = fresh(32, |_| {});
    let mut volume = device.open();
    let root = volume.root();
    let dir = volume.mkdir(root, b"dir", &DIR).expect("mkdir");
    volume.create(dir, b"file", &FILE).expect("create");
    volume.mkdir(root, b"other", &DIR).expect("mkdir");
    let over = volume.rename(root, b"other", root, b"dir", RenameMode::Replace);
    assert_eq!(over, Err(Mistake::Exists.into()), "over a directory that holds something");
    volume.set_flags(dir, XFlags::IMMUTABLE).expect("set");
    assert_eq!(volume.create(dir, b"file", &FILE), Err(Mistake::Exists.into()));
    assert_eq!(volume.unlink(dir, b"missing"), Err(Mistake::NotFound.into()));
    let onto = volume.rename(root, b"other", dir, b"file", RenameMode::NoReplace);
    assert_eq!(onto, Err(Mistake::Exists.into()));
    let long = alloc::vec![b'x'; 256];
    let from_nothing = volume.rename(root, b"missing", root, &long, RenameMode::Replace);
    assert_eq!(from_nothing, Err(Mistake::NotFound.into()));
    for refused in [
        volume.create(dir, b"new", &FILE).map(drop),
        volume.unlink(dir, b"file"),
        volume.rename(root, b"other", dir, b"new", RenameMode::Replace),
        volume.rename(dir, b"file", root, b"new", RenameMode::Replace),
    ] {
        assert!(matches!(refused, Err(Error::Invalid(Mistake::NotPermitted(_)))), "{refused:?}");
    }
    assert_sound(&mut volume);
}

#[test]
fn a_removed_file_takes_its_flags_along() {
    let device = fresh(32, |_| {});
    let mut volume = device.open();
    let root = volume.root();
    let first = volume.create(root, b"a", &FILE).expect("create");
    volume.set_cowextsize(first, 2 * BS).expect("hint");
    volume.unlink(root, b"a").expect("unlink");
    assert_sound(&mut volume);
    let second = volume.create(root, b"b", &FILE).expect("create");
    assert_eq!(first, second);
    assert!(!volume.flags(second).expect("flags").intersects(XFlags::HINTS));
}

#[test]
fn the_mark_of_sharing_goes_with_the_last_shared_block() {
    let device = fresh(32, |_| {});
    let mut volume = device.open();
    let root = volume.root();
    let [one, other] = [b"a", b"b"].map(|name: &[u8; 1]| volume.create(root, name, &FILE).expect("create"));
    volume.write(one, 0, &pattern(1, 3 * BS as usize)).expect("write");
    volume.clone_file(one, other).expect("clone");
    assert!(is_marked(&mut volume, one) && is_marked(&mut volume, other));
    volume.truncate(other, BS).expect("truncate");
    assert!(is_marked(&mut volume, other), "it has a block left");
    volume.truncate(other, 0).expect("truncate");
    assert!(!is_marked(&mut volume, other));
    volume.allocate(one, Allocate::Unshare { keep_size: true }, 0, 1).expect("unshare");
    assert!(!is_marked(&mut volume, one));
    assert_sound(&mut volume);
}

#[test]
fn unwritten_blocks_stay_under_unwritten_ones() {
    let device = fresh(32, |_| {});
    let mut volume = device.open();
    let root = volume.root();
    let [source, target] =
        [b"a", b"b"].map(|name: &[u8; 1]| volume.create(root, name, &FILE).expect("create"));
    volume.truncate(source, 8 * BS).expect("truncate");
    volume.allocate(source, Allocate::Blocks { keep_size: true }, 2 * BS, 3 * BS).expect("allocate");
    volume.allocate(target, Allocate::Blocks { keep_size: false }, 0, 8 * BS).expect("allocate");
    volume.write(target, 3 * BS, &pattern(2, BS as usize)).expect("write");
    volume.clone_file(source, target).expect("clone");
    let extents = volume.extents(target).expect("extents");
    let left: alloc::vec::Vec<_> = extents
        .iter()
        .map(|extent| (extent.offset_fsblocks, extent.len_fsblocks, extent.unwritten))
        .collect();
    assert_eq!(left, [(2, 1, true), (4, 1, true)]);
    assert_sound(&mut volume);
}

#[test]
fn a_shared_block_at_the_end_is_copied_when_parts_move() {
    for what in [Allocate::Insert, Allocate::Collapse] {
        let device = fresh(32, |_| {});
        let mut volume = device.open();
        let root = volume.root();
        let [one, other] =
            [b"a", b"b"].map(|name: &[u8; 1]| volume.create(root, name, &FILE).expect("create"));
        volume.write(one, 0, &pattern(1, 4 * BS as usize + 10)).expect("write");
        volume.clone_file(one, other).expect("clone");
        volume.allocate(other, what, BS, BS).expect("allocate");
        let last = volume.extents(other).expect("extents").pop().expect("an extent");
        assert!(!last.shared && last.len_fsblocks == 1, "{what:?}: {last:?}");
        assert_sound(&mut volume);
    }
}
