//! Random operations on a filesystem, made from what a model holds and done to the model.

#[cfg(unix)]
mod host;
mod names;

#[cfg(unix)]
pub use host::apply_on_mount;

use xfskit::acl::{Acl, AclKind};

use crate::model::{Model, Node, ROOT};
#[cfg(unix)]
use crate::options::OptionSet;
use crate::rng::{Rng, pattern};
use crate::tree::{Kind, Time, escape};

/// One operation. Paths are from the root.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "named like the calls")]
pub enum Op {
    Create {
        dir: Bytes,
        name: Bytes,
        mode: u16,
    },
    Mkdir {
        dir: Bytes,
        name: Bytes,
        mode: u16,
    },
    Unlink {
        dir: Bytes,
        name: Bytes,
    },
    Rmdir {
        dir: Bytes,
        name: Bytes,
    },
    /// Its mode is 0777.
    Symlink {
        dir: Bytes,
        name: Bytes,
        target: Bytes,
    },
    /// A device, a fifo or a socket.
    Mknod {
        dir: Bytes,
        name: Bytes,
        mode: u16,
        kind: Kind,
        rdev: (u32, u32),
    },
    Link {
        path: Bytes,
        dir: Bytes,
        name: Bytes,
    },
    Rename {
        dir: Bytes,
        name: Bytes,
        new_dir: Bytes,
        new_name: Bytes,
        how: How,
    },
    /// A file that is made without a name, written, and then given one.
    Tmpfile {
        dir: Bytes,
        name: Bytes,
        mode: u16,
        seed: u64,
        len_bytes: usize,
    },
    /// Writes [`pattern`]`(seed, offset_bytes, len_bytes)`.
    Write {
        path: Bytes,
        seed: u64,
        offset_bytes: u64,
        len_bytes: usize,
    },
    Truncate {
        path: Bytes,
        size_bytes: u64,
    },
    CloneFile {
        source: Bytes,
        target: Bytes,
    },
    CloneRange {
        source: Bytes,
        from_bytes: u64,
        target: Bytes,
        to_bytes: u64,
        len_bytes: u64,
    },
    Chmod {
        path: Bytes,
        mode: u16,
    },
    Chown {
        path: Bytes,
        uid: u32,
        gid: u32,
    },
    Utimes {
        path: Bytes,
        atime: Time,
        mtime: Time,
    },
    /// xfskit only: gives an extended attribute of users the [`value`] of that seed and length.
    SetXattr {
        path: Bytes,
        name: Bytes,
        seed: u64,
        len_bytes: usize,
    },
    /// xfskit only.
    RemoveXattr {
        path: Bytes,
        name: Bytes,
    },
    /// xfskit only.
    SetAcl {
        path: Bytes,
        kind: AclKind,
        list: Option<Acl>,
    },
    Sync,
    Fsync {
        path: Bytes,
    },
    /// xfskit only: data goes to the device, which does not make it durable.
    Writeback {
        path: Bytes,
    },
    Reopen,
    /// The kernel only: allocates blocks without content, also past the end of the file.
    Preallocate {
        path: Bytes,
        offset_bytes: u64,
        len_bytes: u64,
    },
    /// The kernel only: makes a hole.
    Punch {
        path: Bytes,
        offset_bytes: u64,
        len_bytes: u64,
    },
}

/// The value of an extended attribute. No sector of it looks like file data.
pub fn value(seed: u64, len_bytes: usize) -> Vec<u8> {
    format!("value {seed}, ").into_bytes().into_iter().cycle().take(len_bytes).collect()
}

/// What a rename does with what has the new name, and with the old name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "named like the flags of renameat2(2)")]
pub enum How {
    Replace,
    NoReplace,
    Exchange,
    Whiteout,
}

/// A path or name, shown so that it can be read.
#[derive(Clone, PartialEq, Eq)]
pub struct Bytes(pub Vec<u8>);

impl std::fmt::Debug for Bytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&escape(&self.0))
    }
}

impl std::ops::Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl From<&[u8]> for Bytes {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }
}

/// What operations stay within.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Size of a fsblock in bytes: many offsets are multiples of it.
    pub block_bytes: u64,
    /// Most names of one directory.
    pub names: usize,
    /// Most bytes of a name besides its number.
    pub name_bytes: u64,
    /// Largest file in bytes.
    pub file_bytes: u64,
    /// Most files.
    pub files: usize,
    /// Whether blocks can be shared.
    pub reflink: bool,
    /// Whether times past 2038 can be stored.
    pub bigtime: bool,
}

/// Bytes that most names have at most, besides their numbers.
pub const NAME_BYTES: u64 = 14;

impl Limits {
    /// Limits for small volumes as xfskit makes them, with little data, so that a sequence takes little time.
    pub fn small() -> Self {
        let (block_bytes, file_bytes) = (4096, 256 << 10);
        Self {
            block_bytes,
            names: 40,
            name_bytes: NAME_BYTES,
            file_bytes,
            files: 30,
            reflink: true,
            bigtime: true,
        }
    }

    /// Limits for the volumes of an option set. Where blocks of directories are small, names are long, so that few of them
    /// make a directory leave its inode, and then its block.
    #[cfg(unix)]
    pub fn of(set: &OptionSet) -> Self {
        let (block_bytes, reflink, bigtime) = (set.block_bytes, set.reflink, set.bigtime);
        let file_bytes = (300 * block_bytes).min(4 << 20);
        let has_small_dirs = block_bytes == 1024 && !set.args.contains(&"size=64k");
        let name_bytes = if has_small_dirs { 100 } else { NAME_BYTES };
        Self { block_bytes, names: 40, name_bytes, file_bytes, files: 60, reflink, bigtime }
    }
}

/// Makes operations that must succeed, and does them to its model.
#[derive(Debug)]
pub struct Generator {
    /// What the volume must show.
    pub model: Model,
    limits: Limits,
    rng: Rng,
    serial: u64,
    /// Names are linked and moved as well.
    moves_names: bool,
}

impl Generator {
    /// A generator for an empty volume.
    pub fn new(limits: Limits, rng: Rng) -> Self {
        Self { model: Model::default(), limits, rng, serial: 0, moves_names: false }
    }

    /// The same, for operations of which most move and link names.
    #[must_use]
    pub fn moving_names(self) -> Self {
        Self { moves_names: true, ..self }
    }

    /// The next operation; the model is then as the volume must be after it.
    pub fn step(&mut self) -> Op {
        loop {
            let op = match self.rng.below(100) {
                0..60 if self.moves_names => self.name_step(),
                0..12 => self.create(),
                12..15 => self.mkdir(),
                15..20 => self.unlink(),
                20..22 => self.rmdir(),
                22..50 => self.write(),
                50..58 => self.append(),
                58..66 => self.truncate(),
                66..74 => self.clone_file(),
                74..86 => self.clone_range(),
                86..92 => self.attributes(),
                92..98 => Some(Op::Sync),
                _ => Some(Op::Reopen),
            };
            if let Some(op) = op {
                return op;
            }
        }
    }

    /// The next operation for the kernel, which can do more.
    pub fn kernel_step(&mut self) -> Op {
        if !self.rng.chance(25) {
            return self.step();
        }
        let Some(file) = self.any_file() else { return self.step() };
        let size = self.model.content(file).len() as u64;
        let (path, offset_bytes, len_bytes) = (Bytes(self.model.path(file)), self.offset(size), self.len());
        self.model.inode_mut(file).mtime = None;
        if self.rng.chance(50) {
            return Op::Preallocate { path, offset_bytes, len_bytes };
        }
        let end = (offset_bytes + len_bytes).min(size).max(offset_bytes);
        self.model.content_mut(file)[offset_bytes as usize..end as usize].fill(0);
        Op::Punch { path, offset_bytes, len_bytes }
    }

    fn name(&mut self) -> Bytes {
        self.serial += 1;
        let mut name = format!("{}", self.serial).into_bytes();
        let len = self.rng.below(self.limits.name_bytes);
        name.extend((0..len).map(|_| b"abcxyz._-\xe9\n "[self.rng.index(12)]));
        Bytes(name)
    }

    fn dir_with_room(&mut self) -> Option<Node> {
        let room = |model: &Model, &dir: &Node| model.names(dir).len() < self.limits.names;
        let dirs: Vec<_> =
            self.model.nodes(Kind::Directory).into_iter().filter(|dir| room(&self.model, dir)).collect();
        (!dirs.is_empty()).then(|| *self.rng.pick(&dirs))
    }

    fn any_file(&mut self) -> Option<Node> {
        let files = self.model.nodes(Kind::File);
        (!files.is_empty()).then(|| *self.rng.pick(&files))
    }

    fn create(&mut self) -> Option<Op> {
        if self.model.nodes(Kind::File).len() >= self.limits.files {
            return None;
        }
        let (dir, name, mode) = (self.dir_with_room()?, self.name(), self.rng.below(0o1000) as u16);
        self.model.add(dir, &name, mode, Kind::File);
        Some(Op::Create { dir: Bytes(self.model.path(dir)), name, mode })
    }

    fn mkdir(&mut self) -> Option<Op> {
        if self.model.nodes(Kind::Directory).len() >= 20 {
            return None;
        }
        let (dir, name, mode) = (self.dir_with_room()?, self.name(), self.rng.below(0o1000) as u16);
        self.model.add(dir, &name, mode, Kind::Directory);
        Some(Op::Mkdir { dir: Bytes(self.model.path(dir)), name, mode })
    }

    fn unlink(&mut self) -> Option<Op> {
        let file = self.any_file()?;
        let (dir, name) = self.model.place(file);
        self.model.remove(file);
        Some(Op::Unlink { dir: Bytes(self.model.path(dir)), name: Bytes(name) })
    }

    fn rmdir(&mut self) -> Option<Op> {
        let is_empty = |model: &Model, dir: Node| dir != ROOT && model.names(dir).is_empty();
        let dirs: Vec<_> =
            self.model.nodes(Kind::Directory).into_iter().filter(|&dir| is_empty(&self.model, dir)).collect();
        if dirs.is_empty() {
            return None;
        }
        let dir = *self.rng.pick(&dirs);
        let (parent, name) = self.model.place(dir);
        self.model.remove(dir);
        Some(Op::Rmdir { dir: Bytes(self.model.path(parent)), name: Bytes(name) })
    }

    /// An offset below `end`, often at the border of a block.
    fn offset(&mut self, end: u64) -> u64 {
        let offset = self.rng.below(end + 1);
        match self.rng.below(4) {
            0 => offset,
            1 => (offset / self.limits.block_bytes * self.limits.block_bytes).saturating_sub(1),
            _ => offset / self.limits.block_bytes * self.limits.block_bytes,
        }
    }

    fn len(&mut self) -> u64 {
        let block = self.limits.block_bytes;
        match self.rng.below(10) {
            0 => 1,
            1..4 => self.rng.range(1, block),
            4..7 => self.rng.range(1, 8) * block,
            7..9 => self.rng.range(1, 12 * block),
            _ => self.rng.range(1, 100 * block),
        }
    }

    fn write(&mut self) -> Option<Op> {
        let file = self.any_file()?;
        let size = self.model.content(file).len() as u64;
        let reach =
            if self.rng.chance(15) { self.limits.file_bytes } else { size + 4 * self.limits.block_bytes };
        let offset = self.offset(reach.min(self.limits.file_bytes));
        Some(self.write_at(file, offset))
    }

    fn append(&mut self) -> Option<Op> {
        let file = self.any_file()?;
        let size = self.model.content(file).len() as u64;
        (size < self.limits.file_bytes).then(|| self.write_at(file, size))
    }

    fn write_at(&mut self, file: Node, offset_bytes: u64) -> Op {
        self.serial += 1;
        let (seed, len_bytes) = (self.serial, self.len() as usize);
        let bytes = pattern(seed, offset_bytes, len_bytes);
        self.model.write(file, offset_bytes as usize, &bytes);
        Op::Write { path: Bytes(self.model.path(file)), seed, offset_bytes, len_bytes }
    }

    fn truncate(&mut self) -> Option<Op> {
        let file = self.any_file()?;
        let size = self.model.content(file).len() as u64;
        let size_bytes = match self.rng.below(5) {
            0 => 0,
            1 => self.offset(self.limits.file_bytes),
            2 => size + self.rng.below(3 * self.limits.block_bytes),
            _ => self.offset(size),
        };
        self.model.content_mut(file).resize(size_bytes as usize, 0);
        Some(Op::Truncate { path: Bytes(self.model.path(file)), size_bytes })
    }

    fn clone_file(&mut self) -> Option<Op> {
        let (source, target) = (self.any_file()?, self.any_file()?);
        let (from, to) = (self.model.content(source).len() as u64, self.model.content(target).len() as u64);
        let is_allowed = source != target && (from.is_multiple_of(self.limits.block_bytes) || to <= from);
        if !self.limits.reflink || !is_allowed || from == 0 {
            return None;
        }
        let bytes = self.model.content(source).to_vec();
        self.model.write(target, 0, &bytes);
        Some(Op::CloneFile { source: Bytes(self.model.path(source)), target: Bytes(self.model.path(target)) })
    }

    fn clone_range(&mut self) -> Option<Op> {
        let (source, target) = (self.any_file()?, self.any_file()?);
        let block = self.limits.block_bytes;
        let size = self.model.content(source).len() as u64;
        if !self.limits.reflink || size == 0 {
            return None;
        }
        let from = self.rng.below(size) / block * block;
        let to = self.rng.below(self.limits.file_bytes) / block * block;
        let mut len = self.rng.range(1, 20) * block;
        if from + len > size {
            len = size - from;
        }
        let ends_inside_block = !(from + len).is_multiple_of(block);
        let overlaps = source == target && from < to + len && to < from + len;
        if overlaps || (ends_inside_block && to + len < self.model.content(target).len() as u64) {
            return None;
        }
        let bytes = self.model.content(source)[from as usize..(from + len) as usize].to_vec();
        self.model.write(target, to as usize, &bytes);
        Some(Op::CloneRange {
            source: Bytes(self.model.path(source)),
            from_bytes: from,
            target: Bytes(self.model.path(target)),
            to_bytes: to,
            len_bytes: len,
        })
    }

    fn attributes(&mut self) -> Option<Op> {
        let kind = if self.rng.chance(80) { Kind::File } else { Kind::Directory };
        let nodes: Vec<_> = self.model.nodes(kind).into_iter().filter(|&node| node != ROOT).collect();
        if nodes.is_empty() {
            return None;
        }
        let node = *self.rng.pick(&nodes);
        let path = Bytes(self.model.path(node));
        let time = |rng: &mut Rng, bigtime: bool| {
            let seconds = if bigtime {
                rng.range(0, 18_000_000_000) as i64 - (1 << 31)
            } else {
                rng.below(1 << 31) as i64
            };
            (seconds, rng.below(1_000_000_000) as u32)
        };
        let (bigtime, rng) = (self.limits.bigtime, &mut self.rng);
        let op = match rng.below(3) {
            0 => Op::Chmod { path, mode: rng.below(0o1000) as u16 },
            1 => Op::Chown { path, uid: rng.below(100_000) as u32, gid: rng.below(100_000) as u32 },
            _ => Op::Utimes { path, atime: time(rng, bigtime), mtime: time(rng, bigtime) },
        };
        let inode = self.model.inode_mut(node);
        match &op {
            Op::Chmod { mode, .. } => inode.mode = *mode,
            Op::Chown { uid, gid, .. } => (inode.uid, inode.gid) = (*uid, *gid),
            Op::Utimes { atime, mtime, .. } => (inode.atime, inode.mtime) = (Some(*atime), Some(*mtime)),
            _ => unreachable!("only attributes"),
        }
        Some(op)
    }
}
