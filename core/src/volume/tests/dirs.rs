//! Directories that grow through all their forms and shrink again.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::{DIR, FILE, Shared, assert_sound, fresh};
use crate::cache::Piece;
use crate::dir::edit::{self, NewName};
use crate::dir::{self, Form};
use crate::error::{Error, Result};
use crate::format::BlockKind;
use crate::format::da::{Node, name_hash};
use crate::format::extent::Extent;
use crate::format::inode::FileType;
use crate::inode::core::core_mut;
use crate::inode::{self, Fork, Inode, bmap};
use crate::journal::{Locator, Transaction};
use crate::mkfs::FormatOptions;
use crate::units::{FileBlock, FsBlock, Ino};
use crate::volume::Volume;

/// Small steps of a generator whose seed is printed when a test fails.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % bound
    }
}

fn form(volume: &mut Volume, dir: Ino) -> Form {
    let mut tx = volume.transaction();
    let dir = inode::read(&mut tx, dir).expect("inode");
    dir::form(&mut tx, &dir).expect("form")
}

/// A directory, and what must be in it.
struct Twin {
    volume: Volume,
    dir: Ino,
    names: BTreeMap<String, Ino>,
    random: Random,
}

impl Twin {
    fn new(device: &Shared, seed: u64) -> Self {
        let mut volume = device.open();
        let root = volume.root();
        let dir = volume.mkdir(root, b"dir", &DIR).expect("mkdir");
        Self { volume, dir, names: BTreeMap::new(), random: Random(seed) }
    }

    fn add(&mut self, name: String) {
        let made = self.volume.create(self.dir, name.as_bytes(), &FILE);
        let ino = made.unwrap_or_else(|error| panic!("create {name}: {error}"));
        self.names.insert(name, ino);
    }

    fn add_some(&mut self, count: usize) {
        for _ in 0..count {
            let number = self.random.below(1_000_000);
            let len = 1 + self.random.below(40);
            let name = format!("{number:0len$}");
            if !self.names.contains_key(&name) {
                self.add(name);
            }
        }
    }

    fn remove(&mut self, name: &str) {
        let gone = self.volume.unlink(self.dir, name.as_bytes());
        gone.unwrap_or_else(|error| panic!("unlink {name}: {error}"));
        self.names.remove(name);
    }

    fn remove_some(&mut self, count: usize) {
        for _ in 0..count.min(self.names.len()) {
            let number = format!("{:06}", self.random.below(1_000_000));
            let next = self.names.range(number..).next().or_else(|| self.names.iter().next());
            let name = next.expect("not empty").0.clone();
            self.remove(&name);
        }
    }

    /// What is listed and looked up is what was made.
    fn check(&mut self) {
        let listed = self.volume.read_dir(self.dir).expect("read_dir");
        let listed: BTreeMap<_, _> = listed
            .into_iter()
            .map(|entry| (String::from_utf8(entry.name).expect("text"), entry.ino))
            .collect();
        assert!(listed == self.names, "{} listed, {} made", listed.len(), self.names.len());
        for (name, &ino) in &self.names {
            assert_eq!(self.volume.lookup(self.dir, name.as_bytes()).expect("lookup"), ino, "{name}");
        }
        assert_sound(&mut self.volume);
    }
}

#[test]
fn a_directory_goes_through_all_forms_and_back() {
    for (block_size, dir_block_size) in [(1024, 4096), (4096, 4096), (4096, 16384), (65536, 65536)] {
        let mib = if block_size == 65536 { 256 } else { 64 };
        let device = fresh(mib, |options| {
            options.block_size = block_size;
            options.dir_block_size = dir_block_size;
        });
        let mut twin = Twin::new(&device, u64::from(block_size + dir_block_size));
        let free = twin.volume.statfs().expect("statfs").free_fsblocks;
        let mut seen = Vec::new();
        while form(&mut twin.volume, twin.dir) != Form::Node {
            let now = form(&mut twin.volume, twin.dir);
            if seen.last() != Some(&now) {
                seen.push(now);
                twin.check();
            }
            twin.add_some(7);
            twin.remove_some(2);
        }
        twin.add_some(700);
        twin.check();
        assert_eq!(seen, [Form::Shortform, Form::Block, Form::Leaf]);
        seen.clear();
        while !twin.names.is_empty() {
            twin.remove_some(8);
            if twin.names.len() > 12 {
                twin.add_some(1);
            }
            let now = form(&mut twin.volume, twin.dir);
            if seen.last() != Some(&now) {
                seen.push(now);
                twin.check();
            }
        }
        twin.check();
        assert_eq!(seen.last(), Some(&Form::Shortform), "{seen:?}");
        assert!(seen.starts_with(&[Form::Node, Form::Leaf]), "{seen:?}");
        let root = twin.volume.root();
        twin.volume.rmdir(root, b"dir").expect("rmdir");
        twin.volume.sync().expect("sync");
        assert_sound(&mut twin.volume);
        let after = twin.volume.statfs().expect("statfs").free_fsblocks;
        // Inodes that share their block with another chunk stay.
        if twin.volume.geometry().inopblock <= 64 {
            assert!(after >= free, "{after} of {free}");
        }
    }
}

/// Adds or removes entries that all name one file, many in a transaction. Its link count follows.
fn many_links(
    volume: &mut Volume,
    dir: Ino,
    file: Ino,
    names: impl Iterator<Item = Vec<u8>>,
    act: impl Fn(&mut Transaction<'_>, &Inode, &NewName<'_>) -> Result<()>,
    change: i32,
) {
    let mut names = names.peekable();
    while names.peek().is_some() {
        let mut tx = volume.transaction();
        let mut done = 0;
        while !tx.is_full()
            && let Some(name) = names.next()
        {
            let dir = inode::read(&mut tx, dir).expect("inode");
            let new = NewName { name: &name, ino: file, file_type: FileType::Regular };
            act(&mut tx, &dir, &new).unwrap_or_else(|error| panic!("{name:?}: {error}"));
            done += change;
        }
        let nlink = &mut core_mut(&mut tx, file).expect("core").nlink;
        nlink.set(nlink.get().saturating_add_signed(done));
        tx.commit().expect("commit");
    }
}

/// Blocks of 1 KiB, and files that do not remember their names: the tests here have one with very many.
fn small_blocks(options: &mut FormatOptions) {
    options.block_size = 1024;
    options.parent = false;
}

/// What a name begins with so that its hash is as high as the four bytes behind.
fn neutral_prefix() -> Vec<u8> {
    let is_fine = |byte: u8| byte != 0 && byte != b'/';
    let prefixes = (0..).map(|n| format!("{n:048}").into_bytes());
    let mut neutral = prefixes.filter_map(|mut prefix| {
        let rest = name_hash(&prefix).rotate_left(28);
        let bytes = [21, 14, 7, 0].map(|shift| (rest >> shift & 0x7f) as u8);
        prefix.extend(bytes);
        (rest >> 28 == 0 && bytes.into_iter().all(is_fine)).then_some(prefix)
    });
    let prefix = neutral.next().expect("one in thirty-two");
    assert_eq!(name_hash(&prefix), 0);
    prefix
}

#[test]
fn the_tree_and_the_free_index_grow_as_far_as_it_takes() {
    const COUNT: usize = 131_000;
    let device = fresh(96, small_blocks);
    let mut volume = device.open();
    let root = volume.root();
    let dir = volume.mkdir(root, b"dir", &DIR).expect("mkdir");
    let file = volume.create(root, b"file", &FILE).expect("create");
    let prefix = neutral_prefix();
    // By rising hash: only the last leaf ever splits, so all others stay half full and there are many.
    let name = |n: usize| {
        let digits = [18, 12, 6, 0].map(|shift| 0x40 + (n >> shift & 0x3f) as u8);
        [&prefix[..], &digits].concat()
    };
    many_links(&mut volume, dir, file, (0..COUNT).map(name), edit::add, 1);
    let (level, free_blocks) = index_of(&mut volume, dir);
    assert!(level == 2 && free_blocks > 1, "level {level}, {free_blocks} blocks of the free index");
    for n in (0..COUNT).step_by(997) {
        assert_eq!(volume.lookup(dir, &name(n)).expect("lookup"), file);
    }
    assert_sound(&mut volume);
    let order = |n: usize| name(n * 7919 % COUNT);
    let remove = |tx: &mut Transaction<'_>, dir: &Inode, new: &NewName<'_>| edit::remove(tx, dir, new.name);
    many_links(&mut volume, dir, file, (0..COUNT * 9 / 10).map(order), remove, -1);
    assert_sound(&mut volume);
    let (level, _) = index_of(&mut volume, dir);
    assert_eq!(level, 1);
    many_links(&mut volume, dir, file, (COUNT * 9 / 10..COUNT).map(order), remove, -1);
    assert_eq!(form(&mut volume, dir), Form::Shortform);
    assert_sound(&mut volume);
}

/// Level of the root of the tree, and blocks of the free index.
fn index_of(volume: &mut Volume, dir: Ino) -> (u16, u64) {
    let mut tx = volume.transaction();
    let (root, unit) = (tx.geometry().dir_leaf_start(), tx.geometry().dir_fsblocks());
    let free = tx.geometry().dir_free_start();
    let inode = inode::read(&mut tx, dir).expect("inode");
    let kinds = &[BlockKind::DaNode, BlockKind::DirLeafN];
    let at = dir::da::locate(&mut tx, &inode, Fork::Data, root, unit, kinds).expect("locate").expect("root");
    let bytes = tx.read(&at).expect("read");
    let level = Node::new(bytes).map_or(0, |node| node.header.level.get());
    let last = bmap::last(&mut tx, dir, Fork::Data).expect("last").expect("extents");
    (level, last.file_end().since(free) / u64::from(unit))
}

/// Gives every block of a directory a place in pieces, as Linux may.
fn scatter(volume: &mut Volume, dir: Ino) {
    let mut next = 5000;
    let mut at = FileBlock(0);
    while let Some(extent) = bmap::lookup(&mut volume.transaction(), dir, Fork::Data, at).expect("lookup") {
        let mut tx = volume.transaction();
        at = FileBlock(extent.file_block.0.max(at.0) / 4 * 4);
        let inode = inode::read(&mut tx, dir).expect("inode");
        let old = dir::da::locate(&mut tx, &inode, Fork::Data, at, 4, &BlockKind::ALL).expect("locate");
        let old = old.expect("a block");
        let block = tx.block(&old).expect("block").clone();
        bmap::unmap(&mut tx, dir, Fork::Data, at, at.plus(4)).expect("unmap");
        tx.cancel(old.daddr, 4096);
        let mut pieces = Vec::new();
        for (skip, start) in [(0, next), (2, next + 3)] {
            let (file_block, start) = (at.plus(skip), FsBlock(start));
            let extent = Extent { file_block, start, len: 2, unwritten: false };
            bmap::allocate_exact(&mut tx, dir, Fork::Data, extent).expect("allocate");
            pieces.push(Piece { daddr: tx.geometry().daddr(start), len_bytes: 2048 });
        }
        let index = BlockKind::ALL.iter().position(|&kind| kind == block.kind).expect("a kind");
        const KINDS: &[BlockKind] = &BlockKind::ALL;
        let kinds = &KINDS[index..=index];
        let locator = Locator { kinds, daddr: pieces[0].daddr, pieces, ..old };
        dir::copy_contents(block.kind, &block.bytes, tx.create(&locator));
        tx.commit().expect("commit");
        next += 6;
        at = at.plus(4);
    }
}

#[test]
fn blocks_in_pieces_are_made_whole_before_they_change() {
    for count in [150, 1200] {
        let device = fresh(64, small_blocks);
        let mut volume = device.open();
        let root = volume.root();
        let dir = volume.mkdir(root, b"dir", &DIR).expect("mkdir");
        let file = volume.create(root, b"file", &FILE).expect("create");
        let name = |n: usize| format!("{:x} a name {n}", n as u64 * 0x9e37_79b1).into_bytes();
        many_links(&mut volume, dir, file, (0..count).map(name), edit::add, 1);
        let expected = if count < 1000 { Form::Leaf } else { Form::Node };
        assert_eq!(form(&mut volume, dir), expected);
        scatter(&mut volume, dir);
        volume.sync().expect("sync");
        assert_sound(&mut volume);
        let whole = |tx: &Transaction<'_>| {
            assert!(
                tx.changes().all(|change| change.block.pieces.len() == 1),
                "a change of scattered blocks"
            );
        };
        let add = |tx: &mut Transaction<'_>, dir: &Inode, new: &NewName<'_>| {
            edit::add(tx, dir, new)?;
            whole(tx);
            Ok(())
        };
        many_links(&mut volume, dir, file, (count..count + 40).map(name), add, 1);
        assert_sound(&mut volume);
        let remove = |tx: &mut Transaction<'_>, dir: &Inode, new: &NewName<'_>| {
            edit::remove(tx, dir, new.name)?;
            whole(tx);
            Ok(())
        };
        many_links(&mut volume, dir, file, (0..count + 40).map(name), remove, -1);
        assert_eq!(form(&mut volume, dir), Form::Shortform);
        assert_sound(&mut volume);
    }
}

#[test]
fn a_full_volume_takes_no_names_and_gives_them_up() {
    for block_size in [1024, 4096] {
        let device = fresh(16, |options| {
            options.block_size = block_size;
            options.log_fsblocks = Some((2 << 20) / block_size);
        });
        let mut twin = Twin::new(&device, 3);
        let root = twin.volume.root();
        let filler = twin.volume.create(root, b"filler", &FILE).expect("create");
        let mut size = 0;
        let mut is_full = false;
        // Names and data in turn, until neither finds any room.
        for serial in 0.. {
            let name = format!("{serial:0150}");
            match twin.volume.create(twin.dir, name.as_bytes(), &FILE) {
                Ok(ino) => drop(twin.names.insert(name, ino)),
                Err(Error::NoSpace) if is_full => break,
                Err(Error::NoSpace) => {}
                Err(error) => panic!("{error}"),
            }
            let len = 30_000;
            match twin.volume.write(filler, size, &alloc::vec![7; len]) {
                Ok(()) => size += len as u64,
                Err(Error::NoSpace) => is_full = true,
                Err(error) => panic!("{error}"),
            }
        }
        twin.volume.sync().expect("sync");
        // What writeback did not need after all is left for names.
        let refused = loop {
            let name = format!("{:0151}", twin.names.len());
            match twin.volume.create(twin.dir, name.as_bytes(), &FILE) {
                Ok(ino) => drop(twin.names.insert(name, ino)),
                Err(error) => break error,
            }
        };
        let before = twin.volume.statfs().expect("statfs");
        assert!(twin.volume.create(twin.dir, &[b'x'; 150], &FILE).is_err());
        assert_eq!(refused, Error::NoSpace);
        assert_eq!(twin.volume.statfs().expect("statfs"), before);
        twin.check();
        while !twin.names.is_empty() {
            twin.remove_some(20);
        }
        twin.volume.rmdir(root, b"dir").expect("rmdir");
        twin.volume.sync().expect("sync");
        assert_sound(&mut twin.volume);
    }
}

/// A cookie leads on from where it was, whether its name is still there or not.
#[test]
fn a_listing_goes_on_while_names_come_and_go() {
    for count in [6, 40, 400, 2000] {
        let device = fresh(64, |_| {});
        let mut twin = Twin::new(&device, count as u64);
        twin.add_some(count);
        let start = form(&mut twin.volume, twin.dir);
        let stayed: BTreeMap<_, _> = twin.names.clone();
        let mut met = Vec::new();
        let (mut cookie, mut gone) = (0, Vec::new());
        loop {
            let entries = twin.volume.read_dir_from(twin.dir, cookie, 3).expect("read_dir");
            let Some(last) = entries.last() else { break };
            assert!(entries.iter().all(|entry| entry.cookie > cookie));
            cookie = last.cookie;
            met.extend(entries.iter().map(|entry| String::from_utf8(entry.name.clone()).expect("text")));
            // The last one goes, and one comes; the form stays, so that the cookies do.
            if met.len() % 2 == 0 && gone.len() < count / 8 {
                let name = met[met.len() - 1].clone();
                twin.remove(&name);
                gone.push(name);
                twin.add(format!("new {}", met.len()));
            }
        }
        assert_eq!(form(&mut twin.volume, twin.dir), start);
        for name in stayed.keys() {
            assert_eq!(met.iter().filter(|other| *other == name).count(), 1, "{count}: {name}");
        }
        twin.check();
    }
}

/// A directory goes through its forms. Stops at the first error.
fn scenario(volume: &mut Volume) -> Result<()> {
    let root = volume.root();
    let dir = volume.lookup(root, b"dir")?;
    let name = |n: usize| format!("{n:0120}");
    for n in 30..60 {
        volume.create(dir, name(n).as_bytes(), &FILE)?;
    }
    volume.sync()?;
    for n in 0..20 {
        volume.unlink(dir, name(n * 3).as_bytes())?;
    }
    let large = volume.lookup(root, b"large")?;
    for n in 480..520 {
        volume.create(large, name(n).as_bytes(), &FILE)?;
    }
    volume.sync()?;
    for n in 0..60 {
        volume.unlink(large, name(n).as_bytes())?;
    }
    volume.sync()
}

#[test]
fn any_failing_call_leaves_directories_sound() {
    let prepared = fresh(32, |_| {});
    let mut volume = prepared.open();
    let root = volume.root();
    for (dir, count) in [(&b"dir"[..], 30), (b"large", 480)] {
        let dir = volume.mkdir(root, dir, &DIR).expect("mkdir");
        for n in 0..count {
            volume.create(dir, format!("{n:0120}").as_bytes(), &FILE).expect("create");
        }
    }
    volume.close().expect("close");
    for once in [true, false] {
        for call in 0.. {
            let device = prepared.snapshot();
            device.fail_once.set(once);
            let mut volume = device.open();
            device.calls_left.set(Some(call));
            let outcome = scenario(&mut volume);
            device.calls_left.set(None);
            match volume.sync() {
                Ok(()) => assert_sound(&mut device.open()),
                Err(Error::Shutdown { .. }) => {
                    let after = device.open();
                    let says_so = after.read_only_reason().is_some_and(|reason| reason.contains("repair"));
                    if !says_so {
                        assert_sound(&mut device.open());
                    }
                }
                Err(error) => panic!("call {call}: {error}"),
            }
            if outcome.is_ok() {
                break;
            }
        }
    }
}
