//! The README's tour, run as a reader would paste it: in a fresh folder, with `xfskit` on the path.

use std::fs;

use crate::report::{Outcome, Report, Result, failure};
use crate::{run, workspace};

/// A fence that opens with this is run; whoever renders the page takes the first word for the language.
const FENCE: &str = "```sh tour";

/// Runs every tour block of the README, one after the other in one shell.
pub(crate) fn run(report: &mut Report) -> Result<()> {
    report.step("the README's tour, pasted", || {
        let script = tour(&fs::read_to_string(workspace::root().join("README.md"))?);
        if script.is_empty() {
            return failure(format!("README.md has no block that opens with {FENCE}"));
        }
        let folder = workspace::target().join("tour");
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        let mut path = vec![workspace::dist()];
        path.extend(std::env::var_os("PATH").iter().flat_map(std::env::split_paths));
        let mut shell = run::command("sh");
        shell.args(["-eux", "-c", &script]).current_dir(&folder);
        shell.env("PATH", std::env::join_paths(path)?);
        run::logged(&mut shell, "tour")?;
        Ok(Outcome::done())
    })
}

/// The lines of the page's tour blocks.
fn tour(page: &str) -> String {
    let mut script = String::new();
    let mut is_inside = false;
    for line in page.lines() {
        match line.trim_end() {
            FENCE => is_inside = true,
            "```" => is_inside = false,
            line if is_inside => {
                script.push_str(line);
                script.push('\n');
            }
            _ => {}
        }
    }
    script
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_marked_blocks_are_run() {
        let page =
            "text\n```sh\nrm -rf nothing\n```\n```sh tour\none\ntwo\n```\nmore\n```sh tour\nthree\n```\n";
        assert_eq!(tour(page), "one\ntwo\nthree\n");
    }
}
