use alloc::boxed::Box;
use alloc::string::ToString;

use super::*;
use crate::device::MemoryDevice;
use crate::mkfs::FormatOptions;
use crate::volume::OpenOptions;

fn fresh() -> Volume {
    let options = FormatOptions { small: true, ..FormatOptions::default() };
    let device = Box::new(MemoryDevice::new(alloc::vec![0; 64 << 20]));
    let device = Volume::format(device, &options).expect("format");
    Volume::open(device, &OpenOptions::default()).expect("open")
}

#[test]
fn a_fresh_volume_is_clean() {
    let mut volume = fresh();
    let found = findings(&mut volume);
    assert!(found.is_empty(), "{}", found[0].to_string());
}
