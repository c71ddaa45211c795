//! The harness itself: what judges others is judged first.

use xfskit_tests::ops::{Generator, Limits, apply_on_mount};
use xfskit_tests::options::OptionSet;
use xfskit_tests::referee::Referee;
use xfskit_tests::rng::Rng;
use xfskit_tests::temp::TempDir;
use xfskit_tests::tree;

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
