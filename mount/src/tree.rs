//! The volume as FUSE asks for it: inodes that are looked up and forgotten, names, attributes.

use std::collections::HashMap;

use fuser::{Errno, FileAttr, Generation, INodeNo};
use xfskit::units::Ino;
use xfskit::volume::{FileType, NewInode, RenameMode, SetAttributes, Stat};
use xfskit::{Error, Volume};

use crate::{attributes, errno};

/// What an answer is when it is not an error number.
pub(crate) type Answer<T> = Result<T, Errno>;

/// How many names are read from a directory at a time.
const NAMES_AT_A_TIME: usize = 256;

/// An inode as the answer to a lookup.
pub(crate) struct Entry {
    pub(crate) attr: FileAttr,
    pub(crate) generation: Generation,
}

/// A name in a directory.
pub(crate) struct Name {
    pub(crate) ino: INodeNo,
    /// Where to go on behind it.
    pub(crate) next: u64,
    pub(crate) kind: fuser::FileType,
    pub(crate) name: Vec<u8>,
}

/// A volume and what the kernel knows of it.
pub(crate) struct Tree {
    pub(super) volume: Volume,
    root: Ino,
    /// How often the kernel was told of each inode that it has not forgotten. Each is held: it stays, though its last
    /// name may go, while a program may have it open.
    known: HashMap<Ino, u64>,
    /// What it has forgotten and could not be let go of yet.
    unreleased: Vec<Ino>,
    is_finished: bool,
}

impl Tree {
    /// A volume of which the kernel knows nothing yet.
    pub(crate) fn new(volume: Volume) -> Self {
        Self {
            root: volume.root(),
            volume,
            known: HashMap::new(),
            unreleased: Vec::new(),
            is_finished: false,
        }
    }

    /// No more jobs after this one.
    pub(crate) fn finish(&mut self) {
        self.is_finished = true;
    }

    /// Whether there are no more jobs to be done.
    pub(crate) fn is_finished(&self) -> bool {
        self.is_finished
    }

    /// Makes everything durable.
    pub(crate) fn sync(&mut self) -> xfskit::Result<()> {
        self.let_go();
        if self.volume.read_only_reason().is_some() { Ok(()) } else { self.volume.sync() }
    }

    /// Lets go of everything and closes the volume.
    pub(crate) fn close(mut self) -> xfskit::Result<()> {
        let mut outcome = Ok(());
        for &ino in self.known.keys() {
            outcome = outcome.and(self.volume.release(ino));
        }
        outcome.and(self.volume.close().map(drop))
    }

    /// The inode that FUSE means.
    pub(crate) fn ino(&self, ino: INodeNo) -> Ino {
        attributes::from_fuse(ino, self.root)
    }

    /// Calls the volume at the present time.
    pub(crate) fn call<T>(&mut self, act: impl FnOnce(&mut Volume) -> Result<T, Error>) -> Answer<T> {
        self.volume.set_time(attributes::now());
        act(&mut self.volume).map_err(|error| errno::of(&error))
    }

    fn stat(&mut self, ino: Ino) -> Answer<Stat> {
        self.call(|volume| volume.stat(ino))
    }

    /// Attributes of an inode.
    pub(crate) fn getattr(&mut self, ino: INodeNo) -> Answer<FileAttr> {
        let ino = self.ino(ino);
        Ok(attributes::of(&self.stat(ino)?, self.root))
    }

    /// Changes attributes: the size first, as it can fail for want of space.
    pub(crate) fn setattr(
        &mut self,
        ino: INodeNo,
        size: Option<u64>,
        set: &SetAttributes,
    ) -> Answer<FileAttr> {
        let id = self.ino(ino);
        if let Some(size) = size {
            self.call(|volume| volume.truncate(id, size))?;
        }
        if *set != SetAttributes::default() {
            self.call(|volume| volume.set_attributes(id, set))?;
        }
        self.getattr(ino)
    }

    /// Space of the volume: fsblocks, free, available; inodes, free; bytes in a fsblock.
    pub(crate) fn statfs(&mut self) -> Answer<[u64; 6]> {
        self.call(|volume| {
            let statfs = volume.statfs()?;
            let available = volume.available_fsblocks()?;
            Ok([
                statfs.total_fsblocks,
                statfs.free_fsblocks,
                available,
                statfs.inodes,
                statfs.free_inodes,
                u64::from(statfs.blocksize),
            ])
        })
    }

    /// Where a symbolic link points.
    pub(crate) fn readlink(&mut self, ino: INodeNo) -> Answer<Vec<u8>> {
        let ino = self.ino(ino);
        self.call(|volume| volume.read_link(ino))
    }

    /// Tells the kernel of an inode.
    fn entry(&mut self, ino: Ino) -> Answer<Entry> {
        let stat = self.stat(ino)?;
        if ino != self.root {
            let count = self.known.entry(ino).or_insert(0);
            if *count == 0 {
                self.volume.hold(ino).map_err(|error| errno::of(&error))?;
            }
            *count += 1;
        }
        Ok(Entry {
            attr: attributes::of(&stat, self.root),
            generation: Generation(u64::from(stat.generation)),
        })
    }

    /// What a name leads to.
    pub(crate) fn lookup(&mut self, dir: INodeNo, name: &[u8]) -> Answer<Entry> {
        let dir = self.ino(dir);
        let ino = self.call(|volume| volume.lookup(dir, name))?;
        self.entry(ino)
    }

    /// The kernel forgets an inode that it was told of `count` times.
    pub(crate) fn forget(&mut self, ino: INodeNo, count: u64) {
        let ino = self.ino(ino);
        let Some(known) = self.known.get_mut(&ino) else { return };
        *known = known.saturating_sub(count);
        if *known == 0 {
            self.known.remove(&ino);
            self.unreleased.push(ino);
        }
        self.let_go();
    }

    /// Lets go of what was forgotten; where that fails, it is tried again at the next chance.
    fn let_go(&mut self) {
        for ino in std::mem::take(&mut self.unreleased) {
            if self.call(|volume| volume.release(ino)).is_err() {
                self.unreleased.push(ino);
            }
        }
    }

    /// Makes something new by `make`, which gets the directory.
    pub(crate) fn make(
        &mut self,
        dir: INodeNo,
        umask: u32,
        make: impl FnOnce(&mut Volume, Ino) -> Result<Ino, Error>,
    ) -> Answer<Entry> {
        let dir = self.ino(dir);
        self.volume.set_umask(umask as u16);
        let ino = self.call(|volume| make(volume, dir))?;
        self.entry(ino)
    }

    /// Makes a node, or a regular file, as mknod(2) does.
    pub(crate) fn mknod(
        &mut self,
        dir: INodeNo,
        name: &[u8],
        file_type: FileType,
        rdev: u32,
        umask: u32,
        new: &NewInode,
    ) -> Answer<Entry> {
        self.make(dir, umask, |volume, dir| match file_type {
            FileType::Regular => volume.create(dir, name, new),
            _ => volume.mknod(dir, name, file_type, attributes::unpack_rdev(rdev), new),
        })
    }

    /// Gives an inode another name.
    pub(crate) fn link(&mut self, ino: INodeNo, dir: INodeNo, name: &[u8]) -> Answer<Entry> {
        let (ino, dir) = (self.ino(ino), self.ino(dir));
        self.call(|volume| volume.link(ino, dir, name))?;
        self.entry(ino)
    }

    /// Takes a name away.
    pub(crate) fn unlink(&mut self, dir: INodeNo, name: &[u8], is_dir: bool) -> Answer<()> {
        let dir = self.ino(dir);
        self.call(|volume| if is_dir { volume.rmdir(dir, name) } else { volume.unlink(dir, name) })
    }

    /// Moves a name.
    pub(crate) fn rename(
        &mut self,
        (dir, name): (INodeNo, &[u8]),
        (new_dir, new_name): (INodeNo, &[u8]),
        mode: RenameMode,
    ) -> Answer<()> {
        let (dir, new_dir) = (self.ino(dir), self.ino(new_dir));
        self.call(|volume| volume.rename(dir, name, new_dir, new_name, mode))
    }

    /// Names of a directory from `offset` on, until `take` has enough of them.
    pub(crate) fn names(
        &mut self,
        ino: INodeNo,
        offset: u64,
        mut take: impl FnMut(Name) -> bool,
    ) -> Answer<()> {
        let dir = self.ino(ino);
        // The volume's own cookies start behind those of the two that it does not list.
        for (number, name) in [(1, &b"."[..]), (2, b"..")] {
            if offset >= number {
                continue;
            }
            let leads_to = if number == 1 { dir } else { self.call(|volume| volume.lookup(dir, b".."))? };
            if self.give(leads_to, number, Some(FileType::Directory), name, &mut take)? {
                return Ok(());
            }
        }
        let mut after = if offset <= 2 { 0 } else { offset };
        loop {
            let entries = self.call(|volume| volume.read_dir_from(dir, after, NAMES_AT_A_TIME))?;
            let Some(last) = entries.last() else { return Ok(()) };
            after = last.cookie;
            for entry in &entries {
                if self.give(entry.ino, entry.cookie, entry.file_type, &entry.name, &mut take)? {
                    return Ok(());
                }
            }
        }
    }

    fn give(
        &mut self,
        ino: Ino,
        next: u64,
        file_type: Option<FileType>,
        name: &[u8],
        take: &mut impl FnMut(Name) -> bool,
    ) -> Answer<bool> {
        let file_type = match file_type {
            Some(file_type) => file_type,
            None => self.stat(ino)?.file_type,
        };
        let (ino, kind) = (attributes::to_fuse(ino, self.root), attributes::kind(file_type));
        Ok(take(Name { ino, next, kind, name: name.to_vec() }))
    }
}
