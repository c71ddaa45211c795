//! Looks for operations that the kernel and xfskit do differently: `twins [--options NAME] [--seed N] [--steps N]
//! [--count K]` plays K sequences of so many steps, from one seed on, and shows where the first difference is.

use std::process::ExitCode;

use xfskit_tests::options::{OPTION_SETS, OptionSet, Written};
use xfskit_tests::referee::Referee;
use xfskit_tests::twins::{Look, Twins, first_difference};

const USAGE: &str = "usage: twins [--options NAME] [--seed N] [--steps N] [--count K]";

/// What was asked for.
struct Args {
    options: Option<String>,
    seed: u64,
    steps: usize,
    count: u64,
}

impl Args {
    fn parse() -> Option<Self> {
        let mut parsed = Self { options: None, seed: 1, steps: 500, count: 1 };
        let args: Vec<String> = std::env::args().skip(1).collect();
        for pair in args.chunks(2) {
            let [name, value] = pair else { return None };
            match name.as_str() {
                "--options" => parsed.options = Some(value.clone()),
                "--seed" => parsed.seed = value.parse().ok()?,
                "--steps" => parsed.steps = value.parse().ok()?,
                "--count" => parsed.count = value.parse().ok()?,
                _ => return None,
            }
        }
        Some(parsed)
    }

    fn sets(&self) -> Vec<&'static OptionSet> {
        let is_wanted = |set: &&OptionSet| self.options.as_deref().is_none_or(|name| name == set.name);
        OPTION_SETS.iter().filter(|set| set.written == Written::All).filter(is_wanted).collect()
    }
}

fn main() -> ExitCode {
    let Some(args) = Args::parse().filter(|args| !args.sets().is_empty()) else {
        let names: Vec<_> = OPTION_SETS.iter().map(|set| set.name).collect();
        eprintln!("{USAGE}\noption sets: {}", names.join(", "));
        return ExitCode::from(2);
    };
    let Some(referee) = Referee::find() else { return ExitCode::FAILURE };
    let sets = args.sets().into_iter().filter(|set| referee.has(set.version));
    let failures = sets.filter(|set| !play(referee, set, &args)).count();
    if failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// All sequences of an option set; whether the twins stayed equal.
fn play(referee: &Referee, set: &OptionSet, args: &Args) -> bool {
    let start = std::time::Instant::now();
    let twins = Twins::new(referee, set);
    for seed in args.seed..args.seed + args.count {
        if let Err(difference) = twins.play(seed, args.steps, Look::Whole) {
            let difference = first_difference(&twins, seed, args.steps, difference);
            println!("{}, seed {seed}:\n{difference}", set.name);
            return false;
        }
    }
    println!("{}: {} sequences leave equal twins ({:.1?})", set.name, args.count, start.elapsed());
    true
}
