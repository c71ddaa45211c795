//! Makes the golden images anew: `cargo run -p xfskit-tests --bin make-golden`, as root, with both releases of xfsprogs.
//!
//! The crashers in `tests/crashers` are changes of these very images: with new images they lose their meaning.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, ExitCode};

use xfskit_tests::extents::{fiemap, joined};
use xfskit_tests::golden::{Expected, Golden, folder, hash};
use xfskit_tests::options::{OptionSet, Written};
use xfskit_tests::populate::{Scale, populate};
use xfskit_tests::referee::{Referee, Xfsprogs, run, text_of};
use xfskit_tests::temp::TempDir;
use xfskit_tests::tree;

const MIB: u64 = 1 << 20;

const DEFAULT: OptionSet = OptionSet {
    name: "default",
    version: Xfsprogs::V6_1,
    size_bytes: 32 * MIB,
    args: &["--unsupported"],
    block_bytes: 4096,
    reflink: true,
    bigtime: true,
    written: Written::All,
};

const GOLDEN: &[(OptionSet, bool)] = &[
    (DEFAULT, false),
    (
        OptionSet {
            name: "small-blocks",
            args: &["--unsupported", "-b", "size=1k", "-n", "size=64k", "-m", "rmapbt=1"],
            block_bytes: 1024,
            ..DEFAULT
        },
        false,
    ),
    (OptionSet { name: "parents", version: Xfsprogs::V7_2, size_bytes: 48 * MIB, ..DEFAULT }, false),
    (
        OptionSet {
            name: "without-parents",
            version: Xfsprogs::V7_2,
            args: &["--unsupported", "-n", "parent=0"],
            ..DEFAULT
        },
        false,
    ),
    (OptionSet { name: "dirty-log", args: &["--unsupported", "-m", "rmapbt=1"], ..DEFAULT }, true),
];

fn main() -> ExitCode {
    let Some(referee) = Referee::find() else { return ExitCode::FAILURE };
    if !referee.has(Xfsprogs::V7_2) {
        return ExitCode::FAILURE;
    }
    let made: Vec<Golden> = GOLDEN.iter().map(|(set, dirty_log)| make(referee, set, *dirty_log)).collect();
    let text = serde_json::to_string_pretty(&made).expect("golden images as JSON");
    std::fs::write(folder().join("manifest.json"), text + "\n").expect("write the manifest");
    ExitCode::SUCCESS
}

fn make(referee: &Referee, set: &OptionSet, dirty_log: bool) -> Golden {
    let temp = TempDir::new(set.name);
    let image = temp.join("golden.img");
    referee.mkfs(set, &image);
    let mount = referee.mount(&image);
    populate(mount.path(), set, Scale::Small, 7);
    if dirty_log {
        mount.shut_down(true);
    } else {
        mount.unmount();
        referee.repair_n(&image);
    }
    let bytes = std::fs::read(&image).expect("read the image");
    pack(&image, &folder().join(format!("{}.img.zst", set.name)));
    let expected = temp.join("expected");
    std::fs::write(&expected, serde_json::to_vec(&look(referee, &image, dirty_log)).expect("JSON"))
        .expect("write");
    pack(&expected, &folder().join(format!("{}.expected.zst", set.name)));
    let mkfs_version = referee.xfsprogs(set.version, "mkfs.xfs").arg("-V").output().expect("mkfs.xfs -V");
    println!("{}: {}", set.name, set.args.join(" "));
    Golden {
        name: set.name.into(),
        command: format!("mkfs.xfs {} -m {} {}.img", set.args.join(" "), set.uuid_option(), set.name),
        xfsprogs: text_of(&mkfs_version).trim().into(),
        kernel: text_of(&run(Command::new("uname").arg("-sr"))).trim().into(),
        size_bytes: set.size_bytes,
        sha256: hash(&bytes),
        dirty_log,
    }
}

/// What the kernel shows of the volume; a dirty log is recovered for that, on a copy that nobody keeps.
fn look(referee: &Referee, image: &Path, dirty_log: bool) -> Expected {
    if dirty_log {
        referee.mount(image).unmount();
    }
    let mount = referee.mount_read_only(image);
    let files = tree::plain_files(mount.path());
    let relative = |path: &Path| {
        let path = path.strip_prefix(mount.path()).expect("below the mount");
        format!("/{}", tree::escape(path.as_os_str().as_bytes()))
    };
    let extents: BTreeMap<_, _> =
        fiemap(&files).iter().map(|(path, extents)| (relative(path), joined(extents))).collect();
    Expected { tree: tree::from_mount(mount.path()), extents }
}

fn pack(source: &Path, target: &Path) {
    run(Command::new("zstd").args(["-q", "-f", "-19", "--long=25"]).arg(source).arg("-o").arg(target));
}
