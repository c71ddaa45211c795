//! Hostile images: no panic, no endless loop, no unbounded memory, whatever the bytes.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use xfskit_tests::referee::say;
use xfskit_tests::rng::Rng;

/// How long one image may take; an undamaged one takes well under a second.
const PER_IMAGE: Duration = Duration::from_secs(15);

/// Images that once brought xfskit down no longer do.
#[test]
fn old_crashers_stay_fixed() {
    work(&["--crashers"]);
}

/// A fixed budget of new damage. The seed is printed; `XFSKIT_SEED` takes it back, `XFSKIT_FUZZ_SECONDS` sets the budget.
#[test]
fn damaged_images_are_survived() {
    let seed = Rng::seed_or(1);
    let seconds = std::env::var("XFSKIT_FUZZ_SECONDS").unwrap_or_else(|_| "20".into());
    say(&format!("first seed {seed}"));
    work(&[&seed.to_string(), &seconds]);
}

/// Runs a worker and listens to where it is.
fn work(args: &[&str]) {
    let mut worker = Command::new(env!("CARGO_BIN_EXE_fuzz-worker"))
        .args(args)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("start the worker");
    let output = BufReader::new(worker.stdout.take().expect("piped"));
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
    let mut at = String::from("start");
    let mut failures = Vec::new();
    let mut tried = 0;
    loop {
        match receiver.recv_timeout(PER_IMAGE) {
            Ok(line) if line.starts_with("at ") => at = line,
            Ok(line) if line.starts_with("panic ") => failures.push(line),
            Ok(_) => tried += 1,
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
            Err(mpsc::RecvTimeoutError::Timeout) => {
                failures.push(format!("no end {at}"));
                worker.kill().expect("end the worker");
                break;
            }
        }
    }
    let status = worker.wait().expect("the worker ends");
    if !status.success() && !failures.iter().any(|line| line.starts_with("no end")) {
        failures.push(format!("the worker died {at}: {status} (out of memory?)"));
    }
    say(&format!("{tried} images survived"));
    assert!(failures.is_empty(), "{} of them did not:\n{}", failures.len(), failures.join("\n"));
    assert!(tried > 0, "the worker did nothing");
}
