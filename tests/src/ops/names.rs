//! Random operations on names.

use super::{Bytes, Generator, How, Op};
use crate::model::{Body, Node, ROOT};
use crate::rng::pattern;
use crate::tree::Kind;

/// Lengths of targets around the places where they leave the inode.
const TARGET_BYTES: [usize; 12] = [1, 5, 30, 190, 191, 192, 193, 335, 336, 337, 700, 1023];

impl Generator {
    /// Operations that make a directory of `count` names: links to one file and symlinks in turn.
    pub fn crowd(&mut self, count: usize) -> Vec<Op> {
        let dir = self.name();
        let node = self.model.add(ROOT, &dir, 0o755, Kind::Directory);
        let path = Bytes(self.model.path(node));
        let first = self.name();
        let file = self.model.add(node, &first, 0o644, Kind::File);
        let source = Bytes(child(&path, &first));
        let mut ops = vec![
            Op::Mkdir { dir: Bytes(b"/".to_vec()), name: dir, mode: 0o755 },
            Op::Create { dir: path.clone(), name: first, mode: 0o644 },
        ];
        for number in 0..count {
            let name = self.name();
            if number % 2 == 0 {
                self.model.link(node, &name, file);
                ops.push(Op::Link { path: source.clone(), dir: path.clone(), name });
            } else {
                self.model.add_with(node, &name, 0o777, Body::Symlink(b"target".to_vec()));
                ops.push(Op::Symlink { dir: path.clone(), name, target: Bytes(b"target".to_vec()) });
            }
        }
        ops
    }

    /// The next operation that makes, links or moves names.
    pub(super) fn name_step(&mut self) -> Option<Op> {
        match self.rng.below(100) {
            0..12 => self.create(),
            12..20 => self.mkdir(),
            20..28 => self.symlink(),
            28..34 => self.mknod(),
            34..46 => self.link(),
            46..50 => self.tmpfile(),
            50..80 => self.rename(),
            80..94 => self.remove_any(),
            _ => self.rmdir(),
        }
    }

    fn symlink(&mut self) -> Option<Op> {
        let (dir, name) = (self.dir_with_room()?, self.name());
        let len = *self.rng.pick(&TARGET_BYTES);
        let target: Vec<u8> = (0..len).map(|_| b"abc/.\xe9"[self.rng.index(6)]).collect();
        self.model.add_with(dir, &name, 0o777, Body::Symlink(target.clone()));
        Some(Op::Symlink { dir: Bytes(self.model.path(dir)), name, target: Bytes(target) })
    }

    fn mknod(&mut self) -> Option<Op> {
        let (dir, name, mode) = (self.dir_with_room()?, self.name(), self.rng.below(0o1000) as u16);
        let kinds = [Kind::Fifo, Kind::Socket, Kind::CharDevice, Kind::BlockDevice];
        let (kind, rdev) =
            (*self.rng.pick(&kinds), (self.rng.below(512) as u32, self.rng.below(70_000) as u32));
        let rdev = if matches!(kind, Kind::Fifo | Kind::Socket) { (0, 0) } else { rdev };
        self.model.add_with(dir, &name, mode, Body::Node(kind, rdev));
        Some(Op::Mknod { dir: Bytes(self.model.path(dir)), name, mode, kind, rdev })
    }

    fn tmpfile(&mut self) -> Option<Op> {
        self.serial += 1;
        let (dir, name, mode) = (self.dir_with_room()?, self.name(), self.rng.below(0o1000) as u16);
        let (seed, len_bytes) = (self.serial, self.len() as usize);
        let file = self.model.add(dir, &name, mode, Kind::File);
        self.model.write(file, 0, &pattern(seed, 0, len_bytes));
        Some(Op::Tmpfile { dir: Bytes(self.model.path(dir)), name, mode, seed, len_bytes })
    }

    /// A name that is there: directory, name, and what it leads to.
    fn any_name(&mut self) -> Option<(Node, Vec<u8>, Node)> {
        let names = self.model.all_names();
        (!names.is_empty()).then(|| self.rng.pick(&names).clone())
    }

    fn link(&mut self) -> Option<Op> {
        let (old_dir, old_name, node) = self.any_name()?;
        if self.model.inode(node).kind() == Kind::Directory {
            return None;
        }
        let (dir, name) = (self.dir_with_room()?, self.name());
        let path = super::names::child(&self.model.path(old_dir), &old_name);
        self.model.link(dir, &name, node);
        Some(Op::Link { path: Bytes(path), dir: Bytes(self.model.path(dir)), name })
    }

    /// Removes any name but that of a directory.
    fn remove_any(&mut self) -> Option<Op> {
        let (dir, name, node) = self.any_name()?;
        if self.model.inode(node).kind() == Kind::Directory {
            return None;
        }
        let op = Op::Unlink { dir: Bytes(self.model.path(dir)), name: Bytes(name.clone()) };
        self.model.remove_name(dir, &name);
        Some(op)
    }

    fn rename(&mut self) -> Option<Op> {
        let (dir, name, node) = self.any_name()?;
        let (new_dir, new_name) = match self.rng.below(10) {
            0..4 => (self.dir_with_room()?, self.name().0),
            4..6 => (dir, self.name().0),
            _ => {
                let (new_dir, new_name, _) = self.any_name()?;
                (new_dir, new_name)
            }
        };
        let target = self.model.names(new_dir).get(&new_name).copied();
        let how = match (self.rng.below(10), target) {
            (0..4, Some(_)) => How::Exchange,
            (0..3, None) => How::NoReplace,
            (4..6, _) => How::Whiteout,
            _ => How::Replace,
        };
        if !self.may_rename((dir, node), (new_dir, target), how) {
            return None;
        }
        let [old, new] = [dir, new_dir].map(|dir| Bytes(self.model.path(dir)));
        match how {
            How::Exchange => self.model.exchange(dir, &name, new_dir, &new_name),
            _ => self.model.rename(dir, &name, new_dir, &new_name),
        }
        if how == How::Whiteout && target != Some(node) {
            self.model.add_with(dir, &name, 0, Body::Node(Kind::CharDevice, (0, 0)));
        }
        let (name, new_name) = (Bytes(name), Bytes(new_name));
        Some(Op::Rename { dir: old, name, new_dir: new, new_name, how })
    }

    fn may_rename(
        &self,
        (dir, node): (Node, Node),
        (new_dir, target): (Node, Option<Node>),
        how: How,
    ) -> bool {
        let is_dir = |node: Node| self.model.inode(node).kind() == Kind::Directory;
        if is_dir(node) && self.model.is_within(new_dir, node) {
            return false;
        }
        let Some(target) = target else { return true };
        if target == ROOT || is_dir(target) && self.model.is_within(dir, target) {
            return false;
        }
        let is_empty = |node: Node| !is_dir(node) || self.model.names(node).is_empty();
        how == How::Exchange || is_dir(node) == is_dir(target) && is_empty(target)
    }
}

/// The path of a name in a directory.
fn child(dir: &[u8], name: &[u8]) -> Vec<u8> {
    let dir = dir.strip_suffix(b"/").unwrap_or(dir);
    [dir, b"/", name].concat()
}
