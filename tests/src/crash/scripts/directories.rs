//! Directories that change their form.

use super::{Done, create, fsync, mkdir, split, unlink};
use crate::crash::driver::Driver;
use crate::ops::Op;
use crate::rng::Rng;

/// Directories grow out of their inodes and shrink again.
pub(in crate::crash) fn names(driver: &mut Driver, rng: &mut Rng) -> Done {
    mkdir(driver, "/dir")?;
    let mut there = Vec::new();
    for serial in 0..60 {
        let dir = if rng.chance(30) { "" } else { "/dir" };
        if serial % 30 > 20 && !there.is_empty() {
            let path: String = there.swap_remove(rng.index(there.len()));
            unlink(driver, &path)?;
        } else {
            let path = format!("{dir}/name {serial} {}", "x".repeat(rng.below(20) as usize));
            create(driver, &path)?;
            if rng.chance(30) {
                driver.write(path.as_bytes(), 0, rng.range(1, 9000) as usize)?;
            }
            there.push(path);
        }
        if let Some(path) = there.last().filter(|_| rng.chance(25)) {
            fsync(driver, &path.clone())?;
        }
        if rng.chance(10) {
            let path = format!("/d{serial}");
            mkdir(driver, &path)?;
            if rng.chance(50) {
                let (dir, name) = split(&path);
                driver.op(Op::Rmdir { dir, name })?;
            }
        }
    }
    driver.op(Op::Sync)
}

/// Name `serial` of a large directory.
fn entry(dir: &str, serial: u64) -> String {
    format!("{dir}/{:08x} of some length {serial}", (serial * 0x9e37_79b1) & 0xffff_ffff)
}

/// Names of `/large` before anything happens: a few more, and its one leaf is full.
const LARGE_NAMES: u64 = 480;

/// A directory whose one leaf is nearly full, and one that is empty.
pub(in crate::crash) fn directories(driver: &mut Driver, _: &mut Rng) -> Done {
    mkdir(driver, "/small")?;
    mkdir(driver, "/large")?;
    for serial in 0..LARGE_NAMES {
        create(driver, &entry("/large", serial))?;
    }
    driver.op(Op::Sync)
}

/// One directory goes from its inode to a block and to a leaf, the other one to a tree of leaves, and both back.
pub(in crate::crash) fn directory_growth(driver: &mut Driver, rng: &mut Rng) -> Done {
    let long = |serial: u64| format!("/small/{serial}-{}", "x".repeat(200));
    let durable = |driver: &mut Driver, rng: &mut Rng, percent| match rng.chance(percent) {
        true => driver.op(Op::Sync),
        false => Ok(()),
    };
    for serial in 0..24 {
        create(driver, &long(serial))?;
        create(driver, &entry("/large", LARGE_NAMES + serial * 2))?;
        create(driver, &entry("/large", LARGE_NAMES + serial * 2 + 1))?;
        durable(driver, rng, 40)?;
    }
    // What is left fits one leaf again.
    for serial in 0..300 {
        unlink(driver, &entry("/large", serial))?;
        durable(driver, rng, 3)?;
    }
    for serial in 0..24 {
        unlink(driver, &long(serial * 7 % 24))?;
        unlink(driver, &entry("/large", 300 + serial))?;
        durable(driver, rng, 40)?;
    }
    driver.op(Op::Sync)
}
