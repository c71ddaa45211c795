//! `dist/xfskit` for this host and `dist/xfskit.wasm` for wasip1.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::report::{Outcome, Report, Result, failure};
use crate::{run, workspace};

/// What the wasm file may weigh at most.
const WASM_LIMIT_BYTES: u64 = 1_500_000;

/// What rustc uses of wasm beyond its first version, which wasm-opt wants to be told.
const WASM_FEATURES: [&str; 6] = [
    "--enable-bulk-memory",
    "--enable-sign-ext",
    "--enable-mutable-globals",
    "--enable-nontrapping-float-to-int",
    "--enable-multivalue",
    "--enable-reference-types",
];

/// Builds both.
pub(crate) fn run(report: &mut Report) -> Result<()> {
    report.section("dist");
    host(report)?;
    wasm(report)
}

/// Builds the command for this host.
pub(crate) fn host(report: &mut Report) -> Result<()> {
    report.step("dist/xfskit, the command for this host", || {
        run::logged(run::cargo().args(["build", "--release", "--package", "xfskit-cli"]), "build-host")?;
        let bytes = place(&workspace::target().join("release/xfskit"), "xfskit")?;
        Ok(Outcome::done().with_notes(vec![megabytes(bytes)]))
    })
}

/// Builds the command for wasip1 and holds it to its size.
pub(crate) fn wasm(report: &mut Report) -> Result<()> {
    report.step("dist/xfskit.wasm, the command for wasm32-wasip1", || {
        let mut build = run::cargo();
        build.args([
            "build",
            "--profile",
            "dist-wasm",
            "--target",
            "wasm32-wasip1",
            "--package",
            "xfskit-cli",
        ]);
        run::logged(&mut build, "build-wasm")?;
        let built = workspace::target().join("wasm32-wasip1/dist-wasm/xfskit.wasm");
        let smaller = built.with_extension("opt.wasm");
        shrink(&mut run::command("wasm-opt"), &["-Oz"], &built, &smaller)?;
        let bytes = place(&smaller, "xfskit.wasm")?;
        if bytes > WASM_LIMIT_BYTES {
            let (is, limit) = (megabytes(bytes), megabytes(WASM_LIMIT_BYTES));
            return failure(format!("dist/xfskit.wasm has grown to {is}; it may take {limit}"));
        }
        Ok(Outcome::done().with_notes(vec![megabytes(bytes)]))
    })
}

/// Makes a wasm module smaller by these `passes` of binaryen's `wasm_opt`; `to` may be the same file.
pub(crate) fn shrink(wasm_opt: &mut Command, passes: &[&str], module: &Path, to: &Path) -> Result<()> {
    wasm_opt.args(passes).args(["--strip-debug", "--strip-producers"]);
    wasm_opt.args(WASM_FEATURES).arg(module).arg("-o").arg(to);
    run::logged(wasm_opt, "wasm-opt").map(drop)
}

/// Puts a built file into `dist/` under a name; returns its size in bytes.
fn place(built: &Path, name: &str) -> Result<u64> {
    fs::create_dir_all(workspace::dist())?;
    let to = workspace::dist().join(name);
    // A copy over a running program fails; a renamed one never disturbs it.
    let fresh = workspace::dist().join(format!(".{name}.new"));
    fs::copy(built, &fresh)?;
    fs::rename(&fresh, &to)?;
    Ok(fs::metadata(&to)?.len())
}

fn megabytes(bytes: u64) -> String {
    format!("{}.{:02} MB", bytes / 1_000_000, bytes % 1_000_000 / 10_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_well() {
        assert_eq!(megabytes(1_500_000), "1.50 MB");
        assert_eq!(megabytes(1_049_999), "1.04 MB");
    }
}
