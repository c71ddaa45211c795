//! The command line as a whole.

use clap::{Parser, Subcommand};

use crate::failure::Failure;
use crate::session::Session;
use crate::{
    attributes, cat, chattr, check, cp, directories, export, extents, fallocate, getfacl, getfattr, import,
    info, ln, log, ls, mkfs, mknod, mv, path, recover, rm, setfacl, setfattr, stat, tree, usage, write,
};

const ABOUT: &str = "Make, read, edit, clone in and check XFS images without mounting them";

const AFTER_HELP: &str = "\
Addresses are as in scp: IMAGE:PATH, with an absolute PATH, is inside an
image; IMAGE: is its root directory; a path without a colon in front of a
slash is the host's. Times are shown in UTC.

With --json, info, ls, tree, stat, path, getfattr, getfacl, lsattr, extents,
df, du, check, log and recover print one JSON document. Names in it are UTF-8;
other bytes are written as \\xHH and a backslash as \\\\, so that nothing is
lost.

Examples:
  xfskit mkfs disk.img --size 1G
  xfskit cp -r ./site disk.img:/srv
  xfskit ls -l disk.img:/srv
  xfskit cp --reflink=always disk.img:/srv/a disk.img:/srv/b
  xfskit write disk.img:/srv/b --offset 4096 < patch
  xfskit extents disk.img:/srv/b
  xfskit export disk.img:/srv > srv.tar
  xfskit check disk.img

Exit status: 0 done, 1 failed, 2 wrong usage, 3 check found damage.";

/// The command line.
#[derive(Debug, Parser)]
#[command(name = "xfskit", version, about = ABOUT, after_help = AFTER_HELP, propagate_version = false)]
pub(crate) struct Cli {
    /// Print JSON, where something is listed
    #[arg(long, global = true, display_order = 900)]
    pub(crate) json: bool,
    /// Refuse to change an image
    #[arg(long, global = true, display_order = 901)]
    pub(crate) read_only: bool,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// All commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make an image
    Mkfs(mkfs::Args),
    /// Show shape, features, counters and log of a volume
    Info(info::Args),
    /// List directories
    Ls(ls::Args),
    /// Show directories as a tree
    Tree(tree::Args),
    /// Show everything about files
    Stat(stat::Args),
    /// Print the paths of inodes
    Path(path::Args),
    /// Write files to standard output
    Cat(cat::Args),
    /// Copy between host and image, or clone inside an image
    Cp(cp::Args),
    /// Write standard input into a file
    Write(write::WriteArgs),
    /// Give files new names, inside an image
    Mv(mv::Args),
    /// Give files further names, or make symbolic links
    Ln(ln::Args),
    /// Make a device, a fifo or a socket
    Mknod(mknod::MknodArgs),
    /// Make fifos
    Mkfifo(mknod::MkfifoArgs),
    /// Make directories
    Mkdir(directories::MkdirArgs),
    /// Remove files, or trees with -r
    Rm(rm::Args),
    /// Remove empty directories
    Rmdir(directories::RmdirArgs),
    /// Print where symbolic links point
    Readlink(stat::ReadlinkArgs),
    /// Make empty files, or set the times of files
    Touch(attributes::TouchArgs),
    /// Set the size of files
    Truncate(write::TruncateArgs),
    /// Set permissions
    Chmod(attributes::ChmodArgs),
    /// Set owners
    Chown(attributes::ChownArgs),
    /// Show extended attributes
    Getfattr(getfattr::Args),
    /// Set or remove extended attributes
    Setfattr(setfattr::Args),
    /// Show access control lists
    Getfacl(getfacl::Args),
    /// Change access control lists
    Setfacl(setfacl::Args),
    /// Change flags, project ids and allocation hints
    Chattr(chattr::ChattrArgs),
    /// List flags
    Lsattr(chattr::LsattrArgs),
    /// Allocate space, punch holes, zero, collapse or insert parts of files
    Fallocate(fallocate::Args),
    /// Show where the blocks of files lie, and which are shared
    Extents(extents::Args),
    /// Show size and free space of volumes
    Df(usage::DfArgs),
    /// Add up the space that files take
    Du(usage::DuArgs),
    /// Write a tree as a tar archive to standard output
    Export(export::Args),
    /// Unpack a tar archive
    Import(import::Args),
    /// Look for damage, without changing anything
    Check(check::Args),
    /// Show the state of the log, and what is in it
    Log(log::Args),
    /// Mount an image at a directory, through FUSE
    #[cfg(target_os = "linux")]
    Mount(crate::mount::Args),
    /// Replay a dirty log and finish what it left open
    Recover(recover::Args),
}

impl Command {
    /// Carries it out.
    pub(crate) fn run(self, session: &mut Session) -> Result<(), Failure> {
        if session.json && !self.lists() {
            return Err(Failure::Usage("--json is for commands that list something".to_owned()));
        }
        match self {
            Self::Mkfs(args) => mkfs::run(&args, session),
            Self::Info(args) => info::run(&args, session),
            Self::Ls(args) => ls::run(&args, session),
            Self::Tree(args) => tree::run(&args, session),
            Self::Stat(args) => stat::run(&args, session),
            Self::Cat(args) => cat::run(&args, session),
            Self::Cp(args) => cp::run(&args, session),
            Self::Write(args) => write::write(&args, session),
            Self::Mv(args) => mv::run(&args, session),
            Self::Ln(args) => ln::run(&args, session),
            Self::Mknod(args) => mknod::mknod(&args, session),
            Self::Mkfifo(args) => mknod::mkfifo(&args, session),
            Self::Path(args) => path::run(&args, session),
            Self::Mkdir(args) => directories::mkdir(&args, session),
            Self::Rm(args) => rm::run(&args, session),
            Self::Rmdir(args) => directories::rmdir(&args, session),
            Self::Readlink(args) => stat::readlink(&args, session),
            Self::Touch(args) => attributes::touch(&args, session),
            Self::Truncate(args) => write::truncate(&args, session),
            Self::Chmod(args) => attributes::chmod(&args, session),
            Self::Chown(args) => attributes::chown(&args, session),
            Self::Getfattr(args) => getfattr::run(&args, session),
            Self::Setfattr(args) => setfattr::run(&args, session),
            Self::Getfacl(args) => getfacl::run(&args, session),
            Self::Setfacl(args) => setfacl::run(&args, session),
            Self::Chattr(args) => chattr::chattr(&args, session),
            Self::Lsattr(args) => chattr::lsattr(&args, session),
            Self::Fallocate(args) => fallocate::run(&args, session),
            Self::Extents(args) => extents::run(&args, session),
            Self::Df(args) => usage::df(&args, session),
            Self::Du(args) => usage::du(&args, session),
            Self::Export(args) => export::run(&args, session),
            Self::Import(args) => import::run(&args, session),
            Self::Check(args) => check::run(&args, session),
            Self::Log(args) => log::run(&args, session),
            #[cfg(target_os = "linux")]
            Self::Mount(args) => crate::mount::run(&args, session),
            Self::Recover(args) => recover::run(&args, session),
        }
    }

    fn lists(&self) -> bool {
        matches!(
            self,
            Self::Info(_)
                | Self::Ls(_)
                | Self::Tree(_)
                | Self::Stat(_)
                | Self::Path(_)
                | Self::Getfattr(_)
                | Self::Getfacl(_)
                | Self::Lsattr(_)
                | Self::Extents(_)
                | Self::Df(_)
                | Self::Du(_)
                | Self::Check(_)
                | Self::Log(_)
                | Self::Recover(_)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn options_stand_on_either_side_of_the_command() {
        for args in [["xfskit", "--json", "ls", "a:/"], ["xfskit", "ls", "a:/", "--json"]] {
            assert!(Cli::try_parse_from(args).expect("valid").json);
        }
    }
}
