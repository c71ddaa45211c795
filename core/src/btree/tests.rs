//! The engine against a sorted map: random insertions and deletions, with every invariant checked along the way.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::collections::btree_map::Entry;
use alloc::sync::Arc;
use alloc::vec::Vec;

use zerocopy::FromBytes;

use super::bmap::{Bmbt, Fork, inode_locator};
use super::node::{self, At, Side};
use super::rmap::Rmapbt;
use super::{BlockSource, Cursor, Root, Tree};
use crate::device::MemoryDevice;
use crate::error::Result;
use crate::format::btree::{RmapKey, RmapOwner, RmapRec};
use crate::format::extent::Extent;
use crate::format::inode::{Dinode, fork_format};
use crate::geometry::tests::sample;
use crate::journal::{Store, Transaction};
use crate::units::{AgBlock, AgNumber, FileBlock, FsBlock, Ino};

fn store() -> Store {
    let device = Box::new(MemoryDevice::new(Vec::new()));
    Store::new(device, Arc::new(sample()), alloc::vec![0; 512], 1 << 20)
}

/// Hands out rising block numbers and remembers what is in use.
struct Blocks {
    next: u64,
    used: Vec<u64>,
}

impl BlockSource for Blocks {
    fn alloc(&mut self, _: &mut Transaction<'_>, _near: u64) -> Result<u64> {
        self.next += 1;
        self.used.push(self.next);
        Ok(self.next)
    }

    fn free(&mut self, _: &mut Transaction<'_>, ptr: u64) -> Result<()> {
        let index = self.used.iter().position(|&used| used == ptr).expect("freed once");
        self.used.swap_remove(index);
        Ok(())
    }
}

/// xorshift: the same seed gives the same run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// Walks the whole tree; returns its records and counts its blocks.
fn verify<T: Tree>(tree: T, tx: &mut Transaction<'_>, blocks: &mut usize) -> Vec<T::Rec> {
    let (root, height) = match tree.root(tx).expect("root") {
        Root::Block { ptr, height } => (At::Block(ptr), height),
        Root::Inline(inline) => (At::Inline, inline.level + 1),
    };
    let mut level_nodes = alloc::vec![root];
    for level in (0..height).rev() {
        let is_root = level + 1 == height;
        let mut children = Vec::new();
        let mut recs = Vec::new();
        for (position, &at) in level_nodes.iter().enumerate() {
            let shape = node::shape(&tree, tx, at, level).expect("shape");
            let only_child = level + 2 == height && level_nodes.len() == 1;
            assert!(is_root || only_child || shape.numrecs >= shape.maxrecs / 2, "least fill");
            let bytes = tx.read(&shape.locator).expect("read").to_vec();
            for index in 0..shape.numrecs {
                if index > 0 {
                    assert!(shape.key(&tree, &bytes, index - 1) < shape.key(&tree, &bytes, index), "order");
                }
                if level == 0 {
                    recs.push(shape.rec(&tree, &bytes, index));
                } else {
                    let child = At::Block(shape.ptr(&bytes, index));
                    let keys = node::keys(&tree, tx, child, level - 1).expect("keys");
                    assert!(T::decode_key(&keys.bytes) == shape.key(&tree, &bytes, index), "low key");
                    let high = T::decode_key(&keys.bytes[keys.len - T::KEY_BYTES..]);
                    assert!(!T::OVERLAPPING || high == shape.high(&tree, &bytes, index), "high key");
                    children.push(child);
                }
            }
            if let At::Block(ptr) = at {
                *blocks += 1;
                let expect = |position: Option<usize>| match position.and_then(|p| level_nodes.get(p)) {
                    Some(&At::Block(ptr)) => Some(ptr),
                    _ => None,
                };
                let left = node::sibling(&tree, tx, ptr, Side::Left).expect("left");
                let right = node::sibling(&tree, tx, ptr, Side::Right).expect("right");
                assert_eq!(left, expect(position.checked_sub(1)), "left sibling");
                assert_eq!(right, expect(Some(position + 1)), "right sibling");
            }
        }
        if level == 0 {
            return recs;
        }
        level_nodes = children;
    }
    unreachable!("the loop ends at the leaves")
}

fn exercise<T: Tree>(
    tree: T,
    tx: &mut Transaction<'_>,
    blocks: &mut Blocks,
    seed: u64,
    make: impl Fn(u64) -> T::Rec,
) where
    T::Rec: PartialEq + core::fmt::Debug,
{
    let mut random = Random(seed);
    let mut model: BTreeMap<T::Key, T::Rec> = BTreeMap::new();
    for (rounds, insert_percent) in [(6000, 80), (6000, 35), (3000, 60), (8000, 5)] {
        for round in 0..rounds {
            let rec = make(random.below(20_000));
            let key = T::key(&rec);
            let mut cursor = Cursor::new(tree);
            if random.below(100) < insert_percent {
                if let Entry::Vacant(vacant) = model.entry(key) {
                    cursor.insert(tx, blocks, &rec).expect("insert");
                    vacant.insert(rec);
                }
            } else if let Some(found) = cursor.seek_ge(tx, &key).expect("seek") {
                cursor.delete(tx, blocks).expect("delete");
                assert_eq!(model.remove(&T::key(&found)), Some(found));
            }
            if round % 500 == 0 {
                let mut count = 0;
                let recs = verify(tree, tx, &mut count);
                assert!(recs.iter().eq(model.values()), "same records");
                assert_eq!(count, blocks.used.len(), "no block is lost");
                let expected = model.range(..=key).next_back().map(|(_, rec)| *rec);
                assert_eq!(Cursor::new(tree).seek_le(tx, &key).expect("seek"), expected);
            }
        }
    }
    while let Some(rec) = Cursor::new(tree).seek_first(tx).expect("first") {
        let mut cursor = Cursor::new(tree);
        cursor.seek_le(tx, &T::key(&rec)).expect("seek");
        cursor.delete(tx, blocks).expect("delete");
        model.remove(&T::key(&rec));
    }
    assert!(model.is_empty());
}

#[test]
fn rmapbt_stays_sound_under_random_changes() {
    let mut store = store();
    let mut tx = Transaction::new(&mut store);
    let tree = Rmapbt(AgNumber(0));
    let length = tx.geometry().agblocks;
    let at = super::ag_headers::agf_locator(tx.geometry(), AgNumber(0));
    tx.create(&at);
    let bytes = tx.modify(&at, 0..224).expect("AGF");
    crate::format::agf::Agf::mut_from_prefix(bytes).expect("AGF").0.length.set(length);
    let mut blocks = Blocks { next: 100, used: alloc::vec![100] };
    node::create(&tree, &mut tx, 100, 0).expect("root");
    tree.set_root(&mut tx, 100, 1).expect("root");
    let make = |n: u64| RmapRec {
        start: AgBlock(1000 + (n / 3) as u32),
        len: 1 + (n % 17) as u32 * 5,
        owner: RmapOwner(200 + n % 3),
        offset: n,
    };
    exercise(tree, &mut tx, &mut blocks, 42, make);
    assert_eq!(blocks.used.len(), 1, "the root is left");

    let mut all = Vec::new();
    for n in (0..9000).step_by(7) {
        let rec = make(n);
        Cursor::new(tree).insert(&mut tx, &mut blocks, &rec).expect("insert");
        all.push(rec);
    }
    all.sort_by_key(RmapKey::low);
    for block in (900..4200).step_by(13) {
        let key = |owner, offset| RmapKey { start: AgBlock(block), owner: RmapOwner(owner), offset };
        let found =
            Cursor::new(tree).overlapping(&mut tx, &key(0, 0), &key(u64::MAX, u64::MAX)).expect("query");
        let expected = all.iter().filter(|rec| rec.start.0 <= block && block < rec.end().0);
        assert!(found.iter().eq(expected), "owners of block {block}");
    }
}

#[test]
fn a_fork_grows_from_a_list_to_a_tree_and_back() {
    let mut store = store();
    let mut tx = Transaction::new(&mut store);
    let ino = Ino(128);
    let tree = Bmbt { ino, fork: Fork::Data };
    let at = inode_locator(tx.geometry(), ino);
    tx.create(&at);
    let core = Dinode::mut_from_prefix(tx.modify(&at, 0..176).expect("inode")).expect("core").0;
    core.format = fork_format::EXTENTS;
    core.forkoff = 24;
    core.flags2.set(0x10);
    let mut blocks = Blocks { next: 5000, used: Vec::new() };
    let make = |n: u64| Extent {
        file_block: FileBlock(n * 3),
        start: FsBlock(20_000 + n),
        len: 2,
        unwritten: n.is_multiple_of(2),
    };
    exercise(tree, &mut tx, &mut blocks, 7, make);
    assert!(blocks.used.is_empty(), "the list is back in the inode");
    let core = Dinode::read_from_prefix(tx.read(&at).expect("inode")).expect("core").0;
    assert_eq!((core.format, core.data_nextents()), (fork_format::EXTENTS, 0));
}
