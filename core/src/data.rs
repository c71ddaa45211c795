//! Contents of files: read, write, writeback, remap, clone, truncate.
//!
//! One overwrite goes through three files, in this order:
//!
//! 1. [`mod@write`] leaves the data fork alone. It reserves space (delalloc over a hole, delalloc-overwrite in the CoW
//!    fork over a shared block) and keeps the data in memory;
//! 2. [`writeback`] picks blocks, writes the data into them, and
//! 3. [`remap`] takes the old mapping out, drops its reference and puts the new extent in, all in one transaction.
//!
//! Invariants kept here:
//! * a shared block is never overwritten;
//! * a block that a transaction allocates for a file holds the file's data before that transaction is durable;
//! * once a write was accepted, its writeback does not fail for want of space.

pub mod clone;
pub mod dirty;
pub mod extents;
pub mod file;
pub mod preallocate;
pub mod punch;
pub mod read;
pub mod reflink;
pub mod remap;
pub mod reservation;
pub mod seek;
pub mod shift;
pub mod truncate;
pub mod write;
pub mod writeback;
