//! `ln`: further names of files, and symbolic links.

use std::ffi::{OsStr, OsString};

use xfskit::Error;
use xfskit::error::Mistake;
use xfskit::units::Ino;
use xfskit::volume::{FileType, Follow, NewInode, RenameMode};

use crate::address::{Address, Target, join, last_name, show_path};
use crate::failure::Failure;
use crate::host;
use crate::image::{Access, Image, is_same_path};
use crate::mv::target_directory;
use crate::session::Session;

const AFTER_HELP: &str = "\
The target of a symbolic link is stored as it is written: a path inside the
image, without IMAGE:.

Examples:
  xfskit ln disk.img:/bin/tool disk.img:/bin/alias
  xfskit ln -s ../lib/tool disk.img:/bin/tool";

/// Arguments of `ln`.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// What to link to, IMAGE:PATH or with -s any text; then the name, or the directory for the names
    #[arg(required = true, num_args = 2.., value_name = "PATH")]
    paths: Vec<OsString>,
    /// Make symbolic links
    #[arg(short, long)]
    symbolic: bool,
    /// Take the place of what has the name already
    #[arg(short, long)]
    force: bool,
    /// The last path is the name, also where it is a directory
    #[arg(short = 'T', long)]
    no_target_directory: bool,
}

/// What a new name leads to.
enum Source {
    /// A file of the image, and its path.
    File(Ino, Vec<u8>),
    /// The target of a symbolic link.
    Text(Vec<u8>),
}

/// Carries it out.
pub(crate) fn run(args: &Args, session: &mut Session) -> Result<(), Failure> {
    let Some((last, sources)) = args.paths.split_last() else {
        return Err(Failure::Usage("ln needs a source and a name".to_owned()));
    };
    let target = address(last)?;
    if !args.symbolic {
        for source in sources {
            let source = address(source)?;
            if !is_same_path(&source.image, &target.image) {
                return Err(Failure::Usage(format!("{source}: is not in the image of {target}")));
            }
        }
    }
    let mut image = Image::open(&target.image, Access::Write, session)?;
    let into = target_directory(&mut image, &target, sources.len(), args.no_target_directory)?;
    for source in sources {
        let outcome = link(&mut image, source, &target, into, args);
        session.part(outcome)?;
    }
    image.close()
}

fn address(text: &OsStr) -> Result<Address, Failure> {
    match Target::parse(text) {
        Ok(Target::Image(address)) => Ok(address),
        Ok(Target::Host(path)) => Err(Failure::Usage(format!("{}: expected IMAGE:PATH", show_path(&path)))),
        Err(why) => Err(Failure::Usage(why)),
    }
}

/// Makes one name.
fn link(
    image: &mut Image,
    source: &OsStr,
    target: &Address,
    into: Option<Ino>,
    args: &Args,
) -> Result<(), Failure> {
    let (source, own_name) = if args.symbolic {
        let text = host::bytes(source).to_vec();
        let own_name = last_name(&text).map(<[u8]>::to_vec);
        (Source::Text(text), own_name)
    } else {
        let address = address(source)?;
        let ino = image.resolve(&address.path, Follow::No)?;
        let own_name = address.last_name().map(<[u8]>::to_vec);
        (Source::File(ino, address.path), own_name)
    };
    let (dir, name, path) = match (into, own_name) {
        (Some(ino), Some(name)) => (ino, name.clone(), join(&target.path, &name)),
        (Some(_), None) => return Err(Failure::new(target, "cannot link", "the source has no name")),
        (None, _) => {
            let (parent, name) = image.parent_of(&target.path)?;
            (parent, name, target.path.clone())
        }
    };
    if args.force {
        return replace(image, &source, dir, &name, &path);
    }
    make(image, &source, dir, &name).map_err(|error| fail(image, &source, &path, &error))
}

fn make(image: &mut Image, source: &Source, dir: Ino, name: &[u8]) -> xfskit::Result<()> {
    match source {
        Source::File(ino, _) => image.volume.link(*ino, dir, name),
        Source::Text(text) => {
            let new = NewInode { mode: 0o777, uid: 0, gid: 0 };
            image.volume.symlink(dir, name, text, &new).map(drop)
        }
    }
}

/// Makes a name under another one, and moves it over what is there: at no moment the name is missing.
fn replace(image: &mut Image, source: &Source, dir: Ino, name: &[u8], path: &[u8]) -> Result<(), Failure> {
    match make(image, source, dir, name) {
        Err(Error::Invalid(Mistake::Exists)) => {}
        outcome => return outcome.map_err(|error| fail(image, source, path, &error)),
    }
    let old = image.volume.lookup(dir, name).map_err(|error| image.fail(path, "", &error))?;
    if let Source::File(ino, _) = source
        && *ino == old
    {
        return Err(Failure::new(image.place(path), "cannot link", "source and target are the same file"));
    }
    if image.stat(old, path)?.file_type == FileType::Directory {
        return Err(Failure::new(image.place(path), "cannot overwrite", "is a directory"));
    }
    let mut number = 0_u32;
    loop {
        let temporary = format!(".xfskit-ln-{number}").into_bytes();
        match make(image, source, dir, &temporary) {
            Err(Error::Invalid(Mistake::Exists)) => number += 1,
            Err(error) => return Err(fail(image, source, path, &error)),
            Ok(()) => {
                let moved = image.volume.rename(dir, &temporary, dir, name, RenameMode::Replace);
                if moved.is_err() {
                    let _ = image.volume.unlink(dir, &temporary);
                }
                return moved.map_err(|error| fail(image, source, path, &error));
            }
        }
    }
}

fn fail(image: &Image, source: &Source, path: &[u8], error: &Error) -> Failure {
    match source {
        Source::File(_, from) => {
            let what = format!("cannot link to {}", image.place(from));
            Failure::new(image.place(path), &what, error)
        }
        Source::Text(_) => image.fail(path, "cannot make symbolic link", error),
    }
}
