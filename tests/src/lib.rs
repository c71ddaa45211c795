//! Harness for the tests that cross crates.
//!
//! Linux is the referee: [`referee`] finds what this machine can do (root, loop devices, XFS, the two releases of
//! xfsprogs), [`populate`] has the kernel fill a volume, [`tree`] takes a snapshot of what a volume shows, and
//! [`golden`] keeps small images for machines where none of that is possible.

pub mod cli;
pub mod extents;
pub mod fresh;
pub mod fuzz;
pub mod golden;
pub mod lazy;
pub mod model;
pub mod mutate;
pub mod ops;
pub mod options;
pub mod overlay;
pub mod populate;
pub mod referee;
pub mod rng;
pub mod scribble;
pub mod session;
pub mod temp;
pub mod tree;
pub mod walk;
