//! Block stores: each a `BlockDevice`.

pub mod file;
pub mod memory;
pub mod shared;

/// errno of what another tab has taken away; a number that [`DeviceError::Io`](xfskit::device::DeviceError::Io) carries.
pub const BUSY: i32 = 16;
