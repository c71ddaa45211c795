//! Progress of long work, on a terminal only.

#[cfg(not(target_family = "wasm"))]
mod bar;
#[cfg(not(target_family = "wasm"))]
use bar::Display;

#[cfg(target_family = "wasm")]
mod line;
#[cfg(target_family = "wasm")]
use line::Display;

use std::io::{IsTerminal as _, stderr};
use std::time::{Duration, Instant};

/// Work shorter than this shows nothing.
const PATIENCE: Duration = Duration::from_millis(500);

/// How far work has come, on standard error; nothing where that is no terminal.
pub(crate) struct Progress {
    shown: Option<Shown>,
}

struct Shown {
    display: Option<Display>,
    since: Instant,
    total_bytes: Option<u64>,
    bytes: u64,
    files: u64,
}

impl Progress {
    /// For work on `total_bytes` bytes, as far as that is known.
    pub(crate) fn new(total_bytes: Option<u64>) -> Self {
        let shown = Shown { display: None, since: Instant::now(), total_bytes, bytes: 0, files: 0 };
        Self { shown: stderr().is_terminal().then_some(shown) }
    }

    /// So many more bytes are done.
    pub(crate) fn bytes(&mut self, count: u64) {
        if let Some(shown) = &mut self.shown {
            shown.bytes += count;
            shown.update();
        }
    }

    /// One more file is done.
    pub(crate) fn file(&mut self) {
        if let Some(shown) = &mut self.shown {
            shown.files += 1;
            shown.update();
        }
    }

    /// Lets something be written to the terminal without tearing that apart.
    pub(crate) fn pause<T>(&self, say: impl FnOnce() -> T) -> T {
        match self.shown.as_ref().and_then(|shown| shown.display.as_ref()) {
            Some(display) => display.suspend(say),
            None => say(),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(display) = self.shown.as_mut().and_then(|shown| shown.display.take()) {
            display.clear();
        }
    }
}

impl Shown {
    fn update(&mut self) {
        if self.display.is_none() && self.since.elapsed() >= PATIENCE {
            self.display = Some(Display::new(self.total_bytes));
        }
        if let Some(display) = &mut self.display {
            display.update(self.bytes, self.files, self.total_bytes);
        }
    }
}
