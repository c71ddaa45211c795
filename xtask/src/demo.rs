//! The demo: an image made, filled, cloned in, edited and checked by xfskit under wasmtime, then judged by Linux.
//!
//! Each command is printed as one would type it. All of it happens in `target/demo`, which stays for a look around.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::mount::{self, Mount};
use crate::report::{Failure, Outcome, Report, Result, failure};
use crate::{dist, run, setup, workspace};

/// A file of several file blocks that every checkout has; it is the one cloned and edited.
const SUBJECT: &str = "Cargo.lock";
/// What the demo writes over the middle of the clone.
const PATCH: &str = "these bytes were written into the clone; the original keeps its own\n";

/// What an xfs_repair says of features that came after it.
const TOO_OLD: &str = "a more recent xfs_repair";

/// How much the demo says.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// With set-up and build, everything printed.
    Full,
    /// One step among the tests: set up and built already, quiet unless it fails.
    Short,
}

/// Runs it.
pub(crate) fn run(report: &mut Report, form: Form) -> Result<()> {
    if form == Form::Short {
        return report.step("the demo, under wasmtime and judged by Linux", || {
            let mut session = Session::new(true)?;
            act(&mut session).map_err(|failure| session.with_transcript(failure))?;
            let notes =
                Vec::from_iter(judge(&mut session).map_err(|failure| session.with_transcript(failure))?);
            Ok(Outcome::done().with_notes(notes))
        });
    }
    setup::run(report, setup::For::Demo)?;
    report.section("build");
    dist::wasm(report)?;
    report.section("xfskit under wasmtime");
    let mut session = Session::new(false)?;
    act(&mut session)?;
    report.section("Linux's opinion");
    if let Some(skipped) = judge(&mut session)? {
        println!("  {skipped}");
    }
    println!("\nthe image is still there: {}", session.folder.join("disk.img").display());
    Ok(())
}

/// What is done to the image, in the order of the outcome promised.
fn act(session: &mut Session) -> Result<()> {
    session.remark("cd target/demo");
    session.remark("alias xfskit='wasmtime run --dir . xfskit.wasm'");
    session.remark("ls   # src is a copy of this repository's files");
    session.xfskit(&["mkfs", "disk.img", "--size", "1G"])?;
    session.xfskit(&["cp", "-r", "./src", "disk.img:/src"])?;
    session.xfskit(&["ls", "-l", "disk.img:/src"])?;
    let original = format!("disk.img:/src/{SUBJECT}");
    session.xfskit(&["cp", "--reflink=always", &original, "disk.img:/clone"])?;
    session.xfskit(&["extents", "disk.img:/clone"])?;
    session.xfskit_fed(&["write", "disk.img:/clone", "--offset", "4096"], "patch")?;
    session.remark("# only the file block written to is the clone's own now; the rest is still shared");
    session.xfskit(&["extents", "disk.img:/clone"])?;
    session.xfskit(&["extents", &original])?;
    session.xfskit(&["check", "disk.img"])
}

/// Mounts what came out of it and compares. Returns why not, where Linux can't be asked.
fn judge(session: &mut Session) -> Result<Option<String>> {
    if let Some(why) = mount::obstacle() {
        return Ok(Some(format!("skipped: {why}")));
    }
    let image = session.folder.join("disk.img");
    let folder = session.folder.join("mnt");
    session.remark("mount -t xfs -o loop disk.img mnt");
    let mounted = Mount::new(&image, &folder)?;
    session.host(&["diff", "-r", "--no-dereference", "src", "mnt/src"])?;
    session.host(&["cmp", "mnt/clone", "expected"])?;
    session.remark("umount mnt");
    mounted.unmount()?;
    repair(session)?;
    session.remark("# Linux agrees: same tree, same clone, nothing to repair");
    Ok(None)
}

/// Runs the newest xfs_repair there is; a stable release's may not know today's default features.
fn repair(session: &mut Session) -> Result<()> {
    let system = setup::new_xfsprogs();
    if !system.join("usr/sbin/xfs_repair").is_file() || run::found("unshare").is_none() {
        let judged = session.host(&["xfs_repair", "-n", "disk.img"]);
        if judged.is_err() && session.transcript.contains(TOO_OLD) {
            session.remark("# skipped: this xfs_repair is older than the features of the image");
            return Ok(());
        }
        return judged;
    }
    // In a mount namespace of its own, the folder is bound into the other system and leaves no trace.
    let inner = "mount --bind . \"$0/mnt\" && exec chroot \"$0\" xfs_repair -n /mnt/disk.img";
    session.remark("xfs_repair -n disk.img   # that of the current xfsprogs");
    let mut command = run::command("unshare");
    command.args(["--mount", "sh", "-c", inner]).arg(system).stdin(Stdio::null());
    session.finish(&mut command)
}

/// A folder to work in and what was typed there so far.
struct Session {
    folder: PathBuf,
    is_quiet: bool,
    transcript: String,
}

impl Session {
    /// A fresh folder with the command, a tree of real files, the patch, and what the clone should be at the end.
    fn new(is_quiet: bool) -> Result<Self> {
        let folder = workspace::target().join("demo");
        // A mount left by a run that was killed would make the folder undeletable.
        let _ = run::output(run::command("umount").arg(folder.join("mnt")));
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        fs::copy(workspace::dist().join("xfskit.wasm"), folder.join("xfskit.wasm"))?;
        copy_sources(&folder.join("src"))?;
        fs::write(folder.join("patch"), PATCH)?;
        let mut expected = fs::read(folder.join("src").join(SUBJECT))?;
        let end = 4096 + PATCH.len();
        let Some(middle) = expected.get_mut(4096..end) else {
            return failure(format!("{SUBJECT} is too short for the demo"));
        };
        middle.copy_from_slice(PATCH.as_bytes());
        fs::write(folder.join("expected"), expected)?;
        Ok(Self { folder, is_quiet, transcript: String::new() })
    }

    /// A line of the session that has no output.
    fn remark(&mut self, text: &str) {
        let mark = if text.starts_with('#') { "  " } else { "  $ " };
        self.say(&format!("{mark}{text}\n"));
    }

    fn xfskit(&mut self, args: &[&str]) -> Result<()> {
        self.remark(&shown(args));
        self.finish(wasmtime(args).stdin(Stdio::null()))
    }

    fn xfskit_fed(&mut self, args: &[&str], input: &str) -> Result<()> {
        self.remark(&format!("{} < {input}", shown(args)));
        let file = File::open(self.folder.join(input))?;
        self.finish(wasmtime(args).stdin(file))
    }

    fn host(&mut self, words: &[&str]) -> Result<()> {
        self.remark(&words.join(" "));
        let [program, args @ ..] = words else { return Ok(()) };
        self.finish(run::command(program).args(args).stdin(Stdio::null()))
    }

    fn finish(&mut self, command: &mut Command) -> Result<()> {
        let output = command.current_dir(&self.folder).output()?;
        let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.push_str(&String::from_utf8_lossy(&output.stderr));
        for line in text.lines() {
            self.say(&format!("    {line}\n"));
        }
        if output.status.success() {
            return Ok(());
        }
        failure(format!("`{}` ended with {}", run::line(command), output.status))
    }

    fn say(&mut self, text: &str) {
        if !self.is_quiet {
            print!("{text}");
            let _ = std::io::stdout().flush();
        }
        self.transcript.push_str(text);
    }

    fn with_transcript(&self, failure: Failure) -> Failure {
        Failure(format!("{}\nthe session:\n{}", failure.0, self.transcript))
    }
}

fn shown(args: &[&str]) -> String {
    format!("xfskit {}", args.join(" "))
}

fn wasmtime(args: &[&str]) -> Command {
    let mut command = run::command("wasmtime");
    command.args(["run", "--dir", ".", "xfskit.wasm"]).args(args);
    command
}

/// Copies what the repository holds, or the crates' folders where this is no git checkout.
fn copy_sources(to: &Path) -> Result<()> {
    let root = workspace::root();
    let listed = run::output(run::command("git").arg("-C").arg(&root).args(["ls-files", "-z"]));
    let names: Vec<PathBuf> = match listed {
        Ok(text) => text.split('\0').filter(|name| !name.is_empty()).map(PathBuf::from).collect(),
        Err(_) => files_below(&root, &["core", "wasi-cli", "xtask"])?,
    };
    for name in names.iter().map(PathBuf::as_path).chain([Path::new(SUBJECT)]) {
        let (from, to) = (root.join(name), to.join(name));
        if !from.is_file() {
            continue;
        }
        if let Some(parent) = to.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::copy(from, to)?;
    }
    Ok(())
}

/// Every file below some folders of `root`, relative to it.
fn files_below(root: &Path, folders: &[&str]) -> Result<Vec<PathBuf>> {
    let mut pending: Vec<PathBuf> = folders.iter().map(PathBuf::from).collect();
    let mut files = Vec::new();
    while let Some(folder) = pending.pop() {
        for entry in fs::read_dir(root.join(&folder))? {
            let entry = entry?;
            let path = folder.join(entry.file_name());
            if entry.file_type()?.is_dir() { pending.push(path) } else { files.push(path) }
        }
    }
    Ok(files)
}
