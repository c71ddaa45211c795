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

mod contents;
mod names;

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
}
