//! `mount`: an image as a directory of the host, through FUSE.

use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use xfskit_mount::{Opened, Options, mount};

use crate::address::show_path;
use crate::failure::Failure;
use crate::image::{Access, cannot_open, device};
use crate::session::{Session, say};

#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(after_help = "\
Stays in the foreground until the directory is unmounted (umount DIR, or
fusermount -u DIR), or Ctrl-C, SIGTERM or SIGHUP asks for it; then everything
is made durable. While somebody uses the directory, it stays mounted.")]
pub(crate) struct Args {
    /// Image to mount
    image: PathBuf,
    /// Directory to mount it at
    directory: PathBuf,
    /// Let other users in, within the permissions of the files (always so for root)
    #[arg(long)]
    allow_other: bool,
}

/// Carries it out.
pub(crate) fn run(args: &Args, session: &mut Session) -> Result<(), Failure> {
    let name = show_path(&args.image);
    let directory = show_path(&args.directory);
    let access = if session.read_only { Access::Read } else { Access::Write };
    let device = device(&args.image, access)?;
    let mut options = xfskit::volume::OpenOptions::default();
    options.read_only = session.read_only;
    let open = move || xfskit::Volume::open(Box::new(device), &options);
    let allow_other = args.allow_other || is_root();
    let how = Options { source: name.clone(), allow_other, read_only: session.read_only };
    let ready = |opened: &Opened| {
        for warning in &opened.warnings {
            session.warn(&name, warning);
        }
        if let Some(reason) = opened.read_only.as_ref().filter(|_| !session.read_only) {
            session.warn(&name, &format!("mounted read-only: {reason}"));
        }
        say(format_args!("xfskit: {name} is mounted at {directory}; Ctrl-C unmounts it"));
    };
    let at = directory.clone();
    let busy = move |error: &std::io::Error| {
        say(format_args!("xfskit: {at}: cannot unmount: {}", crate::failure::io_text(error)));
    };
    mount(open, &args.directory, &how, ready, busy).map_err(|failure| match failure {
        xfskit_mount::Failure::Open(error) => cannot_open(&name, error),
        xfskit_mount::Failure::Close(error) => Failure::new(&name, "cannot sync", error),
        xfskit_mount::Failure::Host(error) => Failure::io(&directory, "cannot mount", &error),
    })
}

/// Whether this process is root's: then everybody may come in, as with any other mount of root.
fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0)
}
