//! `cargo xtask npm`: `dist/npm`, the package for JavaScript.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::report::{Outcome, Report, Result, failure};
use crate::setup::{node, wasm_bindgen};
use crate::{checks, contained, dist, run, workspace};

/// What the wasm module may weigh when it travels, compressed by brotli: more fails.
const BROTLI_LIMIT_BYTES: u64 = 250 * 1024;
/// binaryen from npm, in one version everywhere: that of a stable Debian does not know all that wasm-bindgen writes.
const WASM_OPT: &str = "node_modules/binaryen/bin/wasm-opt";
/// What it does: little else, because what makes the module itself smallest (`-Oz`) makes it larger by brotli, which
/// finds more to share where functions with similar names stand together.
const WASM_PASSES: [&str; 5] = [
    "-O1",
    "--dae-optimizing",
    "--duplicate-function-elimination",
    "--converge",
    "--reorder-functions-by-name",
];
/// Where wasm-bindgen leaves the module and its JavaScript, for the package's own sources to import.
const GENERATED: &str = "wasm/package/generated";
const PACKAGE: &str = "wasm/package";
/// How long the package's tests may take: many times what they take on a slow machine.
const TESTS_LIMIT: Duration = Duration::from_secs(20 * 60);

/// Prints the size of a file, compressed as hard as brotli can.
const BROTLI_SIZE: &str = "\
const { readFileSync } = require('node:fs');
const { brotliCompressSync, constants } = require('node:zlib');
const params = { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY };
process.stdout.write(String(brotliCompressSync(readFileSync(process.argv[1]), { params }).length));";

/// Where the package is left.
pub(crate) fn folder() -> PathBuf {
    workspace::dist().join("npm")
}

/// Why the package can't be built here; `None` when it can.
pub(crate) fn obstacle() -> Option<String> {
    node::obstacle().or_else(|| wasm_bindgen::program().err().map(|failure| failure.0))
}

/// Builds it.
pub(crate) fn run(report: &mut Report) -> Result<()> {
    report.section("dist/npm");
    if let Some(why) = obstacle() {
        return failure(why);
    }
    module(report)?;
    report.step("the package", || {
        run::logged(node::npm().args(["run", "build", "--workspace", PACKAGE]), "npm-build")?;
        if !folder().join("package.json").is_file() {
            return failure("the build script of wasm/package left no dist/npm/package.json");
        }
        Ok(Outcome::done())
    })
}

/// Runs the package's own tests, in Node.js.
pub(crate) fn test(report: &mut Report) -> Result<()> {
    report.step("the package's types", || {
        let mut check = node::npm();
        check.args(["run", "typecheck", "--workspace", PACKAGE]);
        run::logged(&mut check, "npm-types").map(|_| Outcome::done())
    })?;
    report.step("the package's tests in Node.js", || {
        let mut test = node::npm();
        test.args(["run", "test", "--workspace", PACKAGE]);
        let (log, is_passed) = contained::logged_within(&mut test, "npm-test", TESTS_LIMIT)?;
        match is_passed {
            true => Ok(Outcome::done().with_notes(checks::summary(&log)?)),
            false => failure(format!("the end of {}:\n{}", log.display(), run::tail(&log))),
        }
    })
}

/// Builds the wasm module and holds it to its size.
fn module(report: &mut Report) -> Result<()> {
    report.step("the wasm module", || {
        let mut build = run::cargo();
        build.args(["build", "--profile", "dist-web", "--target", "wasm32-unknown-unknown"]);
        run::logged(build.args(["--package", "xfskit-wasm"]), "build-npm")?;
        let built = workspace::target().join("wasm32-unknown-unknown/dist-web/xfskit_wasm.wasm");
        let module = workspace::root().join(GENERATED).join("xfskit_bg.wasm");
        let is_fresh = !module.is_file() || fs::read(&built)? != fs::read(packed()).unwrap_or_default();
        if is_fresh {
            pack(&built, &module)?;
        }
        let (raw, compressed) = (fs::metadata(&module)?.len(), brotli_size(&module)?);
        let size = format!("{} KiB, {} KiB by brotli", kibibytes(raw), kibibytes(compressed));
        if compressed > BROTLI_LIMIT_BYTES {
            let limit = kibibytes(BROTLI_LIMIT_BYTES);
            return failure(format!("the wasm module has grown to {size}; it may take {limit} by brotli"));
        }
        Ok(Outcome::done().with_notes(vec![size]))
    })
}

/// The module as cargo built it that `GENERATED` was made from: packing it again takes longer than building it.
fn packed() -> PathBuf {
    workspace::target().join("xtask/packed.wasm")
}

/// Has wasm-bindgen write the JavaScript around a built module, which is left small.
fn pack(built: &Path, module: &Path) -> Result<()> {
    let generated = workspace::root().join(GENERATED);
    // From here on nothing that is there is whole.
    let _ = fs::remove_file(packed());
    if generated.exists() {
        fs::remove_dir_all(&generated)?;
    }
    let mut bind = run::command(&wasm_bindgen::program()?.to_string_lossy());
    bind.args(["--target", "web", "--out-name", "xfskit", "--out-dir"]).arg(&generated).arg(built);
    run::logged(&mut bind, "wasm-bindgen")?;
    let mut shrink = run::command("node");
    shrink.arg(workspace::root().join(WASM_OPT));
    dist::shrink(&mut shrink, &WASM_PASSES, module, module)?;
    fs::copy(built, packed())?;
    Ok(())
}

fn brotli_size(file: &Path) -> Result<u64> {
    Ok(run::output(run::command("node").args(["-e", BROTLI_SIZE]).arg(file))?.trim().parse()?)
}

fn kibibytes(bytes: u64) -> String {
    format!("{}.{}", bytes / 1024, bytes % 1024 * 10 / 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_well() {
        assert_eq!(kibibytes(250 * 1024 + 512), "250.5");
        assert_eq!(kibibytes(1023), "0.9");
    }
}
