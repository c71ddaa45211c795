//! The checker has nothing to say about volumes that the kernel filled, and finds the damage that xfs_repair finds.

use std::path::Path;

use xfskit::Volume;
use xfskit::check::{CheckSummary, Severity};
use xfskit::device::{FileDevice, MemoryDevice};
use xfskit_tests::golden;
use xfskit_tests::mutate::{by_kind, damage, metadata_blocks};
use xfskit_tests::options::OptionSet;
use xfskit_tests::populate::{Scale, populate};
use xfskit_tests::referee::{Referee, Verdict, Xfsprogs};
use xfskit_tests::rng::Rng;
use xfskit_tests::temp::TempDir;

/// Checks a volume that must be sound.
fn sound(image: &Path) -> CheckSummary {
    let file = std::fs::File::open(image).expect("open the image");
    let device = FileDevice::new(file, true).expect("a device");
    let mut volume = Volume::open(Box::new(device), &Default::default()).expect("open the volume");
    let mut found = Vec::new();
    let summary = volume.check(&mut |finding| found.push(finding.to_string())).expect("check");
    assert!(found.is_empty(), "{} findings:\n{}", found.len(), found[..found.len().min(20)].join("\n"));
    summary
}

fn populated_volume_is_clean(set: &OptionSet) {
    let Some(referee) = Referee::find() else { return };
    if !referee.has(set.version) {
        return;
    }
    let temp = TempDir::new(set.name);
    let image = temp.join("a.img");
    referee.mkfs(set, &image);
    sound(&image);
    let mount = referee.mount(&image);
    populate(mount.path(), set, Scale::Full, 1);
    mount.unmount();
    let summary = sound(&image);
    assert!(summary.directories > 10 && summary.entries > summary.inodes / 2, "{summary:?}");
}

xfskit_tests::for_each_option_set!(populated_volume_is_clean);

/// Damage that was found; opening counts, which looks at the superblock.
fn damage_in(image: Vec<u8>) -> Vec<String> {
    let mut volume = match Volume::open(Box::new(MemoryDevice::new(image)), &Default::default()) {
        Ok(volume) => volume,
        Err(error) => return vec![error.to_string()],
    };
    let mut found = Vec::new();
    let mut sink = |finding: xfskit::check::Finding| {
        if finding.severity == Severity::Damage {
            found.push(finding.to_string());
        }
    };
    volume.check(&mut sink).expect("check");
    found
}

#[test]
fn golden_images_are_clean() {
    for image in golden::manifest() {
        let found = damage_in(image.image());
        assert!(found.is_empty(), "{}: {found:?}", image.name);
    }
}

/// Random fields of random blocks are changed and the CRCs mended; what bothers xfs_repair must bother the checker.
#[test]
fn damage_that_xfs_repair_finds_is_found() {
    const ROUNDS: u64 = 60;
    let Some(referee) = Referee::find() else { return };
    if !referee.has(Xfsprogs::V7_2) {
        return;
    }
    let temp = TempDir::new("damage");
    let path = temp.join("a.img");
    let clean = golden::manifest().into_iter().filter(|golden| !golden.dirty_log);
    let images: Vec<_> = clean
        .map(|golden| {
            let image = golden.image();
            let kinds = by_kind(metadata_blocks(&image));
            (golden.name, image, kinds)
        })
        .collect();
    let mut agreed = 0;
    for round in 0..ROUNDS {
        let mut rng = Rng::new(round);
        let (name, pristine, kinds) = rng.pick(&images);
        let mut image = pristine.clone();
        let patch = damage(&image, kinds, &mut rng);
        for (at, bytes) in patch.pieces() {
            let at = usize::try_from(at).expect("a position in the image");
            image[at..at + bytes.len()].copy_from_slice(&bytes);
        }
        std::fs::write(&path, &image).expect("write the image");
        let found = damage_in(image);
        if let Verdict::Damaged(said) = referee.repair_n_with(Xfsprogs::V7_2, &path) {
            assert!(!found.is_empty(), "round {round}, {name}: {patch:?}\nxfs_repair says:\n{said}");
            agreed += 1;
        }
    }
    assert!(agreed > ROUNDS / 4, "only {agreed} of {ROUNDS} rounds did damage");
}
