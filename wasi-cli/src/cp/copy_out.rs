//! From an image to the host.
//!
//! Names and links in an image are whatever someone wrote there, and none of them may lead out of the target. So:
//! only the target itself, as the user typed it, may be or lead through a symbolic link; below it every name is one
//! component, made new or looked at before it is used, and nothing is ever written through a link. In a directory
//! that this copy made, a name that exists already is one that the copy made too (a name twice, or names that this
//! host can't tell apart) and stays as it is.

mod others;

use std::collections::HashMap;
use std::fs::{self, File, FileTimes};
use std::io::{self, ErrorKind, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use xfskit::units::Ino;
use xfskit::volume::{FileType, Follow, Stat};

use super::Options;
use super::spot::{needs_recursive, needs_recursive_for_node};
use crate::address::{Address, last_name, show_path};
use crate::failure::Failure;
use crate::host;
use crate::image::{Access, Image};
use crate::progress::Progress;
use crate::session::Session;
use crate::transfer::{BUFFER_BYTES, data_ranges};
use crate::walk::{Step, Walk};

struct CopyOut<'a> {
    options: Options,
    image: &'a mut Image,
    session: &'a mut Session,
    progress: Progress,
    buffer: Vec<u8>,
    /// What was made of inodes that have several names.
    links: HashMap<Ino, PathBuf>,
}

/// A directory of the host that is being filled.
struct Level {
    path: PathBuf,
    /// Whether this copy made it.
    is_ours: bool,
    stat: Stat,
}

/// Where a source goes.
#[derive(Clone, Copy)]
enum Place<'a> {
    /// The path that the user typed: not a directory, followed if it is a link.
    Typed(&'a Path),
    /// A name of the image's in a directory, and whether this copy made that directory.
    Inside(&'a Path, bool),
}

/// Copies all sources.
pub(super) fn run(
    options: Options,
    sources: &[Address],
    target: &Path,
    session: &mut Session,
) -> Result<(), Failure> {
    let mut image = Image::open(&sources[0].image, Access::Read, session)?;
    let is_dir = fs::metadata(target).is_ok_and(|metadata| metadata.is_dir());
    if sources.len() > 1 && !is_dir {
        return Err(Failure::new(show_path(target), "", "target is not a directory"));
    }
    let mut copy = CopyOut {
        options,
        image: &mut image,
        session,
        progress: Progress::new(None),
        buffer: vec![0; BUFFER_BYTES],
        links: HashMap::new(),
    };
    for source in sources {
        let outcome = copy.source(source, target, is_dir);
        copy.report(outcome)?;
    }
    Ok(())
}

impl CopyOut<'_> {
    fn source(&mut self, source: &Address, target: &Path, is_dir: bool) -> Result<(), Failure> {
        let follow = if self.options.recursive { Follow::No } else { Follow::Yes };
        let ino = self.image.resolve(&source.path, follow)?;
        let stat = self.image.stat(ino, &source.path)?;
        if stat.file_type == FileType::Directory && !self.options.recursive {
            return Err(needs_recursive(source));
        }
        let name = last_name(&source.path).filter(|_| is_dir);
        let inside = name.map(|name| target.join(host::os_str(name)));
        let place = match &inside {
            Some(path) => Place::Inside(path, false),
            None => Place::Typed(target),
        };
        if stat.file_type != FileType::Directory {
            self.progress = Progress::new(Some(stat.size));
            return self.file(&source.path, &stat, place);
        }
        let top = if is_dir && inside.is_none() {
            // The source has no name of its own (`/`): what is in it goes into the target.
            Level { path: target.to_owned(), is_ours: false, stat }
        } else {
            self.directory(&source.path, stat, place)?
        };
        self.tree(source, top)
    }

    /// Copies what is in a directory.
    fn tree(&mut self, source: &Address, top: Level) -> Result<(), Failure> {
        let mut walk = Walk::new(&source.path);
        walk.enter(self.image, top.stat.ino)?;
        let mut levels = vec![top];
        while let Some(step) = walk.next() {
            let outcome = match (step, levels.last()) {
                (Step::Entry(entry), Some(level)) => {
                    let entered = self.entry(&mut walk, &entry.name, entry.ino, level);
                    entered.map(|level| levels.extend(level))
                }
                (Step::Leave, _) => levels.pop().map_or(Ok(()), |level| self.finish_directory(&level)),
                (Step::Entry(_), None) => Ok(()),
            };
            self.report(outcome)?;
        }
        Ok(())
    }

    /// Copies an entry; returns the directory that was entered, if it is one.
    fn entry(
        &mut self,
        walk: &mut Walk,
        name: &[u8],
        ino: Ino,
        level: &Level,
    ) -> Result<Option<Level>, Failure> {
        if let Some(why) = unsafe_name(name) {
            return Err(Failure::new(self.image.place(walk.path()), "not copied", why));
        }
        let stat = self.image.stat(ino, walk.path())?;
        let path = level.path.join(host::os_str(name));
        let place = Place::Inside(&path, level.is_ours);
        if stat.file_type != FileType::Directory {
            return self.file(walk.path(), &stat, place).map(|()| None);
        }
        let made = self.directory(walk.path(), stat, place)?;
        walk.enter(self.image, ino)?;
        Ok(Some(made))
    }

    fn directory(&mut self, from: &[u8], stat: Stat, place: Place<'_>) -> Result<Level, Failure> {
        let path = place.path();
        let taken = |why| Failure::new(show_path(path), "cannot overwrite", why);
        match host::create_dir(path, stat.mode) {
            Ok(()) => return Ok(Level { path: path.to_owned(), is_ours: true, stat }),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(Failure::io(show_path(path), "cannot make directory", &error)),
        }
        if let Place::Inside(_, true) = place {
            return Err(self.twice(from, path));
        }
        let found = fs::symlink_metadata(path);
        let found = found.map_err(|error| Failure::io(show_path(path), "cannot stat", &error))?;
        if found.is_symlink() {
            return Err(taken("is a symbolic link, which is not followed"));
        }
        if !found.is_dir() {
            return Err(taken("not a directory"));
        }
        Ok(Level { path: path.to_owned(), is_ours: false, stat })
    }

    /// Copies what is no directory.
    fn file(&mut self, from: &[u8], stat: &Stat, place: Place<'_>) -> Result<(), Failure> {
        if !self.link(from, stat, place)? {
            match stat.file_type {
                FileType::Regular => self.regular(from, stat, place)?,
                FileType::Symlink => self.symlink(from, stat, place)?,
                _ if !self.options.recursive => {
                    return Err(needs_recursive_for_node(self.image.place(from)));
                }
                _ => self.node(from, stat, place)?,
            }
            self.remember(stat, place);
        }
        self.progress.file();
        Ok(())
    }

    fn regular(&mut self, from: &[u8], stat: &Stat, place: Place<'_>) -> Result<(), Failure> {
        let path = place.path();
        let opened = match host::create_new(path, stat.mode) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => match place {
                Place::Inside(_, true) => return Err(self.twice(from, path)),
                Place::Inside(_, false) => open_regular(path),
                Place::Typed(_) => File::create(path),
            },
            other => other,
        };
        let mut file = opened.map_err(|error| Failure::io(show_path(path), "cannot create", &error))?;
        self.contents(from, stat, path, &mut file)?;
        if self.options.preserve {
            let kept = preserve(&file, stat);
            kept.map_err(|error| Failure::io(show_path(path), "cannot set attributes", &error))?;
        }
        Ok(())
    }

    fn contents(&mut self, from: &[u8], stat: &Stat, path: &Path, file: &mut File) -> Result<(), Failure> {
        let fail = |error| Failure::io(show_path(path), "cannot write", &error);
        let ranges = data_ranges(&mut self.image.volume, stat);
        let ranges = ranges.map_err(|error| self.image.fail(from, "cannot read extents", &error))?;
        let mut position = 0;
        for range in ranges {
            let mut offset = range.start;
            if offset != position {
                file.seek(SeekFrom::Start(offset)).map_err(fail)?;
            }
            while offset < range.end {
                let wanted = usize::try_from(range.end - offset).unwrap_or(usize::MAX).min(BUFFER_BYTES);
                let buffer = &mut self.buffer[..wanted];
                let count = self.image.volume.read(stat.ino, offset, buffer);
                let count = count.map_err(|error| self.image.fail(from, "cannot read", &error))?;
                if count == 0 {
                    break;
                }
                file.write_all(&self.buffer[..count]).map_err(fail)?;
                offset += count as u64;
                self.progress.bytes(count as u64);
            }
            position = offset;
        }
        // A hole at the end.
        if position < stat.size { file.set_len(stat.size).map_err(fail) } else { Ok(()) }
    }

    /// Gives a directory its attributes, now that nothing more is put into it.
    fn finish_directory(&mut self, level: &Level) -> Result<(), Failure> {
        let fail = |error| Failure::io(show_path(&level.path), "cannot set attributes", &error);
        if self.options.preserve {
            return File::open(&level.path).and_then(|dir| preserve(&dir, &level.stat)).map_err(fail);
        }
        if level.is_ours && level.stat.mode & 0o700 != 0o700 {
            let dir = File::open(&level.path).map_err(fail)?;
            let found = dir.metadata().map_err(fail)?;
            return host::set_mode(&dir, host::mode(&found) & (level.stat.mode | 0o077)).map_err(fail);
        }
        Ok(())
    }

    fn twice(&self, from: &[u8], path: &Path) -> Failure {
        let why = format!("{} was made by this copy and is not overwritten", show_path(path));
        Failure::new(self.image.place(from), "not copied", why)
    }

    /// Reports a failure without tearing the progress bar.
    fn report(&mut self, outcome: Result<(), Failure>) -> Result<(), Failure> {
        let Self { progress, session, .. } = self;
        progress.pause(|| session.part(outcome))
    }
}

impl<'a> Place<'a> {
    fn path(self) -> &'a Path {
        match self {
            Self::Typed(path) | Self::Inside(path, _) => path,
        }
    }
}

/// Why a name must not be used, if so.
fn unsafe_name(name: &[u8]) -> Option<&'static str> {
    match name {
        b"" => Some("empty name"),
        b"." | b".." => Some("unsafe name"),
        _ if name.contains(&b'/') => Some("unsafe name: contains a slash"),
        _ if name.contains(&0) => Some("unsafe name: contains a NUL"),
        _ => None,
    }
}

/// Opens a regular file that exists, and empties it; never what a link points at.
fn open_regular(path: &Path) -> io::Result<File> {
    let found = fs::symlink_metadata(path)?;
    if found.is_symlink() {
        return Err(io::Error::other("is a symbolic link, which is not followed"));
    }
    if !found.is_file() {
        return Err(io::Error::other("exists and is not a regular file"));
    }
    let file = fs::OpenOptions::new().write(true).open(path)?;
    if !host::is_still(&found, &file.metadata()?) {
        return Err(io::Error::other("was replaced by something else just now"));
    }
    file.set_len(0)?;
    Ok(file)
}

/// Keeps owner, permissions and times, as far as this process may. Without the owner, setuid and setgid go.
fn preserve(file: &File, stat: &Stat) -> io::Result<()> {
    let is_owned = host::set_owner(file, stat.uid, stat.gid);
    host::set_mode(file, if is_owned { stat.mode } else { stat.mode & 0o1777 })?;
    let mut times = FileTimes::new();
    if let Some(accessed) = host::system_time(stat.atime) {
        times = times.set_accessed(accessed);
    }
    if let Some(modified) = host::system_time(stat.mtime) {
        times = times.set_modified(modified);
    }
    file.set_times(times)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_elsewhere_are_unsafe() {
        for name in [&b""[..], b".", b"..", b"a/b", b"/", b"../x", b"a\0b"] {
            assert!(unsafe_name(name).is_some(), "{}", name.escape_ascii());
        }
        for name in [&b"..."[..], b"a", b"..a", b"\xff\n"] {
            assert!(unsafe_name(name).is_none(), "{}", name.escape_ascii());
        }
    }
}
