//! Extended attributes in every form, held against a map.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::vec::Vec;

use zerocopy::FromBytes;

use super::{DIR, FILE, Shared, assert_sound, contents, fresh, pattern};
use crate::attr::{self, Intent, Key, ParentPointer};
use crate::dir;
use crate::error::{Error, Result};
use crate::format::attr::{AttrFlags, AttrLeaf, LEAF_HEADER_BYTES};
use crate::format::da::Node;
use crate::format::features::{Incompat, Version};
use crate::format::inode::fork_format;
use crate::format::superblock::RawSuperblock;
use crate::format::{BlockKind, header};
use crate::inode::{self, Fork};
use crate::journal::{Locator, Transaction};
use crate::mkfs::FormatOptions;
use crate::units::{AgBlock, FileBlock, Ino};
use crate::volume::{Namespace, SetMode, Volume, XattrName};

type Model = BTreeMap<(Namespace, Vec<u8>), Vec<u8>>;

const NAMESPACES: [Namespace; 3] = [Namespace::User, Namespace::Trusted, Namespace::Security];

/// Numbers that look random, the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// A fresh volume whose inodes have no attributes but those that are set here.
fn plain(mib: usize, change: impl FnOnce(&mut FormatOptions)) -> Shared {
    fresh(mib, |options| {
        options.parent = false;
        change(options);
    })
}

fn attrs(volume: &mut Volume, ino: Ino) -> Model {
    let names = volume.list_xattrs(ino).expect("list");
    let count = names.len();
    let with_value = |name: XattrName| {
        let value = volume.xattr(ino, name.namespace, &name.name).expect("value");
        ((name.namespace, name.name), value)
    };
    let model: Model = names.into_iter().map(with_value).collect();
    assert_eq!(model.len(), count, "a name is listed twice");
    model
}

/// Levels of nodes above the leaves.
fn node_levels(volume: &mut Volume, ino: Ino) -> u16 {
    let mut tx = volume.transaction();
    let inode = inode::read(&mut tx, ino).expect("inode");
    let kinds = &[BlockKind::DaNode, BlockKind::AttrLeaf];
    let locator = dir::da::locate(&mut tx, &inode, Fork::Attr, FileBlock(0), 1, kinds).expect("locate");
    let block = tx.block(&locator.expect("a root")).expect("root");
    if block.kind == BlockKind::DaNode {
        Node::new(&block.bytes).expect("node").header.level.get()
    } else {
        0
    }
}

/// Format of the attribute fork, and its blocks; `None` without one.
fn form(volume: &mut Volume, ino: Ino) -> Option<(u8, u64)> {
    let inode = inode::read(&mut volume.transaction(), ino).expect("inode");
    inode.has_attr_fork().then(|| (inode.core.aformat, inode.nextents(Fork::Attr)))
}

fn set(volume: &mut Volume, ino: Ino, name: &str, value: &[u8]) {
    volume.set_xattr(ino, Namespace::User, name.as_bytes(), value, SetMode::Either).expect("set");
}

#[test]
fn attributes_go_through_all_forms_and_back() {
    for (block_size, inode_size) in [(1024, 512), (4096, 512), (4096, 1024), (65536, 2048)] {
        let device = plain(if block_size == 65536 { 300 } else { 64 }, |options| {
            options.block_size = block_size;
            options.inode_size = inode_size;
        });
        let mut volume = device.open();
        let root = volume.root();
        let ino = volume.create(root, b"file", &FILE).expect("create");
        let free = volume.statfs().expect("statfs").free_fsblocks;
        // Enough for a second level of nodes where blocks are small.
        let count = if block_size == 4096 { 400 } else { 6000 };
        let name = |n: usize| format!("attribute number {n}");
        let value = |n: usize| pattern(n as u8, (n * 37) % 230);
        for n in 0..count {
            set(&mut volume, ino, &name(n), &value(n));
            match n {
                0 => assert_eq!(form(&mut volume, ino), Some((fork_format::LOCAL, 0))),
                30 => assert_ne!(form(&mut volume, ino).expect("fork").0, fork_format::LOCAL),
                _ => {}
            }
            if n.is_power_of_two() || n % 1000 == 0 {
                assert_sound(&mut volume);
            }
        }
        assert_sound(&mut volume);
        assert_eq!(node_levels(&mut volume, ino), if block_size == 1024 { 2 } else { 1 });
        volume.close().expect("close");
        let mut volume = device.open();
        let all = attrs(&mut volume, ino);
        assert_eq!(all.len(), count);
        assert!((0..count).all(|n| all[&(Namespace::User, name(n).into_bytes())] == value(n)));
        for n in 0..count {
            let n = (n * 7919) % count;
            volume.remove_xattr(ino, Namespace::User, name(n).as_bytes()).expect("remove");
            if n % 501 == 0 {
                assert_sound(&mut volume);
                assert!(volume.xattr(ino, Namespace::User, name(n).as_bytes()).is_err());
            }
        }
        assert_eq!(form(&mut volume, ino), None, "without attributes there is no fork");
        assert_sound(&mut volume);
        volume.sync().expect("sync");
        assert_eq!(volume.statfs().expect("statfs").free_fsblocks, free, "all blocks came back");
    }
}

/// Lengths that matter: of nothing, of shortform, around the border between leaf and blocks of their own, the most.
fn value_len(numbers: &mut Numbers, block_size: usize) -> usize {
    let border = block_size * 3 / 4;
    match numbers.below(20) {
        0 => 0,
        1..=9 => numbers.below(40) as usize,
        10..=12 => numbers.below(256) as usize,
        13 | 14 => border - 40 + numbers.below(60) as usize,
        15 => block_size - 56 + numbers.below(3) as usize,
        16 => 65536 - numbers.below(3) as usize,
        _ => numbers.below(block_size as u64 * 3) as usize,
    }
}

/// Random changes to a few files.
fn churn(block_size: u32, inode_size: u32, seed: u64, steps: usize) {
    let device = plain(96, |options| {
        options.block_size = block_size;
        options.inode_size = inode_size;
    });
    let mut volume = device.open();
    let root = volume.root();
    let file = volume.create(root, b"file", &FILE).expect("create");
    volume.write(file, 0, &pattern(5, 100_000)).expect("write");
    let dir = volume.mkdir(root, b"dir", &DIR).expect("mkdir");
    for n in 0..6 {
        volume.create(dir, format!("a file with a long name {n}").as_bytes(), &FILE).expect("create");
    }
    let mut numbers = Numbers(seed);
    let mut models: Vec<(Ino, Model)> = [file, dir, root].map(|ino| (ino, Model::new())).into();
    for step in 0..steps {
        let (ino, model) = &mut models[numbers.below(3) as usize];
        let namespace = NAMESPACES[numbers.below(3) as usize];
        // Phases in which there are few names, and many.
        let names = if (step / 150).is_multiple_of(2) { 12 } else { 300 };
        let number = numbers.below(names);
        let name = format!("{number}{}", "x".repeat(if number.is_multiple_of(40) { 250 } else { 4 }));
        let key = (namespace, name.clone().into_bytes());
        let removes = if (step / 400).is_multiple_of(2) { 30 } else { 60 };
        if numbers.below(100) < removes {
            let outcome = volume.remove_xattr(*ino, namespace, name.as_bytes());
            assert_eq!(outcome.is_ok(), model.remove(&key).is_some(), "step {step}: {outcome:?}");
        } else {
            let value = pattern(step as u8, value_len(&mut numbers, block_size as usize));
            let mode = if model.contains_key(&key) { SetMode::Replace } else { SetMode::Create };
            volume.set_xattr(*ino, namespace, name.as_bytes(), &value, mode).expect("set");
            model.insert(key, value);
        }
        if step % 50 == 49 {
            assert_sound(&mut volume);
        }
        if step % 250 == 249 {
            volume.close().expect("close");
            volume = device.open();
        }
        if step % 50 == 49 {
            for (ino, model) in &models {
                assert!(attrs(&mut volume, *ino) == *model, "step {step}, inode {ino}");
            }
        }
    }
    assert!(contents(&mut volume, file) == pattern(5, 100_000));
    assert_eq!(volume.read_dir(dir).expect("read_dir").len(), 6);
    for (ino, model) in &models {
        for (namespace, name) in model.keys() {
            volume.remove_xattr(*ino, *namespace, name).expect("remove");
        }
        assert_eq!(form(&mut volume, *ino), None);
    }
    assert_sound(&mut volume);
}

#[test]
fn random_changes_of_attributes_match_a_map_with_small_blocks() {
    churn(1024, 512, 1, 2000);
}

#[test]
fn random_changes_of_attributes_match_a_map_with_large_blocks() {
    churn(4096, 512, 2, 1200);
    churn(4096, 1024, 3, 1200);
}

#[test]
fn extents_make_way_for_attributes() {
    let device = plain(64, |options| options.block_size = 1024);
    for extents in [2_u64, 12, 13, 19, 21, 25, 60, 3000] {
        for value_len in [4, 100, 240, 3000] {
            let mut volume = device.open();
            let root = volume.root();
            let file = volume.create(root, b"sieve", &FILE).expect("create");
            for n in 0..extents {
                volume.write(file, n * 2048, &pattern(n as u8, 1024)).expect("write");
            }
            volume.sync().expect("sync");
            set(&mut volume, file, "first", &pattern(1, value_len));
            set(&mut volume, file, "second", b"and one that may move the border");
            assert_sound(&mut volume);
            volume.close().expect("close");
            let mut volume = device.open();
            assert_eq!(volume.xattr(file, Namespace::User, b"first").expect("first"), pattern(1, value_len));
            for n in 0..extents {
                let mut found = [0; 1024];
                volume.read(file, n * 2048, &mut found).expect("read");
                assert!(
                    found[..] == pattern(n as u8, 1024),
                    "{extents} extents, {value_len} bytes, block {n}"
                );
            }
            // The data fork grows and shrinks beside the attributes.
            for n in extents..extents + 30 {
                volume.write(file, n * 2048, &pattern(n as u8, 1024)).expect("write");
            }
            volume.sync().expect("sync");
            assert_sound(&mut volume);
            volume.truncate(file, 1024).expect("truncate");
            volume.remove_xattr(file, Namespace::User, b"first").expect("remove");
            assert_sound(&mut volume);
            volume.remove_xattr(file, Namespace::User, b"second").expect("remove");
            assert_eq!(form(&mut volume, file), None);
            volume.unlink(root, b"sieve").expect("unlink");
            assert_sound(&mut volume);
            volume.close().expect("close");
        }
    }
}

#[test]
fn names_in_a_directory_make_way_for_attributes() {
    let device = plain(64, |_| {});
    let mut volume = device.open();
    let root = volume.root();
    for names in [0, 3, 6, 11] {
        let dir = volume.mkdir(root, format!("d{names}").as_bytes(), &DIR).expect("mkdir");
        for n in 0..names {
            volume.create(dir, format!("a name of about 24 bytes{n}").as_bytes(), &FILE).expect("create");
        }
        set(&mut volume, dir, "large", &pattern(3, 1000));
        assert_sound(&mut volume);
        volume.create(dir, b"one more, with a name of its own", &FILE).expect("create");
        assert_eq!(volume.read_dir(dir).expect("read_dir").len(), names + 1);
        assert_sound(&mut volume);
        volume.remove_xattr(dir, Namespace::User, b"large").expect("remove");
        assert_sound(&mut volume);
    }
}

#[test]
fn mistakes_are_those_of_setxattr() {
    let device = plain(64, |_| {});
    let mut volume = device.open();
    let root = volume.root();
    let file = volume.create(root, b"file", &FILE).expect("create");
    set(&mut volume, file, "here", b"1");
    volume.sync().expect("sync");
    let before = device.bytes.borrow().clone();
    let mut try_set = |name: &[u8], len: usize, mode| {
        volume.set_xattr(file, Namespace::User, name, &pattern(0, len), mode).expect_err("refused").code()
    };
    assert_eq!(try_set(b"here", 1, SetMode::Create), "invalid.exists");
    assert_eq!(try_set(b"there", 1, SetMode::Replace), "invalid.no-attribute");
    assert_eq!(try_set(b"", 1, SetMode::Either), "invalid.argument");
    assert_eq!(try_set(b"a\0b", 1, SetMode::Either), "invalid.argument");
    assert_eq!(try_set(&[b'n'; 256], 1, SetMode::Either), "invalid.name-too-long");
    assert_eq!(try_set(b"there", 65537, SetMode::Either), "invalid.value-too-large");
    let removed = volume.remove_xattr(file, Namespace::Trusted, b"here");
    assert_eq!(removed.expect_err("refused").code(), "invalid.no-attribute");
    volume.sync().expect("sync");
    assert!(*device.bytes.borrow() == before);
    volume.set_xattr(file, Namespace::User, &[b'n'; 255], &pattern(0, 65536), SetMode::Create).expect("most");
    assert!(volume.geometry().version.contains(Version::ATTR));
    assert_sound(&mut volume);
}

#[test]
fn without_space_nothing_changes() {
    let device = plain(32, |options| options.block_size = 1024);
    let mut volume = device.open();
    let root = volume.root();
    let file = volume.create(root, b"file", &FILE).expect("create");
    let mut model = Model::new();
    for n in 0.. {
        let name = format!("{n}");
        let value = pattern(n as u8, 60_000);
        match volume.set_xattr(file, Namespace::User, name.as_bytes(), &value, SetMode::Either) {
            Ok(()) => drop(model.insert((Namespace::User, name.into_bytes()), value)),
            Err(Error::NoSpace) => break,
            Err(error) => panic!("{error}"),
        }
    }
    assert!(model.len() > 100, "{}", model.len());
    assert_sound(&mut volume);
    assert!(attrs(&mut volume, file) == model);
    volume.unlink(root, b"file").expect("unlink");
    assert_sound(&mut volume);
}

/// A fresh volume in whose superblocks the feature is turned on.
fn with_parent_pointers() -> Shared {
    let device = plain(64, |_| {});
    turn_parent_pointers_on(&device);
    device
}

fn turn_parent_pointers_on(device: &Shared) {
    let geometry = device.open().geometry().clone();
    let mut bytes = device.bytes.borrow_mut();
    for ag in geometry.ags() {
        let at = geometry.ag_byte(ag, AgBlock(0)) as usize;
        let sector = &mut bytes[at..at + 512];
        let raw = RawSuperblock::mut_from_prefix(sector).expect("a superblock").0;
        raw.features_incompat.set(raw.features_incompat.get() | Incompat::PARENT.bits());
        header::seal(BlockKind::Superblock, sector);
    }
}

/// In a transaction of its own.
fn in_transaction<R>(volume: &mut Volume, act: impl FnOnce(&mut Transaction<'_>) -> Result<R>) -> R {
    let mut tx = volume.transaction();
    let outcome = act(&mut tx).expect("changes");
    tx.commit().expect("commits");
    outcome
}

#[test]
fn parent_pointers_are_told_apart_by_value() {
    let device = with_parent_pointers();
    let mut volume = device.open();
    assert!(volume.geometry().incompat.contains(Incompat::PARENT));
    let root = volume.root();
    let own = volume.parents(root).expect("parents");
    let pointer = |n: u64| ParentPointer {
        parent: Ino(128 + n % 50),
        generation: (n / 50) as u32,
        name: b"the same name".to_vec(),
    };
    for n in 0..300 {
        in_transaction(&mut volume, |tx| attr::add_parent(tx, root, &pointer(n)));
        in_transaction(&mut volume, |tx| attr::add_parent(tx, root, &pointer(n / 2)));
    }
    let mut found = volume.parents(root).expect("parents");
    found.sort();
    let mut expected: Vec<_> = (0..300).map(pointer).chain(own.clone()).collect();
    expected.sort();
    assert!(found == expected);
    assert_eq!(volume.list_xattrs(root).expect("list"), []);
    for n in 0..300 {
        let n = n * 7 % 300;
        assert!(in_transaction(&mut volume, |tx| attr::remove_parent(tx, root, &pointer(n))));
        assert!(!in_transaction(&mut volume, |tx| attr::remove_parent(tx, root, &pointer(n))));
    }
    assert_eq!(volume.parents(root).expect("parents"), own);
    assert!(form(&mut volume, root).is_some(), "where there are parent pointers the fork stays");
    set(&mut volume, root, "of a user", b"value");
    assert_sound(&mut volume);
}

#[test]
fn a_name_and_its_parent_pointer_make_a_sound_pair() {
    // The names come first: they can't change any more once the feature is on.
    let device = plain(64, |_| {});
    let mut volume = device.open();
    let root = volume.root();
    for n in 0..4 {
        let dir = volume.mkdir(root, format!("directory {n}").as_bytes(), &DIR).expect("mkdir");
        for n in 0..20 {
            volume.create(dir, format!("{}{n}", "a file ".repeat(n)).as_bytes(), &FILE).expect("create");
        }
    }
    volume.close().expect("close");
    turn_parent_pointers_on(&device);
    let mut volume = device.open();
    let mut pending = alloc::vec![root];
    let mut pairs = Vec::new();
    while let Some(dir) = pending.pop() {
        let generation = volume.stat(dir).expect("stat").generation;
        for entry in volume.read_dir(dir).expect("read_dir") {
            pairs.push((entry.ino, ParentPointer { parent: dir, generation, name: entry.name }));
            if entry.file_type == Some(crate::volume::FileType::Directory) {
                pending.push(entry.ino);
            }
        }
    }
    assert_eq!(pairs.len(), 84);
    for (ino, pointer) in &pairs {
        in_transaction(&mut volume, |tx| attr::add_parent(tx, *ino, pointer));
        assert_eq!(volume.parents(*ino).expect("parents"), core::slice::from_ref(pointer));
    }
    assert_sound(&mut volume);
    // Of a name in two directories, the one that is meant goes.
    let (ino, pointer) = &pairs[50];
    let other = ParentPointer { parent: root, ..pointer.clone() };
    in_transaction(&mut volume, |tx| attr::add_parent(tx, *ino, &other));
    assert!(in_transaction(&mut volume, |tx| attr::remove_parent(tx, *ino, &other)));
    assert_sound(&mut volume);
}

/// Flags the attribute `name` of user's namespace as incomplete, in the only leaf.
fn make_incomplete(volume: &mut Volume, ino: Ino, name: &[u8]) {
    in_transaction(volume, |tx| {
        let inode = inode::read(tx, ino)?;
        let at = inode::map_at(tx, &inode, Fork::Attr, FileBlock(0))?.expect("a leaf");
        let daddr = tx.geometry().daddr(at.start);
        let kinds = &[BlockKind::AttrLeaf];
        let locator = Locator::new(kinds, daddr, tx.geometry().blocksize, Some(ino.0));
        let leaf_bytes = tx.read(&locator)?.to_vec();
        let leaf = AttrLeaf::new(&leaf_bytes).expect("leaf");
        let is_it = |index: &usize| leaf.attr(&leaf.entry(*index)).expect("attr").name == name;
        let index = (0..leaf.len()).find(is_it).expect("there");
        let at = LEAF_HEADER_BYTES + 8 * index + 6;
        tx.modify(&locator, at..at + 1)?[at] |= AttrFlags::INCOMPLETE.bits();
        Ok(())
    });
}

#[test]
fn what_was_left_incomplete_is_not_seen_and_gives_way() {
    let device = plain(64, |_| {});
    let mut volume = device.open();
    let root = volume.root();
    let free = volume.statfs().expect("statfs").free_fsblocks;
    set(&mut volume, root, "other", &pattern(1, 500));
    for len in [700, 20_000] {
        set(&mut volume, root, "torn", &pattern(2, len));
        make_incomplete(&mut volume, root, b"torn");
        assert!(volume.xattr(root, Namespace::User, b"torn").is_err());
        set(&mut volume, root, "torn", b"whole again");
        assert_eq!(volume.xattr(root, Namespace::User, b"torn").expect("value"), b"whole again");
        assert_sound(&mut volume);
        set(&mut volume, root, "torn", &pattern(2, len));
        make_incomplete(&mut volume, root, b"torn");
        let key = Key { namespace: AttrFlags::empty(), name: b"torn", value: None };
        assert!(!in_transaction(&mut volume, |tx| attr::remove(tx, root, &key)));
        assert_eq!(attrs(&mut volume, root).len(), 1);
    }
    volume.remove_xattr(root, Namespace::User, b"other").expect("remove");
    assert_sound(&mut volume);
    volume.sync().expect("sync");
    assert_eq!(volume.statfs().expect("statfs").free_fsblocks, free);
}

#[test]
fn an_intent_leads_to_the_same_end_however_much_of_it_was_done() {
    let device = with_parent_pointers();
    let mut volume = device.open();
    let root = volume.root();
    let (long, parent, other) = (pattern(4, 9000), [1; 12], [2; 12]);
    let intent = |op, filter, name: &'static [u8]| Intent {
        op,
        filter,
        name,
        new_name: b"new name",
        value: if op > 3 { &parent } else { &long },
        new_value: &other,
    };
    let own = volume.parents(root).expect("parents").len();
    for round in 0..3 {
        for op in [1, 3] {
            in_transaction(&mut volume, |tx| attr::apply_intent(tx, root, &intent(op, 0x82, b"t")));
            assert!(volume.xattr(root, Namespace::Trusted, b"t").expect("value") == long);
            if round == 1 {
                make_incomplete(&mut volume, root, b"t");
            }
        }
        for op in [4, 5, 5, 4, 4, 6, 6] {
            in_transaction(&mut volume, |tx| attr::apply_intent(tx, root, &intent(op, 8, b"old name")));
        }
        assert_eq!(volume.parents(root).expect("parents").len(), own + 1);
    }
    for _ in 0..2 {
        in_transaction(&mut volume, |tx| attr::apply_intent(tx, root, &intent(2, 2, b"t")));
    }
    assert!(volume.list_xattrs(root).expect("list").is_empty());
    for bad in
        [intent(0, 0, b"x"), intent(1, 8, b"x"), intent(4, 0, b"x"), intent(1, 6, b"x"), intent(1, 0, b"")]
    {
        let refused = attr::apply_intent(&mut volume.transaction(), root, &bad);
        assert!(matches!(refused, Err(Error::Corrupt(_))), "{bad:?}");
    }
}
