//! A device that fails: the volume is what it was, or refuses further changes, and is never wrong.

use xfskit::error::Error;

use super::driver::{Driver, Stopped};
use super::record::Fault;
use super::scenarios::Scenario;
use super::trial::{open, sound};
use super::verdict::{Verdict, View};
use crate::ops::Op;
use crate::rng::Rng;
use crate::session::new_inode;

/// Plays a scenario until call number `call` of the device fails, and judges what is there then. `false` when the
/// scenario makes fewer calls.
///
/// # Errors
/// Text that says what is wrong.
pub fn fail_at(scenario: &Scenario, seed: u64, call: u64, once: bool) -> Result<bool, String> {
    let (mut driver, _) = scenario.prepared(scenario.shape(seed), seed);
    let written_percent = *Rng::new(seed ^ call).pick(&[0, 50, 100]);
    driver.recorder.set_fault(Some(Fault { calls_left: call, once, written_percent }));
    let outcome = scenario.play(&mut driver, seed);
    let Err(stopped) = outcome else {
        driver.recorder.set_fault(None);
        return Ok(false);
    };
    judge(driver, &stopped).map(|()| true).map_err(|complaint| {
        let name = scenario.name;
        let how = if once { "once" } else { "for good" };
        format!(
            "scenario {name}, seed {seed}: call {call} fails {how}, {:?} says {}: {complaint}",
            stopped.op, stopped.error
        )
    })
}

fn judge(mut driver: Driver, stopped: &Stopped) -> Result<(), String> {
    let is_lasting = settle(&mut driver, stopped)?;
    driver.recorder.set_fault(None);
    driver.drop_volume();
    if !is_lasting {
        // The operation may be there or not.
        driver.follow_failed(&stopped.op);
    }
    let mut volume = open(driver.recorder.clone())?;
    let view = View::of(&mut volume).map_err(|error| format!("read: {error}"))?;
    Verdict::at(&driver.model, usize::MAX).judge(&view)?;
    sound(&mut volume)
}

/// The volume goes on, all of it durable, or refuses everything. Whether it goes on.
fn settle(driver: &mut Driver, stopped: &Stopped) -> Result<bool, String> {
    let waiting = driver.model.waiting();
    let Some(volume) = driver.volume() else { return Ok(false) };
    let root = volume.root();
    match volume.sync() {
        Ok(()) => {
            if matches!(stopped.op, Op::Reopen) {
                return Err("closing failed, and the volume is still there".into());
            }
            // A failed operation has changed nothing, but what waited is written back.
            driver.follow(&Op::Sync, &waiting);
            Ok(true)
        }
        Err(_) => match volume.create(root, b"later", &new_inode(0o600)) {
            Err(Error::Shutdown { .. } | Error::Device(_)) => Ok(false),
            other => Err(format!("a volume that can't sync takes changes: {other:?}")),
        },
    }
}
