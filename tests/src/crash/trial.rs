//! One crash state put to the proof: recovered, checked, compared, crashed again while it recovers, and used.

use std::panic::{AssertUnwindSafe, catch_unwind};

use xfskit::device::BlockDevice;
use xfskit::volume::{Follow, OpenOptions};
use xfskit::{Result, Volume};

use super::image::Disk;
use super::record::Recorder;
use super::states::{CrashState, Recording};
use super::verdict::{Verdict, View};
use crate::rng::Rng;
use crate::session::{findings, new_inode};

/// What is done to a state besides recovering, checking and comparing it.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    /// How often new work is done on the recovered volume, in percent.
    pub work_percent: u64,
    /// How often the recovery is crashed, in percent.
    pub nested_percent: u64,
    /// Crash states of such a recovery.
    pub nested_states: u64,
}

impl Default for Effort {
    fn default() -> Self {
        Self { work_percent: 15, nested_percent: 10, nested_states: 5 }
    }
}

/// Why a state fails.
pub type Complaint = String;

/// Puts one state to the proof. Returns the number of states that were recovered.
///
/// # Errors
/// Text that says what is wrong with it.
pub fn try_state(
    disk: Disk,
    verdict: &Verdict<'_>,
    effort: Effort,
    rng: &mut Rng,
) -> std::result::Result<u64, Complaint> {
    let proof = || {
        let view = recovered(disk.clone(), verdict)?;
        if rng.chance(effort.work_percent) {
            new_work(disk.clone(), &view, rng)?;
        }
        if rng.chance(effort.nested_percent) {
            return crash_recovery(&disk, &view, effort.nested_states, rng).map(|count| count + 1);
        }
        Ok(1)
    };
    catch_unwind(AssertUnwindSafe(proof)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned()));
        Err(format!("panic: {}", text.unwrap_or_default()))
    })
}

/// Opens a volume after a crash, which recovers it.
///
/// # Errors
/// Text, if it can't be opened for writing.
pub fn open(device: impl BlockDevice) -> std::result::Result<Volume, Complaint> {
    let volume = Volume::open(Box::new(device), &OpenOptions::default()).map_err(text("open"))?;
    match volume.read_only_reason() {
        Some(reason) => Err(format!("opened read-only: {reason}")),
        None => Ok(volume),
    }
}

/// What it shows, once it is recovered and found sound.
fn recovered(disk: Disk, verdict: &Verdict<'_>) -> std::result::Result<View, Complaint> {
    let mut volume = open(disk)?;
    let view = View::of(&mut volume).map_err(text("read"))?;
    let judged = verdict.judge(&view);
    sound(&mut volume)?;
    judged.map(|_| view)
}

/// The checker finds nothing.
///
/// # Errors
/// What it finds.
pub fn sound(volume: &mut Volume) -> std::result::Result<(), Complaint> {
    let found = findings(volume);
    if found.is_empty() { Ok(()) } else { Err(format!("check finds:\n  {}", found.join("\n  "))) }
}

/// Crashes the recovery and recovers from that: what is there is the same.
fn crash_recovery(
    disk: &Disk,
    view: &View,
    count: u64,
    rng: &mut Rng,
) -> std::result::Result<u64, Complaint> {
    let recording = record_recovery(disk)?;
    let seed = rng.bits();
    for _ in 0..count {
        let number = rng.below(3 * recording.moments());
        recovers_to(&recording, &recording.state(seed, number), view)?;
    }
    Ok(count)
}

/// Crashes the recovery with every subset of the (at most `most`) last writes between each two flushes, and recovers from
/// each: what is there is the same. Returns the number of states.
///
/// # Errors
/// Text that says what is wrong.
pub fn crash_recovery_everywhere(disk: &Disk, most: usize) -> std::result::Result<usize, Complaint> {
    let view = View::of(&mut open(disk.clone())?).map_err(text("read"))?;
    let recording = record_recovery(disk)?;
    let states = recording.subsets(most);
    states.iter().try_for_each(|state| recovers_to(&recording, state, &view))?;
    Ok(states.len())
}

fn record_recovery(disk: &Disk) -> std::result::Result<Recording, Complaint> {
    let start = disk.to_image();
    let recorder = Recorder::new(start.clone());
    open(recorder.clone())?.close().map_err(text("close after recovery"))?;
    let events = recorder.events().to_vec();
    Ok(Recording::new(start, events))
}

/// A recovery that crashed in `state` and starts again leaves `view`.
fn recovers_to(recording: &Recording, state: &CrashState, view: &View) -> std::result::Result<(), Complaint> {
    let again = || {
        let mut volume = open(recording.build(state))?;
        let again = View::of(&mut volume).map_err(text("read"))?;
        if let Some(path) = view.differs_at(&again) {
            return Err(format!("{path} is not what the first recovery left"));
        }
        sound(&mut volume)
    };
    again().map_err(|complaint| {
        format!("recovery crashed after {} of {} events: {complaint}", state.at, recording.events().len())
    })
}

/// New work on the recovered volume: it succeeds, lasts, and leaves alone what was there.
fn new_work(disk: Disk, view: &View, rng: &mut Rng) -> std::result::Result<(), Complaint> {
    let recorder = Recorder::new(disk.to_image());
    let mut volume = open(recorder.clone())?;
    let work = work(&mut volume, view, rng);
    // A volume that is full may say so.
    let is_full = matches!(work, Err(xfskit::Error::NoSpace));
    if !is_full {
        work.map_err(text("new work"))?;
    }
    compare(&mut volume, view, "new work")?;
    sound(&mut volume).map_err(|complaint| format!("after new work: {complaint}"))?;
    if rng.chance(30) {
        remove_all(&mut volume, view).map_err(text("removing everything"))?;
        sound(&mut volume).map_err(|complaint| format!("after everything was removed: {complaint}"))?;
        return Ok(());
    }
    volume.close().map_err(text("close after new work"))?;
    let mut volume = open(recorder)?;
    compare(&mut volume, view, "new work and another opening")?;
    sound(&mut volume).map_err(|complaint| format!("after new work and another opening: {complaint}"))
}

fn compare(volume: &mut Volume, view: &View, when: &str) -> std::result::Result<(), Complaint> {
    let now = View::of(volume).map_err(text("read"))?.without(b"/new");
    match view.differs_at(&now) {
        Some(path) => Err(format!("{path} is not what it was before {when}")),
        None => Ok(()),
    }
}

/// Something new, and a clone of something old that is overwritten.
fn work(volume: &mut Volume, view: &View, rng: &mut Rng) -> Result<()> {
    let root = volume.root();
    let dir = volume.mkdir(root, b"new", &new_inode(0o700))?;
    for index in 0..6_u8 {
        let ino = volume.create(dir, &[b'a' + index], &new_inode(0o600))?;
        volume.write(ino, 0, &vec![index; rng.range(1, 30_000) as usize])?;
    }
    volume.sync()?;
    let files: Vec<_> =
        view.files().into_iter().filter(|path| view.content(path).is_some_and(|c| !c.is_empty())).collect();
    if !files.is_empty() && volume.geometry().has_reflink() {
        let path = *rng.pick(&files);
        let source = volume.resolve(path, Follow::No)?;
        let clone = volume.create(dir, b"clone", &new_inode(0o600))?;
        volume.clone_file(source, clone)?;
        volume.write(clone, 0, &[7; 5000])?;
        volume.fsync(clone)?;
    }
    volume.unlink(dir, b"b")?;
    volume.sync()
}

fn remove_all(volume: &mut Volume, view: &View) -> Result<()> {
    for path in view.no_directories() {
        let (dir, name) = volume.resolve_parent(path)?;
        volume.unlink(dir, &name)?;
    }
    for path in view.directories().into_iter().rev() {
        let (dir, name) = volume.resolve_parent(path)?;
        volume.rmdir(dir, &name)?;
    }
    volume.sync()
}

fn text(what: &str) -> impl Fn(xfskit::Error) -> Complaint {
    move |error| format!("{what}: {error} ({error:?})")
}
