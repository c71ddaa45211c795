//! `touch`, `chmod` and `chown`.

use xfskit::units::Ino;
use xfskit::volume::{FileType, Follow, NewInode, SetAttributes, Stat, Timestamp};

use crate::address::Address;
use crate::failure::Failure;
use crate::image::{Access, Image, at_each};
use crate::mode::Mode;
use crate::session::Session;
use crate::walk::{Step, Walk};
use crate::{host, time};

/// Arguments of `touch`.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(after_help = "Example:\n  xfskit touch -d 2026-01-31T12:00Z disk.img:/etc/stamp")]
pub(crate) struct TouchArgs {
    /// Files; those that do not exist are made
    #[arg(required = true, value_name = "IMAGE:PATH", value_parser = Address::parser())]
    addresses: Vec<Address>,
    /// This time instead of now: YYYY-MM-DD[THH:MM[:SS[.FRACTION]]][Z], always UTC, or @SECONDS[.FRACTION]
    #[arg(short, long, value_parser = time::parse)]
    date: Option<Timestamp>,
    /// Only the time of access
    #[arg(short)]
    access: bool,
    /// Only the time of modification
    #[arg(short)]
    modification: bool,
    /// Make no files
    #[arg(short = 'c', long)]
    no_create: bool,
}

/// Arguments of `chmod`.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(
    after_help = "Examples:\n  xfskit chmod 755 disk.img:/bin/tool\n  xfskit chmod -R go-w,a+rX disk.img:/srv"
)]
pub(crate) struct ChmodArgs {
    /// Permissions: octal (755) or symbolic (u+x,go-w)
    #[arg(value_parser = Mode::parse, allow_hyphen_values = true)]
    mode: Mode,
    /// Files
    #[arg(required = true, value_name = "IMAGE:PATH", value_parser = Address::parser())]
    addresses: Vec<Address>,
    /// All that is below, too
    #[arg(short = 'R', long)]
    recursive: bool,
}

/// Arguments of `chown`.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(
    after_help = "Examples:\n  xfskit chown 1000:1000 disk.img:/home/me\n  xfskit chown -R :100 disk.img:/srv"
)]
pub(crate) struct ChownArgs {
    /// Numbers: UID, UID:GID or :GID
    #[arg(value_name = "OWNER", value_parser = Owner::parse)]
    owner: Owner,
    /// Files
    #[arg(required = true, value_name = "IMAGE:PATH", value_parser = Address::parser())]
    addresses: Vec<Address>,
    /// All that is below, too
    #[arg(short = 'R', long)]
    recursive: bool,
    /// Symbolic links themselves, not what they point at
    #[arg(long)]
    no_dereference: bool,
}

/// Whom to give a file to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Owner {
    uid: Option<u32>,
    gid: Option<u32>,
}

impl Owner {
    fn parse(text: &str) -> Result<Self, String> {
        let id = |text: &str| match text.parse::<u32>() {
            Ok(id) if id != u32::MAX => Ok(id),
            _ => Err(format!("invalid number {text}: owners are numbers below 4294967295")),
        };
        let (uid, gid) = text.split_once(':').unwrap_or((text, ""));
        if uid.is_empty() && gid.is_empty() {
            return Err("expected UID, UID:GID or :GID".to_owned());
        }
        let part = |text: &str| if text.is_empty() { Ok(None) } else { id(text).map(Some) };
        Ok(Self { uid: part(uid)?, gid: part(gid)? })
    }
}

/// Carries out `touch`.
pub(crate) fn touch(args: &TouchArgs, session: &mut Session) -> Result<(), Failure> {
    let at = args.date.unwrap_or_else(host::now);
    let both = args.access == args.modification;
    let changes = SetAttributes {
        atime: (both || args.access).then_some(at),
        mtime: (both || args.modification).then_some(at),
        ..SetAttributes::default()
    };
    at_each(&args.addresses, Access::Write, session, |image, address, _| {
        let ino = match image.existing(&address.path)? {
            Some(ino) => ino,
            None if args.no_create => return Ok(()),
            None => create(image, &address.path)?,
        };
        set(image, ino, &address.path, &changes)
    })
}

/// Makes an empty file.
pub(crate) fn create(image: &mut Image, path: &[u8]) -> Result<Ino, Failure> {
    let (parent, name) = image.parent_of(path)?;
    let new = NewInode { mode: 0o666, uid: 0, gid: 0 };
    image
        .with_umask(|volume| volume.create(parent, &name, &new))
        .map_err(|error| image.fail(path, "cannot create", &error))
}

/// Carries out `chmod`.
pub(crate) fn chmod(args: &ChmodArgs, session: &mut Session) -> Result<(), Failure> {
    at_each(&args.addresses, Access::Write, session, |image, address, session| {
        each_file(image, address, args.recursive, Follow::Yes, session, |image, ino, path| {
            let stat = image.stat(ino, path)?;
            if stat.file_type == FileType::Symlink {
                return Ok(());
            }
            let mode = args.mode.apply(stat.mode, stat.file_type == FileType::Directory);
            set(image, ino, path, &SetAttributes { mode: Some(mode), ..SetAttributes::default() })
        })
    })
}

/// Carries out `chown`.
pub(crate) fn chown(args: &ChownArgs, session: &mut Session) -> Result<(), Failure> {
    let follow = if args.no_dereference || args.recursive { Follow::No } else { Follow::Yes };
    at_each(&args.addresses, Access::Write, session, |image, address, session| {
        each_file(image, address, args.recursive, follow, session, |image, ino, path| {
            let stat = image.stat(ino, path)?;
            let changes = SetAttributes {
                uid: args.owner.uid,
                gid: args.owner.gid,
                mode: without_set_ids(&stat),
                ..SetAttributes::default()
            };
            set(image, ino, path, &changes)
        })
    })
}

/// The mode of a program that changes hands, if it must change: nobody else's powers are given away, as in Linux.
fn without_set_ids(stat: &Stat) -> Option<u16> {
    let is_for_group = stat.mode & 0o010 != 0;
    let taken = if is_for_group { 0o6000 } else { 0o4000 };
    (stat.file_type == FileType::Regular && stat.mode & taken != 0).then_some(stat.mode & !taken)
}

fn set(image: &mut Image, ino: Ino, path: &[u8], changes: &SetAttributes) -> Result<(), Failure> {
    image
        .volume
        .set_attributes(ino, changes)
        .map_err(|error| image.fail(path, "cannot set attributes", &error))
}

/// Does `work` to a file, and to all below it where that is wanted.
pub(crate) fn each_file(
    image: &mut Image,
    address: &Address,
    is_recursive: bool,
    follow: Follow,
    session: &mut Session,
    mut work: impl FnMut(&mut Image, Ino, &[u8]) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let top = image.resolve(&address.path, follow)?;
    work(image, top, &address.path)?;
    if !is_recursive || image.stat(top, &address.path)?.file_type != FileType::Directory {
        return Ok(());
    }
    let mut walk = Walk::new(&address.path);
    walk.enter(image, top)?;
    while let Some(step) = walk.next() {
        let Step::Entry(entry) = step else { continue };
        let outcome = work(image, entry.ino, walk.path());
        session.part(outcome)?;
        let file_type = image.stat(entry.ino, walk.path()).map(|stat| stat.file_type);
        let outcome = match file_type {
            Ok(FileType::Directory) => walk.enter(image, entry.ino),
            other => other.map(drop),
        };
        session.part(outcome)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_are_numbers() {
        assert_eq!(Owner::parse("1"), Ok(Owner { uid: Some(1), gid: None }));
        assert_eq!(Owner::parse("1:2"), Ok(Owner { uid: Some(1), gid: Some(2) }));
        assert_eq!(Owner::parse(":2"), Ok(Owner { uid: None, gid: Some(2) }));
        for text in ["", ":", "root", "1:x", "4294967295", "-1"] {
            assert!(Owner::parse(text).is_err(), "{text}");
        }
    }
}
