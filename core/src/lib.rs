//! xfskit opens, clones, edits and checks real XFS volumes (on-disk format v5) from user space.
//!
//! The crate is `no_std + alloc` and does no I/O of its own: a host hands it a
//! [`BlockDevice`](device::BlockDevice) and calls [`Volume`]. Modules are floors, each importing only from the
//! ones listed before it; ARCHITECTURE.md at the root of the repository has the map.
#![no_std]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

pub mod units;

mod intervals;

mod sort;

pub mod error;

pub mod geometry;

pub mod format;

pub mod device;

pub mod cache;

pub mod journal;

pub mod btree;

pub mod space;

pub mod inode;

pub mod data;

pub mod dir;

pub mod attr;

pub mod symlink;

pub mod acl;

pub mod recovery;

pub mod volume;

pub mod mkfs;

pub mod check;

pub use error::{Error, Result};
pub use volume::Volume;
