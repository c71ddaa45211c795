//! `cat`: files written to standard output.

use std::io::Write as _;

use xfskit::volume::{FileType, Follow};

use crate::address::Address;
use crate::failure::Failure;
use crate::image::{Access, at_each};
use crate::session::Session;
use crate::transfer::{self, BUFFER_BYTES};

const AFTER_HELP: &str = "\
Example:
  xfskit cat disk.img:/etc/hosts";

/// Arguments of `cat`.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// Files to write, one after the other
    #[arg(required = true, value_name = "IMAGE:PATH", value_parser = Address::parser())]
    addresses: Vec<Address>,
}

/// Carries it out.
pub(crate) fn run(args: &Args, session: &mut Session) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    let mut buffer = Vec::new();
    at_each(&args.addresses, Access::Read, session, |image, address, _| {
        let ino = image.resolve(&address.path, Follow::Yes)?;
        let stat =
            image.volume.stat(ino).map_err(|error| image.fail(&address.path, "cannot stat", &error))?;
        match stat.file_type {
            FileType::Regular => {}
            FileType::Directory => return Err(Failure::new(address, "", "is a directory")),
            _ => return Err(Failure::new(address, "", "not a regular file")),
        }
        buffer.resize(transfer::buffer_bytes(stat.size), 0);
        let mut offset = 0;
        loop {
            let count = image
                .volume
                .read(ino, offset, &mut buffer)
                .map_err(|error| image.fail(&address.path, "cannot read", &error))?;
            if count == 0 {
                return Ok(());
            }
            out.write_all(&buffer[..count]).map_err(|error| Failure::output(&error))?;
            offset += count as u64;
            debug_assert!(count <= BUFFER_BYTES);
            if count < buffer.len() {
                return Ok(());
            }
        }
    })?;
    out.flush().map_err(|error| Failure::output(&error))
}
