//! `fallocate`: space of files, as the tool of that name changes it.

use xfskit::volume::{Allocate, Follow};

use crate::address::Address;
use crate::failure::Failure;
use crate::image::{Access, at_each};
use crate::session::Session;
use crate::size;

const AFTER_HELP: &str = "\
Without -p, -z, -c, -i or --unshare, blocks are allocated; what was a hole
still reads as zeros. A file that does not exist is made.

Examples:
  xfskit fallocate -l 1G disk.img:/var/db
  xfskit fallocate -p -o 1M -l 64K disk.img:/var/db";

/// Arguments of `fallocate`.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// First byte
    #[arg(short, long, value_name = "BYTES", default_value = "0", value_parser = size::parse)]
    offset: u64,
    /// Number of bytes
    #[arg(short, long, value_name = "BYTES", value_parser = size::parse)]
    length: u64,
    /// Leave the size of the file as it is
    #[arg(short = 'n', long)]
    keep_size: bool,
    /// Make a hole
    #[arg(short, long, group = "what")]
    punch_hole: bool,
    /// Make it read as zeros, and allocate blocks
    #[arg(short, long, group = "what")]
    zero_range: bool,
    /// Take it out of the file; what is behind moves there
    #[arg(short, long, group = "what")]
    collapse_range: bool,
    /// Put a hole there; what is there moves behind it
    #[arg(short, long, group = "what")]
    insert_range: bool,
    /// Copy blocks that are shared with other files
    #[arg(long, group = "what")]
    unshare: bool,
    /// Files
    #[arg(required = true, value_name = "IMAGE:PATH", value_parser = Address::parser())]
    addresses: Vec<Address>,
}

/// Carries it out.
pub(crate) fn run(args: &Args, session: &mut Session) -> Result<(), Failure> {
    let keep_size = args.keep_size;
    let what = match args {
        Args { punch_hole: true, .. } => Allocate::Punch,
        Args { zero_range: true, .. } => Allocate::Zero { keep_size },
        Args { collapse_range: true, .. } => Allocate::Collapse,
        Args { insert_range: true, .. } => Allocate::Insert,
        Args { unshare: true, .. } => Allocate::Unshare { keep_size },
        _ => Allocate::Blocks { keep_size },
    };
    at_each(&args.addresses, Access::Write, session, |image, address, _| {
        let path = &address.path;
        let ino = match what {
            Allocate::Blocks { .. } => image.existing(path)?,
            _ => Some(image.resolve(path, Follow::Yes)?),
        };
        let ino = match ino {
            Some(ino) => ino,
            None => crate::attributes::create(image, path)?,
        };
        let outcome = image.volume.allocate(ino, what, args.offset, args.length);
        outcome.map_err(|error| image.fail(path, "cannot allocate", &error))
    })
}
