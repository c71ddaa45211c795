//! Contents of files.

pub mod extents;
pub mod read;
