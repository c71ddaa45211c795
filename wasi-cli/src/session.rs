//! One run of the command: what holds for all of it, and how it will end.

use std::fmt;
use std::io::{Write as _, stderr};
use std::process::ExitCode;

use crate::failure::{EXIT_DAMAGE, EXIT_FAILED, EXIT_USAGE, Failure};

/// State of one run.
#[derive(Debug, Default)]
pub(crate) struct Session {
    /// JSON instead of text for people.
    pub(crate) json: bool,
    /// Refuse to change an image.
    pub(crate) read_only: bool,
    exit: u8,
}

impl Session {
    /// A run with these options.
    pub(crate) fn new(json: bool, read_only: bool) -> Self {
        Self { json, read_only, exit: 0 }
    }

    /// Tells the user about a failure and remembers it for the exit status.
    pub(crate) fn report(&mut self, failure: &Failure) {
        if !failure.is_final() {
            say(format_args!("xfskit: {failure}"));
        }
        let code = if matches!(failure, Failure::Usage(_)) { EXIT_USAGE } else { EXIT_FAILED };
        self.exit = self.exit.max(code);
    }

    /// Reports a failed part and goes on with the next, unless there is no point in going on.
    pub(crate) fn part(&mut self, outcome: Result<(), Failure>) -> Result<(), Failure> {
        match outcome {
            Err(failure) if failure.is_final() => Err(failure),
            Err(failure) => {
                self.report(&failure);
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    /// Tells the user something that is no failure.
    pub(crate) fn warn(&mut self, place: &str, text: &str) {
        say(format_args!("xfskit: {place}: warning: {text}"));
    }

    /// Damage was found.
    pub(crate) fn found_damage(&mut self) {
        self.exit = EXIT_DAMAGE;
    }

    /// The exit status of it all.
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.exit)
    }
}

/// Writes a line to standard error. That nobody may be listening is no reason to stop.
pub(crate) fn say(line: fmt::Arguments<'_>) {
    let _ = writeln!(stderr().lock(), "{line}");
}
