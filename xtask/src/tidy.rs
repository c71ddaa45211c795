//! Rules of the house that a machine can check: floors, sizes, stray files, forbidden words, manifests.

mod files;
mod floors;
mod manifests;
mod sizes;
mod source;
mod words;

use std::fs;
use std::path::{Path, PathBuf};

use crate::report::{Outcome, Report, Result, failure};
use crate::{run, workspace};
use source::Source;

/// What a rule found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    /// Worth a look; the run goes on.
    Warning(String),
    /// The run fails.
    Error(String),
}

/// Checks every rule and reports all findings before failing.
pub(crate) fn run(report: &mut Report) -> Result<()> {
    report.section("tidy");
    let root = workspace::root();
    let files = tracked(&root)?;
    let sources = sources(&root, &files)?;
    let mut errors = Vec::new();
    let mut rule = |what: &str, findings: Vec<Finding>| {
        report.step(what, || {
            let mut notes = Vec::new();
            for finding in findings {
                match finding {
                    Finding::Warning(text) => notes.push(format!("warning: {text}")),
                    Finding::Error(text) => {
                        notes.push(format!("error: {text}"));
                        errors.push(text);
                    }
                }
            }
            let outcome = match notes.len() {
                0 => Outcome::done(),
                count => Outcome::said(format!("{count} found")),
            };
            Ok(outcome.with_notes(notes))
        })
    };
    rule("floors of the core: nothing imported from above", floors::check(&sources))?;
    rule("sizes of files and functions", sizes::check(&sources))?;
    rule("words that must not land", words::check(&sources))?;
    rule("stray and big files", files::check(&root, &files))?;
    rule("manifests inherit the workspace's lints", manifests::check(&root, &files)?)?;
    match errors.len() {
        0 => Ok(()),
        count => failure(format!("tidy found {count} errors:\n{}", errors.join("\n"))),
    }
}

/// The repository's files, those not yet added included, relative to `root`.
fn tracked(root: &Path) -> Result<Vec<PathBuf>> {
    let mut git = run::command("git");
    git.arg("-C").arg(root).args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let mut names: Vec<PathBuf> =
        run::output(&mut git)?.split('\0').filter(|name| !name.is_empty()).map(PathBuf::from).collect();
    names.retain(|name| root.join(name).is_file());
    names.sort();
    Ok(names)
}

fn sources(root: &Path, files: &[PathBuf]) -> Result<Vec<Source>> {
    let is_rust = |path: &&PathBuf| path.extension().is_some_and(|extension| extension == "rs");
    files
        .iter()
        .filter(is_rust)
        .map(|path| Ok(Source::new(path, &fs::read_to_string(root.join(path))?)))
        .collect()
}
