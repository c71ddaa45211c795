//! Inodes that are damaged, or meant to do harm, on their way out.

use alloc::format;

use super::{FILE, Shared, contents, fresh, pattern};
use crate::error::Error;
use crate::format::extent::Extent;
use crate::format::header::{be_u16, be_u32, be_u64, put};
use crate::inode::core::core_mut;
use crate::inode::{self, Fork, bmap};
use crate::units::{AgBlock, AgNumber, Daddr, FileBlock, FsBlock, Ino};
use crate::volume::{Namespace, OpenOptions, SetMode, Volume};

/// A file with an attribute fork so large that it goes in several transactions.
fn with_attributes(volume: &mut Volume) -> Ino {
    let root = volume.root();
    let ino = volume.create(root, b"attributes", &FILE).expect("create");
    for n in 0..90 {
        let name = format!("attribute {n}");
        let value = pattern(n, 65_536);
        volume.set_xattr(ino, Namespace::User, name.as_bytes(), &value, SetMode::Create).expect("set");
    }
    volume.sync().expect("sync");
    ino
}

/// Says that the first extent of the attribute fork, or of its first leaf, starts at `start`.
fn lead_root_to(volume: &mut Volume, ino: Ino, start: FsBlock) {
    let mut tx = volume.transaction();
    let inode = inode::read(&mut tx, ino).expect("reads");
    let at = crate::btree::bmap::inode_locator(tx.geometry(), ino);
    assert_eq!(inode.core.aformat, crate::format::inode::fork_format::EXTENTS);
    let from = tx.geometry().inodesize as usize - inode.fork(Fork::Attr).len();
    let bytes = tx.modify(&at, 0..0).expect("reads");
    let first = Extent::decode(&bytes[from..]);
    let mut record = [0; Extent::BYTES];
    Extent { start, ..first }.encode(&mut record);
    put(bytes, from, &record);
    tx.commit().expect("commits");
}

fn magic_at(device: &Shared, daddr: Daddr) -> u32 {
    be_u32(&device.bytes.borrow(), (daddr.0 << 9) as usize)
}

#[test]
fn a_root_that_leads_into_something_else_is_not_emptied() {
    let device = fresh(64, |options| options.log_fsblocks = Some(512));
    let mut volume = device.open();
    with_attributes(&mut volume);
    volume.close().expect("close");
    // The headers of an AG, a tree of free space, the file that somebody else's data is in.
    for target in 0..3 {
        let device = device.snapshot();
        let mut volume = device.open();
        let root = volume.root();
        let ino = volume.lookup(root, b"attributes").expect("lookup");
        let other = volume.create(root, b"other", &FILE).expect("create");
        volume.write(other, 0, &pattern(9, 8192)).expect("write");
        volume.sync().expect("sync");
        let geometry = volume.geometry().clone();
        let start = match target {
            0 => geometry.fsblock(AgNumber(1), AgBlock(0)),
            1 => geometry.fsblock(AgNumber(1), AgBlock(1)),
            _ => {
                let found = bmap::lookup(&mut volume.transaction(), other, Fork::Data, FileBlock(0));
                found.expect("reads").expect("a block").start
            }
        };
        let before = magic_at(&device, geometry.daddr(start));
        lead_root_to(&mut volume, ino, start);
        // Its name stays, or it goes and the rest can't: that is told.
        let unlinked = volume.unlink(root, b"attributes");
        let outcome = unlinked.and(volume.close().map(|_| ()));
        assert!(matches!(outcome, Err(Error::Corrupt(_))), "target {target}: {outcome:?}");
        let mut volume = device.open_with(&OpenOptions { read_only: true, ..OpenOptions::default() });
        assert!(contents(&mut volume, other) == pattern(9, 8192), "target {target}");
        let after = magic_at(&device, geometry.daddr(start));
        assert_eq!(before, after, "target {target}");
    }
}

/// Damages the first leaf of a file's tree of extents, which is the last that removing the file comes to.
fn damage_first_leaf(device: &Shared, ino: Ino) {
    let mut bytes = device.bytes.borrow_mut();
    let is_first_leaf = |block: &[u8]| {
        let is_leaf = be_u32(block, 0) == u32::from_be_bytes(*b"BMA3") && be_u16(block, 4) == 0;
        is_leaf && be_u64(block, 8) == u64::MAX && be_u64(block, 56) == ino.0
    };
    let found = bytes.chunks_exact_mut(4096).find(|block| is_first_leaf(block));
    found.expect("a tree of extents")[100] ^= 1;
}

#[test]
fn an_inode_that_cannot_be_freed_is_told_of_once_and_keeps_nothing_else() {
    let prepared = fresh(64, |options| options.log_fsblocks = Some(512));
    let mut volume = prepared.open();
    let root = volume.root();
    let [damaged, sound] = [&b"damaged"[..], b"sound"].map(|name| {
        let ino = volume.create(root, name, &FILE).expect("create");
        for block in 0..5000_u64 {
            volume.write(ino, block * 8192, &[1; 4096]).expect("write");
        }
        volume.sync().expect("sync");
        ino
    });
    volume.close().expect("close");
    for order in [[sound, damaged], [damaged, sound]] {
        let device = prepared.snapshot();
        damage_first_leaf(&device, damaged);
        let mut volume = device.open();
        for (ino, name) in [(damaged, &b"damaged"[..]), (sound, b"sound")] {
            volume.hold(ino).expect("hold");
            volume.unlink(root, name).expect("unlink");
        }
        for ino in order {
            volume.release(ino).expect("release");
        }
        assert!(volume.stat(sound).is_err(), "one that can't be freed keeps no other");
        let after = volume.create(root, b"after", &FILE).expect("create");
        volume.write(after, 0, b"contents").expect("write");
        assert!(matches!(volume.quiesce(), Err(Error::Corrupt(_))), "is told");
        volume.quiesce().expect("is told once");
        volume.close().expect("closes");
        // The log is not clean: who replays it sees that something is left to be done.
        let mut volume = device.open();
        assert!(volume.read_only_reason().is_some());
        assert_eq!(contents(&mut volume, after), b"contents");
    }
}

#[test]
fn an_fsync_that_fails_keeps_no_room_in_the_log_for_itself() {
    let device = fresh(32, |_| {});
    let mut volume = device.open();
    let root = volume.root();
    let ino = volume.create(root, b"damaged", &FILE).expect("create");
    volume.write(ino, 0, &pattern(1, 5000)).expect("write");
    let mut tx = volume.transaction();
    core_mut(&mut tx, ino).expect("core").format = 1;
    tx.commit().expect("commit");
    assert!(matches!(volume.fsync(ino), Err(Error::Corrupt(_))));
    assert!(!volume.store.is_force_expected());
}
