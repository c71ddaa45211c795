//! Failures as the user sees them: one line, `xfskit: PLACE: what: why`.

use std::fmt;
use std::io;

use xfskit::error::Corruption;

/// Exit status when something failed.
pub(crate) const EXIT_FAILED: u8 = 1;
/// Exit status of a command line that makes no sense (clap uses the same).
pub(crate) const EXIT_USAGE: u8 = 2;
/// Exit status of `check` when it found damage.
pub(crate) const EXIT_DAMAGE: u8 = 3;

/// What went wrong with one thing that was asked for.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A line for the user.
    Message(String),
    /// The reader of our output went away: nothing to say, nothing more to do.
    OutputClosed,
    /// The command line makes no sense in a way that clap can't see.
    Usage(String),
    /// An image is too damaged to be opened.
    Corrupt {
        /// The image.
        image: String,
        /// What is wrong with it.
        corruption: Box<Corruption>,
    },
}

impl Failure {
    /// `place: what: why`; `what` may be empty.
    pub(crate) fn new(place: impl fmt::Display, what: &str, why: impl fmt::Display) -> Self {
        let what = if what.is_empty() { String::new() } else { format!("{what}: ") };
        Self::Message(format!("{place}: {what}{why}"))
    }

    /// A failure of the host.
    pub(crate) fn io(place: impl fmt::Display, what: &str, error: &io::Error) -> Self {
        Self::new(place, what, io_text(error))
    }

    /// Writing to standard output failed.
    pub(crate) fn output(error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::OutputClosed;
        }
        Self::io("standard output", "cannot write", error)
    }

    /// Whether nothing further should be tried.
    pub(crate) fn is_final(&self) -> bool {
        matches!(self, Self::OutputClosed)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Message(text) | Self::Usage(text) => f.write_str(text),
            Self::Corrupt { image, corruption } => {
                write!(f, "{image}: cannot open volume: corrupt {corruption}")
            }
            Self::OutputClosed => f.write_str("standard output was closed"),
        }
    }
}

/// The host's error in the style of our own: lower case, without its number.
pub(crate) fn io_text(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut characters = text.chars();
    match characters.next() {
        Some(first) if !characters.as_str().starts_with(char::is_uppercase) => {
            first.to_lowercase().chain(characters).collect()
        }
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hosts_errors_read_like_ours() {
        let error = io::Error::from_raw_os_error(2);
        assert_eq!(io_text(&error), "no such file or directory");
        let failure = Failure::io("a.img", "cannot open", &error);
        assert_eq!(failure.to_string(), "a.img: cannot open: no such file or directory");
        assert_eq!(Failure::new("a.img:/x", "", "no").to_string(), "a.img:/x: no");
    }
}
