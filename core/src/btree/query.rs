//! Finding every record that overlaps a range of keys, in trees whose records may overlap.

use alloc::vec::Vec;

use super::cursor::Cursor;
use super::node::{self, At};
use super::{MAX_HEIGHT, Root, Tree, corrupt};
use crate::error::{Problem, Result};
use crate::journal::Transaction;

impl<T: Tree> Cursor<T> {
    /// Every record whose keys overlap `low..=high`, in order.
    ///
    /// # Errors
    /// Those of reading the tree.
    pub fn overlapping(&self, tx: &mut Transaction<'_>, low: &T::Key, high: &T::Key) -> Result<Vec<T::Rec>> {
        let (root, height) = match self.tree.root(tx)? {
            Root::Block { ptr, height } => (At::Block(ptr), height),
            Root::Inline(inline) => (At::Inline, inline.level + 1),
        };
        let mut found = Vec::new();
        if height == 0 || height > MAX_HEIGHT {
            let problem = Problem::Bounds { field: "levels of the tree", found: height as u64 };
            return Err(corrupt(crate::units::Daddr::NULL, &self.tree, problem));
        }
        let mut waiting = alloc::vec![(root, height - 1)];
        // A tree has no more blocks than its AG.
        let mut blocks_left = tx.geometry().agblocks;
        while let Some((at, level)) = waiting.pop() {
            let shape = node::shape(&self.tree, tx, at, level)?;
            let Some(left) = blocks_left.checked_sub(1) else {
                let problem = Problem::Rule("more blocks than the AG has");
                return Err(corrupt(shape.locator.daddr, &self.tree, problem));
            };
            blocks_left = left;
            let bytes = tx.read(&shape.locator)?;
            let end = shape.count_le(&self.tree, bytes, high);
            let overlaps = (0..end).filter(|&index| shape.high(&self.tree, bytes, index) >= *low);
            if level == 0 {
                found.extend(overlaps.map(|index| shape.rec(&self.tree, bytes, index)));
            } else {
                // Reversed, so that the leftmost child is popped first.
                let children = overlaps.map(|index| (At::Block(shape.ptr(bytes, index)), level - 1));
                let children: Vec<_> = children.collect();
                waiting.extend(children.into_iter().rev());
            }
        }
        Ok(found)
    }
}
