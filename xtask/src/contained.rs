//! Running a program that starts others, browsers above all, so that none of them outlives it.
//!
//! All of them inherit a mark in their environment. When the program has ended, was ended because its time was up, or
//! could not be waited for, whoever carries the mark is ended too.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::report::Result;
use crate::run;

/// The variable that carries the mark.
const MARK: &str = "XFSKIT_CONTAINED_RUN";
/// How often processes are looked for. One that is being ended may have started another, and one that is just about
/// to become another program has no environment to be seen for a moment, so that it takes two looks to find nothing.
const SWEEPS: usize = 6;
const LOOKS: usize = 2;

/// A folder and a mark that end with the value.
pub(crate) struct Family {
    mark: String,
    folder: PathBuf,
}

/// As [`run::logged_within`], with a home and a temporary folder of its own, and nothing left of it afterwards.
pub(crate) fn logged_within(command: &mut Command, name: &str, limit: Duration) -> Result<(PathBuf, bool)> {
    let family = Family::new()?;
    family.adopt(command);
    run::logged_within(command, name, limit)
}

impl Family {
    /// Makes the folder.
    pub(crate) fn new() -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let mark = format!("xfskit-{}-{count}", std::process::id());
        // Not below the workspace: browsers put sockets there, and their paths must be short.
        let folder = std::env::temp_dir().join(&mark);
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        Ok(Self { mark, folder })
    }

    /// Has a command start into the family.
    pub(crate) fn adopt(&self, command: &mut Command) {
        command.env(MARK, &self.mark).env("HOME", &self.folder).env("TMPDIR", &self.folder);
    }
}

impl Drop for Family {
    fn drop(&mut self) {
        let mut empty = 0;
        for _ in 0..SWEEPS {
            let left = marked(&self.mark);
            empty = if left.is_empty() { empty + 1 } else { 0 };
            if empty == LOOKS {
                break;
            }
            if !left.is_empty() {
                // The shell's own `kill`: a program of that name is not everywhere. Who has gone meanwhile is no failure.
                let kill = ["-c", "kill -KILL \"$@\"", "sh"];
                let _ = run::output(run::command("sh").args(kill).args(left));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        // A file that is just being written by somebody who ends may keep the folder; the system clears it some day.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// The ids of the processes that carry a mark. None where there is no `/proc`.
fn marked(mark: &str) -> Vec<String> {
    let wanted = format!("{MARK}={mark}");
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let ids = names.filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()));
    ids.filter(|id| carries(&Path::new("/proc").join(id), wanted.as_bytes())).collect()
}

fn carries(process: &Path, wanted: &[u8]) -> bool {
    let environment = fs::read(process.join("environ")).unwrap_or_default();
    environment.split(|byte| *byte == 0).any(|variable| variable == wanted)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::process::Stdio;

    use super::*;

    #[test]
    fn nothing_outlives_the_program() {
        if !Path::new("/proc/self/environ").exists() {
            return;
        }
        let family = Family::new().expect("a folder");
        // It says when it is up, and ends without a failure if it is left alone.
        let mut child = Command::new("sh")
            .args(["-c", "echo up; read line; exit 0"])
            .env(MARK, &family.mark)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell starts");
        let mut said = [0; 3];
        child.stdout.take().expect("its output").read_exact(&mut said).expect("it says that it is up");
        let (mark, folder) = (family.mark.clone(), family.folder.clone());
        drop(family);
        assert!(!child.wait().expect("it can be waited for").success());
        assert!(marked(&mark).is_empty());
        assert!(!folder.exists());
    }
}
