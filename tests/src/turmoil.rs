//! The kernel at work on many things at once, until it is stopped in the middle.
//!
//! Each worker has a folder and a seed of its own. What they do to one another through the volume depends on the machine,
//! so a state can't be made again from its seed; the image of a failed test is what to keep.

pub mod links;

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

use rustix::fs::{
    FallocateFlags, XattrFlags, copy_file_range, fallocate, ioctl_ficlone, removexattr, setxattr,
};

use crate::referee::Mount;
use crate::rng::{Rng, pattern};

/// How much is done, and how it ends.
#[derive(Debug, Clone, Copy)]
pub struct Turmoil {
    /// Workers at the same time.
    pub workers: u64,
    /// Operations of all of them together after which the kernel is stopped.
    pub operations: u64,
    /// Whether somebody syncs all the time, so that checkpoints are cut in the middle of chains.
    pub syncs: bool,
    /// Whether the log is flushed when the kernel is stopped.
    pub flush_log: bool,
    /// Whether attributes get values that have blocks of their own. These don't go through the log.
    pub large_attributes: bool,
    /// Bytes of a fsblock.
    pub block_bytes: u64,
}

/// Works on the volume, stops the kernel and unmounts: the log is dirty.
pub fn run(mount: Mount, turmoil: &Turmoil, seed: u64) {
    let stop = AtomicBool::new(false);
    let (done, steps) = mpsc::channel();
    std::thread::scope(|scope| {
        let mut workers = Vec::new();
        for index in 0..turmoil.workers {
            let root = mount.path().join(format!("worker-{index}"));
            let (stop, done) = (&stop, done.clone());
            workers.push(scope.spawn(move || {
                let _ = std::fs::create_dir_all(&root);
                let rng = Rng::new(seed.wrapping_mul(31).wrapping_add(index));
                let attribute_bytes: &[usize] =
                    if turmoil.large_attributes { &[5, 40, 300, 3000, 20_000] } else { &[5, 40, 300] };
                let (block, orphans) = (turmoil.block_bytes, Vec::new());
                Worker { root, rng, serial: 0, block, attribute_bytes, orphans }.work(
                    turmoil.operations,
                    &done,
                    stop,
                )
            }));
        }
        if turmoil.syncs {
            let (path, stop) = (mount.path(), &stop);
            scope.spawn(move || sync_on(path, stop));
        }
        // By count and not by time, so that a fast machine writes no more of a log than a slow one.
        drop(done);
        steps.iter().take(turmoil.operations as usize).for_each(drop);
        // What workers hold open is closed only now: orphans of a crash.
        mount.stop(turmoil.flush_log);
        stop.store(true, Ordering::Relaxed);
        for worker in workers {
            drop(worker.join().expect("a worker does not panic"));
        }
    });
    mount.unmount();
}

/// Syncs the volume over and over until it is told to stop.
pub fn sync_on(path: &Path, stop: &AtomicBool) {
    let Ok(file) = File::open(path) else { return };
    while !stop.load(Ordering::Relaxed) {
        if rustix::fs::syncfs(&file).is_err() {
            return;
        }
    }
}

struct Worker {
    root: PathBuf,
    rng: Rng,
    serial: u64,
    block: u64,
    attribute_bytes: &'static [usize],
    /// Files without a name that are still open.
    orphans: Vec<File>,
}

impl Worker {
    /// Works until it is done or told to stop; returns what is still open.
    fn work(mut self, operations: u64, done: &mpsc::Sender<()>, stop: &AtomicBool) -> Vec<File> {
        for _ in 0..operations {
            // Errors are those of a full or a stopped volume.
            if stop.load(Ordering::Relaxed) {
                break;
            }
            let _ = self.step();
            let _ = done.send(());
        }
        self.orphans
    }

    fn path(&mut self) -> PathBuf {
        let dir = self.rng.below(6);
        let name = self.rng.below(12);
        self.root.join(format!("d{dir}")).join(format!("file-{name}"))
    }

    fn open(&mut self) -> std::io::Result<File> {
        let path = self.path();
        if let Some(parent) = path.parent() {
            let _ = std::fs::create_dir(parent);
        }
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
    }

    fn step(&mut self) -> std::io::Result<()> {
        self.serial += 1;
        let block = self.block;
        match self.rng.below(20) {
            0..5 => self.write(),
            5..8 => self.clone_some(),
            8 => {
                let file = self.open()?;
                let (at, len) = (self.rng.below(40) * block, self.rng.range(1, 20) * block);
                Ok(fallocate(&file, FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, at, len)?)
            }
            9 => {
                let file = self.open()?;
                let (at, len) = (self.rng.below(60) * block, self.rng.range(1, 30) * block);
                Ok(fallocate(&file, FallocateFlags::KEEP_SIZE, at, len)?)
            }
            10 => self.open()?.set_len(self.rng.below(50 * block)),
            11 | 12 => self.xattr(),
            13 => {
                let (from, to) = (self.path(), self.path());
                std::fs::rename(from, to)
            }
            14 => {
                let path = self.path();
                std::fs::remove_file(path)
            }
            15 => self.orphan(),
            16 => self.many_names(),
            17 => self.open()?.sync_all(),
            18 => {
                let (from, to) = (self.path(), self.path());
                std::fs::hard_link(from, to)
            }
            _ => self.fragmented(),
        }
    }

    fn write(&mut self) -> std::io::Result<()> {
        let file = self.open()?;
        let (at, len) = (self.rng.below(40 * self.block), self.rng.range(1, 8 * self.block));
        file.write_all_at(&pattern(self.serial, at, len as usize), at)?;
        if self.rng.chance(40) { file.sync_data() } else { Ok(()) }
    }

    fn clone_some(&mut self) -> std::io::Result<()> {
        let (source, target) = (self.open()?, self.open()?);
        if self.rng.chance(50) {
            return Ok(ioctl_ficlone(&target, &source)?);
        }
        let (mut from, mut to) = (self.rng.below(30) * self.block, self.rng.below(30) * self.block);
        let len = self.rng.range(1, 10) * self.block;
        copy_file_range(&source, Some(&mut from), &target, Some(&mut to), len as usize)?;
        Ok(())
    }

    fn xattr(&mut self) -> std::io::Result<()> {
        let path = self.path();
        let name = format!("user.attribute-{}", self.rng.below(9));
        if self.rng.chance(30) {
            return Ok(removexattr(&path, name.as_str())?);
        }
        let len = *self.rng.pick(self.attribute_bytes);
        let value = pattern(self.serial, 0, len);
        Ok(setxattr(&path, name.as_str(), &value, XattrFlags::empty())?)
    }

    /// A file that loses its name while it is open.
    fn orphan(&mut self) -> std::io::Result<()> {
        let path = self.path();
        let file = OpenOptions::new().read(true).write(true).open(&path)?;
        std::fs::remove_file(path)?;
        self.orphans.push(file);
        if self.orphans.len() > 12 {
            self.orphans.remove(0);
        }
        Ok(())
    }

    /// A directory that grows through its forms, and goes again.
    fn many_names(&mut self) -> std::io::Result<()> {
        let dir = self.root.join(format!("names-{}", self.rng.below(3)));
        if self.rng.chance(15) {
            return std::fs::remove_dir_all(dir);
        }
        let _ = std::fs::create_dir(&dir);
        for index in 0..self.rng.range(5, 120) {
            let name = format!("a-name-of-some-length-{}-{index}", self.serial);
            match index % 7 {
                0 => {
                    std::os::unix::fs::symlink("x".repeat((self.serial % 900) as usize + 1), dir.join(name))?
                }
                _ => drop(File::create(dir.join(name))?),
            }
        }
        Ok(())
    }

    /// A file of many extents: its bmbt leaves the inode.
    fn fragmented(&mut self) -> std::io::Result<()> {
        let file = self.open()?;
        for index in 0..self.rng.range(5, 60) {
            let at = index * 2 * self.block;
            file.write_all_at(&pattern(self.serial, at, 100), at)?;
        }
        if self.rng.chance(50) { file.sync_data() } else { Ok(()) }
    }
}
