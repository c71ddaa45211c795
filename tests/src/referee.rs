//! What Linux can do on this machine: mount XFS images, and both releases of xfsprogs.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use crate::options::OptionSet;
use crate::temp::TempDir;

/// A release of xfsprogs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Xfsprogs {
    /// 6.1, the one of Debian bookworm, called from the path.
    V6_1,
    /// 7.2, out of a folder that holds a Debian sid.
    V7_2,
}

/// Proof that Linux can judge here: root, loop devices and a kernel with XFS.
#[derive(Debug)]
pub struct Referee {
    sid: Option<PathBuf>,
}

impl Referee {
    /// The referee of this machine, or `None` after saying that the test is skipped.
    pub fn find() -> Option<&'static Self> {
        static FOUND: OnceLock<Option<Referee>> = OnceLock::new();
        let found = FOUND.get_or_init(Self::probe).as_ref();
        if found.is_none() {
            say("skipped: no root or no XFS");
        }
        found
    }

    fn probe() -> Option<Self> {
        let has_root = rustix::process::geteuid().is_root();
        let filesystems = std::fs::read_to_string("/proc/filesystems").unwrap_or_default();
        let has_xfs = filesystems.lines().any(|line| line.trim_start() == "xfs");
        let has_tools =
            Command::new("mkfs.xfs").arg("-V").output().is_ok_and(|output| output.status.success());
        if !has_root || !has_xfs || !has_tools {
            return None;
        }
        let referee = Self { sid: find_sid() };
        referee.can_mount().then_some(referee)
    }

    /// Whether a loop mount really works; containers often have root without it.
    fn can_mount(&self) -> bool {
        let temp = TempDir::new("probe");
        let image = temp.join("probe.img");
        make_sparse(&image, 300 << 20);
        self.xfsprogs(Xfsprogs::V6_1, "mkfs.xfs")
            .arg("-q")
            .arg(&image)
            .status()
            .is_ok_and(|status| status.success())
            && Mount::try_new(&image, &temp.join("mnt"), "ro").is_ok()
    }

    /// Whether this release is installed; says so if not.
    pub fn has(&self, version: Xfsprogs) -> bool {
        let has = version == Xfsprogs::V6_1 || self.sid.is_some();
        if !has {
            say("skipped: no xfsprogs 7.2");
        }
        has
    }

    /// A command of one release of xfsprogs. The newer one runs on its own loader and libraries, so no chroot is needed.
    pub fn xfsprogs(&self, version: Xfsprogs, program: &str) -> Command {
        match (version, &self.sid) {
            (Xfsprogs::V6_1, _) => Command::new(program),
            (Xfsprogs::V7_2, Some(sid)) => {
                let mut command = Command::new(sid.join("lib64/ld-linux-x86-64.so.2"));
                command.arg("--library-path").arg(sid.join("usr/lib/x86_64-linux-gnu"));
                command.arg(sid.join("usr/sbin").join(program));
                command
            }
            (Xfsprogs::V7_2, None) => panic!("xfsprogs 7.2 asked for without `has`"),
        }
    }

    /// Makes a volume with the options of `set` in a new sparse file at `image`.
    pub fn mkfs(&self, set: &OptionSet, image: &Path) {
        make_sparse(image, set.size_bytes);
        let mut command = self.xfsprogs(set.version, "mkfs.xfs");
        command.arg("-q").args(set.args).args(["-m", set.uuid_option().as_str()]).arg(image);
        run(&mut command);
    }

    /// Runs `xfs_repair -n` of every release that can judge this volume.
    ///
    /// # Panics
    /// If one of them finds something, with what it said.
    pub fn repair_n(&self, image: &Path) {
        let mut judged = 0;
        for version in [Xfsprogs::V6_1, Xfsprogs::V7_2] {
            if version == Xfsprogs::V7_2 && self.sid.is_none() {
                continue;
            }
            match self.repair_n_with(version, image) {
                Verdict::Clean => judged += 1,
                Verdict::Unsupported => {}
                Verdict::Damaged(said) => panic!("xfs_repair -n ({version:?}) is not content:\n{said}"),
            }
        }
        assert!(judged > 0, "no xfs_repair here knows the features of this volume");
    }

    /// Runs `xfs_repair -n` of one release.
    pub fn repair_n_with(&self, version: Xfsprogs, image: &Path) -> Verdict {
        let output = self
            .xfsprogs(version, "xfs_repair")
            .args(["-n", "-o", "force_geometry"])
            .arg(image)
            .output()
            .expect("start xfs_repair");
        let said = text_of(&output);
        if said.contains("unsupported filesystem features") {
            Verdict::Unsupported
        } else if output.status.success() {
            Verdict::Clean
        } else {
            Verdict::Damaged(said)
        }
    }

    /// Mounts `image` read-write; unmounted when the result is dropped.
    pub fn mount(&self, image: &Path) -> Mount {
        self.mount_with(image, "noatime")
    }

    /// Like [`Referee::mount`], and the kernel allocates nothing behind what is written.
    pub fn mount_without_speculation(&self, image: &Path) -> Mount {
        self.mount_with(image, "noatime,allocsize=4096")
    }

    /// Has the kernel recover the log of `image`.
    ///
    /// # Errors
    /// What mount said. Linux refuses some states that its own shutdown left behind.
    pub fn recover(&self, image: &Path) -> Result<(), String> {
        Mount::try_new(image, &image.with_extension("mnt"), "noatime").map(Mount::unmount)
    }

    /// Mounts `image` so that looking at it changes nothing.
    pub fn mount_read_only(&self, image: &Path) -> Mount {
        self.mount_with(image, "ro,noatime")
    }

    fn mount_with(&self, image: &Path, options: &str) -> Mount {
        let dir = image.with_extension("mnt");
        Mount::try_new(image, &dir, options)
            .unwrap_or_else(|said| panic!("mount {}: {said}", image.display()))
    }
}

/// What one `xfs_repair -n` thinks of a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Exit status 0.
    Clean,
    /// This release does not know a feature that the volume has.
    Unsupported,
    /// Anything else, with all that it said.
    Damaged(String),
}

/// A mounted image. Dropping it unmounts, also while a failed test unwinds.
#[derive(Debug)]
pub struct Mount {
    dir: PathBuf,
    is_mounted: bool,
}

impl Mount {
    fn try_new(image: &Path, dir: &Path, options: &str) -> Result<Self, String> {
        std::fs::create_dir_all(dir).map_err(|error| error.to_string())?;
        let mut command = Command::new("mount");
        command.args(["-t", "xfs", "-o", &format!("loop,nouuid,{options}")]).arg(image).arg(dir);
        let output = command.output().map_err(|error| error.to_string())?;
        if !output.status.success() {
            return Err(text_of(&output));
        }
        Ok(Self { dir: dir.to_owned(), is_mounted: true })
    }

    /// Where the volume is mounted.
    pub fn path(&self) -> &Path {
        &self.dir
    }

    /// Unmounts now.
    ///
    /// # Panics
    /// If that fails.
    pub fn unmount(mut self) {
        let said = self.umount();
        assert!(!self.is_mounted, "umount {}: {said}", self.dir.display());
    }

    /// Stops the kernel's work on the volume, as a crash would, and unmounts: the log stays dirty.
    pub fn shut_down(self, flush_log: bool) {
        self.stop(flush_log);
        self.unmount();
    }

    /// Stops the kernel's work on the volume, as a crash would. Every later call on it fails.
    pub fn stop(&self, flush_log: bool) {
        let action = if flush_log { "shutdown -f" } else { "shutdown" };
        run(Command::new("xfs_io").args(["-x", "-c", action]).arg(&self.dir));
    }

    fn umount(&mut self) -> String {
        let mut said = String::new();
        for _ in 0..50 {
            match Command::new("umount").arg(&self.dir).output() {
                Ok(output) if output.status.success() => {
                    self.is_mounted = false;
                    return said;
                }
                Ok(output) => said = text_of(&output),
                Err(error) => said = error.to_string(),
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        said
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        if self.is_mounted {
            self.umount();
            if self.is_mounted {
                let _ = Command::new("umount").arg("--lazy").arg(&self.dir).status();
            }
        }
    }
}

/// The folder with a Debian sid that holds xfsprogs 7.2: `XFSKIT_XFSPROGS_SID`, or the place where the set-up puts it.
fn find_sid() -> Option<PathBuf> {
    let named = std::env::var_os("XFSKIT_XFSPROGS_SID").map(PathBuf::from);
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache")))
        .map(|cache| cache.join("xfskit/xfsprogs-sid"));
    [named, cache].into_iter().flatten().find(|dir| dir.join("usr/sbin/mkfs.xfs").is_file())
}

/// Makes a new file that is one hole.
pub fn make_sparse(path: &Path, size_bytes: u64) {
    let _ = std::fs::remove_file(path);
    let file = std::fs::File::create(path).expect("create an image file");
    file.set_len(size_bytes).expect("set the size of an image file");
}

/// Runs a command that must succeed.
///
/// # Panics
/// With all that the command said, if it fails.
pub fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}\n{}", output.status, text_of(&output));
    output
}

/// Both outputs of a command as text.
pub fn text_of(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A line for whoever runs the tests; the test harness swallows what `println!` says in a test that passes.
pub fn say(line: &str) {
    let thread = std::thread::current();
    let _ = writeln!(std::io::stderr(), "{}: {line}", thread.name().unwrap_or("test"));
}
