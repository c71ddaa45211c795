//! Inserting a record: make room from the leaf upwards, then put it in.

use super::cursor::{Cursor, Path};
use super::layout::Layout;
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
            let step = self.path.steps[0];
            let shape = node::shape(&self.tree, tx, step.at, 0)?;
            if before.is_some_and(|rec| T::key(&rec) == key) {
                let problem = Problem::Rule("record is there already");
                return Err(corrupt(shape.locator.daddr, &self.tree, problem));
            }
            if shape.numrecs < shape.maxrecs {
                let index = if self.path.found { step.index + 1 } else { 0 };
                node::insert(&self.tree, tx, step.at, &shape, index, &node::leaf_entry(&self.tree, rec))?;
                self.tree.count_records(tx, 1)?;
                self.path.steps[0].index = index;
                self.path.found = true;
                return self.path.fix_keys(&self.tree, tx, 0);
            }
            self.path.make_room(&self.tree, tx, source, 0)?;
        }
        // Every round makes room on one more level, unless keys and blocks contradict each other.
        let place = node::daddr_of(&self.tree, tx, self.path.steps[0].at);
        Err(corrupt(place, &self.tree, Problem::Rule("no room in spite of splits")))
    }

    /// Moves what a root in an inode holds to a block of its own, so that the root takes no more than one entry.
    ///
    /// # Errors
    /// Those of reading the tree and of `source`.
    pub fn push_root(&mut self, tx: &mut Transaction<'_>, source: &mut dyn BlockSource) -> Result<()> {
        self.seek_first(tx)?;
        self.path.grow(&self.tree, tx, source)
    }
}

impl Path {
    /// Makes room in the full node at `level`, or if its parent is full in that.
    fn make_room(
        &mut self,
        tree: &dyn Layout,
        tx: &mut Transaction<'_>,
        source: &mut dyn BlockSource,
        level: usize,
    ) -> Result<()> {
        if level + 1 == self.height {
            return self.grow(tree, tx, source);
        }
        if self.shift(tree, tx, level)? {
            return Ok(());
        }
        let parent = self.steps[level + 1];
        let parent_shape = node::shape(tree, tx, parent.at, level + 1)?;
        if parent_shape.numrecs == parent_shape.maxrecs {
            return self.make_room(tree, tx, source, level + 1);
        }
        self.split(tree, tx, source, level)
    }

    /// Moves entries to a neighbour with room; false when there is none.
    fn shift(&mut self, tree: &dyn Layout, tx: &mut Transaction<'_>, level: usize) -> Result<bool> {
        let parent = self.steps[level + 1];
        let here = self.steps[level].at;
        for side in [Side::Left, Side::Right] {
            let Some((index, neighbour)) = self.neighbour(tree, tx, level, side)? else { continue };
            let there = node::shape(tree, tx, neighbour, level)?;
            let room = there.maxrecs - there.numrecs;
            // Both must have room afterwards: the new record may sort to either.
            if room < 2 {
                continue;
            }
            let shape = node::shape(tree, tx, here, level)?;
            let count = (room / 2).min(shape.numrecs - 1);
            let (range, target) = match side {
                Side::Left => (0..count, there.numrecs),
                Side::Right => (shape.numrecs - count..shape.numrecs, 0),
            };
            let moved = node::take(tree, tx, here, &shape, range)?;
            node::insert(tree, tx, neighbour, &there, target, &moved)?;
            self.refresh_keys(tree, tx, level + 1, parent.index, here)?;
            self.refresh_keys(tree, tx, level + 1, index, neighbour)?;
            return Ok(true);
        }
        Ok(false)
    }

    /// The neighbour of the node at `level` under the same parent, and its index there.
    pub(super) fn neighbour(
        &self,
        tree: &dyn Layout,
        tx: &mut Transaction<'_>,
        level: usize,
        side: Side,
    ) -> Result<Option<(usize, At)>> {
        let parent = self.steps[level + 1];
        let shape = node::shape(tree, tx, parent.at, level + 1)?;
        let index = match side {
            Side::Left => parent.index.checked_sub(1),
            Side::Right => Some(parent.index + 1).filter(|&index| index < shape.numrecs),
        };
        let Some(index) = index else { return Ok(None) };
        Ok(Some((index, At::Block(shape.ptr(tx.read(&shape.locator)?, index)))))
    }

    /// Moves the upper half of the node at `level` to a new block on its right.
    fn split(
        &mut self,
        tree: &dyn Layout,
        tx: &mut Transaction<'_>,
        source: &mut dyn BlockSource,
        level: usize,
    ) -> Result<()> {
        let At::Block(here) = self.steps[level].at else {
            unreachable!("only the root is inside an inode");
        };
        let new = source.alloc(tx, here)?;
        node::create(tree, tx, new, level)?;
        let shape = node::shape(tree, tx, At::Block(here), level)?;
        let upper = shape.numrecs.div_ceil(2)..shape.numrecs;
        let moved = node::take(tree, tx, At::Block(here), &shape, upper)?;
        let empty = node::empty_shape(tree, tx, new, level)?;
        node::insert(tree, tx, At::Block(new), &empty, 0, &moved)?;

        let right = node::sibling(tree, tx, here, Side::Right)?;
        node::set_sibling(tree, tx, new, Side::Left, Some(here))?;
        node::set_sibling(tree, tx, new, Side::Right, right)?;
        node::set_sibling(tree, tx, here, Side::Right, Some(new))?;
        if let Some(right) = right {
            node::set_sibling(tree, tx, right, Side::Left, Some(new))?;
        }

        let keys = node::keys(tree, tx, At::Block(new), level)?;
        let parent = self.steps[level + 1];
        let parent_shape = node::shape(tree, tx, parent.at, level + 1)?;
        let entry = node::node_entry(tree, &keys, new);
        node::insert(tree, tx, parent.at, &parent_shape, parent.index + 1, &entry)?;
        self.refresh_keys(tree, tx, level + 1, parent.index, At::Block(here))?;
        Ok(())
    }

    /// Adds a level above the root.
    fn grow(
        &mut self,
        tree: &dyn Layout,
        tx: &mut Transaction<'_>,
        source: &mut dyn BlockSource,
    ) -> Result<()> {
        let level = self.height - 1;
        match self.steps[level].at {
            At::Block(root) => {
                let keys = node::keys(tree, tx, At::Block(root), level)?;
                let new = source.alloc(tx, root)?;
                node::create(tree, tx, new, level + 1)?;
                let shape = node::empty_shape(tree, tx, new, level + 1)?;
                let entry = node::node_entry(tree, &keys, root);
                node::insert(tree, tx, At::Block(new), &shape, 0, &entry)?;
                tree.set_root(tx, new, self.height + 1)
            }
            At::Inline => {
                let near = self.first_target(tree, tx)?;
                let new = source.alloc(tx, near)?;
                node::create(tree, tx, new, level)?;
                let shape = node::shape(tree, tx, At::Inline, level)?;
                let all = node::take(tree, tx, At::Inline, &shape, 0..shape.numrecs)?;
                let empty = node::empty_shape(tree, tx, new, level)?;
                node::insert(tree, tx, At::Block(new), &empty, 0, &all)?;
                let keys = node::keys(tree, tx, At::Block(new), level)?;
                tree.set_inline(tx, level + 1, 0)?;
                let empty = node::empty_inline(tree, tx)?;
                node::insert(tree, tx, At::Inline, &empty, 0, &node::node_entry(tree, &keys, new))
            }
        }
    }

    /// A block near which the first block of a growing fork should lie; 0 when there is none.
    fn first_target(&self, tree: &dyn Layout, tx: &mut Transaction<'_>) -> Result<u64> {
        let level = self.height - 1;
        let shape = node::shape(tree, tx, At::Inline, level)?;
        let bytes = tx.read(&shape.locator)?;
        Ok(if level > 0 && shape.numrecs > 0 { shape.ptr(bytes, 0) } else { 0 })
    }
}
