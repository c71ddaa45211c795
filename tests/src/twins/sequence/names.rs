//! Steps that make, link, move and remove names.

use super::{MAX_NAMES, MISSING, Sequence, Step, TARGET_BYTES};
use crate::ops::{Bytes, How};
use crate::tree::Kind;

impl Sequence {
    pub(super) fn name_step(&mut self) -> Step {
        let is_crowded = self.names.len() > MAX_NAMES;
        match self.rng.below(100) {
            0..14 if !is_crowded => Step::Create { path: self.fresh(), mode: self.mode() },
            14..22 if !is_crowded => Step::Mkdir { path: self.fresh(), mode: self.mode() },
            22..28 if !is_crowded => {
                let (path, len) = (self.fresh(), *self.rng.pick(&TARGET_BYTES));
                let mut target: Vec<u8> = (0..len).map(|_| b"abc/.\xe9"[self.rng.index(6)]).collect();
                // What no name starts with: a link that is followed leads nowhere, and not out of the mount.
                target.iter_mut().take(1).for_each(|first| *first = b'q');
                Step::Symlink { path, target: Bytes(target) }
            }
            28..33 if !is_crowded => self.mknod(),
            33..36 if !is_crowded => {
                let (dir, path, mode) = (self.of_kind(Kind::Directory), self.fresh(), self.mode());
                self.serial += 1;
                Step::Tmpfile { dir, path, mode, seed: self.serial, len: self.rng.index(9000) }
            }
            36..44 if !is_crowded => Step::Link { path: self.any(), new: self.fresh() },
            44..46 => self.crowd(),
            46..48 => self.thin(),
            48..60 => Step::Unlink { path: self.named() },
            60..66 => {
                let path = if self.rng.chance(90) { self.of_kind(Kind::Directory) } else { self.named() };
                if path.is_empty() { Step::Sync } else { Step::Rmdir { path } }
            }
            _ => self.rename(),
        }
    }

    fn mknod(&mut self) -> Step {
        let kinds = [Kind::Fifo, Kind::Socket, Kind::CharDevice, Kind::BlockDevice];
        let kind = *self.rng.pick(&kinds);
        let is_device = matches!(kind, Kind::CharDevice | Kind::BlockDevice);
        let rdev = (self.rng.below(512) as u32, self.rng.below(70_000) as u32);
        let rdev = if is_device { rdev } else { (0, 0) };
        Step::Mknod { path: self.fresh(), kind, mode: self.mode(), rdev }
    }

    fn crowd(&mut self) -> Step {
        self.serial += 1;
        let dir = self.of_kind(Kind::Directory);
        let base = [&dir[..], format!("/crowd {} ", self.serial).as_bytes()].concat();
        let count = self.rng.range(5, 80) as u32;
        Step::Crowd {
            path: self.of_kind(Kind::File),
            base: Bytes(base),
            first: self.rng.below(1000) as u32,
            count,
        }
    }

    fn thin(&mut self) -> Step {
        if self.crowds.is_empty() {
            return Step::Sync;
        }
        let index = self.rng.index(self.crowds.len());
        let (base, first, count) = self.crowds.remove(index);
        Step::Thin { base: Bytes(base), first, count }
    }

    fn rename(&mut self) -> Step {
        let path = self.named();
        let new = if self.rng.chance(45) { self.named() } else { self.fresh() };
        let new = if &new[..] == MISSING { self.fresh() } else { new };
        let how = match self.rng.below(10) {
            0..2 => How::Exchange,
            2..4 => How::NoReplace,
            4..6 => How::Whiteout,
            _ => How::Replace,
        };
        Step::Rename { path, new, how }
    }
}
