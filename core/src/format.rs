//! On-disk structures: raw big-endian views, decoded forms, and the headers that all metadata blocks share.
//!
//! Raw structs are `zerocopy` types of alignment 1 in which any byte pattern is allowed; what only makes sense with
//! certain values is decoded by a fallible function. Fields keep the kernel's names without their prefix.

pub mod acl;
pub mod agf;
pub mod agfl;
pub mod agi;
pub mod attr;
pub mod btree;
pub mod crc;
pub mod da;
pub mod dir;
pub mod extent;
pub mod features;
pub mod header;
pub mod inode;
pub mod log;
pub mod log_item;
pub mod superblock;
pub mod symlink;
pub mod time;

pub use header::BlockKind;
