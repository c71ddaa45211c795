//! Progress of long work, on a terminal only.

use std::io::{IsTerminal as _, stderr};
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, ProgressBar, ProgressStyle};

/// Work shorter than this shows nothing.
const PATIENCE: Duration = Duration::from_millis(500);

/// A bar (or a counter, where the end is not known) on standard error; nothing where that is no terminal.
pub(crate) struct Progress {
    shown: Option<Shown>,
}

struct Shown {
    bar: Option<ProgressBar>,
    since: Instant,
    total_bytes: Option<u64>,
    bytes: u64,
    files: u64,
}

impl Progress {
    /// For work on `total_bytes` bytes, as far as that is known.
    pub(crate) fn new(total_bytes: Option<u64>) -> Self {
        let shown = Shown { bar: None, since: Instant::now(), total_bytes, bytes: 0, files: 0 };
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

    /// Lets something be written to the terminal without tearing the bar.
    pub(crate) fn pause<T>(&self, say: impl FnOnce() -> T) -> T {
        match self.shown.as_ref().and_then(|shown| shown.bar.as_ref()) {
            Some(bar) => bar.suspend(say),
            None => say(),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = self.shown.as_mut().and_then(|shown| shown.bar.take()) {
            bar.finish_and_clear();
        }
    }
}

impl Shown {
    fn update(&mut self) {
        if self.bar.is_none() && self.since.elapsed() >= PATIENCE {
            self.bar = Some(new_bar(self.total_bytes));
        }
        let Some(bar) = &self.bar else { return };
        if self.total_bytes.is_none() {
            let bytes = HumanBytes(self.bytes);
            bar.set_message(match self.files {
                0 => bytes.to_string(),
                files => format!("{bytes} in {files} files"),
            });
        }
        bar.set_position(self.bytes);
    }
}

fn new_bar(total_bytes: Option<u64>) -> ProgressBar {
    let (bar, template) = match total_bytes {
        Some(total) => (ProgressBar::new(total), "{wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}"),
        None => (ProgressBar::new_spinner(), "{spinner} {msg}"),
    };
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.with_style(style)
}
