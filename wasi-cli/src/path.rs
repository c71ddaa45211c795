//! `path`: where an inode is, by its parent pointers.

use std::path::PathBuf;

use serde::Serialize;
use xfskit::units::Ino;

use crate::address::{Address, show_path};
use crate::failure::Failure;
use crate::image::{Access, Image};
use crate::name;
use crate::output::Output;
use crate::session::Session;

/// Arguments of `path`.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(after_help = "Example:\n  xfskit path disk.img --inode 131")]
pub(crate) struct Args {
    /// The image
    #[arg(value_name = "IMAGE", value_parser = Address::image_parser())]
    image: PathBuf,
    /// Number of an inode
    #[arg(short, long, required = true, value_name = "N")]
    inode: Vec<u64>,
}

#[derive(Debug, Serialize)]
struct JsonPaths {
    image: String,
    inode: u64,
    paths: Vec<String>,
}

/// Carries it out.
pub(crate) fn run(args: &Args, session: &mut Session) -> Result<(), Failure> {
    let mut image = Image::open(&args.image, Access::Read, session)?;
    let mut out = Output::new();
    let mut found = Vec::new();
    for &ino in &args.inode {
        let paths = image.volume.path_of(Ino(ino));
        let paths = match paths {
            Ok(paths) => paths,
            Err(error) => {
                let place = format!("{}: inode {ino}", show_path(&args.image));
                session.part(Err(Failure::new(place, "", error)))?;
                continue;
            }
        };
        if session.json {
            let paths = paths.iter().map(|path| name::for_json(path)).collect();
            found.push(JsonPaths { image: show_path(&args.image), inode: ino, paths });
            continue;
        }
        for path in paths {
            out.name(&path)?;
            out.bytes(b"\n")?;
        }
    }
    if session.json {
        out.json(&found)?;
    }
    out.finish()
}
