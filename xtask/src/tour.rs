//! The README's tours, run as a reader would paste them: in a fresh folder, with `xfskit` on the path, or the package
//! installed. That for browsers is run by the tests of pages.

use std::fs;
use std::path::PathBuf;

use crate::report::{Outcome, Report, Result, failure};
use crate::setup::node;
use crate::{npm, run, workspace};

/// Fences that open with these are run; whoever renders the page takes the first word for the language.
const SHELL: &str = "```sh tour";
const JAVASCRIPT: &str = "```js tour";

/// Runs every tour block of the README, those of one language one after the other as one script.
pub(crate) fn run(report: &mut Report) -> Result<()> {
    shell(report)?;
    javascript(report)
}

fn shell(report: &mut Report) -> Result<()> {
    report.step("the README's tour, pasted", || {
        let script = script(SHELL)?;
        let folder = fresh_folder("tour")?;
        let mut path = vec![workspace::dist()];
        path.extend(std::env::var_os("PATH").iter().flat_map(std::env::split_paths));
        let mut shell = run::command("sh");
        shell.args(["-eux", "-c", &script]).current_dir(&folder);
        shell.env("PATH", std::env::join_paths(path)?);
        run::logged(&mut shell, "tour")?;
        Ok(Outcome::done())
    })
}

fn javascript(report: &mut Report) -> Result<()> {
    report.step("the README's tour in JavaScript, pasted", || {
        if let Some(why) = npm::obstacle() {
            return Ok(Outcome::skipped(why));
        }
        let folder = fresh_folder("tour-js")?;
        fs::write(folder.join("package.json"), "{ \"private\": true, \"type\": \"module\" }\n")?;
        fs::write(folder.join("tour.js"), script(JAVASCRIPT)?)?;
        let mut install = node::npm();
        install.args(["install", "--offline"]).arg(npm::folder()).current_dir(&folder);
        run::logged(&mut install, "tour-js-install")?;
        run::logged(run::command("node").arg("tour.js").current_dir(&folder), "tour-js")?;
        let mut check = run::command(&workspace::dist().join("xfskit").to_string_lossy());
        run::logged(check.args(["check", "disk.img"]).current_dir(&folder), "tour-js-check")?;
        Ok(Outcome::done())
    })
}

/// An empty folder to run a tour in.
fn fresh_folder(name: &str) -> Result<PathBuf> {
    let folder = workspace::target().join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// What the README has between fences of one kind; there must be something.
fn script(fence: &str) -> Result<String> {
    let script = tour(&fs::read_to_string(workspace::root().join("README.md"))?, fence);
    if script.is_empty() {
        failure(format!("README.md has no block that opens with {fence}"))
    } else {
        Ok(script)
    }
}

/// The lines of the page's tour blocks.
fn tour(page: &str, fence: &str) -> String {
    let mut script = String::new();
    let mut is_inside = false;
    for line in page.lines() {
        match line.trim_end() {
            line if line == fence => is_inside = true,
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
        assert_eq!(tour(page, SHELL), "one\ntwo\nthree\n");
    }
}
