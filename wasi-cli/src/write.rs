//! `write` and `truncate`.

use std::io::ErrorKind;

use xfskit::units::Ino;
use xfskit::volume::FileType;

use crate::address::Address;
use crate::failure::Failure;
use crate::image::{Access, Image, at_each};
use crate::progress::Progress;
use crate::session::Session;
use crate::size::{self, NewSize};
use crate::transfer::BUFFER_BYTES;

const WRITE_AFTER_HELP: &str = "\
The file is made when it does not exist. Bytes that are not written over stay,
unless --truncate is given.

Examples:
  echo 127.0.0.1 localhost | xfskit write disk.img:/etc/hosts --truncate
  xfskit write disk.img:/b --offset 4096 < patch";

const TRUNCATE_AFTER_HELP: &str = "\
SIZE is a number of bytes, perhaps with a suffix K, M, G, T or P; in front of
it + means longer by, - shorter by, < at most, > at least, / down to a
multiple of, % up to a multiple of.

Examples:
  xfskit truncate --size 1M disk.img:/a
  xfskit truncate -s +4K disk.img:/a disk.img:/b";

/// Arguments of `write`.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(after_help = WRITE_AFTER_HELP)]
pub(crate) struct WriteArgs {
    /// File to write to
    #[arg(value_name = "IMAGE:PATH", value_parser = Address::parser())]
    address: Address,
    /// Where in the file to start
    #[arg(short, long, value_name = "BYTES", default_value = "0", value_parser = size::parse)]
    offset: u64,
    /// Cut the file off at the offset first
    #[arg(short, long)]
    truncate: bool,
}

/// Arguments of `truncate`.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(after_help = TRUNCATE_AFTER_HELP)]
pub(crate) struct TruncateArgs {
    /// Files; those that do not exist are made
    #[arg(required = true, value_name = "IMAGE:PATH", value_parser = Address::parser())]
    addresses: Vec<Address>,
    /// The new size
    #[arg(short, long, value_parser = NewSize::parse, allow_hyphen_values = true)]
    size: NewSize,
    /// Make no files
    #[arg(short = 'c', long)]
    no_create: bool,
}

/// Carries out `write`.
pub(crate) fn write(args: &WriteArgs, session: &mut Session) -> Result<(), Failure> {
    let mut image = Image::open(&args.address.image, Access::Write, session)?;
    let outcome = write_stdin(args, &mut image);
    session.part(outcome)?;
    image.close()
}

fn write_stdin(args: &WriteArgs, image: &mut Image) -> Result<(), Failure> {
    let path = &args.address.path;
    let ino = open(image, path, true)?
        .ok_or_else(|| Failure::new(&args.address, "", "no such file or directory"))?;
    if args.truncate {
        truncate_at(image, ino, path, args.offset)?;
    }
    let mut stdin = std::io::stdin().lock();
    let mut progress = Progress::new(None);
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut offset = args.offset;
    loop {
        let count = fill(&mut stdin, &mut buffer)
            .map_err(|error| Failure::io("standard input", "cannot read", &error))?;
        if count == 0 {
            return Ok(());
        }
        image
            .volume
            .write(ino, offset, &buffer[..count])
            .map_err(|error| image.fail(path, "cannot write", &error))?;
        offset = offset.saturating_add(count as u64);
        progress.bytes(count as u64);
    }
}

/// Reads until the buffer is full or the input ends: a pipe hands out little at a time.
fn fill(input: &mut impl std::io::Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match input.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Carries out `truncate`.
pub(crate) fn truncate(args: &TruncateArgs, session: &mut Session) -> Result<(), Failure> {
    at_each(&args.addresses, Access::Write, session, |image, address, _| {
        let Some(ino) = open(image, &address.path, !args.no_create)? else { return Ok(()) };
        let current = if args.size.is_relative() { image.stat(ino, &address.path)?.size } else { 0 };
        let size = args.size.apply(current);
        let size = size.ok_or_else(|| Failure::new(address, "cannot truncate", "file too large"))?;
        truncate_at(image, ino, &address.path, size)
    })
}

fn truncate_at(image: &mut Image, ino: Ino, path: &[u8], size: u64) -> Result<(), Failure> {
    image.volume.truncate(ino, size).map_err(|error| image.fail(path, "cannot truncate", &error))
}

/// The regular file at `path`, made if that is wanted.
fn open(image: &mut Image, path: &[u8], may_create: bool) -> Result<Option<Ino>, Failure> {
    if let Some(ino) = image.existing(path)? {
        return match image.stat(ino, path)?.file_type {
            FileType::Regular => Ok(Some(ino)),
            FileType::Directory => Err(Failure::new(image.place(path), "", "is a directory")),
            _ => Err(Failure::new(image.place(path), "", "not a regular file")),
        };
    }
    if !may_create {
        return Ok(None);
    }
    crate::attributes::create(image, path).map(Some)
}
