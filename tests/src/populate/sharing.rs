//! Files that share blocks: clones, clones of ranges, clones written to.

use std::fs::File;

use rustix::fs::{copy_file_range, ioctl_ficlone};

use super::{Maker, open, preallocate, punch, write_pattern};

impl Maker<'_> {
    pub(super) fn sharing(&mut self) {
        let dir = self.folder("shared");
        let block = self.block();
        let source = self.file(&dir.join("source"), 64 * block + 99);
        source.sync_all().expect("fsync");
        for name in ["clone", "clone-written", "clone-punched", "clone-truncated", "clone-appended"] {
            ioctl_ficlone(open(&dir.join(name)), &source).expect("clone a file");
        }
        let serial = self.next_serial();
        let written = open(&dir.join("clone-written"));
        for _ in 0..9 {
            let offset = self.rng.below(60 * block);
            let len = self.rng.range(1, 3 * block);
            write_pattern(&written, serial, offset, len);
        }
        written.sync_all().expect("fsync");
        punch(&open(&dir.join("clone-punched")), 7 * block, 9 * block);
        open(&dir.join("clone-truncated")).set_len(10 * block + 1).expect("truncate");
        write_pattern(&open(&dir.join("clone-appended")), serial, 64 * block + 99, 3 * block);
        ioctl_ficlone(open(&dir.join("clone-of-written")), &written).expect("clone a file");
        self.cloned_ranges(&source);
        self.cloned_unwritten();
        self.many_sharers(&source);
        let gone = dir.join("removed-sharer");
        ioctl_ficlone(open(&gone), &source).expect("clone a file");
        std::fs::remove_file(gone).expect("unlink");
    }

    fn cloned_ranges(&mut self, source: &File) {
        let dir = self.folder("shared");
        let block = self.block();
        let file = self.file(&dir.join("ranges"), 30 * block);
        file.sync_all().expect("fsync");
        for _ in 0..10 {
            let from = self.rng.below(40) * block;
            let to = self.rng.below(60) * block;
            let count = self.rng.range(1, 8) * block;
            clone_range(source, from, &file, to, count);
        }
        let own = self.file(&dir.join("within-itself"), 20 * block);
        own.sync_all().expect("fsync");
        clone_range(&own, 0, &own, 10 * block, 6 * block);
        clone_range(&own, 0, &own, 30 * block, 3 * block);
    }

    fn cloned_unwritten(&mut self) {
        let dir = self.folder("shared");
        let block = self.block();
        let source = open(&dir.join("unwritten-source"));
        preallocate(&source, 0, 16 * block, false);
        let serial = self.next_serial();
        write_pattern(&source, serial, 5 * block, 2 * block);
        source.sync_all().expect("fsync");
        ioctl_ficlone(open(&dir.join("unwritten-clone")), &source).expect("clone a file");
    }

    /// Every block of some range with another number of owners, so that the refcountbt gets many records.
    fn many_sharers(&mut self, source: &File) {
        let dir = self.folder("shared");
        let block = self.block();
        for index in 0..if self.is_full() { 24 } else { 6 } {
            let file = open(&dir.join(format!("sharer-{index}")));
            let step = self.rng.range(2, 6);
            for piece in (0..60).step_by(usize::try_from(step).expect("small")) {
                clone_range(source, piece * block, &file, piece * block, block);
            }
        }
    }
}

/// Shares a range; copy_file_range does so on XFS when everything is aligned.
fn clone_range(source: &File, from: u64, target: &File, to: u64, count: u64) {
    let (mut from, mut to, end) = (from, to, from + count);
    while from < end {
        let left = usize::try_from(end - from).expect("small");
        let done =
            copy_file_range(source, Some(&mut from), target, Some(&mut to), left).expect("clone a range");
        assert!(done > 0, "copy_file_range made no progress");
    }
}
