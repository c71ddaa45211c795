//! The kernel and xfskit do the same to twins.

use xfskit_tests::options::{OptionSet, Written};
use xfskit_tests::referee::Referee;
use xfskit_tests::rng::Rng;
use xfskit_tests::twins::{Look, Twins, first_difference};

/// Sequences for each option set, and steps of each.
const SEQUENCES: u64 = 12;
const STEPS: usize = 500;
/// One of so many sequences is looked at through the kernel's mount as well.
const WHOLE_EVERY: u64 = 4;

fn twins(set: &OptionSet) {
    let Some(referee) = Referee::find() else { return };
    if set.written == Written::Nothing || !referee.has(set.version) {
        return;
    }
    let twins = Twins::new(referee, set);
    let first = Rng::seed_or(1);
    for seed in first..first + SEQUENCES {
        let look = if (seed - first).is_multiple_of(WHOLE_EVERY) { Look::Whole } else { Look::Quick };
        if let Err(difference) = twins.play(seed, STEPS, look) {
            let difference = first_difference(&twins, seed, STEPS, difference);
            panic!("{}, XFSKIT_SEED={seed}:\n{difference}", set.name);
        }
    }
}

xfskit_tests::for_each_option_set!(twins);
