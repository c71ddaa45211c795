//! Inodes: finding, reading and checking them, mapping the blocks of their forks, allocating and freeing them.

pub mod alloc;
pub mod bmap;
pub mod chunk;
pub mod core;
pub mod flags;
pub mod fork;
pub mod forkoff;
pub mod inactivate;
pub mod init;
pub mod unlinked;
mod verify;
mod view;

pub use fork::{Fork, extents_from, for_each_extent, map_at};
pub use view::{Inode, read};
