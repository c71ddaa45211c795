//! Operations made from a seed, on what those before them left.

mod attributes;
mod data;
mod names;

use std::collections::{BTreeMap, BTreeSet};

use rustix::io::Errno;
use xfskit::volume::{Acl, AclKind, Allocate, Namespace, SetMode, XFlags};

use crate::ops::{Bytes, How};
use crate::options::OptionSet;
use crate::rng::Rng;
use crate::tree::{Kind, Time};

/// How a step came out.
pub type Outcome = Result<(), Errno>;

/// One operation. Paths start with a slash, and are those of the volume.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "named like the calls")]
pub enum Step {
    Create {
        path: Bytes,
        mode: u16,
    },
    Mkdir {
        path: Bytes,
        mode: u16,
    },
    Symlink {
        path: Bytes,
        target: Bytes,
    },
    Mknod {
        path: Bytes,
        kind: Kind,
        mode: u16,
        rdev: (u32, u32),
    },
    Tmpfile {
        dir: Bytes,
        path: Bytes,
        mode: u16,
        seed: u64,
        len: usize,
    },
    Link {
        path: Bytes,
        new: Bytes,
    },
    /// Many more names of a file in a directory: `base` and a number from `first` on.
    Crowd {
        path: Bytes,
        base: Bytes,
        first: u32,
        count: u32,
    },
    /// Every second of these names goes.
    Thin {
        base: Bytes,
        first: u32,
        count: u32,
    },
    Unlink {
        path: Bytes,
    },
    Rmdir {
        path: Bytes,
    },
    Rename {
        path: Bytes,
        new: Bytes,
        how: How,
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
    SetXattr {
        path: Bytes,
        namespace: Namespace,
        name: Bytes,
        seed: u64,
        len: usize,
        mode: SetMode,
    },
    RemoveXattr {
        path: Bytes,
        namespace: Namespace,
        name: Bytes,
    },
    SetAcl {
        path: Bytes,
        kind: AclKind,
        list: Option<Acl>,
    },
    SetFlags {
        path: Bytes,
        flags: XFlags,
    },
    SetProject {
        path: Bytes,
        id: u32,
    },
    SetExtsize {
        path: Bytes,
        bytes: u64,
    },
    SetCowextsize {
        path: Bytes,
        bytes: u64,
    },
    Write {
        path: Bytes,
        seed: u64,
        offset: u64,
        len: usize,
    },
    Append {
        path: Bytes,
        seed: u64,
        len: usize,
    },
    Truncate {
        path: Bytes,
        size: u64,
    },
    Allocate {
        path: Bytes,
        what: Allocate,
        offset: u64,
        len: u64,
    },
    CloneFile {
        source: Bytes,
        target: Bytes,
    },
    CloneRange {
        source: Bytes,
        from: u64,
        target: Bytes,
        to: u64,
        len: u64,
    },
    Fsync {
        path: Bytes,
    },
    Sync,
}

/// The flags that a step sets or clears; FS_IOC_SETFLAGS leaves the others alone.
pub const SETTABLE: XFlags = XFlags::IMMUTABLE
    .union(XFlags::APPEND)
    .union(XFlags::SYNC)
    .union(XFlags::NOATIME)
    .union(XFlags::NODUMP)
    .union(XFlags::PROJINHERIT);

/// Most names besides those of crowds.
const MAX_NAMES: usize = 70;

/// A name that nothing has.
const MISSING: &[u8] = b"/missing";

/// Longest path in which new names are made.
const MAX_PATH_BYTES: usize = 1500;

/// Lengths of targets around the places where they leave the inode.
const TARGET_BYTES: [usize; 14] = [0, 1, 5, 30, 190, 191, 192, 193, 335, 336, 337, 700, 1023, 1024];

/// What a name leads to; the number tells names of one inode from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Named {
    kind: Kind,
    number: u64,
}

/// The size up to which the kernel allocates nothing behind the end of a file; `None` where an option keeps it from that.
///
/// The option allows for a page at least, which are several blocks here, or for a whole stripe.
pub fn short_file_bytes(set: &OptionSet) -> Option<u64> {
    let has_stripes = set.args.iter().any(|option| option.starts_with("su="));
    match set.block_bytes {
        _ if has_stripes => Some(64 << 10),
        0..4096 => Some(64 << 10),
        _ => None,
    }
}

/// Makes the steps of a sequence.
#[derive(Debug)]
pub struct Sequence {
    rng: Rng,
    block: u64,
    reflink: bool,
    bigtime: bool,
    /// Whether hints for the size of extents are set.
    hinted: bool,
    serial: u64,
    /// What there is, by path; the root too, as the empty path.
    names: BTreeMap<Vec<u8>, Named>,
    /// The most bytes that files may have.
    most: u64,
    /// The most that they may have now, by the number of their inode.
    sizes: BTreeMap<u64, u64>,
    /// Names of attributes, by the number of their inode.
    attributes: BTreeMap<u64, BTreeSet<(Namespace, Vec<u8>)>>,
    /// What may have flags that forbid changes.
    fixed: Vec<Vec<u8>>,
    /// Crowds: base, first number, how many.
    crowds: Vec<(Vec<u8>, u32, u32)>,
}

impl Sequence {
    /// The sequence of a seed, for a volume of that option set.
    pub fn new(set: &OptionSet, seed: u64) -> Self {
        let mut rng = Rng::named(seed, set.name);
        let hinted = rng.chance(25);
        let names = BTreeMap::from([(Vec::new(), Named { kind: Kind::Directory, number: 0 })]);
        let (block, reflink, bigtime) = (set.block_bytes, set.reflink, set.bigtime);
        Self {
            rng,
            block,
            reflink,
            bigtime,
            hinted,
            serial: 0,
            names,
            most: short_file_bytes(set).unwrap_or(u64::MAX),
            sizes: BTreeMap::new(),
            attributes: BTreeMap::new(),
            fixed: Vec::new(),
            crowds: Vec::new(),
        }
    }

    /// Whether there may be extent size hints in it.
    pub fn is_hinted(&self) -> bool {
        self.hinted
    }

    /// The next step.
    pub fn next_step(&mut self) -> Step {
        match self.rng.below(100) {
            0..40 => self.name_step(),
            40..62 => self.attribute_step(),
            62..97 => self.data_step(),
            97..99 => Step::Fsync { path: self.file() },
            _ => Step::Sync,
        }
    }

    /// Notes how a step came out.
    pub fn settle(&mut self, step: &Step, is_done: bool) {
        if !is_done {
            return;
        }
        let grown = self.grown(step).map(|(path, size)| (path.to_vec(), size));
        match step {
            Step::Create { path, .. } | Step::Tmpfile { path, .. } => self.enter(path, Kind::File),
            Step::Mkdir { path, .. } => self.enter(path, Kind::Directory),
            Step::Symlink { path, .. } => self.enter(path, Kind::Symlink),
            Step::Mknod { path, kind, .. } => self.enter(path, *kind),
            Step::Link { path, new } => {
                if let Some(&named) = self.names.get(&path.0) {
                    self.names.insert(new.0.clone(), named);
                }
            }
            Step::Crowd { base, first, count, .. } => self.crowds.push((base.0.clone(), *first, *count)),
            Step::Unlink { path } | Step::Rmdir { path } => drop(self.names.remove(&path.0)),
            Step::Rename { path, new, how } => self.move_names(path, new, *how),
            Step::SetXattr { path, namespace, name, .. } => {
                if let Some(named) = self.names.get(&path.0) {
                    self.attributes.entry(named.number).or_default().insert((*namespace, name.0.clone()));
                }
            }
            Step::RemoveXattr { path, namespace, name } => {
                if let Some(named) = self.names.get(&path.0) {
                    self.attributes.entry(named.number).or_default().remove(&(*namespace, name.0.clone()));
                }
            }
            Step::SetFlags { path, flags } => {
                self.fixed.retain(|fixed| *fixed != path.0);
                if flags.intersects(XFlags::IMMUTABLE | XFlags::APPEND) {
                    self.fixed.push(path.0.clone());
                }
            }
            _ => {}
        }
        if let Some((path, size)) = grown
            && let Some(named) = self.names.get(&path)
        {
            let size = if matches!(step, Step::Truncate { size: 0, .. }) { 0 } else { size };
            self.sizes.insert(named.number, size);
        }
    }

    fn attributes(&self, path: &[u8]) -> Option<&BTreeSet<(Namespace, Vec<u8>)>> {
        self.attributes.get(&self.names.get(path)?.number)
    }

    fn enter(&mut self, path: &[u8], kind: Kind) {
        self.serial += 1;
        self.names.insert(path.to_vec(), Named { kind, number: self.serial });
    }

    fn take_below(&mut self, top: &[u8]) -> Vec<(Vec<u8>, Named)> {
        let prefix = [top, b"/"].concat();
        let is_moved = |path: &[u8]| path == top || path.starts_with(&prefix);
        let taken: Vec<_> = self.names.iter().filter(|(path, _)| is_moved(path)).collect();
        let taken: Vec<_> =
            taken.into_iter().map(|(path, named)| (path[top.len()..].to_vec(), *named)).collect();
        self.names.retain(|path, _| !is_moved(path));
        taken
    }

    fn move_names(&mut self, path: &[u8], new: &[u8], how: How) {
        // Two names of one inode stay as they are.
        if self.names.get(path) == self.names.get(new) {
            return;
        }
        let (moved, other) = (self.take_below(path), self.take_below(new));
        let put = |names: &mut BTreeMap<_, _>, top: &[u8], found: Vec<(Vec<u8>, Named)>| {
            names.extend(found.into_iter().map(|(rest, named)| ([top, &rest[..]].concat(), named)));
        };
        put(&mut self.names, new, moved);
        match how {
            How::Exchange => put(&mut self.names, path, other),
            How::Whiteout => self.enter(path, Kind::CharDevice),
            How::Replace | How::NoReplace => {}
        }
    }

    /// One of the paths of that kind; one that leads nowhere when there is none.
    fn of_kind(&mut self, kind: Kind) -> Bytes {
        let paths: Vec<_> =
            self.names.iter().filter(|(_, found)| found.kind == kind).map(|(path, _)| path).collect();
        match paths.len() {
            0 => Bytes(MISSING.to_vec()),
            count => Bytes(paths[self.rng.index(count)].clone()),
        }
    }

    /// A regular file; now and then a directory, or nothing.
    fn file(&mut self) -> Bytes {
        match self.rng.below(60) {
            0 => self.of_kind(Kind::Directory),
            1 => Bytes(MISSING.to_vec()),
            _ => self.of_kind(Kind::File),
        }
    }

    fn any(&mut self) -> Bytes {
        let count = self.names.len();
        let index = self.rng.index(count);
        Bytes(self.names.keys().nth(index).expect("in range").clone())
    }

    /// Anything but the root directory.
    fn named(&mut self) -> Bytes {
        let path = self.any();
        if path.is_empty() { Bytes(MISSING.to_vec()) } else { path }
    }

    /// A name that nothing has; now and then one that something has, or in what is no directory.
    fn fresh(&mut self) -> Bytes {
        if self.rng.chance(4) {
            let path = self.named();
            // Nothing ever comes to be there: it may be opened, whatever it is.
            if &path[..] != MISSING {
                return path;
            }
        }
        let dir = if self.rng.chance(2) { self.any() } else { self.of_kind(Kind::Directory) };
        let dir = if dir.len() > MAX_PATH_BYTES { Bytes(Vec::new()) } else { dir };
        self.serial += 1;
        let mut name = format!("{}", self.serial).into_bytes();
        let len = match self.rng.below(40) {
            0 => 255 - name.len(),
            1 => 256 - name.len(),
            2..6 => self.rng.index(100),
            _ => self.rng.index(14),
        };
        name.extend((0..len).map(|_| b"abcxyz._-\xe9\n "[self.rng.index(12)]));
        Bytes([&dir[..], b"/", &name[..]].concat())
    }

    fn mode(&mut self) -> u16 {
        self.rng.below(0o1000) as u16
    }
}
