//! Reading: what the kernel put on a volume, xfskit shows as the kernel does.

use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use xfskit::Volume;
use xfskit::device::{BlockDevice, FileDevice, MemoryDevice};
use xfskit::volume::{Follow, OpenOptions};
use xfskit_tests::extents::{fiemap, joined};
use xfskit_tests::golden;
use xfskit_tests::lazy::{LazyDevice, Resident, fetching};
use xfskit_tests::options::OptionSet;
use xfskit_tests::overlay::OverlayDevice;
use xfskit_tests::populate::{Scale, deep_directory, populate};
use xfskit_tests::referee::Referee;
use xfskit_tests::rng::Rng;
use xfskit_tests::session::findings;
use xfskit_tests::temp::TempDir;
use xfskit_tests::tree::{self, Kind, Tree};

/// Names that give a directory an inner level below its root, at 4 KiB.
const DEEP: u32 = 190_000;

/// A volume that the kernel populated, over all option sets: same tree, same extents, xfs_repair content before all that.
fn kernel_and_xfskit_agree(set: &OptionSet) {
    let Some(referee) = Referee::find() else { return };
    if !referee.has(set.version) {
        return;
    }
    let temp = TempDir::new(set.name);
    let image = temp.join("a.img");
    referee.mkfs(set, &image);
    let mount = referee.mount(&image);
    if set.name == "default_old" {
        deep_directory(mount.path(), DEEP);
    }
    populate(mount.path(), set, Scale::Full, Rng::seed_or(1));
    mount.unmount();
    referee.repair_n(&image);

    let mount = referee.mount_read_only(&image);
    let kernel = tree::from_mount(mount.path());
    let mut volume = open(&image);
    let ours = tree::from_volume(&mut volume).expect("read the volume");
    kernel.assert_same("the kernel", &ours, "xfskit");
    for (file, extents) in fiemap(&tree::plain_files(mount.path())) {
        let path = Path::new("/").join(file.strip_prefix(mount.path()).expect("below the mount"));
        let ours = tree::extents_of(&mut volume, path.as_os_str().as_bytes()).expect("extents of a file");
        assert_eq!(joined(&extents), joined(&ours), "kernel's and our extents of {}", path.display());
    }
    parents_lead_back(&mut volume, &ours);
    assert_eq!(findings(&mut volume), Vec::<String>::new());
}

mod over_option_sets {
    xfskit_tests::for_each_option_set!(super::kernel_and_xfskit_agree);
}

fn open(image: &Path) -> Volume {
    let file = File::open(image).expect("open the image");
    open_device(FileDevice::new(file, true).expect("length of the image"))
}

fn open_device(device: impl BlockDevice) -> Volume {
    Volume::open(Box::new(device), &OpenOptions::default()).expect("open the volume")
}

/// Where a volume has parent pointers, each inode knows all of its names, and no others.
fn parents_lead_back(volume: &mut Volume, tree: &Tree) {
    if !volume.geometry().has_parent_pointers() {
        return;
    }
    for (path, entry) in tree.entries.iter().filter(|(path, _)| !path.contains('\\') && *path != "/") {
        let ino = volume.resolve(path.as_bytes(), Follow::No).expect("resolve a path");
        let parents = volume.parents(ino).expect("parents of an inode");
        let names = if entry.kind == Kind::Directory { 1 } else { entry.nlink };
        assert_eq!(parents.len(), names as usize, "parents of {path}");
        let (dir, name) = path.rsplit_once('/').expect("an absolute path");
        let dir = volume.resolve(format!("/{dir}").as_bytes(), Follow::No).expect("resolve a directory");
        assert!(
            parents.iter().any(|parent| parent.parent == dir && parent.name == name.as_bytes()),
            "{path}"
        );
    }
}

/// Golden images show what Linux showed when they were made; no root is needed for that.
#[test]
fn golden_images_show_what_linux_showed() {
    for image in golden::manifest().into_iter().filter(|image| !image.dirty_log) {
        let mut volume = open_device(MemoryDevice::new(image.image()));
        let expected = image.expected();
        let ours = tree::from_volume(&mut volume).expect("read a golden image");
        expected.tree.assert_same("Linux", &ours, &image.name);
        for (path, extents) in expected.extents {
            let ours = tree::extents_of(&mut volume, path.as_bytes()).expect("extents of a file");
            assert_eq!(joined(&extents), joined(&ours), "extents of {path} in {}", image.name);
        }
        parents_lead_back(&mut volume, &ours);
        assert_eq!(findings(&mut volume), Vec::<String>::new(), "{}", image.name);
    }
}

/// A device that has to fetch its bytes first: each call says what it wants, and works when it has it.
#[test]
fn missing_bytes_are_asked_for() {
    let image = golden::named("small-blocks");
    let bytes = Arc::new(image.image());
    let resident = Resident::default();
    let open = || {
        let device = LazyDevice::new(OverlayDevice::new(bytes.clone()), resident.clone());
        Volume::open(Box::new(device), &OpenOptions::default())
    };
    let mut volume = fetching(&resident, open).expect("open");
    let opened_with = resident.lock().expect("no panic while it was held").len();
    assert!(opened_with < 40, "{opened_with} pages to open a volume");
    let ours = fetching(&resident, || tree::from_volume(&mut volume)).expect("read the volume");
    image.expected().tree.assert_same("Linux", &ours, "xfskit on a lazy device");
}
