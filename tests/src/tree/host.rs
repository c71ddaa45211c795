//! A tree as the kernel shows it.

use std::collections::{BTreeMap, HashMap};
use std::ffi::CString;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirEntryExt, FileExt};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, StatxFlags, StatxTimestamp};

use super::{ContentHasher, Entry, Kind, Time, Tree, digest, escape, sample};

/// Takes a snapshot of all that lies below `root`, a directory on a mounted volume.
pub fn from_mount(root: &Path) -> Tree {
    let mut known: HashMap<u64, Entry> = HashMap::new();
    let mut tree = Tree::default();
    let top = entry_of(root);
    tree.entries.insert("/".into(), top);
    let mut pending = vec![(root.to_owned(), String::new())];
    while let Some((dir, prefix)) = pending.pop() {
        for found in std::fs::read_dir(&dir).expect("read a directory of the mount") {
            let found = found.expect("read an entry of the mount");
            let path = found.path();
            let shown = format!("{prefix}/{}", escape(found.file_name().as_bytes()));
            // Names of one inode show the same, and there may be a hundred thousand of them.
            let entry = known.entry(found.ino()).or_insert_with(|| entry_of(&path)).clone();
            assert_eq!(found.file_type().expect("type of an entry").is_dir(), entry.kind == Kind::Directory);
            if entry.kind == Kind::Directory {
                pending.push((path, shown.clone()));
            }
            tree.entries.insert(shown, entry);
        }
    }
    tree
}

/// All regular files below `root`, each inode once, with names that no program stumbles over.
pub fn plain_files(root: &Path) -> Vec<PathBuf> {
    let mut seen = std::collections::HashSet::new();
    let mut files = Vec::new();
    let mut pending = vec![root.to_owned()];
    while let Some(dir) = pending.pop() {
        for found in std::fs::read_dir(&dir).expect("read a directory of the mount") {
            let found = found.expect("read an entry of the mount");
            let kind = found.file_type().expect("type of an entry");
            let is_plain = found
                .file_name()
                .as_bytes()
                .iter()
                .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(byte));
            if kind.is_dir() {
                pending.push(found.path());
            } else if kind.is_file() && is_plain && seen.insert(found.ino()) {
                files.push(found.path());
            }
        }
    }
    files.sort();
    files
}

fn entry_of(path: &Path) -> Entry {
    let wanted = StatxFlags::BASIC_STATS | StatxFlags::BTIME;
    let stat = rustix::fs::statx(CWD, path, AtFlags::SYMLINK_NOFOLLOW, wanted).expect("statx on the mount");
    let kind = match stat.stx_mode & 0o170_000 {
        0o100_000 => Kind::File,
        0o040_000 => Kind::Directory,
        0o120_000 => Kind::Symlink,
        0o020_000 => Kind::CharDevice,
        0o060_000 => Kind::BlockDevice,
        0o010_000 => Kind::Fifo,
        0o140_000 => Kind::Socket,
        other => panic!("{}: mode {other:o}", path.display()),
    };
    let is_device = matches!(kind, Kind::CharDevice | Kind::BlockDevice);
    let target = (kind == Kind::Symlink)
        .then(|| escape(std::fs::read_link(path).expect("read a link of the mount").as_os_str().as_bytes()));
    Entry {
        kind,
        mode: stat.stx_mode & 0o7777,
        uid: stat.stx_uid,
        gid: stat.stx_gid,
        nlink: stat.stx_nlink,
        size: Some(stat.stx_size),
        ino: Some(stat.stx_ino),
        blocks: Some(stat.stx_blocks),
        atime: Some(time(stat.stx_atime)),
        mtime: Some(time(stat.stx_mtime)),
        ctime: Some(time(stat.stx_ctime)),
        crtime: Some(time(stat.stx_btime)),
        rdev: is_device.then_some((stat.stx_rdev_major, stat.stx_rdev_minor)),
        target,
        content: (kind == Kind::File).then(|| content(path, stat.stx_size)),
        xattrs: Some(xattrs(path)),
    }
}

fn time(stamp: StatxTimestamp) -> Time {
    (stamp.tv_sec, stamp.tv_nsec)
}

fn content(path: &Path, size_bytes: u64) -> String {
    let file = File::open(path).expect("open a file of the mount");
    let mut hasher = ContentHasher::default();
    let mut buffer = vec![0; 1 << 20];
    for (start, len) in sample(size_bytes) {
        let mut offset = start;
        while offset < start + len {
            let want = usize::try_from((start + len - offset).min(1 << 20)).expect("at most a MiB");
            file.read_exact_at(&mut buffer[..want], offset).expect("read a file of the mount");
            hasher.update(&buffer[..want]);
            offset += want as u64;
        }
    }
    hasher.finish()
}

/// Extended attributes as they are stored: the kernel's translated view of ACLs is left out, the stored one is kept.
fn xattrs(path: &Path) -> BTreeMap<String, String> {
    let mut names = vec![0; 1 << 16];
    let len = match rustix::fs::llistxattr(path, &mut names[..]) {
        Ok(len) => len,
        Err(error) => panic!("llistxattr {}: {error}", path.display()),
    };
    let mut map = BTreeMap::new();
    let mut value = vec![0; 1 << 16];
    for name in names[..len].split(|&byte| byte == 0).filter(|name| !name.is_empty()) {
        if name.starts_with(b"system.") {
            continue;
        }
        let c_name = CString::new(name).expect("no NUL inside");
        let len =
            rustix::fs::lgetxattr(path, c_name.as_c_str(), &mut value[..]).expect("lgetxattr on the mount");
        map.insert(escape(name), digest(&value[..len]));
    }
    map
}
