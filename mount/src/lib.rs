//! Mounts an XFS volume through FUSE: Linux carries the calls of programs to this process, which answers them from a
//! [`Volume`]. The kernel's own XFS has no part in it.
//!
//! The volume lives in a thread of its own (`engine`); requests are sent there one by one, so every call is carried
//! out whole before the next. `filesystem` receives them, `tree` answers them.

mod attributes;
mod caller;
mod contents;
mod engine;
mod errno;
mod filesystem;
mod tree;
mod xattrs;

use std::io;
use std::path::Path;

use fuser::{Config, MountOption, Session, SessionACL, SessionUnmounter};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use xfskit::Volume;

use engine::Engine;
use filesystem::Frontend;

/// How a volume is mounted.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// What stands as the source of the mount in lists of mounts.
    pub source: String,
    /// Programs of other users may use it too, within the permissions of the files.
    pub allow_other: bool,
    /// Nothing may change.
    pub read_only: bool,
}

/// What is to be said about a volume when it is open.
#[derive(Debug, Clone, Default)]
pub struct Opened {
    /// What a user should know about its state.
    pub warnings: Vec<String>,
    /// Why it cannot be changed, if so; it is mounted read-only then.
    pub read_only: Option<String>,
}

/// Why a volume could not be mounted, or not be closed when its mount had gone.
#[derive(Debug)]
pub enum Failure {
    /// The volume could not be opened.
    Open(xfskit::Error),
    /// The volume could not be closed: what was written last may be missing.
    Close(xfskit::Error),
    /// The host refused.
    Host(io::Error),
}

/// Mounts what `open` opens at the directory `at`, says so through `ready`, and serves it until it is unmounted, or
/// until SIGINT, SIGTERM or SIGHUP asks for that; then closes the volume.
///
/// A mount that is in use when the signal comes stays: `busy` is told, and another signal tries again.
///
/// # Errors
/// [`Failure`]; nothing is mounted then any more.
pub fn mount(
    open: impl FnOnce() -> xfskit::Result<Volume> + Send + 'static,
    at: &Path,
    options: &Options,
    ready: impl FnOnce(&Opened),
    busy: impl Fn(&io::Error) + Send + 'static,
) -> Result<(), Failure> {
    let (engine, opened) = Engine::start(open).map_err(Failure::Open)?;
    let read_only = options.read_only || opened.read_only.is_some();
    let config = config(options, read_only);
    let served = serve(&engine, at, &config, || ready(&opened), busy);
    let closed = engine.stop().map_err(Failure::Close);
    served.map_err(Failure::Host).and(closed)
}

fn serve(
    engine: &Engine,
    at: &Path,
    config: &Config,
    ready: impl FnOnce(),
    busy: impl Fn(&io::Error) + Send + 'static,
) -> io::Result<()> {
    // Before the mount is there: from then on a signal must not end this process.
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    let handle = signals.handle();
    let mut session = Session::new(Frontend::new(engine.sender()), at, config)?;
    let mut unmounter = session.unmount_callable();
    let at = at.to_owned();
    let watch = std::thread::spawn(move || {
        for _ in signals.forever() {
            match unmount(&at, &mut unmounter) {
                Ok(()) => break,
                Err(error) => busy(&error),
            }
        }
    });
    ready();
    let served = session.run();
    handle.close();
    let _ = watch.join();
    match served {
        // So Linux ends a connection in which a last forget was on its way while it was unmounted.
        Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => Ok(()),
        served => served,
    }
}

/// Unmounts, unless somebody uses it.
fn unmount(at: &Path, unmounter: &mut SessionUnmounter) -> io::Result<()> {
    // The session gives up its mount with the first attempt, so one that cannot succeed must not be made.
    let by_hand = std::process::Command::new("umount").arg(at).output();
    match by_hand {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) if String::from_utf8_lossy(&output.stderr).contains("busy") => {
            Err(io::Error::from(io::ErrorKind::ResourceBusy))
        }
        // Not allowed to, or no such program: the session knows another way.
        _ => unmounter.unmount(),
    }
}

fn config(options: &Options, read_only: bool) -> Config {
    let mut config = Config::default();
    config.mount_options = vec![
        MountOption::FSName(options.source.clone()),
        MountOption::Subtype("xfskit".to_owned()),
        // Linux checks modes and access control lists.
        MountOption::DefaultPermissions,
        MountOption::NoAtime,
    ];
    if read_only {
        config.mount_options.push(MountOption::RO);
    }
    if options.allow_other {
        config.acl = SessionACL::All;
        config.mount_options.extend([MountOption::Suid, MountOption::Dev]);
    }
    config
}
