//! A line of text, where a bar would cost too much of the module's size.

use std::io::{Write as _, stderr};
use std::time::{Duration, Instant};

use crate::size::human;

/// How long a line stands.
const INTERVAL: Duration = Duration::from_millis(200);
/// Back to the start of the line, which is cleared.
const CLEAR: &str = "\r\x1b[K";

/// What is shown.
pub(super) struct Display {
    written: Option<Instant>,
}

impl Display {
    /// For work on `total_bytes` bytes, as far as that is known.
    pub(super) fn new(_total_bytes: Option<u64>) -> Self {
        Self { written: None }
    }

    /// So much is done.
    pub(super) fn update(&mut self, bytes: u64, files: u64, total_bytes: Option<u64>) {
        if self.written.is_some_and(|written| written.elapsed() < INTERVAL) {
            return;
        }
        self.written = Some(Instant::now());
        let done = human(bytes);
        let line = match total_bytes {
            Some(total) => format!("{done} of {}, {} %", human(total), bytes * 100 / total.max(1)),
            None if files > 0 => format!("{done} in {files} files"),
            None => done,
        };
        // That nobody may be looking is no reason to stop.
        let _ = write!(stderr(), "{CLEAR}{line}");
    }

    /// Makes way for what is written by `say`.
    pub(super) fn suspend<T>(&self, say: impl FnOnce() -> T) -> T {
        let _ = write!(stderr(), "{CLEAR}");
        say()
    }

    /// Takes it away.
    pub(super) fn clear(self) {
        let _ = write!(stderr(), "{CLEAR}");
    }
}
