//! Space that runs out, and space that is used again.

use xfskit::volume::StatFs;

use super::{Done, FILES, bytes, clone_range, create, few_files, maybe_fsync, truncate_to, unlink};
use crate::crash::driver::Driver;
use crate::ops::Op;
use crate::rng::Rng;

fn statfs(driver: &mut Driver) -> Option<StatFs> {
    driver.volume().and_then(|volume| volume.statfs().ok())
}

/// A filler leaves room for little.
pub(in crate::crash) fn nearly_full(driver: &mut Driver, rng: &mut Rng) -> Done {
    few_files(driver, rng)?;
    create(driver, "/filler")?;
    let mut offset = 0;
    while statfs(driver).is_some_and(|stat| stat.free_fsblocks * u64::from(stat.blocksize) > 1 << 20) {
        let op = driver.write_op(b"/filler", offset, 400_000);
        if !driver.op_with_luck(op)? {
            break;
        }
        driver.op(Op::Sync)?;
        offset += 400_000;
    }
    Ok(())
}

/// Space runs out, is given back, and runs out again.
pub(in crate::crash) fn full(driver: &mut Driver, rng: &mut Rng) -> Done {
    driver.is_careful = true;
    for serial in 0..20 {
        let path = *rng.pick(&FILES);
        let op = match rng.below(5) {
            0 => Op::CloneFile { source: bytes("/a"), target: bytes(path) },
            1 if serial % 2 == 0 => Op::Truncate { path: bytes(path), size_bytes: rng.below(50_000) },
            _ => driver.write_op(path.as_bytes(), rng.below(200_000), rng.range(1, 300_000) as usize),
        };
        let reflink = driver.volume().is_some_and(|volume| volume.geometry().has_reflink());
        let is_refused = matches!(&op, Op::CloneFile { .. }) && {
            let (from, to) = (driver.model.size(b"/a"), driver.model.size(path.as_bytes()));
            !reflink || path == "/a" || from == 0 || (to > from && !from.is_multiple_of(4096))
        };
        if !is_refused {
            driver.op_with_luck(op)?;
        }
        maybe_fsync(driver, path, rng, 30)?;
    }
    driver.op(Op::Sync)
}

/// What one file gives up another takes at once: there is no other space.
pub(in crate::crash) fn reuse(driver: &mut Driver, rng: &mut Rng) -> Done {
    driver.is_careful = true;
    let mut size = driver.model.size(b"/filler");
    for _ in 0..14 {
        let cut = rng.range(100_000, 900_000).min(size);
        truncate_to(driver, "/filler", size - cut)?;
        size -= cut;
        let path = *rng.pick(&FILES);
        for _ in 0..rng.range(1, 4) {
            let op = driver.write_op(path.as_bytes(), rng.below(600_000), rng.range(1, 400_000) as usize);
            driver.op_with_luck(op)?;
        }
        if rng.chance(50) {
            driver.op(Op::Writeback { path: bytes(path) })?;
        }
        if rng.chance(20) {
            unlink(driver, path)?;
            create(driver, path)?;
        }
        maybe_fsync(driver, path, rng, 25)?;
    }
    driver.op(Op::Sync)
}

/// Blocks are freed in every way there is, and wanted again before that is durable.
pub(in crate::crash) fn busy(driver: &mut Driver, _: &mut Rng) -> Done {
    let new_file = |driver: &mut Driver, path: &str| {
        create(driver, path)?;
        driver.write(path.as_bytes(), 0, 100_000)?;
        driver.op(Op::Writeback { path: bytes(path) })
    };
    // One of two that share a block moves away; the other one is written to. After a crash they share it again.
    for path in ["/b", "/a"] {
        driver.write(path.as_bytes(), 16_384, 8192)?;
        driver.op(Op::Writeback { path: bytes(path) })?;
    }
    driver.op(Op::Sync)?;
    unlink(driver, "/a")?;
    new_file(driver, "/m")?;
    driver.op(Op::Sync)?;
    truncate_to(driver, "/b", 0)?;
    new_file(driver, "/n")?;
    driver.op(Op::Sync)?;
    clone_range(driver, "/m", 0, "/c", 0, 90_112)?;
    new_file(driver, "/o")?;
    driver.op(Op::Sync)?;
    // The last one to share the blocks gives them up.
    driver.write(b"/d", 0, 65_536)?;
    driver.op(Op::Writeback { path: bytes("/d") })?;
    new_file(driver, "/p")?;
    driver.op(Op::Sync)
}
