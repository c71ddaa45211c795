//! Twins: the same operations, done by the kernel to one image and by xfskit to its twin, leave the same.
//!
//! [`sequence`] makes operations from a seed; many of them must fail. [`kernel`] does one by system calls, [`ours`]
//! through xfskit, and both say with which error it failed. [`compare`] holds the images against each other when all is
//! done. A sequence of fewer steps is the beginning of a longer one with the same seed, so [`first_difference`] can
//! look for the step after which the twins differ.

pub mod compare;
pub mod kernel;
pub mod ours;
pub mod sequence;

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::options::OptionSet;
use crate::referee::{Mount, Referee, Verdict, Xfsprogs};
use crate::temp::TempDir;
use compare::Exact;
use sequence::Sequence;

/// Times of the kernel's clock, which is coarse, may lie a little before those of the process.
const CLOCK_SLACK: Duration = Duration::from_millis(100);

/// Two images that start alike, of one option set.
pub struct Twins<'a> {
    referee: &'a Referee,
    set: &'a OptionSet,
    temp: TempDir,
}

/// Where twins differ.
#[derive(Debug, Clone)]
pub struct Difference {
    /// Number of the step that came out differently; `None` when all came out alike, and what they left is not.
    pub step: Option<usize>,
    /// What differs.
    pub what: String,
    /// All steps that were done, with the kernel's answers.
    pub history: Vec<String>,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let from = self.history.len().saturating_sub(SHOWN_STEPS);
        for (number, line) in self.history.iter().enumerate().skip(from) {
            writeln!(f, "  {number}: {line}")?;
        }
        match self.step {
            Some(step) => write!(f, "step {step}: {}", self.what),
            None => write!(f, "after {} steps: {}", self.history.len(), self.what),
        }
    }
}

/// How many of the last steps are shown with a difference.
const SHOWN_STEPS: usize = 12;

/// How much is looked at when all steps are done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// At both images through xfskit, and by xfs_repair.
    Quick,
    /// At both images through the kernel's mount, too.
    Whole,
}

impl<'a> Twins<'a> {
    /// Makes the image that all sequences of the set start from.
    pub fn new(referee: &'a Referee, set: &'a OptionSet) -> Self {
        let temp = TempDir::new(&format!("twins-{}", set.name));
        referee.mkfs(set, &temp.join("start.img"));
        std::thread::sleep(2 * CLOCK_SLACK);
        Self { referee, set, temp }
    }

    /// Plays the first `steps` steps of the sequence of a seed on new twins.
    ///
    /// # Errors
    /// The first difference.
    pub fn play(&self, seed: u64, steps: usize, look: Look) -> Result<(), Difference> {
        let images = ["kernel.img", "xfskit.img"].map(|name| self.temp.join(name));
        for image in &images {
            copy_sparse(&self.temp.join("start.img"), image);
        }
        let start = SystemTime::now() - CLOCK_SLACK;
        let mut history = Vec::new();
        let outcome = self.play_on(&images, (seed, steps), &mut history);
        let outcome =
            outcome.and_then(|exact| self.look(&images, exact, start, look).map_err(|what| (None, what)));
        outcome.map_err(|(step, what)| Difference { step, what, history })
    }

    /// All steps; how exactly what they leave can be compared.
    fn play_on(
        &self,
        [theirs, ours]: &[PathBuf; 2],
        (seed, steps): (u64, usize),
        history: &mut Vec<String>,
    ) -> Result<Exact, (Option<usize>, String)> {
        let mut sequence = Sequence::new(self.set, seed);
        let mount = self.mount(theirs);
        let mut session = ours::open(ours).map_err(|error| (None, format!("open: {error}")))?;
        for number in 0..steps {
            let step = sequence.next_step();
            let one = kernel::apply(mount.path(), &step);
            history.push(format!("{step:?}: {}", told(one)));
            let (other, said) = ours::apply(session.volume(), &step);
            if one != other {
                let what =
                    format!("{step:?}: {} by the kernel, {} by xfskit ({said})", told(one), told(other));
                return Err((Some(number), what));
            }
            sequence.settle(&step, one.is_ok());
        }
        mount.unmount();
        session.close().map_err(|error| (None, format!("close: {error}")))?;
        Ok(if sequence.is_hinted() { Exact::Data } else { Exact::Blocks })
    }

    /// Mounts an image so that the kernel allocates nothing behind what is written: by an option that allows for a page
    /// at least, or because files are short.
    fn mount(&self, image: &Path) -> Mount {
        match sequence::short_file_bytes(self.set) {
            Some(_) => self.referee.mount(image),
            None => self.referee.mount_without_speculation(image),
        }
    }

    fn look(&self, images: &[PathBuf; 2], exact: Exact, start: SystemTime, look: Look) -> Result<(), String> {
        compare::compare(images, exact, start)?;
        if look == Look::Whole {
            compare::compare_mounted(self.referee, images, exact, start)?;
        }
        if !self.referee.has(Xfsprogs::V7_2) {
            return Ok(());
        }
        for (image, side) in images.iter().zip(["the kernel", "xfskit"]) {
            if let Verdict::Damaged(said) = self.referee.repair_n_with(Xfsprogs::V7_2, image) {
                return Err(format!("xfs_repair -n is not content with what {side} left:\n{said}"));
            }
        }
        Ok(())
    }
}

/// The fewest steps of a sequence whose end shows a difference, found by halving, and that difference.
pub fn first_difference(twins: &Twins<'_>, seed: u64, steps: usize, found: Difference) -> Difference {
    if found.step.is_some() {
        return found;
    }
    let (mut same, mut differs, mut last) = (0, steps, found);
    while same + 1 < differs {
        let middle = usize::midpoint(same, differs);
        match twins.play(seed, middle, Look::Quick) {
            Ok(()) => same = middle,
            Err(difference) => (differs, last) = (middle, difference),
        }
    }
    last
}

fn told(outcome: sequence::Outcome) -> String {
    match outcome {
        Ok(()) => "done".to_owned(),
        Err(errno) => format!("{errno:?}"),
    }
}

/// Copies an image without filling its holes.
fn copy_sparse(from: &Path, to: &Path) {
    let _ = std::fs::remove_file(to);
    let mut copy = std::process::Command::new("cp");
    crate::referee::run(copy.args(["--sparse=always", "--reflink=auto"]).arg(from).arg(to));
}
