//! What volumes live on in a browser and in Node.js: each store is a [`BlockDevice`](xfskit::device::BlockDevice).
//!
//! | store | where its bytes are | a flush |
//! |---|---|---|
//! | [`SparseMemory`](memory::SparseMemory) | memory | does nothing |
//! | [`RawImage`](raw::RawImage) | a file, byte for byte | flushes the file |
//! | [`Packed`](packed::Packed) | a file that grows with use | writes the map, flushes the file |
//! | [`Chunked`](chunks::Chunked) | chunks that a host fetches and saves | closes an epoch |
//! | [`Overlay`](overlay::Overlay) | a base that is never written, and a device for what differs | data first, then what says that it counts |
//!
//! [`Shared`](shared::Shared) lets several hold one of them, and a [`Plug`](plug::Plug) stands above any: it notes what
//! is done, and cuts the power.
//!
//! Nothing but [`HostFile`](file::HostFile) knows of JavaScript.

pub mod chunks;
mod error;
pub mod file;
pub mod memory;
pub mod overlay;
pub mod packed;
pub mod plug;
pub mod raw;
pub mod shared;

pub use error::{StoreError, code_name};

#[cfg(test)]
mod crashy;
