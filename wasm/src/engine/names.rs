//! Names: looking them up, making, moving and removing them.

use js_sys::{Float64Array, Uint8Array};
use wasm_bindgen::prelude::wasm_bindgen;
use xfskit::units::Ino;
use xfskit::volume::{FileType, RenameMode, Stat};

use super::{Engine, array, followed, ino, new_inode, numbers};
use crate::failure::{Failure, Result};

/// Symbolic links that are followed for one path at most.
const MAX_LINKS: u32 = 40;

#[wasm_bindgen]
impl Engine {
    /// Attributes of what `path` leads to: inode number, mode with type, links, uid, gid, major, minor, size, units of
    /// 512 bytes, block size, seconds and nanoseconds of access, modification, change and birth, generation, project,
    /// extended flags, extents.
    ///
    /// # Errors
    /// `ENOENT`, `ENOTDIR`, `ELOOP`, `ENAMETOOLONG`.
    pub fn stat(&mut self, path: &[u8], follow: bool) -> Result<Float64Array> {
        let found = self.resolved(path, follow)?;
        self.stat_of(found)
    }

    /// The same, of an inode.
    ///
    /// # Errors
    /// `EUCLEAN` when there is none of that number.
    #[wasm_bindgen(js_name = statIno)]
    pub fn stat_ino(&mut self, number: f64) -> Result<Float64Array> {
        self.stat_of(ino(number))
    }

    fn stat_of(&mut self, ino: Ino) -> Result<Float64Array> {
        let volume = self.volume()?;
        let stat = volume.stat(ino)?;
        let flags = volume.flags(ino)?.bits();
        Ok(numbers(&stat_numbers(&stat, flags)))
    }

    /// The inode that `path` leads to.
    ///
    /// # Errors
    /// Those of [`Engine::stat`].
    pub fn resolve(&mut self, path: &[u8], follow: bool) -> Result<f64> {
        Ok(self.resolved(path, follow)?.0 as f64)
    }

    /// `path` without symbolic links, `.` and `..`.
    ///
    /// # Errors
    /// Those of [`Engine::stat`].
    pub fn realpath(&mut self, path: &[u8]) -> Result<Uint8Array> {
        let mut done: Vec<Vec<u8>> = Vec::new();
        let mut todo: Vec<Vec<u8>> = components(path);
        let mut links = 0;
        while let Some(name) = todo.pop() {
            if name == b".." {
                done.pop();
                continue;
            }
            done.push(name);
            let here = joined(&done);
            let volume = self.volume()?;
            let found = volume.resolve(&here, followed(false))?;
            if volume.stat(found)?.file_type != FileType::Symlink {
                continue;
            }
            links += 1;
            if links > MAX_LINKS {
                return Err(Failure::new("ELOOP", "too many levels of symbolic links"));
            }
            let target = volume.read_link(found)?;
            done.pop();
            if target.first() == Some(&b'/') {
                done.clear();
            }
            todo.extend(components(&target));
        }
        // What remains may be a file with more behind it.
        self.resolved(path, true)?;
        Ok(array(&joined(&done)))
    }

    /// The entries of a directory without `.` and `..`: for each, its type (1 file, 2 directory, 3 character device,
    /// 4 block device, 5 fifo, 6 socket, 7 symbolic link), the length of its name, and the name.
    ///
    /// # Errors
    /// Those of [`Engine::stat`]; `ENOTDIR`.
    pub fn readdir(&mut self, path: &[u8]) -> Result<Uint8Array> {
        let dir = self.resolved(path, true)?;
        let volume = self.volume()?;
        let mut packed = Vec::new();
        for entry in volume.read_dir(dir)? {
            if matches!(entry.name.as_slice(), b"." | b"..") {
                continue;
            }
            let file_type = match entry.file_type {
                Some(file_type) => file_type,
                None => volume.stat(entry.ino)?.file_type,
            };
            packed.extend([type_number(file_type), entry.name.len() as u8]);
            packed.extend_from_slice(&entry.name);
        }
        Ok(array(&packed))
    }

    /// What a symbolic link says.
    ///
    /// # Errors
    /// `EINVAL` for what is no link.
    pub fn readlink(&mut self, path: &[u8]) -> Result<Uint8Array> {
        let found = self.resolved(path, false)?;
        Ok(array(&self.volume()?.read_link(found)?))
    }

    /// Makes a directory.
    ///
    /// # Errors
    /// `EEXIST`, `ENOSPC` and those of [`Engine::stat`].
    pub fn mkdir(&mut self, path: &[u8], mode: u32) -> Result<()> {
        let volume = self.volume()?;
        let (dir, name) = volume.resolve_parent(path)?;
        volume.mkdir(dir, &name, &new_inode(mode))?;
        Ok(())
    }

    /// Removes an empty directory.
    ///
    /// # Errors
    /// `ENOTEMPTY`, `ENOTDIR`.
    pub fn rmdir(&mut self, path: &[u8]) -> Result<()> {
        let (dir, name) = self.parent_of(path)?;
        Ok(self.volume()?.rmdir(dir, &name)?)
    }

    /// Removes a name of what is no directory.
    ///
    /// # Errors
    /// `EISDIR` and those of [`Engine::stat`].
    pub fn unlink(&mut self, path: &[u8]) -> Result<()> {
        let (dir, name) = self.parent_of(path)?;
        Ok(self.volume()?.unlink(dir, &name)?)
    }

    /// Moves a name. `mode`: 0 over what is there, 1 only if nothing is, 2 in exchange.
    ///
    /// # Errors
    /// Those of rename(2).
    pub fn rename(&mut self, from: &[u8], to: &[u8], mode: u32) -> Result<()> {
        let mode = match mode {
            0 => RenameMode::Replace,
            1 => RenameMode::NoReplace,
            2 => RenameMode::Exchange,
            _ => return Err(Failure::invalid("no such way to rename")),
        };
        let (dir, name) = self.parent_of(from)?;
        let (new_dir, new_name) = self.parent_of(to)?;
        Ok(self.volume()?.rename(dir, &name, new_dir, &new_name, mode)?)
    }

    /// Gives what `existing` leads to, a link itself, another name.
    ///
    /// # Errors
    /// `EEXIST`, `EPERM` for a directory.
    pub fn link(&mut self, existing: &[u8], path: &[u8]) -> Result<()> {
        let found = self.resolved(existing, false)?;
        let volume = self.volume()?;
        let (dir, name) = volume.resolve_parent(path)?;
        Ok(volume.link(found, dir, &name)?)
    }

    /// Makes a symbolic link.
    ///
    /// # Errors
    /// `EEXIST`, `ENAMETOOLONG`.
    pub fn symlink(&mut self, target: &[u8], path: &[u8]) -> Result<()> {
        let volume = self.volume()?;
        let (dir, name) = volume.resolve_parent(path)?;
        volume.symlink(dir, &name, target, &new_inode(0o777))?;
        Ok(())
    }

    /// Makes a device node, a fifo or a socket; `mode` says which.
    ///
    /// # Errors
    /// `EEXIST`; `EINVAL` for other types.
    pub fn mknod(&mut self, path: &[u8], mode: u32, major: u32, minor: u32) -> Result<()> {
        let file_type = FileType::from_mode(mode as u16).ok_or_else(|| Failure::invalid("no such type"))?;
        let volume = self.volume()?;
        let (dir, name) = volume.resolve_parent(path)?;
        volume.mknod(dir, &name, file_type, (major, minor), &new_inode(mode))?;
        Ok(())
    }

    /// The path of an inode, from its parent pointers.
    ///
    /// # Errors
    /// `EOPNOTSUPP` on a volume without them.
    #[wasm_bindgen(js_name = pathOf)]
    pub fn path_of(&mut self, number: f64) -> Result<Uint8Array> {
        let paths = self.volume()?.path_of(ino(number))?;
        let first = paths.into_iter().next().ok_or_else(|| Failure::new("ENOENT", "inode has no name"))?;
        Ok(array(&first))
    }
}

impl Engine {
    /// Directory and name of what is to lose that name.
    fn parent_of(&mut self, path: &[u8]) -> Result<(Ino, Vec<u8>)> {
        if path.iter().all(|&byte| byte == b'/') {
            return Err(Failure::new("EBUSY", "the root directory stays"));
        }
        Ok(self.volume()?.resolve_parent(path)?)
    }
}

/// The components of a path, the first one last.
fn components(path: &[u8]) -> Vec<Vec<u8>> {
    let parts = path.split(|&byte| byte == b'/').filter(|part| !part.is_empty() && *part != b".");
    parts.map(<[u8]>::to_vec).rev().collect()
}

fn joined(parts: &[Vec<u8>]) -> Vec<u8> {
    let mut path = parts.iter().fold(Vec::new(), |mut path, part| {
        path.push(b'/');
        path.extend_from_slice(part);
        path
    });
    if path.is_empty() {
        path.push(b'/');
    }
    path
}

fn type_number(file_type: FileType) -> u8 {
    match file_type {
        FileType::Regular => 1,
        FileType::Directory => 2,
        FileType::CharDevice => 3,
        FileType::BlockDevice => 4,
        FileType::Fifo => 5,
        FileType::Socket => 6,
        FileType::Symlink => 7,
    }
}

fn stat_numbers(stat: &Stat, flags: u32) -> [f64; 22] {
    [
        stat.ino.0 as f64,
        f64::from(stat.file_type.mode_bits() | stat.mode),
        f64::from(stat.nlink),
        f64::from(stat.uid),
        f64::from(stat.gid),
        f64::from(stat.rdev.0),
        f64::from(stat.rdev.1),
        stat.size as f64,
        stat.blocks_512 as f64,
        f64::from(stat.blocksize),
        stat.atime.seconds as f64,
        f64::from(stat.atime.nanoseconds),
        stat.mtime.seconds as f64,
        f64::from(stat.mtime.nanoseconds),
        stat.ctime.seconds as f64,
        f64::from(stat.ctime.nanoseconds),
        stat.crtime.seconds as f64,
        f64::from(stat.crtime.nanoseconds),
        f64::from(stat.generation),
        f64::from(stat.project_id),
        f64::from(flags),
        stat.extents as f64,
    ]
}
