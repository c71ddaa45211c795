//! Crashes at any moment: what is recovered is sound, and one of the things that may be there.

use xfskit_tests::crash::campaign::Played;
use xfskit_tests::crash::failing::Failing;
use xfskit_tests::crash::image::Disk;
use xfskit_tests::crash::scenarios::{SCENARIOS, Scenario};
use xfskit_tests::crash::trial::{crash_recovery_everywhere, open};
use xfskit_tests::referee::say;
use xfskit_tests::rng::Rng;

/// Crash states of a scenario on all of its volumes.
fn crash(name: &str, runs: u64, states: u64) {
    let scenario = Scenario::named(name).expect("a scenario");
    let first = Rng::seed_or(1);
    for seed in first..first + runs {
        match Played::new(scenario, seed).try_many(states / runs, None) {
            Ok(tally) => say(&format!("{name}, seed {seed}: {} states in {:?}", tally.states, tally.time)),
            Err(complaint) => panic!("{complaint}"),
        }
    }
}

macro_rules! scenarios {
    ($($test:ident: $name:literal, $runs:literal, $states:literal;)*) => {
        $(#[test] fn $test() { crash($name, $runs, $states); })*
    };
}

scenarios! {
    overwrites_of_shared_blocks: "overwrite", 9, 9000;
    clones_over_each_other: "clones", 9, 9000;
    appends: "append", 8, 8000;
    truncates: "truncate", 8, 8000;
    growing_directories: "names", 8, 8000;
    names_that_move: "renames", 8, 6000;
    names_that_are_linked: "links", 8, 6000;
    anything_with_names: "moves", 8, 6000;
    full_volumes: "full", 6, 6000;
    logs_that_wrap: "short-log", 4, 12000;
    large_operations: "fragments", 4, 4000;
    space_that_is_used_again: "reuse", 6, 6000;
    anything: "random", 16, 16000;
    attributes_of_every_form: "attributes", 4, 3000;
    parent_pointers_of_every_form: "parents", 2, 1500;
    directories_of_every_form: "directories", 4, 1200;
}

/// Every subset of the writes between flushes, on every kind of volume.
fn subsets(name: &str) {
    let scenario = Scenario::named(name).expect("a scenario");
    for seed in 0..scenario.shapes.len() as u64 {
        let tally = Played::new(scenario, seed).try_subsets(10).unwrap_or_else(|text| panic!("{text}"));
        say(&format!("{name}: {} states in {:?}", tally.states, tally.time));
    }
}

#[test]
fn data_is_durable_before_the_checkpoint_that_shows_it() {
    subsets("remap");
}

#[test]
fn what_was_put_in_place_is_durable_before_the_tail_moves() {
    subsets("settle");
}

#[test]
fn freed_blocks_stay_busy_until_their_freeing_is_durable() {
    subsets("busy");
}

/// What was replayed is durable before recovery writes a record of its own, which names a later tail: for the inodes that
/// it frees, here those of files whose removal takes several transactions.
#[test]
fn what_was_replayed_is_durable_before_the_tail_moves() {
    let scenario = Scenario::named("fragments").expect("a scenario");
    let (mut recoveries, mut states) = (0, 0);
    for seed in 0..scenario.shapes.len() as u64 {
        let played = Played::new(scenario, seed);
        let moments = played.recording.quiet_moments();
        let disks =
            moments.iter().rev().map(|&at| played.recording.build(&played.recording.state(seed, at as u64)));
        let has_orphans = |disk: &Disk| {
            let volume = open(disk.clone()).unwrap_or_else(|text| panic!("{text}"));
            volume.recovered().is_some_and(|report| report.unlinked > 0)
        };
        for disk in disks.filter(has_orphans).take(3) {
            states +=
                crash_recovery_everywhere(&disk, 8).unwrap_or_else(|text| panic!("seed {seed}: {text}"));
            recoveries += 1;
        }
    }
    assert!(recoveries > 0, "no recovery with an inode to free");
    say(&format!("{states} states of {recoveries} recoveries"));
}

/// One call of the device after the other fails, once and for good.
fn failures(name: &str, stride: usize) {
    let seed = Rng::seed_or(1);
    let failing = Failing::new(Scenario::named(name).expect("a scenario"), seed);
    for once in [true, false] {
        let mut tried = 0;
        for call in (0..).step_by(stride) {
            match failing.at(call, once) {
                Ok(true) => tried += 1,
                Ok(false) => break,
                Err(complaint) => panic!("{complaint}"),
            }
        }
        say(&format!("{name}: {tried} calls failed, {}", if once { "once" } else { "for good" }));
    }
}

#[test]
fn any_failing_call() {
    for scenario in ["overwrite", "clones", "append", "truncate", "names", "renames", "links"] {
        failures(scenario, 1);
    }
    for (scenario, stride) in [
        ("random", 3),
        ("moves", 5),
        ("attributes", 5),
        ("parents", 9),
        ("directories", 5),
        ("short-log", 7),
        ("fragments", 7),
        ("reuse", 3),
        ("full", 3),
    ] {
        failures(scenario, stride);
    }
}

/// The same seed gives the same run, so that a failure can be seen again.
#[test]
fn runs_repeat() {
    for scenario in SCENARIOS {
        let [first, second] = [(); 2].map(|()| Played::new(scenario, 5));
        assert!(first.recording.events() == second.recording.events(), "{}", scenario.name);
    }
}
