//! From the host into an image.
//!
//! Many small files decide how fast this is: per file one open, one look at the handle and one read; nothing is asked
//! twice.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::{self, File, FileType, Metadata};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::vec;

use xfskit::units::Ino;
use xfskit::volume::{NewInode, SetAttributes};

use super::Options;
use super::spot::{Destination, Spot, To, empty, needs_recursive, needs_recursive_for_node, set};
use crate::address::{Address, last_name, show_path};
use crate::failure::Failure;
use crate::image::Image;
use crate::progress::Progress;
use crate::session::Session;
use crate::transfer::{BUFFER_BYTES, runs};
use crate::{host, name};

struct CopyIn<'a> {
    options: Options,
    image: &'a mut Image,
    session: &'a mut Session,
    /// The image itself, which is not copied into itself.
    own: Option<Metadata>,
    progress: Progress,
    buffer: Vec<u8>,
    /// Where files with several names were copied to, by device and inode of the host.
    links: HashMap<(u64, u64), Ino>,
}

/// A directory of the host that is being copied.
struct Level {
    source: PathBuf,
    entries: vec::IntoIter<(OsString, FileType)>,
    ino: Ino,
    path: Vec<u8>,
    /// What to set once the directory is filled.
    after: Option<SetAttributes>,
}

/// Copies all sources.
pub(super) fn run(
    options: Options,
    sources: &[&PathBuf],
    target: &Address,
    image: &mut Image,
    session: &mut Session,
) -> Result<(), Failure> {
    let destination = Destination::find(image, target, sources.len())?;
    let total = match sources {
        [one] => fs::metadata(one).ok().filter(Metadata::is_file).map(|metadata| metadata.len()),
        _ => None,
    };
    let own = fs::metadata(&target.image).ok();
    let progress = Progress::new(total);
    let (buffer, links) = (vec![0; BUFFER_BYTES], HashMap::new());
    let mut copy = CopyIn { options, image, session, own, progress, buffer, links };
    for source in sources {
        let outcome = copy.source(source, &destination);
        copy.report(outcome)?;
    }
    Ok(())
}

impl CopyIn<'_> {
    fn source(&mut self, source: &Path, destination: &Destination) -> Result<(), Failure> {
        let found = if self.options.recursive { fs::symlink_metadata(source) } else { fs::metadata(source) };
        let metadata = found.map_err(|error| Failure::io(show_path(source), "cannot copy", &error))?;
        let name = last_name(host::bytes(source.as_os_str()));
        if !metadata.is_dir() {
            if !metadata.is_file() && !self.options.recursive {
                return Err(needs_recursive_for_node(show_path(source)));
            }
            return match destination {
                Destination::Directory(ino, path) => {
                    let spot = Spot::inside(*ino, path, name.unwrap_or(b"file"));
                    self.no_directory(source, metadata.file_type(), &spot)
                }
                Destination::Spot(spot) if spot.path.ends_with(b"/") => {
                    Err(Failure::new(self.image.place(&spot.path), "", "no such directory"))
                }
                Destination::Spot(spot) => self.no_directory(source, metadata.file_type(), spot),
                Destination::File(ino, path) if metadata.is_file() => {
                    self.file(source, To::Existing(*ino, path))
                }
                Destination::File(_, path) => {
                    Err(Failure::new(self.image.place(path), "cannot overwrite", "is a regular file"))
                }
            };
        }
        if !self.options.recursive {
            return Err(needs_recursive(show_path(source)));
        }
        match (destination, name) {
            (Destination::Directory(ino, path), Some(name)) => {
                let spot = Spot::inside(*ino, path, name);
                self.tree(source, To::Spot(&spot))
            }
            // The source has no name of its own (`.`, `/`): what is in it goes into the directory.
            (Destination::Directory(ino, path), None) => self.tree(source, To::Existing(*ino, path)),
            (Destination::Spot(spot), _) => self.tree(source, To::Spot(spot)),
            (Destination::File(_, path), _) => {
                Err(Failure::new(self.image.place(path), "cannot overwrite", "not a directory"))
            }
        }
    }

    /// Copies a directory with all that is in it.
    fn tree(&mut self, source: &Path, to: To<'_>) -> Result<(), Failure> {
        let mut levels = vec![self.level(source.to_owned(), to)?];
        while let Some(level) = levels.last_mut() {
            let Some((name, file_type)) = level.entries.next() else {
                if let Some(Level { ino, path, after: Some(after), .. }) = levels.pop() {
                    let outcome = set(self.image, ino, &path, &after);
                    self.report(outcome)?;
                }
                continue;
            };
            let path = level.source.join(&name);
            let spot = Spot::inside(level.ino, &level.path, host::bytes(&name));
            let outcome = if file_type.is_dir() {
                self.level(path, To::Spot(&spot)).map(|level| levels.push(level))
            } else {
                self.no_directory(&path, file_type, &spot)
            };
            self.report(outcome)?;
        }
        Ok(())
    }

    /// Reads a directory and makes its counterpart.
    fn level(&mut self, source: PathBuf, to: To<'_>) -> Result<Level, Failure> {
        let fail = |error| Failure::io(show_path(&source), "cannot read directory", &error);
        let metadata = fs::symlink_metadata(&source).map_err(fail)?;
        let mut entries = Vec::new();
        for entry in fs::read_dir(&source).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            entries.push((entry.file_name(), entry.file_type().map_err(fail)?));
        }
        // The same tree makes the same image, in whatever order the host lists it.
        name::sort(&mut entries, |(name, _)| name.as_encoded_bytes());
        self.image.volume.set_time(host::now());
        let (ino, path) = match to {
            To::Spot(spot) => (spot.directory(self.image, &self.new_inode(&metadata))?, spot.path.clone()),
            To::Existing(ino, path) => (ino, path.to_vec()),
        };
        let after = self.options.preserve.then(|| kept(&metadata));
        Ok(Level { source, entries: entries.into_iter(), ino, path, after })
    }

    /// Copies what is no directory.
    fn no_directory(&mut self, source: &Path, file_type: FileType, spot: &Spot) -> Result<(), Failure> {
        if file_type.is_file() {
            return self.file(source, To::Spot(spot));
        }
        let fail = |error| Failure::io(show_path(source), "cannot copy", &error);
        let metadata = fs::symlink_metadata(source).map_err(fail)?;
        if let Some(ino) = self.copied(&metadata) {
            return spot.link(self.image, ino);
        }
        self.image.volume.set_time(host::now());
        let new = self.new_inode(&metadata);
        let ino = if file_type.is_symlink() {
            let target = fs::read_link(source).map_err(fail)?;
            let (target, new) = (host::bytes(target.as_os_str()), NewInode { mode: 0o777, ..new });
            spot.other(self.image, |volume, dir, name| volume.symlink(dir, name, target, &new))?
        } else if let Some((kind, rdev)) = host::node(&metadata) {
            spot.other(self.image, |volume, dir, name| volume.mknod(dir, name, kind, rdev, &new))?
        } else {
            return Err(Failure::new(show_path(source), "not copied", "this host does not tell what it is"));
        };
        self.note(&metadata, ino);
        if self.options.preserve {
            set(self.image, ino, &spot.path, &kept(&metadata))?;
        }
        self.progress.file();
        Ok(())
    }

    /// The inode that a file with several names was copied to under another one.
    fn copied(&self, metadata: &Metadata) -> Option<Ino> {
        self.links.get(&host::link_key(metadata)?).copied()
    }

    /// Remembers where a file with several names was copied to.
    fn note(&mut self, metadata: &Metadata, ino: Ino) {
        if let (true, Some(key)) = (self.options.archive, host::link_key(metadata)) {
            self.links.insert(key, ino);
        }
    }

    fn file(&mut self, source: &Path, to: To<'_>) -> Result<(), Failure> {
        let mut file =
            File::open(source).map_err(|error| Failure::io(show_path(source), "cannot open", &error))?;
        let metadata =
            file.metadata().map_err(|error| Failure::io(show_path(source), "cannot stat", &error))?;
        if self.own.as_ref().is_some_and(|own| host::is_same_file(own, &metadata)) {
            return Err(Failure::new(show_path(source), "not copied", "is the image itself"));
        }
        self.image.volume.set_time(host::now());
        if let (Some(ino), To::Spot(spot)) = (self.copied(&metadata), to) {
            return spot.link(self.image, ino);
        }
        let new = self.new_inode(&metadata);
        let (ino, path, is_new) = to.open(self.image, &new)?;
        if !is_new {
            empty(self.image, ino, path)?;
        }
        self.contents(&mut file, &metadata, source, (ino, path))?;
        self.note(&metadata, ino);
        if self.options.preserve {
            set(self.image, ino, path, &kept(&metadata))?;
        }
        self.progress.file();
        Ok(())
    }

    fn contents(
        &mut self,
        file: &mut File,
        metadata: &Metadata,
        source: &Path,
        (ino, path): (Ino, &[u8]),
    ) -> Result<(), Failure> {
        let is_sparse = host::may_be_sparse(metadata);
        let blocksize = self.image.volume.geometry().blocksize;
        let (mut offset, mut end_of_data) = (0_u64, 0_u64);
        loop {
            let count = match file.read(&mut self.buffer) {
                Ok(count) => count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Failure::io(show_path(source), "cannot read", &error)),
            };
            if count == 0 {
                break;
            }
            let piece = &self.buffer[..count];
            let parts = if is_sparse { runs(piece, offset, blocksize) } else { vec![(true, 0, count)] };
            for (_, start, end) in parts.into_iter().filter(|part| part.0) {
                let written = self.image.volume.write(ino, offset + start as u64, &piece[start..end]);
                written.map_err(|error| self.image.fail(path, "cannot write", &error))?;
                end_of_data = offset + end as u64;
            }
            offset += count as u64;
            self.progress.bytes(count as u64);
            // As long as it was when it was opened is enough: no second read to see the end of a small file.
            if offset >= metadata.len() && metadata.len() > 0 {
                break;
            }
        }
        if end_of_data < offset {
            let grown = self.image.volume.truncate(ino, offset);
            grown.map_err(|error| self.image.fail(path, "cannot write", &error))?;
        }
        Ok(())
    }

    /// What a new inode starts with.
    fn new_inode(&self, metadata: &Metadata) -> NewInode {
        let mode = host::mode(metadata);
        if self.options.preserve {
            let (uid, gid) = host::owner(metadata);
            NewInode { mode, uid, gid }
        } else {
            NewInode { mode: mode & 0o777, uid: 0, gid: 0 }
        }
    }

    /// Reports a failure without tearing the progress bar.
    fn report(&mut self, outcome: Result<(), Failure>) -> Result<(), Failure> {
        let Self { progress, session, .. } = self;
        progress.pause(|| session.part(outcome))
    }
}

/// What `-p` keeps. A new inode may have got another group, or a list, from its directory.
fn kept(metadata: &Metadata) -> SetAttributes {
    let (uid, gid) = host::owner(metadata);
    SetAttributes {
        mode: (!metadata.is_symlink()).then(|| host::mode(metadata)),
        uid: Some(uid),
        gid: Some(gid),
        atime: metadata.accessed().ok().map(host::timestamp),
        mtime: metadata.modified().ok().map(host::timestamp),
    }
}
