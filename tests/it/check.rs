//! The checker has nothing to say about volumes that the kernel filled.

use std::path::Path;

use xfskit::Volume;
use xfskit::check::CheckSummary;
use xfskit::device::FileDevice;
use xfskit_tests::options::OptionSet;
use xfskit_tests::populate::{Scale, populate};
use xfskit_tests::referee::Referee;
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
