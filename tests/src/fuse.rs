//! Images mounted by `xfskit mount`, and the suites that judge them.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::cli::Cli;
use crate::referee::say;

/// Whether images can be mounted here: root and FUSE. Says so if not.
pub fn can_mount() -> bool {
    let can = rustix::process::geteuid().is_root() && Path::new("/dev/fuse").exists();
    if !can {
        say("skipped: no root or no FUSE");
    }
    can
}

/// A suite that set-up installs; `None` after saying that it is not there.
pub fn suite(name: &str) -> Option<PathBuf> {
    let base = std::env::var_os("XDG_CACHE_HOME").filter(|value| !value.is_empty()).map(PathBuf::from);
    let base = base.or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache")));
    let found = base.map(|base| base.join("xfskit/suites/bin").join(name)).filter(|path| path.is_file());
    if found.is_none() {
        say(&format!("skipped: no {name}; cargo xtask setup installs it"));
    }
    found
}

/// A mounted image.
#[derive(Debug)]
pub struct Mounted {
    at: PathBuf,
    process: Option<Child>,
}

impl Mounted {
    /// Mounts `image`, a file in the folder of `cli`, at a fresh directory that every user can reach.
    pub fn new(cli: &Cli, image: &str, options: &[&str]) -> Self {
        let at = std::env::temp_dir().join(format!("{}-mnt", cli.name()));
        std::fs::create_dir_all(&at).expect("make a place to mount at");
        let args = [&["mount", image, at.to_str().expect("UTF-8")], options].concat();
        let mut process = cli.command(&args).stderr(Stdio::piped()).spawn().expect("start the command");
        let mut lines = BufReader::new(process.stderr.take().expect("piped")).lines();
        let said = lines.find_map(|line| line.ok().filter(|line| line.contains("is mounted at")));
        assert!(said.is_some(), "not mounted: {:?}", process.wait());
        // What it says later is of interest, and it must not wait for somebody to read it.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| say(&line)));
        Self { at, process: Some(process) }
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        &self.at
    }

    /// Asks the process to unmount.
    pub fn interrupt(&self) {
        let process = self.process.as_ref().expect("not over");
        kill_process(Pid::from_child(process), Signal::INT).expect("send a signal");
    }

    /// Whether it is mounted still.
    pub fn is_mounted(&self) -> bool {
        let mounts = std::fs::read_to_string("/proc/self/mounts").expect("read the mounts");
        mounts.lines().any(|line| line.split(' ').nth(1) == self.at.to_str())
    }

    /// Interrupts it, and waits until the image is closed.
    ///
    /// # Panics
    /// If the process reports a failure.
    pub fn stop(mut self) {
        self.interrupt();
        let status = self.process.take().expect("not over").wait().expect("wait for the command");
        assert!(status.success(), "unmounting: {status}");
        assert!(!self.is_mounted());
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = Command::new("umount").arg("-l").arg(&self.at).output();
            let _ = process.wait();
        }
        let _ = std::fs::remove_dir(&self.at);
    }
}
