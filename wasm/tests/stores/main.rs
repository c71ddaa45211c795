//! The same scenarios, with the same assertions, over every store: in a browser over OPFS and IndexedDB, elsewhere over
//! files and chunks in memory.
//!
//! A [`place`] keeps bytes and can be killed. A [`scenario`] does random operations to a volume on it and to a model, or
//! has it killed at random moments and looks at what is left.

mod place;
mod scenario;

mod chunks;
mod files;
mod overlay;

#[cfg(target_arch = "wasm32")]
mod browser;
#[cfg(not(target_arch = "wasm32"))]
mod native;
