//! Harness for the tests that cross crates.
//!
//! Linux is the referee: [`referee`] finds what this machine can do (root, loop devices, XFS, the two releases of
//! xfsprogs), [`options`] lists the ways to make a volume, [`populate`] has the kernel fill one, [`tree`] and
//! [`extents`] take snapshots of what a volume shows. [`ops`] makes random operations and does them to a [`model`];
//! [`turmoil`] has the kernel work until it is stopped in the middle. [`session`] does them through xfskit, [`ops::apply_on_mount`] through the kernel. [`golden`] keeps small images for
//! machines where Linux can't judge; [`mutate`] damages them, [`fuzz`] sees what comes of it, and what ever brought
//! xfskit down is kept in `crashers/`. [`crash`] pulls the plug. [`twins`] has the kernel and xfskit do the same to two
//! images that start alike.
//!
//! In a browser there are only operations, the model, and what xfskit shows: tests of stores use those.
//!
//! From the environment:
//!
//! | variable | meaning |
//! |---|---|
//! | `XFSKIT_SEED` | seed of the random tests; each failure names its own |
//! | `XFSKIT_FUZZ_SECONDS` | budget of the fuzz test, 20 by default |
//! | `XFSKIT_KEEP` | set: temporary folders stay |
//! | `XFSKIT_BIN` | the command to test, instead of the one that cargo builds |
//! | `XFSKIT_XFSPROGS_SID` | folder with a Debian sid that has xfsprogs 7.2 |
//! | `TMPDIR` | where images go; `target/tmp` by default |

#[cfg(unix)]
pub mod cli;
#[cfg(unix)]
pub mod crash;
pub mod extents;
#[cfg(unix)]
pub mod fresh;
#[cfg(unix)]
pub mod fuse;
#[cfg(unix)]
pub mod fuzz;
#[cfg(unix)]
pub mod golden;
#[cfg(unix)]
pub mod lazy;
#[cfg(unix)]
pub mod log_cut;
pub mod model;
#[cfg(unix)]
pub mod mutate;
pub mod ops;
#[cfg(unix)]
pub mod options;
#[cfg(unix)]
pub mod overlay;
#[cfg(unix)]
pub mod populate;
#[cfg(unix)]
pub mod referee;
pub mod rng;
#[cfg(unix)]
pub mod scribble;
pub mod session;
#[cfg(unix)]
pub mod temp;
pub mod tree;
#[cfg(unix)]
pub mod turmoil;
#[cfg(unix)]
pub mod twins;
#[cfg(unix)]
pub mod walk;
