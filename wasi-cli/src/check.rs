//! `check`: damage looked for, nothing changed.

use std::path::PathBuf;

use crate::address::Address;
use crate::failure::Failure;
use crate::image::{Access, Image};
use crate::session::Session;

/// Arguments of `check`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit status: 0 sound, 1 the check itself failed, 3 damage found.\n\nExample:\n  xfskit check disk.img"
)]
pub(crate) struct Args {
    /// Image
    #[arg(value_name = "IMAGE", value_parser = Address::image_parser())]
    image: PathBuf,
}

/// Carries it out.
pub(crate) fn run(args: &Args, session: &mut Session) -> Result<(), Failure> {
    let image = Image::open(&args.image, Access::Read, session)?;
    Err(Failure::new(image.name(), "", "unsupported: check"))
}
