//! Operations made from a seed, on what those before them left.

use std::collections::{BTreeMap, BTreeSet};

use rustix::io::Errno;
use xfskit::volume::{Acl, AclEntry, AclKind, Allocate, Namespace, SetMode, Tag, XFlags};

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
            1 => self.fresh(),
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

    fn name_step(&mut self) -> Step {
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

    fn attribute_step(&mut self) -> Step {
        match self.rng.below(100) {
            0..12 => {
                let kind = if self.rng.chance(50) { Kind::File } else { Kind::Directory };
                let special = if self.rng.chance(20) { 0o10000 } else { 0o1000 };
                Step::Chmod { path: self.of_kind(kind), mode: self.rng.below(special) as u16 }
            }
            12..20 => {
                let (uid, gid) = (self.rng.below(100_000) as u32, self.rng.below(100_000) as u32);
                Step::Chown { path: self.any(), uid, gid }
            }
            20..28 => {
                let (atime, mtime) = (self.time(), self.time());
                Step::Utimes { path: self.any(), atime, mtime }
            }
            28..58 => self.set_xattr(),
            58..66 => {
                let (namespace, name) = self.xattr_name();
                Step::RemoveXattr { path: self.any(), namespace, name }
            }
            66..78 => self.set_acl(),
            78..92 => self.set_flags(),
            92..95 => self.set_project(),
            95..98 if self.hinted => {
                let kind = if self.rng.chance(60) { Kind::File } else { Kind::Directory };
                Step::SetExtsize { path: self.of_kind(kind), bytes: self.hint() }
            }
            _ => {
                let kind = if self.rng.chance(60) { Kind::File } else { Kind::Directory };
                Step::SetCowextsize { path: self.of_kind(kind), bytes: self.hint() }
            }
        }
    }

    fn hint(&mut self) -> u64 {
        match self.rng.below(8) {
            0..2 => 0,
            2 => 512,
            _ => self.rng.range(1, 9) * self.block,
        }
    }

    /// A time long past.
    fn time(&mut self) -> Time {
        let from = if self.bigtime { 1 << 31 } else { 0 };
        (self.rng.below(1_700_000_000 + from) as i64 - from as i64, self.rng.below(1_000_000_000) as u32)
    }

    fn xattr_name(&mut self) -> (Namespace, Bytes) {
        let namespace =
            *self.rng.pick(&[Namespace::User, Namespace::User, Namespace::Trusted, Namespace::Security]);
        let number = self.rng.below(30);
        // Never one name in several namespaces: xfs_repair takes what the kernel may make of that for damage.
        let letter = namespace.prefix()[0] as char;
        let tail = if number.is_multiple_of(10) { "y".repeat(200) } else { String::new() };
        (namespace, Bytes(format!("{number}{letter}{tail}").into_bytes()))
    }

    fn set_xattr(&mut self) -> Step {
        let (namespace, name) = self.xattr_name();
        self.serial += 1;
        let block = self.block as usize;
        let len = match self.rng.below(40) {
            0 => 0,
            1 => 65536,
            2 => 65537,
            3..6 => (block - 100 + self.rng.index(200)).min(65536),
            6..12 => self.rng.index(3 * block).min(65536),
            12..20 => self.rng.index(1000),
            _ => self.rng.index(90),
        };
        let mut mode = *self.rng.pick(&[SetMode::Either, SetMode::Either, SetMode::Create, SetMode::Replace]);
        let path = self.any();
        if mode == SetMode::Replace && self.attributes(&path).is_none_or(BTreeSet::is_empty) {
            // Linux would make the fork for it, and then find that there is nothing to replace.
            mode = SetMode::Either;
        }
        Step::SetXattr { path, namespace, name, seed: self.serial, len, mode }
    }

    fn set_acl(&mut self) -> Step {
        let kind = if self.rng.chance(60) { AclKind::Access } else { AclKind::Default };
        let holder = match self.rng.below(20) {
            0 => self.any(),
            1..12 => self.of_kind(Kind::Directory),
            _ => self.of_kind(Kind::File),
        };
        let list = self.rng.chance(75).then(|| random_acl(&mut self.rng));
        Step::SetAcl { path: holder, kind, list }
    }

    fn set_flags(&mut self) -> Step {
        if !self.fixed.is_empty() && self.rng.chance(60) {
            let path = self.rng.pick(&self.fixed).clone();
            // What has the name now may be another, of any kind.
            let kind = self.names.get(&path).map(|named| named.kind);
            if matches!(kind, Some(Kind::File | Kind::Directory)) {
                return Step::SetFlags { path: Bytes(path), flags: XFlags::empty() };
            }
        }
        let is_dir = self.rng.chance(30);
        let path = self.of_kind(if is_dir { Kind::Directory } else { Kind::File });
        let mut flags = XFlags::empty();
        for (flag, percent) in [
            (XFlags::IMMUTABLE, 10),
            (XFlags::APPEND, 15),
            (XFlags::SYNC, 10),
            (XFlags::NOATIME, 30),
            (XFlags::NODUMP, 30),
        ] {
            flags.set(flag, self.rng.chance(percent));
        }
        flags.set(XFlags::PROJINHERIT, is_dir && self.rng.chance(15));
        if path.is_empty() {
            flags -= XFlags::IMMUTABLE | XFlags::APPEND;
        }
        Step::SetFlags { path, flags }
    }

    fn set_project(&mut self) -> Step {
        let kind = if self.rng.chance(60) { Kind::File } else { Kind::Directory };
        let id = if self.rng.chance(50) { self.rng.below(4) as u32 } else { self.rng.bits() as u32 >> 1 };
        Step::SetProject { path: self.of_kind(kind), id }
    }

    /// A place in a file, often at the border of a block.
    fn offset(&mut self) -> u64 {
        let offset = self.rng.below(40 * self.block);
        match self.rng.below(4) {
            0 => offset,
            1 => (offset / self.block * self.block).saturating_sub(1),
            _ => offset / self.block * self.block,
        }
    }

    fn len(&mut self) -> u64 {
        match self.rng.below(10) {
            0 => 1,
            1..4 => self.rng.range(1, self.block),
            4..8 => self.rng.range(1, 8) * self.block,
            _ => self.rng.range(1, 16 * self.block),
        }
    }

    fn data_step(&mut self) -> Step {
        let path = self.file();
        self.serial += 1;
        let seed = self.serial;
        match self.rng.below(100) {
            0..34 => Step::Write { path, seed, offset: self.offset(), len: self.len() as usize },
            34..44 => Step::Append { path, seed, len: self.len() as usize },
            44..56 => Step::Truncate { path, size: if self.rng.chance(15) { 0 } else { self.offset() } },
            56..78 => self.allocate(path),
            // Without blocks to share these fail, which need not be seen often.
            78..88 if self.reflink || self.rng.chance(20) => {
                Step::CloneFile { source: self.file(), target: path }
            }
            88..100 if self.reflink || self.rng.chance(20) => self.clone_range(path),
            _ => Step::Write { path, seed, offset: self.offset(), len: self.len() as usize },
        }
    }

    fn allocate(&mut self, path: Bytes) -> Step {
        let keep_size = self.rng.chance(50);
        let what = match self.rng.below(12) {
            0..3 => Allocate::Blocks { keep_size },
            3..6 => Allocate::Punch,
            6..8 => Allocate::Zero { keep_size },
            8 => Allocate::Collapse,
            9 => Allocate::Insert,
            _ => Allocate::Unshare { keep_size },
        };
        let (mut offset, mut len) = (self.offset(), self.len());
        if matches!(what, Allocate::Collapse | Allocate::Insert) && self.rng.chance(90) {
            (offset, len) = (offset / self.block * self.block, len.next_multiple_of(self.block));
        }
        Step::Allocate { path, what, offset, len }
    }

    fn clone_range(&mut self, target: Bytes) -> Step {
        let source = self.file();
        let place = |rng: &mut Rng, block: u64| {
            let offset = rng.below(40) * block;
            if rng.chance(3) { offset + 512 } else { offset }
        };
        let (from, to) = (place(&mut self.rng, self.block), place(&mut self.rng, self.block));
        let len = match self.rng.below(10) {
            0 => self.rng.below(10 * self.block),
            1..4 => 0,
            _ => self.rng.range(1, 10) * self.block,
        };
        Step::CloneRange { source, from, target, to, len }
    }
}

fn random_acl(rng: &mut Rng) -> Acl {
    let mut entries = Vec::new();
    let mut push = |tag, rng: &mut Rng| entries.push(AclEntry { tag, perm: rng.below(8) as u8 });
    let (users, groups) = if rng.chance(20) { (0, 0) } else { (rng.below(4), rng.below(4)) };
    push(Tag::UserObj, rng);
    (0..users).for_each(|id| push(Tag::User(id as u32 * 7), rng));
    push(Tag::GroupObj, rng);
    (0..groups).for_each(|id| push(Tag::Group(id as u32 + 3_000_000_000), rng));
    if users + groups > 0 || rng.chance(30) {
        push(Tag::Mask, rng);
    }
    push(Tag::Other, rng);
    Acl::new(entries).expect("valid")
}
