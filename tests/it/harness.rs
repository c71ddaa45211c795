//! The harness itself: populated volumes are sound in the eyes of Linux, and snapshots tell differences.

use xfskit_tests::extents::fiemap;
use xfskit_tests::ops::{Generator, Limits, apply_on_mount};
use xfskit_tests::options::OptionSet;
use xfskit_tests::populate::{Scale, populate};
use xfskit_tests::referee::Referee;
use xfskit_tests::rng::Rng;
use xfskit_tests::temp::TempDir;
use xfskit_tests::tree;

/// A populated volume passes xfs_repair and shows the same on two mounts.
fn populated_volume_is_sound(set: &OptionSet) {
    let Some(referee) = Referee::find() else { return };
    if !referee.has(set.version) {
        return;
    }
    let temp = TempDir::new(set.name);
    let image = temp.join("a.img");
    referee.mkfs(set, &image);
    let mount = referee.mount(&image);
    populate(mount.path(), set, Scale::Full, 1);
    mount.unmount();
    referee.repair_n(&image);
    let mount = referee.mount_read_only(&image);
    let first = tree::from_mount(mount.path());
    let files = tree::plain_files(mount.path());
    let extents = fiemap(&files);
    mount.unmount();
    let again = referee.mount_read_only(&image);
    first.assert_same("one mount", &tree::from_mount(again.path()), "the next");
    assert!(!set.reflink || extents.values().flatten().any(|extent| extent.shared));
    assert!(extents.values().flatten().any(|extent| extent.unwritten));
}

xfskit_tests::for_each_option_set!(populated_volume_is_sound);

/// The model is right: the kernel does the same random operations and shows what the model says.
#[test]
fn kernel_agrees_with_the_model() {
    let Some(referee) = Referee::find() else { return };
    let temp = TempDir::new("model");
    let image = temp.join("a.img");
    for name in ["default_old", "blocks_1k_dirs_64k", "bare"] {
        let set = OptionSet::named(name);
        referee.mkfs(set, &image);
        let mut generator = Generator::new(Limits::of(set), Rng::new(Rng::seed_or(11)));
        let mount = referee.mount(&image);
        for _ in 0..400 {
            apply_on_mount(mount.path(), &generator.kernel_step());
        }
        mount.unmount();
        let mount = referee.mount_read_only(&image);
        generator.model.tree().assert_same("the model", &tree::from_mount(mount.path()), "the mount");
    }
}
