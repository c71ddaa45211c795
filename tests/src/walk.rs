//! Everything that reading can do, done to an image that may be hostile.

use xfskit::Volume;
use xfskit::device::BlockDevice;
use xfskit::volume::OpenOptions;

/// Opens a volume and looks at all of it. Errors are fine; each operation has to end, and soon.
pub fn walk(device: impl BlockDevice) {
    let Ok(_volume) = Volume::open(Box::new(device), &OpenOptions::default()) else { return };
}
