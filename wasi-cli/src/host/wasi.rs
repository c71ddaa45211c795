//! WASI preview 1: no owners, no modes, and no count of the blocks that a file takes.

use std::ffi::OsStr;
use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::wasi::ffi::OsStrExt as _;
use std::path::Path;

use xfskit::volume::{FileType, Stat};

/// The bytes of a name.
pub(crate) fn bytes(name: &OsStr) -> &[u8] {
    name.as_bytes()
}

/// A name made of bytes.
pub(crate) fn os_str(bytes: &[u8]) -> &OsStr {
    OsStr::from_bytes(bytes)
}

/// What files and directories usually have: WASI does not tell.
pub(crate) fn mode(metadata: &Metadata) -> u16 {
    if metadata.is_dir() { 0o755 } else { 0o644 }
}

/// The superuser: WASI does not tell.
pub(crate) fn owner(_metadata: &Metadata) -> (u32, u32) {
    (0, 0)
}

/// Always: WASI does not tell.
pub(crate) fn may_be_sparse(_metadata: &Metadata) -> bool {
    true
}

/// Never: WASI does not tell.
pub(crate) fn is_same_file(_one: &Metadata, _other: &Metadata) -> bool {
    false
}

/// Never: WASI does not tell.
pub(crate) fn link_key(_metadata: &Metadata) -> Option<(u64, u64)> {
    None
}

/// Never: WASI does not tell.
pub(crate) fn node(_metadata: &Metadata) -> Option<(FileType, (u32, u32))> {
    None
}

/// Makes a file that does not exist yet, open for writing.
pub(crate) fn create_new(path: &Path, _mode: u16) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).open(path)
}

/// Makes a directory.
pub(crate) fn create_dir(path: &Path, _mode: u16) -> io::Result<()> {
    std::fs::create_dir(path)
}

/// Makes a symbolic link.
#[expect(deprecated, reason = "the one stable call that makes a symbolic link under WASI")]
pub(crate) fn symlink(target: &[u8], link: &Path) -> io::Result<()> {
    std::fs::soft_link(os_str(target), link)
}

/// Never: WASI has no call for it.
pub(crate) fn make_node(_path: &Path, _kind: FileType, _rdev: (u32, u32), _mode: u16) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Nothing can be set.
pub(crate) fn preserve_node(_path: &Path, _stat: &Stat) -> io::Result<()> {
    Ok(())
}

/// Taken on trust: WASI does not tell.
pub(crate) fn is_still(_before: &Metadata, _now: &Metadata) -> bool {
    true
}

/// Nothing can be set.
pub(crate) fn set_owner(_file: &File, _uid: u32, _gid: u32) -> bool {
    false
}

/// Nothing can be set.
pub(crate) fn set_mode(_file: &File, _mode: u16) -> io::Result<()> {
    Ok(())
}
