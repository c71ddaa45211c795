//! `import`: an archive unpacked inside an image.
//!
//! Names stay below the directory that is unpacked into: `..` is refused, and no symbolic link is followed on the way to
//! a member. What has the name of a member already is replaced when the member has arrived whole.

mod attributes;

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Read};

use tar::EntryType;
use xfskit::error::Mistake;
use xfskit::units::Ino;
use xfskit::volume::{FileType, Follow, NewInode};
use xfskit::{Error, Volume};

use crate::address::{self, Address};
use crate::archive::{Member, Reader};
use crate::failure::Failure;
use crate::image::{Access, Image};
use crate::progress::Progress;
use crate::session::Session;
use crate::transfer::BUFFER_BYTES;
use crate::{host, name, replace};

const AFTER_HELP: &str = "\
Read are archives of GNU tar and PAX: files, sparse ones too, directories,
hard links, symbolic links, devices, fifos, extended attributes and ACLs, times
to the nanosecond, owners by number. Compressed archives come through a pipe.

Examples:
  xfskit import disk.img:/srv srv.tar
  zstd -dc rootfs.tar.zst | xfskit import disk.img:/";

/// Arguments of `import`.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// Directory to unpack into
    #[arg(value_name = "IMAGE:PATH", value_parser = Address::parser())]
    address: Address,
    /// Archive; - is standard input
    #[arg(default_value = "-")]
    archive: String,
}

/// A place for a member: a name in a directory.
struct Spot {
    dir: Ino,
    name: Vec<u8>,
    path: Vec<u8>,
}

/// What a directory gets when everything in it is there.
struct After {
    ino: Ino,
    path: Vec<u8>,
    member: Member,
}

struct Import<'a> {
    image: &'a mut Image,
    session: &'a mut Session,
    progress: Progress,
    top: Ino,
    top_path: Vec<u8>,
    /// Directories by their names in the archive.
    dirs: HashMap<Vec<u8>, Ino>,
    after: Vec<After>,
    buffer: Vec<u8>,
}

/// Carries it out.
pub(crate) fn run(args: &Args, session: &mut Session) -> Result<(), Failure> {
    let (input, total): (Box<dyn Read>, _) = match args.archive.as_str() {
        "-" => (Box::new(io::stdin()), None),
        path => {
            let file = File::open(path).map_err(|error| Failure::io(path, "cannot open", &error))?;
            let total = file.metadata().ok().map(|metadata| metadata.len());
            (Box::new(file), total)
        }
    };
    let mut image = Image::open(&args.address.image, Access::Write, session)?;
    let outcome = unpack(args, input, total, &mut image, session);
    let closed = image.close();
    outcome.and(closed)
}

fn unpack(
    args: &Args,
    input: Box<dyn Read>,
    total: Option<u64>,
    image: &mut Image,
    session: &mut Session,
) -> Result<(), Failure> {
    let path = &args.address.path;
    let top = image.resolve(path, Follow::Yes)?;
    if image.stat(top, path)?.file_type != FileType::Directory {
        return Err(Failure::new(image.place(path), "", "not a directory"));
    }
    let mut import = Import {
        image,
        session,
        progress: Progress::new(total),
        top,
        top_path: path.clone(),
        dirs: HashMap::new(),
        after: Vec::new(),
        buffer: vec![0; BUFFER_BYTES],
    };
    let mut reader = Reader::new(BufReader::with_capacity(BUFFER_BYTES, input));
    let outcome = import.members(&mut reader, &args.archive);
    // What did arrive gets its attributes.
    import.finish_directories()?;
    outcome
}

impl Import<'_> {
    fn members(
        &mut self,
        reader: &mut Reader<BufReader<Box<dyn Read>>>,
        archive: &str,
    ) -> Result<(), Failure> {
        let broken = |error: io::Error| Failure::io(archive, "cannot read archive", &error);
        while let Some(member) = reader.next().map_err(broken)? {
            self.image.volume.set_time(host::now());
            let member_path = member.path.clone();
            match self.member(reader, member) {
                Ok(()) => self.progress.file(),
                Err(Trouble::Member(failure)) => {
                    let Self { progress, session, .. } = self;
                    progress.pause(|| session.part(Err(failure)))?;
                }
                Err(Trouble::Archive(error)) => {
                    let place = format!("{archive}: {}", name::escaped(&member_path));
                    return Err(Failure::io(place, "cannot read archive", &error));
                }
            }
        }
        Ok(())
    }

    fn member(
        &mut self,
        reader: &mut Reader<BufReader<Box<dyn Read>>>,
        member: Member,
    ) -> Result<(), Trouble> {
        let name = member.path.clone();
        let parts = safe_parts(&name).map_err(|why| self.refuse(&member, why))?;
        let is_dir =
            member.kind == EntryType::Directory || member.kind == EntryType::Regular && name.ends_with(b"/");
        let Some((last, above)) = parts.split_last() else {
            if is_dir {
                let (ino, path) = (self.top, self.top_path.clone());
                self.after.push(After { ino, path, member });
            }
            return Ok(());
        };
        let dir = self.directory(above)?;
        let path = self.path_of(&parts);
        let spot = Spot { dir, name: last.to_vec(), path };
        match member.kind {
            _ if is_dir => self.make_directory(&parts, &spot, member)?,
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                self.replacing(&spot, |import, spot| import.make_file(reader, spot, &member))?;
            }
            EntryType::Link => self.make_link(&spot, &member)?,
            EntryType::Symlink | EntryType::Char | EntryType::Block | EntryType::Fifo => {
                self.replacing(&spot, |import, spot| import.make_node(spot, &member))?;
            }
            // A label of the archive is nothing to unpack.
            kind if kind.as_byte() == b'V' => {}
            _ => return Err(self.refuse(&member, "unsupported: this type of member")),
        }
        Ok(())
    }

    fn refuse(&self, member: &Member, why: &str) -> Trouble {
        let place = format!("{}: {}", self.image.place(&self.top_path), name::escaped(&member.path));
        Trouble::Member(Failure::new(place, "not unpacked", why))
    }

    fn fail(&self, path: &[u8], what: &str, error: &Error) -> Trouble {
        Trouble::Member(self.image.fail(path, what, error))
    }

    fn path_of(&self, parts: &[&[u8]]) -> Vec<u8> {
        parts.iter().fold(self.top_path.clone(), |path, part| address::join(&path, part))
    }

    /// The directory of that name in the archive, made when it is not there.
    fn directory(&mut self, parts: &[&[u8]]) -> Result<Ino, Trouble> {
        let key = parts.join(&b'/');
        if parts.is_empty() {
            return Ok(self.top);
        }
        if let Some(&ino) = self.dirs.get(&key) {
            return Ok(ino);
        }
        let mut dir = self.top;
        for (index, part) in parts.iter().enumerate() {
            let path = self.path_of(&parts[..=index]);
            let found = find(&mut self.image.volume, dir, part);
            dir = match found.map_err(|error| self.fail(&path, "", &error))? {
                Some((ino, FileType::Directory)) => ino,
                Some(_) => return Err(self.fail(&path, "", &Mistake::NotADirectory.into())),
                None => {
                    let new = NewInode { mode: 0o755, uid: 0, gid: 0 };
                    let made = self.image.volume.mkdir(dir, part, &new);
                    made.map_err(|error| self.fail(&path, "cannot make directory", &error))?
                }
            };
        }
        self.dirs.insert(key, dir);
        Ok(dir)
    }

    fn make_directory(&mut self, parts: &[&[u8]], spot: &Spot, member: Member) -> Result<(), Trouble> {
        let found = find(&mut self.image.volume, spot.dir, &spot.name);
        let found = found.map_err(|error| self.fail(&spot.path, "", &error))?;
        let new = NewInode { mode: member.mode, uid: member.uid, gid: member.gid };
        let volume = &mut self.image.volume;
        let made = match found {
            Some((ino, FileType::Directory)) => Ok(ino),
            Some(_) => replace::free_name(volume, spot.dir).and_then(|aside| {
                let ino = volume.mkdir(spot.dir, &aside, &new)?;
                replace::put_dir_over(volume, spot.dir, &aside, &spot.name)?;
                Ok(ino)
            }),
            None => volume.mkdir(spot.dir, &spot.name, &new),
        };
        let ino = made.map_err(|error| self.fail(&spot.path, "cannot make directory", &error))?;
        self.dirs.insert(parts.join(&b'/'), ino);
        self.after.push(After { ino, path: spot.path.clone(), member });
        Ok(())
    }

    /// Makes something at its place, or beside it when there is something that it replaces once it is whole.
    fn replacing(
        &mut self,
        spot: &Spot,
        make: impl FnOnce(&mut Self, &Spot) -> Result<(), Trouble>,
    ) -> Result<(), Trouble> {
        let found = find(&mut self.image.volume, spot.dir, &spot.name);
        let is_taken = match found.map_err(|error| self.fail(&spot.path, "", &error))? {
            None => false,
            Some((_, FileType::Directory)) => {
                return Err(self.fail(&spot.path, "cannot replace", &Mistake::IsADirectory.into()));
            }
            Some(_) => true,
        };
        let aside = if is_taken {
            let aside = replace::free_name(&mut self.image.volume, spot.dir);
            aside.map_err(|error| self.fail(&spot.path, "cannot replace", &error))?
        } else {
            spot.name.clone()
        };
        let place = Spot { dir: spot.dir, name: aside, path: spot.path.clone() };
        let outcome = make(self, &place);
        let volume = &mut self.image.volume;
        if let Err(trouble) = outcome {
            // Nothing that is not whole stays. When it was never made there is nothing to remove.
            let _ = volume.unlink(place.dir, &place.name);
            return Err(trouble);
        }
        if is_taken {
            let moved = replace::put_over(volume, spot.dir, &place.name, &spot.name);
            moved.map_err(|error| self.fail(&spot.path, "cannot replace", &error))?;
        }
        Ok(())
    }

    fn make_file(
        &mut self,
        reader: &mut Reader<BufReader<Box<dyn Read>>>,
        spot: &Spot,
        member: &Member,
    ) -> Result<(), Trouble> {
        let new = NewInode { mode: member.mode, uid: member.uid, gid: member.gid };
        let made = self.image.volume.create(spot.dir, &spot.name, &new);
        let ino = made.map_err(|error| self.fail(&spot.path, "cannot create", &error))?;
        let fail = |import: &Self, error| import.fail(&spot.path, "cannot write", &error);
        let mut end = 0;
        for piece in &member.pieces {
            let mut at = piece.start;
            while at < piece.end {
                let room = usize::try_from(piece.end - at).unwrap_or(usize::MAX).min(self.buffer.len());
                let count = reader.read(&mut self.buffer[..room]).map_err(Trouble::Archive)?;
                let written = self.image.volume.write(ino, at, &self.buffer[..count]);
                written.map_err(|error| fail(self, error))?;
                self.progress.bytes(count as u64);
                at += count as u64;
            }
            end = piece.end;
        }
        if end < member.size {
            let grown = self.image.volume.truncate(ino, member.size);
            grown.map_err(|error| fail(self, error))?;
        }
        self.attributes(ino, &spot.path, member)
    }

    fn make_node(&mut self, spot: &Spot, member: &Member) -> Result<(), Trouble> {
        let new = NewInode { mode: member.mode, uid: member.uid, gid: member.gid };
        let volume = &mut self.image.volume;
        let made = match member.kind {
            EntryType::Symlink => {
                volume.symlink(spot.dir, &spot.name, &member.link, &NewInode { mode: 0o777, ..new })
            }
            EntryType::Char => volume.mknod(spot.dir, &spot.name, FileType::CharDevice, member.rdev, &new),
            EntryType::Block => volume.mknod(spot.dir, &spot.name, FileType::BlockDevice, member.rdev, &new),
            _ => volume.mknod(spot.dir, &spot.name, FileType::Fifo, (0, 0), &new),
        };
        let ino = made.map_err(|error| self.fail(&spot.path, "cannot create", &error))?;
        self.attributes(ino, &spot.path, member)
    }

    fn make_link(&mut self, spot: &Spot, member: &Member) -> Result<(), Trouble> {
        let parts = safe_parts(&member.link).map_err(|why| self.refuse(member, why))?;
        let target = self.path_of(&parts);
        let mut ino = self.top;
        for part in &parts {
            let found = find(&mut self.image.volume, ino, part)
                .and_then(|found| found.ok_or_else(|| Mistake::NotFound.into()));
            ino = found.map_err(|error| self.fail(&target, "cannot link to", &error))?.0;
        }
        let same = find(&mut self.image.volume, spot.dir, &spot.name);
        if same.is_ok_and(|found| found.is_some_and(|(found, _)| found == ino)) {
            return Ok(());
        }
        self.replacing(spot, |import, spot| {
            let linked = import.image.volume.link(ino, spot.dir, &spot.name);
            linked.map_err(|error| import.fail(&spot.path, "cannot link", &error))
        })
    }

    fn finish_directories(&mut self) -> Result<(), Failure> {
        for After { ino, path, member } in std::mem::take(&mut self.after).into_iter().rev() {
            match self.attributes(ino, &path, &member) {
                Err(Trouble::Member(failure)) => self.session.part(Err(failure))?,
                Err(Trouble::Archive(_)) | Ok(()) => {}
            }
        }
        Ok(())
    }
}

/// What went wrong: one member, or the archive as a whole.
enum Trouble {
    Member(Failure),
    Archive(io::Error),
}

/// The components of a name in an archive, none of which leads up.
fn safe_parts(path: &[u8]) -> Result<Vec<&[u8]>, &'static str> {
    let parts = path.split(|&byte| byte == b'/').filter(|part| !part.is_empty() && *part != b".");
    let parts: Vec<&[u8]> = parts.collect();
    match parts.iter().any(|part| *part == b"..") {
        true => Err("a name that contains .. could lead anywhere"),
        false => Ok(parts),
    }
}

/// What `name` leads to in a directory; symbolic links are not followed.
fn find(volume: &mut Volume, dir: Ino, name: &[u8]) -> xfskit::Result<Option<(Ino, FileType)>> {
    match volume.lookup(dir, name) {
        Ok(ino) => Ok(Some((ino, volume.stat(ino)?.file_type))),
        Err(Error::Invalid(Mistake::NotFound)) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_below() {
        assert_eq!(safe_parts(b"./a//b/."), Ok(vec![&b"a"[..], b"b"]));
        assert_eq!(safe_parts(b"/etc/passwd"), Ok(vec![&b"etc"[..], b"passwd"]));
        assert_eq!(safe_parts(b"./"), Ok(vec![]));
        assert!(safe_parts(b"a/../../b").is_err());
    }
}
