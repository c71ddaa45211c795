//! The folder that everything happens in, and how commands are run and timed there.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The image under test, relative to the folder.
pub(crate) const IMAGE: &str = "disk.img";
/// Where the kernel's side mounts it.
pub(crate) const MOUNT: &str = "mnt";
/// The tree of many small files that is copied in.
pub(crate) const TREE: &str = "tree";

/// What the command line asked for.
pub(crate) struct Options {
    pub(crate) runs: usize,
    pub(crate) only: Option<String>,
    pub(crate) folder: PathBuf,
    pub(crate) with_wasm: bool,
}

impl Options {
    /// `None` when the arguments make no sense.
    pub(crate) fn parse(args: &[String]) -> Option<Self> {
        let mut options = Self { runs: 5, only: None, folder: target().join("bench"), with_wasm: false };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--runs" => options.runs = args.next()?.parse().ok().filter(|runs| *runs > 0)?,
                "--only" => options.only = Some(args.next()?.clone()),
                "--dir" => options.folder = PathBuf::from(args.next()?),
                "--wasm" => options.with_wasm = true,
                _ => return None,
            }
        }
        Some(options)
    }
}

/// Which build of ours runs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Runner {
    /// The host's.
    Host,
    /// wasip1, precompiled, under wasmtime.
    Wasm,
}

/// The folder and the programs.
pub(crate) struct Lab {
    /// Every command runs in it, and every path is relative to it.
    pub(crate) folder: PathBuf,
    /// Set while memory is measured: commands run under GNU time, which leaves the peak here.
    peak_file: std::cell::Cell<Option<&'static str>>,
}

impl Lab {
    /// Makes the folder.
    pub(crate) fn new(options: &Options) -> Result<Self, String> {
        fs::create_dir_all(options.folder.join(MOUNT)).map_err(|error| error.to_string())?;
        let folder = options.folder.canonicalize().map_err(|error| error.to_string())?;
        let lab = Self { folder, peak_file: std::cell::Cell::new(None) };
        // Left mounted by a run that was killed.
        let _ = lab.run(lab.host("umount").arg("-q").arg(MOUNT));
        Ok(lab)
    }

    /// A program of the host, run in the folder.
    pub(crate) fn host(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.folder).stdin(Stdio::null());
        command
    }

    /// Our command.
    pub(crate) fn xfskit(&self, runner: Runner, args: &[&str]) -> Command {
        let program = match runner {
            Runner::Host => root().join("dist/xfskit"),
            Runner::Wasm => PathBuf::from("xfskit.cwasm"),
        };
        self.ours(runner, &program, args)
    }

    /// The bench's worker, for what no single command of ours does.
    pub(crate) fn worker(&self, runner: Runner, args: &[&str]) -> Command {
        let program = match runner {
            Runner::Host => target().join("release/worker"),
            Runner::Wasm => PathBuf::from("worker.cwasm"),
        };
        self.ours(runner, &program, args)
    }

    fn ours(&self, runner: Runner, program: &Path, args: &[&str]) -> Command {
        let mut words: Vec<String> = Vec::new();
        if let Some(file) = self.peak_file.get() {
            words.extend(["time", "-f", "%M", "-o", file].map(str::to_owned));
        }
        if runner == Runner::Wasm {
            words.extend(["wasmtime", "run", "--allow-precompiled", "--dir", "."].map(str::to_owned));
        }
        words.push(program.to_string_lossy().into_owned());
        words.extend(args.iter().map(|arg| (*arg).to_owned()));
        let mut command = self.host(&words[0]);
        command.args(&words[1..]);
        command
    }

    /// Runs to the end; a failure carries what the program said.
    pub(crate) fn run(&self, command: &mut Command) -> Result<(), String> {
        let output = command.output().map_err(|error| format!("{:?}: {error}", command.get_program()))?;
        if output.status.success() {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        Err(format!("{:?} {:?} failed: {}", command.get_program(), command.get_args(), text.trim()))
    }

    /// How long something takes.
    pub(crate) fn timed(&self, work: impl FnOnce() -> Result<(), String>) -> Result<Duration, String> {
        let begun = Instant::now();
        work()?;
        Ok(begun.elapsed())
    }

    /// The most memory that a run of ours takes, in MiB.
    pub(crate) fn peak_mib(&self, work: impl FnOnce(&Self) -> Result<(), String>) -> Result<f64, String> {
        const FILE: &str = "peak";
        self.peak_file.set(Some(FILE));
        let worked = work(self);
        self.peak_file.set(None);
        worked?;
        let text = fs::read_to_string(self.folder.join(FILE)).map_err(|error| error.to_string())?;
        let kib: f64 = text.trim().lines().last().and_then(|line| line.parse().ok()).unwrap_or(f64::NAN);
        Ok(kib / 1024.0)
    }

    /// Puts a fresh copy of a prepared image in place.
    pub(crate) fn restore(&self, image: &str) -> Result<(), String> {
        self.remove_image()?;
        self.run(self.host("cp").args(["--sparse=always", "--reflink=auto", image, IMAGE]))?;
        self.run(self.host("sync").arg(IMAGE))
    }

    /// Leaves no image.
    pub(crate) fn remove_image(&self) -> Result<(), String> {
        self.run(self.host("rm").args(["-f", IMAGE]))
    }

    /// Everything the work reads is in the page cache.
    pub(crate) fn warm(&self) -> Result<(), String> {
        let script = format!(
            "find {TREE} -type f -exec cat {{}} + > /dev/null; if [ -e {IMAGE} ]; then cat {IMAGE} > /dev/null; fi; \
             cat *.tar > /dev/null"
        );
        self.run(self.host("sh").args(["-c", &script]))
    }

    /// Nothing is in the page cache.
    pub(crate) fn drop_caches(&self) -> Result<(), String> {
        self.run(&mut self.host("sync"))?;
        let mut file = fs::File::create("/proc/sys/vm/drop_caches").map_err(|error| error.to_string())?;
        file.write_all(b"3\n").map_err(|error| error.to_string())
    }

    /// Compiles the wasip1 builds ahead of time.
    pub(crate) fn precompile(&self) -> Result<(), String> {
        let worker = target().join("wasm32-wasip1/release/worker.wasm");
        for (from, to) in [(root().join("dist/xfskit.wasm"), "xfskit.cwasm"), (worker, "worker.cwasm")] {
            self.run(self.host("wasmtime").args(["compile", "-o", to]).arg(from))?;
        }
        Ok(())
    }
}

fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}
