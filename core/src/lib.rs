//! XFS volumes from user space.
#![no_std]
extern crate alloc;
#[cfg(feature = "std")]
extern crate std;
