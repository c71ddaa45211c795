//! What may lie in the repository: known kinds of files, of sizes that a clone can bear, where they belong.

use std::fs;
use std::path::{Path, PathBuf};

use super::Finding;

/// Names at the top of the repository.
const TOP: [&str; 24] = [
    ".cargo",
    ".ci",
    ".gitignore",
    ".npmrc",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "bench",
    "core",
    "deny.toml",
    "fuzz",
    "mount",
    "package-lock.json",
    "package.json",
    "rustfmt.toml",
    "tests",
    "wasi-cli",
    "wasm",
    "www",
    "xtask",
];
/// File names that hide what is inside.
const NAMELESS: [&str; 4] = ["mod.rs", "util.rs", "utils.rs", "misc.rs"];
/// Where files that are not text may lie: golden images, fuzz crashers.
const BINARY_HOME: &str = "tests";
const TEXT_LIMIT_BYTES: u64 = 200_000;
/// A lock file is long and read by nobody.
const NPM_LOCK: &str = "package-lock.json";
const NPM_LOCK_LIMIT_BYTES: u64 = 1_000_000;
const BINARY_LIMIT_BYTES: u64 = 1_000_000;
const BINARY_TOTAL_LIMIT_BYTES: u64 = 16_000_000;

/// Strays, big files, and binaries in the wrong place.
pub(crate) fn check(root: &Path, files: &[PathBuf]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut binary_bytes = 0;
    for path in files {
        let shown = path.display();
        if !path.iter().next().is_some_and(|top| TOP.iter().any(|known| top == *known)) {
            findings.push(Finding::Error(format!(
                "{shown}: a stray; what belongs at the top is listed in xtask"
            )));
        }
        if path.file_name().is_some_and(|name| NAMELESS.iter().any(|bad| name == *bad)) {
            findings.push(Finding::Error(format!("{shown}: name it after what it holds")));
        }
        let Ok(bytes) = fs::read(root.join(path)) else { continue };
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let is_binary = std::str::from_utf8(&bytes).is_err() || bytes.contains(&0);
        if is_binary {
            binary_bytes += size;
        }
        if path.ends_with(NPM_LOCK) && names_a_host(&bytes) {
            findings.push(Finding::Error(format!("{shown}: names the host that a package came from")));
        }
        if let Some(error) = judge(path, size, is_binary) {
            findings.push(Finding::Error(format!("{shown}: {error}")));
        }
    }
    if binary_bytes > BINARY_TOTAL_LIMIT_BYTES {
        findings.push(Finding::Error(format!("binary files take {binary_bytes} bytes in all")));
    }
    findings
}

fn judge(path: &Path, size: u64, is_binary: bool) -> Option<String> {
    if is_binary && !path.starts_with(BINARY_HOME) {
        return Some(format!("a binary file outside {BINARY_HOME}/"));
    }
    let limit = match is_binary {
        true => BINARY_LIMIT_BYTES,
        false if path.ends_with(NPM_LOCK) => NPM_LOCK_LIMIT_BYTES,
        false => TEXT_LIMIT_BYTES,
    };
    (size > limit).then(|| format!("{size} bytes; at most {limit} may lie in the repository"))
}

/// Whether npm noted where it fetched a package; `.npmrc` says that it must not.
fn names_a_host(lock: &[u8]) -> bool {
    let noted = |line: &str| line.trim_start().starts_with("\"resolved\": \"http");
    String::from_utf8_lossy(lock).lines().any(noted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binaries_have_a_home_and_a_limit() {
        assert_eq!(judge(Path::new("tests/golden/a.img.zst"), 5_000, true), None);
        assert!(judge(Path::new("tests/golden/a.img.zst"), 5_000_000, true).is_some());
        assert!(judge(Path::new("core/a.bin"), 5, true).is_some());
        assert!(judge(Path::new("core/src/a.rs"), 300_000, false).is_some());
    }

    #[test]
    fn hosts_in_a_lock_file_are_found() {
        assert!(names_a_host(b"{\n  \"resolved\": \"https://host.example/a.tgz\",\n}"));
        assert!(!names_a_host(b"{\n  \"resolved\": \"tests/browser\",\n}"));
    }

    #[test]
    fn strays_are_found() {
        let names = ["notes.txt", "core/src/mod.rs", "core/src/units.rs"].map(PathBuf::from);
        let found = check(Path::new("/nonexistent"), &names);
        assert_eq!(found.len(), 2);
    }
}
