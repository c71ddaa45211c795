//! Finding a place in a tree and walking from there.

use super::layout::Layout;
use super::node::{self, At, Shape, Side};
use super::{MAX_HEIGHT, Root, Tree, corrupt};
use crate::error::{Problem, Result};
use crate::journal::Transaction;

#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    pub(super) at: At,
    pub(super) index: usize,
}

/// A place in a tree: the way from the root to one record.
///
/// Changing the tree in any way other than [`Cursor::update`] makes the place stale; seek again.
#[derive(Debug, Clone)]
pub struct Cursor<T: Tree> {
    pub(super) tree: T,
    pub(super) path: Path,
}

/// The way from the root to one record.
#[derive(Debug, Clone)]
pub(super) struct Path {
    /// By level, leaf first.
    pub(super) steps: [Step; MAX_HEIGHT],
    pub(super) height: usize,
    /// Whether the way ends at a record.
    pub(super) found: bool,
}

impl<T: Tree> Cursor<T> {
    /// A cursor that is nowhere yet.
    pub fn new(tree: T) -> Self {
        let steps = [Step { at: At::Inline, index: 0 }; MAX_HEIGHT];
        Self { tree, path: Path { steps, height: 0, found: false } }
    }

    /// Goes to the last record with a key of at most `key`.
    ///
    /// # Errors
    /// Those of reading the tree.
    pub fn seek_le(&mut self, tx: &mut Transaction<'_>, key: &T::Key) -> Result<Option<T::Rec>> {
        self.descend(tx, |tree, shape, bytes| shape.count_le(tree, bytes, key).checked_sub(1))
    }

    /// Goes to the first record with a key of at least `key`.
    ///
    /// # Errors
    /// Those of reading the tree.
    pub fn seek_ge(&mut self, tx: &mut Transaction<'_>, key: &T::Key) -> Result<Option<T::Rec>> {
        match self.seek_le(tx, key)? {
            Some(rec) if T::key(&rec) == *key => Ok(Some(rec)),
            Some(_) => self.next(tx),
            None => self.seek_first(tx),
        }
    }

    /// Goes to the first record.
    ///
    /// # Errors
    /// Those of reading the tree.
    pub fn seek_first(&mut self, tx: &mut Transaction<'_>) -> Result<Option<T::Rec>> {
        self.descend(tx, |_, _, _| Some(0))
    }

    /// Goes to the last record.
    ///
    /// # Errors
    /// Those of reading the tree.
    pub fn seek_last(&mut self, tx: &mut Transaction<'_>) -> Result<Option<T::Rec>> {
        self.descend(tx, |_, shape, _| shape.numrecs.checked_sub(1))
    }

    fn descend(
        &mut self,
        tx: &mut Transaction<'_>,
        choose: impl Fn(&T, &Shape, &[u8]) -> Option<usize>,
    ) -> Result<Option<T::Rec>> {
        let mut at = self.start(tx)?;
        for level in (0..self.path.height).rev() {
            let shape = node::shape(&self.tree, tx, at, level)?;
            let bytes = tx.read(&shape.locator)?;
            let chosen = choose(&self.tree, &shape, bytes);
            self.path.steps[level] = Step { at, index: chosen.unwrap_or(0) };
            if level == 0 {
                self.path.found = chosen.is_some_and(|index| index < shape.numrecs);
                return Ok(self.path.found.then(|| shape.rec(&self.tree, bytes, self.path.steps[0].index)));
            }
            at = At::Block(shape.ptr(bytes, self.path.steps[level].index));
        }
        Ok(None)
    }

    fn start(&mut self, tx: &mut Transaction<'_>) -> Result<At> {
        let (at, height) = match self.tree.root(tx)? {
            Root::Block { ptr, height } => (At::Block(ptr), height),
            Root::Inline(inline) => (At::Inline, inline.level + 1),
        };
        if height == 0 || height > MAX_HEIGHT {
            let problem = Problem::Bounds { field: "levels of the tree", found: height as u64 };
            return Err(corrupt(crate::units::Daddr::NULL, &self.tree, problem));
        }
        self.path.height = height;
        Ok(at)
    }

    /// The record here, if there is one.
    ///
    /// # Errors
    /// Those of reading the tree.
    pub fn rec(&self, tx: &mut Transaction<'_>) -> Result<Option<T::Rec>> {
        if !self.path.found {
            return Ok(None);
        }
        let shape = node::shape(&self.tree, tx, self.path.steps[0].at, 0)?;
        let bytes = tx.read(&shape.locator)?;
        let index = self.path.steps[0].index;
        Ok((index < shape.numrecs).then(|| shape.rec(&self.tree, bytes, index)))
    }

    /// Goes to the record behind this one; past the last one the cursor is nowhere.
    ///
    /// # Errors
    /// Those of reading the tree.
    pub fn next(&mut self, tx: &mut Transaction<'_>) -> Result<Option<T::Rec>> {
        self.step(tx, Side::Right)
    }

    /// Goes to the record before this one; before the first one the cursor is nowhere.
    ///
    /// # Errors
    /// Those of reading the tree.
    pub fn prev(&mut self, tx: &mut Transaction<'_>) -> Result<Option<T::Rec>> {
        self.step(tx, Side::Left)
    }

    fn step(&mut self, tx: &mut Transaction<'_>, side: Side) -> Result<Option<T::Rec>> {
        if !self.path.found {
            return Ok(None);
        }
        let here = self.path.steps[0];
        let shape = node::shape(&self.tree, tx, here.at, 0)?;
        let bytes = tx.read(&shape.locator)?;
        if let Some(index) = side.next(here.index, shape.numrecs) {
            self.path.steps[0].index = index;
            return Ok(Some(shape.rec(&self.tree, bytes, index)));
        }
        let left_behind = shape.key(&self.tree, bytes, here.index);
        self.path.found = self.path.leave(&self.tree, tx, side)?;
        let rec = self.rec(tx)?;
        self.in_order(left_behind, side, rec, &shape)
    }

    /// Refuses a step from one leaf into another that does not lead on: a walk must come to an end even where blocks
    /// are linked in circles.
    fn in_order(
        &mut self,
        from: T::Key,
        side: Side,
        rec: Option<T::Rec>,
        at: &Shape,
    ) -> Result<Option<T::Rec>> {
        let Some(to) = rec.as_ref().map(T::key) else { return Ok(rec) };
        if if side == Side::Right { from < to } else { to < from } {
            return Ok(rec);
        }
        self.path.found = false;
        Err(corrupt(at.locator.daddr, &self.tree, Problem::Rule("leaves out of order")))
    }

    /// Replaces the record here by one that sorts to the same place.
    ///
    /// # Errors
    /// Those of reading the tree.
    pub fn update(&mut self, tx: &mut Transaction<'_>, rec: &T::Rec) -> Result<()> {
        debug_assert!(self.path.found, "update needs a record");
        let shape = node::shape(&self.tree, tx, self.path.steps[0].at, 0)?;
        node::set_rec(&self.tree, tx, &shape, self.path.steps[0].index, rec)?;
        self.path.fix_keys(&self.tree, tx, 0)
    }
}

impl Path {
    /// Leaves a leaf: climbs to the first level that has a neighbouring entry, then descends along its edge. Says whether
    /// there is a leaf to come to.
    fn leave(&mut self, tree: &dyn Layout, tx: &mut Transaction<'_>, side: Side) -> Result<bool> {
        for level in 1..self.height {
            let step = self.steps[level];
            let shape = node::shape(tree, tx, step.at, level)?;
            if let Some(index) = side.next(step.index, shape.numrecs) {
                self.steps[level].index = index;
                self.descend_edge(tree, tx, level, side)?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn descend_edge(
        &mut self,
        tree: &dyn Layout,
        tx: &mut Transaction<'_>,
        from_level: usize,
        side: Side,
    ) -> Result<()> {
        for level in (0..from_level).rev() {
            let above = self.steps[level + 1];
            let shape = node::shape(tree, tx, above.at, level + 1)?;
            let at = At::Block(shape.ptr(tx.read(&shape.locator)?, above.index));
            let shape = node::shape(tree, tx, at, level)?;
            if shape.numrecs == 0 {
                let problem = Problem::Rule("empty block inside a tree");
                return Err(corrupt(shape.locator.daddr, tree, problem));
            }
            self.steps[level] = Step { at, index: if side == Side::Right { 0 } else { shape.numrecs - 1 } };
        }
        Ok(())
    }

    /// Carries the keys of the node at `level` up the tree as far as they changed.
    pub(super) fn fix_keys(&self, tree: &dyn Layout, tx: &mut Transaction<'_>, level: usize) -> Result<()> {
        for level in level..self.height - 1 {
            // Without high keys, only a new first record is seen from above.
            if !tree.sizes().overlapping && self.steps[level].index > 0 {
                return Ok(());
            }
            let changed =
                self.refresh_keys(tree, tx, level + 1, self.steps[level + 1].index, self.steps[level].at)?;
            if !changed {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Stores the keys of `child` in entry `index` of the node at `level`; says whether they changed.
    pub(super) fn refresh_keys(
        &self,
        tree: &dyn Layout,
        tx: &mut Transaction<'_>,
        level: usize,
        index: usize,
        child: At,
    ) -> Result<bool> {
        let keys = node::keys(tree, tx, child, level - 1)?;
        let shape = node::shape(tree, tx, self.steps[level].at, level)?;
        if node::has_keys(&shape, tx.read(&shape.locator)?, index, &keys) {
            return Ok(false);
        }
        node::set_keys(tx, &shape, index, &keys)?;
        Ok(true)
    }
}
