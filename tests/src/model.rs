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

/// A file's bytes, a directory's names, and what others have.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Body {
    File(Vec<u8>),
    Directory(BTreeMap<Vec<u8>, Node>),
    /// The target.
    Symlink(Vec<u8>),
    /// A device, with major and minor number, a fifo or a socket.
    Node(Kind, (u32, u32)),
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

    /// What it is.
    pub fn kind(&self) -> Kind {
        match self.body {
            Body::File(_) => Kind::File,
            Body::Directory(_) => Kind::Directory,
            Body::Symlink(_) => Kind::Symlink,
            Body::Node(kind, _) => kind,
        }
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
            _ => panic!("node {file} is no file"),
        }
    }

    /// The bytes of a file, to be changed; its time of modification is then whatever the volume says.
    pub fn content_mut(&mut self, file: Node) -> &mut Vec<u8> {
        let inode = self.inode_mut(file);
        inode.mtime = None;
        match &mut inode.body {
            Body::File(bytes) => bytes,
            _ => panic!("node {file} is no file"),
        }
    }

    /// The names in a directory.
    pub fn names(&self, dir: Node) -> &BTreeMap<Vec<u8>, Node> {
        match &self.inodes[&dir].body {
            Body::Directory(names) => names,
            _ => panic!("node {dir} is no directory"),
        }
    }

    fn names_mut(&mut self, dir: Node) -> &mut BTreeMap<Vec<u8>, Node> {
        let inode = self.inode_mut(dir);
        inode.mtime = None;
        match &mut inode.body {
            Body::Directory(names) => names,
            _ => panic!("node {dir} is no directory"),
        }
    }

    /// All nodes of a kind, in order.
    pub fn nodes(&self, kind: Kind) -> Vec<Node> {
        self.inodes.iter().filter(|(_, inode)| inode.kind() == kind).map(|(&node, _)| node).collect()
    }

    /// All names but the root's: directory, name, and what it leads to.
    pub fn all_names(&self) -> Vec<(Node, Vec<u8>, Node)> {
        let of_dir = |dir: Node| self.names(dir).iter().map(move |(name, &node)| (dir, name.clone(), node));
        self.nodes(Kind::Directory).into_iter().flat_map(of_dir).collect()
    }

    /// Whether the directory `node` is `above` or lies below it.
    pub fn is_within(&self, node: Node, above: Node) -> bool {
        node == above || node != ROOT && self.is_within(self.place(node).0, above)
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

    /// The first directory and name of a node that is not the root.
    pub fn place(&self, node: Node) -> (Node, Vec<u8>) {
        let holds = |dir: Node| {
            self.names(dir).iter().find(|&(_, &child)| child == node).map(|(name, _)| name.clone())
        };
        let dirs = self.nodes(Kind::Directory);
        dirs.into_iter().find_map(|dir| holds(dir).map(|name| (dir, name))).expect("every node has a name")
    }

    /// Makes a file or directory.
    pub fn add(&mut self, dir: Node, name: &[u8], mode: u16, kind: Kind) -> Node {
        let body = if kind == Kind::File { Body::File(Vec::new()) } else { Body::Directory(BTreeMap::new()) };
        self.add_with(dir, name, mode, body)
    }

    /// Makes anything.
    pub fn add_with(&mut self, dir: Node, name: &[u8], mode: u16, body: Body) -> Node {
        let node = self.next;
        self.next += 1;
        self.inodes.insert(node, Inode::new(mode, body));
        self.link(dir, name, node);
        node
    }

    /// Gives a node one more name.
    pub fn link(&mut self, dir: Node, name: &[u8], node: Node) {
        let old = self.names_mut(dir).insert(name.to_vec(), node);
        assert!(old.is_none(), "the name is taken");
    }

    /// Removes a name, and what it leads to with its last one.
    pub fn remove_name(&mut self, dir: Node, name: &[u8]) {
        let node = self.names_mut(dir).remove(name).expect("the name is there");
        if self.all_names().iter().all(|&(_, _, other)| other != node) {
            self.inodes.remove(&node);
        }
    }

    /// Moves a name, over what may have the new one.
    pub fn rename(&mut self, dir: Node, name: &[u8], new_dir: Node, new_name: &[u8]) {
        let node = self.names(dir)[name];
        match self.names(new_dir).get(new_name) {
            Some(&other) if other == node => return,
            Some(_) => self.remove_name(new_dir, new_name),
            None => {}
        }
        self.names_mut(dir).remove(name);
        self.link(new_dir, new_name, node);
    }

    /// Has two names change places.
    pub fn exchange(&mut self, dir: Node, name: &[u8], new_dir: Node, new_name: &[u8]) {
        let (node, other) = (self.names(dir)[name], self.names(new_dir)[new_name]);
        if node == other {
            return;
        }
        self.names_mut(dir).insert(name.to_vec(), other);
        self.names_mut(new_dir).insert(new_name.to_vec(), node);
        // Another "..", another time.
        for node in [node, other] {
            if dir != new_dir && self.inode(node).kind() == Kind::Directory {
                self.inode_mut(node).mtime = None;
            }
        }
    }

    /// Removes the first name of something.
    pub fn remove(&mut self, node: Node) {
        let (dir, name) = self.place(node);
        self.remove_name(dir, &name);
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
        let mut links: BTreeMap<Node, u32> = BTreeMap::new();
        self.all_names().iter().for_each(|(_, _, node)| *links.entry(*node).or_default() += 1);
        tree.entries.insert("/".into(), self.entry(ROOT, 1));
        let mut pending = vec![(ROOT, String::new())];
        while let Some((dir, prefix)) = pending.pop() {
            for (name, &child) in self.names(dir) {
                let path = format!("{prefix}/{}", escape(name));
                if matches!(self.inode(child).body, Body::Directory(_)) {
                    pending.push((child, path.clone()));
                }
                tree.entries.insert(path, self.entry(child, links[&child]));
            }
        }
        tree
    }

    fn entry(&self, node: Node, links: u32) -> Entry {
        let inode = self.inode(node);
        let (nlink, size, content) = match &inode.body {
            Body::File(bytes) => (links, Some(bytes.len() as u64), Some(digest(bytes))),
            Body::Directory(names) => {
                let is_dir = |&&child: &&Node| matches!(self.inode(child).body, Body::Directory(_));
                (2 + names.values().filter(is_dir).count() as u32, None, None)
            }
            Body::Symlink(target) => (links, Some(target.len() as u64), None),
            Body::Node(..) => (links, Some(0), None),
        };
        let (target, rdev) = match &inode.body {
            Body::Symlink(target) => (Some(escape(target)), None),
            Body::Node(Kind::CharDevice | Kind::BlockDevice, rdev) => (None, Some(*rdev)),
            _ => (None, None),
        };
        Entry {
            kind: inode.kind(),
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
            rdev,
            target,
            content,
            xattrs: None,
        }
    }
}
