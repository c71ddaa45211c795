//! Every crate inherits the workspace's lints, and the core depends on nothing that was not agreed on.

use std::fs;
use std::path::{Path, PathBuf};

use super::Finding;
use crate::report::Result;

/// What the core may lean on; a new one needs its reason in ARCHITECTURE.md.
const CORE_MAY_USE: [&str; 8] =
    ["bitflags", "crc", "crc32c", "hashbrown", "once_cell", "thiserror", "uuid", "zerocopy"];

/// Manifests that go their own way.
pub(crate) fn check(root: &Path, files: &[PathBuf]) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    let is_crate =
        |path: &&PathBuf| path.ends_with("Cargo.toml") && path.as_path() != Path::new("Cargo.toml");
    for path in files.iter().filter(is_crate) {
        let text = fs::read_to_string(root.join(path))?;
        let shown = path.display();
        if !section(&text, "[lints]").any(|line| line == "workspace = true") {
            findings.push(Finding::Error(format!("{shown}: wants [lints] workspace = true")));
        }
        if path != Path::new("core/Cargo.toml") {
            continue;
        }
        for name in section(&text, "[dependencies]").map(name).filter(|name| !CORE_MAY_USE.contains(name)) {
            findings.push(Finding::Error(format!("{shown}: the core may not depend on {name}")));
        }
    }
    Ok(findings)
}

/// The lines of a section, without comments and blanks.
fn section<'a>(text: &'a str, header: &str) -> impl Iterator<Item = &'a str> {
    let lines = text.lines().map(str::trim).skip_while(move |line| *line != header).skip(1);
    lines.take_while(|line| !line.starts_with('[')).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// The dependency that a line of a manifest is about.
fn name(line: &str) -> &str {
    line.split(['.', '=', ' ']).next().unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_and_names_are_read() {
        let text = "[package]\nname = \"a\"\n\n[dependencies]\n# why\ncrc.workspace = true\nuuid = \"1\"\n[lints]\nworkspace = true\n";
        let names: Vec<_> = section(text, "[dependencies]").map(name).collect();
        assert_eq!(names, ["crc", "uuid"]);
        assert!(section(text, "[lints]").any(|line| line == "workspace = true"));
        assert_eq!(section("[package]\n", "[lints]").count(), 0);
    }
}
