//! Names that are linked and moved.

use super::{Done, below, bytes, create, few_files, fsync, maybe_fsync, mkdir, split, unlink};
use crate::crash::driver::Driver;
use crate::ops::{Bytes, Generator, How, Limits, NAME_BYTES, Op};
use crate::rng::Rng;

pub(super) fn rename(driver: &mut Driver, from: &str, to: &str, how: How) -> Done {
    let ((dir, name), (new_dir, new_name)) = (split(from), split(to));
    driver.op(Op::Rename { dir, name, new_dir, new_name, how })
}

pub(super) fn link(driver: &mut Driver, path: &str, new: &str) -> Done {
    let (dir, name) = split(new);
    driver.op(Op::Link { path: bytes(path), dir, name })
}

fn symlink(driver: &mut Driver, path: &str, len: usize) -> Done {
    let (dir, name) = split(path);
    driver.op(Op::Symlink { dir, name, target: Bytes(vec![b't'; len]) })
}

/// Some files, and directories with something in them.
pub(in crate::crash) fn tree_of_files(driver: &mut Driver, rng: &mut Rng) -> Done {
    few_files(driver, rng)?;
    for dir in ["/one", "/two", "/two/deep", "/empty"] {
        mkdir(driver, dir)?;
    }
    for path in ["/one/x", "/one/y", "/two/deep/z"] {
        create(driver, path)?;
        driver.write(path.as_bytes(), 0, rng.range(1, 20_000) as usize)?;
    }
    driver.op(Op::Sync)
}

/// A new version is written beside the old one and takes its name; files and directories move and change places.
pub(in crate::crash) fn renames(driver: &mut Driver, rng: &mut Rng) -> Done {
    for path in ["/a", "/one/x", "/b"] {
        create(driver, "/draft")?;
        driver.write(b"/draft", 0, rng.range(1, 40_000) as usize)?;
        maybe_fsync(driver, "/draft", rng, 70)?;
        rename(driver, "/draft", path, How::Replace)?;
        maybe_fsync(driver, path, rng, 50)?;
    }
    rename(driver, "/two/deep", "/one/deep", How::NoReplace)?;
    rename(driver, "/a", "/one/deep/z", How::Exchange)?;
    maybe_fsync(driver, "/a", rng, 50)?;
    rename(driver, "/one/deep", "/c", How::Exchange)?;
    driver.write(b"/one/deep", 3000, 5000)?;
    rename(driver, "/two", "/empty", How::Replace)?;
    maybe_fsync(driver, "/b", rng, 50)?;
    rename(driver, "/one/y", "/d", How::Whiteout)?;
    rename(driver, "/c", "/empty/c", How::Whiteout)?;
    fsync(driver, "/d")?;
    rename(driver, "/one", "/empty/c/one", How::Replace)?;
    rename(driver, "/b", "/empty/b", How::Replace)?;
    driver.op(Op::Sync)
}

/// Further names, symlinks, and files that get their first name late.
pub(in crate::crash) fn links(driver: &mut Driver, rng: &mut Rng) -> Done {
    let tmpfile = |driver: &mut Driver, dir: &str, name: &str, seed: u64| {
        let (dir, name) = (bytes(dir), bytes(name));
        driver.op(Op::Tmpfile { dir, name, mode: 0o600, seed, len_bytes: 20_000 })
    };
    link(driver, "/a", "/one/a")?;
    driver.write(b"/one/a", 0, 5000)?;
    maybe_fsync(driver, "/a", rng, 50)?;
    symlink(driver, "/short", 20)?;
    symlink(driver, "/one/long", 1000)?;
    tmpfile(driver, "/two", "late", 2_000_001)?;
    maybe_fsync(driver, "/two/late", rng, 50)?;
    unlink(driver, "/a")?;
    rename(driver, "/one/long", "/b", How::Replace)?;
    tmpfile(driver, "/", "later", 2_000_002)?;
    for n in 0..12 {
        link(driver, "/one/a", &format!("/one/a name of some length that does not fit the inode {n}"))?;
    }
    maybe_fsync(driver, "/c", rng, 50)?;
    rename(driver, "/later", "/one/a", How::Replace)?;
    unlink(driver, "/short")?;
    symlink(driver, "/two/far", 800)?;
    maybe_fsync(driver, "/one/a", rng, 50)?;
    unlink(driver, "/two/far")?;
    for n in 0..12 {
        unlink(driver, &format!("/one/a name of some length that does not fit the inode {n}"))?;
    }
    driver.op(Op::Sync)
}

/// Anything that moves names, and some of everything else.
pub(in crate::crash) fn moves(driver: &mut Driver, rng: &mut Rng) -> Done {
    let block_bytes = driver.model.block_bytes();
    let reflink = driver.volume().is_some_and(|volume| volume.geometry().has_reflink());
    let limits = Limits {
        block_bytes,
        names: 12,
        name_bytes: NAME_BYTES,
        file_bytes: 60_000,
        files: 10,
        reflink,
        bigtime: true,
    };
    mkdir(driver, "/moves")?;
    let mut generator = Generator::new(limits, Rng::new(rng.bits())).moving_names();
    for _ in 0..70 {
        let op = below(generator.step(), "/moves");
        driver.op(op)?;
        let paths = driver.model.paths();
        if rng.chance(15) && !paths.is_empty() {
            driver.op(Op::Fsync { path: Bytes(rng.pick(&paths).clone()) })?;
        }
    }
    driver.op(Op::Sync)
}
