//! `export`: a tree as a PAX archive.

use std::collections::HashMap;
use std::io::{self, BufWriter, Read, StdoutLock, Write as _};
use std::ops::Range;

use tar::Builder;
use xfskit::units::Ino;
use xfskit::volume::{FileType, Follow, Stat};

use crate::address::Address;
use crate::failure::Failure;
use crate::image::{Access, Image};
use crate::name;
use crate::pax::{self, Entry, Xattr};
use crate::progress::Progress;
use crate::session::Session;
use crate::transfer::{BUFFER_BYTES, data_ranges};
use crate::walk::{Step, Walk};

const AFTER_HELP: &str = "\
Names in the archive start at PATH, which is ./ itself. Kept are owners,
modes, times to the nanosecond, hard links, devices, fifos, holes (as sparse
files in format 1.0 of GNU tar) and extended attributes (as SCHILY.xattr).
Sockets are left out with a warning.

Examples:
  xfskit export disk.img:/srv > srv.tar
  xfskit export disk.img: | tar -x -p --xattrs --xattrs-include='*' -C target";

/// Arguments of `export`.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// Directory or file to export
    #[arg(value_name = "IMAGE:PATH", value_parser = Address::parser())]
    address: Address,
}

struct Export {
    builder: Builder<BufWriter<StdoutLock<'static>>>,
    /// Name in the archive of each file that has several, by inode.
    linked: HashMap<Ino, Vec<u8>>,
    progress: Progress,
    buffer: Vec<u8>,
}

/// Carries it out.
pub(crate) fn run(args: &Args, session: &mut Session) -> Result<(), Failure> {
    let stdout = io::stdout().lock();
    if io::IsTerminal::is_terminal(&stdout) {
        return Err(Failure::Usage("export writes an archive: send it to a file or a pipe".to_owned()));
    }
    let mut image = Image::open(&args.address.image, Access::Read, session)?;
    let path = &args.address.path;
    let top = image.resolve(path, Follow::Yes)?;
    let mut export = Export {
        builder: Builder::new(BufWriter::with_capacity(BUFFER_BYTES, stdout)),
        linked: HashMap::new(),
        progress: Progress::new(None),
        buffer: vec![0; BUFFER_BYTES],
    };
    let stat = image.volume.stat(top).map_err(|error| image.fail(path, "cannot stat", &error))?;
    if stat.file_type == FileType::Directory {
        export.tree(&mut image, path, &stat, session)?;
    } else {
        let name = args.address.last_name().unwrap_or(b"file").to_vec();
        export.file(&mut image, path, name, &stat, session)?;
    }
    let written = export.builder.into_inner().and_then(|mut out| out.flush());
    written.map_err(|error| Failure::output(&error))
}

impl Export {
    fn tree(
        &mut self,
        image: &mut Image,
        path: &[u8],
        stat: &Stat,
        session: &mut Session,
    ) -> Result<(), Failure> {
        self.file(image, path, b"./".to_vec(), stat, session)?;
        // The walk's own paths start where names in the archive do.
        let mut walk = Walk::new(path);
        walk.enter(image, stat.ino)?;
        let strip = if path.ends_with(b"/") { path.len() } else { path.len() + 1 };
        while let Some(step) = walk.next() {
            let Step::Entry(entry) = step else { continue };
            let outcome = self.entry(image, &mut walk, entry.ino, strip, session);
            session.part(outcome)?;
        }
        Ok(())
    }

    fn entry(
        &mut self,
        image: &mut Image,
        walk: &mut Walk,
        ino: Ino,
        strip: usize,
        session: &mut Session,
    ) -> Result<(), Failure> {
        let path = walk.path().to_vec();
        let last = path.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
        let stat = image.volume.stat(ino).map_err(|error| image.fail(&path, "cannot stat", &error))?;
        let mut name = path[strip..].to_vec();
        if name.contains(&0) || last.is_empty() || last == b"." || last == b".." {
            return Err(Failure::new(
                image.place(&path),
                "",
                "left out: this name cannot stand in an archive",
            ));
        }
        if stat.file_type == FileType::Directory {
            name.push(b'/');
            self.file(image, &path, name, &stat, session)?;
            return walk.enter(image, ino);
        }
        self.file(image, &path, name, &stat, session)
    }

    /// One entry of the archive.
    fn file(
        &mut self,
        image: &mut Image,
        path: &[u8],
        name: Vec<u8>,
        stat: &Stat,
        session: &mut Session,
    ) -> Result<(), Failure> {
        if stat.file_type == FileType::Socket {
            self.progress
                .pause(|| session.warn(&image.place(path), "socket left out: archives have no form for it"));
            return Ok(());
        }
        self.progress.file();
        if let Some(first) = self.linked.get(&stat.ino) {
            let entry = Entry { path: &name, link: Some(first), is_hard_link: true, ..Entry::default() };
            return pax::append(&mut self.builder, stat, &entry, io::empty())
                .map_err(|error| Failure::output(&error));
        }
        let xattrs = xattrs(image, path, stat.ino)?;
        let link = if stat.file_type == FileType::Symlink {
            let target = image.volume.read_link(stat.ino);
            Some(target.map_err(|error| image.fail(path, "cannot read symbolic link", &error))?)
        } else {
            None
        };
        let ranges = match stat.file_type {
            FileType::Regular => data_ranges(&mut image.volume, stat)
                .map_err(|error| image.fail(path, "cannot read extents", &error))?,
            _ => Vec::new(),
        };
        let is_sparse = ranges.first() != Some(&(0..stat.size));
        let pieces =
            (stat.file_type == FileType::Regular && stat.size > 0 && is_sparse).then_some(&ranges[..]);
        let entry =
            Entry { path: &name, link: link.as_deref(), is_hard_link: false, xattrs: &xattrs, pieces };
        let mut contents = Contents {
            image,
            ino: stat.ino,
            ranges: ranges.clone().into_iter(),
            piece: 0..0,
            buffer: &mut self.buffer,
            filled: 0..0,
            progress: &mut self.progress,
            failure: None,
        };
        let appended = pax::append(&mut self.builder, stat, &entry, &mut contents);
        // Only what stands in the archive can be linked to.
        if stat.nlink > 1 && stat.file_type != FileType::Directory {
            self.linked.insert(stat.ino, name.clone());
        }
        match contents.failure.take() {
            Some(error) => {
                Err(image.fail(path, "cannot read (its place in the archive holds zeros)", &error))
            }
            None => appended.map_err(|error| Failure::output(&error)),
        }
    }
}

/// Names and values of all extended attributes.
fn xattrs(image: &mut Image, path: &[u8], ino: Ino) -> Result<Vec<Xattr>, Failure> {
    let names =
        image.volume.list_xattrs(ino).map_err(|error| image.fail(path, "cannot list attributes", &error))?;
    let mut xattrs = Vec::with_capacity(names.len());
    for attribute in names {
        let full = attribute.full_name();
        let value = image.volume.xattr(ino, attribute.namespace, &attribute.name);
        let value = value.map_err(|error| image.fail(path, &name::escaped(&full), &error))?;
        xattrs.push((full, value));
    }
    Ok(xattrs)
}

/// A file's contents, read in large pieces. After a failure zeros follow, so that the archive stays whole.
struct Contents<'a> {
    image: &'a mut Image,
    ino: Ino,
    /// What is still to be read.
    ranges: std::vec::IntoIter<Range<u64>>,
    /// And of the one before that.
    piece: Range<u64>,
    buffer: &'a mut [u8],
    filled: Range<usize>,
    progress: &'a mut Progress,
    failure: Option<xfskit::Error>,
}

impl Contents<'_> {
    fn fill(&mut self) {
        let left = self.piece.end - self.piece.start;
        let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(self.buffer.len());
        let buffer = &mut self.buffer[..wanted];
        let mut count = 0;
        if self.failure.is_none() {
            match self.image.volume.read(self.ino, self.piece.start, buffer) {
                Ok(read) => count = read,
                Err(error) => self.failure = Some(error),
            }
        }
        buffer[count..].fill(0);
        self.piece.start += wanted as u64;
        self.filled = 0..wanted;
        self.progress.bytes(wanted as u64);
    }
}

impl Read for Contents<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while self.filled.is_empty() {
            if self.piece.is_empty() {
                let Some(next) = self.ranges.next() else { return Ok(0) };
                self.piece = next;
            }
            self.fill();
        }
        let count = buf.len().min(self.filled.len());
        let start = self.filled.start;
        buf[..count].copy_from_slice(&self.buffer[start..start + count]);
        self.filled.start += count;
        Ok(count)
    }
}
