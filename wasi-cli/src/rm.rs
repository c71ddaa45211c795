//! `rm`: files and trees removed.

use std::collections::HashSet;

use xfskit::units::Ino;
use xfskit::volume::{DirEntry, FileType};

use crate::address::{Address, join, last_name};
use crate::failure::Failure;
use crate::image::{Access, Image, at_each};
use crate::session::Session;
use crate::walk::type_of;

const AFTER_HELP: &str = "\
Examples:
  xfskit rm disk.img:/a disk.img:/b
  xfskit rm -r disk.img:/srv";

/// Entries of a directory that are read and removed at a time.
const BATCH: usize = 4096;

/// Arguments of `rm`.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// Files to remove
    #[arg(required = true, value_name = "IMAGE:PATH", value_parser = Address::parser())]
    addresses: Vec<Address>,
    /// Directories with all that is in them
    #[arg(short, long, visible_short_alias = 'R')]
    recursive: bool,
    /// Say nothing about what does not exist
    #[arg(short, long)]
    force: bool,
}

/// Carries it out.
pub(crate) fn run(args: &Args, session: &mut Session) -> Result<(), Failure> {
    at_each(&args.addresses, Access::Write, session, |image, address, session| {
        let Some(name) = address.last_name() else {
            return Err(Failure::new(address, "cannot remove", "not a name in a directory"));
        };
        let found = image.volume.resolve_parent(&address.path).and_then(|(parent, _)| {
            let ino = image.volume.lookup(parent, name)?;
            Ok((parent, ino, image.volume.stat(ino)?))
        });
        let (parent, ino, stat) = match found {
            Err(xfskit::Error::Invalid(xfskit::error::Mistake::NotFound)) if args.force => return Ok(()),
            Err(error) => return Err(image.fail(&address.path, "cannot remove", &error)),
            Ok(found) => found,
        };
        if stat.file_type != FileType::Directory {
            if address.path.ends_with(b"/") {
                return Err(Failure::new(address, "cannot remove", "not a directory"));
            }
            return unlink(image, parent, name, &address.path);
        }
        if !args.recursive {
            return Err(Failure::new(address, "cannot remove", "is a directory"));
        }
        let is_empty = remove_tree(image, ino, &address.path, session)?;
        if is_empty { rmdir(image, parent, name, &address.path) } else { Ok(()) }
    })
}

/// A directory that is being emptied.
struct Level {
    dir: Ino,
    path: Vec<u8>,
    batch: std::vec::IntoIter<DirEntry>,
    /// Where the next batch starts.
    cookie: u64,
    /// Whether something was removed since the last time that reading started over.
    has_removed: bool,
    /// Names that could not be removed: not to be tried again.
    stuck: HashSet<Vec<u8>>,
}

/// Empties a directory; says whether nothing is left in it. Not recursive, and batch by batch: neither depth nor
/// width of a tree has a bound.
fn remove_tree(image: &mut Image, top: Ino, path: &[u8], session: &mut Session) -> Result<bool, Failure> {
    let mut seen = HashSet::from([top]);
    let mut levels = vec![Level::new(top, path.to_vec())];
    loop {
        let Some(level) = levels.last_mut() else { return Ok(true) };
        match level.next(image) {
            Ok(Some(entry)) => {
                let path = join(&level.path, &entry.name);
                match entry_outcome(image, level.dir, &entry, &path, &mut seen) {
                    Ok(true) => levels.push(Level::new(entry.ino, path)),
                    Ok(false) => level.has_removed = true,
                    Err(failure) => {
                        level.stuck.insert(entry.name);
                        session.part(Err(failure))?;
                    }
                }
                continue;
            }
            Ok(None) => {}
            Err(failure) => {
                level.stuck.insert(Vec::new());
                session.part(Err(failure))?;
            }
        }
        // This directory is done with.
        let Some(done) = levels.pop() else { return Ok(true) };
        let Some(parent) = levels.last_mut() else { return Ok(done.stuck.is_empty()) };
        let name = last_name(&done.path).unwrap_or_default();
        let mut is_gone = false;
        if done.stuck.is_empty() {
            let outcome = rmdir(image, parent.dir, name, &done.path);
            is_gone = outcome.is_ok();
            session.part(outcome)?;
        }
        if is_gone {
            parent.has_removed = true;
        } else {
            parent.stuck.insert(name.to_vec());
        }
    }
}

/// Removes an entry that is no directory; says whether it is one and has to be emptied first.
fn entry_outcome(
    image: &mut Image,
    dir: Ino,
    entry: &DirEntry,
    path: &[u8],
    seen: &mut HashSet<Ino>,
) -> Result<bool, Failure> {
    if type_of(image, entry, path)? != FileType::Directory {
        return unlink(image, dir, &entry.name, path).map(|()| false);
    }
    if seen.insert(entry.ino) {
        return Ok(true);
    }
    let why = format!("corrupt directory tree: directory inode {} is reached a second time", entry.ino);
    Err(Failure::new(image.place(path), "cannot remove", why))
}

impl Level {
    fn new(dir: Ino, path: Vec<u8>) -> Self {
        let batch = Vec::new().into_iter();
        Self { dir, path, batch, cookie: 0, has_removed: false, stuck: HashSet::new() }
    }

    /// The next entry. Removal may move entries, so reading starts over until nothing more could be removed.
    fn next(&mut self, image: &mut Image) -> Result<Option<DirEntry>, Failure> {
        loop {
            if let Some(entry) = self.batch.find(|entry| !self.stuck.contains(&entry.name)) {
                return Ok(Some(entry));
            }
            let batch = image
                .volume
                .read_dir_from(self.dir, self.cookie, BATCH)
                .map_err(|error| image.fail(&self.path, "cannot read directory", &error))?;
            match batch.last() {
                Some(last) => self.cookie = last.cookie,
                None if self.has_removed && self.cookie != 0 => {
                    self.cookie = 0;
                    self.has_removed = false;
                }
                None => return Ok(None),
            }
            self.batch = batch.into_iter();
        }
    }
}

fn unlink(image: &mut Image, dir: Ino, name: &[u8], path: &[u8]) -> Result<(), Failure> {
    image.volume.unlink(dir, name).map_err(|error| image.fail(path, "cannot remove", &error))
}

fn rmdir(image: &mut Image, dir: Ino, name: &[u8], path: &[u8]) -> Result<(), Failure> {
    image.volume.rmdir(dir, name).map_err(|error| image.fail(path, "cannot remove directory", &error))
}
