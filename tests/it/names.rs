//! Names: what xfskit makes, links, moves and removes, Linux finds as the model says, parent pointers included.

use std::path::{Path, PathBuf};

use xfskit_tests::ops::{Generator, Limits, Op, apply_on_mount};
use xfskit_tests::options::OptionSet;
use xfskit_tests::referee::Referee;
use xfskit_tests::rng::Rng;
use xfskit_tests::session::{Session, findings};
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
        let mut session = Session::open(&self.image, b"").expect("open");
        for _ in 0..count {
            let op = self.generator.step();
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

fn random_names(name: &str) {
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
    let generator = Generator::new(Limits::of(set), Rng::named(seed, &label)).moving_names();
    let mut trial = Trial { referee, image, generator, done: Vec::new(), label };
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
    random_names("default_new");
}

#[test]
fn names_with_parent_pointers_and_large_blocks() {
    random_names("blocks_32k_sectors_4k_new");
}

#[test]
fn names_without_parent_pointers() {
    random_names("new_without_parents");
}

#[test]
fn names_on_small_blocks() {
    random_names("blocks_1k_new");
}

#[test]
fn names_on_an_old_volume() {
    random_names("bare");
}
