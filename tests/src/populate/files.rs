//! Files of every shape.

use rustix::fs::FallocateFlags;

use super::{Maker, open, preallocate, punch, write_pattern};

impl Maker<'_> {
    pub(super) fn files(&mut self) {
        let dir = self.folder("files");
        let block = self.block();
        for size in [0, 1, 511, 512, block - 1, block, block + 1, 3 * block, 10 * block + 17] {
            self.file(&dir.join(format!("size-{size}")), size);
        }
        if self.is_full() {
            self.file(&dir.join("large"), (8 << 20) + 4321);
        }
        self.sparse_files();
        self.unwritten_files();
        self.punched_files();
        self.many_extents();
        let cut = self.file(&dir.join("truncated"), 20 * block);
        cut.sync_all().expect("fsync");
        cut.set_len(7 * block + 100).expect("truncate");
        let longer = self.file(&dir.join("extended"), block / 2);
        longer.set_len(5 * block + 1).expect("truncate");
    }

    fn sparse_files(&mut self) {
        let dir = self.folder("files");
        let block = self.block();
        let serial = self.next_serial();
        let file = open(&dir.join("sparse"));
        for index in 0..12 {
            write_pattern(&file, serial, index * index * 8 * block, block + index * 100);
        }
        open(&dir.join("all-hole")).set_len(1 << 30).expect("truncate");
        let huge = open(&dir.join("huge-sparse"));
        write_pattern(&huge, serial, 0, 100);
        write_pattern(&huge, serial, (1 << 42) + 12345, 100);
        huge.set_len((1 << 50) + 77).expect("truncate");
    }

    fn unwritten_files(&mut self) {
        let dir = self.folder("files");
        let block = self.block();
        let serial = self.next_serial();
        preallocate(&open(&dir.join("preallocated")), 0, 20 * block, false);
        let beyond = self.file(&dir.join("preallocated-beyond-eof"), 2 * block + 5);
        preallocate(&beyond, 0, 24 * block, true);
        preallocate(&open(&dir.join("preallocated-empty")), 0, 6 * block, true);
        let inside = open(&dir.join("written-inside-preallocated"));
        preallocate(&inside, 0, 32 * block, false);
        write_pattern(&inside, serial, 4 * block, 3 * block);
        write_pattern(&inside, serial, 20 * block + 7, 10);
        inside.sync_all().expect("fsync");
        let zeroed = self.file(&dir.join("zeroed-range"), 16 * block);
        zeroed.sync_all().expect("fsync");
        let flags = FallocateFlags::ZERO_RANGE | FallocateFlags::KEEP_SIZE;
        rustix::fs::fallocate(&zeroed, flags, 3 * block + 9, 5 * block).expect("zero a range");
    }

    fn punched_files(&mut self) {
        let dir = self.folder("files");
        let block = self.block();
        let file = self.file(&dir.join("punched"), 40 * block + 3);
        file.sync_all().expect("fsync");
        for index in 0..8 {
            punch(&file, index * 5 * block + 11, 2 * block);
        }
        let tail = self.file(&dir.join("punched-tail"), 10 * block);
        punch(&tail, 4 * block, 60 * block);
    }

    /// Files whose bmbt has one, two or three levels.
    fn many_extents(&mut self) {
        let dir = self.folder("files");
        let block = self.block();
        let per_leaf = (block - 72) / 16;
        let serial = self.next_serial();
        let counts = match (self.is_full(), block) {
            (false, _) => vec![5, 30],
            (true, ..=1024) => vec![5, 30, 3 * per_leaf, 25 * per_leaf, 40 * per_leaf],
            (true, ..=4096) => vec![5, 30, 3 * per_leaf, 24 * per_leaf],
            (true, _) => vec![5, 30, 300],
        };
        for count in counts {
            let file = open(&dir.join(format!("extents-{count}")));
            for index in 0..count {
                write_pattern(&file, serial + count, index * 2 * block, block);
            }
            file.sync_all().expect("fsync");
            // Every seventh extent becomes a hole again, and every eleventh unwritten, so that the tree has shrunk too.
            for index in (0..count).filter(|index| index % 7 == 3) {
                punch(&file, index * 2 * block, block);
            }
            for index in (0..count).filter(|index| index % 11 == 5) {
                preallocate(&file, (index * 2 + 1) * block, block, false);
            }
        }
    }
}
