//! An open volume, as JavaScript sees it.

mod attributes;
mod data;
mod files;
mod format;
mod map;
mod names;
mod report;

use js_sys::{Float64Array, Uint8Array};
use wasm_bindgen::prelude::wasm_bindgen;
use xfskit::units::Ino;
use xfskit::volume::{Follow, NewInode, OpenOptions, Timestamp, Volume};

use crate::disk::Disk;
use crate::failure::{Failure, Result};

/// An open volume.
#[wasm_bindgen]
pub struct Engine {
    /// `None` once it is closed.
    volume: Option<Volume>,
    /// Where bytes lie on their way to a buffer of JavaScript's.
    scratch: Vec<u8>,
}

#[wasm_bindgen]
impl Engine {
    /// Opens the volume on `disk`. A dirty log is recovered; in memory, when nothing may be written. `cache` and `dirty`
    /// bound the memory for metadata and for data that waits, in bytes.
    ///
    /// # Errors
    /// Those of the store; `EUCLEAN` for damage, `EOPNOTSUPP` for what cannot be read.
    pub fn open(disk: &Disk, read_only: bool, cache: f64, dirty: f64, now_ms: f64) -> Result<Engine> {
        let mut options = OpenOptions::default();
        options.read_only = read_only;
        options.cache_bytes = cache as usize;
        options.dirty_bytes = dirty as usize;
        let mut volume = Volume::open(disk.device(), &options)?;
        volume.set_time(timestamp(now_ms));
        Ok(Self { volume: Some(volume), scratch: Vec::new() })
    }

    /// Sets the time, in milliseconds, that changes are stamped with from now on.
    ///
    /// # Errors
    /// `EBADF` when closed.
    #[wasm_bindgen(js_name = setTime)]
    pub fn set_time(&mut self, now_ms: f64) -> Result<()> {
        self.volume()?.set_time(timestamp(now_ms));
        Ok(())
    }

    /// Makes everything durable and the log clean. After an error the volume can be closed again, or dropped.
    ///
    /// # Errors
    /// Those of the store; `EBADF` when closed.
    pub fn close(&mut self) -> Result<()> {
        let volume = self.volume()?;
        if volume.read_only_reason().is_none() {
            volume.release_all()?;
            volume.quiesce()?;
        }
        self.volume = None;
        Ok(())
    }

    /// Makes everything durable.
    ///
    /// # Errors
    /// Those of the store.
    pub fn sync(&mut self) -> Result<()> {
        Ok(self.volume()?.sync()?)
    }

    fn volume(&mut self) -> Result<&mut Volume> {
        self.volume.as_mut().ok_or_else(|| Failure::new("EBADF", "volume is closed"))
    }

    fn resolved(&mut self, path: &[u8], follow: bool) -> Result<Ino> {
        Ok(self.volume()?.resolve(path, followed(follow))?)
    }
}

fn followed(follow: bool) -> Follow {
    if follow { Follow::Yes } else { Follow::No }
}

/// Everything that JavaScript makes belongs to root, until it says otherwise.
fn new_inode(mode: u32) -> NewInode {
    NewInode { mode: (mode & 0o7777) as u16, uid: 0, gid: 0 }
}

fn timestamp(ms: f64) -> Timestamp {
    let seconds = (ms / 1000.0).floor();
    let rest = (ms - seconds * 1000.0) * 1e6;
    // Conversions of what is no number saturate, and give zero for NaN.
    Timestamp { seconds: seconds as i64, nanoseconds: (rest as u32).min(999_999_999) }
}

/// An inode number from JavaScript. One that is none leads to no inode.
fn ino(number: f64) -> Ino {
    Ino(number as u64)
}

fn numbers(values: &[f64]) -> Float64Array {
    Float64Array::from(values)
}

fn array(bytes: &[u8]) -> Uint8Array {
    Uint8Array::from(bytes)
}
