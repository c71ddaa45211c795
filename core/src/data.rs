//! Contents of files.

pub mod extents;
