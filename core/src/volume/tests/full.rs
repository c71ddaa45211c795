//! No space left: what has its blocks already gets there all the same, and what frees works.

use ::alloc::vec::Vec;

use super::{FILE, assert_sound, contents, fresh, pattern};
use crate::btree::bmap::Fork;
use crate::error::Error;
use crate::format::extent::Extent;
use crate::inode::bmap;
use crate::inode::core::core_mut;
use crate::space::{alloc, reserve};
use crate::units::{AgBlock, AgNumber, FileBlock, FsBlock, Ino};
use crate::volume::Volume;

fn first_block(volume: &Volume) -> FsBlock {
    volume.geometry().fsblock(AgNumber(0), AgBlock(0))
}

/// Maps unwritten blocks to `len_fsblocks` blocks of a file from `at` on, as the kernel's fallocate does.
fn preallocate(volume: &mut Volume, ino: Ino, at: u64, len_fsblocks: u64) {
    let near = first_block(volume);
    let mut tx = volume.transaction();
    let mut done = 0;
    while done < len_fsblocks {
        let want = (len_fsblocks - done) as u32;
        let (start, len) = alloc::find_for_file(&mut tx, near, want).expect("room");
        let extent = Extent { file_block: FileBlock(at + done), start, len, unwritten: true };
        bmap::allocate_exact(&mut tx, ino, Fork::Data, extent).expect("allocate");
        done += u64::from(len);
    }
    let bytes = tx.geometry().file_byte(FileBlock(at + done));
    core_mut(&mut tx, ino).expect("core").size.set(bytes);
    tx.commit().expect("commits");
}

/// Blocks that the allocator would still hand out, the pool included.
fn left(volume: &mut Volume) -> u64 {
    reserve::available(&mut volume.transaction()).expect("reads")
}

/// Takes blocks past every check, until about `keep` are left to be handed out.
fn drain(volume: &mut Volume, keep: u64) {
    volume.sync().expect("sync");
    let (root, near) = (volume.root(), first_block(volume));
    let ino = volume.create(root, b"drain", &FILE).expect("create");
    let mut at = 0;
    loop {
        let most = left(volume).saturating_sub(keep).min(1000) as u32;
        let taken = [most, 1].into_iter().filter(|&want| want > 0 && want <= most).find_map(|want| {
            let mut tx = volume.transaction();
            let extent = bmap::allocate(&mut tx, ino, Fork::Data, FileBlock(at), want, near).ok()?;
            tx.commit().expect("commits");
            Some(extent.len)
        });
        let Some(len) = taken else { break };
        at += u64::from(len) + 1;
    }
    volume.sync().expect("sync");
}

/// Writes a file until there is no room for another block.
fn fill(volume: &mut Volume, name: &[u8]) -> Ino {
    let root = volume.root();
    let ino = volume.create(root, name, &FILE).expect("create");
    let block = volume.geometry().blocksize as usize;
    let mut at = 0;
    for piece in [256 * block, 16 * block, block] {
        while volume.write(ino, at, &pattern(at as u8, piece)).is_ok() {
            at += piece as u64;
        }
    }
    volume.sync().expect("sync");
    ino
}

#[test]
fn preallocated_blocks_can_be_written_when_all_else_is_full() {
    for (block_size, mib) in [(1024, 16), (2048, 32), (4096, 16), (4096, 48), (16384, 96)] {
        let device = fresh(mib, |options| options.block_size = block_size);
        let mut volume = device.open();
        let root = volume.root();
        let file = volume.create(root, b"preallocated", &FILE).expect("create");
        let block = u64::from(block_size);
        let blocks = volume.available_fsblocks().expect("reads") / 2;
        assert!(blocks > 100, "{blocks}");
        preallocate(&mut volume, file, 0, blocks);
        fill(&mut volume, b"filler");
        assert!(volume.available_fsblocks().expect("reads") < 16, "the least that a write may need");
        let refused = volume.write(file, (blocks + 5) * block, b"x");
        assert_eq!(refused, Err(Error::NoSpace), "data that needs blocks leaves the pool alone");

        let mut expected = ::alloc::vec![0; (blocks * block) as usize];
        for n in (0..blocks).step_by(2).map(|n| n * 1031 % blocks) {
            let at = n * block;
            let piece = pattern(n as u8, 4096.min(block_size as usize));
            volume.write(file, at, &piece).expect("write over preallocated blocks");
            expected[at as usize..][..piece.len()].copy_from_slice(&piece);
            if n % 512 == 0 {
                volume.sync().expect("sync");
            }
        }
        volume.sync().expect("sync");
        assert!(volume.stat(file).expect("stat").extents >= blocks / 4);
        assert!(contents(&mut volume, file) == expected, "{block_size}");
        assert_sound(&mut volume);
        volume.unlink(root, b"filler").expect("unlink");
        volume.unlink(root, b"preallocated").expect("unlink");
        assert_sound(&mut volume);
    }
}

#[test]
fn where_not_even_the_pool_is_left_conversions_are_refused_at_write() {
    let device = fresh(32, |_| {});
    let mut volume = device.open();
    let root = volume.root();
    let file = volume.create(root, b"preallocated", &FILE).expect("create");
    preallocate(&mut volume, file, 0, 1000);
    drain(&mut volume, 0);
    assert_eq!(left(&mut volume), 0);
    assert_eq!(volume.write(file, 40_960, b"x"), Err(Error::NoSpace));
    volume.sync().expect("sync");
    assert!(contents(&mut volume, file).iter().all(|&byte| byte == 0));
    assert_sound(&mut volume);
    volume.unlink(root, b"drain").expect("unlink needs no space");
    volume.write(file, 40_960, b"x").expect("write");
    volume.sync().expect("sync");
    assert_sound(&mut volume);
}

#[test]
fn full_leaves_of_a_bmbt_may_all_split() {
    let device = fresh(96, |options| options.block_size = 1024);
    let mut volume = device.open();
    let root = volume.root();
    let file = volume.create(root, b"preallocated", &FILE).expect("create");
    // Inserted from left to right, so that leaf after leaf is filled up.
    let extents = 10_000;
    for n in 0..extents {
        preallocate(&mut volume, file, n * 4, 3);
    }
    drain(&mut volume, 40);
    let (mut accepted, mut expected) = (0, ::alloc::vec![0; (extents * 4096 - 1024) as usize]);
    // Each into another leaf, so far apart that no neighbour has room.
    for n in (0..1000).map(|n| n * 177 % extents) {
        let at = n * 4096 + 1024;
        match volume.write(file, at, &[n as u8 | 1; 1024]) {
            Ok(()) => {
                expected[at as usize..][..1024].fill(n as u8 | 1);
                accepted += 1;
            }
            Err(error) => assert_eq!(error, Error::NoSpace),
        }
    }
    assert!(accepted > 15, "{accepted}");
    volume.sync().expect("what was accepted finds its space");
    assert!(contents(&mut volume, file) == expected);
    assert_sound(&mut volume);
}

#[test]
fn files_are_cut_and_removed_on_a_volume_that_is_full() {
    for drained in [false, true] {
        let device = fresh(32, |options| options.block_size = 1024);
        let mut volume = device.open();
        let root = volume.root();
        let source = volume.create(root, b"source", &FILE).expect("create");
        volume.write(source, 0, &pattern(1, 2 << 20)).expect("write");
        let clones: Vec<Ino> = [&b"a"[..], b"b"]
            .iter()
            .map(|name| {
                let clone = volume.create(root, name, &FILE).expect("create");
                volume.clone_file(source, clone).expect("clone");
                clone
            })
            .collect();
        let own = volume.create(root, b"own", &FILE).expect("create");
        volume.write(own, 0, &pattern(2, 1 << 20)).expect("write");
        if drained {
            drain(&mut volume, 0);
        } else {
            fill(&mut volume, b"filler");
        }
        // In the middle of a shared block: only the pool has one to take its place.
        let cut = volume.truncate(clones[0], 1_000_001);
        assert_eq!(cut, if drained { Err(Error::NoSpace) } else { Ok(()) });
        volume.sync().expect("sync");
        volume.truncate(clones[1], 1 << 20).expect("truncate");
        volume.truncate(own, 500_001).expect("truncate");
        volume.sync().expect("sync");
        assert!(contents(&mut volume, own) == pattern(2, 500_001));
        assert!(contents(&mut volume, clones[0])[..1_000_001] == pattern(1, 1_000_001));
        assert!(contents(&mut volume, source) == pattern(1, 2 << 20));
        assert_sound(&mut volume);
        for name in [&b"source"[..], b"a", b"own", b"b"] {
            volume.unlink(root, name).expect("unlink");
        }
        volume.sync().expect("sync");
        assert_sound(&mut volume);
    }
}
