//! Directories of every form: the same names come and go by the kernel on one image and by xfskit on its twin, each
//! taking over from the other. Listings must be equal, and so must the blocks that the directories have.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use xfskit_tests::options::OptionSet;
use xfskit_tests::referee::Referee;
use xfskit_tests::rng::Rng;
use xfskit_tests::session::{Session, findings, new_inode};
use xfskit_tests::temp::TempDir;

/// One change of a directory.
enum Change {
    Add(Vec<u8>),
    Remove(Vec<u8>),
}

/// How names look.
#[derive(Clone, Copy)]
enum Names {
    /// Of 1 to 60 bytes.
    Mixed,
    /// Of 255 bytes: few fit a block, so the free index grows.
    Long,
    /// A third of them share one hash.
    Colliding,
}

/// Random names for one directory, and which of them are there.
struct Script {
    rng: Rng,
    names: Names,
    present: BTreeSet<Vec<u8>>,
    /// The same, in the order of a list that one can pick from.
    list: Vec<Vec<u8>>,
}

impl Script {
    fn new(seed: u64, label: &str, names: Names) -> Self {
        Self { rng: Rng::named(seed, label), names, present: BTreeSet::new(), list: Vec::new() }
    }

    /// A name with a hash that many others have: bit 0 of a byte and bit 7 of the next one cancel each other.
    fn colliding(&mut self) -> Vec<u8> {
        let mut name = b"same hash @@@@@@@@@@@@@@@@@@@@@@@@".to_vec();
        for pair in name[10..].chunks_exact_mut(2) {
            if self.rng.chance(50) {
                pair[0] ^= 1;
                pair[1] ^= 0x80;
            }
        }
        name
    }

    fn name(&mut self) -> Vec<u8> {
        let number = self.rng.bits();
        match self.names {
            Names::Colliding if number.is_multiple_of(3) => self.colliding(),
            Names::Long => format!("{number:0255}").into_bytes(),
            Names::Mixed | Names::Colliding => {
                let len = self.rng.range(1, 61) as usize;
                let name = format!("{number:x}-{number:060}");
                name.as_bytes()[..len].to_vec()
            }
        }
    }

    /// `count` changes, of which `percent` add a name.
    fn changes(&mut self, count: usize, percent: u64) -> Vec<Change> {
        let mut changes = Vec::with_capacity(count);
        while changes.len() < count {
            if self.rng.chance(percent) {
                let name = self.name();
                if self.present.insert(name.clone()) {
                    self.list.push(name.clone());
                    changes.push(Change::Add(name));
                }
            } else if self.list.is_empty() {
                return changes;
            } else {
                let index = self.rng.index(self.list.len());
                let name = self.list.swap_remove(index);
                self.present.remove(&name);
                changes.push(Change::Remove(name));
            }
        }
        changes
    }
}

fn by_kernel(referee: &Referee, image: &Path, changes: &[Change]) {
    let mount = referee.mount(image);
    let dir = mount.path().join("dir");
    for change in changes {
        match change {
            Change::Add(name) => drop(File::create_new(dir.join(OsStr::from_bytes(name))).expect("create")),
            Change::Remove(name) => std::fs::remove_file(dir.join(OsStr::from_bytes(name))).expect("unlink"),
        }
    }
    mount.unmount();
}

fn by_xfskit(image: &Path, changes: &[Change]) {
    let mut session = Session::open(image, b"").expect("open");
    let dir = session.ino(b"/dir").expect("dir");
    for change in changes {
        let outcome = match change {
            Change::Add(name) => session.volume().create(dir, name, &new_inode(0o644)).map(drop),
            Change::Remove(name) => session.volume().unlink(dir, name),
        };
        outcome.unwrap_or_else(|error| panic!("{error}"));
    }
    session.close().expect("close");
}

/// Size of a directory, which of its file blocks are there, and its names.
#[derive(PartialEq)]
struct Shape {
    size: u64,
    runs: Vec<(u64, u64)>,
    names: BTreeSet<Vec<u8>>,
}

fn shape(image: &Path) -> Shape {
    let mut session = Session::open(image, b"").expect("open");
    let found = findings(session.volume());
    assert!(found.is_empty(), "check finds\n{}", found.join("\n"));
    let dir = session.ino(b"/dir").expect("dir");
    let volume = session.volume();
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for extent in volume.extents(dir).expect("extents") {
        match runs.last_mut() {
            Some((start, len)) if *start + *len == extent.offset_fsblocks => *len += extent.len_fsblocks,
            _ => runs.push((extent.offset_fsblocks, extent.len_fsblocks)),
        }
    }
    let names = volume.read_dir(dir).expect("read_dir").into_iter().map(|entry| entry.name).collect();
    let size = volume.stat(dir).expect("stat").size;
    session.close().expect("close");
    Shape { size, runs, names }
}

/// Where the free index begins in a directory.
const FREE_INDEX_BYTES: u64 = 1 << 36;

/// Names that the kernel shows.
fn listed_by_kernel(referee: &Referee, image: &Path) -> BTreeSet<Vec<u8>> {
    let mount = referee.mount_read_only(image);
    let dir = std::fs::read_dir(mount.path().join("dir")).expect("read_dir");
    dir.map(|entry| entry.expect("entry").file_name().as_bytes().to_vec()).collect()
}

struct Twins<'a> {
    referee: &'a Referee,
    images: [PathBuf; 2],
    script: Script,
    label: String,
    step: usize,
}

impl<'a> Twins<'a> {
    fn new(referee: &'a Referee, temp: &TempDir, set: &OptionSet, names: Names) -> Self {
        let seed = Rng::seed_or(1);
        let images = [temp.join("a.img"), temp.join("b.img")];
        for image in &images {
            referee.mkfs(set, image);
            let mount = referee.mount(image);
            std::fs::create_dir(mount.path().join("dir")).expect("mkdir");
            mount.unmount();
        }
        let label = format!("{} (XFSKIT_SEED={seed})", set.name);
        Self { referee, images, script: Script::new(seed, &label, names), label, step: 0 }
    }

    /// The kernel makes the changes on one image and xfskit on the other; next time the other way round.
    fn change(&mut self, count: usize, percent: u64) {
        let changes = self.script.changes(count, percent);
        let [kernel, xfskit] = [self.step % 2, (self.step + 1) % 2];
        by_kernel(self.referee, &self.images[kernel], &changes);
        by_xfskit(&self.images[xfskit], &changes);
        self.step += 1;
        let shapes = [shape(&self.images[kernel]), shape(&self.images[xfskit])];
        let label = format!("{}, step {}", self.label, self.step);
        for (shape, side) in shapes.iter().zip(["kernel", "xfskit"]) {
            assert!(shape.names == self.script.present, "{label}: names by {side}");
        }
        assert_eq!(shapes[0].size, shapes[1].size, "{label}: size by kernel and by xfskit");
        assert_eq!(shapes[0].runs, shapes[1].runs, "{label}: blocks by kernel and by xfskit");
    }

    /// The last run of blocks of the directory, in fsblocks: start and length.
    fn last_run(&self) -> (u64, u64) {
        *shape(&self.images[0]).runs.last().expect("blocks")
    }

    fn judge(&self) {
        for image in &self.images {
            self.referee.repair_n(image);
            assert!(listed_by_kernel(self.referee, image) == self.script.present, "{}", self.label);
        }
    }
}

/// Up to node form and back, in steps small enough to meet every form.
fn twins_agree(set: &str, names: Names, most: usize) {
    let Some(referee) = Referee::find() else { return };
    let set = OptionSet::named(set);
    if !referee.has(set.version) {
        return;
    }
    let temp = TempDir::new("directories");
    let mut twins = Twins::new(referee, &temp, set, names);
    for (count, percent) in [(12, 90), (80, 80), (most / 4, 80), (most, 85), (most, 50)] {
        twins.change(count, percent);
    }
    twins.judge();
    while twins.script.list.len() > most / 20 {
        twins.change(twins.script.list.len() * 2 / 3, 15);
    }
    twins.change(twins.script.list.len() / 2, 60);
    twins.judge();
    while !twins.script.list.is_empty() {
        twins.change(150, 5);
    }
}

#[test]
fn small_blocks() {
    twins_agree("blocks_1k_new", Names::Mixed, 3000);
}

#[test]
fn names_of_one_hash() {
    twins_agree("default_old", Names::Colliding, 3000);
}

#[test]
fn long_names() {
    twins_agree("default_new", Names::Long, 2000);
}

/// Names so long that the free index takes a second block, and what comes and goes after that.
#[test]
fn free_index_of_two_blocks() {
    let Some(referee) = Referee::find() else { return };
    let temp = TempDir::new("directories");
    let mut twins = Twins::new(referee, &temp, OptionSet::named("default_old"), Names::Long);
    twins.change(31_000, 100);
    twins.change(2000, 40);
    let last = twins.last_run();
    assert!(last.0 == FREE_INDEX_BYTES >> 12 && last.1 > 1, "{last:?}");
    twins.judge();
}

#[test]
fn directory_blocks_of_64k_on_blocks_of_1k() {
    twins_agree("blocks_1k_dirs_64k", Names::Mixed, 14_000);
}

#[test]
fn directory_blocks_of_64k_on_blocks_of_64k() {
    twins_agree("blocks_64k", Names::Mixed, 14_000);
}
