//! Names: what xfskit makes, links, moves and removes, Linux finds as the model says, parent pointers included.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use xfskit::volume::{OpenOptions, RenameMode, Timestamp};
use xfskit_tests::fresh::{Fresh, format_options};
use xfskit_tests::ops::{Bytes, Generator, How, Limits, Op, apply_on_mount};
use xfskit_tests::options::OptionSet;
use xfskit_tests::referee::{Referee, Xfsprogs, run, text_of};
use xfskit_tests::rng::Rng;
use xfskit_tests::session::{Session, findings, new_inode};
use xfskit_tests::temp::TempDir;
use xfskit_tests::tree::{self, Tree};

/// A volume that xfskit and the kernel change in turn.
struct Trial<'a> {
    referee: &'a Referee,
    image: PathBuf,
    generator: Generator,
    done: Vec<Op>,
    label: String,
}

impl Trial<'_> {
    fn compare(&self, tree: &Tree, side: &str) {
        if let Some(text) = self.generator.model.tree().diff("the model", tree, side) {
            let last: Vec<_> = self.done.iter().rev().take(12).map(|op| format!("{op:?}")).collect();
            panic!("{} after {} operations: {text}\n{}", self.label, self.done.len(), last.join("\n"));
        }
    }

    /// xfskit does `count` operations; then its own check, xfs_repair and the kernel's view.
    fn by_xfskit(&mut self, count: usize) {
        let ops = (0..count).map(|_| self.generator.step()).collect();
        self.play(ops);
    }

    fn play(&mut self, ops: Vec<Op>) {
        let mut session = Session::open(&self.image, b"").expect("open");
        for op in ops {
            self.done.push(op.clone());
            if let Err(error) = session.apply(&op) {
                panic!("{}: operation {}, {op:?}: {error}", self.label, self.done.len());
            }
        }
        let found = findings(session.volume());
        assert!(found.is_empty(), "{}: {}", self.label, found.join("\n"));
        self.compare(&tree::from_volume(session.volume()).expect("read"), "xfskit");
        session.close().expect("close");
        self.referee.repair_n(&self.image);
        let mount = self.referee.mount_read_only(&self.image);
        self.compare(&tree::from_mount(mount.path()), "the kernel");
    }

    /// The kernel does `count` operations; xfskit must see them.
    fn by_kernel(&mut self, count: usize) {
        let mount = self.referee.mount(&self.image);
        for _ in 0..count {
            let op = self.generator.step();
            apply_on_mount(mount.path(), &op);
            self.done.push(op);
        }
        mount.unmount();
        let mut session = Session::open(&self.image, b"").expect("open");
        self.compare(&tree::from_volume(session.volume()).expect("read"), "xfskit");
        let found = findings(session.volume());
        assert!(found.is_empty(), "{}: {}", self.label, found.join("\n"));
        session.close().expect("close");
    }
}

/// Names of all kinds, in directories of few names and, if asked for, in one of `crowd` names.
fn random_names(name: &str, crowd: usize) {
    let Some(referee) = Referee::find() else { return };
    let set = OptionSet::named(name);
    if !referee.has(set.version) {
        return;
    }
    let temp = TempDir::new(&format!("names-{name}"));
    let image = temp.join("a.img");
    referee.mkfs(set, &image);
    set_root_mode(referee, &image);
    let seed = Rng::seed_or(1);
    let label = format!("{name}, XFSKIT_SEED={seed}");
    let mut limits = Limits::of(set);
    limits.names += crowd * 2;
    let generator = Generator::new(limits, Rng::named(seed, &label)).moving_names();
    let mut trial = Trial { referee, image, generator, done: Vec::new(), label };
    if crowd > 0 {
        let ops = trial.generator.crowd(crowd);
        trial.play(ops);
    }
    for _ in 0..3 {
        trial.by_xfskit(300);
        trial.by_kernel(60);
    }
    trial.by_xfskit(60);
}

/// The model's root directory has mode 0755.
fn set_root_mode(referee: &Referee, image: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let mount = referee.mount(image);
    std::fs::set_permissions(mount.path(), std::fs::Permissions::from_mode(0o755)).expect("chmod");
    mount.unmount();
}

#[test]
fn names_with_parent_pointers() {
    random_names("default_new", 0);
}

#[test]
fn names_with_parent_pointers_and_large_blocks() {
    random_names("blocks_32k_sectors_4k_new", 0);
}

#[test]
fn names_without_parent_pointers() {
    random_names("new_without_parents", 0);
}

#[test]
fn names_on_small_blocks() {
    random_names("blocks_1k_new", 0);
}

/// The crowded directory has one leaf.
#[test]
fn names_in_a_large_directory() {
    random_names("default_new", 400);
}

/// The crowded directory has a tree of leaves; each of its parent pointers is one of very many.
#[test]
fn names_in_a_very_large_directory() {
    random_names("default_new", 1500);
}

/// The crowded directory begins with a tree of leaves, of which one is left, and then none.
#[test]
fn names_in_a_directory_that_becomes_small() {
    random_names("blocks_1k_new", 130);
}

#[test]
fn names_in_a_very_large_directory_on_small_blocks() {
    random_names("blocks_1k_new", 1500);
}

#[test]
fn names_on_an_old_volume() {
    random_names("bare", 0);
}

/// A directory in its inode has no room any more when one of its names leads to an inode number of eight bytes.
#[test]
fn wide_inode_numbers_push_a_directory_out_of_its_inode() {
    let (kept, wide) = (new_inode(0o644), new_inode(0o755));
    for how in [RenameMode::Replace, RenameMode::Exchange] {
        let mut fresh = Fresh::formatted("names-wide", 5 << 40, &format_options(), OpenOptions::default());
        let volume = fresh.volume();
        let root = volume.root();
        // Directories go from AG to AG: the third of five AGs has numbers above 32 bits.
        let dirs: Vec<_> =
            (0..5).map(|n| volume.mkdir(root, format!("d{n}").as_bytes(), &wide).expect("mkdir")).collect();
        let near = dirs.iter().copied().find(|dir| dir.0 >> 32 == 0).expect("a narrow number");
        let far = dirs.iter().copied().find(|dir| dir.0 >> 32 != 0).expect("a wide number");
        for n in 0..12 {
            volume.create(near, format!("name{n}").as_bytes(), &kept).expect("create");
        }
        let inode = volume.stat(near).expect("stat");
        assert_eq!(inode.format, 1, "it is in its inode still");
        let moved = volume.create(far, b"far", &kept).expect("create");
        assert!(moved.0 >> 32 != 0);
        volume.rename(far, b"far", near, b"name5", how).expect("rename");
        assert_eq!(volume.lookup(near, b"name5").expect("lookup"), moved);
        assert_eq!(volume.stat(near).expect("stat").format, 2, "it is in a block");
        fresh.judge();
    }
}

/// The attribute forks of inodes as xfs_db shows them, without what differs from volume to volume.
fn attribute_forks(referee: &Referee, image: &Path, inodes: &[u64]) -> Vec<String> {
    let mut command = referee.xfsprogs(Xfsprogs::V7_2, "xfs_db");
    command.arg("-r");
    for ino in inodes {
        command.args(["-c", &format!("inode {ino}")]);
        command.args([
            "-c",
            "print core.format core.forkoff core.aformat core.naextents core.nblocks",
            "-c",
            "print a",
        ]);
    }
    let said = text_of(&run(command.arg(image)));
    let is_told = |line: &&str| !line.contains("parent_dir") && !line.contains("startblock");
    let mut forks: Vec<String> = Vec::new();
    for line in said.lines().filter(is_told) {
        if line.starts_with("core.format") {
            forks.push(String::new());
        }
        let line = line.split(" [startoff").next().unwrap_or(line);
        let fork = forks.last_mut().expect("the core comes first");
        fork.push_str(if line.starts_with("a.bmx") { "a.bmx" } else { line });
        fork.push('\n');
    }
    assert_eq!(forks.len(), inodes.len(), "{said}");
    forks
}

/// The same operations by the kernel and by xfskit: the same forks, border and order of attributes included.
#[test]
fn attribute_forks_are_those_that_the_kernel_makes() {
    let Some(referee) = Referee::find() else { return };
    let set = OptionSet::named("default_new");
    if !referee.has(set.version) {
        return;
    }
    let temp = TempDir::new("names-forks");
    let [ours, theirs] = ["ours.img", "theirs.img"].map(|name| temp.join(name));
    let seed = Rng::seed_or(3);
    let mut generator = Generator::new(Limits::of(set), Rng::new(seed)).moving_names();
    let ops: Vec<_> = (0..250).map(|_| generator.step()).collect();
    let model = &generator.model;
    let nodes: BTreeSet<_> = model.all_names().into_iter().map(|(_, _, node)| node).collect();
    let paths: Vec<Vec<u8>> = nodes.into_iter().map(|node| model.path(node)).collect();
    for image in [&ours, &theirs] {
        referee.mkfs(set, image);
    }
    let mut session = Session::open(&ours, b"").expect("open");
    for op in &ops {
        session.apply(op).expect("apply");
    }
    let own: Vec<u64> = paths.iter().map(|path| session.ino(path).expect("lookup").0).collect();
    session.close().expect("close");
    let mount = referee.mount(&theirs);
    ops.iter().for_each(|op| apply_on_mount(mount.path(), op));
    let host = |path: &Vec<u8>| mount.path().join(OsStr::from_bytes(&path[1..]));
    let ino = |path| std::fs::symlink_metadata(host(path)).expect("stat").ino();
    let by_kernel: Vec<u64> = paths.iter().map(ino).collect();
    mount.unmount();
    let own = attribute_forks(referee, &ours, &own);
    let by_kernel = attribute_forks(referee, &theirs, &by_kernel);
    for ((path, own), by_kernel) in paths.iter().zip(&own).zip(&by_kernel) {
        assert_eq!(own, by_kernel, "{}, XFSKIT_SEED={seed}", path.escape_ascii());
    }
}

fn op_rename(from: &str, to: &str, how: How) -> Op {
    let split = |path: &str| {
        let (dir, name) = path.rsplit_once('/').expect("a path from the root");
        (Bytes(if dir.is_empty() { b"/".to_vec() } else { dir.into() }), Bytes(name.into()))
    };
    let ((dir, name), (new_dir, new_name)) = (split(from), split(to));
    Op::Rename { dir, name, new_dir, new_name, how }
}

/// What an operation did to the times of what was there before: path, and whether mtime and ctime are others now.
fn changed_times(before: &Tree, after: &Tree) -> Vec<String> {
    let later: BTreeMap<_, _> = after.entries.values().map(|entry| (entry.ino, entry)).collect();
    let told = before.entries.iter().filter_map(|(path, entry)| {
        let now = later.get(&entry.ino)?;
        let (modified, changed) = (now.mtime != entry.mtime, now.ctime != entry.ctime);
        (modified || changed).then(|| format!("{path}: mtime {modified}, ctime {changed}"))
    });
    told.collect()
}

/// Each operation changes the times of directories and of what it moves as it does in Linux.
#[test]
fn times_change_as_in_linux() {
    let Some(referee) = Referee::find() else { return };
    let set = OptionSet::named("new_without_parents");
    if !referee.has(set.version) {
        return;
    }
    let temp = TempDir::new("names-times");
    let [ours, theirs] = ["ours.img", "theirs.img"].map(|name| temp.join(name));
    for image in [&ours, &theirs] {
        referee.mkfs(set, image);
        let mount = referee.mount(image);
        for dir in ["a", "b", "a/x", "a/y", "b/z", "b/empty", "b/empty2"] {
            std::fs::create_dir(mount.path().join(dir)).expect("mkdir");
        }
        for file in ["a/f", "a/g", "b/h", "b/i", "b/j", "c", "d"] {
            std::fs::write(mount.path().join(file), file).expect("write");
        }
        mount.unmount();
    }
    let ops = [
        op_rename("/a/f", "/a/new", How::NoReplace),
        op_rename("/a/new", "/b/new", How::Replace),
        op_rename("/b/new", "/a/g", How::Replace),
        op_rename("/a/x", "/b/x", How::Replace),
        op_rename("/b/x", "/b/empty", How::Replace),
        op_rename("/b/empty", "/a/y", How::Replace),
        op_rename("/b/h", "/b/i", How::Exchange),
        op_rename("/b/h", "/c", How::Exchange),
        op_rename("/a/y", "/d", How::Exchange),
        op_rename("/d", "/b/z", How::Exchange),
        op_rename("/b/i", "/a/i", How::Whiteout),
        op_rename("/b/empty2", "/a/empty2", How::Whiteout),
        Op::Link { path: Bytes(b"/b/j".to_vec()), dir: Bytes(b"/a".to_vec()), name: Bytes(b"j".to_vec()) },
        Op::Unlink { dir: Bytes(b"/b".to_vec()), name: Bytes(b"j".to_vec()) },
        Op::Rmdir { dir: Bytes(b"/a".to_vec()), name: Bytes(b"empty2".to_vec()) },
    ];
    let mount = referee.mount(&theirs);
    let mut session = Session::open(&ours, b"").expect("open");
    for (seconds, op) in (2_000_000_000..).zip(&ops) {
        let before = tree::from_mount(mount.path());
        // Longer than the clock of the kernel stands still.
        std::thread::sleep(std::time::Duration::from_millis(30));
        apply_on_mount(mount.path(), op);
        let by_kernel = changed_times(&before, &tree::from_mount(mount.path()));
        let before = tree::from_volume(session.volume()).expect("read");
        session.volume().set_time(Timestamp { seconds, nanoseconds: 0 });
        session.apply(op).expect("apply");
        let by_xfskit = changed_times(&before, &tree::from_volume(session.volume()).expect("read"));
        assert_eq!(by_xfskit, by_kernel, "{op:?}");
    }
}
