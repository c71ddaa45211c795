//! A dirty log: what xfskit makes of it is what Linux makes of it.

use xfskit::Volume;
use xfskit::device::MemoryDevice;
use xfskit::volume::OpenOptions;
use xfskit_tests::extents::joined;
use xfskit_tests::golden;
use xfskit_tests::session::findings;
use xfskit_tests::tree;

fn read_only() -> OpenOptions {
    let mut options = OpenOptions::default();
    options.read_only = true;
    options
}

/// The golden image with a dirty log, replayed in memory and for good, shows what Linux shows after its own recovery.
#[test]
fn golden_dirty_log_is_recovered() {
    let golden = golden::named("dirty-log");
    let (bytes, expected) = (golden.image(), golden.expected());
    let device = Box::new(MemoryDevice::new(bytes.clone()));
    let mut volume = Volume::open(device, &read_only()).expect("open");
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
