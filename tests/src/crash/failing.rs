//! A device that fails: the volume is what it was, or refuses further changes, and is never wrong.

use xfskit::error::Error;

use super::driver::{Driver, Prepared, Stopped, follow};
use super::model::Model;
use super::record::Fault;
use super::scenarios::Scenario;
use super::trial::{open, sound};
use super::verdict::{Verdict, View};
use crate::ops::Op;
use crate::rng::Rng;
use crate::session::new_inode;

/// A scenario, over and over, with another call failing each time.
#[derive(Debug)]
pub struct Failing {
    scenario: &'static Scenario,
    seed: u64,
    prepared: Prepared,
}

impl Failing {
    /// A scenario on the volume that belongs to `seed`.
    pub fn new(scenario: &'static Scenario, seed: u64) -> Self {
        Self { scenario, seed, prepared: scenario.prepared(scenario.shape(seed), seed) }
    }

    /// Plays it until call number `call` of the device fails, and judges what is there then. `false` when there are
    /// fewer calls.
    ///
    /// # Errors
    /// Text that says what is wrong.
    pub fn at(&self, call: u64, once: bool) -> Result<bool, String> {
        let mut driver = self.prepared.driver();
        let written_percent = *Rng::new(self.seed ^ call).pick(&[0, 50, 100]);
        driver.recorder.set_fault(Some(Fault { calls_left: call, once, written_percent }));
        let Err(stopped) = self.scenario.play(&mut driver, self.seed) else { return Ok(false) };
        judge(driver, &stopped).map(|()| true).map_err(|complaint| {
            let how = if once { "once" } else { "for good" };
            format!(
                "scenario {}, seed {}: call {call} fails {how}, {:?} says {}: {complaint}",
                self.scenario.name, self.seed, stopped.op, stopped.error
            )
        })
    }
}

fn judge(mut driver: Driver, stopped: &Stopped) -> Result<(), String> {
    let is_lasting = settle(&mut driver, stopped)?;
    driver.recorder.set_fault(None);
    driver.drop_volume();
    let mut volume = open(driver.recorder.clone())?;
    let view = View::of(&mut volume).map_err(|error| format!("read: {error}"))?;
    let judged = if is_lasting {
        Verdict::at(&driver.model, usize::MAX).judge(&view)
    } else {
        // The operation may be there or not, and so may be what the attempt to sync wrote into place.
        let judge = |mut model: Model| {
            model.begin_op(driver.recorder.count(), "the attempt to sync".into());
            follow(&mut model, &Op::Sync, &driver.model.waiting());
            Verdict::at(&model, usize::MAX).judge(&view)
        };
        let mut with_op = driver.model.clone();
        follow(&mut with_op, &stopped.op, &driver.model.waiting());
        judge(driver.model.clone()).or_else(|_| judge(with_op))
    };
    judged?;
    sound(&mut volume)
}

/// The volume goes on, all of it durable, or refuses everything. Whether it goes on.
fn settle(driver: &mut Driver, stopped: &Stopped) -> Result<bool, String> {
    let waiting = driver.model.waiting();
    let Some(volume) = driver.volume() else { return Ok(false) };
    let root = volume.root();
    match volume.sync() {
        Ok(()) => {
            if matches!(*stopped.op, Op::Reopen) {
                return Err("closing failed, and the volume is still there".into());
            }
            // A failed operation has changed nothing, but what waited is written back.
            driver.model.begin_op(driver.recorder.count(), "sync".into());
            follow(&mut driver.model, &Op::Sync, &waiting);
            driver.model.end_op(driver.recorder.count(), true);
            Ok(true)
        }
        Err(_) => {
            // A failed read harms nothing, so the volume may go on without having become durable.
            if let Err(Error::Shutdown { .. }) = volume.sync() {
                match volume.create(root, b"later", &new_inode(0o600)) {
                    Err(Error::Shutdown { .. }) => {}
                    other => return Err(format!("a volume that is shut down takes changes: {other:?}")),
                }
            }
            Ok(false)
        }
    }
}
