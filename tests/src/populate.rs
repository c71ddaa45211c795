//! The kernel fills a mounted volume with everything that XFS can hold. Seeded: same seed, same actions.

mod attributes;
mod directories;
mod files;
mod oddities;
mod sharing;
mod space;

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::FallocateFlags;

use crate::options::OptionSet;
use crate::rng::{Rng, pattern};

/// How much is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// For volumes of hundreds of MiB: every form, btrees of several levels.
    Full,
    /// For golden images of 16 to 64 MiB: every form, as small as it goes.
    Small,
}

/// Fills the volume mounted at `root`.
pub fn populate(root: &Path, set: &OptionSet, scale: Scale, seed: u64) {
    let mut maker =
        Maker { root: root.to_owned(), set, scale, rng: Rng::named(seed, set.name), serial: seed };
    maker.files();
    if set.reflink {
        maker.sharing();
    }
    maker.directories();
    maker.attributes();
    maker.oddities();
    maker.space();
    maker.times();
}

/// Makes a single directory whose btree has an inner level below its root; some 180 000 names of one inode at 4 KiB.
pub fn deep_directory(root: &Path, count: u32) {
    let dir = root.join("deep");
    std::fs::create_dir(&dir).expect("mkdir");
    let first = dir.join("first");
    std::fs::write(&first, b"one file of many names").expect("write");
    for index in 0..count {
        std::fs::hard_link(&first, dir.join(format!("n{index:x}"))).expect("link");
    }
}

/// What all makers share.
struct Maker<'a> {
    root: PathBuf,
    set: &'a OptionSet,
    scale: Scale,
    rng: Rng,
    serial: u64,
}

impl Maker<'_> {
    fn block(&self) -> u64 {
        self.set.block_bytes
    }

    fn is_full(&self) -> bool {
        self.scale == Scale::Full
    }

    /// A folder below the root, made if it is not there.
    fn folder(&self, name: &str) -> PathBuf {
        let dir = self.root.join(name);
        std::fs::create_dir_all(&dir).expect("mkdir");
        dir
    }

    /// A seed for the content of one file.
    fn next_serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    /// A new file with content.
    fn file(&mut self, path: &Path, size_bytes: u64) -> File {
        let file = open(path);
        let serial = self.next_serial();
        write_pattern(&file, serial, 0, size_bytes);
        file
    }
}

fn open(path: &Path) -> File {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    options.open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn write_pattern(file: &File, seed: u64, offset_bytes: u64, len_bytes: u64) {
    let mut done = 0;
    while done < len_bytes {
        let piece = (len_bytes - done).min(1 << 20);
        let bytes = pattern(seed, offset_bytes + done, usize::try_from(piece).expect("at most a MiB"));
        file.write_all_at(&bytes, offset_bytes + done).expect("write");
        done += piece;
    }
}

fn punch(file: &File, offset_bytes: u64, len_bytes: u64) {
    let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    rustix::fs::fallocate(file, flags, offset_bytes, len_bytes).expect("punch a hole");
}

fn preallocate(file: &File, offset_bytes: u64, len_bytes: u64, keep_size: bool) {
    let flags = if keep_size { FallocateFlags::KEEP_SIZE } else { FallocateFlags::empty() };
    rustix::fs::fallocate(file, flags, offset_bytes, len_bytes).expect("preallocate");
}
