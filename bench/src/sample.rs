//! Times of several rounds and what they amount to.

use std::time::Duration;

/// The times of one side of one work.
pub(crate) struct Sample {
    sorted: Vec<Duration>,
}

impl Sample {
    /// From times in any order; there is at least one.
    pub(crate) fn new(mut times: Vec<Duration>) -> Self {
        assert!(!times.is_empty(), "a sample has at least one round");
        times.sort_unstable();
        Self { sorted: times }
    }

    /// Takes `runs` rounds.
    pub(crate) fn take(runs: usize, round: impl FnMut() -> Result<Duration, String>) -> Result<Self, String> {
        let times: Result<Vec<_>, _> = std::iter::repeat_with(round).take(runs).collect();
        Ok(Self::new(times?))
    }

    /// The middle one, in milliseconds.
    pub(crate) fn median_ms(&self) -> f64 {
        self.sorted[self.sorted.len() / 2].as_secs_f64() * 1_000.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_one() {
        let sample = Sample::new([9, 1, 5].map(Duration::from_millis).to_vec());
        assert!((sample.median_ms() - 5.0).abs() < 1e-9);
    }
}
