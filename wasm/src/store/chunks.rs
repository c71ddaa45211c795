//! An image in chunks that somebody else keeps: IndexedDB, or a server that is asked for ranges.
//!
//! Two sides hold one [`State`]. [`Chunked`] is the device: it reads and writes what is in memory, and answers
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
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::rc::Rc;

use xfskit::device::{BlockDevice, DeviceError, check_range};
use xfskit::units::map::{Hashed, Ordered};

use super::StoreError;
use super::error::BUSY;
use content::{Content, SECTOR_BYTES};
pub use epochs::Epoch;
use epochs::Epochs;
use readahead::Readahead;

/// A chunk that is in memory, all of it or a part.
struct Slot {
    content: Rc<Content>,
    /// How many epochs that are not saved hold the chunk, the open one among them.
    unsaved: u32,
    /// The operation under way has asked for it.
    is_pinned: bool,
    /// When it was used last.
    used: u64,
}

/// What both sides hold.
struct State {
    len_bytes: u64,
    chunk_bytes: u32,
    memory_bytes: usize,
    is_writable: bool,
    /// A bit for each chunk that is in the store; `None` if that is not known, and all may be.
    present: Option<Vec<u64>>,
    slots: Hashed<u32, Slot>,
    clock: u64,
    /// What reads have missed since the host asked last.
    missed: Ordered<u32, ()>,
    /// What the host was told to fetch for the operation under way, and has not supplied.
    requested: Hashed<u32, ()>,
    readahead: Readahead,
    epochs: Epochs,
    failure: Option<DeviceError>,
}

/// The host's side; clones are the same.
#[derive(Clone)]
pub struct Chunks(Rc<RefCell<State>>);

/// The device's side.
pub struct Chunked(Rc<RefCell<State>>);

/// A piece of a range that lies in one chunk: the chunk, where it begins in it, and its bytes in the buffer.
type Piece = (u32, usize, std::ops::Range<usize>);

impl State {
    fn chunk_count(&self) -> u32 {
        // `Chunks::new` has seen to it that it fits.
        self.len_bytes.div_ceil(u64::from(self.chunk_bytes)) as u32
    }

    /// Bytes of a chunk: the last one may be short.
    fn chunk_len(&self, chunk: u32) -> usize {
        let rest = self.len_bytes - u64::from(chunk) * u64::from(self.chunk_bytes);
        rest.min(u64::from(self.chunk_bytes)) as usize
    }

    fn pieces(&self, offset: u64, len: usize) -> impl Iterator<Item = Piece> + use<> {
        let chunk_bytes = u64::from(self.chunk_bytes);
        let mut done = 0;
        std::iter::from_fn(move || {
            let at = offset + done as u64;
            let inside = at % chunk_bytes;
            let count = ((chunk_bytes - inside).min((len - done) as u64)) as usize;
            done += count;
            (count > 0).then_some(((at / chunk_bytes) as u32, inside as usize, done - count..done))
        })
    }

    /// Whether the store may have something of a chunk.
    fn may_be_stored(&self, chunk: u32) -> bool {
        let bit = |words: &Vec<u64>| words[chunk as usize / 64] >> (chunk % 64) & 1 != 0;
        self.present.as_ref().is_none_or(bit)
    }

    /// Whether bytes of a chunk can be read at once.
    fn is_here(&self, chunk: u32, range: std::ops::Range<usize>) -> bool {
        match self.slots.get(chunk) {
            Some(slot) => slot.content.is_valid(range),
            None => !self.may_be_stored(chunk),
        }
    }

    /// Notes what is missing of a list of chunks.
    fn miss(&mut self, chunks: impl IntoIterator<Item = u32>) -> Result<(), DeviceError> {
        let mut first = None;
        for chunk in chunks {
            first = first.or(Some(chunk));
            self.missed.insert(chunk, ());
            self.readahead.missed(chunk);
        }
        let Some(chunk) = first else { return Ok(()) };
        let start = u64::from(chunk) * u64::from(self.chunk_bytes);
        Err(DeviceError::NotResident { range: Box::new(start..start + self.chunk_len(chunk) as u64) })
    }

    fn read(&mut self, offset: u64, buf: &mut [u8]) -> Result<(), DeviceError> {
        check_range(offset, buf.len(), self.len_bytes)?;
        self.clock += 1;
        let mut missing = Vec::new();
        for (chunk, inside, range) in self.pieces(offset, buf.len()) {
            if !self.is_here(chunk, inside..inside + range.len()) {
                missing.push(chunk);
                continue;
            }
            match self.slots.get_mut(chunk) {
                Some(slot) => {
                    slot.used = self.clock;
                    buf[range.clone()].copy_from_slice(&slot.content.bytes()[inside..inside + range.len()]);
                }
                None => buf[range].fill(0),
            }
        }
        self.miss(missing)
    }

    fn check_writable(&self) -> Result<(), DeviceError> {
        if !self.is_writable {
            return Err(DeviceError::ReadOnly);
        }
        self.failure.clone().map_or(Ok(()), Err)
    }

    fn write(&mut self, offset: u64, buf: &[u8]) -> Result<(), DeviceError> {
        check_range(offset, buf.len(), self.len_bytes)?;
        self.check_writable()?;
        // Sectors that are covered in part have to be here; nothing has changed when one is not.
        let needs_rest = |(chunk, inside, range): Piece| {
            let end = inside + range.len();
            let is_ragged = |at: usize| !at.is_multiple_of(SECTOR_BYTES) && at != self.chunk_len(chunk);
            let sector = |at: usize| {
                let start = at / SECTOR_BYTES * SECTOR_BYTES;
                start..(start + SECTOR_BYTES).min(self.chunk_len(chunk))
            };
            let is_missing = |at: usize| is_ragged(at) && !self.is_here(chunk, sector(at));
            (is_missing(inside) || is_missing(end)).then_some(chunk)
        };
        let missing: Vec<u32> = self.pieces(offset, buf.len()).filter_map(needs_rest).collect();
        self.miss(missing)?;
        self.clock += 1;
        for (chunk, inside, range) in self.pieces(offset, buf.len()) {
            self.write_piece(chunk, inside, &buf[range]);
        }
        self.evict();
        Ok(())
    }

    fn write_piece(&mut self, chunk: u32, inside: usize, bytes: &[u8]) {
        let (len, is_stored, used) = (self.chunk_len(chunk), self.may_be_stored(chunk), self.clock);
        let fresh = || Rc::new(if is_stored { Content::unknown(len) } else { Content::zeros(len) });
        let slot = self.slots.get_or_insert_with(chunk, || Slot {
            content: fresh(),
            unsaved: 0,
            is_pinned: false,
            used,
        });
        if bytes.len() == len && Rc::strong_count(&slot.content) > 1 {
            // All of it is new: no need to copy what an epoch holds.
            slot.content = Rc::new(Content::known(bytes.to_vec()));
        } else {
            Rc::make_mut(&mut slot.content).write(inside, bytes);
        }
        slot.used = used;
        if self.epochs.open.insert(chunk, ()).is_none() {
            slot.unsaved += 1;
        }
    }

    /// What the open epoch holds, as it is now.
    fn take_open(&mut self) -> Vec<(u32, Rc<Content>)> {
        let open = self.epochs.open.take().into_iter();
        let content = |chunk| &self.slots.get(chunk).expect("what is not saved stays").content;
        open.map(|(chunk, ())| (chunk, Rc::clone(content(chunk)))).collect()
    }

    fn flush(&mut self) -> Result<(), DeviceError> {
        if !self.is_writable {
            return Ok(());
        }
        self.check_writable()?;
        let open = self.take_open();
        for chunk in self.epochs.seal(open) {
            self.slots.get_mut(chunk).expect("what is not saved stays").unsaved -= 1;
        }
        Ok(())
    }

    fn next_epoch(&mut self) -> Option<Epoch> {
        if self.failure.is_some() {
            return None;
        }
        if let Some(epoch) = self.epochs.hand_out_sealed() {
            return Some(epoch);
        }
        // Too much has been written since the last flush, and everything before it is on its way.
        let open_bytes = self.epochs.open.len() * self.chunk_bytes as usize;
        if open_bytes == 0 || open_bytes < self.memory_bytes / 2 {
            return None;
        }
        let open = self.take_open();
        Some(self.epochs.hand_out(open))
    }

    fn saved(&mut self, id: u64) {
        for chunk in self.epochs.saved(id) {
            if let Some(words) = &mut self.present {
                words[chunk as usize / 64] |= 1 << (chunk % 64);
            }
            self.slots.get_mut(chunk).expect("what is not saved stays").unsaved -= 1;
        }
        self.evict();
    }

    fn supply(&mut self, chunk: u32, bytes: Option<Vec<u8>>) -> Result<(), StoreError> {
        if chunk >= self.chunk_count() {
            return Err(StoreError::Argument("number of a chunk"));
        }
        // Where chunks can change, what nobody waits for may be older than what was saved since.
        if self.requested.remove(chunk).is_none() && self.is_writable {
            return Ok(());
        }
        let len = self.chunk_len(chunk);
        let bytes = match bytes {
            Some(bytes) if bytes.len() < len => {
                return Err(StoreError::Damaged { store: "chunk", problem: "it is too short" });
            }
            Some(mut bytes) => {
                bytes.truncate(len);
                bytes
            }
            None => vec![0; len],
        };
        let used = self.clock;
        match self.slots.get_mut(chunk) {
            Some(slot) => {
                if !slot.content.is_whole() {
                    Rc::make_mut(&mut slot.content).fill(&bytes);
                }
                slot.is_pinned = true;
            }
            None => {
                let content = Rc::new(Content::known(bytes));
                self.slots.insert(chunk, Slot { content, unsaved: 0, is_pinned: true, used });
            }
        }
        Ok(())
    }

    fn wanted(&mut self) -> Vec<(u32, u32)> {
        if self.missed.is_empty() {
            return Vec::new();
        }
        let mut all = std::mem::take(&mut self.missed);
        let most = (self.memory_bytes / 4 / self.chunk_bytes as usize).max(1) as u32;
        let ahead = self.readahead.next(all.at_or_after(0).map(|(chunk, ())| chunk), self.chunk_bytes, most);
        let end = self.chunk_count();
        let is_useful = |chunk: &u32| !self.slots.contains(*chunk) && self.may_be_stored(*chunk);
        let ahead: Vec<u32> = ahead.take_while(|&chunk| chunk < end).filter(is_useful).collect();
        for chunk in ahead {
            all.insert(chunk, ());
        }
        let mut ranges: Vec<(u32, u32)> = Vec::new();
        for (chunk, ()) in all.iter() {
            self.requested.insert(chunk, ());
            match ranges.last_mut() {
                Some((_, end)) if *end == chunk => *end += 1,
                _ => ranges.push((chunk, chunk + 1)),
            }
        }
        ranges
    }

    fn settle(&mut self) {
        self.slots.values_mut().for_each(|(_, slot)| slot.is_pinned = false);
        self.missed.clear();
        self.requested.clear();
        self.readahead.settle();
        self.evict();
    }

    /// Forgets what was used longest ago of what can be fetched again, if there is more than there may be.
    fn evict(&mut self) {
        let chunk_bytes = self.chunk_bytes as usize;
        if self.slots.len() * chunk_bytes <= self.memory_bytes {
            return;
        }
        let mut idle: Ordered<u64, Vec<u32>> = Ordered::new();
        for (chunk, slot) in self.slots.items() {
            if slot.unsaved == 0 && !slot.is_pinned && !self.requested.contains(*chunk) {
                idle.get_or_insert_with(slot.used, Vec::new).push(*chunk);
            }
        }
        // A little more than needed, so that this is not done for every chunk.
        let keep = self.memory_bytes / chunk_bytes * 7 / 8;
        let excess = self.slots.len().saturating_sub(keep);
        for &chunk in idle.iter().flat_map(|(_, chunks)| chunks).take(excess) {
            self.slots.remove(chunk);
        }
    }

    fn memory(&self) -> usize {
        let live: usize = self.slots.items().iter().map(|(_, slot)| slot.content.bytes().len()).sum();
        let is_copy = |chunk: u32, content: &Rc<Content>| {
            self.slots.get(chunk).is_none_or(|slot| !Rc::ptr_eq(&slot.content, content))
        };
        live + self.epochs.bytes_where(is_copy)
    }
}

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
        if !chunk_bytes.is_power_of_two() || !(4 << 10..=16 << 20).contains(&chunk_bytes) {
            return Err(StoreError::Argument("bytes of a chunk"));
        }
        let count = len_bytes.div_ceil(u64::from(chunk_bytes));
        if count > 1 << 30 {
            return Err(StoreError::Argument("more than a thousand million chunks"));
        }
        let mut words = present.map(|_| vec![0; count.div_ceil(64) as usize]);
        for &chunk in present.unwrap_or_default() {
            let word = words.as_mut().and_then(|words| words.get_mut(chunk as usize / 64));
            match word {
                Some(word) if u64::from(chunk) < count => *word |= 1 << (chunk % 64),
                _ => return Err(StoreError::Damaged { store: "chunk", problem: "it lies behind the end" }),
            }
        }
        Ok(Self(Rc::new(RefCell::new(State {
            len_bytes,
            chunk_bytes,
            memory_bytes,
            is_writable,
            present: words,
            slots: Hashed::new(),
            clock: 0,
            missed: Ordered::new(),
            requested: Hashed::new(),
            readahead: Readahead::default(),
            epochs: Epochs::default(),
            failure: None,
        }))))
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
