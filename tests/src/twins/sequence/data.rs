//! Steps that change what files hold, and which blocks they have.

use xfskit::volume::Allocate;

use super::{Sequence, Step};
use crate::ops::Bytes;
use crate::rng::Rng;

impl Sequence {
    /// A place in a file, often at the border of a block.
    fn offset(&mut self) -> u64 {
        let offset = self.rng.below((40 * self.block).min(self.most / 2));
        match self.rng.below(4) {
            0 => offset,
            1 => (offset / self.block * self.block).saturating_sub(1),
            _ => offset / self.block * self.block,
        }
    }

    fn len(&mut self) -> u64 {
        match self.rng.below(10) {
            0 => 1,
            1..4 => self.rng.range(1, self.block),
            4..8 => self.rng.range(1, 8) * self.block,
            _ => self.rng.range(1, 16 * self.block),
        }
    }

    pub(super) fn data_step(&mut self) -> Step {
        let step = self.any_data_step();
        let Some((path, size)) = self.grown(&step) else { return step };
        if size > self.most {
            return Step::Truncate { path: Bytes(path.to_vec()), size: 0 };
        }
        step
    }

    /// The file that a step makes longer, and how long at most.
    pub(super) fn grown<'a>(&self, step: &'a Step) -> Option<(&'a [u8], u64)> {
        let size = |path: &[u8]| {
            let number = self.names.get(path).map(|named| named.number);
            number.and_then(|number| self.sizes.get(&number)).copied().unwrap_or(0)
        };
        let (path, end) = match step {
            Step::Tmpfile { path, len, .. } => (path, *len as u64),
            Step::Write { path, offset, len, .. } => (path, offset + *len as u64),
            Step::Append { path, len, .. } => (path, size(path) + *len as u64),
            Step::Truncate { path, size } => (path, *size),
            Step::Allocate { path, what: Allocate::Insert, len, .. } => (path, size(path) + len),
            Step::Allocate { path, offset, len, .. } => (path, offset + len),
            Step::CloneFile { source, target } => (target, size(source)),
            Step::CloneRange { source, target, to, len: 0, .. } => (target, to + size(source)),
            Step::CloneRange { target, to, len, .. } => (target, to + len),
            _ => return None,
        };
        Some((path, size(path).max(end)))
    }

    fn any_data_step(&mut self) -> Step {
        let path = self.file();
        self.serial += 1;
        let seed = self.serial;
        match self.rng.below(100) {
            0..34 => Step::Write { path, seed, offset: self.offset(), len: self.len() as usize },
            34..44 => Step::Append { path, seed, len: self.len() as usize },
            44..56 => Step::Truncate { path, size: if self.rng.chance(15) { 0 } else { self.offset() } },
            56..78 => self.allocate(path),
            // Without blocks to share these fail, which need not be seen often.
            78..88 if self.reflink || self.rng.chance(20) => {
                Step::CloneFile { source: self.file(), target: path }
            }
            88..100 if self.reflink || self.rng.chance(20) => self.clone_range(path),
            _ => Step::Write { path, seed, offset: self.offset(), len: self.len() as usize },
        }
    }

    fn allocate(&mut self, path: Bytes) -> Step {
        let keep_size = self.rng.chance(50);
        let what = match self.rng.below(12) {
            0..3 => Allocate::Blocks { keep_size },
            3..6 => Allocate::Punch,
            6..8 => Allocate::Zero { keep_size },
            8 => Allocate::Collapse,
            9 => Allocate::Insert,
            _ => Allocate::Unshare { keep_size },
        };
        let (mut offset, mut len) = (self.offset(), self.len());
        if matches!(what, Allocate::Collapse | Allocate::Insert) && self.rng.chance(90) {
            (offset, len) = (offset / self.block * self.block, len.next_multiple_of(self.block));
        }
        Step::Allocate { path, what, offset, len }
    }

    fn clone_range(&mut self, target: Bytes) -> Step {
        let source = self.file();
        let places = 40.min(self.most / 2 / self.block);
        let place = |rng: &mut Rng, block: u64| {
            let offset = rng.below(places) * block;
            if rng.chance(3) { offset + 512 } else { offset }
        };
        let (from, to) = (place(&mut self.rng, self.block), place(&mut self.rng, self.block));
        let len = match self.rng.below(10) {
            0 => self.rng.below(10 * self.block),
            1..4 => 0,
            _ => self.rng.range(1, 10) * self.block,
        };
        Step::CloneRange { source, from, target, to, len }
    }
}
