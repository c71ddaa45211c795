//! xfskit for JavaScript: an XFS volume over what a browser or Node.js keeps bytes in.
//!
//! [`Disk`](disk::Disk) is what a volume lives on, [`Engine`](engine::Engine) an open volume. All calls are
//! synchronous. Offsets and lengths are bytes, as JavaScript's numbers; names and paths are bytes as well. What fails
//! throws an `Error` with Node's `code`. One code is not Node's: `NOT_RESIDENT` says that a store has to fetch
//! something first; nothing has changed then, and the same call is made again.
//!
//! What waits (IndexedDB, HTTP, locks, workers) is done by the package around this, which is written in TypeScript.

pub mod chunks;
pub mod disk;
pub mod engine;
pub mod failure;
pub mod store;
