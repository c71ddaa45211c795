//! What a crash may leave of the writes of a recording.
//!
//! Everything before the last completed flush is there. Of the writes since, any of their sectors may be: a state
//! names the moment of the crash and picks some. Where writes overlap any order is possible. States are numbered: first
//! come all moments with everything that was written, then as many as are asked for, each drawn from its number.

use std::sync::Arc;

use super::image::{Disk, Image};
use super::record::{Event, SECTOR_BYTES};
use crate::rng::Rng;

/// The writes between two flushes.
#[derive(Debug)]
struct Epoch {
    /// What was durable before them.
    durable: Arc<Image>,
    /// Index of the first of them among the events.
    from: usize,
}

/// A run of a scenario: what was on the device before, and what was done to it.
#[derive(Debug)]
pub struct Recording {
    events: Vec<Event>,
    epochs: Vec<Epoch>,
}

/// A state that a crash may leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CrashState {
    /// Events that were begun before the crash.
    pub at: usize,
    plan: Plan,
}

/// Which sectors of the writes since the last flush survive.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Plan {
    /// All of them.
    All,
    /// All but the end of the last write.
    Cut { sectors: usize },
    /// All but those of one write.
    Without { write: usize },
    /// Those of one write.
    Only { write: usize },
    /// Those of the writes whose bits are set, the first one's lowest.
    Mask { bits: u64 },
    /// Those of some writes, which land in an order of their own.
    Some { percent: u64, seed: u64 },
    /// Each for itself.
    Torn { percent: u64, seed: u64 },
}

impl Recording {
    /// Takes a history apart.
    pub fn new(start: Image, events: Vec<Event>) -> Self {
        let mut durable = Arc::new(start);
        let mut epochs = vec![Epoch { durable: Arc::clone(&durable), from: 0 }];
        let mut from = 0;
        for at in 0..events.len() {
            if events[at] == Event::Flush {
                let mut image = (*durable).clone();
                for event in &events[from..at] {
                    if let Event::Write { offset, bytes } = event {
                        image.write(*offset, bytes);
                    }
                }
                durable = Arc::new(image);
                from = at + 1;
                epochs.push(Epoch { durable: Arc::clone(&durable), from });
            }
        }
        Self { events, epochs }
    }

    /// Everything that was done.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// Number of states that are not drawn: one for each moment.
    pub fn moments(&self) -> u64 {
        self.events.len() as u64 + 1
    }

    /// Moments right after a flush: nothing is in flight.
    pub fn quiet_moments(&self) -> Vec<usize> {
        self.epochs.iter().map(|epoch| epoch.from).collect()
    }

    /// State number `index` of a run with `seed`.
    pub fn state(&self, seed: u64, index: u64) -> CrashState {
        if index < self.moments() || self.events.is_empty() {
            let at = index.min(self.events.len() as u64) as usize;
            return CrashState { at, plan: Plan::All };
        }
        let mut rng = Rng::new(seed ^ index.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        // The moment is right after an event; most are better spent where something is in flight.
        let mut at = rng.range(1, self.moments()) as usize;
        while self.events[at - 1] == Event::Flush && at < self.events.len() {
            at += 1;
        }
        let from = self.epoch(at).from;
        let write = from + rng.index(at - from);
        let (percent, seed) = (*rng.pick(&[10, 50, 50, 90]), rng.bits());
        let plan = match rng.below(10) {
            _ if from == at => Plan::All,
            0..2 => Plan::Cut { sectors: self.cut(at - 1, &mut rng) },
            2 => Plan::Without { write },
            3 => Plan::Only { write },
            4..7 => Plan::Some { percent, seed },
            _ => Plan::Torn { percent, seed },
        };
        CrashState { at, plan }
    }

    /// Every subset of whole writes between each two flushes; where there are more than `most` writes, of the last
    /// ones, with all those before.
    pub fn subsets(&self, most: usize) -> Vec<CrashState> {
        let ends = self.epochs.iter().skip(1).map(|epoch| epoch.from - 1).chain([self.events.len()]);
        let mut states = Vec::new();
        for (epoch, at) in self.epochs.iter().zip(ends) {
            let count = at - epoch.from;
            assert!(count < 64, "{count} writes between two flushes");
            let fixed = count.saturating_sub(most);
            let before = (1 << fixed) - 1;
            states.extend(
                (0..1_u64 << (count - fixed))
                    .map(|bits| CrashState { at, plan: Plan::Mask { bits: bits << fixed | before } }),
            );
        }
        states
    }

    /// A place to cut a write, in sectors.
    fn cut(&self, index: usize, rng: &mut Rng) -> usize {
        match &self.events[index] {
            Event::Write { bytes, .. } => rng.index(bytes.len() / SECTOR_BYTES),
            Event::Flush => 0,
        }
    }

    fn epoch(&self, at: usize) -> &Epoch {
        let next = self.epochs.partition_point(|epoch| epoch.from <= at);
        &self.epochs[next - 1]
    }

    /// The device as the crash leaves it.
    pub fn build(&self, state: &CrashState) -> Disk {
        let epoch = self.epoch(state.at);
        let mut disk = Disk::new(Arc::clone(&epoch.durable));
        let writes = epoch.from..state.at;
        match state.plan {
            Plan::All => writes.for_each(|index| self.put(&mut disk, index, |_| true)),
            Plan::Cut { sectors } => {
                let last = state.at - 1;
                writes
                    .for_each(|index| self.put(&mut disk, index, |sector| index < last || sector < sectors));
            }
            Plan::Without { write } => {
                writes.filter(|&index| index != write).for_each(|index| self.put(&mut disk, index, |_| true));
            }
            Plan::Mask { bits } => {
                let first = epoch.from;
                writes
                    .filter(|&index| bits >> (index - first) & 1 != 0)
                    .for_each(|index| self.put(&mut disk, index, |_| true));
            }
            Plan::Only { write } => self.put(&mut disk, write, |_| true),
            Plan::Some { percent, seed } => {
                let mut rng = Rng::new(seed);
                let mut order: Vec<usize> = writes.filter(|_| rng.chance(percent)).collect();
                shuffle(&mut order, &mut rng);
                order.into_iter().for_each(|index| self.put(&mut disk, index, |_| true));
            }
            Plan::Torn { percent, seed } => {
                let mut rng = Rng::new(seed);
                let mut order: Vec<usize> = writes.collect();
                if rng.chance(50) {
                    shuffle(&mut order, &mut rng);
                }
                order.into_iter().for_each(|index| self.put(&mut disk, index, |_| rng.chance(percent)));
            }
        }
        disk
    }

    /// Writes those sectors of a write that survive.
    fn put(&self, disk: &mut Disk, index: usize, mut survives: impl FnMut(usize) -> bool) {
        let Event::Write { offset, bytes } = &self.events[index] else { return };
        for (sector, bytes) in bytes.chunks(SECTOR_BYTES).enumerate().filter(|(sector, _)| survives(*sector))
        {
            disk.write(offset + (sector * SECTOR_BYTES) as u64, bytes);
        }
    }
}

fn shuffle(order: &mut [usize], rng: &mut Rng) {
    for index in (1..order.len()).rev() {
        order.swap(index, rng.index(index + 1));
    }
}

#[cfg(test)]
mod tests {
    use xfskit::device::BlockDevice;

    use super::*;

    fn write(sector: u64, byte: u8, sectors: usize) -> Event {
        Event::Write { offset: sector * 512, bytes: vec![byte; sectors * SECTOR_BYTES].into() }
    }

    fn first_bytes(disk: &mut Disk) -> Vec<u8> {
        let mut bytes = vec![0; 8 * 512];
        disk.read_at(0, &mut bytes).expect("inside");
        bytes.chunks(512).map(|sector| sector[0]).collect()
    }

    /// What was flushed is always there, and of the rest every mix of sectors comes up.
    #[test]
    fn flushed_writes_stay_and_others_come_in_every_mix() {
        let events = vec![write(0, 1, 2), Event::Flush, write(1, 2, 2), write(4, 3, 1), write(4, 4, 1)];
        let recording = Recording::new(Image::zeros(4096), events);
        let mut seen = std::collections::BTreeSet::new();
        for index in 0..2000 {
            let state = recording.state(7, index);
            let bytes = first_bytes(&mut recording.build(&state));
            assert!(state.at < 2 || bytes[0] == 1, "{state:?}: {bytes:?}");
            if state.at == 5 {
                assert!((1..3).contains(&bytes[1]) && [0, 2].contains(&bytes[2]), "{bytes:?}");
                seen.insert(bytes);
            }
        }
        assert_eq!(seen.len(), 2 * 2 * 3, "{seen:?}");
    }
}
