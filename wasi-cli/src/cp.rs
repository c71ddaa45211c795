//! `cp`: between host and image, and inside an image.
//!
//! The target is read as cp reads it: a directory that exists takes the sources in under their own names, anything
//! else is the name that the one source gets. `copy_in` makes files in the image from files of the host, `copy_out`
//! the other way round, `within` copies or clones inside one image.

mod copy_in;
mod copy_out;
mod spot;
mod within;

use std::path::PathBuf;

use clap::ValueEnum;

use crate::address::{Address, Target};
use crate::failure::Failure;
use crate::image::{Access, Image, is_same_path};
use crate::session::Session;

const AFTER_HELP: &str = "\
If the last path is a directory that exists, the others are copied into it.
Without -p, what is made in an image belongs to 0:0 and has the permissions of
its source. Under -r symbolic links are copied, not followed, and so are
devices, fifos and sockets. Holes stay holes.
Copying out never writes outside of the target, whatever names and links the
image holds.

Examples:
  xfskit cp -r ./site disk.img:/srv
  xfskit cp -rp disk.img:/home ./backup
  xfskit cp --reflink=always disk.img:/a disk.img:/b";

/// Arguments of `cp`.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// Sources, then the target: IMAGE:PATH, or a path of the host
    #[arg(required = true, num_args = 2.., value_name = "PATH", value_parser = Target::parser())]
    paths: Vec<Target>,
    #[command(flatten)]
    options: Options,
}

/// How to copy.
#[derive(Debug, Clone, Copy, clap::Args)]
#[group(skip)]
pub(crate) struct Options {
    /// Directories with all that is in them
    #[arg(short, long, visible_short_alias = 'R')]
    recursive: bool,
    /// Keep permissions, owners and times
    #[arg(short, long)]
    preserve: bool,
    /// The same as -r and -p, and files with several names keep them
    #[arg(short, long)]
    archive: bool,
    /// Share blocks inside an image: always, or fail; auto, where it can be; never
    #[arg(
        long,
        value_name = "WHEN",
        num_args = 0..=1,
        require_equals = true,
        default_value = "auto",
        default_missing_value = "always"
    )]
    reflink: Reflink,
}

impl Options {
    /// With what an option stands for.
    fn complete(self) -> Self {
        Self { recursive: self.recursive || self.archive, preserve: self.preserve || self.archive, ..self }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Reflink {
    Always,
    Auto,
    Never,
}

/// Carries it out.
pub(crate) fn run(args: &Args, session: &mut Session) -> Result<(), Failure> {
    let Some((target, sources)) = args.paths.split_last() else {
        return Err(Failure::Usage("cp needs a source and a target".to_owned()));
    };
    let options = args.options.complete();
    match target {
        Target::Image(target) => into_image(options, sources, target, session),
        Target::Host(target) => {
            let sources = from_one_image(sources)?;
            not_cloned(options, &sources[0])?;
            copy_out::run(options, &sources, target, session)
        }
    }
}

/// Everything that goes into an image.
fn into_image(
    options: Options,
    sources: &[Target],
    target: &Address,
    session: &mut Session,
) -> Result<(), Failure> {
    let has_host = sources.iter().any(|source| matches!(source, Target::Host(_)));
    let has_image = sources.iter().any(|source| matches!(source, Target::Image(_)));
    if has_host && has_image {
        return Err(Failure::Usage("sources are either all of the host or all in the image".to_owned()));
    }
    if has_host {
        not_cloned(options, target)?;
        let sources: Vec<&PathBuf> = sources
            .iter()
            .filter_map(|source| match source {
                Target::Host(path) => Some(path),
                Target::Image(_) => None,
            })
            .collect();
        return with_image(target, session, |image, session| {
            copy_in::run(options, &sources, target, image, session)
        });
    }
    let sources = from_one_image(sources)?;
    if !is_same_path(&sources[0].image, &target.image) {
        let why = "cannot copy from one image into another; copy to the host first";
        return Err(Failure::Usage(format!("{target}: {why}")));
    }
    with_image(target, session, |image, session| within::run(options, &sources, target, image, session))
}

/// Opens the image for writing; what was done is made durable even if not all could be done.
fn with_image(
    target: &Address,
    session: &mut Session,
    work: impl FnOnce(&mut Image, &mut Session) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut image = Image::open(&target.image, Access::Write, session)?;
    let outcome = work(&mut image, session);
    session.part(outcome)?;
    image.close()
}

/// The sources, if all of them are in the same image.
fn from_one_image(sources: &[Target]) -> Result<Vec<Address>, Failure> {
    let mut addresses: Vec<Address> = Vec::new();
    for source in sources {
        let Target::Image(address) = source else {
            return Err(Failure::Usage("one side of a copy has to be IMAGE:PATH".to_owned()));
        };
        if addresses.first().is_some_and(|first| !is_same_path(&first.image, &address.image)) {
            return Err(Failure::Usage("all sources have to be in the same image".to_owned()));
        }
        addresses.push(address.clone());
    }
    Ok(addresses)
}

/// Blocks can't be shared with the host.
fn not_cloned(options: Options, place: &Address) -> Result<(), Failure> {
    if options.reflink == Reflink::Always {
        return Err(Failure::new(place, "cannot clone", "host and image share no blocks"));
    }
    Ok(())
}
