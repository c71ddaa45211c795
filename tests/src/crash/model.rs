//! What a volume may show after a crash.
//!
//! The model does every operation as the volume does: contents wait in memory until they are written back, and
//! metadata changes by steps, of which the log holds a prefix. A block of a file has a *cell*, which stands for the
//! blocks on the device that hold it: clones share cells, data over a shared cell goes to a new one, data over a cell
//! of the file's own goes into it. So after a crash
//!
//! * the volume shows one step, not older than the last durable one and not younger than the operation under way;
//! * a cell holds what was last put there up to that step, for data is durable before a step is; or, sector by sector,
//!   anything that was put there since, if it is the file's own: what others put there must never be seen in it. A cell
//!   that was never overwritten has one content only.
//!
//! That no old data shows up, no hole where data was, no half of an overwrite of shared blocks, that a clone's source
//! never changes: it all follows from these two.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// Names a file, whatever its path is.
pub type FileId = u32;

/// Names a cell.
pub type Cell = usize;

/// Mode, user and group, and what else an inode says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields of stat(2)")]
pub struct Owned {
    pub mode: u16,
    pub uid: u32,
    pub gid: u32,
    /// Extended attributes by their full names.
    pub xattrs: Xattrs,
}

/// Extended attributes by their full names.
pub type Xattrs = Arc<BTreeMap<Vec<u8>, Value>>;

/// Stands for the value of an extended attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Value {
    len_bytes: usize,
    hash: u64,
}

impl Value {
    /// What stands for `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        let mut hasher = std::hash::DefaultHasher::new();
        bytes.hash(&mut hasher);
        Self { len_bytes: bytes.len(), hash: hasher.finish() }
    }
}

impl Owned {
    /// What root makes.
    pub fn by_root(mode: u16) -> Self {
        Self { mode, uid: 0, gid: 0, xattrs: Xattrs::default() }
    }
}

/// A file as its inode and extents describe it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its name for life.
    pub id: FileId,
    /// Mode and owners.
    pub owned: Owned,
    /// Size in bytes.
    pub size: u64,
    /// Cells by file block; `None` for holes.
    pub cells: Vec<Option<Cell>>,
}

/// What a path leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// A directory.
    Directory(Owned),
    /// A file; one with several names stands at each of them.
    File(Arc<File>),
    /// A symlink with its target, or a node.
    Other(FileId, Owned, Vec<u8>),
}

impl Node {
    /// Whether it is that file.
    fn is_file(&self, id: FileId) -> bool {
        matches!(self, Self::File(file) if file.id == id)
    }

    /// What tells it from others, of anything but a directory.
    fn id(&self) -> Option<FileId> {
        match self {
            Self::Directory(_) => None,
            Self::File(file) => Some(file.id),
            Self::Other(id, ..) => Some(*id),
        }
    }
}

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

/// All metadata at one moment, by path. The root is not listed.
pub type State = BTreeMap<Vec<u8>, Node>;

/// A step of the metadata.
#[derive(Debug, Clone)]
pub struct Step {
    /// The operation that made it.
    pub op: usize,
    /// What is then.
    pub state: State,
    /// A file of which a part may have made the step and the rest not: the change was too large for one transaction.
    pub in_parts: Option<FileId>,
}

/// An operation.
#[derive(Debug, Clone)]
pub struct Done {
    /// Events of the device before it.
    pub start: usize,
    /// Events of the device after it; the largest number while it is under way.
    pub end: usize,
    /// Everything before its end is durable.
    pub is_durable: bool,
    /// For reports.
    pub text: String,
}

/// What was put into a cell, and by which operation.
#[derive(Debug, Clone)]
pub struct Content {
    /// The operation that wrote it back.
    pub op: usize,
    /// The step that its writeback made.
    pub step: usize,
    /// The file that it was written to.
    pub file: FileId,
    /// A whole fsblock.
    pub bytes: Arc<[u8]>,
}

/// Data of a file that is not written back.
#[derive(Debug, Clone, Default)]
struct Memory {
    size: u64,
    blocks: BTreeMap<u64, Arc<[u8]>>,
}

/// The model.
#[derive(Debug, Clone)]
pub struct Model {
    block_bytes: u64,
    /// Changes of more blocks than this may be cut into several transactions.
    large_blocks: usize,
    steps: Vec<Step>,
    ops: Vec<Done>,
    cells: Vec<Vec<Content>>,
    /// Owners of each cell in the newest state.
    owners: Vec<u32>,
    memory: BTreeMap<FileId, Memory>,
    next_id: FileId,
}

impl Model {
    /// The model of a fresh volume with fsblocks of `block_bytes` bytes.
    pub fn new(block_bytes: u32) -> Self {
        let mut model = Self {
            block_bytes: block_bytes.into(),
            large_blocks: 64,
            steps: Vec::new(),
            ops: Vec::new(),
            cells: Vec::new(),
            owners: Vec::new(),
            memory: BTreeMap::new(),
            next_id: 1,
        };
        model.begin_op(0, "nothing".into());
        model.end_op(0, true);
        model.step(State::new(), None);
        model
    }

    /// Declares the present as the beginning: everything so far is durable.
    pub fn forget_history(&mut self) {
        assert!(self.memory.is_empty(), "everything is written back");
        let state = self.state().clone();
        for contents in &mut self.cells {
            let last = contents.pop().map(|last| Content { op: 0, step: 0, ..last });
            *contents = last.into_iter().collect();
        }
        self.steps.clear();
        self.ops.clear();
        self.begin_op(0, "what was there before".into());
        self.end_op(0, true);
        self.step(state, None);
    }

    /// All steps.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// All operations.
    pub fn ops(&self) -> &[Done] {
        &self.ops
    }

    /// What was put into a cell, oldest first.
    pub fn contents(&self, cell: Cell) -> &[Content] {
        &self.cells[cell]
    }

    /// Bytes of a fsblock.
    pub fn block_bytes(&self) -> u64 {
        self.block_bytes
    }

    /// The newest state.
    pub fn state(&self) -> &State {
        &self.steps.last().expect("there is always one").state
    }

    /// Begins an operation.
    pub fn begin_op(&mut self, events: usize, text: String) {
        self.ops.push(Done { start: events, end: usize::MAX, is_durable: false, text });
    }

    /// Ends the operation under way.
    pub fn end_op(&mut self, events: usize, is_durable: bool) {
        let op = self.ops.last_mut().expect("begun before");
        (op.end, op.is_durable) = (events, is_durable);
    }

    fn op(&self) -> usize {
        self.ops.len() - 1
    }

    fn step(&mut self, state: State, in_parts: Option<FileId>) {
        self.steps.push(Step { op: self.op(), state, in_parts });
    }

    /// Changes one entry in a step of its own.
    fn change(&mut self, path: &[u8], node: Option<Node>, in_parts: Option<FileId>) {
        let mut state = self.state().clone();
        if let Some(Node::File(file)) = &node {
            for other in state.values_mut().filter(|other| other.is_file(file.id)) {
                *other = Node::File(Arc::clone(file));
            }
        }
        match node {
            Some(node) => state.insert(path.to_vec(), node),
            None => state.remove(path),
        };
        self.step(state, in_parts);
    }

    /// The file at `path`.
    pub fn file(&self, path: &[u8]) -> Arc<File> {
        match self.state().get(path) {
            Some(Node::File(file)) => Arc::clone(file),
            _ => panic!("{} is a file", String::from_utf8_lossy(path)),
        }
    }

    /// Extended attributes of what is at `path`.
    pub fn xattrs(&self, path: &[u8]) -> &Xattrs {
        match &self.state()[path] {
            Node::Directory(owned) | Node::Other(_, owned, _) => &owned.xattrs,
            Node::File(file) => &file.owned.xattrs,
        }
    }

    /// Size of a file as callers see it.
    pub fn size(&self, path: &[u8]) -> u64 {
        let file = self.file(path);
        self.memory.get(&file.id).map_or(file.size, |memory| memory.size)
    }

    /// Paths of all files.
    pub fn paths(&self) -> Vec<Vec<u8>> {
        let files = self.state().iter().filter(|(_, node)| matches!(node, Node::File(_)));
        files.map(|(path, _)| path.clone()).collect()
    }

    /// Paths of the files with something in memory.
    pub fn waiting(&self) -> Vec<Vec<u8>> {
        self.paths().into_iter().filter(|path| self.memory.contains_key(&self.file(path).id)).collect()
    }

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

    /// Data is written, into memory.
    pub fn write(&mut self, path: &[u8], offset: u64, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let (block_bytes, size, end) = (self.block_bytes, self.size(path), offset + bytes.len() as u64);
        if offset / block_bytes > size / block_bytes {
            self.touch_tail(path, size);
        }
        for block in offset / block_bytes..end.div_ceil(block_bytes) {
            let start = block * block_bytes;
            let (from, to) = (offset.max(start), end.min(start + block_bytes));
            let mut content = self.block(path, block).to_vec();
            content[(from - start) as usize..(to - start) as usize]
                .copy_from_slice(&bytes[(from - offset) as usize..(to - offset) as usize]);
            self.memory_of(path).blocks.insert(block, content.into());
        }
        let memory = self.memory_of(path);
        memory.size = memory.size.max(end);
    }

    /// A file gets another size: what is cut off goes at once, what is added comes with the writeback.
    pub fn truncate(&mut self, path: &[u8], size: u64) {
        let current = self.size(path);
        self.touch_tail(path, size.min(current));
        let until = size.div_ceil(self.block_bytes);
        if size <= current {
            let mut file = self.file(path);
            let inner = Arc::make_mut(&mut file);
            let cut = inner.cells.split_off(inner.cells.len().min(until as usize));
            inner.size = inner.size.min(size);
            let in_parts = (cut.len() > self.large_blocks).then_some(inner.id);
            self.change(path, Some(Node::File(file)), in_parts);
            self.disown(&cut);
        }
        let memory = self.memory_of(path);
        memory.blocks.split_off(&until);
        memory.size = size;
    }

    /// Part of `target` shares the cells of part of `source`; all in bytes.
    pub fn clone_range(&mut self, source: &[u8], from: u64, target: &[u8], to: u64, len: u64) {
        self.writeback(source);
        self.writeback(target);
        let len = if len == 0 { self.size(source) - from } else { len };
        if len == 0 {
            return;
        }
        let size = self.size(target);
        if to > size {
            self.touch_tail(target, size);
            self.writeback(target);
        }
        let (first, count) = ((from / self.block_bytes) as usize, len.div_ceil(self.block_bytes) as usize);
        let shared: Vec<_> = (first..first + count)
            .map(|block| self.file(source).cells.get(block).copied().flatten())
            .collect();
        let mut file = self.file(target);
        let inner = Arc::make_mut(&mut file);
        let place = (to / self.block_bytes) as usize;
        inner.cells.resize(inner.cells.len().max(place + count), None);
        let replaced: Vec<_> = inner.cells.splice(place..place + count, shared.iter().copied()).collect();
        inner.size = inner.size.max(to + len);
        let in_parts = (count > self.large_blocks).then_some(inner.id);
        self.change(target, Some(Node::File(file)), in_parts);
        for cell in shared.into_iter().flatten() {
            self.owners[cell] += 1;
        }
        self.disown(&replaced);
    }

    /// What waits in memory of a file is written: shared cells give way to new ones.
    pub fn writeback(&mut self, path: &[u8]) {
        let Some(Node::File(file)) = self.state().get(path) else { return };
        let mut file = Arc::clone(file);
        let Some(memory) = self.memory.remove(&file.id) else { return };
        let (op, step) = (self.op(), self.steps.len());
        let inner = Arc::make_mut(&mut file);
        let id = inner.id;
        let in_parts = (memory.blocks.len() > self.large_blocks).then_some(inner.id);
        for (block, bytes) in memory.blocks {
            let block = block as usize;
            let content = Content { op, step, file: id, bytes };
            inner.cells.resize(inner.cells.len().max(block + 1), None);
            match inner.cells[block] {
                Some(cell) if self.owners[cell] == 1 => self.cells[cell].push(content),
                old => {
                    self.disown(&[old]);
                    inner.cells[block] = Some(self.cells.len());
                    self.cells.push(vec![content]);
                    self.owners.push(1);
                }
            }
        }
        inner.size = memory.size;
        self.change(path, Some(Node::File(file)), in_parts);
    }

    fn disown(&mut self, cells: &[Option<Cell>]) {
        for cell in cells.iter().copied().flatten() {
            self.owners[cell] -= 1;
        }
    }

    fn memory_of(&mut self, path: &[u8]) -> &mut Memory {
        let file = self.file(path);
        self.memory.entry(file.id).or_insert_with(|| Memory { size: file.size, blocks: BTreeMap::new() })
    }

    /// What a reader finds in a block; zeros in a hole.
    fn block(&self, path: &[u8], block: u64) -> Arc<[u8]> {
        let file = self.file(path);
        if let Some(bytes) = self.memory.get(&file.id).and_then(|memory| memory.blocks.get(&block)) {
            return Arc::clone(bytes);
        }
        match file.cells.get(block as usize).copied().flatten() {
            Some(cell) => Arc::clone(&self.cells[cell].last().expect("never empty").bytes),
            None => vec![0; self.block_bytes as usize].into(),
        }
    }

    /// The block that byte `size` lies in is zeroed from there on, unless it is a hole.
    fn touch_tail(&mut self, path: &[u8], size: u64) {
        let (block, rest) = (size / self.block_bytes, (size % self.block_bytes) as usize);
        let file = self.file(path);
        let is_dirty = self.memory.get(&file.id).is_some_and(|memory| memory.blocks.contains_key(&block));
        let is_mapped = file.cells.get(block as usize).is_some_and(Option::is_some);
        if rest == 0 || !(is_dirty || is_mapped) {
            return;
        }
        let mut bytes = self.block(path, block).to_vec();
        bytes[rest..].fill(0);
        self.memory_of(path).blocks.insert(block, bytes.into());
    }
}
