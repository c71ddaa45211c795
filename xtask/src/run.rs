//! Running other programs: found on the path or not, captured, logged, limited in time.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::report::{Failure, Result, failure};
use crate::workspace;

/// How many lines of a failed program's output are shown.
const TAIL_LINES: usize = 120;

/// A command that also finds what cargo installs and what lives in the system's sbin folders.
pub(crate) fn command(program: &str) -> Command {
    let mut command = match found(program) {
        Some(path) => Command::new(path),
        None => Command::new(program),
    };
    if let Ok(path) = std::env::join_paths(search_path()) {
        command.env("PATH", path);
    }
    command
}

/// `cargo`, the same one that runs this program, at the root of the workspace.
pub(crate) fn cargo() -> Command {
    let program = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let mut command = command(&program);
    command.current_dir(workspace::root());
    // Set by the cargo that started us; a second cargo must decide these for itself.
    for name in ["CARGO_MANIFEST_DIR", "CARGO_PKG_NAME", "CARGO_PKG_VERSION", "RUSTC_WORKSPACE_WRAPPER"] {
        command.env_remove(name);
    }
    command
}

fn search_path() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> =
        std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default();
    folders.push(workspace::cargo_home().join("bin"));
    folders.extend(["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from));
    folders
}

/// Where a program is, if it is installed.
pub(crate) fn found(program: &str) -> Option<PathBuf> {
    if program.contains('/') {
        return Some(PathBuf::from(program)).filter(|path| path.is_file());
    }
    search_path().into_iter().map(|folder| folder.join(program)).find(|path| path.is_file())
}

/// Runs to the end and returns what went to standard output.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let shown = line(command);
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| Failure(format!("`{shown}` could not be started: {error}")))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        return failure(format!("`{shown}` ended with {}:\n{}", output.status, text.trim_end()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs to the end with all output in `target/xtask/NAME.log`, whose path it returns. A failure shows the end of the log.
pub(crate) fn logged(command: &mut Command, name: &str) -> Result<PathBuf> {
    let (log, status) = logged_within(command, name, Duration::MAX)?;
    if status {
        return Ok(log);
    }
    failure(format!("`{}` failed; the end of {}:\n{}", line(command), log.display(), tail(&log)))
}

/// As [`logged`], but ends the program when its time is up. `false` when it failed or was ended.
pub(crate) fn logged_within(command: &mut Command, name: &str, limit: Duration) -> Result<(PathBuf, bool)> {
    let folder = workspace::target().join("xtask");
    fs::create_dir_all(&folder)?;
    let path = folder.join(format!("{name}.log"));
    let log = File::create(&path)?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .map_err(|error| Failure(format!("`{}` could not be started: {error}", line(command))))?;
    if limit == Duration::MAX {
        return Ok((path, child.wait()?.success()));
    }
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok((path, status.success()));
        }
        if begun.elapsed() > limit {
            child.kill()?;
            child.wait()?;
            return Ok((path, false));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The last lines of a log.
pub(crate) fn tail(log: &Path) -> String {
    let text = fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let from = lines.len().saturating_sub(TAIL_LINES);
    lines[from..].join("\n")
}

/// The command as one would type it.
pub(crate) fn line(command: &Command) -> String {
    let program = command.get_program().to_string_lossy();
    let program = program.rsplit('/').next().unwrap_or_default().to_owned();
    let mut words = vec![program];
    words.extend(command.get_args().map(|arg| quoted(&arg.to_string_lossy())));
    words.join(" ")
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) { word.to_owned() } else { format!("'{word}'") }
}

/// Whether this process is root.
pub(crate) fn is_root() -> bool {
    output(command("id").arg("-u")).is_ok_and(|uid| uid.trim() == "0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_print_as_typed() {
        let mut command = Command::new("/usr/bin/xfskit");
        command.args(["write", "disk.img:/b", "a b"]);
        assert_eq!(line(&command), "xfskit write disk.img:/b 'a b'");
    }

    #[test]
    fn a_program_out_of_time_is_ended() {
        let (_, passed) =
            logged_within(Command::new("sleep").arg("60"), "sleep-test", Duration::from_millis(50))
                .expect("sleep starts");
        assert!(!passed);
    }
}
