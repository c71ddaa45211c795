//! The blocks of an attribute fork: one leaf, or a tree of leaves by hash.
//!
//! File block 0 is the root, whatever the form: when the tree grows, what the root held moves to a new block, and when
//! only one block is left below it, that moves up again. Blocks of one level are linked in both directions, and an
//! entry of a node holds the greatest hash below it.
//!
//! A block is changed in one way only: it is given new contents. If these are too much for it they are shared out over
//! the block and new ones on its right, and its parent is given new contents in turn.
//!
//! Source: "Leaf Attributes", "Node Attributes".

use alloc::vec::Vec;

use super::edit::Key;
use super::leaf::{self, Record};
use crate::error::{Error, Place, Problem, Result};
use crate::format::BlockKind;
use crate::format::attr::{AttrFlags, AttrLeaf, Value};
use crate::format::da::{BlockInfo, MAX_LEVELS, NODE_HEADER_BYTES, Node, NodeEntry, NodeHeader};
use crate::format::header::{be_u32, put};
use crate::inode::{Fork, bmap};
use crate::journal::{Locator, Transaction};
use crate::units::map::Hashed;
use crate::units::{AgBlock, FileBlock, FsBlock, Ino};

/// The root of the tree.
const ROOT: FileBlock = FileBlock(0);

/// Behind the last block that the tree can have.
const END: FileBlock = FileBlock(1 << 32);

const FORW_AT: usize = core::mem::offset_of!(BlockInfo, forw);
const BACK_AT: usize = core::mem::offset_of!(BlockInfo, back);

/// What a block holds.
#[derive(Debug, Clone)]
enum Contents {
    Leaf(Vec<Record>),
    /// Level and entries.
    Node(u16, Vec<NodeEntry>),
}

/// A block on the way from the root to a leaf.
#[derive(Debug, Clone, Copy)]
struct Step {
    block: FileBlock,
    /// The entry that the way goes on through; of no meaning in a leaf.
    index: usize,
}

/// An attribute, found.
#[derive(Debug)]
pub(super) struct Found {
    way: Vec<Step>,
    index: usize,
    /// First block and length in bytes of its value, when that is remote.
    pub(super) remote: Option<(u32, u32)>,
}

/// The tree of one inode.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tree(pub(super) Ino);

impl Contents {
    fn kind(&self) -> &'static [BlockKind] {
        match self {
            Self::Leaf(_) => &[BlockKind::AttrLeaf],
            Self::Node(..) => &[BlockKind::DaNode],
        }
    }

    fn is_empty(&self) -> bool {
        match self {
            Self::Leaf(records) => records.is_empty(),
            Self::Node(_, entries) => entries.is_empty(),
        }
    }

    /// The greatest hash; 0 without any.
    fn hash(&self) -> u32 {
        match self {
            Self::Leaf(records) => records.last().map_or(0, |record| record.hash),
            Self::Node(_, entries) => entries.last().map_or(0, |entry| entry.hash),
        }
    }

    fn level(&self) -> u16 {
        match self {
            Self::Leaf(_) => 0,
            Self::Node(level, _) => *level,
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Leaf(records) => leaf::bytes_of(records),
            Self::Node(_, entries) => NODE_HEADER_BYTES + entries.len() * NodeEntry::BYTES,
        }
    }

    /// Shares it out over as few blocks as can hold it.
    fn share(self, blocksize: usize) -> Option<Vec<Self>> {
        let is_too_large = self.bytes() > blocksize;
        Some(match self {
            Self::Leaf(records) => leaf::share(records, blocksize)?.into_iter().map(Self::Leaf).collect(),
            Self::Node(level, mut entries) if is_too_large => {
                let right = entries.split_off(entries.len() / 2);
                alloc::vec![Self::Node(level, entries), Self::Node(level, right)]
            }
            node @ Self::Node(..) => alloc::vec![node],
        })
    }

    /// What both hold, if one block has room for it and a quarter to spare.
    fn joined(mut self, other: Self, blocksize: usize) -> Option<Self> {
        match (&mut self, other) {
            (Self::Leaf(left), Self::Leaf(right)) => left.extend(right),
            (Self::Node(_, left), Self::Node(_, right)) => left.extend(right),
            _ => return None,
        }
        (self.bytes() <= blocksize - blocksize / 4).then_some(self)
    }

    fn encode(&self, block: &mut [u8]) {
        match self {
            Self::Leaf(records) => leaf::encode(records, block),
            Self::Node(level, entries) => {
                put(block, core::mem::offset_of!(NodeHeader, count), &(entries.len() as u16).to_be_bytes());
                put(block, core::mem::offset_of!(NodeHeader, level), &level.to_be_bytes());
                for (index, entry) in entries.iter().enumerate() {
                    entry.encode(&mut block[NODE_HEADER_BYTES + index * NodeEntry::BYTES..]);
                }
            }
        }
    }
}

/// Making the tree, finding in it, and changing it: what the forms above need.
impl Tree {
    /// Makes an empty leaf of a fork without blocks.
    pub(super) fn create(self, tx: &mut Transaction<'_>) -> Result<()> {
        let block = self.add_block(tx, &[BlockKind::AttrLeaf])?;
        self.write(tx, block, &Contents::Leaf(Vec::new()))
    }

    /// The attribute of that key, the complete one or one that was left incomplete.
    pub(super) fn find(
        self,
        tx: &mut Transaction<'_>,
        key: &Key<'_>,
        is_incomplete: bool,
    ) -> Result<Option<Found>> {
        let hash = key.hash(tx.geometry());
        let mut way = self.descend(tx, hash)?;
        let mut seen = Hashed::new();
        loop {
            let at = way[way.len() - 1].block;
            if seen.insert(at, ()).is_some() {
                return Err(self.damaged(
                    BlockKind::AttrLeaf,
                    at,
                    Problem::Rule("a block is in the tree twice"),
                ));
            }
            let locator = self.locate(tx, at)?;
            let fail = |problem| self.damaged(BlockKind::AttrLeaf, at, problem);
            let leaf = AttrLeaf::new(tx.read(&locator)?).map_err(fail)?;
            for index in leaf.lower_bound(hash)..leaf.len() {
                let entry = leaf.entry(index);
                if entry.hash != hash {
                    return Ok(None);
                }
                let attr = leaf.attr(&entry).map_err(fail)?;
                if key.matches(&attr) && entry.flags.contains(AttrFlags::INCOMPLETE) == is_incomplete {
                    let remote = match attr.value {
                        Value::Local(_) => None,
                        Value::Remote { valueblk, valuelen } => Some((valueblk, valuelen)),
                    };
                    return Ok(Some(Found { way, index, remote }));
                }
            }
            if !self.advance(tx, &mut way)? {
                return Ok(None);
            }
        }
    }

    /// Adds an attribute.
    pub(super) fn insert(self, tx: &mut Transaction<'_>, record: Record) -> Result<()> {
        let mut way = self.descend(tx, record.hash)?;
        let mut records = self.records(tx, &way)?;
        let index = records.partition_point(|other| other.hash < record.hash);
        records.insert(index, record);
        let depth = way.len() - 1;
        self.store(tx, &mut way, depth, Contents::Leaf(records))
    }

    /// Gives an attribute another value. Nothing but remote values may have changed since it was found.
    pub(super) fn replace(self, tx: &mut Transaction<'_>, found: Found, record: Record) -> Result<()> {
        let Found { mut way, index, .. } = found;
        let mut records = self.records(tx, &way)?;
        let Some(place) = records.get_mut(index) else { return Err(self.lost(&way)) };
        *place = record.in_place_of(place);
        let depth = way.len() - 1;
        self.store(tx, &mut way, depth, Contents::Leaf(records))
    }

    /// Removes an attribute. Nothing but remote values may have changed since it was found.
    pub(super) fn remove(self, tx: &mut Transaction<'_>, found: Found) -> Result<()> {
        let Found { mut way, index, .. } = found;
        let mut records = self.records(tx, &way)?;
        if index >= records.len() {
            return Err(self.lost(&way));
        }
        records.remove(index);
        let depth = way.len() - 1;
        let mut left = self.store_less(tx, &way, depth, Contents::Leaf(records))?;
        while left > 0 {
            self.join(tx, &mut way, left)?;
            left -= 1;
        }
        self.take_root_down(tx)
    }

    /// The only leaf there is, as stored; `None` when there are more.
    pub(super) fn only_leaf(self, tx: &mut Transaction<'_>) -> Result<Option<Vec<u8>>> {
        let locator = self.locate(tx, ROOT)?;
        let block = tx.block(&locator)?;
        Ok((block.kind == BlockKind::AttrLeaf).then(|| block.bytes.clone()))
    }

    fn records(self, tx: &mut Transaction<'_>, way: &[Step]) -> Result<Vec<Record>> {
        let at = way[way.len() - 1].block;
        match self.read(tx, at)? {
            Contents::Leaf(records) => Ok(records),
            Contents::Node(..) => Err(self.lost(way)),
        }
    }

    fn lost(self, way: &[Step]) -> Error {
        let at = way.last().map_or(ROOT, |step| step.block);
        self.damaged(BlockKind::AttrLeaf, at, Problem::Rule("a leaf changed while it was being changed"))
    }

    fn damaged(self, kind: BlockKind, at: FileBlock, problem: Problem) -> Error {
        Error::corrupt(kind.name(), Place::file_block(self.0, at), problem)
    }
}

/// Growing.
impl Tree {
    /// Makes `contents` what the block at `depth` of the way holds, however much it is.
    fn store(
        self,
        tx: &mut Transaction<'_>,
        way: &mut Vec<Step>,
        depth: usize,
        contents: Contents,
    ) -> Result<()> {
        let mut depth = depth;
        let (at, kinds, blocksize) = (way[depth].block, contents.kind(), tx.geometry().blocksize as usize);
        let Some(parts) = contents.share(blocksize) else {
            return Err(self.damaged(kinds[0], at, Problem::Rule("holds more than fits")));
        };
        if let [part] = &parts[..] {
            self.write(tx, at, part)?;
            return self.raise(tx, way, depth, part.hash());
        }
        if depth == 0 {
            self.lift_root(tx, way, &parts[0])?;
            depth = 1;
        }
        let Step { block: parent, index } = way[depth - 1];
        let Contents::Node(level, mut entries) = self.read(tx, parent)? else { return Err(self.lost(way)) };
        let mut last = way[depth].block;
        for (number, part) in parts.iter().enumerate() {
            if number > 0 {
                last = self.add_block_behind(tx, last, kinds)?;
                entries.insert(index + number, NodeEntry { hash: 0, before: last.0 as u32 });
            }
            self.write(tx, last, part)?;
            entries[index + number].hash = part.hash();
        }
        self.store(tx, way, depth - 1, Contents::Node(level, entries))
    }

    /// Puts a level on top: the root becomes a node whose one entry is a new block, for what the root held.
    fn lift_root(self, tx: &mut Transaction<'_>, way: &mut Vec<Step>, held: &Contents) -> Result<()> {
        if held.level() == MAX_LEVELS {
            return Err(Error::NoSpace);
        }
        let block = self.add_block(tx, held.kind())?;
        let entry = NodeEntry { hash: held.hash(), before: block.0 as u32 };
        self.write(tx, ROOT, &Contents::Node(held.level() + 1, alloc::vec![entry]))?;
        way[0].block = block;
        way.insert(0, Step { block: ROOT, index: 0 });
        Ok(())
    }

    /// Carries the greatest hash of the block at `depth` up the way as far as it changes anything.
    fn raise(self, tx: &mut Transaction<'_>, way: &[Step], depth: usize, hash: u32) -> Result<()> {
        for step in way[..depth].iter().rev() {
            let Contents::Node(level, mut entries) = self.read(tx, step.block)? else {
                return Err(self.lost(way));
            };
            match entries.get_mut(step.index) {
                None => return Err(self.lost(way)),
                Some(entry) if entry.hash == hash => return Ok(()),
                Some(entry) => entry.hash = hash,
            }
            let is_last = step.index + 1 == entries.len();
            self.write(tx, step.block, &Contents::Node(level, entries))?;
            if !is_last {
                break;
            }
        }
        Ok(())
    }

    /// A new block on the right of another one.
    fn add_block_behind(
        self,
        tx: &mut Transaction<'_>,
        left: FileBlock,
        kinds: &'static [BlockKind],
    ) -> Result<FileBlock> {
        let new = self.add_block(tx, kinds)?;
        let right = self.link(tx, left, FORW_AT)?;
        self.set_link(tx, new, FORW_AT, right)?;
        self.set_link(tx, new, BACK_AT, left)?;
        self.set_link(tx, left, FORW_AT, new)?;
        if right != ROOT {
            self.set_link(tx, right, BACK_AT, new)?;
        }
        Ok(new)
    }

    fn add_block(self, tx: &mut Transaction<'_>, kinds: &'static [BlockKind]) -> Result<FileBlock> {
        let at = bmap::first_unused(tx, self.0, Fork::Attr, 1)?;
        if at >= END {
            return Err(Error::NoSpace);
        }
        let near = near(tx, self.0)?;
        let extent = bmap::allocate(tx, self.0, Fork::Attr, at, 1, near)?;
        let (daddr, len) = (tx.geometry().daddr(extent.start), tx.geometry().blocksize);
        tx.create(&Locator::new(kinds, daddr, len, Some(self.0.0)));
        Ok(at)
    }
}

/// Shrinking.
impl Tree {
    /// Makes `contents`, which is less than before, what the block at `depth` of the way holds; a block that would be
    /// empty leaves the tree, and its parent gets less. Returns the depth of the block that was changed last.
    fn store_less(
        self,
        tx: &mut Transaction<'_>,
        way: &[Step],
        depth: usize,
        contents: Contents,
    ) -> Result<usize> {
        let at = way[depth].block;
        if !contents.is_empty() {
            self.write(tx, at, &contents)?;
            self.raise(tx, way, depth, contents.hash())?;
            return Ok(depth);
        }
        if depth == 0 {
            self.write(tx, at, &Contents::Leaf(Vec::new()))?;
            return Ok(0);
        }
        self.unlink(tx, at)?;
        self.free_block(tx, at)?;
        let Step { block: parent, index } = way[depth - 1];
        match self.read(tx, parent)? {
            Contents::Node(level, mut entries) if index < entries.len() => {
                entries.remove(index);
                self.store_less(tx, way, depth - 1, Contents::Node(level, entries))
            }
            _ => Err(self.lost(way)),
        }
    }

    /// Joins the block at `depth` of the way with a neighbour under the same parent, if it is half empty and both fit
    /// one block well.
    fn join(self, tx: &mut Transaction<'_>, way: &mut [Step], depth: usize) -> Result<()> {
        let blocksize = tx.geometry().blocksize as usize;
        let Step { block: parent, index } = way[depth - 1];
        let Contents::Node(level, mut entries) = self.read(tx, parent)? else { return Err(self.lost(way)) };
        let here = self.read(tx, way[depth].block)?;
        if here.bytes() > blocksize / 2 {
            return Ok(());
        }
        let pairs = [Some((index, index + 1)), index.checked_sub(1).map(|left| (left, index))];
        for (left, right) in pairs.into_iter().flatten().filter(|&(_, right)| right < entries.len()) {
            let [left_block, right_block] = [left, right].map(|at| FileBlock(entries[at].before.into()));
            let (first, second) = (self.read(tx, left_block)?, self.read(tx, right_block)?);
            if first.level() + 1 != level || left_block == right_block {
                return Err(self.damaged(
                    BlockKind::DaNode,
                    parent,
                    Problem::Rule("neighbours of other levels"),
                ));
            }
            let Some(both) = first.joined(second, blocksize) else { continue };
            self.write(tx, left_block, &both)?;
            self.unlink(tx, right_block)?;
            self.free_block(tx, right_block)?;
            entries[left].hash = both.hash();
            entries.remove(right);
            let node = Contents::Node(level, entries);
            self.write(tx, parent, &node)?;
            return self.raise(tx, way, depth - 1, node.hash());
        }
        Ok(())
    }

    /// Takes levels off the top while the root has one entry only.
    fn take_root_down(self, tx: &mut Transaction<'_>) -> Result<()> {
        while let Contents::Node(level, entries) = self.read(tx, ROOT)? {
            let [entry] = entries[..] else { return Ok(()) };
            let child = FileBlock(entry.before.into());
            let contents = self.read(tx, child)?;
            if contents.level() + 1 != level {
                let problem = Problem::Bounds { field: "level", found: contents.level().into() };
                return Err(self.damaged(BlockKind::DaNode, child, problem));
            }
            self.free_block(tx, child)?;
            self.write(tx, ROOT, &contents)?;
        }
        Ok(())
    }

    /// Takes a block out of the chain of its level.
    fn unlink(self, tx: &mut Transaction<'_>, at: FileBlock) -> Result<()> {
        let (left, right) = (self.link(tx, at, BACK_AT)?, self.link(tx, at, FORW_AT)?);
        if left != ROOT {
            self.set_link(tx, left, FORW_AT, right)?;
        }
        if right != ROOT {
            self.set_link(tx, right, BACK_AT, left)?;
        }
        Ok(())
    }

    fn free_block(self, tx: &mut Transaction<'_>, at: FileBlock) -> Result<()> {
        let locator = self.locate(tx, at)?;
        tx.cancel(locator.daddr, locator.len_bytes);
        bmap::unmap(tx, self.0, Fork::Attr, at, at.plus(1))
    }
}

/// Blocks.
impl Tree {
    /// The way to the leaf that a hash belongs into: the first one that can hold it, or else the last one.
    fn descend(self, tx: &mut Transaction<'_>, hash: u32) -> Result<Vec<Step>> {
        self.go_down(tx, Vec::new(), ROOT, |node| node.lower_bound(hash).min(node.len() - 1))
    }

    /// Goes on to the leaf behind; false at the end.
    fn advance(self, tx: &mut Transaction<'_>, way: &mut Vec<Step>) -> Result<bool> {
        way.pop();
        while let Some(Step { block, index }) = way.pop() {
            let Contents::Node(_, entries) = self.read(tx, block)? else { return Err(self.lost(way)) };
            if let Some(entry) = entries.get(index + 1) {
                way.push(Step { block, index: index + 1 });
                *way = self.go_down(tx, core::mem::take(way), FileBlock(entry.before.into()), |_| 0)?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Extends the way from `block` down to a leaf.
    fn go_down(
        self,
        tx: &mut Transaction<'_>,
        mut way: Vec<Step>,
        mut block: FileBlock,
        choose: impl Fn(&Node<'_>) -> usize,
    ) -> Result<Vec<Step>> {
        let mut above = match way.last() {
            None => None,
            Some(step) => Some(self.read(tx, step.block)?.level()),
        };
        loop {
            let locator = self.locate(tx, block)?;
            let found = tx.block(&locator)?;
            let (kind, fail) = (found.kind, |problem| self.damaged(found.kind, block, problem));
            let (level, next) = if kind == BlockKind::DaNode {
                let node = Node::new(&found.bytes).map_err(fail)?;
                (node.header.level.get(), Some((choose(&node), node)))
            } else {
                (0, None)
            };
            if above.is_some_and(|above| level + 1 != above) {
                return Err(fail(Problem::Bounds { field: "level", found: level.into() }));
            }
            let Some((index, node)) = next else {
                way.push(Step { block, index: 0 });
                return Ok(way);
            };
            way.push(Step { block, index });
            block = FileBlock(node.entry(index).before.into());
            above = Some(level);
        }
    }

    fn read(self, tx: &mut Transaction<'_>, at: FileBlock) -> Result<Contents> {
        let locator = self.locate(tx, at)?;
        let block = tx.block(&locator)?;
        let contents = if block.kind == BlockKind::DaNode {
            Node::new(&block.bytes)
                .map(|node| Contents::Node(node.header.level.get(), node.entries().collect()))
        } else {
            leaf::decode(&block.bytes).map(Contents::Leaf)
        };
        contents.map_err(|problem| self.damaged(block.kind, at, problem))
    }

    /// Writes a block, which becomes one of the other kind if need be; its links stay only if not.
    fn write(self, tx: &mut Transaction<'_>, at: FileBlock, contents: &Contents) -> Result<()> {
        let mut locator = self.locate(tx, at)?;
        let kind = tx.block(&locator)?.kind;
        if contents.kind() == [kind] {
            let mut bytes = tx.read(&locator)?.to_vec();
            contents.encode(&mut bytes);
            return tx.replace(&locator, &bytes);
        }
        locator.kinds = contents.kind();
        contents.encode(tx.create(&locator));
        Ok(())
    }

    fn link(self, tx: &mut Transaction<'_>, at: FileBlock, field_at: usize) -> Result<FileBlock> {
        let locator = self.locate(tx, at)?;
        Ok(FileBlock(be_u32(tx.read(&locator)?, field_at).into()))
    }

    fn set_link(self, tx: &mut Transaction<'_>, at: FileBlock, field_at: usize, to: FileBlock) -> Result<()> {
        let locator = self.locate(tx, at)?;
        put(tx.modify(&locator, field_at..field_at + 4)?, field_at, &(to.0 as u32).to_be_bytes());
        Ok(())
    }

    fn locate(self, tx: &mut Transaction<'_>, at: FileBlock) -> Result<Locator> {
        const KINDS: &[BlockKind] = &[BlockKind::DaNode, BlockKind::AttrLeaf];
        let found = bmap::lookup(tx, self.0, Fork::Attr, at)?.filter(|extent| extent.file_block <= at);
        let Some(extent) = found else {
            return Err(self.damaged(KINDS[0], at, Problem::Rule("block of the tree lies in a hole")));
        };
        let skip = at.since(extent.file_block) as u32;
        let daddr = tx.geometry().daddr(extent.part(skip, 1).start);
        Ok(Locator::new(KINDS, daddr, tx.geometry().blocksize, Some(self.0.0)))
    }
}

/// Where new blocks of an attribute fork should lie: behind the last one, or else in the AG of the inode.
pub(super) fn near(tx: &mut Transaction<'_>, ino: Ino) -> Result<FsBlock> {
    Ok(match bmap::last(tx, ino, Fork::Attr)? {
        Some(last) => FsBlock(last.start.0 + u64::from(last.len)),
        None => tx.geometry().fsblock(tx.geometry().split_ino(ino).0, AgBlock(0)),
    })
}
