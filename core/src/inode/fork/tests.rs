//! A list and a tree of extents against a plain vector, then damaged.

use alloc::boxed::Box;
use alloc::vec;

use zerocopy::FromZeros;

use super::*;
use crate::device::MemoryDevice;
use crate::format::features::Incompat;
use crate::format::header::{self, Identity, put};
use crate::format::inode::{Dinode, FileType};
use crate::geometry::tests::sample;
use crate::journal::Store;
use crate::units::{Daddr, Ino};

const INO: Ino = Ino(130);
const FSBLOCKS: u64 = 4096;

fn geometry() -> Geometry {
    let agblocks = FSBLOCKS as u32;
    Geometry { agblocks, agblklog: 12, dblocks: FSBLOCKS, incompat: Incompat::empty(), ..sample() }
}

/// Extents of one to three blocks with a hole before every third.
fn extents(count: u64) -> Vec<Extent> {
    let mut at = 0;
    let extent = |index: u64| {
        at += if index.is_multiple_of(3) { 5 } else { 0 };
        let len = 1 + (index % 3) as u32;
        let extent = Extent {
            file_block: FileBlock(at),
            start: FsBlock(100 + index * 7),
            len,
            unwritten: index.is_multiple_of(4),
        };
        at += u64::from(len);
        extent
    };
    (0..count).map(extent).collect()
}

fn inode(format: u8, count: u64, literal: Vec<u8>) -> Inode {
    let mut core = Dinode::new_zeroed();
    core.format = format;
    core.nextents.set(count as u32);
    Inode { ino: INO, core, file_type: FileType::Regular, literal }
}

fn list_inode(extents: &[Extent]) -> Inode {
    let mut literal = vec![0; 336];
    for (index, extent) in extents.iter().enumerate() {
        extent.encode(&mut literal[index * Extent::BYTES..]);
    }
    inode(fork_format::EXTENTS, extents.len() as u64, literal)
}

/// A volume with a bmbt of two levels below the root, leaves of 20 records and nodes of 3 children.
struct Tree {
    device: Vec<u8>,
    inode: Inode,
}

impl Tree {
    fn new(extents: &[Extent]) -> Self {
        let mut tree = Self { device: vec![0; (FSBLOCKS << 10) as usize], inode: inode(3, 0, vec![0; 336]) };
        let mut next = 3000;
        let mut level: Vec<(FileBlock, u64)> = Vec::new();
        for leaf in extents.chunks(20) {
            let bytes: Vec<u8> = leaf.iter().flat_map(encoded).collect();
            level.push((
                leaf[0].file_block,
                tree.block(&mut next, 0, leaf.len(), &[(LONG_HEADER_BYTES, &bytes)]),
            ));
        }
        let mut above = Vec::new();
        for children in level.chunks(3) {
            let (keys, pointers) = entries(children);
            let parts = [(LONG_HEADER_BYTES, &keys[..]), (LONG_HEADER_BYTES + 59 * 8, &pointers)];
            above.push((children[0].0, tree.block(&mut next, 1, children.len(), &parts)));
        }
        let (keys, pointers) = entries(&above);
        let root = &mut tree.inode.literal;
        put(root, 0, &2_u16.to_be_bytes());
        put(root, 2, &(above.len() as u16).to_be_bytes());
        put(root, 4, &keys);
        put(root, 4 + 20 * 8, &pointers);
        tree
    }

    fn block(&mut self, next: &mut u64, level: u16, numrecs: usize, parts: &[(usize, &[u8])]) -> u64 {
        let mut block = vec![0; 1024];
        let identity = Identity { uuid: &[0; 16], daddr: Daddr(*next * 2), owner: Some(INO.0) };
        header::initialise(BlockKind::Bmbt, &mut block, &identity);
        put(&mut block, LEVEL_AT, &level.to_be_bytes());
        put(&mut block, NUMRECS_AT, &(numrecs as u16).to_be_bytes());
        for (at, bytes) in parts {
            put(&mut block, *at, bytes);
        }
        header::seal(BlockKind::Bmbt, &mut block);
        put(&mut self.device, (*next << 10) as usize, &block);
        *next += 1;
        *next - 1
    }
}

fn encoded(extent: &Extent) -> [u8; 16] {
    let mut bytes = [0; 16];
    extent.encode(&mut bytes);
    bytes
}

fn entries(children: &[(FileBlock, u64)]) -> (Vec<u8>, Vec<u8>) {
    let keys = children.iter().flat_map(|child| child.0.0.to_be_bytes()).collect();
    (keys, children.iter().flat_map(|child| child.1.to_be_bytes()).collect())
}

fn store(device: Vec<u8>) -> Store {
    Store::new(Box::new(MemoryDevice::new(device)), Arc::new(geometry()), vec![0; 512], 1 << 20)
}

fn all(tx: &mut Transaction<'_>, inode: &Inode) -> Result<Vec<Extent>> {
    let mut found = Vec::new();
    for_each_extent(tx, inode, Fork::Data, FileBlock(0), |extent| {
        found.push(extent);
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(found)
}

/// Every block of the file maps to what a plain search finds.
fn agree(device: Vec<u8>, inode: &Inode, extents: &[Extent]) {
    let mut store = store(device);
    let mut tx = Transaction::new(&mut store);
    assert_eq!(all(&mut tx, inode).expect("sound"), extents);
    let end = extents.last().map_or(0, |last| last.file_end().0);
    for at in (0..end + 3).map(FileBlock) {
        let expected = extents.iter().find(|extent| extent.file_end() > at).copied();
        assert_eq!(map_at(&mut tx, inode, Fork::Data, at).expect("sound"), expected, "at {at}");
    }
}

#[test]
fn lists_and_trees_map_as_a_plain_search_does() {
    for count in [0, 1, 2, 21] {
        let extents = extents(count);
        agree(vec![0; 1024], &list_inode(&extents), &extents);
    }
    for count in [22, 60, 61, 400] {
        let extents = extents(count);
        let tree = Tree::new(&extents);
        agree(tree.device, &tree.inode, &extents);
    }
}

#[test]
fn overlaps_and_extents_outside_the_volume_are_refused() {
    let spoil: [fn(&mut Extent); 5] = [
        |e| e.file_block.0 -= 1,
        |e| e.len = 0,
        |e| e.start = FsBlock(FSBLOCKS - 1),
        |e| e.start = FsBlock(0),
        |e| e.file_block.0 = 0,
    ];
    for spoil in spoil {
        let mut extents = extents(12);
        spoil(&mut extents[8]);
        let inode = list_inode(&extents);
        let mut store = store(vec![0; 1024]);
        assert!(all(&mut Transaction::new(&mut store), &inode).is_err(), "{:?}", extents[8]);
    }
}

#[test]
fn trees_whose_levels_or_keys_contradict_each_other_are_refused() {
    let extents = extents(400);
    // Root: level; number of entries; a key that is too low; a child of another level; a pointer to nowhere.
    let keys_at = 4;
    let pointers_at = 4 + 20 * 8;
    let spoil: [(usize, &[u8]); 5] = [
        (0, &[0, 3]),
        (2, &[0, 21]),
        (keys_at + 16, &[0; 8]),
        (pointers_at + 8, &3000_u64.to_be_bytes()),
        (pointers_at + 8, &[0xff; 8]),
    ];
    for (at, bytes) in spoil {
        let mut tree = Tree::new(&extents);
        put(&mut tree.inode.literal, at, bytes);
        let mut store = store(tree.device);
        assert!(all(&mut Transaction::new(&mut store), &tree.inode).is_err(), "{bytes:?} at {at}");
    }
}
