//! Trees grow to several levels and shrink again, and all space comes back.

use xfskit::error::Error;
use xfskit::mkfs::FormatOptions;
use xfskit::units::Ino;
use xfskit::volume::{OpenOptions, StatFs};
use xfskit_tests::fresh::{Fresh, format_options};
use xfskit_tests::rng::{Rng, pattern};
use xfskit_tests::session::new_inode;

fn with_blocks(block_bytes: u32) -> FormatOptions {
    let mut format = format_options();
    format.block_size = block_bytes;
    format
}

fn fresh(name: &str, format: &FormatOptions) -> Fresh {
    Fresh::formatted(name, 300 << 20, format, OpenOptions::default())
}

fn free(volume: &mut Fresh) -> StatFs {
    volume.sync();
    volume.volume().statfs().expect("statfs")
}

/// A bmbt from inline extents to three levels and back, by holes that come and go; its clone and the clone's end.
#[test]
fn forks_grow_and_shrink() {
    for block_bytes in [1024, 4096] {
        let mut volume = fresh("forks", &with_blocks(block_bytes));
        let before = free(&mut volume);
        let ino = volume.create("file");
        let block = u64::from(block_bytes);
        let count = if block_bytes == 1024 { 4000 } else { 6000 };
        let mut order: Vec<u64> = (0..count).collect();
        let mut rng = Rng::new(3);
        for index in (1..order.len()).rev() {
            order.swap(index, rng.index(index + 1));
        }
        for (step, index) in order.iter().enumerate() {
            let offset = index * 2 * block;
            volume.write(ino, offset, &pattern(1, offset, block_bytes as usize));
            if step % 500 == 499 {
                volume.sync();
            }
        }
        volume.judge();
        assert_eq!(volume.volume().extents(ino).expect("extents").len() as u64, count);
        let clone = volume.create("clone");
        volume.volume().clone_file(ino, clone).expect("clone");
        for index in (0..count).step_by(3) {
            let offset = index * 2 * block;
            volume.write(clone, offset, &pattern(2, offset, block_bytes as usize));
        }
        volume.judge();
        // The holes are filled: extents grow together again where there is room.
        for index in 0..count {
            let offset = (index * 2 + 1) * block;
            volume.write(ino, offset, &pattern(1, offset, block_bytes as usize));
        }
        volume.judge();
        assert!(volume.content(ino) == pattern(1, 0, (2 * count * block) as usize));
        for size in [count * block, 700 * block + 5, 20 * block, 0] {
            volume.volume().truncate(ino, size).expect("truncate");
            volume.judge();
        }
        let root = volume.volume().root();
        for name in [&b"file"[..], b"clone"] {
            volume.volume().unlink(root, name).expect("unlink");
        }
        volume.judge();
        let after = free(&mut volume);
        assert!(before.free_fsblocks - after.free_fsblocks <= 16, "{before:?} {after:?}");
    }
}

/// Thousands of small files come and go: inode chunks, free space in pieces, reverse mappings.
#[test]
fn inodes_come_and_go() {
    for block_bytes in [1024, 4096, 65536] {
        let mut volume = fresh("inodes", &with_blocks(block_bytes));
        let before = free(&mut volume);
        let root = volume.volume().root();
        let mut rng = Rng::new(4);
        let mut files: Vec<(Ino, Vec<u8>)> = Vec::new();
        let dirs: Vec<Ino> = (0..30)
            .map(|index| {
                volume.volume().mkdir(root, format!("d{index}").as_bytes(), &new_inode(0o755)).expect("mkdir")
            })
            .collect();
        for round in 0..4 {
            for serial in 0..900 {
                let (dir, name) = (*rng.pick(&dirs), format!("{round}-{serial}").into_bytes());
                let ino = volume.volume().create(dir, &name, &new_inode(0o644)).expect("create");
                files.push((dir, name));
                let len = rng.below(u64::from(block_bytes).min(4096) * 3) as usize;
                volume.write(ino, 0, &pattern(serial, 0, len));
            }
            volume.judge();
            for _ in 0..files.len() / 2 {
                let (dir, name) = files.swap_remove(rng.index(files.len()));
                volume.volume().unlink(dir, &name).expect("unlink");
            }
            volume.judge();
        }
        for (dir, name) in files {
            volume.volume().unlink(dir, &name).expect("unlink");
        }
        for index in 0..30 {
            volume.volume().rmdir(root, format!("d{index}").as_bytes()).expect("rmdir");
        }
        volume.judge();
        let after = free(&mut volume);
        assert!(before.free_fsblocks - after.free_fsblocks <= 40, "{before:?} {after:?}");
        // A block with more inodes than one chunk is never given back, as in Linux.
        assert!(block_bytes == 65536 || after.inodes <= before.inodes + 128, "{before:?} {after:?}");
    }
}

/// Many owners of many pieces: the refcountbt grows and is empty in the end.
#[test]
fn sharing_grows_and_ends() {
    let mut volume = fresh("sharing", &with_blocks(1024));
    let before = free(&mut volume);
    let source = volume.create("source");
    let bytes = pattern(1, 0, 4 << 20);
    volume.write(source, 0, &bytes);
    let mut rng = Rng::new(5);
    let mut clones = Vec::new();
    for index in 0..12 {
        let clone = volume.create(&format!("clone{index}"));
        volume.volume().clone_file(source, clone).expect("clone");
        let mut model = bytes.clone();
        for serial in 0..150 {
            let offset = rng.below((4 << 20) - 3000) as usize;
            let piece = pattern(serial, offset as u64, rng.range(1, 3000) as usize);
            volume.write(clone, offset as u64, &piece);
            model[offset..offset + piece.len()].copy_from_slice(&piece);
        }
        clones.push((clone, model));
    }
    volume.judge();
    for (clone, model) in &clones {
        assert!(volume.content(*clone) == *model);
    }
    assert!(volume.content(source) == bytes);
    let root = volume.volume().root();
    volume.volume().unlink(root, b"source").expect("unlink");
    for index in [3, 7, 1, 0, 11] {
        volume.volume().unlink(root, format!("clone{index}").as_bytes()).expect("unlink");
        volume.judge();
    }
    for index in [2, 4, 5, 6, 8, 9, 10] {
        assert!(volume.content(clones[index].0) == clones[index].1);
        volume.volume().unlink(root, format!("clone{index}").as_bytes()).expect("unlink");
    }
    volume.judge();
    let after = free(&mut volume);
    assert!(before.free_fsblocks - after.free_fsblocks <= 40, "{before:?} {after:?}");
}

/// A large directory on small blocks: 60 000 names are made, found, listed and removed.
#[test]
fn large_directory() {
    const COUNT: u64 = 60_000;
    let mut volume = fresh("directory", &with_blocks(1024));
    let root = volume.volume().root();
    let dir = volume.volume().mkdir(root, b"dir", &new_inode(0o755)).expect("mkdir");
    let name = |n: u64| format!("{:x}-name {n}", n * 0x9e37_79b9 % 0xffff_ffff);
    for n in 0..COUNT {
        volume.volume().create(dir, name(n).as_bytes(), &new_inode(0o600)).expect("create");
    }
    volume.judge();
    assert_eq!(volume.volume().read_dir(dir).expect("read").len() as u64, COUNT);
    for n in (0..COUNT).step_by(99) {
        volume.volume().lookup(dir, name(n).as_bytes()).expect("lookup");
    }
    for n in 0..COUNT {
        volume.volume().unlink(dir, name((n * 7919) % COUNT).as_bytes()).expect("unlink");
    }
    volume.volume().rmdir(root, b"dir").expect("rmdir");
    volume.judge();
}

/// Volumes of all small sizes are filled to the last block, emptied, and filled again.
#[test]
fn small_volumes_fill_up() {
    for (size_mib, block_bytes) in [(16, 4096), (32, 1024), (40, 4096), (64, 2048), (96, 16384)] {
        let mut format = with_blocks(block_bytes);
        format.small = true;
        let mut volume = Fresh::formatted("small", size_mib << 20, &format, OpenOptions::default());
        let root = volume.volume().root();
        for round in 0..2 {
            let ino = volume.create("filler");
            let piece = 10_000 + 777 * round;
            let mut size = 0;
            let error = loop {
                match volume.volume().write(ino, size, &pattern(round, size, piece as usize)) {
                    Ok(()) => size += piece,
                    Err(error) => break error,
                }
            };
            assert_eq!(error, Error::NoSpace);
            volume.judge();
            assert!(volume.content(ino) == pattern(round, 0, size as usize));
            volume.volume().unlink(root, b"filler").expect("unlink");
            volume.judge();
        }
    }
}
