//! Deleting a record: take it out, then restore the least fill upwards.

use super::cursor::{Cursor, Path};
use super::layout::Layout;
use super::node::{self, At, Shape, Side};
use super::{BlockSource, Tree, corrupt};
use crate::error::{Problem, Result};
use crate::journal::Transaction;

impl<T: Tree> Cursor<T> {
    /// Deletes the record here.
    ///
    /// # Errors
    /// Those of reading the tree and of `source`.
    pub fn delete(&mut self, tx: &mut Transaction<'_>, source: &mut dyn BlockSource) -> Result<()> {
        debug_assert!(self.path.found, "delete needs a record");
        let step = self.path.steps[0];
        let shape = node::shape(&self.tree, tx, step.at, 0)?;
        node::take(&self.tree, tx, step.at, &shape, step.index..step.index + 1)?;
        self.tree.count_records(tx, -1)?;
        self.path.found = false;
        if shape.numrecs > 1 {
            self.path.fix_keys(&self.tree, tx, 0)?;
        }
        self.path.rebalance(&self.tree, tx, source, 0)
    }
}

impl Path {
    fn rebalance(
        &mut self,
        tree: &dyn Layout,
        tx: &mut Transaction<'_>,
        source: &mut dyn BlockSource,
        level: usize,
    ) -> Result<()> {
        if level + 1 == self.height {
            return self.shrink(tree, tx, source);
        }
        let here = node::shape(tree, tx, self.steps[level].at, level)?;
        let parent = self.steps[level + 1];
        let parent_shape = node::shape(tree, tx, parent.at, level + 1)?;
        if parent_shape.numrecs == 1 {
            // The only child of the root; anywhere else a single child breaks the least fill.
            return if level + 2 == self.height {
                self.shrink(tree, tx, source)
            } else {
                underfull(tree, &here)
            };
        }
        if here.numrecs >= here.maxrecs / 2 {
            return Ok(());
        }
        let (left, right) = match self.neighbour(tree, tx, level, Side::Left)? {
            Some(left) => (left, (parent.index, self.steps[level].at)),
            None => match self.neighbour(tree, tx, level, Side::Right)? {
                Some(right) => ((parent.index, self.steps[level].at), right),
                None => return underfull(tree, &here),
            },
        };
        let left_shape = node::shape(tree, tx, left.1, level)?;
        let right_shape = node::shape(tree, tx, right.1, level)?;
        if left_shape.numrecs + right_shape.numrecs <= left_shape.maxrecs {
            self.merge(tree, tx, source, level, left, right)
        } else {
            self.share(tree, tx, level, left, right)
        }
    }

    /// Moves all of `right` into `left` and frees it. Both are given as index in the parent and address.
    fn merge(
        &mut self,
        tree: &dyn Layout,
        tx: &mut Transaction<'_>,
        source: &mut dyn BlockSource,
        level: usize,
        left: (usize, At),
        right: (usize, At),
    ) -> Result<()> {
        let (At::Block(left_ptr), At::Block(right_ptr)) = (left.1, right.1) else {
            unreachable!("only the root is inside an inode");
        };
        let right_shape = node::shape(tree, tx, right.1, level)?;
        let all = node::take(tree, tx, right.1, &right_shape, 0..right_shape.numrecs)?;
        let left_shape = node::shape(tree, tx, left.1, level)?;
        node::insert(tree, tx, left.1, &left_shape, left_shape.numrecs, &all)?;

        let beyond = node::sibling(tree, tx, right_ptr, Side::Right)?;
        node::set_sibling(tree, tx, left_ptr, Side::Right, beyond)?;
        if let Some(beyond) = beyond {
            node::set_sibling(tree, tx, beyond, Side::Left, Some(left_ptr))?;
        }

        let parent = self.steps[level + 1].at;
        let parent_shape = node::shape(tree, tx, parent, level + 1)?;
        node::take(tree, tx, parent, &parent_shape, right.0..right.0 + 1)?;
        self.refresh_keys(tree, tx, level + 1, left.0, left.1)?;
        source.free(tx, right_ptr)?;
        self.rebalance(tree, tx, source, level + 1)
    }

    /// Shares the entries of two neighbours evenly.
    fn share(
        &mut self,
        tree: &dyn Layout,
        tx: &mut Transaction<'_>,
        level: usize,
        left: (usize, At),
        right: (usize, At),
    ) -> Result<()> {
        let left_shape = node::shape(tree, tx, left.1, level)?;
        let right_shape = node::shape(tree, tx, right.1, level)?;
        let goal = (left_shape.numrecs + right_shape.numrecs) / 2;
        if left_shape.numrecs > goal {
            let moved = node::take(tree, tx, left.1, &left_shape, goal..left_shape.numrecs)?;
            node::insert(tree, tx, right.1, &right_shape, 0, &moved)?;
        } else {
            let count = goal - left_shape.numrecs;
            let moved = node::take(tree, tx, right.1, &right_shape, 0..count)?;
            node::insert(tree, tx, left.1, &left_shape, left_shape.numrecs, &moved)?;
        }
        self.refresh_keys(tree, tx, level + 1, left.0, left.1)?;
        self.refresh_keys(tree, tx, level + 1, right.0, right.1)?;
        Ok(())
    }

    /// Takes levels off the top while the root has a single child that can stand in for it.
    fn shrink(
        &mut self,
        tree: &dyn Layout,
        tx: &mut Transaction<'_>,
        source: &mut dyn BlockSource,
    ) -> Result<()> {
        while self.height > 1 {
            let level = self.height - 1;
            let root = self.steps[level].at;
            let shape = node::shape(tree, tx, root, level)?;
            if shape.numrecs != 1 {
                return Ok(());
            }
            let child = shape.ptr(tx.read(&shape.locator)?, 0);
            let child_shape = node::shape(tree, tx, At::Block(child), level - 1)?;
            match root {
                At::Block(old) => {
                    tree.set_root(tx, child, level)?;
                    source.free(tx, old)?;
                }
                At::Inline => {
                    if !Self::fits_inline(tree, tx, &child_shape)? {
                        return Ok(());
                    }
                    let all = node::take(tree, tx, At::Block(child), &child_shape, 0..child_shape.numrecs)?;
                    tree.set_inline(tx, level - 1, 0)?;
                    let empty = node::empty_inline(tree, tx)?;
                    node::insert(tree, tx, At::Inline, &empty, 0, &all)?;
                    source.free(tx, child)?;
                }
            }
            self.height -= 1;
            self.steps[self.height - 1].at = if root == At::Inline { root } else { At::Block(child) };
        }
        Ok(())
    }

    fn fits_inline(tree: &dyn Layout, tx: &mut Transaction<'_>, child: &Shape) -> Result<bool> {
        let super::Root::Inline(inline) = tree.root(tx)? else { return Ok(false) };
        Ok(child.numrecs <= tree.sizes().max_inline(inline.fork_bytes, child.level))
    }
}

fn underfull(tree: &dyn Layout, shape: &Shape) -> Result<()> {
    Err(corrupt(shape.locator.daddr, tree, Problem::Rule("block has no sibling under its parent")))
}
