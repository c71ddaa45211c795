//! A dirty log: what xfskit makes of it is what Linux makes of it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use xfskit::Volume;
use xfskit::device::{BlockDevice, FileDevice, MemoryDevice};
use xfskit::format::log_item::item_type;
use xfskit::volume::OpenOptions;
use xfskit_tests::extents::{fiemap, joined};
use xfskit_tests::golden;
use xfskit_tests::log_cut;
use xfskit_tests::options::{OptionSet, Written};
use xfskit_tests::overlay::OverlayDevice;
use xfskit_tests::referee::{Referee, Verdict, Xfsprogs, run, say};
use xfskit_tests::rng::Rng;
use xfskit_tests::session::findings;
use xfskit_tests::temp::TempDir;
use xfskit_tests::tree::{self, Tree};
use xfskit_tests::turmoil::{self, Turmoil};

pub(crate) fn open(image: &Path, options: &OpenOptions) -> Volume {
    let file = File::options().read(true).write(true).open(image).expect("open the image");
    let device = FileDevice::new(file, false).expect("length of the image");
    Volume::open(Box::new(device), options).expect("open the volume")
}

pub(crate) fn read_only() -> OpenOptions {
    let mut options = OpenOptions::default();
    options.read_only = true;
    options
}

fn copy(image: &Path, name: &str) -> PathBuf {
    let copy = image.with_file_name(name);
    run(Command::new("cp").arg("--sparse=always").arg(image).arg(&copy));
    copy
}

/// The golden image with a dirty log, replayed in memory and for good, shows what Linux shows after its own recovery.
#[test]
fn golden_dirty_log_is_recovered() {
    golden_is_recovered("dirty-log", &[]);
}

/// The same where the log ends in the middle of changes of parent pointers.
#[test]
fn golden_cut_log_is_recovered() {
    golden_is_recovered("cut-parents", &[item_type::ATTRI]);
}

fn golden_is_recovered(name: &str, intents: &[u16]) {
    let golden = golden::named(name);
    let (bytes, mut expected) = (golden.image(), golden.expected());
    let device = Box::new(MemoryDevice::new(bytes.clone()));
    let mut volume = Volume::open(device, &read_only()).expect("open");
    let report = volume.recovered().expect("a dirty log");
    assert!(
        intents.iter().all(|kind| report.intents.iter().any(|(done, _)| done == kind)),
        "{:?}",
        report.intents
    );
    if !intents.is_empty() {
        // Linux takes the time at which it finishes a change of an attribute.
        expected.tree.entries.values_mut().for_each(|entry| entry.ctime = None);
    }
    assert!(
        volume.warnings().iter().any(|line| line.contains("replayed in memory")),
        "{:?}",
        volume.warnings()
    );
    let ours = tree::from_volume(&mut volume).expect("read");
    expected.tree.assert_same("Linux", &ours, "xfskit, in memory");
    assert_eq!(findings(&mut volume), Vec::<String>::new());
    let device: Box<dyn std::any::Any> = volume.close().expect("close");
    let device = device.downcast::<MemoryDevice>().expect("the device that was opened");
    assert!(device.bytes() == bytes, "the image has changed");

    let mut volume = Volume::open(device, &OpenOptions::default()).expect("open");
    assert_eq!(volume.read_only_reason(), None);
    let ours = tree::from_volume(&mut volume).expect("read");
    expected.tree.assert_same("Linux", &ours, "xfskit");
    assert_eq!(findings(&mut volume), Vec::<String>::new());
    for (path, extents) in expected.extents {
        let ours = tree::extents_of(&mut volume, path.as_bytes()).expect("extents of a file");
        assert_eq!(joined(&extents), joined(&ours), "extents of {path}");
    }
    let device = volume.close().expect("close");
    let mut volume = Volume::open(device, &OpenOptions::default()).expect("open again");
    assert!(volume.warnings().is_empty(), "{:?}", volume.warnings());
    expected.tree.assert_same("Linux", &tree::from_volume(&mut volume).expect("read"), "xfskit, later");
}

/// Whatever becomes of the bytes of a log: it is replayed up to the damage or left alone. Nothing panics, and what is left
/// alone keeps every byte.
#[test]
fn damaged_logs_are_replayed_or_left_alone() {
    let golden = golden::named("dirty-log");
    let bytes = Arc::new(golden.image());
    let open = |device: OverlayDevice| Volume::open(Box::new(device), &OpenOptions::default());
    let (start, len) = {
        let volume = open(OverlayDevice::new(bytes.clone())).expect("open");
        let geometry = volume.geometry();
        (geometry.byte(geometry.logstart), u64::from(geometry.logblocks) << geometry.blocklog)
    };
    let used = {
        let log = &bytes[usize::try_from(start).expect("small")..][..usize::try_from(len).expect("small")];
        log.chunks_exact(512).rposition(|sector| sector[..4] != [0; 4] && sector[4..8] != [0; 4]).unwrap_or(0)
    };
    let seed = Rng::seed_or(3);
    let mut rng = Rng::new(seed);
    let (mut left_alone, mut replayed) = (0, 0);
    for _ in 0..rounds(60) {
        let mut device = OverlayDevice::new(bytes.clone());
        for _ in 0..rng.range(1, 4) {
            let at = start + rng.below(used as u64 + 1) * 512;
            let damage: Vec<u8> = match rng.below(4) {
                0 => vec![0; 512],
                1 => (0..512).map(|_| rng.bits() as u8).collect(),
                2 => rng.bits().to_be_bytes().to_vec(),
                _ => vec![rng.bits() as u8; 1],
            };
            let inside = if damage.len() < 512 { rng.below(500) } else { 0 };
            device.write_at(at + inside, &damage).expect("inside");
        }
        let before = golden::hash(&device.to_bytes());
        let Ok(mut volume) = open(device) else { continue };
        if volume.read_only_reason().is_some() {
            left_alone += 1;
            let device: Box<dyn std::any::Any> = volume.close().expect("close");
            let device = device.downcast::<OverlayDevice>().expect("the device that was opened");
            assert_eq!(golden::hash(&device.to_bytes()), before, "seed {seed}: changed, and left alone");
        } else {
            replayed += 1;
            // A log whose end is damaged looks like one whose last records were on their way, and is replayed up to there.
            // What was put in place since does not fit then; a look at all of it has to end all the same.
            let _ = findings(&mut volume);
        }
    }
    say(&format!("{left_alone} damaged logs left alone, {replayed} replayed up to the damage"));
}

/// What is wrong with a recovered volume. An attribute that was being written when the kernel was stopped stays incomplete
/// in Linux too.
pub(crate) fn problems(volume: &mut Volume) -> Vec<String> {
    findings(volume).into_iter().filter(|line| !line.contains("left incomplete")).collect()
}

/// What a volume shows, as one of the two recovered it.
struct View {
    tree: Tree,
    extents: Vec<(PathBuf, Vec<xfskit_tests::extents::Extent>)>,
}

fn view(referee: &Referee, image: &Path) -> View {
    let mount = referee.mount_read_only(image);
    let tree = tree::from_mount(mount.path());
    let files = fiemap(&tree::plain_files(mount.path()));
    let relative = |path: PathBuf| path.strip_prefix(mount.path()).expect("below the mount").to_owned();
    let extents = files.into_iter().map(|(path, extents)| (relative(path), joined(&extents))).collect();
    View { tree, extents }
}

/// Has xfs_repair judge what xfskit recovered. Where it finds an attribute that was never finished in what Linux
/// recovered, it may find it here.
fn judge(referee: &Referee, theirs: &Path, ours: &Path) {
    for version in [Xfsprogs::V6_1, Xfsprogs::V7_2] {
        if !referee.has(version) {
            continue;
        }
        if let Verdict::Damaged(said) = referee.repair_n_with(version, ours) {
            let is_same = said.contains("is INCOMPLETE")
                && matches!(referee.repair_n_with(version, theirs), Verdict::Damaged(_));
            assert!(is_same, "xfs_repair -n ({version:?}) is not content:\n{said}");
        }
    }
}

impl View {
    /// What there is inside of files alone: where Linux finishes an intent it gives up what a file has behind its end.
    fn inside_files(mut self, block_bytes: u64) -> Self {
        for entry in self.tree.entries.values_mut() {
            entry.blocks = None;
        }
        for (path, extents) in &mut self.extents {
            let size = self.tree.entries[&format!("/{}", path.display())].size.expect("known");
            let end = size.next_multiple_of(block_bytes) / 512;
            extents.retain(|extent| extent.logical < end);
            if let Some(last) = extents.last_mut() {
                last.count = last.count.min(end - last.logical);
            }
        }
        self
    }
}

/// One dirty image: Linux recovers a copy, xfskit another, in memory and for good.
pub(crate) fn compare(referee: &Referee, set: &OptionSet, image: &Path, what: &str) {
    let (theirs, ours) = (copy(image, "theirs.img"), copy(image, "ours.img"));
    if let Err(said) = referee.recover(&theirs) {
        say(&format!("{what}: skipped, Linux does not recover this: {}", said.trim()));
        return;
    }
    let mut theirs_view = view(referee, &theirs);
    let before = golden::hash(&std::fs::read(&ours).expect("read the image"));
    let mut volume = open(&ours, &read_only());
    let warnings = volume.warnings().join("; ");
    assert!(warnings.contains("replayed in memory"), "{what}: {warnings}");
    let mut in_memory = tree::from_volume(&mut volume).expect("read what was replayed in memory");
    let has_intents = volume.recovered().is_some_and(|report| !report.intents.is_empty());
    if volume
        .recovered()
        .is_some_and(|report| report.intents.iter().any(|&(kind, _)| kind == item_type::ATTRI))
    {
        // Linux takes the time at which it finishes such a change.
        theirs_view.tree.entries.values_mut().for_each(|entry| entry.ctime = None);
    }
    if has_intents {
        theirs_view = theirs_view.inside_files(set.block_bytes);
        in_memory = View { tree: in_memory, extents: Vec::new() }.inside_files(set.block_bytes).tree;
    }
    assert_eq!(problems(&mut volume), Vec::<String>::new(), "{what}, in memory");
    drop(volume.close());
    assert_eq!(before, golden::hash(&std::fs::read(&ours).expect("read")), "{what}: the image has changed");
    theirs_view.tree.assert_same("Linux", &in_memory, "xfskit, in memory");

    if set.written == Written::Nothing {
        return;
    }
    let mut volume = open(&ours, &OpenOptions::default());
    assert_eq!(volume.read_only_reason(), None, "{what}: {:?}", volume.warnings());
    let report = volume.recovered().expect("a dirty log").clone();
    say(&format!(
        "{what}: {} checkpoints, intents {:x?}, {} unlinked, {} staging blocks",
        report.replayed.checkpoints, report.intents, report.unlinked, report.staging_fsblocks
    ));
    assert_eq!(problems(&mut volume), Vec::<String>::new(), "{what}");
    let statfs = volume.statfs().expect("statfs");
    drop(volume.close().expect("close"));
    judge(referee, &theirs, &ours);
    let mut ours_view = view(referee, &ours);
    if has_intents {
        ours_view = ours_view.inside_files(set.block_bytes);
    }
    theirs_view.tree.assert_same("Linux", &ours_view.tree, "xfskit");
    for (theirs, ours) in theirs_view.extents.iter().zip(&ours_view.extents) {
        assert_eq!(theirs, ours, "{what}: extents");
    }
    let mut theirs = open(&theirs, &read_only());
    let expected = theirs.statfs().expect("statfs");
    assert_eq!(
        (expected.inodes, expected.free_inodes),
        (statfs.inodes, statfs.free_inodes),
        "{what}: inodes"
    );
    if has_intents {
        return;
    }
    let apart = expected.free_fsblocks.abs_diff(statfs.free_fsblocks);
    assert!(
        apart <= 4,
        "{what}: {} free in Linux, {} in xfskit",
        expected.free_fsblocks,
        statfs.free_fsblocks
    );
}

/// States with work left open: the log of one busy kernel, ending at any of its records.
fn cuts(name: &str) {
    let Some(referee) = Referee::find() else { return };
    let set = OptionSet::named(name);
    if !referee.has(set.version) {
        return;
    }
    let temp = TempDir::new(&format!("cuts-{name}"));
    let (image, state) = (temp.join("a.img"), temp.join("state.img"));
    let seed = Rng::seed_or(5);
    let mut rng = Rng::new(seed);
    referee.mkfs(set, &image);
    let turmoil = Turmoil {
        workers: 3,
        operations: 900,
        syncs: true,
        large_attributes: false,
        flush_log: true,
        block_bytes: set.block_bytes,
    };
    turmoil::run(referee.mount(&image), &turmoil, seed);
    let geometry = open(&image, &read_only()).geometry().clone();
    let mut by_kind = log_cut::cuts_by_intent(&image, &geometry);
    if by_kind.is_empty() {
        say("the log went round, so there is nothing to cut");
        return;
    }
    // One state after the other, each with another kind of intent among what is open; some with nothing open.
    for round in 0..rounds(4) {
        let index = round as usize % by_kind.len();
        let (&kind, blocks) = by_kind.iter_mut().nth(index).expect("below the length");
        let block = *rng.pick(blocks);
        run(Command::new("cp").arg("--sparse=always").arg(&image).arg(&state));
        log_cut::cut(&state, &geometry, block);
        compare(referee, set, &state, &format!("{name} cut at {block} for {kind:x}"));
    }
}

#[test]
fn cut_default_old() {
    cuts("default_old");
}

#[test]
fn cut_default_new() {
    cuts("default_new");
}

#[test]
fn cut_rmapbt_nrext64() {
    cuts("rmapbt_nrext64");
}

#[test]
fn cut_blocks_1k_dirs_64k() {
    cuts("blocks_1k_dirs_64k");
}

/// How many states a test looks at: `XFSKIT_ROUNDS`, or else a few.
pub(crate) fn rounds(default: u64) -> u64 {
    std::env::var("XFSKIT_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn crash(set: &OptionSet) {
    let Some(referee) = Referee::find() else { return };
    if !referee.has(set.version) {
        return;
    }
    let temp = TempDir::new(&format!("recovery-{}", set.name));
    let image = temp.join("a.img");
    let seed = Rng::seed_or(5);
    for round in 0..rounds(2) {
        referee.mkfs(set, &image);
        let turmoil = Turmoil {
            workers: 1 + (round + seed) % 3,
            operations: 150 + 200 * (round % 4),
            syncs: round % 2 == 0,
            large_attributes: true,
            flush_log: round % 3 != 2,
            block_bytes: set.block_bytes,
        };
        turmoil::run(referee.mount(&image), &turmoil, seed + round);
        compare(referee, set, &image, &format!("{} round {round}", set.name));
    }
}

mod over_option_sets {
    xfskit_tests::for_each_option_set!(super::crash);
}
