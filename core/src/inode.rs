//! Inodes: finding, reading and checking them, and mapping the blocks of their forks.

pub mod fork;
mod verify;
mod view;

pub use fork::{Fork, extents_from, for_each_extent, map_at};
pub use view::{Inode, read};
