//! What both sides of chunks hold.

use std::rc::Rc;

use xfskit::device::{DeviceError, check_range};
use xfskit::units::map::{Hashed, Ordered};

use super::content::{Content, SECTOR_BYTES};
use super::epochs::{Epoch, Epochs};
use super::readahead::Readahead;
use crate::store::StoreError;

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

/// Chunks in memory, what is missing, and what is to be saved.
pub(super) struct State {
    pub(super) len_bytes: u64,
    chunk_bytes: u32,
    memory_bytes: usize,
    pub(super) is_writable: bool,
    /// A bit for each chunk that is in the store; `None` if that is not known, and all may be.
    present: Option<Vec<u64>>,
    slots: Hashed<u32, Slot>,
    clock: u64,
    /// What reads have missed since the host asked last.
    missed: Ordered<u32, ()>,
    /// What the host was told to fetch for the operation under way, and has not supplied.
    requested: Hashed<u32, ()>,
    readahead: Readahead,
    pub(super) epochs: Epochs,
    pub(super) failure: Option<DeviceError>,
}

/// A piece of a range that lies in one chunk: the chunk, where it begins in it, and its bytes in the buffer.
type Piece = (u32, usize, std::ops::Range<usize>);

impl State {
    /// Nothing is in memory yet.
    pub(super) fn new(
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
        Ok(Self {
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
        })
    }

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

    pub(super) fn read(&mut self, offset: u64, buf: &mut [u8]) -> Result<(), DeviceError> {
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

    pub(super) fn write(&mut self, offset: u64, buf: &[u8]) -> Result<(), DeviceError> {
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

    pub(super) fn flush(&mut self) -> Result<(), DeviceError> {
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

    pub(super) fn next_epoch(&mut self) -> Option<Epoch> {
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

    pub(super) fn saved(&mut self, id: u64) {
        for chunk in self.epochs.saved(id) {
            if let Some(words) = &mut self.present {
                words[chunk as usize / 64] |= 1 << (chunk % 64);
            }
            self.slots.get_mut(chunk).expect("what is not saved stays").unsaved -= 1;
        }
        self.evict();
    }

    pub(super) fn supply(&mut self, chunk: u32, bytes: Option<Vec<u8>>) -> Result<(), StoreError> {
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

    pub(super) fn wanted(&mut self) -> Vec<(u32, u32)> {
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

    pub(super) fn settle(&mut self) {
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

    pub(super) fn memory(&self) -> usize {
        let live: usize = self.slots.items().iter().map(|(_, slot)| slot.content.bytes().len()).sum();
        let is_copy = |chunk: u32, content: &Rc<Content>| {
            self.slots.get(chunk).is_none_or(|slot| !Rc::ptr_eq(&slot.content, content))
        };
        live + self.epochs.bytes_where(is_copy)
    }
}
