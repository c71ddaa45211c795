//! clap, as the command knows it.
//!
//! What clap derives begins every argument with `clap::Arg::new`, which fills in some seventy fields. The compiler
//! writes that out at each of them, half a kilobyte of wasm each. Here it is a call.

pub use clap::*;

/// Stands before clap's own type of that name in paths, and makes one.
#[derive(Debug, Clone, Copy)]
pub struct Arg;

impl Arg {
    /// An argument of that name.
    #[expect(clippy::new_ret_no_self, reason = "what is derived calls it so")]
    #[inline(never)]
    #[must_use]
    pub fn new(id: &'static str) -> clap::Arg {
        clap::Arg::new(id)
    }
}
