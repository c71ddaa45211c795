//! Writing: what xfskit did to a volume, xfs_repair finds sound and the kernel shows as the model says, and the other way
//! round.

use std::path::Path;

use xfskit_tests::ops::{Bytes, Generator, Limits, Op, apply_on_mount};
use xfskit_tests::options::{OptionSet, Written};
use xfskit_tests::populate::{Scale, populate};
use xfskit_tests::referee::Referee;
use xfskit_tests::rng::Rng;
use xfskit_tests::session::{Session, findings};
use xfskit_tests::temp::TempDir;
use xfskit_tests::tree::{self, Tree};

/// Where operations happen on volumes that hold other things too.
const TOP: &str = "/work";

/// One volume under test and what it must show.
struct Trial<'a> {
    referee: &'a Referee,
    image: std::path::PathBuf,
    generator: Generator,
    /// What lies beside [`TOP`], as the kernel showed it before anything was done.
    beside: Tree,
    label: String,
    done: Vec<Op>,
}

impl<'a> Trial<'a> {
    fn new(referee: &'a Referee, set: &OptionSet, temp: &TempDir, is_populated: bool) -> Self {
        let seed = Rng::seed_or(1);
        let label = format!("{} (populated: {is_populated}, XFSKIT_SEED={seed})", set.name);
        let image = temp.join(if is_populated { "populated.img" } else { "fresh.img" });
        referee.mkfs(set, &image);
        let mount = referee.mount(&image);
        if is_populated {
            populate(mount.path(), set, Scale::Full, seed);
        }
        std::fs::create_dir(mount.path().join("work")).expect("mkdir");
        set_mode(&mount.path().join("work"));
        mount.unmount();
        // Another mount: the first one counted blocks that were only promised.
        let mount = referee.mount_read_only(&image);
        let beside = tree::from_mount(mount.path()).without(TOP);
        mount.unmount();
        let generator = Generator::new(Limits::of(set), Rng::named(seed, &label));
        Self { referee, image, generator, beside, label, done: Vec::new() }
    }

    /// Has xfskit do `count` operations; after each reopening, and at the end, it must show what the model says.
    fn by_xfskit(&mut self, count: usize) {
        let mut session = Session::open(&self.image, TOP.as_bytes()).expect("open for writing");
        for _ in 0..count {
            let op = self.generator.step();
            self.done.push(op.clone());
            if let Err(error) = session.apply(&op) {
                panic!("{}: operation {}, {op:?}: {error}", self.label, self.done.len());
            }
            if matches!(op, Op::Reopen) {
                self.look_through_xfskit(&mut session);
            }
        }
        // Once before anything is written back, once after.
        self.look_through_xfskit(&mut session);
        session.reopen().expect("close and open");
        self.look_through_xfskit(&mut session);
        session.close().expect("close");
    }

    fn look_through_xfskit(&self, session: &mut Session) {
        let tree = tree::from_volume(session.volume()).expect("read the volume");
        self.compare(&tree, "xfskit");
    }

    fn compare(&self, tree: &Tree, side: &str) {
        if let Some(text) = self.generator.model.tree().diff("the model", &tree.below(TOP), side) {
            let last: Vec<_> = self.last(&text).iter().map(|op| format!("{op:?}")).collect();
            panic!("{} after {} operations: {text}\n{}", self.label, self.done.len(), last.join("\n"));
        }
        if let Some(text) = self.beside.diff("the kernel before", &tree.without(TOP), side) {
            panic!("{} after {} operations, beside {TOP}: {text}", self.label, self.done.len());
        }
    }

    /// The last operations that had to do with the first path of a difference, and all since a while ago.
    fn last(&self, text: &str) -> Vec<&Op> {
        let path = text.lines().nth(1).and_then(|line| line.split(": ").next()).unwrap_or_default();
        let recent = self.done.len().saturating_sub(15);
        let is_told = |(index, op): &(usize, &Op)| *index >= recent || format!("{op:?}").contains(path);
        self.done.iter().enumerate().filter(is_told).map(|(_, op)| op).collect()
    }

    /// xfskit's own check, xfs_repair of both releases, and the kernel's view.
    fn judge(&self) {
        check_is_clean(&self.image, &self.label);
        self.referee.repair_n(&self.image);
        let mount = self.referee.mount_read_only(&self.image);
        self.compare(&tree::from_mount(mount.path()), "the kernel");
    }

    /// Has the kernel do `count` operations; xfskit must then show what the model says.
    fn by_kernel(&mut self, count: usize) {
        let mount = self.referee.mount(&self.image);
        for _ in 0..count {
            let op = self.generator.kernel_step();
            apply_on_mount(&mount.path().join("work"), &op);
            self.done.push(op);
        }
        mount.unmount();
        let mut session = Session::open(&self.image, TOP.as_bytes()).expect("open for writing");
        self.look_through_xfskit(&mut session);
        session.close().expect("close");
        check_is_clean(&self.image, &self.label);
    }
}

fn set_mode(dir: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o755)).expect("chmod");
}

fn check_is_clean(image: &Path, label: &str) {
    let mut session = Session::open(image, b"").expect("open");
    let found = findings(session.volume());
    assert!(found.is_empty(), "{label}: check finds\n{}", found.join("\n"));
    session.close().unwrap_or_else(|error| panic!("{label}: {error}"));
}

/// Over all option sets, on fresh volumes and on full ones.
fn model_volume_and_kernel_agree(set: &OptionSet) {
    let Some(referee) = Referee::find() else { return };
    if !referee.has(set.version) {
        return;
    }
    let temp = TempDir::new(set.name);
    if set.written == Written::Nothing {
        return nothing_is_written(referee, set, &temp);
    }
    for is_populated in [false, true] {
        let mut trial = Trial::new(referee, set, &temp, is_populated);
        trial.by_xfskit(250);
        trial.judge();
        trial.by_kernel(60);
        trial.by_xfskit(60);
        trial.judge();
    }
}

mod over_option_sets {
    xfskit_tests::for_each_option_set!(super::model_volume_and_kernel_agree);
}

fn root() -> Bytes {
    Bytes(b"/".to_vec())
}

/// A volume that can't be written opens read-only, names the reason, and stays as it is.
fn nothing_is_written(referee: &Referee, set: &OptionSet, temp: &TempDir) {
    let image = temp.join("a.img");
    referee.mkfs(set, &image);
    let before = std::fs::read(&image).expect("read the image");
    let mut session = Session::open(&image, b"").expect("opens");
    let reason = session.volume().read_only_reason().expect("read-only").to_lowercase();
    assert!(reason.contains(set.name), "{reason}");
    let op = Op::Create { dir: root(), name: Bytes(b"name".to_vec()), mode: 0o600 };
    let error = session.apply(&op).expect_err("refused").to_string().to_lowercase();
    assert!(error.contains(set.name), "{error}");
    session.close().expect("close");
    assert!(std::fs::read(&image).expect("read the image") == before, "{}: the image changed", set.name);
}
