//! Inserting a record: make room from the leaf upwards, then put it in.

use super::cursor::Cursor;
use super::node::{self, At, Side};
use super::{BlockSource, MAX_HEIGHT, Tree, corrupt};
use crate::error::{Problem, Result};
use crate::journal::Transaction;

impl<T: Tree> Cursor<T> {
    /// Inserts `rec` where it sorts to.
    ///
    /// # Errors
    /// Those of reading the tree and of `source`, and corruption when a record with that key is there already.
    pub fn insert(
        &mut self,
        tx: &mut Transaction<'_>,
        source: &mut dyn BlockSource,
        rec: &T::Rec,
    ) -> Result<()> {
        let key = T::key(rec);
        // Each round either inserts or makes room one level higher, or in the leaf.
        for _ in 0..2 * MAX_HEIGHT {
            let before = self.seek_le(tx, &key)?;
            let step = self.steps[0];
            let shape = node::shape(&self.tree, tx, step.at, 0)?;
            if before.is_some_and(|rec| T::key(&rec) == key) {
                let problem = Problem::Rule("record is there already");
                return Err(corrupt(shape.locator.daddr, &self.tree, problem));
            }
            if shape.numrecs < shape.maxrecs {
                let index = if self.found { step.index + 1 } else { 0 };
                node::insert(&self.tree, tx, step.at, &shape, index, &node::leaf_entry(&self.tree, rec))?;
                self.tree.count_records(tx, 1)?;
                self.steps[0].index = index;
                self.found = true;
                return self.fix_keys(tx, 0);
            }
            self.make_room(tx, source, 0)?;
        }
        // Every round makes room on one more level, unless keys and blocks contradict each other.
        let place = node::daddr_of(&self.tree, tx, self.steps[0].at);
        Err(corrupt(place, &self.tree, Problem::Rule("no room in spite of splits")))
    }

    /// Moves what a root in an inode holds to a block of its own, so that the root takes no more than one entry.
    ///
    /// # Errors
    /// Those of reading the tree and of `source`.
    pub fn push_root(&mut self, tx: &mut Transaction<'_>, source: &mut dyn BlockSource) -> Result<()> {
        self.seek_first(tx)?;
        self.grow(tx, source)
    }

    /// Makes room in the full node at `level`, or if its parent is full in that.
    fn make_room(
        &mut self,
        tx: &mut Transaction<'_>,
        source: &mut dyn BlockSource,
        level: usize,
    ) -> Result<()> {
        if level + 1 == self.height {
            return self.grow(tx, source);
        }
        if self.shift(tx, level)? {
            return Ok(());
        }
        let parent = self.steps[level + 1];
        let parent_shape = node::shape(&self.tree, tx, parent.at, level + 1)?;
        if parent_shape.numrecs == parent_shape.maxrecs {
            return self.make_room(tx, source, level + 1);
        }
        self.split(tx, source, level)
    }

    /// Moves entries to a neighbour with room; false when there is none.
    fn shift(&mut self, tx: &mut Transaction<'_>, level: usize) -> Result<bool> {
        let parent = self.steps[level + 1];
        let here = self.steps[level].at;
        for side in [Side::Left, Side::Right] {
            let Some((index, neighbour)) = self.neighbour(tx, level, side)? else { continue };
            let there = node::shape(&self.tree, tx, neighbour, level)?;
            let room = there.maxrecs - there.numrecs;
            // Both must have room afterwards: the new record may sort to either.
            if room < 2 {
                continue;
            }
            let shape = node::shape(&self.tree, tx, here, level)?;
            let count = (room / 2).min(shape.numrecs - 1);
            let (range, target) = match side {
                Side::Left => (0..count, there.numrecs),
                Side::Right => (shape.numrecs - count..shape.numrecs, 0),
            };
            let moved = node::take(&self.tree, tx, here, &shape, range)?;
            node::insert(&self.tree, tx, neighbour, &there, target, &moved)?;
            self.refresh_keys(tx, level + 1, parent.index, here)?;
            self.refresh_keys(tx, level + 1, index, neighbour)?;
            return Ok(true);
        }
        Ok(false)
    }

    /// The neighbour of the node at `level` under the same parent, and its index there.
    pub(super) fn neighbour(
        &self,
        tx: &mut Transaction<'_>,
        level: usize,
        side: Side,
    ) -> Result<Option<(usize, At)>> {
        let parent = self.steps[level + 1];
        let shape = node::shape(&self.tree, tx, parent.at, level + 1)?;
        let index = match side {
            Side::Left => parent.index.checked_sub(1),
            Side::Right => Some(parent.index + 1).filter(|&index| index < shape.numrecs),
        };
        let Some(index) = index else { return Ok(None) };
        Ok(Some((index, At::Block(shape.ptr::<T>(tx.read(&shape.locator)?, index)))))
    }

    /// Moves the upper half of the node at `level` to a new block on its right.
    fn split(&mut self, tx: &mut Transaction<'_>, source: &mut dyn BlockSource, level: usize) -> Result<()> {
        let At::Block(here) = self.steps[level].at else {
            unreachable!("only the root is inside an inode");
        };
        let new = source.alloc(tx, here)?;
        node::create(&self.tree, tx, new, level)?;
        let shape = node::shape(&self.tree, tx, At::Block(here), level)?;
        let upper = shape.numrecs.div_ceil(2)..shape.numrecs;
        let moved = node::take(&self.tree, tx, At::Block(here), &shape, upper)?;
        let empty = node::empty_shape(&self.tree, tx, new, level)?;
        node::insert(&self.tree, tx, At::Block(new), &empty, 0, &moved)?;

        let right = node::sibling(&self.tree, tx, here, Side::Right)?;
        node::set_sibling(&self.tree, tx, new, Side::Left, Some(here))?;
        node::set_sibling(&self.tree, tx, new, Side::Right, right)?;
        node::set_sibling(&self.tree, tx, here, Side::Right, Some(new))?;
        if let Some(right) = right {
            node::set_sibling(&self.tree, tx, right, Side::Left, Some(new))?;
        }

        let keys = node::keys(&self.tree, tx, At::Block(new), level)?;
        let parent = self.steps[level + 1];
        let parent_shape = node::shape(&self.tree, tx, parent.at, level + 1)?;
        let entry = node::node_entry::<T>(&keys, new);
        node::insert(&self.tree, tx, parent.at, &parent_shape, parent.index + 1, &entry)?;
        self.refresh_keys(tx, level + 1, parent.index, At::Block(here))?;
        Ok(())
    }

    /// Adds a level above the root.
    fn grow(&mut self, tx: &mut Transaction<'_>, source: &mut dyn BlockSource) -> Result<()> {
        let level = self.height - 1;
        match self.steps[level].at {
            At::Block(root) => {
                let keys = node::keys(&self.tree, tx, At::Block(root), level)?;
                let new = source.alloc(tx, root)?;
                node::create(&self.tree, tx, new, level + 1)?;
                let shape = node::empty_shape(&self.tree, tx, new, level + 1)?;
                let entry = node::node_entry::<T>(&keys, root);
                node::insert(&self.tree, tx, At::Block(new), &shape, 0, &entry)?;
                self.tree.set_root(tx, new, self.height + 1)
            }
            At::Inline => {
                let near = self.first_target(tx)?;
                let new = source.alloc(tx, near)?;
                node::create(&self.tree, tx, new, level)?;
                let shape = node::shape(&self.tree, tx, At::Inline, level)?;
                let all = node::take(&self.tree, tx, At::Inline, &shape, 0..shape.numrecs)?;
                let empty = node::empty_shape(&self.tree, tx, new, level)?;
                node::insert(&self.tree, tx, At::Block(new), &empty, 0, &all)?;
                let keys = node::keys(&self.tree, tx, At::Block(new), level)?;
                self.tree.set_inline(tx, level + 1, 0)?;
                let empty = node::empty_inline(&self.tree, tx)?;
                node::insert(&self.tree, tx, At::Inline, &empty, 0, &node::node_entry::<T>(&keys, new))
            }
        }
    }

    /// A block near which the first block of a growing fork should lie; 0 when there is none.
    fn first_target(&self, tx: &mut Transaction<'_>) -> Result<u64> {
        let level = self.height - 1;
        let shape = node::shape(&self.tree, tx, At::Inline, level)?;
        let bytes = tx.read(&shape.locator)?;
        Ok(if level > 0 && shape.numrecs > 0 { shape.ptr::<T>(bytes, 0) } else { 0 })
    }
}
