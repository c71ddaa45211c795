//! Names, and what inodes say of themselves: each change is a step.

use std::sync::Arc;

use super::{File, Model, Node, Owned, State, Value};

/// Takes a path and all that lies below it out of a state; what is left of each path is what stands behind `path`.
fn take(state: &mut State, path: &[u8]) -> Vec<(Vec<u8>, Node)> {
    let below = [path, b"/"].concat();
    let paths: Vec<_> = state.keys().filter(|key| *key == path || key.starts_with(&below)).cloned().collect();
    let taken = paths.into_iter().map(|key| {
        let node = state.remove(&key).expect("listed above");
        (key[path.len()..].to_vec(), node)
    });
    taken.collect()
}

/// Puts back what [`take`] took, at another path.
fn put(state: &mut State, path: &[u8], taken: Vec<(Vec<u8>, Node)>) {
    state.extend(taken.into_iter().map(|(rest, node)| ([path, &rest].concat(), node)));
}

impl Model {
    /// A file or directory is made.
    pub fn make(&mut self, path: &[u8], mode: u16, is_dir: bool) {
        let owned = Owned::by_root(mode);
        let id = self.next_id;
        self.next_id += 1;
        let node = match is_dir {
            true => Node::Directory(owned),
            false => Node::File(Arc::new(File { id, owned, size: 0, cells: Vec::new() })),
        };
        self.change(path, Some(node), None);
    }

    /// A symlink or a node is made.
    pub fn make_other(&mut self, path: &[u8], mode: u16, what: Vec<u8>) {
        let other = self.other(mode, what);
        self.change(path, Some(other), None);
    }

    fn other(&mut self, mode: u16, what: Vec<u8>) -> Node {
        self.next_id += 1;
        Node::Other(self.next_id - 1, Owned::by_root(mode), what)
    }

    /// Whether both paths lead to the same thing.
    fn are_same(&self, one: &[u8], other: &[u8]) -> bool {
        let id = |path| self.state().get(path).and_then(Node::id);
        one == other || id(one).is_some() && id(one) == id(other)
    }

    /// Something but a directory gets one more name.
    pub fn link(&mut self, path: &[u8], new: &[u8]) {
        let node = self.state()[path].clone();
        self.change(new, Some(node), None);
    }

    /// A name goes, of anything but a directory that holds something.
    pub fn remove(&mut self, path: &[u8]) {
        self.forget_last(path);
        self.change(path, None, None);
    }

    /// What a file has goes with its last name, at `path`.
    fn forget_last(&mut self, path: &[u8]) {
        let Some(Node::File(file)) = self.state().get(path).cloned() else { return };
        if self.state().values().filter(|node| node.is_file(file.id)).count() == 1 {
            self.memory.remove(&file.id);
            self.disown(&file.cells);
        }
    }

    /// Something gets another path, in place of what may be there. A whiteout may be left behind.
    pub fn rename(&mut self, from: &[u8], to: &[u8], whiteout: Option<Vec<u8>>) {
        if self.are_same(from, to) {
            return;
        }
        self.forget_last(to);
        let mut state = self.state().clone();
        state.remove(to);
        let moved = take(&mut state, from);
        put(&mut state, to, moved);
        if let Some(what) = whiteout {
            state.insert(from.to_vec(), self.other(0, what));
        }
        self.step(state, None);
    }

    /// Two paths change places.
    pub fn exchange(&mut self, one: &[u8], other: &[u8]) {
        if self.are_same(one, other) {
            return;
        }
        let mut state = self.state().clone();
        let (first, second) = (take(&mut state, one), take(&mut state, other));
        put(&mut state, other, first);
        put(&mut state, one, second);
        self.step(state, None);
    }

    /// Mode or owners change.
    pub fn set_owned(&mut self, path: &[u8], set: impl FnOnce(&mut Owned)) {
        if let Some(Node::File(file)) = self.state().get(path)
            && self.memory.get(&file.id).is_some_and(|memory| memory.blocks.is_empty())
        {
            self.writeback(path);
        }
        self.set_inode(path, set);
    }

    /// An extended attribute is set, or removed. With an access control list, the mode goes with it.
    pub fn set_xattr(&mut self, path: &[u8], name: &[u8], value: Option<&[u8]>, mode: Option<u16>) {
        self.set_inode(path, |owned| {
            let xattrs = Arc::make_mut(&mut owned.xattrs);
            match value {
                Some(value) => xattrs.insert(name.to_vec(), Value::of(value)),
                None => xattrs.remove(name),
            };
            owned.mode = mode.unwrap_or(owned.mode);
        });
    }

    fn set_inode(&mut self, path: &[u8], set: impl FnOnce(&mut Owned)) {
        let mut node = self.state()[path].clone();
        match &mut node {
            Node::Directory(owned) => set(owned),
            Node::File(file) => set(&mut Arc::make_mut(file).owned),
            Node::Other(_, owned, _) => set(owned),
        }
        self.change(path, Some(node), None);
    }
}
