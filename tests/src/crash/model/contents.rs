//! Contents of files: in memory first, then in cells.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Cell, Content, Memory, Model, Node};

impl Model {
    /// Data is written, into memory.
    pub fn write(&mut self, path: &[u8], offset: u64, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let (block_bytes, size, end) = (self.block_bytes, self.size(path), offset + bytes.len() as u64);
        if offset / block_bytes > size / block_bytes {
            self.touch_tail(path, size);
        }
        for block in offset / block_bytes..end.div_ceil(block_bytes) {
            let start = block * block_bytes;
            let (from, to) = (offset.max(start), end.min(start + block_bytes));
            let mut content = self.block(path, block).to_vec();
            content[(from - start) as usize..(to - start) as usize]
                .copy_from_slice(&bytes[(from - offset) as usize..(to - offset) as usize]);
            self.memory_of(path).blocks.insert(block, content.into());
        }
        let memory = self.memory_of(path);
        memory.size = memory.size.max(end);
    }

    /// A file gets another size: what is cut off goes at once, what is added comes with the writeback.
    pub fn truncate(&mut self, path: &[u8], size: u64) {
        let current = self.size(path);
        self.touch_tail(path, size.min(current));
        let until = size.div_ceil(self.block_bytes);
        if size <= current {
            let mut file = self.file(path);
            let inner = Arc::make_mut(&mut file);
            let cut = inner.cells.split_off(inner.cells.len().min(until as usize));
            inner.size = inner.size.min(size);
            let in_parts = (cut.len() > self.large_blocks).then_some(inner.id);
            self.change(path, Some(Node::File(file)), in_parts);
            self.disown(&cut);
        }
        let memory = self.memory_of(path);
        memory.blocks.split_off(&until);
        memory.size = size;
    }

    /// Part of `target` shares the cells of part of `source`; all in bytes.
    pub fn clone_range(&mut self, source: &[u8], from: u64, target: &[u8], to: u64, len: u64) {
        self.writeback(source);
        self.writeback(target);
        let len = if len == 0 { self.size(source) - from } else { len };
        if len == 0 {
            return;
        }
        let size = self.size(target);
        if to > size {
            self.touch_tail(target, size);
            self.writeback(target);
        }
        let (first, count) = ((from / self.block_bytes) as usize, len.div_ceil(self.block_bytes) as usize);
        let shared: Vec<_> = (first..first + count)
            .map(|block| self.file(source).cells.get(block).copied().flatten())
            .collect();
        let mut file = self.file(target);
        let inner = Arc::make_mut(&mut file);
        let place = (to / self.block_bytes) as usize;
        inner.cells.resize(inner.cells.len().max(place + count), None);
        let replaced: Vec<_> = inner.cells.splice(place..place + count, shared.iter().copied()).collect();
        inner.size = inner.size.max(to + len);
        let in_parts = (count > self.large_blocks).then_some(inner.id);
        self.change(target, Some(Node::File(file)), in_parts);
        for cell in shared.into_iter().flatten() {
            self.owners[cell] += 1;
        }
        self.disown(&replaced);
    }

    /// What waits in memory of a file is written: shared cells give way to new ones.
    pub fn writeback(&mut self, path: &[u8]) {
        let Some(Node::File(file)) = self.state().get(path) else { return };
        let mut file = Arc::clone(file);
        let Some(memory) = self.memory.remove(&file.id) else { return };
        let (op, step) = (self.op(), self.steps.len());
        let inner = Arc::make_mut(&mut file);
        let id = inner.id;
        let in_parts = (memory.blocks.len() > self.large_blocks).then_some(inner.id);
        for (block, bytes) in memory.blocks {
            let block = block as usize;
            let content = Content { op, step, file: id, bytes };
            inner.cells.resize(inner.cells.len().max(block + 1), None);
            match inner.cells[block] {
                Some(cell) if self.owners[cell] == 1 => self.cells[cell].push(content),
                old => {
                    self.disown(&[old]);
                    inner.cells[block] = Some(self.cells.len());
                    self.cells.push(vec![content]);
                    self.owners.push(1);
                }
            }
        }
        inner.size = memory.size;
        self.change(path, Some(Node::File(file)), in_parts);
    }

    pub(super) fn disown(&mut self, cells: &[Option<Cell>]) {
        for cell in cells.iter().copied().flatten() {
            self.owners[cell] -= 1;
        }
    }

    fn memory_of(&mut self, path: &[u8]) -> &mut Memory {
        let file = self.file(path);
        self.memory.entry(file.id).or_insert_with(|| Memory { size: file.size, blocks: BTreeMap::new() })
    }

    /// What a reader finds in a block; zeros in a hole.
    fn block(&self, path: &[u8], block: u64) -> Arc<[u8]> {
        let file = self.file(path);
        if let Some(bytes) = self.memory.get(&file.id).and_then(|memory| memory.blocks.get(&block)) {
            return Arc::clone(bytes);
        }
        match file.cells.get(block as usize).copied().flatten() {
            Some(cell) => Arc::clone(&self.cells[cell].last().expect("never empty").bytes),
            None => vec![0; self.block_bytes as usize].into(),
        }
    }

    /// The block that byte `size` lies in is zeroed from there on, unless it is a hole.
    fn touch_tail(&mut self, path: &[u8], size: u64) {
        let (block, rest) = (size / self.block_bytes, (size % self.block_bytes) as usize);
        let file = self.file(path);
        let is_dirty = self.memory.get(&file.id).is_some_and(|memory| memory.blocks.contains_key(&block));
        let is_mapped = file.cells.get(block as usize).is_some_and(Option::is_some);
        if rest == 0 || !(is_dirty || is_mapped) {
            return;
        }
        let mut bytes = self.block(path, block).to_vec();
        bytes[rest..].fill(0);
        self.memory_of(path).blocks.insert(block, bytes.into());
    }
}
