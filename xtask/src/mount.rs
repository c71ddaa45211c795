//! A loop mount that is gone when its guard is, whatever happens in between.

use std::fs;
use std::path::{Path, PathBuf};

use crate::report::Result;
use crate::run;

/// An image mounted by the kernel.
pub(crate) struct Mount {
    folder: PathBuf,
}

impl Mount {
    /// Mounts `image` on `folder`, which is made.
    pub(crate) fn new(image: &Path, folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder)?;
        run::output(run::command("mount").args(["-t", "xfs", "-o", "loop,nouuid"]).args([image, folder]))?;
        Ok(Self { folder: folder.to_path_buf() })
    }

    /// Unmounts now, to hear of a failure.
    pub(crate) fn unmount(self) -> Result<()> {
        let result = run::output(run::command("umount").arg(&self.folder)).map(drop);
        if result.is_ok() {
            std::mem::forget(self);
        }
        result
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // Lazily, so that even a busy mount is gone with its last user; there is no one left to tell of a failure.
        let _ = run::output(run::command("umount").arg("-l").arg(&self.folder));
    }
}

/// Why Linux can't mount an XFS image here; `None` when it can.
pub(crate) fn obstacle() -> Option<&'static str> {
    if !run::is_root() {
        return Some("mounting takes root");
    }
    let filesystems = fs::read_to_string("/proc/filesystems").unwrap_or_default();
    let has_xfs = filesystems.lines().any(|line| line.trim() == "xfs");
    if !has_xfs && run::output(run::command("modprobe").arg("xfs")).is_err() {
        return Some("this kernel has no XFS");
    }
    if !Path::new("/dev/loop-control").exists() {
        return Some("this kernel has no loop devices");
    }
    if run::found("xfs_repair").is_none() {
        return Some("xfsprogs is not installed");
    }
    None
}
