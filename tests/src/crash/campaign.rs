//! Plays scenarios and puts their crash states to the proof.

use std::time::{Duration, Instant};

use super::driver::Driver;
use super::scenarios::Scenario;
use super::states::{CrashState, Recording};
use super::trial::{Effort, try_state};
use super::verdict::Verdict;
use crate::rng::Rng;

/// A scenario that was played, and everything that a crash may have made of it.
pub struct Played {
    scenario: &'static Scenario,
    seed: u64,
    driver: Driver,
    /// What was done to the device.
    pub recording: Recording,
}

/// What came of it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tally {
    /// States that were recovered and judged, those of crashed recoveries among them.
    pub states: u64,
    /// Time that it took.
    pub time: Duration,
}

impl Tally {
    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self { states: self.states + other.states, time: self.time + other.time }
    }
}

impl Played {
    /// Plays a scenario on a volume of the shape that belongs to `seed`.
    ///
    /// # Panics
    /// If an operation of it fails.
    pub fn new(scenario: &'static Scenario, seed: u64) -> Self {
        Self::on(scenario, scenario.shape(seed), seed)
    }

    /// Plays it on a volume of some shape.
    ///
    /// # Panics
    /// If an operation of it fails.
    pub fn on(scenario: &'static Scenario, shape: super::scenarios::Shape, seed: u64) -> Self {
        let prepared = scenario.prepared(shape, seed);
        let mut driver = prepared.driver();
        if let Err(stopped) = scenario.play(&mut driver, seed) {
            panic!("{}, seed {seed}: {stopped:?}", scenario.name);
        }
        driver.drop_volume();
        let recording = driver.recording(prepared.image);
        Self { scenario, seed, driver, recording }
    }

    /// All operations, with the events of the device up to their ends.
    pub fn story(&self) -> String {
        let ops = self.driver.model.ops().iter().enumerate();
        let lines =
            ops.map(|(index, op)| format!("operation {index}, events {}..{}: {}", op.start, op.end, op.text));
        lines.collect::<Vec<_>>().join("\n")
    }

    /// What may be there after a crash when `events` events had begun.
    pub fn verdict(&self, events: usize) -> Verdict<'_> {
        Verdict::at(&self.driver.model, events)
    }

    /// Puts one state to the proof; returns how many were recovered for that.
    ///
    /// # Errors
    /// Text that says what is wrong, and how to see it again.
    pub fn try_one(&self, number: u64, effort: Effort) -> Result<u64, String> {
        let state = self.recording.state(self.seed, number);
        let mut rng = Rng::new(self.seed ^ number.rotate_left(32));
        self.prove(&state, effort, &mut rng).map_err(|complaint| {
            let (name, seed) = (self.scenario.name, self.seed);
            format!(
                "{complaint}\n  again: cargo xtask crash --scenario {name} --seed {seed} --state {number}"
            )
        })
    }

    fn prove(&self, state: &CrashState, effort: Effort, rng: &mut Rng) -> Result<u64, String> {
        let verdict = self.verdict(state.at);
        try_state(self.recording.build(state), &verdict, effort, rng).map_err(|complaint| {
            let (name, seed, count) = (self.scenario.name, self.seed, self.recording.events().len());
            format!("scenario {name}, seed {seed}: {complaint}\n  the crash: {state:?} of {count} events")
        })
    }

    /// Every subset of the writes between each two flushes, of at most `most` of them.
    ///
    /// # Errors
    /// What is wrong with the first state that fails.
    pub fn try_subsets(&self, most: usize) -> Result<Tally, String> {
        let start = Instant::now();
        let mut tally = Tally::default();
        for state in self.recording.subsets(most) {
            tally.states += self.prove(&state, Effort::default(), &mut Rng::new(tally.states))?;
        }
        tally.time = start.elapsed();
        Ok(tally)
    }

    /// Every moment of the recording, and drawn states up to `states` in all or until the time is up.
    ///
    /// # Errors
    /// What is wrong with the first state that fails.
    pub fn try_many(&self, states: u64, until: Option<Instant>) -> Result<Tally, String> {
        let start = Instant::now();
        let mut tally = Tally::default();
        let mut number = 0;
        while tally.states < states && until.is_none_or(|until| Instant::now() < until) {
            tally.states += self.try_one(number, Effort::default())?;
            number += 1;
        }
        tally.time = start.elapsed();
        Ok(tally)
    }
}
