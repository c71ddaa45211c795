//! An image in chunks that somebody else keeps: IndexedDB, or a server that is asked for ranges.
//!
//! Two sides hold the same. [`Chunked`] is the device: it reads and writes what is in memory, and answers
//! [`DeviceError::NotResident`] for what is not. [`Chunks`] is the host's side: it says which chunks are [wanted](Chunks::wanted), takes what
//! is [supplied](Chunks::supply), and hands out [epochs](Chunks::next_epoch) to be saved.
//!
//! * What was written is read back from memory until it is saved, and never fetched before.
//! * A chunk may be known in part, by sectors of 512 bytes: a write does not fetch what it does not cover. What is
//!   supplied fills only what is not known, so that it never hides a write.
//! * What is supplied stays until the operation that wanted it is [settled](Chunks::settle): trying again always gets further.
//! * All that is written between two flushes is one epoch. Epochs are handed out in order and saved whole, so what
//!   survives is always a prefix: every flush that is saved, with all before it. Two epochs that wait may be merged, which
//!   leaves fewer prefixes. Where more was written without a flush than memory is to hold, a part of the epoch may go
//!   early, behind all epochs before it: between two flushes, what lands first is free.
//! * What was handed out does not change any more: a chunk that is written again meanwhile is copied.

mod content;
mod epochs;
mod readahead;
mod state;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::rc::Rc;

use xfskit::device::{BlockDevice, DeviceError};

use super::StoreError;
use super::error::BUSY;
pub use epochs::Epoch;
use state::State;

/// The host's side; clones are the same.
#[derive(Clone)]
pub struct Chunks(Rc<RefCell<State>>);

/// The device's side.
pub struct Chunked(Rc<RefCell<State>>);

impl Chunks {
    /// A store of `len_bytes` in chunks of `chunk_bytes` (a power of two from 4 KiB to 16 MiB), of which about `memory_bytes`
    /// are kept in memory. `present` are the chunks that are stored, if that is known: all others are zeros.
    ///
    /// # Errors
    /// [`StoreError::Argument`] for a shape that can't be.
    pub fn new(
        len_bytes: u64,
        chunk_bytes: u32,
        memory_bytes: usize,
        present: Option<&[u32]>,
        is_writable: bool,
    ) -> Result<Self, StoreError> {
        let state = State::new(len_bytes, chunk_bytes, memory_bytes, present, is_writable)?;
        Ok(Self(Rc::new(RefCell::new(state))))
    }

    /// The device.
    #[must_use]
    pub fn device(&self) -> Chunked {
        Chunked(Rc::clone(&self.0))
    }

    /// What is missing since this was asked last, and what may be read next: ranges of chunks, in order.
    #[must_use]
    pub fn wanted(&self) -> Vec<(u32, u32)> {
        self.0.borrow_mut().wanted()
    }

    /// Takes the bytes of a chunk that was wanted, `None` if it is not stored. The last chunk may be as short as the store
    /// ends. What the operation under way did not ask for is left alone, unless nothing here can change.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when there are too few bytes.
    pub fn supply(&self, chunk: u32, bytes: Option<Vec<u8>>) -> Result<(), StoreError> {
        self.0.borrow_mut().supply(chunk, bytes)
    }

    /// The operation under way is done: what was supplied for it may go.
    pub fn settle(&self) {
        self.0.borrow_mut().settle();
    }

    /// What is to be saved next, behind all that was handed out before; `None` if there is nothing yet.
    #[must_use]
    pub fn next_epoch(&self) -> Option<Epoch> {
        self.0.borrow_mut().next_epoch()
    }

    /// The epoch `id`, and all before it, are durable.
    pub fn saved(&self, id: u64) {
        self.0.borrow_mut().saved(id);
    }

    /// Saving has failed, for a reason with one of Node's codes: every later write and flush fails with it.
    pub fn failed(&self, code: &str) {
        let error = match code {
            "ENOSPC" => DeviceError::NoSpace,
            "EROFS" => DeviceError::ReadOnly,
            "EBUSY" => DeviceError::Io { code: BUSY },
            _ => DeviceError::Io { code: 5 },
        };
        self.0.borrow_mut().failure.get_or_insert(error);
    }

    /// The epoch that the last flush waits for: what it promised holds once that is [saved](Chunks::saved_up_to).
    #[must_use]
    pub fn sealed(&self) -> u64 {
        self.0.borrow().epochs.sealed()
    }

    /// The last epoch that is durable.
    #[must_use]
    pub fn saved_up_to(&self) -> u64 {
        self.0.borrow().epochs.saved_up_to()
    }

    /// Bytes in memory, those of epochs on their way included.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.0.borrow().memory()
    }
}

impl BlockDevice for Chunked {
    fn len_bytes(&self) -> u64 {
        self.0.borrow().len_bytes
    }

    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<(), DeviceError> {
        self.0.borrow_mut().read(offset, buf)
    }

    fn write_at(&mut self, offset: u64, buf: &[u8]) -> Result<(), DeviceError> {
        self.0.borrow_mut().write(offset, buf)
    }

    /// Closes the epoch, and does not wait for it: what survives is in order.
    fn flush(&mut self) -> Result<(), DeviceError> {
        self.0.borrow_mut().flush()
    }

    fn is_read_only(&self) -> bool {
        !self.0.borrow().is_writable
    }
}
