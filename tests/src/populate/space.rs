//! Fragmented free space, inode chunks that are partly there, inodes that are gone.

use super::{Maker, open, preallocate, punch};

impl Maker<'_> {
    pub(super) fn space(&mut self) {
        self.removed_inodes();
        self.fragments();
    }

    /// Leaves inode chunks with holes and frees whole ones.
    fn removed_inodes(&mut self) {
        let dir = self.folder("inodes");
        let count = if self.is_full() { 1500 } else { 300 };
        for index in 0..count {
            std::fs::write(dir.join(format!("{index}")), b"").expect("write");
        }
        for index in 0..count {
            if (200..400).contains(&index) || (index < 1000 && self.rng.chance(70)) {
                std::fs::remove_file(dir.join(format!("{index}"))).expect("unlink");
            }
        }
    }

    /// Cuts most of the free space into pieces too small or too badly aligned for a whole inode chunk, then makes files
    /// until the kernel has to make sparse chunks.
    fn fragments(&mut self) {
        let block = self.block();
        let filler_path = self.root.join("filler");
        let filler = open(&filler_path);
        let stat = rustix::fs::statvfs(&self.root).expect("statvfs");
        let free = stat.f_bavail * stat.f_frsize;
        let left = free / 16;
        let size = (free - left) / block * block;
        preallocate(&filler, 0, size, true);
        // An inode chunk is 64 inodes: pieces of seven eighths of its size, and what is left of it for the filler.
        let chunk = (64 * 512_u64).max(4 * block);
        let piece = (chunk / 8 * 7).max(block) / block * block;
        let stride = (chunk + piece).max(2 * block);
        let pieces = (size / stride).min(if self.is_full() { 3000 } else { 150 });
        for index in 0..pieces {
            punch(&filler, index * stride, piece);
        }
        drop(filler);
        let dir = self.folder("late-inodes");
        for index in 0..if self.is_full() { 1200 } else { 200 } {
            std::fs::write(dir.join(format!("{index}")), b"x".repeat(index % 7)).expect("write");
        }
        // The filler stays on every other volume, which is then nearly full.
        if self.set.name.len().is_multiple_of(2) {
            std::fs::remove_file(filler_path).expect("unlink");
        }
    }
}
