//! Transactions, and how committed changes reach the device.
//!
//! A [`Transaction`] is an overlay: it reads through the cache and changes private copies of metadata blocks.
//! [`Transaction::commit`] publishes them all at once; dropping it leaves the volume exactly as it was.
//!
//! Invariants kept here:
//! * no metadata of a transaction reaches the device before the data that it refers to is durable;
//! * blocks that a transaction freed stay *busy* until that transaction is durable, and are not handed out before.
//!
//! The log is not written yet. Until it is, [`Store::checkpoint`] puts blocks in place between two writes of the
//! primary superblock: the first one flags the volume as needing repair, the second one clears the flag and carries
//! the new counters. A host that dies in between leaves a volume that says so.

pub mod extent_set;
pub mod log_state;
mod store;
mod transaction;

pub use store::{Counters, Store};
pub use transaction::{CHUNK_BYTES, Change, Locator, Transaction};
