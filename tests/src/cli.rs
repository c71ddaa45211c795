//! The command `xfskit`, called from outside, each test in a fresh folder.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

use crate::golden;
use crate::referee::{run, text_of};
use crate::temp::TempDir;

/// A fresh folder and the command, called in it.
#[derive(Debug)]
pub struct Cli {
    dir: TempDir,
}

impl Cli {
    /// A fresh, empty folder.
    pub fn new(name: &str) -> Self {
        Self { dir: TempDir::new(name) }
    }

    /// A folder with a fresh volume in `disk.img`, of 300 MiB.
    pub fn with_volume(name: &str) -> Self {
        let cli = Self::new(name);
        cli.ok(&["mkfs", "disk.img", "--size", "300M"]);
        cli
    }

    /// A folder with a golden image in `disk.img`.
    pub fn with_golden(name: &str, image: &str) -> Self {
        let cli = Self::new(name);
        std::fs::write(cli.path("disk.img"), golden::named(image).image()).expect("write the image");
        cli
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// The folder's name, which no other test has.
    pub fn name(&self) -> String {
        self.dir.path().file_name().expect("a folder").to_string_lossy().into_owned()
    }

    /// Writes a file of the host.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("in the folder")).expect("mkdir");
        std::fs::write(path, bytes).expect("write a file of the host");
    }

    /// Reads a file of the host.
    pub fn read(&self, name: &str) -> Vec<u8> {
        let path = self.path(name);
        std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// The command with arguments, not yet started.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command.args(args).current_dir(self.dir.path()).stdin(Stdio::null());
        command
    }

    /// Runs the command.
    pub fn output(&self, args: &[&str]) -> Output {
        self.command(args).output().expect("start xfskit")
    }

    /// Runs the command, which must succeed; returns what it prints.
    pub fn ok(&self, args: &[&str]) -> Vec<u8> {
        run(&mut self.command(args)).stdout
    }

    /// Like [`Cli::ok`], as text.
    pub fn text(&self, args: &[&str]) -> String {
        String::from_utf8(self.ok(args)).expect("text")
    }

    /// Like [`Cli::ok`], with bytes for the standard input.
    pub fn feed(&self, args: &[&str], input: &[u8]) -> Vec<u8> {
        let output = self.feed_output(args, input);
        assert!(output.status.success(), "{args:?}: {}", text_of(&output));
        output.stdout
    }

    /// Like [`Cli::output`], with bytes for the standard input.
    pub fn feed_output(&self, args: &[&str], input: &[u8]) -> Output {
        let mut command = self.command(args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("start xfskit");
        let mut stdin = child.stdin.take().expect("piped");
        // Beside reading what it says: neither waits for the other.
        std::thread::scope(|scope| {
            scope.spawn(move || {
                // One that fails need not read it all.
                let _ = stdin.write_all(input);
            });
            child.wait_with_output().expect("xfskit ends")
        })
    }

    /// Runs the command, which must succeed and print JSON: one value, or one a line.
    pub fn json(&self, args: &[&str]) -> Vec<Value> {
        let text = self.text(args);
        let stream = serde_json::Deserializer::from_str(&text).into_iter();
        stream.map(|value| value.unwrap_or_else(|error| panic!("{args:?}: {error} in {text}"))).collect()
    }

    /// Runs the command, which must fail with this status and say why; returns what it says.
    pub fn fails(&self, status: i32, args: &[&str]) -> String {
        let output = self.output(args);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(status), "{args:?}: {}", text_of(&output));
        assert!(!said.is_empty(), "{args:?} fails without a word");
        assert!(!said.contains("panicked"), "{args:?}: {said}");
        said
    }
}

/// Where the command is: `XFSKIT_BIN`, or what cargo builds now.
fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        if let Some(path) = std::env::var_os("XFSKIT_BIN") {
            return PathBuf::from(path);
        }
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.args(["build", "--package", "xfskit-cli", "--message-format", "json"]).current_dir(root);
        let output = run(&mut command);
        let lines = String::from_utf8(output.stdout).expect("cargo prints JSON");
        let messages = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let mut binaries = messages.filter_map(|message| message["executable"].as_str().map(PathBuf::from));
        binaries.next_back().expect("cargo built the command")
    })
}
