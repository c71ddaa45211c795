//! A bar, or a spinner where the end is not known.

use indicatif::{HumanBytes, ProgressBar, ProgressStyle};

/// What is shown.
pub(super) struct Display {
    bar: ProgressBar,
}

impl Display {
    /// For work on `total_bytes` bytes, as far as that is known.
    pub(super) fn new(total_bytes: Option<u64>) -> Self {
        let (bar, template) = match total_bytes {
            Some(total) => {
                (ProgressBar::new(total), "{wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}")
            }
            None => (ProgressBar::new_spinner(), "{spinner} {msg}"),
        };
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        Self { bar: bar.with_style(style) }
    }

    /// So much is done.
    pub(super) fn update(&mut self, bytes: u64, files: u64, total_bytes: Option<u64>) {
        if total_bytes.is_none() {
            let bytes = HumanBytes(bytes);
            self.bar.set_message(match files {
                0 => bytes.to_string(),
                files => format!("{bytes} in {files} files"),
            });
        }
        self.bar.set_position(bytes);
    }

    /// Makes way for what is written by `say`.
    pub(super) fn suspend<T>(&self, say: impl FnOnce() -> T) -> T {
        self.bar.suspend(say)
    }

    /// Takes it away.
    pub(super) fn clear(self) {
        self.bar.finish_and_clear();
    }
}
