//! Directories of every form, with holes and with names whose hashes collide.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::Maker;

impl Maker<'_> {
    pub(super) fn directories(&mut self) {
        let dir = self.folder("dirs");
        // Shortform, block, leaf, node, node with holes; where one form ends depends on the option set.
        let counts: &[u64] =
            if self.is_full() { &[0, 1, 3, 40, 150, 700, 3000] } else { &[0, 1, 3, 40, 150, 1200] };
        for &count in counts {
            let sub = dir.join(format!("of-{count}"));
            std::fs::create_dir(&sub).expect("mkdir");
            self.names(&sub, count);
        }
        self.holes(&dir);
        self.collisions(&dir);
        self.nested(&dir);
    }

    /// Many names: some files of their own, mostly hard links, of all lengths.
    fn names(&mut self, dir: &Path, count: u64) {
        let targets: Vec<_> = (0..count.min(5)).map(|index| dir.join(format!("target{index}"))).collect();
        for target in &targets {
            self.file(target, 10);
        }
        for index in targets.len() as u64..count {
            let len = if self.rng.chance(10) { self.rng.range(20, 200) } else { self.rng.range(1, 24) };
            let filler: String = (0..len).map(|_| char::from(b'a' + self.rng.below(26) as u8)).collect();
            let path = dir.join(format!("{index}-{filler}"));
            match self.rng.below(40) {
                0 => std::fs::create_dir(&path).expect("mkdir"),
                1 => drop(self.file(&path, 1)),
                2 => std::os::unix::fs::symlink("elsewhere", &path).expect("symlink"),
                _ => {
                    let target = self.rng.pick(&targets).clone();
                    std::fs::hard_link(target, &path).expect("link");
                }
            }
        }
    }

    /// A directory that was large: whole directory blocks in its middle are holes now.
    fn holes(&mut self, dir: &Path) {
        for (name, count, kept) in [("holes", 2000, 400), ("emptied", 800, 2), ("cleared", 300, 0)] {
            let count = if self.is_full() { count } else { count / 4 };
            let sub = dir.join(name);
            std::fs::create_dir(&sub).expect("mkdir");
            let first = self.root.join("files/size-1");
            for index in 0..count {
                std::fs::hard_link(&first, sub.join(format!("entry-number-{index:06}"))).expect("link");
            }
            for index in (0..count).filter(|index| (kept..count - kept / 4).contains(index) || index % 3 == 1)
            {
                std::fs::remove_file(sub.join(format!("entry-number-{index:06}"))).expect("unlink");
            }
        }
    }

    fn collisions(&mut self, dir: &Path) {
        let sub = dir.join("collisions");
        std::fs::create_dir(&sub).expect("mkdir");
        let first = self.root.join("files/size-1");
        // No more than fit into one leaf: xfs_repair takes equal hashes on both sides of a border for damage.
        for name in colliding_names(2) {
            std::fs::hard_link(&first, sub.join(OsStr::from_bytes(&name))).expect("link");
        }
    }

    fn nested(&mut self, dir: &Path) {
        let mut path = dir.join("nested");
        for depth in 0..if self.is_full() { 120 } else { 20 } {
            path.push(format!("level{depth}"));
        }
        std::fs::create_dir_all(&path).expect("mkdir");
        self.file(&path.join("bottom"), 30);
    }
}

/// Names that all have one hash. In each group of four bytes, flipping the low bit of one byte and the high bit of the
/// next leaves the hash as it was, because the second byte is shifted by seven bits less.
pub(super) fn colliding_names(groups: u32) -> Vec<Vec<u8>> {
    let variants = 1_u32 << (3 * groups);
    let name = |variant: u32| {
        let mut bytes = b"abcd".repeat(groups as usize);
        for bit in (0..3 * groups).filter(|bit| variant >> bit & 1 == 1) {
            let at = (bit / 3 * 4 + bit % 3) as usize;
            bytes[at] ^= 1;
            bytes[at + 1] ^= 0x80;
        }
        bytes
    };
    (0..variants).map(name).collect()
}
