//! `mkdir` and `rmdir`.

use xfskit::error::Mistake;
use xfskit::units::Ino;
use xfskit::volume::{FileType, Follow, NewInode};
use xfskit::{Error, Volume};

use crate::address::{Address, last_name};
use crate::failure::Failure;
use crate::image::{Access, Image, at_each};
use crate::mode::Mode;
use crate::session::Session;

/// Arguments of `mkdir`.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(after_help = "Example:\n  xfskit mkdir -p disk.img:/srv/www/site")]
pub(crate) struct MkdirArgs {
    /// Directories to make
    #[arg(required = true, value_name = "IMAGE:PATH", value_parser = Address::parser())]
    addresses: Vec<Address>,
    /// Make what is missing on the way there, and be content with what exists
    #[arg(short, long)]
    parents: bool,
    /// Permissions, as in chmod; 755 where no default ACL says otherwise
    #[arg(short, long, value_parser = Mode::parse)]
    mode: Option<Mode>,
}

/// Arguments of `rmdir`.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub(crate) struct RmdirArgs {
    /// Empty directories to remove
    #[arg(required = true, value_name = "IMAGE:PATH", value_parser = Address::parser())]
    addresses: Vec<Address>,
}

/// Carries out `mkdir`.
pub(crate) fn mkdir(args: &MkdirArgs, session: &mut Session) -> Result<(), Failure> {
    let mode = args.mode.as_ref().map_or(0o777, |mode| mode.apply(0o777, false));
    let new = NewInode { mode, uid: 0, gid: 0 };
    at_each(&args.addresses, Access::Write, session, |image, address, _| {
        let make = |volume: &mut Volume| {
            if args.parents {
                return make_all(volume, &address.path, &new);
            }
            let (parent, name) = volume.resolve_parent(trim_end(&address.path))?;
            volume.mkdir(parent, &name, &new).map(drop)
        };
        let made = if args.mode.is_some() { make(&mut image.volume) } else { image.with_umask(make) };
        made.map_err(|error| image.fail(&address.path, "cannot make directory", &error))
    })
}

/// Makes a directory and what is missing above it.
fn make_all(volume: &mut Volume, path: &[u8], new: &NewInode) -> xfskit::Result<()> {
    let mut end = 0;
    let path = trim_end(path);
    while end < path.len() {
        let rest = &path[end + 1..];
        end += 1 + rest.iter().position(|&byte| byte == b'/').unwrap_or(rest.len());
        let part = &path[..end];
        match volume.resolve(part, Follow::Yes) {
            Ok(ino) if volume.stat(ino)?.file_type == FileType::Directory => {}
            Ok(_) if end == path.len() => return Err(Mistake::Exists.into()),
            Ok(_) => return Err(Mistake::NotADirectory.into()),
            Err(Error::Invalid(Mistake::NotFound)) => {
                let (parent, name) = volume.resolve_parent(part)?;
                // All but the last get what mkdir gives without -m.
                let mode = if end == path.len() { new.mode } else { 0o755 };
                volume.mkdir(parent, &name, &NewInode { mode, ..*new })?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The path without slashes at its end.
fn trim_end(path: &[u8]) -> &[u8] {
    let len = path.iter().rposition(|&byte| byte != b'/').map_or(0, |last| last + 1);
    &path[..len]
}

/// Carries out `rmdir`.
pub(crate) fn rmdir(args: &RmdirArgs, session: &mut Session) -> Result<(), Failure> {
    at_each(&args.addresses, Access::Write, session, |image, address, _| {
        let Some(name) = last_name(&address.path) else {
            return Err(Failure::new(address, "cannot remove directory", "not a name in a directory"));
        };
        let parent = parent(image, &address.path)?;
        image
            .volume
            .rmdir(parent, name)
            .map_err(|error| image.fail(&address.path, "cannot remove directory", &error))
    })
}

fn parent(image: &mut Image, path: &[u8]) -> Result<Ino, Failure> {
    image.parent_of(trim_end(path)).map(|(parent, _)| parent)
}
