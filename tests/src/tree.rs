//! What a volume shows, as a value: the kernel's view, xfskit's and a model's are compared as trees.

#[cfg(unix)]
mod host;
mod volume;

#[cfg(unix)]
pub use host::{from_mount, plain_files};
pub use volume::{extents_of, from_volume};

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Kinds of inodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Kind {
    File,
    Directory,
    Symlink,
    CharDevice,
    BlockDevice,
    Fifo,
    Socket,
}

/// Seconds since the epoch and nanoseconds in `0..1_000_000_000`.
pub type Time = (i64, u32);

/// All that is visible of one name. What a side can't know is `None` and equals anything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "fields of stat(2)")]
pub struct Entry {
    pub kind: Kind,
    /// Permission bits, setuid, setgid and sticky.
    pub mode: u16,
    pub uid: u32,
    pub gid: u32,
    pub nlink: u32,
    pub size: Option<u64>,
    pub ino: Option<u64>,
    /// Allocated space in units of 512 bytes.
    pub blocks: Option<u64>,
    pub atime: Option<Time>,
    pub mtime: Option<Time>,
    pub ctime: Option<Time>,
    pub crtime: Option<Time>,
    /// Major and minor number of a device node.
    pub rdev: Option<(u32, u32)>,
    /// Target of a symlink, [escaped](escape).
    pub target: Option<String>,
    /// [Digest](digest) of a file's content.
    pub content: Option<String>,
    /// Extended attributes: full name (escaped) to digest of the value.
    pub xattrs: Option<BTreeMap<String, String>>,
}

/// Path from the root of the volume (escaped, `/` for the root itself) to entry.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tree {
    /// All entries.
    pub entries: BTreeMap<String, Entry>,
}

/// How many differences are told at most.
const TOLD: usize = 12;

impl Tree {
    /// The first differences between two trees, one a line; `None` if there are none.
    pub fn diff(&self, left: &str, other: &Self, right: &str) -> Option<String> {
        let mut lines = Vec::new();
        for (path, entry) in &self.entries {
            match other.entries.get(path) {
                None => lines.push(format!("{path}: only in {left} ({:?})", entry.kind)),
                Some(theirs) => {
                    lines.extend(entry.diff(left, theirs, right).map(|text| format!("{path}: {text}")))
                }
            }
        }
        let ours = &self.entries;
        let extra = other.entries.iter().filter(|(path, _)| !ours.contains_key(*path));
        lines.extend(extra.map(|(path, entry)| format!("{path}: only in {right} ({:?})", entry.kind)));
        if lines.is_empty() {
            return None;
        }
        let count = lines.len();
        lines.truncate(TOLD);
        Some(format!("{count} differences between {left} and {right}:\n{}", lines.join("\n")))
    }

    /// The part of the tree below a directory, which becomes its root.
    ///
    /// # Panics
    /// If there is no such directory.
    pub fn below(&self, dir: &str) -> Self {
        let prefix = format!("{dir}/");
        let inside = self.entries.iter().filter_map(|(path, entry)| {
            path.strip_prefix(&prefix).map(|rest| (format!("/{rest}"), entry.clone()))
        });
        let root = ("/".to_owned(), self.entries[dir].clone());
        Self { entries: inside.chain([root]).collect() }
    }

    /// The tree without a directory and all that lies below it.
    pub fn without(&self, dir: &str) -> Self {
        let prefix = format!("{dir}/");
        let outside = self.entries.iter().filter(|(path, _)| *path != dir && !path.starts_with(&prefix));
        Self { entries: outside.map(|(path, entry)| (path.clone(), entry.clone())).collect() }
    }

    /// Counts only those links that lead here from inside the tree.
    pub fn with_own_links(mut self) -> Self {
        let mut links: BTreeMap<u64, u32> = BTreeMap::new();
        for ino in self.entries.values().filter_map(|entry| entry.ino) {
            *links.entry(ino).or_default() += 1;
        }
        for entry in self.entries.values_mut().filter(|entry| entry.kind != Kind::Directory) {
            entry.nlink = entry.ino.map_or(entry.nlink, |ino| links[&ino]);
        }
        self
    }

    /// Forgets what a copy can't keep: inode numbers, allocated space, times but that of modification, sizes of directories.
    pub fn as_copied(mut self) -> Self {
        for entry in self.entries.values_mut() {
            (entry.ino, entry.blocks) = (None, None);
            (entry.atime, entry.ctime, entry.crtime) = (None, None, None);
            if entry.kind == Kind::Directory {
                entry.size = None;
            }
        }
        self
    }

    /// Asserts that two trees are equal.
    ///
    /// # Panics
    /// If not, with the first differences.
    pub fn assert_same(&self, left: &str, other: &Self, right: &str) {
        if let Some(text) = self.diff(left, other, right) {
            panic!("{text}");
        }
    }
}

impl Entry {
    /// The differences of two entries as text.
    fn diff(&self, left: &str, other: &Self, right: &str) -> Option<String> {
        let mut text = String::new();
        let mut tell = |field: &str, ours: String, theirs: String| {
            if ours != theirs {
                let _ = write!(text, "{field} is {ours} in {left}, {theirs} in {right}; ");
            }
        };
        tell("kind", format!("{:?}", self.kind), format!("{:?}", other.kind));
        tell("mode", format!("{:o}", self.mode), format!("{:o}", other.mode));
        tell("uid", self.uid.to_string(), other.uid.to_string());
        tell("gid", self.gid.to_string(), other.gid.to_string());
        tell("nlink", self.nlink.to_string(), other.nlink.to_string());
        macro_rules! optional {
            ($($field:ident)+) => {
                $(if let (Some(ours), Some(theirs)) = (&self.$field, &other.$field) {
                    tell(stringify!($field), format!("{ours:?}"), format!("{theirs:?}"));
                })+
            };
        }
        optional!(size ino blocks atime mtime ctime crtime rdev target content xattrs);
        (!text.is_empty()).then_some(text)
    }
}

/// Length and the start of a hash of some bytes.
pub fn digest(bytes: &[u8]) -> String {
    let mut hasher = ContentHasher::default();
    hasher.update(bytes);
    hasher.finish()
}

/// Makes a [`digest`] of content that comes in pieces.
#[derive(Debug, Default)]
pub struct ContentHasher {
    hasher: Sha256,
    len_bytes: u64,
}

impl ContentHasher {
    /// Adds the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        self.len_bytes += bytes.len() as u64;
    }

    /// The digest of all that was added.
    pub fn finish(self) -> String {
        let hash = self.hasher.finalize();
        hash.iter().take(8).fold(format!("{}:", self.len_bytes), |text, byte| text + &format!("{byte:02x}"))
    }
}

/// The parts of a file that are hashed: all of it, or of a huge file both ends and pieces between.
pub fn sample(size_bytes: u64) -> Vec<(u64, u64)> {
    const WHOLE: u64 = 256 << 20;
    const PIECE: u64 = 1 << 20;
    if size_bytes <= WHOLE {
        return vec![(0, size_bytes)];
    }
    let steps = 16;
    let mut pieces: Vec<_> = (0..steps).map(|step| (size_bytes / steps * step, PIECE)).collect();
    pieces.push((size_bytes - PIECE, PIECE));
    pieces
}

/// Bytes as text that can be read, and told apart: printable ASCII as it is, the rest as `\xNN`.
pub fn escape(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len()), |mut text, &byte| {
        match byte {
            b'\\' => text.push_str("\\\\"),
            0x20..=0x7e => text.push(char::from(byte)),
            _ => {
                let _ = write!(text, "\\x{byte:02x}");
            }
        }
        text
    })
}
