//! `mv`: new names inside one image. Nothing is copied.

use xfskit::units::Ino;
use xfskit::volume::{FileType, Follow, RenameMode};

use crate::address::{Address, join, last_name};
use crate::failure::Failure;
use crate::image::{Access, Image, is_same_path};
use crate::session::Session;

const AFTER_HELP: &str = "\
If the last path is a directory that exists, the others are moved into it.

Examples:
  xfskit mv disk.img:/old disk.img:/new
  xfskit mv --exchange disk.img:/srv/live disk.img:/srv/next";

/// Arguments of `mv`.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// Sources, then the target, all in one image
    #[arg(required = true, num_args = 2.., value_name = "IMAGE:PATH", value_parser = Address::parser())]
    addresses: Vec<Address>,
    /// Leave what has the new name already, and say nothing
    #[arg(short, long, conflicts_with = "exchange")]
    no_clobber: bool,
    /// The last path is the new name, also where it is a directory
    #[arg(short = 'T', long)]
    no_target_directory: bool,
    /// Have source and target change places
    #[arg(long)]
    exchange: bool,
}

/// Carries it out.
pub(crate) fn run(args: &Args, session: &mut Session) -> Result<(), Failure> {
    let (target, sources) = one_image(&args.addresses)?;
    let mut image = Image::open(&target.image, Access::Write, session)?;
    let into = target_directory(&mut image, target, sources.len(), args.no_target_directory)?;
    for source in sources {
        let outcome = rename(&mut image, source, target, into, args);
        session.part(outcome)?;
    }
    image.close()
}

/// Sources and target, which must be in one image.
pub(crate) fn one_image(addresses: &[Address]) -> Result<(&Address, &[Address]), Failure> {
    let Some((target, sources)) = addresses.split_last() else {
        return Err(Failure::Usage("a source and a target are needed".to_owned()));
    };
    match sources.iter().find(|source| !is_same_path(&source.image, &target.image)) {
        Some(source) => Err(Failure::Usage(format!("{source}: is not in the image of {target}"))),
        None => Ok((target, sources)),
    }
}

/// The directory that the sources go into, under their own names; `None` when the target is a name for the one source.
pub(crate) fn target_directory(
    image: &mut Image,
    target: &Address,
    sources: usize,
    is_name: bool,
) -> Result<Option<Ino>, Failure> {
    if is_name {
        return match sources {
            1 => Ok(None),
            _ => Err(Failure::Usage("with -T there is one source".to_owned())),
        };
    }
    if let Some(ino) = image.existing(&target.path)?
        && image.stat(ino, &target.path)?.file_type == FileType::Directory
    {
        return Ok(Some(ino));
    }
    if sources > 1 {
        return Err(Failure::new(target, "", "target is not a directory"));
    }
    Ok(None)
}

/// Gives one source its new name.
fn rename(
    image: &mut Image,
    source: &Address,
    target: &Address,
    into: Option<Ino>,
    args: &Args,
) -> Result<(), Failure> {
    let Some(name) = last_name(&source.path) else {
        return Err(Failure::new(source, "cannot move", "not a name in a directory"));
    };
    let (dir, _) = image.parent_of(&source.path)?;
    let (new_dir, new_name, path) = match into {
        Some(ino) => (ino, name.to_vec(), join(&target.path, name)),
        None => {
            let (parent, new_name) = image.parent_of(&target.path)?;
            (parent, new_name, target.path.clone())
        }
    };
    for path in [&source.path, &path] {
        slash_asks_for_directory(image, source, path)?;
    }
    let mode = match (args.exchange, args.no_clobber) {
        (true, _) => RenameMode::Exchange,
        (false, true) => RenameMode::NoReplace,
        (false, false) => RenameMode::Replace,
    };
    if mode == RenameMode::NoReplace && image.volume.lookup(new_dir, &new_name).is_ok() {
        return Ok(());
    }
    let fail =
        |image: &Image, error| Failure::new(source, &format!("cannot move to {}", image.place(&path)), error);
    let [old, new] =
        [(dir, name), (new_dir, &new_name[..])].map(|(dir, name)| image.volume.lookup(dir, name).ok());
    if old.is_some() && old == new {
        if (dir, name) == (new_dir, &new_name[..]) {
            return Err(Failure::new(source, "not moved", "source and target are the same file"));
        }
        // Two names of one file: rename(2) would leave both, but one was to go.
        return match mode {
            RenameMode::Exchange => Ok(()),
            _ => image.volume.unlink(dir, name).map_err(|error| fail(image, error)),
        };
    }
    image.volume.rename(dir, name, new_dir, &new_name, mode).map_err(|error| fail(image, error))
}

/// A slash at the end of a path is for directories: what is moved must be one.
fn slash_asks_for_directory(image: &mut Image, source: &Address, path: &[u8]) -> Result<(), Failure> {
    if !path.ends_with(b"/") {
        return Ok(());
    }
    let trimmed = source.path.len() - source.path.iter().rev().take_while(|&&byte| byte == b'/').count();
    let ino = image.volume.resolve(&source.path[..trimmed], Follow::No);
    let ino = ino.map_err(|error| image.fail(&source.path, "cannot move", &error))?;
    match image.stat(ino, &source.path)?.file_type {
        FileType::Directory => Ok(()),
        _ => Err(Failure::new(image.place(path), "cannot move", "not a directory")),
    }
}
