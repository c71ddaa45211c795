//! Findings, and where they go.

use core::fmt;

use crate::error::{Corruption, Error, Place, Problem};

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Unusual but legal, or not certain.
    Warning,
    /// Breaks the format: some program will stumble over it.
    Damage,
}

/// One thing that a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// Structure, place and problem.
    pub corruption: Corruption,
}

impl Finding {
    /// A stable code for programs, as [`Error::code`] gives it (`corrupt.crc`).
    #[must_use]
    pub fn code(&self) -> &'static str {
        let Corruption { structure, place, problem } = self.corruption.clone();
        Error::corrupt(structure, place, problem).code()
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Warning => "warning",
            Severity::Damage => "damage",
        };
        write!(f, "{severity}: {}", self.corruption)
    }
}

/// What a check went over, and how much it found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct CheckSummary {
    /// Findings of severity [`Damage`](Severity::Damage).
    pub damage: u64,
    /// Findings of severity [`Warning`](Severity::Warning).
    pub warnings: u64,
    /// Inodes in use.
    pub inodes: u64,
    /// Directories among them.
    pub directories: u64,
    /// Directory entries, without `.` and `..`.
    pub entries: u64,
    /// Extents of files, directories and attributes.
    pub extents: u64,
    /// Free fsblocks.
    pub free_fsblocks: u64,
}

impl CheckSummary {
    /// Whether no damage was found.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.damage == 0
    }
}

/// Counts findings and passes them on.
pub(super) struct Report<'a> {
    sink: &'a mut dyn FnMut(Finding),
    /// On a dirty log nothing is certain, so damage is reported as a warning.
    pub(super) is_uncertain: bool,
    /// While set, findings are dropped: they were reported before.
    pub(super) is_muted: bool,
    pub(super) summary: CheckSummary,
}

impl<'a> Report<'a> {
    pub(super) fn new(sink: &'a mut dyn FnMut(Finding)) -> Self {
        Self { sink, is_uncertain: false, is_muted: false, summary: CheckSummary::default() }
    }

    pub(super) fn damage(&mut self, structure: &'static str, place: Place, problem: Problem) {
        let severity = if self.is_uncertain { Severity::Warning } else { Severity::Damage };
        self.tell(severity, structure, place, problem);
    }

    pub(super) fn warn(&mut self, structure: &'static str, place: Place, problem: Problem) {
        self.tell(Severity::Warning, structure, place, problem);
    }

    /// Breaks of a rule that has no numbers.
    pub(super) fn rule(&mut self, structure: &'static str, place: Place, rule: &'static str) {
        self.damage(structure, place, Problem::Rule(rule));
    }

    /// A field that holds what cannot be.
    pub(super) fn bounds(
        &mut self,
        structure: &'static str,
        place: Place,
        field: &'static str,
        found: impl Into<u64>,
    ) {
        self.damage(structure, place, Problem::Bounds { field, found: found.into() });
    }

    /// Compares a field with the value that it must have.
    pub(super) fn expect(
        &mut self,
        structure: &'static str,
        place: Place,
        field: &'static str,
        expected: impl Into<u64>,
        found: impl Into<u64>,
    ) {
        let (expected, found) = (expected.into(), found.into());
        if expected != found {
            self.damage(structure, place, Problem::Value { field, expected, found });
        }
    }

    fn tell(&mut self, severity: Severity, structure: &'static str, place: Place, problem: Problem) {
        if self.is_muted {
            return;
        }
        match severity {
            Severity::Warning => self.summary.warnings += 1,
            Severity::Damage => self.summary.damage += 1,
        }
        (self.sink)(Finding { severity, corruption: Corruption { structure, place, problem } });
    }
}
