//! The scripts of the scenarios. Each draws its operations from a generator of numbers, so it has as many courses as
//! there are seeds.

mod attributes;
mod directories;
mod names;
mod space;

pub(super) use attributes::{attributes, few_attributes, linked_often, links_in_node};
pub(super) use directories::{directories, directory_growth, names};
pub(super) use names::{links, moves, renames, tree_of_files};
pub(super) use space::{busy, full, nearly_full, reuse};

use super::driver::{Driver, Stopped};
use crate::ops::{Bytes, Generator, Limits, NAME_BYTES, Op};
use crate::rng::Rng;

/// What a script looks like.
pub(super) type Script = fn(&mut Driver, &mut Rng) -> Result<(), Stopped>;

type Done = Result<(), Stopped>;

fn split(path: &str) -> (Bytes, Bytes) {
    let (dir, name) = path.rsplit_once('/').expect("a path from the root");
    let dir = if dir.is_empty() { "/" } else { dir };
    (Bytes(dir.into()), Bytes(name.into()))
}

fn bytes(path: &str) -> Bytes {
    Bytes(path.into())
}

fn create(driver: &mut Driver, path: &str) -> Done {
    let (dir, name) = split(path);
    driver.op(Op::Create { dir, name, mode: 0o644 })
}

fn mkdir(driver: &mut Driver, path: &str) -> Done {
    let (dir, name) = split(path);
    driver.op(Op::Mkdir { dir, name, mode: 0o755 })
}

fn unlink(driver: &mut Driver, path: &str) -> Done {
    let (dir, name) = split(path);
    driver.op(Op::Unlink { dir, name })
}

fn fsync(driver: &mut Driver, path: &str) -> Done {
    driver.op(Op::Fsync { path: bytes(path) })
}

fn truncate_to(driver: &mut Driver, path: &str, size_bytes: u64) -> Done {
    driver.op(Op::Truncate { path: bytes(path), size_bytes })
}

fn clone_file(driver: &mut Driver, source: &str, target: &str) -> Done {
    driver.op(Op::CloneFile { source: bytes(source), target: bytes(target) })
}

fn clone_range(driver: &mut Driver, source: &str, from: u64, target: &str, to: u64, len: u64) -> Done {
    driver.op(Op::CloneRange {
        source: bytes(source),
        from_bytes: from,
        target: bytes(target),
        to_bytes: to,
        len_bytes: len,
    })
}

/// Now and then something becomes durable.
fn maybe_fsync(driver: &mut Driver, path: &str, rng: &mut Rng, percent: u64) -> Done {
    if !rng.chance(percent) {
        return Ok(());
    }
    match rng.below(8) {
        0 => driver.op(Op::Sync),
        1 => driver.op(Op::Writeback { path: bytes(path) }),
        _ => fsync(driver, path),
    }
}

const FILES: [&str; 4] = ["/a", "/b", "/c", "/d"];

/// Some files of some blocks.
pub(super) fn few_files(driver: &mut Driver, rng: &mut Rng) -> Done {
    for path in FILES {
        create(driver, path)?;
        driver.write(path.as_bytes(), 0, rng.range(1, 60_000) as usize)?;
    }
    driver.op(Op::Sync)
}

/// Files that share their blocks, in pairs and, in part, three together.
pub(super) fn shared_files(driver: &mut Driver, rng: &mut Rng) -> Done {
    for (source, clone) in [("/a", "/b"), ("/c", "/d")] {
        create(driver, source)?;
        driver.write(
            source.as_bytes(),
            0,
            rng.range(10, 20) as usize * 4096 + rng.below(2) as usize * 777,
        )?;
        create(driver, clone)?;
        clone_file(driver, source, clone)?;
    }
    clone_range(driver, "/a", 0, "/d", 8192, 8192)?;
    driver.write(b"/d", 20_480, 9000)?;
    driver.op(Op::Sync)
}

/// Shared blocks are written over, some of them more than once.
pub(super) fn overwrite(driver: &mut Driver, rng: &mut Rng) -> Done {
    for _ in 0..24 {
        let path = *rng.pick(&FILES);
        let (offset, len) = match rng.below(3) {
            0 => (rng.below(12) * 4096, rng.range(1, 4) as usize * 4096),
            1 => (rng.below(12) * 4096 + rng.below(4096), rng.range(1, 6000) as usize),
            _ => (rng.below(16) * 1024, 1024),
        };
        driver.write(path.as_bytes(), offset, len)?;
        maybe_fsync(driver, path, rng, 35)?;
    }
    driver.op(Op::Sync)
}

/// Clones over what was written, and writes over what was cloned.
pub(super) fn clones(driver: &mut Driver, rng: &mut Rng) -> Done {
    for _ in 0..22 {
        let (source, target) = (*rng.pick(&FILES), *rng.pick(&FILES));
        if source != target && rng.chance(50) {
            let (from, to) = (rng.below(8) * 4096, rng.below(20) * 4096);
            let size = driver.model.size(source.as_bytes());
            let len_bytes = rng.range(1, 6) * 4096;
            if from + len_bytes <= size {
                clone_range(driver, source, from, target, to, len_bytes)?;
            }
        } else {
            driver.write(target.as_bytes(), rng.below(16) * 4096, rng.range(1, 9000) as usize)?;
        }
        if rng.chance(8) {
            unlink(driver, target)?;
            create(driver, target)?;
            driver.write(target.as_bytes(), 0, 30_000)?;
        }
        maybe_fsync(driver, target, rng, 30)?;
    }
    driver.op(Op::Sync)
}

/// Files grow at their ends, with and without gaps.
pub(super) fn append(driver: &mut Driver, rng: &mut Rng) -> Done {
    for _ in 0..28 {
        let path = *rng.pick(&FILES);
        let gap = if rng.chance(15) { rng.below(20_000) } else { 0 };
        let offset = driver.model.size(path.as_bytes()) + gap;
        let len = if rng.chance(30) { rng.range(1, 500) } else { rng.range(1, 5) * 4096 };
        driver.write(path.as_bytes(), offset, len as usize)?;
        maybe_fsync(driver, path, rng, 40)?;
    }
    driver.op(Op::Sync)
}

/// Files are cut and made longer, and what was cut is used again.
pub(super) fn truncate(driver: &mut Driver, rng: &mut Rng) -> Done {
    for _ in 0..24 {
        let path = *rng.pick(&FILES);
        let size = driver.model.size(path.as_bytes());
        let new_size = match rng.below(4) {
            0 => 0,
            1 => size + rng.below(10_000),
            2 => rng.below(size + 1) / 4096 * 4096,
            _ => rng.below(size + 1),
        };
        truncate_to(driver, path, new_size)?;
        maybe_fsync(driver, path, rng, 25)?;
        let other = *rng.pick(&FILES);
        let offset = rng.below(driver.model.size(other.as_bytes()) + 4000);
        driver.write(other.as_bytes(), offset, rng.range(1, 20_000) as usize)?;
        maybe_fsync(driver, other, rng, 25)?;
    }
    driver.op(Op::Sync)
}

/// More goes through the log than it can hold.
pub(super) fn many_fsyncs(driver: &mut Driver, rng: &mut Rng) -> Done {
    for serial in 0..250 {
        let path = *rng.pick(&FILES);
        match rng.below(6) {
            0 => create(driver, &format!("/n{serial}"))?,
            1 => driver.op(Op::Chmod { path: bytes(path), mode: rng.below(512) as u16 })?,
            2 => clone_file(driver, "/a", "/b").or_else(|stopped| match stopped.error.code() {
                "invalid.argument" => Ok(()),
                _ => Err(stopped),
            })?,
            _ => driver.write(path.as_bytes(), rng.below(20) * 4096, 4096)?,
        }
        fsync(driver, path)?;
    }
    driver.op(Op::Sync)
}

/// Names are made durable, many times over, so that blocks are put in place between one force and the next.
pub(super) fn settle(driver: &mut Driver, rng: &mut Rng) -> Done {
    for round in 0..60 {
        for serial in 0..10 {
            create(driver, &format!("/r{round}-{serial}"))?;
        }
        driver.op(Op::Chmod { path: bytes("/a"), mode: rng.below(512) as u16 })?;
        fsync(driver, "/a")?;
        for serial in 0..10 {
            unlink(driver, &format!("/r{round}-{serial}"))?;
        }
        fsync(driver, "/a")?;
    }
    Ok(())
}

/// Where the pieces of a file of very many extents start.
fn every_other_block(driver: &Driver) -> Vec<u64> {
    let block_bytes = driver.model.block_bytes();
    (0..1_500_000 / block_bytes).map(|block| block * 2 * block_bytes).take(700).collect()
}

/// A file of very many extents, its clone, and pieces between.
pub(super) fn fragmented(driver: &mut Driver, rng: &mut Rng) -> Done {
    few_files(driver, rng)?;
    create(driver, "/pieces")?;
    create(driver, "/between")?;
    for offset in every_other_block(driver) {
        driver.write(b"/pieces", offset, 1024)?;
    }
    create(driver, "/copy")?;
    clone_file(driver, "/pieces", "/copy")?;
    driver.op(Op::Sync)
}

/// Changes of a file of very many extents, and its end.
pub(super) fn large_work(driver: &mut Driver, rng: &mut Rng) -> Done {
    let offsets = every_other_block(driver);
    for offset in offsets.iter().step_by(5) {
        driver.write(b"/copy", *offset, 1024)?;
    }
    fsync(driver, "/copy")?;
    clone_file(driver, "/pieces", "/between")?;
    driver.write(b"/a", 0, 5000)?;
    fsync(driver, "/a")?;
    truncate_to(driver, "/copy", rng.below(offsets[offsets.len() - 1]))?;
    create(driver, "/after")?;
    maybe_fsync(driver, "/copy", rng, 50)?;
    unlink(driver, "/copy")?;
    driver.write(b"/after", 0, 100_000)?;
    maybe_fsync(driver, "/after", rng, 50)?;
    unlink(driver, "/pieces")?;
    unlink(driver, "/between")?;
    driver.write(b"/after", 100_000, 300_000)?;
    driver.op(Op::Sync)
}

/// Anything.
pub(super) fn random(driver: &mut Driver, rng: &mut Rng) -> Done {
    let block_bytes = driver.model.block_bytes();
    let reflink = driver.volume().is_some_and(|volume| volume.geometry().has_reflink());
    let limits = Limits {
        block_bytes,
        names: 30,
        name_bytes: NAME_BYTES,
        file_bytes: 120_000,
        files: 14,
        reflink,
        bigtime: true,
    };
    mkdir(driver, "/random")?;
    let mut generator = Generator::new(limits, Rng::new(rng.bits()));
    for _ in 0..70 {
        let op = below(generator.step(), "/random");
        driver.op(op)?;
        let paths = driver.model.paths();
        if rng.chance(15) && !paths.is_empty() {
            driver.op(Op::Fsync { path: Bytes(rng.pick(&paths).clone()) })?;
        }
    }
    driver.op(Op::Sync)
}

/// The same operation below a directory.
fn below(mut op: Op, top: &str) -> Op {
    let put = |path: &mut Bytes| {
        let mut full = top.as_bytes().to_vec();
        if path.0 != b"/" {
            full.extend_from_slice(path);
        }
        path.0 = full;
    };
    match &mut op {
        Op::Create { dir, .. }
        | Op::Mkdir { dir, .. }
        | Op::Symlink { dir, .. }
        | Op::Mknod { dir, .. }
        | Op::Tmpfile { dir, .. }
        | Op::Unlink { dir, .. }
        | Op::Rmdir { dir, .. } => put(dir),
        Op::Link { path, dir, .. } => {
            put(path);
            put(dir);
        }
        Op::Rename { dir, new_dir, .. } => {
            put(dir);
            put(new_dir);
        }
        Op::CloneFile { source, target } | Op::CloneRange { source, target, .. } => {
            put(source);
            put(target);
        }
        Op::Write { path, .. }
        | Op::Truncate { path, .. }
        | Op::Chmod { path, .. }
        | Op::Chown { path, .. }
        | Op::Utimes { path, .. }
        | Op::SetXattr { path, .. }
        | Op::RemoveXattr { path, .. }
        | Op::SetAcl { path, .. }
        | Op::Fsync { path }
        | Op::Writeback { path }
        | Op::Preallocate { path, .. }
        | Op::Punch { path, .. } => put(path),
        Op::Sync | Op::Reopen => {}
    }
    op
}

/// Shared blocks are remapped: one file after the other, each made durable.
pub(super) fn remap(driver: &mut Driver, _: &mut Rng) -> Done {
    driver.write(b"/b", 0, 4096)?;
    fsync(driver, "/b")?;
    driver.write(b"/c", 4096, 8192)?;
    driver.write(b"/d", 20_480, 100)?;
    driver.op(Op::Sync)?;
    // Blocks that were holes before.
    driver.write(b"/b", 200_000, 9000)?;
    fsync(driver, "/b")
}
