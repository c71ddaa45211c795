//! Much of something: extents, inodes, names, and no space left.

use alloc::format;
use alloc::vec::Vec;

use super::{DIR, FILE, assert_sound, contents, fresh, pattern};
use crate::btree::Cursor;
use crate::btree::bmap::{Bmbt, Fork};
use crate::btree::inode::Inobt;
use crate::btree::{Root, Tree};
use crate::error::Error;
use crate::units::{AgIno, Ino};
use crate::volume::Volume;

fn bmbt_levels(volume: &mut Volume, ino: Ino) -> usize {
    match (Bmbt { ino, fork: Fork::Data }).root(&mut volume.transaction()).expect("root") {
        Root::Inline(inline) => inline.level,
        Root::Block { .. } => unreachable!("a fork's root is in its inode"),
    }
}

#[test]
fn extents_go_from_a_list_to_a_tree_of_three_levels_and_back() {
    let device = fresh(64, |options| options.block_size = 1024);
    let mut volume = device.open();
    let root = volume.root();
    let file = volume.create(root, b"sieve", &FILE).expect("create");
    let free_before = volume.statfs().expect("statfs").free_fsblocks;
    for n in 0..4000_u64 {
        volume.write(file, n * 2048, &[n as u8; 1024]).expect("write");
    }
    volume.sync().expect("sync");
    assert_eq!(volume.stat(file).expect("stat").extents, 4000);
    assert_eq!(bmbt_levels(&mut volume, file), 2, "root, nodes, leaves");
    assert_sound(&mut volume);
    for n in (0..4000_u64).rev().step_by(37) {
        volume.truncate(file, n * 2048 + 1024).expect("truncate");
        if n % 10 == 0 {
            assert_sound(&mut volume);
        }
    }
    // The last cut was behind block 3 of those with data; this adds zeros.
    volume.truncate(file, 5 * 2048).expect("truncate");
    assert_eq!(bmbt_levels(&mut volume, file), 0);
    let expected: Vec<u8> =
        [0_u8, 1, 2, 3, 0].into_iter().flat_map(|n| [[n; 1024], [0; 1024]]).flatten().collect();
    assert!(contents(&mut volume, file) == expected);
    volume.truncate(file, 0).expect("truncate");
    assert_sound(&mut volume);
    assert_eq!(volume.statfs().expect("statfs").free_fsblocks, free_before);
}

#[test]
fn chunks_of_inodes_come_and_go() {
    let device = fresh(64, |_| {});
    let mut volume = device.open();
    let root = volume.root();
    let before = volume.statfs().expect("statfs");
    let dirs: Vec<Ino> =
        (0..10).map(|n| volume.mkdir(root, format!("d{n}").as_bytes(), &DIR).expect("mkdir")).collect();
    for &dir in &dirs {
        for n in 0..90 {
            volume.create(dir, format!("file{n:02}").as_bytes(), &FILE).expect("create");
        }
    }
    assert!(volume.statfs().expect("statfs").inodes >= 910);
    assert_sound(&mut volume);
    for (index, &dir) in dirs.iter().enumerate() {
        for n in 0..90 {
            volume.unlink(dir, format!("file{n:02}").as_bytes()).expect("unlink");
        }
        volume.rmdir(root, format!("d{index}").as_bytes()).expect("rmdir");
    }
    assert_sound(&mut volume);
    assert_eq!(volume.statfs().expect("statfs"), before);
}

/// Whether any chunk of the volume has holes.
fn has_sparse_chunk(volume: &mut Volume) -> bool {
    let geometry = volume.geometry().clone();
    let mut tx = volume.transaction();
    geometry.ags().any(|ag| {
        let mut cursor = Cursor::new(Inobt::new(&geometry, ag));
        let mut next = cursor.seek_ge(&mut tx, &AgIno(0)).expect("seek");
        while let Some(rec) = next {
            if rec.holemask != 0 {
                return true;
            }
            next = cursor.next(&mut tx).expect("next");
        }
        false
    })
}

#[test]
fn where_no_whole_chunk_fits_inodes_come_in_pieces() {
    let device = fresh(32, |_| {});
    let mut volume = device.open();
    let root = volume.root();
    let fill = volume.mkdir(root, b"fill", &DIR).expect("mkdir");
    // Fill the volume with pieces of 20 KiB, then free every second one: chunks of 32 KiB no longer fit.
    let mut names = Vec::new();
    for n in 0.. {
        let name = format!("{n}");
        let made = volume.create(fill, name.as_bytes(), &FILE).and_then(|ino| {
            names.push(name.clone());
            volume.write(ino, 0, &pattern(n as u8, 20 * 1024))?;
            volume.fsync(ino)
        });
        match made {
            Ok(()) => {}
            Err(Error::NoSpace) => break,
            Err(error) => panic!("{error}"),
        }
    }
    let sponge = volume.lookup(fill, b"0").expect("lookup");
    let mut offset = 1 << 20;
    while volume.write(sponge, offset, &pattern(1, 20 * 1024)).is_ok() {
        offset += 40 * 1024;
    }
    volume.sync().expect("sync");
    for name in names.iter().skip(1).step_by(2) {
        volume.unlink(fill, name.as_bytes()).expect("unlink");
    }
    volume.sync().expect("sync");
    let mut made = 0;
    'dirs: for d in 0..40 {
        let Ok(dir) = volume.mkdir(root, format!("d{d}").as_bytes(), &DIR) else { break };
        for n in 0..60 {
            match volume.create(dir, format!("{n}").as_bytes(), &FILE) {
                Ok(_) => made += 1,
                Err(Error::NoSpace) => break 'dirs,
                Err(error) => panic!("{error}"),
            }
        }
    }
    assert!(made > 64, "{made}");
    assert!(has_sparse_chunk(&mut volume));
    assert_sound(&mut volume);
    for d in 0..40 {
        let name = format!("d{d}");
        let Ok(dir) = volume.lookup(root, name.as_bytes()) else { break };
        for entry in volume.read_dir(dir).expect("read_dir") {
            volume.unlink(dir, &entry.name).expect("unlink");
        }
        volume.rmdir(root, name.as_bytes()).expect("rmdir");
    }
    assert_sound(&mut volume);
}

#[test]
fn what_a_write_accepted_finds_its_space() {
    for block_size in [1024, 4096] {
        let device = fresh(32, |options| options.block_size = block_size);
        let mut volume = device.open();
        let root = volume.root();
        let source = volume.create(root, b"source", &FILE).expect("create");
        volume.write(source, 0, &pattern(1, 6 << 20)).expect("write");
        let clone = volume.create(root, b"clone", &FILE).expect("create");
        volume.clone_file(source, clone).expect("clone");
        let holes = volume.create(root, b"holes", &FILE).expect("create");
        let (mut accepted, mut refused, mut n) = (0, 0, 0_u64);
        while refused < 20 {
            // Scattered blocks of a clone and of a file full of holes: the worst that writeback can meet.
            let block = (n * 7919) % ((6 << 20) / u64::from(block_size));
            let (ino, offset) = if n % 2 == 0 {
                (clone, block * u64::from(block_size))
            } else {
                (holes, n * 3 * u64::from(block_size))
            };
            match volume.write(ino, offset, &[n as u8; 700]) {
                Ok(()) => accepted += 1,
                Err(Error::NoSpace) => refused += 1,
                Err(error) => panic!("{error}"),
            }
            n += 1;
        }
        assert!(accepted > 1000, "{accepted}");
        volume.sync().expect("writeback must find room for all that was accepted");
        assert_sound(&mut volume);
        assert!(contents(&mut volume, source) == pattern(1, 6 << 20));
        // Room comes back.
        volume.unlink(root, b"holes").expect("unlink");
        volume.write(clone, 0, &pattern(3, 1 << 20)).expect("write");
        volume.sync().expect("sync");
        assert_sound(&mut volume);
    }
}

#[test]
fn a_directory_goes_from_its_inode_to_a_block_and_back() {
    let device = fresh(64, |_| {});
    let mut volume = device.open();
    let root = volume.root();
    let dir = volume.mkdir(root, b"dir", &DIR).expect("mkdir");
    let mut names = Vec::new();
    for n in 0..70 {
        let name = format!("a name of some length {n}");
        volume.create(dir, name.as_bytes(), &FILE).expect("create");
        names.push(name);
        if names.len() % 10 == 0 {
            assert_sound(&mut volume);
        }
    }
    assert_eq!(volume.read_dir(dir).expect("read_dir").len(), names.len());
    // Out of order, with some put back in between.
    for n in 0..names.len() {
        let name = &names[(n * 29) % names.len()];
        if volume.lookup(dir, name.as_bytes()).is_ok() {
            volume.unlink(dir, name.as_bytes()).expect("unlink");
        }
        if n % 7 == 0 {
            volume.create(dir, format!("again {n}").as_bytes(), &FILE).expect("create");
        }
        if n % 10 == 0 {
            assert_sound(&mut volume);
        }
    }
    for entry in volume.read_dir(dir).expect("read_dir") {
        volume.unlink(dir, &entry.name).expect("unlink");
    }
    assert_eq!(volume.stat(dir).expect("stat").size, 6);
    volume.rmdir(root, b"dir").expect("rmdir");
    assert_sound(&mut volume);
}
