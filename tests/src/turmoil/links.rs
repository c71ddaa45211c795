//! Many names of few files, by several workers at once, while somebody syncs all the time.
//!
//! On a volume with parent pointers each name is an attribute of its inode too, set and removed in a chain of transactions
//! with an ATTRI at its start. The names are long and the files have hundreds of them, so that the attribute forks are trees
//! and the chains long: some end up in two checkpoints.

use std::fs::{File, hard_link, remove_file, rename};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{XattrFlags, removexattr, setxattr};

use super::sync_on;
use crate::referee::Mount;
use crate::rng::{Rng, pattern};

/// Names that one worker's file has at the same time.
const NAMES: u64 = 300;

/// Does `operations` operations with each of `workers` workers, stops the kernel and unmounts: the log is dirty.
pub fn run(mount: Mount, workers: u64, operations: u64, seed: u64) {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..workers)
            .map(|index| {
                let dir = mount.path().join(format!("links-{index}"));
                let rng = Rng::new(seed.wrapping_mul(31).wrapping_add(index));
                scope.spawn(move || work(&dir, operations, rng))
            })
            .collect();
        let syncer = scope.spawn(|| sync_on(mount.path(), &stop));
        for worker in workers {
            worker
                .join()
                .expect("a worker does not panic")
                .expect("there is space, and nobody stopped the kernel");
        }
        stop.store(true, Ordering::Relaxed);
        syncer.join().expect("the syncer does not panic");
    });
    mount.shut_down(true);
}

fn work(dir: &Path, operations: u64, mut rng: Rng) -> std::io::Result<()> {
    std::fs::create_dir(dir)?;
    let file = dir.join("file");
    File::create(&file)?;
    let mut names: Vec<PathBuf> = Vec::new();
    for serial in 0..operations {
        let new = dir.join(format!("{serial}-{}", "x".repeat(rng.range(10, 200) as usize)));
        match rng.below(10) {
            0..6 if (names.len() as u64) < NAMES => {
                hard_link(&file, &new)?;
                names.push(new);
            }
            6..8 if !names.is_empty() => {
                let index = rng.index(names.len());
                rename(&names[index], &new)?;
                names[index] = new;
            }
            8 => {
                let name = format!("user.{}", rng.below(20));
                let _ = removexattr(&file, name.as_str());
                let value = pattern(serial, 0, rng.range(1, 2000) as usize);
                setxattr(&file, name.as_str(), &value, XattrFlags::empty())?;
            }
            _ if !names.is_empty() => remove_file(names.swap_remove(rng.index(names.len())))?,
            _ => {}
        }
    }
    Ok(())
}
