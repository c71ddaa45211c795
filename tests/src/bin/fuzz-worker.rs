//! Walks damaged images, one after the other, and says which one it is at: `fuzz-worker FIRST_SEED SECONDS`, or
//! `--one SEED`, or `--keep SEED NAME` to keep a case as a crasher, or `--keep-input FILE NAME` to keep what the
//! coverage-guided fuzzer left in its artifacts, or `--crashers`.
//!
//! A process of its own, so that an endless loop can be ended and memory be bounded.

use std::io::Write;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, setrlimit};
use xfskit_tests::fuzz::{Crasher, Targets, crashers, crashers_folder};

/// All golden images and the runtime take some 250 MiB of this; a volume gets what is left.
const ADDRESS_SPACE_BYTES: u64 = 640 << 20;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let targets = Targets::load();
    let limit = Rlimit { current: Some(ADDRESS_SPACE_BYTES), maximum: Some(ADDRESS_SPACE_BYTES) };
    setrlimit(Resource::As, limit).expect("bound the memory");
    match args[..] {
        ["--keep", seed, name] => keep(&targets.case(number(seed)), name),
        ["--keep-input", file, name] => {
            let input = std::fs::read(file).expect("read the input");
            keep(&targets.case_of_input(&input).expect("an input is not empty"), name);
        }
        ["--crashers"] => {
            for case in targets.undamaged() {
                try_one(&targets, &format!("undamaged {}", case.golden), &case);
            }
            for (path, case) in crashers() {
                try_one(&targets, &path, &case);
            }
        }
        ["--one", seed] => try_one(&targets, &format!("seed {seed}"), &targets.case(number(seed))),
        [first_seed, seconds] => {
            let end = Instant::now() + Duration::from_secs(number(seconds));
            let mut seed = number(first_seed);
            while Instant::now() < end {
                try_one(&targets, &format!("seed {seed}"), &targets.case(seed));
                seed += 1;
            }
        }
        _ => panic!(
            "usage: fuzz-worker FIRST_SEED SECONDS | --one SEED | --crashers | --keep SEED NAME | --keep-input FILE NAME"
        ),
    }
}

fn number(text: &str) -> u64 {
    text.parse().expect("a number")
}

/// The parent reads these lines: after `at` one of `ok` and `panic` has to follow in time.
fn try_one(targets: &Targets, label: &str, case: &Crasher) {
    say(&format!("at {label}"));
    match targets.try_case(case) {
        Ok(()) => say("ok"),
        Err(text) => say(&format!("panic {label}: {}", text.replace('\n', " "))),
    }
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).expect("the parent listens");
}

fn keep(case: &Crasher, name: &str) {
    let path = crashers_folder().join(format!("{name}.json"));
    let text = serde_json::to_string_pretty(case).expect("a crasher as JSON");
    std::fs::write(&path, text + "\n").expect("write the crasher");
}
