//! Transactions, and how committed changes reach the device.
//!
//! A [`Transaction`] is an overlay: it reads through the cache and changes private copies of metadata blocks.
//! [`Transaction::commit`] publishes them all at once; dropping it leaves the volume exactly as it was.
//!
//! Invariants kept here:
//! * no metadata of a transaction reaches the device before the data that it refers to is durable;
//! * blocks that a transaction freed stay *busy* until that transaction is durable, and are not handed out before.
//!
//! Committed transactions gather in memory. [`Store::force`] writes them into the log as one checkpoint, in the format
//! of XFS, and flushes; later a push puts the changed blocks in place, after which the log may forget them.
//!
//! ```text
//!   commit          force                       push
//!   memory   ──▶    flush data, log, flush  ──▶ in place, flush, tail moves
//! ```
//!
//! Invariants kept here:
//! * metadata is written in place only when the checkpoint with its change is durable;
//! * the tail moves only when what it passes is in place, and that is durable;
//! * the log always has room for everything that was committed.

mod checkpoint;
pub mod extent_set;
mod inode_item;
pub mod items;
pub mod log;
pub mod log_state;
pub mod recovery;
mod store;
mod transaction;

pub use items::{Done, Icreate};
pub use log::Position;
pub use store::{Counters, PendingIntent, Store};
pub use transaction::{CHUNK_BYTES, Change, Locator, Transaction};
