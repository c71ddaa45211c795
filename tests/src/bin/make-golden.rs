//! Makes the golden images anew: `cargo run -p xfskit-tests --bin make-golden`, as root, with both releases of xfsprogs.
//! With names of images only these.
//!
//! The crashers in `tests/crashers` are changes of these very images: with new images they lose their meaning.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, ExitCode};

use xfskit::Volume;
use xfskit::device::FileDevice;
use xfskit::format::log_item::item_type;
use xfskit::volume::OpenOptions;
use xfskit_tests::extents::{fiemap, joined};
use xfskit_tests::golden::{self, Expected, Golden, folder, hash};
use xfskit_tests::log_cut;
use xfskit_tests::options::{OptionSet, Written};
use xfskit_tests::populate::{Scale, populate};
use xfskit_tests::referee::{Referee, Xfsprogs, run, text_of};
use xfskit_tests::temp::TempDir;
use xfskit_tests::tree;
use xfskit_tests::turmoil::links;

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

/// What happens to a volume before it is kept.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Story {
    /// It is populated.
    Clean,
    /// It is populated, and left with a dirty log.
    Dirty,
    /// It is populated, then names change on it, and its log ends where a change of a parent pointer was begun.
    Cut,
}

const GOLDEN: &[(OptionSet, Story)] = &[
    (DEFAULT, Story::Clean),
    (
        OptionSet {
            name: "small-blocks",
            args: &["--unsupported", "-b", "size=1k", "-n", "size=64k", "-m", "rmapbt=1"],
            block_bytes: 1024,
            ..DEFAULT
        },
        Story::Clean,
    ),
    (OptionSet { name: "parents", version: Xfsprogs::V7_2, size_bytes: 48 * MIB, ..DEFAULT }, Story::Clean),
    (
        OptionSet {
            name: "without-parents",
            version: Xfsprogs::V7_2,
            args: &["--unsupported", "-n", "parent=0"],
            ..DEFAULT
        },
        Story::Clean,
    ),
    (OptionSet { name: "dirty-log", args: &["--unsupported", "-m", "rmapbt=1"], ..DEFAULT }, Story::Dirty),
    (OptionSet { name: "cut-parents", version: Xfsprogs::V7_2, size_bytes: 48 * MIB, ..DEFAULT }, Story::Cut),
];

fn main() -> ExitCode {
    let Some(referee) = Referee::find() else { return ExitCode::FAILURE };
    if !referee.has(Xfsprogs::V7_2) {
        return ExitCode::FAILURE;
    }
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let one = |(set, story): &(OptionSet, Story)| {
        if wanted.is_empty() || wanted.iter().any(|name| name == set.name) {
            make(referee, set, *story)
        } else {
            golden::named(set.name)
        }
    };
    let made: Vec<Golden> = GOLDEN.iter().map(one).collect();
    let text = serde_json::to_string_pretty(&made).expect("golden images as JSON");
    std::fs::write(folder().join("manifest.json"), text + "\n").expect("write the manifest");
    ExitCode::SUCCESS
}

fn make(referee: &Referee, set: &OptionSet, story: Story) -> Golden {
    let temp = TempDir::new(set.name);
    let image = temp.join("golden.img");
    let dirty_log = story != Story::Clean;
    if story == Story::Cut {
        while !begin_change(referee, set, &image) {}
    } else {
        referee.mkfs(set, &image);
        let mount = referee.mount(&image);
        populate(mount.path(), set, Scale::Small, 7);
        if dirty_log {
            mount.shut_down(true);
        } else {
            mount.unmount();
            referee.repair_n(&image);
        }
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

/// Has names change, and cuts the log where that shows a parent pointer being changed; false when it does nowhere.
fn begin_change(referee: &Referee, set: &OptionSet, image: &Path) -> bool {
    referee.mkfs(set, image);
    let mount = referee.mount(image);
    populate(mount.path(), set, Scale::Small, 7);
    mount.unmount();
    links::run(referee.mount(image), 3, 400, 7);
    let geometry = read_only(image).geometry().clone();
    let cuts = log_cut::cuts_by_intent(image, &geometry);
    let Some(block) = cuts.get(&item_type::ATTRI).and_then(|blocks| blocks.first()) else { return false };
    log_cut::cut(image, &geometry, *block);
    true
}

fn read_only(image: &Path) -> Volume {
    let device = FileDevice::new(File::open(image).expect("open the image"), true).expect("its length");
    Volume::open(Box::new(device), &OpenOptions::default()).expect("open the volume")
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
