//! A fresh folder per test, removed when the test is over.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// A folder of one test's own under `TMPDIR`, or else under the build's target folder.
#[derive(Debug)]
pub struct TempDir {
    path: PathBuf,
}

impl TempDir {
    /// Makes a new folder; `name` shows up in its path.
    pub fn new(name: &str) -> Self {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let serial = COUNTER.fetch_add(1, Ordering::Relaxed);
        let path = Self::base().join(format!("xfskit-{}-{serial}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).expect("make a temporary folder");
        Self { path }
    }

    /// Where temporary folders go. Never a RAM disk by default: images may be large.
    fn base() -> PathBuf {
        match std::env::var_os("TMPDIR") {
            Some(dir) => PathBuf::from(dir),
            None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tmp"),
        }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A path inside the folder.
    pub fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        if std::env::var_os("XFSKIT_KEEP").is_none() {
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}
