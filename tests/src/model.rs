//! A filesystem in memory, as plain as can be: what a volume must show after the same operations.

use std::collections::BTreeMap;

use crate::tree::{Entry, Kind, Time, Tree, digest, escape};

/// Names an inode of the model.
pub type Node = u64;

/// What the model keeps of one inode.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "fields of stat(2)")]
pub struct Inode {
    pub mode: u16,
    pub uid: u32,
    pub gid: u32,
    pub atime: Option<Time>,
    pub mtime: Option<Time>,
    pub body: Body,
}

/// A file's bytes or a directory's names.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Body {
    File(Vec<u8>),
    Directory(BTreeMap<Vec<u8>, Node>),
}

/// The model of a volume.
#[derive(Debug, Clone)]
pub struct Model {
    inodes: BTreeMap<Node, Inode>,
    next: Node,
}

/// The root directory.
pub const ROOT: Node = 1;

impl Default for Model {
    fn default() -> Self {
        let root = Inode::new(0o755, Body::Directory(BTreeMap::new()));
        Self { inodes: BTreeMap::from([(ROOT, root)]), next: ROOT + 1 }
    }
}

impl Inode {
    fn new(mode: u16, body: Body) -> Self {
        Self { mode, uid: 0, gid: 0, atime: None, mtime: None, body }
    }
}

impl Model {
    /// One inode.
    pub fn inode(&self, node: Node) -> &Inode {
        &self.inodes[&node]
    }

    /// One inode, to be changed.
    pub fn inode_mut(&mut self, node: Node) -> &mut Inode {
        self.inodes.get_mut(&node).expect("a node of the model")
    }

    /// The bytes of a file.
    pub fn content(&self, file: Node) -> &[u8] {
        match &self.inodes[&file].body {
            Body::File(bytes) => bytes,
            Body::Directory(_) => panic!("node {file} is a directory"),
        }
    }

    /// The bytes of a file, to be changed; its time of modification is then whatever the volume says.
    pub fn content_mut(&mut self, file: Node) -> &mut Vec<u8> {
        let inode = self.inode_mut(file);
        inode.mtime = None;
        match &mut inode.body {
            Body::File(bytes) => bytes,
            Body::Directory(_) => panic!("node {file} is a directory"),
        }
    }

    /// The names in a directory.
    pub fn names(&self, dir: Node) -> &BTreeMap<Vec<u8>, Node> {
        match &self.inodes[&dir].body {
            Body::Directory(names) => names,
            Body::File(_) => panic!("node {dir} is a file"),
        }
    }

    fn names_mut(&mut self, dir: Node) -> &mut BTreeMap<Vec<u8>, Node> {
        let inode = self.inode_mut(dir);
        inode.mtime = None;
        match &mut inode.body {
            Body::Directory(names) => names,
            Body::File(_) => panic!("node {dir} is a file"),
        }
    }

    /// All nodes of a kind, in order.
    pub fn nodes(&self, kind: Kind) -> Vec<Node> {
        let is_wanted = |inode: &Inode| matches!(inode.body, Body::File(_)) == (kind == Kind::File);
        self.inodes.iter().filter(|(_, inode)| is_wanted(inode)).map(|(&node, _)| node).collect()
    }

    /// The path of a node, from the root.
    pub fn path(&self, node: Node) -> Vec<u8> {
        if node == ROOT {
            return b"/".to_vec();
        }
        let (dir, name) = self.place(node);
        let mut path = if dir == ROOT { Vec::new() } else { self.path(dir) };
        path.push(b'/');
        path.extend(name);
        path
    }

    /// Directory and name of a node that is not the root.
    pub fn place(&self, node: Node) -> (Node, Vec<u8>) {
        let holds = |dir: Node| {
            self.names(dir).iter().find(|&(_, &child)| child == node).map(|(name, _)| name.clone())
        };
        let dirs = self.nodes(Kind::Directory);
        dirs.into_iter().find_map(|dir| holds(dir).map(|name| (dir, name))).expect("every node has a name")
    }

    /// Makes a file or directory.
    pub fn add(&mut self, dir: Node, name: &[u8], mode: u16, kind: Kind) -> Node {
        let node = self.next;
        self.next += 1;
        let body = if kind == Kind::File { Body::File(Vec::new()) } else { Body::Directory(BTreeMap::new()) };
        self.inodes.insert(node, Inode::new(mode, body));
        let old = self.names_mut(dir).insert(name.to_vec(), node);
        assert!(old.is_none(), "the name is taken");
        node
    }

    /// Removes a file, or a directory that is empty.
    pub fn remove(&mut self, node: Node) {
        let (dir, name) = self.place(node);
        self.names_mut(dir).remove(&name);
        self.inodes.remove(&node);
    }

    /// Writes into a file, extending it where needed.
    pub fn write(&mut self, file: Node, offset_bytes: usize, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let content = self.content_mut(file);
        let end = offset_bytes + bytes.len();
        if content.len() < end {
            content.resize(end, 0);
        }
        content[offset_bytes..end].copy_from_slice(bytes);
    }

    /// What a volume with this content shows.
    pub fn tree(&self) -> Tree {
        let mut tree = Tree::default();
        tree.entries.insert("/".into(), self.entry(ROOT));
        let mut pending = vec![(ROOT, String::new())];
        while let Some((dir, prefix)) = pending.pop() {
            for (name, &child) in self.names(dir) {
                let path = format!("{prefix}/{}", escape(name));
                if matches!(self.inode(child).body, Body::Directory(_)) {
                    pending.push((child, path.clone()));
                }
                tree.entries.insert(path, self.entry(child));
            }
        }
        tree
    }

    fn entry(&self, node: Node) -> Entry {
        let inode = self.inode(node);
        let (kind, nlink, size, content) = match &inode.body {
            Body::File(bytes) => (Kind::File, 1, Some(bytes.len() as u64), Some(digest(bytes))),
            Body::Directory(names) => {
                let is_dir = |&&child: &&Node| matches!(self.inode(child).body, Body::Directory(_));
                (Kind::Directory, 2 + names.values().filter(is_dir).count() as u32, None, None)
            }
        };
        Entry {
            kind,
            mode: inode.mode,
            uid: inode.uid,
            gid: inode.gid,
            nlink,
            size,
            ino: None,
            blocks: None,
            atime: inode.atime,
            mtime: inode.mtime,
            ctime: None,
            crtime: None,
            rdev: None,
            target: None,
            content,
            xattrs: None,
        }
    }
}
