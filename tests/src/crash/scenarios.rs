//! What is going on when the power goes.

use xfskit::mkfs::FormatOptions;
use xfskit::volume::OpenOptions;

use super::driver::{Driver, Prepared, Stopped};
use super::scripts::{self, Script};
use crate::fresh::format_options;
use crate::rng::Rng;

/// The shape of a volume.
#[derive(Debug, Clone, Copy)]
#[expect(missing_docs, reason = "named like the options of mkfs")]
pub struct Shape {
    pub size_mib: usize,
    pub block_size: u32,
    pub sector_size: u32,
    pub reflink: bool,
    pub rmapbt: bool,
    pub parent: bool,
    /// Length of the log in KiB; 0 for the shortest that Linux mounts.
    pub log_kib: u32,
    /// The log is at its end already.
    pub old_log: bool,
}

/// 4 KiB blocks.
pub const LARGE_BLOCKS: Shape = Shape {
    size_mib: 16,
    block_size: 4096,
    sector_size: 512,
    reflink: true,
    rmapbt: true,
    parent: true,
    log_kib: 2048,
    old_log: false,
};
/// 1 KiB blocks.
pub const SMALL_BLOCKS: Shape = Shape { block_size: 1024, ..LARGE_BLOCKS };
/// Sectors as large as blocks, a log with a stripe unit, no parent pointers.
pub const LARGE_SECTORS: Shape = Shape { sector_size: 4096, parent: false, ..LARGE_BLOCKS };
/// Neither shared blocks nor reverse mappings nor parent pointers.
pub const PLAIN: Shape = Shape { reflink: false, rmapbt: false, parent: false, ..LARGE_BLOCKS };

impl Shape {
    /// The same volume as Linux can mount it. Its log is long, so it starts near its end.
    #[must_use]
    pub fn for_linux(self) -> Self {
        Self { size_mib: self.size_mib.max(32), log_kib: 0, old_log: true, ..self }
    }

    /// The same with a log that starts at its start.
    #[must_use]
    pub fn with_new_log(self) -> Self {
        Self { old_log: false, ..self }
    }

    /// The same with a log that is at its end already.
    #[must_use]
    pub const fn at_its_end(self) -> Self {
        Self { old_log: true, ..self }
    }

    /// The shortest log that still takes every transaction.
    #[must_use]
    pub const fn with_short_log(self) -> Self {
        Self { log_kib: 512, ..self }
    }

    /// The longest log that leaves room for some work.
    #[must_use]
    pub const fn with_long_log(self) -> Self {
        Self { log_kib: 11 << 10, ..self }
    }

    fn format(self) -> FormatOptions {
        let mut format = format_options();
        format.small = true;
        format.assume_zeroed = true;
        format.block_size = self.block_size;
        format.sector_size = self.sector_size;
        format.reflink = self.reflink;
        format.rmapbt = self.rmapbt;
        format.parent = self.parent;
        format.log_fsblocks = (self.log_kib > 0).then(|| self.log_kib * 1024 / self.block_size);
        format
    }

    /// A driver on a fresh volume of this shape.
    pub fn driver(self) -> Driver {
        Driver::new(self.size_mib << 20, &self.format(), OpenOptions::default())
    }
}

/// A course of events.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    /// How it is asked for.
    pub name: &'static str,
    /// The volumes that it is played on, one for each run in turn.
    pub shapes: &'static [Shape],
    /// What is there before; not recorded.
    prepare: Script,
    /// What happens.
    play: Script,
}

impl Scenario {
    /// The scenario of a name.
    pub fn named(name: &str) -> Option<&'static Self> {
        SCENARIOS.iter().find(|scenario| scenario.name == name)
    }

    /// The shape of the volume in the run with `seed`.
    pub fn shape(&self, seed: u64) -> Shape {
        self.shapes[(seed % self.shapes.len() as u64) as usize]
    }

    /// A volume on which everything is prepared.
    ///
    /// # Panics
    /// If preparing it fails.
    pub fn prepared(&self, shape: Shape, seed: u64) -> Prepared {
        let mut rng = Rng::named(seed, self.name);
        let mut prepare = || {
            let mut driver = shape.driver();
            (self.prepare)(&mut driver, &mut rng)?;
            if shape.old_log {
                driver.age_log(60_000)?;
            }
            driver.prepared()
        };
        prepare().unwrap_or_else(|stopped| panic!("preparing {}: {stopped:?}", self.name))
    }

    /// Plays it.
    ///
    /// # Errors
    /// The first operation that fails and should not.
    pub fn play(&self, driver: &mut Driver, seed: u64) -> Result<(), Stopped> {
        let mut rng = Rng::named(seed ^ 0x5eed, self.name);
        driver.is_careful |= rng.chance(50);
        (self.play)(driver, &mut rng)
    }
}

/// A scenario on volumes of some shapes.
const fn scenario(name: &'static str, shapes: &'static [Shape], prepare: Script, play: Script) -> Scenario {
    Scenario { name, shapes, prepare, play }
}

/// Every kind of volume.
const ANY: &[Shape] = &[LARGE_BLOCKS, SMALL_BLOCKS, LARGE_SECTORS, PLAIN];
/// Those that can share blocks.
const SHARING: &[Shape] = &[LARGE_BLOCKS, SMALL_BLOCKS, LARGE_SECTORS];
/// Those with parent pointers.
const WITH_PARENTS: &[Shape] = &[LARGE_BLOCKS, SMALL_BLOCKS];
/// Those whose log is short.
const SHORT: &[Shape] = &[SMALL_BLOCKS.with_short_log(), LARGE_BLOCKS.with_short_log()];
/// Those whose log goes round soon, and again and again.
const ROUND: &[Shape] =
    &[SMALL_BLOCKS.with_short_log().at_its_end(), LARGE_BLOCKS.with_short_log().at_its_end()];

/// Those that are full soon.
const TIGHT: &[Shape] = &[LARGE_BLOCKS.with_long_log(), SMALL_BLOCKS.with_long_log(), PLAIN.with_long_log()];

/// All of them.
pub const SCENARIOS: &[Scenario] = &[
    scenario("overwrite", SHARING, scripts::shared_files, scripts::overwrite),
    scenario("clones", SHARING, scripts::shared_files, scripts::clones),
    scenario("append", ANY, scripts::few_files, scripts::append),
    scenario("truncate", ANY, scripts::few_files, scripts::truncate),
    scenario("names", ANY, scripts::few_files, scripts::names),
    scenario("full", TIGHT, scripts::nearly_full, scripts::full),
    scenario("short-log", ROUND, scripts::shared_files, scripts::many_fsyncs),
    scenario("fragments", SHORT, scripts::fragmented, scripts::large_work),
    scenario("reuse", TIGHT, scripts::nearly_full, scripts::reuse),
    scenario("remap", SHARING, scripts::shared_files, scripts::remap),
    scenario("busy", SHARING, scripts::shared_files, scripts::busy),
    scenario("links", ANY, scripts::tree_of_files, scripts::links),
    scenario("moves", ANY, scripts::few_files, scripts::moves),
    scenario("renames", ANY, scripts::tree_of_files, scripts::renames),
    scenario("settle", SHORT, scripts::few_files, scripts::settle),
    scenario("random", ANY, scripts::few_files, scripts::random),
    scenario("attributes", ANY, scripts::few_attributes, scripts::attributes),
    scenario("parents", WITH_PARENTS, scripts::linked_often, scripts::links_in_node),
    scenario("directories", ANY, scripts::directories, scripts::directory_growth),
];
