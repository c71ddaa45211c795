//! The way of data from write to disk, on volumes that xfskit made: no root is needed.

use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

use xfskit::device::BlockDevice;
use xfskit::error::{Error, Mistake};
use xfskit::units::Ino;
use xfskit::volume::{FileType, Follow, OpenOptions, RenameMode, SetAttributes, Timestamp};
use xfskit::{Result, Volume};
use xfskit_tests::fresh::{Fresh, content, try_content};
use xfskit_tests::golden;
use xfskit_tests::lazy::{LazyDevice, PAGE_BYTES, Resident, fetching};
use xfskit_tests::overlay::OverlayDevice;
use xfskit_tests::referee::Referee;
use xfskit_tests::rng::{Rng, pattern};
use xfskit_tests::session::{findings, new_inode};
use xfskit_tests::temp::TempDir;

const BLOCK: u64 = 4096;

/// Small appends are gathered before blocks are chosen.
#[test]
fn appends_make_a_handful_of_extents() {
    let mut volume = Fresh::new("pipeline");
    let ino = volume.create("log");
    for index in 0..100_000 {
        volume.write(ino, index * 100, &[index as u8; 100]);
    }
    volume.sync();
    let extents = volume.volume().extents(ino).expect("extents");
    assert!(extents.len() <= 6, "{} extents", extents.len());
    assert_eq!(volume.content(ino).len(), 10_000_000);
    volume.judge();
}

/// Two files that grow at the same time do not cut each other to pieces.
#[test]
fn files_growing_together_stay_whole() {
    let mut volume = Fresh::new("pipeline");
    let files = [volume.create("a"), volume.create("b"), volume.create("c")];
    for index in 0..3000 {
        for ino in files {
            volume.write(ino, index * 3000, &[7; 3000]);
        }
    }
    volume.sync();
    for ino in files {
        assert!(volume.volume().extents(ino).expect("extents").len() <= 8);
    }
    volume.judge();
}

/// Past the bound on dirty data writeback starts by itself; the data is there all the same.
#[test]
fn dirty_data_is_bounded() {
    let mut options = OpenOptions::default();
    options.dirty_bytes = 1 << 20;
    let mut volume = Fresh::with("pipeline", options);
    let ino = volume.create("large");
    for index in 0..200 {
        volume.write(ino, index << 16, &pattern(1, index << 16, 1 << 16));
    }
    let written = std::fs::metadata(volume.image()).expect("stat").blocks() * 512;
    assert!(written > 10 << 20, "only {written} bytes of the image are written");
    assert_eq!(volume.content(ino), pattern(1, 0, 200 << 16));
    volume.sync();
    assert_eq!(volume.content(ino), pattern(1, 0, 200 << 16));
    volume.judge();
}

/// Space is found missing at write; what write took, sync brings to disk. All of it comes back on removal.
#[test]
fn full_volume_keeps_its_word() {
    let mut volume = Fresh::new("pipeline");
    let root = volume.volume().root();
    let free_before = volume.volume().statfs().expect("statfs").free_fsblocks;
    let mut taken = Vec::new();
    let error = 'full: loop {
        let index = taken.len() as u64;
        let ino = volume.create(&format!("{index}"));
        taken.push((ino, 0_u64));
        for step in 0..100 {
            let piece = pattern(index, step * 300_000, 300_000);
            match volume.volume().write(ino, step * 300_000, &piece) {
                Ok(_) => taken[index as usize].1 += 300_000,
                Err(error) => break 'full error,
            }
        }
    };
    assert_eq!(error, Error::NoSpace);
    volume.sync();
    volume.judge();
    for (index, &(ino, size)) in taken.iter().enumerate() {
        assert!(volume.content(ino) == pattern(index as u64, 0, size as usize), "file {index}");
    }
    for index in 0..taken.len() {
        volume.volume().unlink(root, format!("{index}").as_bytes()).expect("unlink on a full volume");
    }
    volume.sync();
    volume.judge();
    let lost = free_before.saturating_sub(volume.volume().statfs().expect("statfs").free_fsblocks);
    assert!(lost <= 64, "{lost} fsblocks are gone");
}

/// Overwriting a clone on a full volume: either write refuses, or sync can't fail. Never a loss of what was there.
#[test]
fn clone_on_a_full_volume_keeps_its_word() {
    let mut volume = Fresh::new("pipeline");
    let (source, target, filler) = (volume.create("source"), volume.create("clone"), volume.create("filler"));
    let bytes = pattern(1, 0, 40 << 20);
    volume.write(source, 0, &bytes);
    volume.volume().clone_file(source, target).expect("clone");
    let mut offset = 0;
    while volume.volume().write(filler, offset, &[9; 1 << 20]).is_ok() {
        offset += 1 << 20;
    }
    volume.sync();
    let mut model = bytes.clone();
    let mut rng = Rng::new(5);
    let mut refused = 0;
    for serial in 0..4000 {
        let offset = rng.below((40 << 20) - 5000);
        let piece = pattern(serial, offset, rng.range(1, 5000) as usize);
        match volume.volume().write(target, offset, &piece) {
            Ok(_) => model[offset as usize..][..piece.len()].copy_from_slice(&piece),
            Err(error) => {
                assert_eq!(error, Error::NoSpace);
                refused += 1;
            }
        }
    }
    volume.sync();
    assert!(refused > 0, "the volume was not full");
    assert!(volume.content(target) == model);
    assert!(volume.content(source) == bytes);
    volume.judge();
}

/// Writes near each other in a clone stay together, and the source never changes.
#[test]
fn overwritten_clone_is_not_shredded() {
    let mut volume = Fresh::new("pipeline");
    let (source, target) = (volume.create("source"), volume.create("clone"));
    let bytes = pattern(1, 0, 8 << 20);
    volume.write(source, 0, &bytes);
    volume.sync();
    volume.volume().clone_file(source, target).expect("clone");
    for block in 0..512 {
        volume.write(target, (1 << 20) + block * BLOCK, &[3; 4096]);
        if block % 64 == 63 {
            volume.sync();
        }
    }
    let extents = volume.volume().extents(target).expect("extents");
    assert!(extents.len() <= 12, "{} extents", extents.len());
    assert!(volume.content(source) == bytes);
    assert!(extents.iter().any(|extent| extent.shared) && extents.iter().any(|extent| !extent.shared));
    volume.judge();
}

/// A file made longer without data keeps its size when its time is set by hand after that.
#[test]
fn time_set_by_hand_keeps_the_size() {
    let mut volume = Fresh::new("size-and-time");
    let ino = volume.create("file");
    let mtime = Some(Timestamp { seconds: 7, nanoseconds: 8 });
    volume.volume().truncate(ino, 100_000).expect("truncate");
    volume
        .volume()
        .set_attributes(ino, &SetAttributes { mtime, ..SetAttributes::default() })
        .expect("set the time");
    volume.judge();
    let stat = volume.volume().stat(ino).expect("stat");
    assert_eq!((stat.size, Some(stat.mtime)), (100_000, mtime));
}

/// The rules of FICLONERANGE; a refused clone changes nothing.
#[test]
fn wrong_clones_are_refused_and_change_nothing() {
    let mut volume = Fresh::new("pipeline");
    let (source, target) = (volume.create("source"), volume.create("target"));
    let root = volume.volume().root();
    let dir = volume.volume().mkdir(root, b"dir", &new_inode(0o755)).expect("mkdir");
    let bytes = pattern(1, 0, 10 * 4096 + 100);
    volume.write(source, 0, &bytes);
    volume.write(target, 0, &pattern(2, 0, 20 * 4096));
    let size = 10 * BLOCK + 100;
    for (what, from, to, len) in [
        ("source offset", 1, 0, BLOCK),
        ("target offset", 0, 512, BLOCK),
        ("length inside the source", 0, 0, 100),
        ("EOF block into the middle of the target", 0, 0, size),
        ("past the end of the source", 0, 0, 30 * BLOCK),
        ("start past the end of the source", 40 * BLOCK, 0, BLOCK),
    ] {
        let refused = volume.volume().clone_range(source, from, target, to, len);
        assert!(matches!(refused, Err(Error::Invalid(Mistake::Argument(_)))), "{what}: {refused:?}");
    }
    let overlap = volume.volume().clone_range(target, 0, target, 2 * BLOCK, 4 * BLOCK);
    assert!(matches!(overlap, Err(Error::Invalid(Mistake::Argument(_)))), "{overlap:?}");
    assert!(volume.volume().clone_file(dir, target).is_err());
    assert!(volume.volume().clone_file(source, dir).is_err());
    assert!(volume.content(source) == bytes);
    assert!(volume.content(target) == pattern(2, 0, 20 * 4096));
    // What the rules allow: the EOF block at the end of the target, and a range of the same file without overlap.
    volume
        .volume()
        .clone_range(source, 8 * BLOCK, target, 30 * BLOCK, 2 * BLOCK + 100)
        .expect("clone past the end");
    volume.volume().clone_range(target, 0, target, 4 * BLOCK, 4 * BLOCK).expect("clone inside a file");
    assert_eq!(volume.volume().stat(target).expect("stat").size, 32 * BLOCK + 100);
    volume.sync();
    volume.judge();
}

/// Files that the kernel made, of every shape, are written to and cut: unwritten extents, holes, sharing, btree forks.
#[test]
fn files_of_every_shape_are_written_to() {
    for name in ["default", "small-blocks", "parents", "without-parents"] {
        let image = Arc::new(golden::named(name).image());
        let options = OpenOptions::default();
        let mut volume = Volume::open(Box::new(OverlayDevice::new(image)), &options).expect("open");
        let mut rng = Rng::named(Rng::seed_or(1), name);
        let mut files = Vec::new();
        for dir in [&b"/files"[..], b"/shared"] {
            files.extend(small_files(&mut volume, dir));
        }
        for round in 0..6 {
            for (ino, model) in &mut files {
                for serial in 0..4 {
                    change(&mut volume, *ino, model, round * 10 + serial, &mut rng);
                }
            }
            for (ino, model) in &files {
                assert!(content(&mut volume, *ino) == *model, "{name}: inode {ino} before writeback");
            }
            volume.sync().expect("sync");
            assert_eq!(findings(&mut volume), Vec::<String>::new());
            for (ino, model) in &files {
                assert!(content(&mut volume, *ino) == *model, "{name}: inode {ino} after writeback");
            }
        }
        judge_device(volume.close().expect("close"));
    }
}

/// Has xfs_repair look at the bytes of a device, if it is here.
fn judge_device(mut device: Box<dyn BlockDevice>) {
    let Some(referee) = Referee::find() else { return };
    let temp = TempDir::new("device");
    let image = temp.join("a.img");
    let mut bytes = vec![0; usize::try_from(device.len_bytes()).expect("fits")];
    device.read_at(0, &mut bytes).expect("read the device");
    std::fs::write(&image, bytes).expect("write the image");
    referee.repair_n(&image);
}

fn small_files(volume: &mut Volume, dir: &[u8]) -> Vec<(Ino, Vec<u8>)> {
    try_small_files(volume, dir).expect("read files")
}

fn try_small_files(volume: &mut Volume, dir: &[u8]) -> Result<Vec<(Ino, Vec<u8>)>> {
    let dir = volume.resolve(dir, Follow::No)?;
    let mut files = Vec::new();
    for entry in volume.read_dir(dir)? {
        let stat = volume.stat(entry.ino)?;
        if stat.file_type == FileType::Regular && stat.size < 2 << 20 {
            files.push((entry.ino, try_content(volume, entry.ino)?));
        }
    }
    Ok(files)
}

fn change(volume: &mut Volume, ino: Ino, model: &mut Vec<u8>, serial: u64, rng: &mut Rng) {
    let size = model.len() as u64;
    if rng.chance(15) {
        let new_size = rng.below(size + 9000);
        volume.truncate(ino, new_size).expect("truncate");
        model.resize(new_size as usize, 0);
        return;
    }
    let offset = rng.below(size + 5000) as usize;
    let piece = pattern(serial, offset as u64, rng.range(1, 9000) as usize);
    volume.write(ino, offset as u64, &piece).expect("write");
    put(model, offset, &piece);
}

/// On a device that has to fetch its bytes first each change either works or has changed nothing and can be called again.
#[test]
fn changes_on_missing_bytes_start_over() {
    for name in ["default", "small-blocks", "parents", "without-parents"] {
        let base = Arc::new(golden::named(name).image());
        let all_pages = 0..base.len() as u64 / PAGE_BYTES + 1;
        let resident = Resident::default();
        let open = || {
            let device = LazyDevice::new(OverlayDevice::new(base.clone()), resident.clone());
            Volume::open(Box::new(device), &OpenOptions::default())
        };
        let mut volume = fetching(&resident, open).expect("open");
        let mut rng = Rng::named(Rng::seed_or(2), name);
        let mut files = fetching(&resident, || try_small_files(&mut volume, b"/shared")).expect("read");
        let root = volume.root();
        for round in 0..4_u64 {
            let new_name = format!("new{round}").into_bytes();
            let create = || volume.create(root, &new_name, &new_inode(0o600));
            files.push((fetching(&resident, create).expect("create"), Vec::new()));
            let moved = format!("moved{round}").into_bytes();
            let rename = || volume.rename(root, &new_name, root, &moved, RenameMode::Replace);
            fetching(&resident, rename).expect("rename");
            let link = || volume.link(files[0].0, root, &new_name);
            fetching(&resident, link).expect("link");
            let exchange = || volume.rename(root, &moved, root, &new_name, RenameMode::Exchange);
            fetching(&resident, exchange).expect("exchange");
            for (ino, model) in &mut files {
                let offset = rng.below(model.len() as u64 + 5000);
                let piece = pattern(round, offset, rng.range(1, 9000) as usize);
                fetching(&resident, || volume.write(*ino, offset, &piece)).expect("write");
                put(model, offset as usize, &piece);
                if rng.chance(20) {
                    let size = rng.below(model.len() as u64);
                    fetching(&resident, || volume.truncate(*ino, size)).expect("truncate");
                    model.truncate(size as usize);
                }
            }
            fetching(&resident, || volume.sync()).expect("sync");
        }
        for (ino, model) in &files {
            assert!(
                fetching(&resident, || try_content(&mut volume, *ino)).expect("read") == *model,
                "{name}"
            );
        }
        resident.lock().expect("no panic while it was held").extend(all_pages);
        assert_eq!(findings(&mut volume), Vec::<String>::new());
        judge_device(volume.close().expect("close"));
    }
}

fn put(model: &mut Vec<u8>, offset: usize, piece: &[u8]) {
    let end = offset + piece.len();
    if model.len() < end {
        model.resize(end, 0);
    }
    model[offset..end].copy_from_slice(piece);
}
