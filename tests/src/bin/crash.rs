//! Looks for crashes that are not survived: `crash [--scenario NAME] [--seed N] [--minutes M]` plays scenarios with one
//! seed after the other; with `--state K` it shows one state again, with all that was done before.

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use xfskit_tests::crash::campaign::{Played, Tally};
use xfskit_tests::crash::failing::Failing;
use xfskit_tests::crash::scenarios::{SCENARIOS, Scenario};
use xfskit_tests::crash::trial::Effort;

const USAGE: &str = "usage: crash [--scenario NAME] [--seed N] [--minutes M | --state K]";

/// States of one run of a scenario.
const STATES: u64 = 3000;
/// Time between two lines about progress.
const PROGRESS: Duration = Duration::from_secs(30);

/// What was asked for.
#[derive(Default)]
struct Args {
    scenario: Option<String>,
    seed: u64,
    minutes: u64,
    state: Option<u64>,
}

impl Args {
    fn parse() -> Option<Self> {
        let mut parsed = Self { seed: 1, minutes: 1, ..Self::default() };
        let args: Vec<String> = std::env::args().skip(1).collect();
        for pair in args.chunks(2) {
            let [name, value] = pair else { return None };
            match name.as_str() {
                "--scenario" => parsed.scenario = Some(value.clone()),
                "--seed" => parsed.seed = value.parse().ok()?,
                "--minutes" => parsed.minutes = value.parse().ok()?,
                "--state" => parsed.state = Some(value.parse().ok()?),
                _ => return None,
            }
        }
        Some(parsed)
    }

    fn scenarios(&self) -> Vec<&'static Scenario> {
        let is_wanted =
            |scenario: &&Scenario| self.scenario.as_deref().is_none_or(|name| name == scenario.name);
        SCENARIOS.iter().filter(is_wanted).collect()
    }
}

fn main() -> ExitCode {
    let Some(args) = Args::parse().filter(|args| !args.scenarios().is_empty()) else {
        eprintln!("{USAGE}\nscenarios: {}", SCENARIOS.iter().map(|s| s.name).collect::<Vec<_>>().join(", "));
        return ExitCode::from(2);
    };
    match args.state {
        Some(state) => show(args.scenarios()[0], args.seed, state),
        None => search(&args),
    }
}

/// One state again.
fn show(scenario: &'static Scenario, seed: u64, state: u64) -> ExitCode {
    let played = Played::new(scenario, seed);
    println!("{}", played.story());
    match played.try_one(state, Effort { work_percent: 100, ..Effort::default() }) {
        Ok(_) => {
            println!("this state is survived");
            ExitCode::SUCCESS
        }
        Err(complaint) => {
            println!("{complaint}");
            ExitCode::FAILURE
        }
    }
}

/// Seed after seed on all processors, until the time is up or something fails.
fn search(args: &Args) -> ExitCode {
    let start = Instant::now();
    let until = start + Duration::from_secs(args.minutes * 60);
    let next = AtomicU64::new(0);
    let (tally, failures) = (Mutex::new((Tally::default(), start)), Mutex::new(Vec::new()));
    let scenarios = args.scenarios();
    let work = || {
        while Instant::now() < until && failures.lock().expect("no panic under it").is_empty() {
            let turn = next.fetch_add(1, Ordering::Relaxed);
            let scenario = scenarios[(turn % scenarios.len() as u64) as usize];
            let seed = args.seed + turn / scenarios.len() as u64;
            match run(scenario, seed, until) {
                Ok(more) => progress(&mut tally.lock().expect("no panic under it"), more, seed, start),
                Err(complaint) => failures.lock().expect("no panic under it").push(complaint),
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    let (tally, _) = *tally.lock().expect("no panic under it");
    println!("{} states in {:.0?}", tally.states, start.elapsed());
    let failures = failures.into_inner().expect("no panic under it");
    failures.iter().for_each(|complaint| println!("\n{complaint}"));
    if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// One run: crash states, and then a few failing calls.
fn run(scenario: &'static Scenario, seed: u64, until: Instant) -> Result<Tally, String> {
    let mut tally = Played::new(scenario, seed).try_many(STATES, Some(until))?;
    let failing = Failing::new(scenario, seed);
    for call in (seed % 37..).step_by(37) {
        if Instant::now() > until || !failing.at(call, call % 2 == 0)? {
            break;
        }
        tally.states += 1;
    }
    Ok(tally)
}

fn progress(total: &mut (Tally, Instant), more: Tally, seed: u64, start: Instant) {
    total.0 = total.0.plus(more);
    if total.1.elapsed() > PROGRESS {
        total.1 = Instant::now();
        println!("{:.0?}: {} states survived, at seed {seed}", start.elapsed(), total.0.states);
    }
}
