//! What the user sees: one line a step, with the time it took.

use std::fmt::Display;
use std::io::Write as _;
use std::time::{Duration, Instant};

/// Why the whole run ends; the text is all there is to say.
#[derive(Debug)]
pub(crate) struct Failure(pub(crate) String);

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

/// Shorthand for everything here that can fail.
pub(crate) type Result<T> = std::result::Result<T, Failure>;

/// A failure made of text.
pub(crate) fn failure<T>(text: impl Display) -> Result<T> {
    Err(Failure(text.to_string()))
}

/// How a step ended when it did not fail.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// In place of the time taken: "already there", "skipped: not root".
    verdict: Option<String>,
    /// Shown below the step's line, indented.
    notes: Vec<String>,
}

impl Outcome {
    /// It was done just now.
    pub(crate) fn done() -> Self {
        Self::default()
    }

    /// There was nothing left to do.
    pub(crate) fn already() -> Self {
        Self { verdict: Some("already there".into()), notes: Vec::new() }
    }

    /// It can't be done here, and the run goes on without it.
    pub(crate) fn skipped(why: impl Display) -> Self {
        Self { verdict: Some(format!("skipped: {why}")), notes: Vec::new() }
    }

    /// It was done, and this came of it.
    pub(crate) fn said(verdict: impl Display) -> Self {
        Self { verdict: Some(verdict.to_string()), notes: Vec::new() }
    }

    /// Lines to show below the step.
    pub(crate) fn with_notes(mut self, notes: Vec<String>) -> Self {
        self.notes = notes;
        self
    }
}

/// The running account of one xtask command.
pub(crate) struct Report {
    started: Instant,
}

impl Report {
    /// Starts the clock.
    pub(crate) fn new() -> Self {
        Self { started: Instant::now() }
    }

    /// A heading over the steps that follow.
    pub(crate) fn section(&self, title: &str) {
        println!("\n{title}");
    }

    /// Runs one step and prints its line: what, how it went, how long it took.
    pub(crate) fn step(&mut self, what: &str, work: impl FnOnce() -> Result<Outcome>) -> Result<()> {
        print!("  {what} ... ");
        // A line that can't be shown is no reason to stop the work.
        let _ = std::io::stdout().flush();
        let begun = Instant::now();
        match work() {
            Ok(outcome) => {
                let verdict = outcome.verdict.unwrap_or_else(|| "ok".into());
                println!("{verdict} ({})", seconds(begun.elapsed()));
                for note in outcome.notes {
                    println!("      {note}");
                }
                Ok(())
            }
            Err(failure) => {
                println!("FAILED ({})", seconds(begun.elapsed()));
                Err(failure)
            }
        }
    }

    /// The last line.
    pub(crate) fn finish(&self) {
        println!("\nall done in {}", seconds(self.started.elapsed()));
    }
}

/// "0.4 s", "12.3 s", "3 min 20 s".
pub(crate) fn seconds(time: Duration) -> String {
    let whole = time.as_secs();
    if whole < 60 {
        format!("{:.1} s", time.as_secs_f64())
    } else {
        format!("{} min {:02} s", whole / 60, whole % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_well() {
        assert_eq!(seconds(Duration::from_millis(420)), "0.4 s");
        assert_eq!(seconds(Duration::from_secs(200)), "3 min 20 s");
    }
}
