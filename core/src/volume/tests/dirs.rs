//! Directories that grow through all their forms and shrink again.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::{DIR, FILE, Shared, assert_sound, fresh};
use crate::dir::{self, Form};
use crate::inode;
use crate::units::Ino;
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
