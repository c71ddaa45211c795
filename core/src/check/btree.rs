//! A raw walk over one btree, down to its records.
//!
//! Checked on the way: each block's header, level and number of entries; siblings point at each other along every
//! level; the key above a block is that of its first record, and in the rmapbt the high key is the highest below.
//! A block is entered once at most, so a damaged tree cannot make the walk endless.
//!
//! Source: "B+trees".

use alloc::vec::Vec;

use super::context::Context;
use crate::error::{Place, Problem, Result};
use crate::format::BlockKind;
use crate::format::btree::{
    LEFTSIB_AT, LEVEL_AT, LONG_HEADER_BYTES, NUMRECS_AT, RmapKey, RmapRec, SHORT_HEADER_BYTES,
};
use crate::format::extent::Extent;
use crate::format::header::{be_u16, be_u32, be_u64, put};
use crate::units::map::Hashed;
use crate::units::{AgBlock, AgNumber, FsBlock, Ino};

/// No tree can be higher.
pub(super) const MAX_HEIGHT: u32 = 16;

/// A key, padded with zeros.
pub(super) type Key = [u8; RmapKey::BYTES];

/// What is done with each record.
pub(super) type OnRecord<'r> = dyn FnMut(&mut Context<'_>, Place, &[u8]) + 'r;

/// Which tree is walked.
#[derive(Clone, Copy)]
pub(super) enum Tree {
    /// A tree of an AG.
    Ag(BlockKind, AgNumber),
    /// The bmbt of an inode's fork.
    Bmbt(Ino),
}

/// A block's part in its tree.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Root in a block.
    Root,
    /// The only child of a root in an inode, which is a root of sorts.
    OnlyChild,
    /// Anything else.
    Child,
}

/// Sizes in bytes.
#[derive(Clone, Copy)]
struct Layout {
    header: usize,
    record: usize,
    /// Of one node entry, high key included.
    key: usize,
    pointer: usize,
}

impl Tree {
    fn kind(self) -> BlockKind {
        match self {
            Self::Ag(kind, _) => kind,
            Self::Bmbt(_) => BlockKind::Bmbt,
        }
    }

    fn layout(self) -> Layout {
        let short = |record, key| Layout { header: SHORT_HEADER_BYTES, record, key, pointer: 4 };
        match self.kind() {
            BlockKind::Bnobt | BlockKind::Cntbt => short(8, 8),
            BlockKind::Inobt | BlockKind::Finobt => short(16, 4),
            BlockKind::Refcountbt => short(12, 4),
            BlockKind::Rmapbt => short(24, 2 * RmapKey::BYTES),
            _ => Layout { header: LONG_HEADER_BYTES, record: 16, key: 8, pointer: 8 },
        }
    }

    /// Key of a record.
    fn record_key(self, record: &[u8]) -> Key {
        let mut key = Key::default();
        match self.kind() {
            BlockKind::Bnobt | BlockKind::Cntbt => copy(&mut key, record, 8),
            BlockKind::Inobt | BlockKind::Finobt | BlockKind::Refcountbt => copy(&mut key, record, 4),
            BlockKind::Rmapbt => RmapKey::low(&RmapRec::decode(record)).encode(&mut key),
            _ => put(&mut key, 0, &Extent::decode(record).file_block.0.to_be_bytes()),
        }
        key
    }

    /// Key of a node entry.
    fn entry_key(self, entry: &[u8]) -> Key {
        let mut key = Key::default();
        match self.kind() {
            BlockKind::Rmapbt => RmapKey::decode(entry).encode(&mut key),
            _ => copy(&mut key, entry, self.layout().key),
        }
        key
    }

    fn is_rmapbt(self) -> bool {
        self.kind() == BlockKind::Rmapbt
    }
}

fn copy(key: &mut Key, from: &[u8], len: usize) {
    if let Some(from) = from.get(..len) {
        put(key, 0, from);
    }
}

/// A key as a number, for messages.
fn number(key: &Key) -> u64 {
    be_u64(key, 0)
}

/// The block visited last on one level.
#[derive(Clone, Copy)]
enum Last {
    /// None yet.
    Nothing,
    /// One that could not be read.
    Unknown,
    /// Its address and its right sibling.
    Known(u64, u64),
}

/// What a parent must say about a block.
struct Bounds {
    low: Key,
    /// Highest key below; rmapbt only.
    high: Option<RmapKey>,
}

/// A walk under way.
pub(super) struct Walk {
    tree: Tree,
    layout: Layout,
    visited: Hashed<u64, ()>,
    levels: Vec<Last>,
    /// Blocks of the tree.
    pub(super) blocks: Vec<u64>,
    /// Whether every block could be read.
    pub(super) is_complete: bool,
}

impl Walk {
    /// A walk over a tree whose root is at `level`.
    pub(super) fn new(tree: Tree, level: u32) -> Self {
        let levels = alloc::vec![Last::Nothing; level as usize + 1];
        let (visited, blocks) = (Hashed::new(), Vec::new());
        Self { tree, layout: tree.layout(), visited, levels, blocks, is_complete: true }
    }

    /// Walks from the block at `address` down.
    pub(super) fn descend(
        &mut self,
        cx: &mut Context<'_>,
        address: u64,
        level: u32,
        role: Role,
        key: Option<Key>,
        on_record: &mut OnRecord<'_>,
    ) -> Result<()> {
        let bounds = self.visit(cx, address, level, role, on_record)?;
        self.compare_key(cx, address, key, bounds.as_ref());
        Ok(())
    }

    /// Checks that no level goes on to the right.
    pub(super) fn finish(&mut self, cx: &mut Context<'_>) {
        for last in self.levels.clone() {
            if let Last::Known(address, right) = last
                && right != self.null()
            {
                let place = self.place(cx, address);
                cx.report.expect(self.tree.kind().name(), place, "rightsib", self.null(), right);
            }
        }
    }

    fn null(&self) -> u64 {
        if self.layout.pointer == 4 { u32::MAX.into() } else { u64::MAX }
    }

    fn split(&self, cx: &Context<'_>, address: u64) -> (AgNumber, AgBlock) {
        match self.tree {
            Tree::Ag(_, ag) => (ag, AgBlock(address as u32)),
            Tree::Bmbt(_) => cx.geometry.split(FsBlock(address)),
        }
    }

    fn place(&self, cx: &Context<'_>, address: u64) -> Place {
        let (ag, agblock) = self.split(cx, address);
        let mut place = Place::agblock(ag, agblock);
        if let Tree::Bmbt(ino) = self.tree {
            place.ino = Some(ino);
        }
        place
    }

    /// Reads a block that a parent points to; `None` when it cannot be used.
    fn load(&mut self, cx: &mut Context<'_>, address: u64) -> Result<Option<Vec<u8>>> {
        let (name, place) = (self.tree.kind().name(), self.place(cx, address));
        let (ag, agblock) = self.split(cx, address);
        if !cx.geometry.is_valid_ag_extent(ag, agblock, 1) {
            cx.report.bounds(name, place, "pointer to a block", address);
            return Ok(None);
        }
        if self.visited.insert(address, ()).is_some() {
            cx.report.rule(name, place, "a block is in the tree twice");
            return Ok(None);
        }
        let owner = match self.tree {
            Tree::Ag(_, ag) => ag.0.into(),
            Tree::Bmbt(ino) => ino.0,
        };
        let offset = cx.geometry.ag_byte(ag, agblock);
        let len = cx.geometry.blocksize as usize;
        let block = cx.block(&[self.tree.kind()], offset, len, owner, place)?;
        if block.is_some() {
            self.blocks.push(address);
        }
        Ok(block.map(|(_, bytes)| bytes))
    }

    fn visit(
        &mut self,
        cx: &mut Context<'_>,
        address: u64,
        level: u32,
        role: Role,
        on_record: &mut OnRecord<'_>,
    ) -> Result<Option<Bounds>> {
        let block = self.load(cx, address)?;
        let (name, place) = (self.tree.kind().name(), self.place(cx, address));
        let Some(bytes) = block else {
            self.lose(level);
            return Ok(None);
        };
        let Layout { header, record, key, pointer } = self.layout;
        let room = bytes.len() - header;
        let max = if level == 0 { room / record } else { room / (key + pointer) };
        let count = usize::from(be_u16(&bytes, NUMRECS_AT));
        let found_level = u32::from(be_u16(&bytes, LEVEL_AT));
        if found_level != level || count > max {
            cx.report.expect(name, place, "level", level, found_level);
            if count > max {
                cx.report.bounds(name, place, "numrecs", count as u64);
            }
            self.lose(level);
            return Ok(None);
        }
        let min = match role {
            Role::Child => max / 2,
            Role::OnlyChild => 1,
            Role::Root => {
                if level > 0 {
                    2
                } else {
                    0
                }
            }
        };
        if count < min {
            cx.report.bounds(name, place, "numrecs", count as u64);
        }
        self.check_siblings(cx, address, level, &bytes);
        if level == 0 {
            Ok(self.leaf(cx, place, &bytes, count, on_record))
        } else {
            self.node(cx, &bytes, level, (count, max), on_record)
        }
    }

    /// Notes that a block of `level`, and all below it, is missing.
    fn lose(&mut self, level: u32) {
        self.is_complete = false;
        for last in self.levels.iter_mut().take(level as usize + 1) {
            *last = Last::Unknown;
        }
    }

    fn check_siblings(&mut self, cx: &mut Context<'_>, address: u64, level: u32, bytes: &[u8]) {
        let (left, right) = if self.layout.pointer == 4 {
            (be_u32(bytes, LEFTSIB_AT).into(), be_u32(bytes, LEFTSIB_AT + 4).into())
        } else {
            (be_u64(bytes, LEFTSIB_AT), be_u64(bytes, LEFTSIB_AT + 8))
        };
        let (name, place, null) = (self.tree.kind().name(), self.place(cx, address), self.null());
        let Some(last) = self.levels.get_mut(level as usize) else { return };
        let before = core::mem::replace(last, Last::Known(address, right));
        match before {
            Last::Nothing => cx.report.expect(name, place, "leftsib", null, left),
            Last::Unknown => {}
            Last::Known(previous, previous_right) => {
                cx.report.expect(name, place, "leftsib", previous, left);
                let place = self.place(cx, previous);
                cx.report.expect(name, place, "rightsib", address, previous_right);
            }
        }
    }

    fn leaf(
        &self,
        cx: &mut Context<'_>,
        place: Place,
        bytes: &[u8],
        count: usize,
        on_record: &mut OnRecord<'_>,
    ) -> Option<Bounds> {
        let mut bounds: Option<Bounds> = None;
        for record in bytes[self.layout.header..].chunks_exact(self.layout.record).take(count) {
            let high = self.tree.is_rmapbt().then(|| RmapKey::high(&RmapRec::decode(record)));
            match &mut bounds {
                Some(bounds) => bounds.high = bounds.high.max(high),
                None => bounds = Some(Bounds { low: self.tree.record_key(record), high }),
            }
            on_record(cx, place, record);
        }
        bounds
    }

    fn node(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
        level: u32,
        (count, max): (usize, usize),
        on_record: &mut OnRecord<'_>,
    ) -> Result<Option<Bounds>> {
        let Layout { header, key, pointer, .. } = self.layout;
        let entries = bytes[header..].chunks_exact(key).take(count);
        let pointers = bytes[header + max * key..].chunks_exact(pointer);
        let mut bounds: Option<Bounds> = None;
        for (entry, pointer) in entries.zip(pointers) {
            let address = if pointer.len() == 4 { be_u32(pointer, 0).into() } else { be_u64(pointer, 0) };
            let low = self.tree.entry_key(entry);
            let high = self.tree.is_rmapbt().then(|| RmapKey::decode(&entry[RmapKey::BYTES..]));
            let below = self.visit(cx, address, level - 1, Role::Child, on_record)?;
            self.compare_key(cx, address, Some(low), below.as_ref());
            if let (Some(high), Some(Bounds { high: Some(found), .. })) = (high, &below)
                && high != *found
            {
                let place = self.place(cx, address);
                cx.report.rule(
                    self.tree.kind().name(),
                    place,
                    "high key in the parent is not the highest below",
                );
            }
            match &mut bounds {
                Some(bounds) => bounds.high = bounds.high.max(high),
                None => bounds = Some(Bounds { low, high }),
            }
        }
        Ok(bounds)
    }

    fn compare_key(&self, cx: &mut Context<'_>, address: u64, key: Option<Key>, found: Option<&Bounds>) {
        let (Some(key), Some(found)) = (key, found) else { return };
        if key != found.low {
            let problem = Problem::Value {
                field: "key in the parent",
                expected: number(&found.low),
                found: number(&key),
            };
            let place = self.place(cx, address);
            cx.report.damage(self.tree.kind().name(), place, problem);
        }
    }
}

/// Walks a tree of an AG from the root that its header names. Returns the blocks, and whether all could be read.
pub(super) fn walk_ag_tree(
    cx: &mut Context<'_>,
    kind: BlockKind,
    ag: AgNumber,
    root: AgBlock,
    height: u32,
    on_record: &mut OnRecord<'_>,
) -> Result<(Vec<u64>, bool)> {
    if !(1..=MAX_HEIGHT).contains(&height) {
        cx.report.bounds(kind.name(), Place::ag(ag), "height in the AG header", height);
        return Ok((Vec::new(), false));
    }
    let mut walk = Walk::new(Tree::Ag(kind, ag), height - 1);
    walk.descend(cx, root.0.into(), height - 1, Role::Root, None, on_record)?;
    walk.finish(cx);
    Ok((walk.blocks, walk.is_complete))
}
