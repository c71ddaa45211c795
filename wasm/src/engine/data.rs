//! Contents of open files, by inode number.

use js_sys::Uint8Array;
use wasm_bindgen::prelude::wasm_bindgen;
use xfskit::volume::Allocate;

use super::{Engine, array, ino};
use crate::disk::bytes;
use crate::failure::{Failure, Result};

/// Most bytes that one call reads.
const MAX_READ_BYTES: u64 = 1 << 30;
/// Most bytes that go through memory which is kept.
const MAX_SCRATCH_BYTES: usize = 1 << 20;

#[wasm_bindgen]
impl Engine {
    /// Up to `len` bytes from byte `offset` on; less only at the end of the file.
    ///
    /// # Errors
    /// `EISDIR`; those of the store.
    pub fn read(&mut self, number: f64, offset: f64, len: f64) -> Result<Uint8Array> {
        let (offset, len) = (bytes(offset)?, bytes(len)?.min(MAX_READ_BYTES));
        let volume = self.volume()?;
        let size = volume.stat(ino(number))?.size;
        let mut buf = vec![0; len.min(size.saturating_sub(offset)) as usize];
        let count = volume.read(ino(number), offset, &mut buf)?;
        Ok(array(&buf[..count]))
    }

    /// Fills `buf`, or the first mebibyte of it; returns how many bytes there were. Unlike [`Engine::read`] this takes no
    /// memory for each call, in which most of the time of a long read goes.
    ///
    /// # Errors
    /// `EISDIR`; those of the store.
    #[wasm_bindgen(js_name = readInto)]
    pub fn read_into(&mut self, number: f64, offset: f64, buf: &Uint8Array) -> Result<f64> {
        let offset = bytes(offset)?;
        let len = (buf.length() as usize).min(MAX_SCRATCH_BYTES);
        let mut scratch = core::mem::take(&mut self.scratch);
        if scratch.len() < len {
            scratch.resize(len, 0);
        }
        let count =
            self.volume().and_then(|volume| Ok(volume.read(ino(number), offset, &mut scratch[..len])?));
        if let Ok(count) = count {
            buf.subarray(0, count as u32).copy_from(&scratch[..count]);
        }
        self.scratch = scratch;
        Ok(count? as f64)
    }

    /// Writes all of `data` at byte `offset`. It is on the device after a sync.
    ///
    /// # Errors
    /// `ENOSPC`, `EFBIG`, `EPERM`; nothing has changed then.
    pub fn write(&mut self, number: f64, offset: f64, data: &[u8]) -> Result<()> {
        Ok(self.volume()?.write(ino(number), bytes(offset)?, data)?)
    }

    /// Makes a file `size` bytes long.
    ///
    /// # Errors
    /// `EFBIG`, `EISDIR`, `EPERM`.
    pub fn truncate(&mut self, number: f64, size: f64) -> Result<()> {
        Ok(self.volume()?.truncate(ino(number), bytes(size)?)?)
    }

    /// Does something to the space of a part of a file: 0 blocks for it, 1 the same without a new size, 2 none for it,
    /// 3 zeros, 4 take it out, 5 put a hole there, 6 blocks of its own.
    ///
    /// # Errors
    /// Those of fallocate(2).
    pub fn allocate(&mut self, number: f64, what: u32, offset: f64, len: f64) -> Result<()> {
        let what = match what {
            0 => Allocate::Blocks { keep_size: false },
            1 => Allocate::Blocks { keep_size: true },
            2 => Allocate::Punch,
            3 => Allocate::Zero { keep_size: false },
            4 => Allocate::Collapse,
            5 => Allocate::Insert,
            6 => Allocate::Unshare { keep_size: true },
            _ => return Err(Failure::invalid("no such way to allocate")),
        };
        Ok(self.volume()?.allocate(ino(number), what, bytes(offset)?, bytes(len)?)?)
    }

    /// Makes a part of one file share the blocks of a part of another; `len` 0 means up to the end.
    ///
    /// # Errors
    /// Those of FICLONERANGE.
    #[wasm_bindgen(js_name = clone)]
    pub fn clone_range(
        &mut self,
        src: f64,
        src_offset: f64,
        dst: f64,
        dst_offset: f64,
        len: f64,
    ) -> Result<()> {
        let (from, to) = (bytes(src_offset)?, bytes(dst_offset)?);
        Ok(self.volume()?.clone_range(ino(src), from, ino(dst), to, bytes(len)?)?)
    }

    /// Gives what waits of a file its blocks, and writes it there.
    ///
    /// # Errors
    /// Those of the store.
    pub fn writeback(&mut self, number: f64) -> Result<()> {
        Ok(self.volume()?.writeback(ino(number))?)
    }

    /// Makes a file durable: its data, its size, its times, and the names that were changed before.
    ///
    /// # Errors
    /// Those of the store.
    pub fn fsync(&mut self, number: f64) -> Result<()> {
        Ok(self.volume()?.fsync(ino(number))?)
    }
}
