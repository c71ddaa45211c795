//! What is to be saved, in the order in which it must land.

use std::collections::VecDeque;
use std::rc::Rc;

use xfskit::units::map::{Hashed, Ordered};

use super::content::Content;

type Changes = Ordered<u32, Rc<Content>>;

/// Chunks to be saved together: all of them or none, before whatever is handed out later.
pub struct Epoch {
    id: u64,
    chunks: Vec<(u32, Rc<Content>)>,
}

impl Epoch {
    /// Its number: larger than those of all before it.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// How many chunks there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.chunks.len()
    }

    /// The number of the `i`-th chunk; they are in order.
    ///
    /// # Panics
    /// If there are not so many. So do the others.
    #[must_use]
    pub fn index(&self, i: usize) -> u32 {
        self.chunks[i].0
    }

    /// Whether all of its bytes are here. Otherwise they are to be [merged](Epoch::merge) with what is stored.
    #[must_use]
    pub fn is_whole(&self, i: usize) -> bool {
        self.chunks[i].1.is_whole()
    }

    /// Its bytes.
    #[must_use]
    pub fn bytes(&self, i: usize) -> &[u8] {
        self.chunks[i].1.bytes()
    }

    /// Its bytes, and what is not here of them from what is stored; zeros where nothing is.
    #[must_use]
    pub fn merge(&self, i: usize, stored: Option<&[u8]>) -> Vec<u8> {
        let mut content = Content::clone(&self.chunks[i].1);
        content.fill(stored.unwrap_or_default());
        content.bytes().to_vec()
    }
}

/// All epochs that are not saved.
#[derive(Default)]
pub(super) struct Epochs {
    /// Chunks that were written since the last flush, or since a part of them was handed out early.
    pub(super) open: Ordered<u32, ()>,
    /// What flushes have closed and nobody has taken yet; however many there were, one now.
    waiting: Option<(u64, Changes)>,
    /// What was handed out and is not saved.
    on_their_way: VecDeque<(u64, Changes)>,
    last_id: u64,
    sealed: u64,
    saved: u64,
}

impl Epochs {
    pub(super) fn sealed(&self) -> u64 {
        self.sealed
    }

    pub(super) fn saved_up_to(&self) -> u64 {
        self.saved
    }

    /// A flush closes the open epoch, which holds `changes`. Chunks that stand in one epoch less than before, because two were
    /// merged, are returned.
    pub(super) fn seal(&mut self, changes: Vec<(u32, Rc<Content>)>) -> Vec<u32> {
        let mut merged = Vec::new();
        if !changes.is_empty() {
            self.last_id += 1;
            let waiting = self.waiting.get_or_insert_default();
            waiting.0 = self.last_id;
            for (chunk, content) in changes {
                // The later content holds all that the earlier one held: what is not saved stays in memory.
                if waiting.1.insert(chunk, content).is_some() {
                    merged.push(chunk);
                }
            }
        }
        // A part that went early belongs to this flush too.
        self.sealed = self.last_id;
        merged
    }

    /// Hands out what waits.
    pub(super) fn hand_out_sealed(&mut self) -> Option<Epoch> {
        let (id, changes) = self.waiting.take()?;
        Some(self.send(id, changes))
    }

    /// Hands out what no flush has closed. Nothing may wait.
    pub(super) fn hand_out(&mut self, changes: Vec<(u32, Rc<Content>)>) -> Epoch {
        self.last_id += 1;
        let mut all = Changes::new();
        for (chunk, content) in changes {
            all.insert(chunk, content);
        }
        self.send(self.last_id, all)
    }

    fn send(&mut self, id: u64, changes: Changes) -> Epoch {
        let chunks = changes.iter().map(|(chunk, content)| (chunk, Rc::clone(content))).collect();
        self.on_their_way.push_back((id, changes));
        Epoch { id, chunks }
    }

    /// All up to `id` are saved: the chunks that were in them, as often as they were.
    pub(super) fn saved(&mut self, id: u64) -> Vec<u32> {
        let mut chunks = Vec::new();
        while let Some((next, _)) = self.on_their_way.front()
            && *next <= id
        {
            let Some((next, mut changes)) = self.on_their_way.pop_front() else { break };
            self.saved = next;
            chunks.extend(changes.take().into_iter().map(|(chunk, _)| chunk));
        }
        chunks
    }

    /// Bytes of contents that `is_counted` picks, each once.
    pub(super) fn bytes_where(&self, is_counted: impl Fn(u32, &Rc<Content>) -> bool) -> usize {
        let epochs = self.on_their_way.iter().chain(&self.waiting);
        let mut seen = Hashed::new();
        epochs
            .flat_map(|(_, changes)| changes.items())
            .filter(|(chunk, content)| {
                is_counted(*chunk, content) && seen.insert(Rc::as_ptr(content).addr() as u64, ()).is_none()
            })
            .map(|(_, content)| content.bytes().len())
            .sum()
    }
}
