//! Inside one image: cloned where that can be, else copied.

use std::collections::{HashMap, HashSet};

use xfskit::Error;
use xfskit::units::Ino;
use xfskit::volume::{FileType, Follow, NewInode, SetAttributes, Stat};

use super::spot::{Destination, Spot, To, empty, needs_recursive, needs_recursive_for_node, set};
use super::{Options, Reflink};
use crate::address::{Address, last_name};
use crate::failure::Failure;
use crate::host;
use crate::image::Image;
use crate::progress::Progress;
use crate::session::Session;
use crate::transfer::{BUFFER_BYTES, data_ranges};
use crate::walk::{Step, Walk};

struct Within<'a> {
    options: Options,
    image: &'a mut Image,
    session: &'a mut Session,
    progress: Progress,
    buffer: Vec<u8>,
    /// Where files with several names were copied to.
    links: HashMap<Ino, Ino>,
}

/// A new directory that is being filled.
struct Level {
    ino: Ino,
    path: Vec<u8>,
    /// What to set once it is filled.
    after: Option<SetAttributes>,
}

/// Copies all sources.
pub(super) fn run(
    options: Options,
    sources: &[Address],
    target: &Address,
    image: &mut Image,
    session: &mut Session,
) -> Result<(), Failure> {
    let destination = Destination::find(image, target, sources.len())?;
    let (progress, buffer, links) = (Progress::new(None), Vec::new(), HashMap::new());
    let mut copy = Within { options, image, session, progress, buffer, links };
    for source in sources {
        let outcome = copy.source(source, &destination);
        copy.report(outcome)?;
    }
    Ok(())
}

impl Within<'_> {
    fn source(&mut self, source: &Address, destination: &Destination) -> Result<(), Failure> {
        let follow = if self.options.recursive { Follow::No } else { Follow::Yes };
        let ino = self.image.resolve(&source.path, follow)?;
        let stat = self.image.stat(ino, &source.path)?;
        let name = last_name(&source.path);
        if stat.file_type == FileType::Directory {
            if !self.options.recursive {
                return Err(needs_recursive(source));
            }
            return match (destination, name) {
                (Destination::Directory(ino, path), Some(name)) => {
                    self.tree(source, &stat, &Spot::inside(*ino, path, name))
                }
                (Destination::Directory(..), None) => Err(into_itself(source)),
                (Destination::Spot(spot), _) => self.tree(source, &stat, spot),
                (Destination::File(_, path), _) => {
                    Err(Failure::new(self.image.place(path), "cannot overwrite", "not a directory"))
                }
            };
        }
        match destination {
            Destination::Directory(ino, path) => {
                let spot = Spot::inside(*ino, path, name.unwrap_or(b"file"));
                self.file(&source.path, &stat, To::Spot(&spot))
            }
            Destination::Spot(spot) if spot.path.ends_with(b"/") => {
                Err(Failure::new(self.image.place(&spot.path), "", "no such directory"))
            }
            Destination::Spot(spot) => self.file(&source.path, &stat, To::Spot(spot)),
            Destination::File(ino, path) => self.file(&source.path, &stat, To::Existing(*ino, path)),
        }
    }

    /// Copies a directory with all that is in it.
    fn tree(&mut self, source: &Address, stat: &Stat, spot: &Spot) -> Result<(), Failure> {
        self.refuse_itself(source, stat.ino, spot.parent)?;
        let mut walk = Walk::new(&source.path);
        walk.enter(self.image, stat.ino)?;
        let mut levels = vec![self.directory(stat, spot)?];
        while let Some(step) = walk.next() {
            let outcome = match (step, levels.last()) {
                (Step::Entry(entry), Some(level)) => {
                    let spot = Spot::inside(level.ino, &level.path, &entry.name);
                    self.entry(&mut walk, entry.ino, &spot).map(|level| levels.extend(level))
                }
                (Step::Leave, _) => match levels.pop() {
                    Some(Level { ino, path, after: Some(after) }) => set(self.image, ino, &path, &after),
                    _ => Ok(()),
                },
                (Step::Entry(_), None) => Ok(()),
            };
            self.report(outcome)?;
        }
        Ok(())
    }

    /// Copies an entry; returns the directory that was entered, if it is one.
    fn entry(&mut self, walk: &mut Walk, ino: Ino, spot: &Spot) -> Result<Option<Level>, Failure> {
        let stat = self.image.stat(ino, walk.path())?;
        if stat.file_type != FileType::Directory {
            return self.file(walk.path(), &stat, To::Spot(spot)).map(|()| None);
        }
        let level = self.directory(&stat, spot)?;
        walk.enter(self.image, ino)?;
        Ok(Some(level))
    }

    /// A directory below itself would never end.
    fn refuse_itself(&mut self, source: &Address, ino: Ino, parent: Ino) -> Result<(), Failure> {
        let mut seen = HashSet::new();
        let mut dir = parent;
        while seen.insert(dir) {
            if dir == ino {
                return Err(into_itself(source));
            }
            let above = self.image.volume.lookup(dir, b"..");
            dir = above.map_err(|error| self.image.fail(&source.path, "", &error))?;
        }
        Ok(())
    }

    fn directory(&mut self, stat: &Stat, spot: &Spot) -> Result<Level, Failure> {
        self.image.volume.set_time(host::now());
        let new = self.new_inode(stat);
        let ino = spot.directory(self.image, &new)?;
        let after = self.options.preserve.then(|| kept(stat));
        Ok(Level { ino, path: spot.path.clone(), after })
    }

    /// Copies what is no directory.
    fn file(&mut self, from: &[u8], stat: &Stat, to: To<'_>) -> Result<(), Failure> {
        self.image.volume.set_time(host::now());
        let new = self.new_inode(stat);
        if let (To::Spot(spot), Some(&ino)) = (to, self.links.get(&stat.ino)) {
            return spot.link(self.image, ino);
        }
        if stat.file_type != FileType::Regular {
            return self.other(from, stat, to);
        }
        let (ino, path, is_new) = to.open(self.image, &new)?;
        if ino == stat.ino {
            let why = "source and target are the same file";
            return Err(Failure::new(self.image.place(path), "not copied", why));
        }
        if !is_new {
            empty(self.image, ino, path)?;
        }
        let outcome = self.contents(from, stat, (ino, path));
        if let (Err(_), To::Spot(spot), true) = (&outcome, to, is_new) {
            // As if it had never been made; the failure itself is what the user hears of.
            let _ = self.image.volume.unlink(spot.parent, &spot.name);
        }
        outcome?;
        self.finish(stat, ino, path)
    }

    /// Copies a symbolic link or a node.
    fn other(&mut self, from: &[u8], stat: &Stat, to: To<'_>) -> Result<(), Failure> {
        let To::Spot(spot) = to else {
            return Err(Failure::new(self.image.place(from), "not copied", "target is a regular file"));
        };
        if !self.options.recursive {
            return Err(needs_recursive_for_node(self.image.place(from)));
        }
        if self.image.volume.lookup(spot.parent, &spot.name) == Ok(stat.ino) {
            let why = "source and target are the same file";
            return Err(Failure::new(self.image.place(&spot.path), "not copied", why));
        }
        let new = self.new_inode(stat);
        let ino = if stat.file_type == FileType::Symlink {
            let target = self.image.volume.read_link(stat.ino);
            let target =
                target.map_err(|error| self.image.fail(from, "cannot read symbolic link", &error))?;
            let new = NewInode { mode: 0o777, ..new };
            spot.other(self.image, |volume, dir, name| volume.symlink(dir, name, &target, &new))?
        } else {
            let (kind, rdev) = (stat.file_type, stat.rdev);
            spot.other(self.image, |volume, dir, name| volume.mknod(dir, name, kind, rdev, &new))?
        };
        self.finish(stat, ino, &spot.path)
    }

    /// Gives what was copied its attributes.
    fn finish(&mut self, stat: &Stat, ino: Ino, path: &[u8]) -> Result<(), Failure> {
        if self.options.archive && stat.nlink > 1 {
            self.links.insert(stat.ino, ino);
        }
        if self.options.preserve {
            set(self.image, ino, path, &kept(stat))?;
        }
        self.progress.file();
        Ok(())
    }

    fn contents(&mut self, from: &[u8], stat: &Stat, to: (Ino, &[u8])) -> Result<(), Failure> {
        if self.options.reflink != Reflink::Never {
            match self.image.volume.clone_file(stat.ino, to.0) {
                Ok(()) => return Ok(()),
                Err(Error::Unsupported { .. } | Error::Invalid(_))
                    if self.options.reflink == Reflink::Auto => {}
                Err(error) => return Err(self.image.fail(to.1, "cannot clone", &error)),
            }
        }
        self.copy(from, stat, to)
    }

    fn copy(&mut self, from: &[u8], stat: &Stat, (ino, path): (Ino, &[u8])) -> Result<(), Failure> {
        let ranges = data_ranges(&mut self.image.volume, stat);
        let ranges = ranges.map_err(|error| self.image.fail(from, "cannot read extents", &error))?;
        self.buffer.resize(BUFFER_BYTES, 0);
        let mut end = 0;
        for range in ranges {
            let mut offset = range.start;
            while offset < range.end {
                let wanted = usize::try_from(range.end - offset).unwrap_or(usize::MAX).min(BUFFER_BYTES);
                let buffer = &mut self.buffer[..wanted];
                let count = self.image.volume.read(stat.ino, offset, buffer);
                let count = count.map_err(|error| self.image.fail(from, "cannot read", &error))?;
                if count == 0 {
                    break;
                }
                let written = self.image.volume.write(ino, offset, &self.buffer[..count]);
                written.map_err(|error| self.image.fail(path, "cannot write", &error))?;
                offset += count as u64;
                self.progress.bytes(count as u64);
            }
            end = offset;
        }
        if end < stat.size {
            let grown = self.image.volume.truncate(ino, stat.size);
            grown.map_err(|error| self.image.fail(path, "cannot write", &error))?;
        }
        Ok(())
    }

    fn new_inode(&self, stat: &Stat) -> NewInode {
        if self.options.preserve {
            NewInode { mode: stat.mode, uid: stat.uid, gid: stat.gid }
        } else {
            NewInode { mode: stat.mode & 0o777, uid: 0, gid: 0 }
        }
    }

    /// Reports a failure without tearing the progress bar.
    fn report(&mut self, outcome: Result<(), Failure>) -> Result<(), Failure> {
        let Self { progress, session, .. } = self;
        progress.pause(|| session.part(outcome))
    }
}

fn into_itself(source: &Address) -> Failure {
    Failure::new(source, "not copied", "a directory is not copied into itself")
}

/// What `-p` keeps. A new inode may have got another group, or a list, from its directory.
fn kept(stat: &Stat) -> SetAttributes {
    SetAttributes {
        mode: Some(stat.mode),
        uid: Some(stat.uid),
        gid: Some(stat.gid),
        atime: Some(stat.atime),
        mtime: Some(stat.mtime),
    }
}
