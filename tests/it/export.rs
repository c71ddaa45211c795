//! Archives: what GNU tar unpacks from an export is what the volume held.

use std::process::{Command, Stdio};

use xfskit_tests::cli::Cli;
use xfskit_tests::options::OptionSet;
use xfskit_tests::populate::{Scale, populate};
use xfskit_tests::referee::{Referee, run};
use xfskit_tests::tree::{self, Kind};

/// Exports directories of a populated volume, unpacks them on a fresh one and compares: names, owners, modes, times to
/// the nanosecond, hard links, devices, xattrs.
#[test]
fn gnu_tar_unpacks_what_the_volume_held() {
    let Some(referee) = Referee::find() else { return };
    let cli = Cli::new("export");
    let set = OptionSet::named("default_old");
    let (source, target) = (cli.path("disk.img"), cli.path("target.img"));
    referee.mkfs(set, &source);
    referee.mkfs(set, &target);
    let mount = referee.mount(&source);
    populate(mount.path(), set, Scale::Small, 3);
    mount.unmount();
    let before = referee.mount_read_only(&source);
    let after = referee.mount(&target);
    for dir in ["symlinks", "nodes", "names", "owners", "times", "xattrs", "dirs", "shared"] {
        let mut export = cli.command(&["export", &format!("disk.img:/{dir}")]);
        let mut export = export.stdout(Stdio::piped()).spawn().expect("start xfskit");
        let unpacked = after.path().join(dir);
        std::fs::create_dir(&unpacked).expect("mkdir");
        let mut tar = Command::new("tar");
        tar.args(["-x", "-p", "--numeric-owner", "--xattrs", "--xattrs-include=*", "-C"]).arg(&unpacked);
        run(tar.stdin(export.stdout.take().expect("piped")));
        assert!(export.wait().expect("export ends").success());
        let top = if unpacked.join(dir).is_dir() { unpacked.join(dir) } else { unpacked };
        let mut held = tree::from_mount(&before.path().join(dir)).with_own_links().as_copied();
        // tar has no form for sockets, and nothing after them can count on their links.
        held.entries.retain(|_, entry| entry.kind != Kind::Socket);
        let mut unpacked = tree::from_mount(&top).as_copied();
        for tree in [&mut held, &mut unpacked] {
            if let Some(root) = tree.entries.get_mut("/") {
                root.mtime = None;
            }
        }
        held.assert_same("the volume", &unpacked, "the archive");
    }
}
