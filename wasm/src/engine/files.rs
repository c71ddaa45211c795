//! Files by path: opening, whole contents.

use js_sys::Uint8Array;
use wasm_bindgen::prelude::wasm_bindgen;
use xfskit::error::Mistake;
use xfskit::units::Ino;
use xfskit::volume::{FileType, Volume};

use super::{Engine, array, followed, ino, new_inode};
use crate::failure::{Failure, Result};

// The numbers of open(2) on Linux, as Node's `fs.constants` has them.
const O_ACCMODE: u32 = 3;
const O_CREAT: u32 = 0o100;
const O_EXCL: u32 = 0o200;
const O_TRUNC: u32 = 0o1000;
const O_DIRECTORY: u32 = 0o200_000;
const O_NOFOLLOW: u32 = 0o400_000;

#[wasm_bindgen]
impl Engine {
    /// Opens a file and holds its inode until [`Engine::release`]; returns its number.
    ///
    /// # Errors
    /// Those of open(2).
    #[wasm_bindgen(js_name = openFile)]
    pub fn open_file(&mut self, path: &[u8], flags: u32, mode: u32) -> Result<f64> {
        let volume = self.volume()?;
        let found = open(volume, path, flags, mode)?;
        volume.hold(found)?;
        Ok(found.0 as f64)
    }

    /// Lets go of an inode once.
    ///
    /// # Errors
    /// Those of the store.
    pub fn release(&mut self, number: f64) -> Result<()> {
        Ok(self.volume()?.release(ino(number))?)
    }

    /// All of a file.
    ///
    /// # Errors
    /// Those of [`Engine::stat`]; `EISDIR`; `ERR_FS_FILE_TOO_LARGE` when it does not fit into memory.
    #[wasm_bindgen(js_name = readFile)]
    pub fn read_file(&mut self, path: &[u8]) -> Result<Uint8Array> {
        let found = self.resolved(path, true)?;
        let volume = self.volume()?;
        let size = volume.stat(found)?.size;
        if size > 1 << 30 {
            return Err(Failure::new("ERR_FS_FILE_TOO_LARGE", "file is read in parts only"));
        }
        let mut buf = vec![0; size as usize];
        let count = volume.read(found, 0, &mut buf)?;
        Ok(array(&buf[..count]))
    }

    /// Opens a file as `flags` say and makes `data` its contents.
    ///
    /// # Errors
    /// Those of open(2); `ENOSPC`.
    #[wasm_bindgen(js_name = writeFile)]
    pub fn write_file(&mut self, path: &[u8], flags: u32, mode: u32, data: &[u8]) -> Result<()> {
        let volume = self.volume()?;
        let found = open(volume, path, flags, mode)?;
        Ok(volume.write(found, 0, data)?)
    }
}

/// What open(2) finds or makes.
fn open(volume: &mut Volume, path: &[u8], flags: u32, mode: u32) -> Result<Ino> {
    let is_writing = flags & O_ACCMODE != 0;
    let follow = followed(flags & (O_NOFOLLOW | O_EXCL) == 0);
    let found = match volume.resolve(path, follow) {
        Err(xfskit::Error::Invalid(Mistake::NotFound)) if flags & O_CREAT != 0 => {
            return make(volume, path, flags, mode);
        }
        found => found?,
    };
    if flags & O_CREAT != 0 && flags & O_EXCL != 0 {
        return Err(xfskit::Error::from(Mistake::Exists).into());
    }
    let file_type = volume.stat(found)?.file_type;
    match file_type {
        FileType::Directory if is_writing => return Err(xfskit::Error::from(Mistake::IsADirectory).into()),
        FileType::Directory | FileType::Regular => {}
        FileType::Symlink => return Err(xfskit::Error::from(Mistake::Loop).into()),
        _ => return Err(Failure::new("ENXIO", "nothing stands behind a node of a volume")),
    }
    if flags & O_DIRECTORY != 0 && file_type != FileType::Directory {
        return Err(xfskit::Error::from(Mistake::NotADirectory).into());
    }
    if flags & O_TRUNC != 0 && is_writing {
        volume.truncate(found, 0)?;
    }
    Ok(found)
}

/// Makes the file that `path` names, or that a dangling link at its end leads to.
fn make(volume: &mut Volume, path: &[u8], flags: u32, mode: u32) -> Result<Ino> {
    if path.last() == Some(&b'/') {
        return Err(xfskit::Error::from(Mistake::IsADirectory).into());
    }
    let mut path = path.to_vec();
    for _ in 0..40 {
        let (dir, name) = volume.resolve_parent(&path)?;
        let found = match volume.lookup(dir, &name) {
            Err(xfskit::Error::Invalid(Mistake::NotFound)) => {
                return Ok(volume.create(dir, &name, &new_inode(mode))?);
            }
            found => found?,
        };
        if flags & (O_NOFOLLOW | O_EXCL) != 0 {
            return Err(xfskit::Error::from(Mistake::Exists).into());
        }
        let target = volume.read_link(found)?;
        path = if target.first() == Some(&b'/') {
            target
        } else {
            let at = path.iter().rposition(|&byte| byte == b'/').map_or(0, |slash| slash + 1);
            [&path[..at], &target].concat()
        };
    }
    Err(xfskit::Error::from(Mistake::Loop).into())
}
