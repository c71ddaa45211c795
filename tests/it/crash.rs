//! Crashes at any moment: what is recovered is sound, and one of the things that may be there.

use xfskit_tests::crash::campaign::Played;
use xfskit_tests::crash::scenarios::Scenario;
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
    overwrites_of_shared_blocks: "overwrite", 3, 6000;
    clones_over_each_other: "clones", 3, 6000;
    appends: "append", 4, 6000;
    truncates: "truncate", 4, 6000;
    growing_directories: "names", 4, 6000;
    full_volumes: "full", 3, 3000;
    logs_that_wrap: "short-log", 2, 6000;
    large_operations: "fragments", 2, 2000;
    space_that_is_used_again: "reuse", 4, 4000;
    anything: "random", 8, 10000;
}
