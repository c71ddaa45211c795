//! Everything a contributor runs: `cargo xtask demo`, `test`, `dist`, `bench`, `crash`, `twins`, `tidy`, `setup`.

mod bench;
mod browsers;
mod checks;
mod contained;
mod crash;
mod demo;
mod dist;
mod mount;
mod npm;
mod pages;
mod report;
mod run;
mod serve;
mod setup;
mod tidy;
mod tour;
mod twins;
mod workspace;

use std::process::ExitCode;

use report::{Failure, Report};

const USAGE: &str = "\
usage: cargo xtask COMMAND

  demo            build xfskit for wasm32-wasip1 and show it at work under wasmtime
  test [--quick]  set up what the tests need and pass them all; --quick: those that take under two minutes;
                  --browsers: those of the package for JavaScript in browsers
  dist            leave dist/xfskit (this host) and dist/xfskit.wasm (wasip1)
  npm             leave dist/npm, the package for JavaScript
  serve [PORT]    build the package and the playground, and serve them on this machine
  bench [ARGS]    time xfskit beside the kernel's XFS (root and a quiet machine); `bench --help` says more;
                  --browser: the package beside what else keeps files in a browser (--rounds N)
  crash [ARGS]    pull the plug on volumes at work, for as long as `--minutes M` says, from `--seed N` on
  twins [ARGS]    have the kernel and xfskit do the same: `--options NAME --seed N --steps N --count K`
  tidy            floors, sizes, stray files, forbidden words, manifests
  setup           only the set-up of what demo, test and bench need";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let rest = args.get(1..).unwrap_or_default();
    let mut report = Report::new();
    let result = match args.first().map(String::as_str) {
        Some("demo") => demo::run(&mut report, demo::Form::Full),
        Some("test") => checks::run(&mut report, rest),
        Some("dist") => setup::targets_only(&mut report).and_then(|()| dist::run(&mut report)),
        Some("npm") => setup::for_package(&mut report).and_then(|()| npm::run(&mut report)),
        Some("serve") => serve::run(&mut report, rest),
        Some("bench") => bench::run(&mut report, rest),
        Some("crash") => crash::run(&mut report, rest),
        Some("twins") => twins::run(&mut report, rest),
        Some("tidy") => tidy::run(&mut report),
        Some("setup") => setup::run(&mut report, setup::For::Tests),
        Some("help" | "--help" | "-h") => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => {
            report.finish();
            ExitCode::SUCCESS
        }
        Err(Failure(text)) => {
            eprintln!("\nxtask: {text}");
            ExitCode::FAILURE
        }
    }
}
