//! Extended attributes that xfskit and the kernel change in turns, on all kinds of inodes: xfs_repair finds the volume
//! sound each time, and both sides show what the model says.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::os::unix::fs::{FileExt, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, XattrFlags};
use xfskit::volume::{Namespace, SetMode};
use xfskit_tests::options::{OptionSet, Written};
use xfskit_tests::referee::{Referee, Xfsprogs, run};
use xfskit_tests::rng::{Rng, pattern};
use xfskit_tests::session::{Session, findings};
use xfskit_tests::temp::TempDir;
use xfskit_tests::tree::{self, Tree, digest, escape};

/// By path in the folder: what a test does to the attributes of an inode.
type Model = BTreeMap<&'static str, BTreeMap<(Namespace, Vec<u8>), Vec<u8>>>;

/// One change.
struct Change {
    path: &'static str,
    namespace: Namespace,
    name: Vec<u8>,
    /// `None` to remove it.
    value: Option<Vec<u8>>,
}

/// Inodes whose data forks are of every form, made by the kernel in the root directory.
///
/// No link has to leave its inode where xfs_repair 6.1 will judge: of a target in a block it demands that it would not
/// fit the inode, also when attributes made it go there and are gone since.
fn make_inodes(root: &Path, set: &OptionSet) {
    let block_bytes = set.block_bytes;
    let (long, longest) = if set.version == Xfsprogs::V6_1 { (20, 25) } else { (140, 500) };
    std::fs::write(root.join("empty"), b"").expect("write");
    std::fs::write(root.join("file"), pattern(1, 0, 70_000)).expect("write");
    for (name, extents) in [("few extents", 11), ("some extents", 20), ("many extents", 2000)] {
        let file = std::fs::File::create(root.join(name)).expect("create");
        for extent in 0..extents {
            file.write_all_at(b"some", extent * 2 * block_bytes).expect("write");
        }
    }
    for (dir, names) in [("no names", 0), ("some names", 7), ("many names", 900)] {
        std::fs::create_dir(root.join(dir)).expect("mkdir");
        for name in 0..names {
            std::fs::write(root.join(dir).join(format!("a name of some length {name}")), b"").expect("write");
        }
    }
    symlink("file", root.join("short link")).expect("symlink");
    symlink("x/".repeat(long), root.join("long link")).expect("symlink");
    symlink("x/".repeat(longest), root.join("longest link")).expect("symlink");
    for (name, file_type) in [("fifo", FileType::Fifo), ("device", FileType::CharacterDevice)] {
        let device = rustix::fs::makedev(5, 1);
        rustix::fs::mknodat(CWD, root.join(name), file_type, Mode::RUSR, device).expect("mknod");
    }
}

const FILES_AND_DIRS: &[&str] =
    &["empty", "file", "few extents", "some extents", "many extents", "no names", "some names", "many names"];

/// These have no attributes of the user's namespace.
const OTHERS: &[&str] = &["short link", "long link", "longest link", "fifo", "device"];

/// One volume under test.
struct Trial<'a> {
    referee: &'a Referee,
    set: &'a OptionSet,
    image: PathBuf,
    rng: Rng,
    model: Model,
    /// All but attributes, as the kernel showed it before there were any.
    rest: Tree,
    label: String,
}

impl<'a> Trial<'a> {
    fn new(referee: &'a Referee, set: &'a OptionSet, temp: &TempDir) -> Self {
        let seed = Rng::seed_or(1);
        let image = temp.join("a.img");
        referee.mkfs(set, &image);
        let mount = referee.mount(&image);
        make_inodes(mount.path(), set);
        mount.unmount();
        let mount = referee.mount_read_only(&image);
        let rest = without_attributes(tree::from_mount(mount.path()));
        mount.unmount();
        let model = FILES_AND_DIRS.iter().chain(OTHERS).map(|&path| (path, BTreeMap::new())).collect();
        let label = format!("{} (XFSKIT_SEED={seed})", set.name);
        Self { referee, set, image, rng: Rng::named(seed, set.name), model, rest, label }
    }

    /// The next change, entered into the model. `names` is how many names there are to choose from.
    fn step(&mut self, names: u64, removes_percent: u64) -> Change {
        let rng = &mut self.rng;
        let (path, namespace) = if rng.chance(70) {
            let namespaces = [Namespace::User, Namespace::Trusted, Namespace::Security];
            (*rng.pick(FILES_AND_DIRS), *rng.pick(&namespaces))
        } else {
            (*rng.pick(OTHERS), *rng.pick(&[Namespace::Trusted, Namespace::Security]))
        };
        let number = rng.below(names);
        // Never one name in several namespaces: these have one hash, which the kernel may have at the end of one leaf
        // and at the start of the next. To xfs_repair that is damage.
        let letter = namespace.prefix()[0] as char;
        let tail = if number.is_multiple_of(25) { "y".repeat(200) } else { String::new() };
        let name = format!("{number}{letter}{tail}");
        let name = name.into_bytes();
        let attributes = self.model.get_mut(path).expect("a path of the model");
        if rng.chance(removes_percent) && !attributes.is_empty() {
            let key = attributes.keys().nth(rng.index(attributes.len())).expect("not empty").clone();
            attributes.remove(&key);
            return Change { path, namespace: key.0, name: key.1, value: None };
        }
        let value = pattern(rng.bits(), 0, value_len(rng, self.set.block_bytes));
        attributes.insert((namespace, name.clone()), value.clone());
        Change { path, namespace, name, value: Some(value) }
    }

    fn by_xfskit(&mut self, count: usize, names: u64, removes_percent: u64) {
        let mut session = Session::open(&self.image, b"").expect("open for writing");
        self.compare(&tree::from_volume(session.volume()).expect("read the volume"), "xfskit");
        for number in 0..count {
            let change = self.step(names, removes_percent);
            let ino = session.ino(format!("/{}", change.path).as_bytes()).expect("a path");
            let (volume, namespace, name) = (session.volume(), change.namespace, &change.name);
            let outcome = match &change.value {
                Some(value) => volume.set_xattr(ino, namespace, name, value, SetMode::Either),
                None => volume.remove_xattr(ino, namespace, name),
            };
            if let Err(error) = outcome {
                panic!("{}: change {number} of {}: {error}", self.label, change.path);
            }
        }
        let found = findings(session.volume());
        assert!(found.is_empty(), "{}: check finds\n{}", self.label, found.join("\n"));
        session.reopen().expect("close and open");
        self.compare(&tree::from_volume(session.volume()).expect("read the volume"), "xfskit");
        session.close().expect("close");
        self.referee.repair_n(&self.image);
    }

    fn by_kernel(&mut self, count: usize, names: u64, removes_percent: u64) {
        let mount = self.referee.mount(&self.image);
        self.compare(&tree::from_mount(mount.path()), "the kernel");
        for _ in 0..count {
            let change = self.step(names, removes_percent);
            let path = mount.path().join(change.path);
            let name = CString::new([change.namespace.prefix(), &change.name].concat()).expect("no NUL");
            match &change.value {
                Some(value) => rustix::fs::lsetxattr(&path, &name, value, XattrFlags::empty()),
                None => rustix::fs::lremovexattr(&path, &name),
            }
            .unwrap_or_else(|error| panic!("{}: the kernel, {}: {error}", self.label, change.path));
        }
        self.compare(&tree::from_mount(mount.path()), "the kernel");
        mount.unmount();
    }

    fn compare(&self, found: &Tree, side: &str) {
        for (path, attributes) in &self.model {
            let full =
                |(namespace, name): &(Namespace, Vec<u8>)| escape(&[namespace.prefix(), name].concat());
            let expected: BTreeMap<_, _> =
                attributes.iter().map(|(key, value)| (full(key), digest(value))).collect();
            let found = found.entries[&format!("/{path}")].xattrs.as_ref().expect("asked for");
            let differing: Vec<_> =
                expected.iter().filter(|(name, value)| found.get(*name) != Some(value)).collect();
            assert!(
                *found == expected,
                "{}: attributes of {path} through {side}: {} instead of {}, missing or differing {differing:?}",
                self.label,
                found.len(),
                expected.len()
            );
        }
        if let Some(text) = self.rest.diff("the kernel before", &without_attributes(found.clone()), side) {
            panic!("{}: {text}", self.label);
        }
    }
}

/// The tree without attributes, and without what they change: space and times.
fn without_attributes(mut tree: Tree) -> Tree {
    for entry in tree.entries.values_mut() {
        (entry.xattrs, entry.blocks, entry.ctime) = (None, None, None);
        // A directory that had to leave its inode counts blocks.
        if entry.kind == tree::Kind::Directory {
            entry.size = None;
        }
    }
    tree
}

fn value_len(rng: &mut Rng, block_bytes: u64) -> usize {
    let border = (block_bytes * 3 / 4).min(65000);
    let len = match rng.below(20) {
        0 => 0,
        1..=8 => rng.below(30),
        9..=12 => rng.below(256),
        13 | 14 => border - 40 + rng.below(60),
        15 => (block_bytes - 58 + rng.below(4)).min(65536),
        16 => 65536 - rng.below(2),
        _ => rng.below((block_bytes * 3).min(65536)),
    };
    usize::try_from(len).expect("small")
}

/// Over all option sets that can be written.
fn both_sides_change_attributes(set: &OptionSet) {
    let Some(referee) = Referee::find() else { return };
    if !referee.has(set.version) || set.written == Written::Nothing {
        return;
    }
    let temp = TempDir::new(set.name);
    let mut trial = Trial::new(referee, set, &temp);
    // A few, many, and fewer again.
    trial.by_xfskit(60, 8, 20);
    trial.by_kernel(60, 8, 20);
    trial.by_xfskit(800, 150, 10);
    trial.by_kernel(300, 150, 40);
    trial.by_xfskit(500, 150, 60);
    trial.by_kernel(200, 150, 70);
    trial.by_xfskit(600, 6, 85);
    trial.by_kernel(60, 6, 80);
    // None.
    let mut session = Session::open(&trial.image, b"").expect("open for writing");
    for (path, attributes) in &mut trial.model {
        let ino = session.ino(format!("/{path}").as_bytes()).expect("a path");
        for (namespace, name) in std::mem::take(attributes).into_keys() {
            session.volume().remove_xattr(ino, namespace, &name).expect("remove");
        }
    }
    session.close().expect("close");
    trial.by_xfskit(0, 1, 0);
    trial.by_kernel(100, 50, 0);
    trial.by_xfskit(100, 50, 50);
}

mod over_option_sets {
    xfskit_tests::for_each_option_set!(super::both_sides_change_attributes);
}

/// A tree with two levels of nodes, grown by one side and cut back by the other.
fn grown_here_and_cut_there(is_grown_by_xfskit: bool) {
    const COUNT: u64 = 3000;
    let Some(referee) = Referee::find() else { return };
    let set = OptionSet::named("blocks_1k_dirs_64k");
    let temp = TempDir::new("two-levels");
    let mut trial = Trial::new(referee, set, &temp);
    let names: Vec<_> = (0..COUNT).map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15) % 1_000_003).collect();
    for (phase, is_by_xfskit) in [(0, is_grown_by_xfskit), (1, !is_grown_by_xfskit), (2, is_grown_by_xfskit)]
    {
        let (from, until, sets) =
            [(0, names.len(), true), (0, 2400, false), (2400, names.len(), false)][phase];
        let mut changes = Vec::new();
        for &number in &names[from..until] {
            let name = format!("{number:x}").into_bytes();
            let value = sets.then(|| pattern(number, 0, 100 + (number % 60) as usize));
            changes.push(Change { path: "file", namespace: Namespace::User, name, value });
        }
        let attributes = trial.model.get_mut("file").expect("a path of the model");
        for change in &changes {
            let key = (change.namespace, change.name.clone());
            match &change.value {
                Some(value) => drop(attributes.insert(key, value.clone())),
                None => drop(attributes.remove(&key)),
            }
        }
        apply_all(&trial, is_by_xfskit, &changes);
        trial.referee.repair_n(&trial.image);
        let mount = trial.referee.mount_read_only(&trial.image);
        trial.compare(&tree::from_mount(mount.path()), "the kernel");
        mount.unmount();
        trial.by_xfskit(0, 1, 0);
    }
}

fn apply_all(trial: &Trial<'_>, is_by_xfskit: bool, changes: &[Change]) {
    if is_by_xfskit {
        let mut session = Session::open(&trial.image, b"").expect("open for writing");
        for change in changes {
            let ino = session.ino(format!("/{}", change.path).as_bytes()).expect("a path");
            let (volume, namespace, name) = (session.volume(), change.namespace, &change.name);
            match &change.value {
                Some(value) => volume.set_xattr(ino, namespace, name, value, SetMode::Either),
                None => volume.remove_xattr(ino, namespace, name),
            }
            .unwrap_or_else(|error| panic!("{}: {error}", trial.label));
        }
        session.close().expect("close");
        return;
    }
    let mount = trial.referee.mount(&trial.image);
    for change in changes {
        let name = CString::new([change.namespace.prefix(), &change.name].concat()).expect("no NUL");
        let path = mount.path().join(change.path);
        match &change.value {
            Some(value) => rustix::fs::lsetxattr(&path, &name, value, XattrFlags::empty()),
            None => rustix::fs::lremovexattr(&path, &name),
        }
        .unwrap_or_else(|error| panic!("{}: the kernel: {error}", trial.label));
    }
    mount.unmount();
}

/// Where the forks of an inode meet, and their forms, as xfs_db shows them.
fn forms(trial: &Trial<'_>, image: &Path) -> Vec<(&'static str, String)> {
    let mut session = Session::open(image, b"").expect("open");
    let paths: Vec<_> = trial.model.keys().copied().collect();
    let mut command = trial.referee.xfsprogs(trial.set.version, "xfs_db");
    command.arg("-r");
    for path in &paths {
        let ino = session.ino(format!("/{path}").as_bytes()).expect("a path");
        command.arg("-c").arg(format!("inode {}", ino.0));
        command.args(["-c", "print core.format core.forkoff core.aformat"]);
    }
    session.close().expect("close");
    let said = String::from_utf8(run(command.arg(image)).stdout).expect("text");
    // In how many pieces the blocks of attributes lie is each side's own business.
    let said = said.replace("aformat = 3 (btree)", "aformat = 2 (extents)");
    let lines: Vec<_> = said.lines().collect();
    paths.into_iter().zip(lines.chunks(3).map(|lines| lines.join(", "))).collect()
}

/// A change that gives no inode a first attribute that is large: how much room Linux thinks that it needs in the inode
/// depends on its length modulo 256.
fn small_first(trial: &mut Trial<'_>, removes_percent: u64) -> Change {
    let mut change = trial.step(7, removes_percent);
    let attributes = trial.model.get_mut(change.path).expect("a path of the model");
    if let Some(value) = &mut change.value
        && attributes.len() == 1
    {
        value.truncate(value.len() % 256);
        attributes.insert((change.namespace, change.name.clone()), value.clone());
    }
    change
}

/// After the same changes the forks have the same forms and meet at the same place as in the kernel.
#[test]
fn forms_are_those_that_the_kernel_chooses() {
    let Some(referee) = Referee::find() else { return };
    for name in ["default_old", "blocks_1k_new", "default_new", "blocks_2k_inodes_1k", "inodes_2k_dirs_64k"] {
        let set = OptionSet::named(name);
        if !referee.has(set.version) {
            continue;
        }
        let temp = TempDir::new(name);
        let mut trial = Trial::new(referee, set, &temp);
        let theirs = temp.join("theirs.img");
        for round in 0..9 {
            std::fs::copy(&trial.image, &theirs).expect("copy the image");
            let changes: Vec<_> = (0..25).map(|_| small_first(&mut trial, [10, 50, 90][round % 3])).collect();
            apply_all(&trial, true, &changes);
            let ours = std::mem::replace(&mut trial.image, theirs.clone());
            apply_all(&trial, false, &changes);
            assert_eq!(forms(&trial, &ours), forms(&trial, &theirs), "{}, round {round}", trial.label);
            trial.image = ours;
        }
        trial.by_xfskit(0, 1, 0);
    }
}

#[test]
fn a_tall_tree_of_ours_is_cut_back_by_the_kernel() {
    grown_here_and_cut_there(true);
}

#[test]
fn a_tall_tree_of_the_kernel_is_cut_back_by_us() {
    grown_here_and_cut_there(false);
}
