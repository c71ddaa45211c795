//! Hostile images: golden images with planned damage, walked and read until something panics, hangs or eats memory.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::golden;
use crate::mutate::{self, MetadataBlock, Patch};
use crate::overlay::OverlayDevice;
use crate::rng::Rng;
use crate::scribble::scribble;
use crate::walk::walk;

/// An image that once brought xfskit down: a golden image and what to change of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Crasher {
    /// Name of the golden image.
    pub golden: String,
    /// The damage.
    pub patch: Patch,
}

/// Where crashers are kept.
pub fn crashers_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("crashers")
}

/// All crashers ever kept, by file name.
pub fn crashers() -> BTreeMap<String, Crasher> {
    let files = std::fs::read_dir(crashers_folder()).into_iter().flatten();
    let paths = files.map(|file| file.expect("read tests/crashers").path());
    let jsons = paths.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
    let parse = |path: PathBuf| {
        let text = std::fs::read(&path).expect("read a crasher");
        (path.display().to_string(), serde_json::from_slice(&text).expect("parse a crasher"))
    };
    jsons.map(parse).collect()
}

struct Target {
    bytes: Arc<Vec<u8>>,
    kinds: Vec<Vec<MetadataBlock>>,
}

/// The golden images, unpacked, with a list of what can be damaged.
pub struct Targets {
    by_name: BTreeMap<String, Target>,
}

impl Targets {
    /// Unpacks all golden images.
    pub fn load() -> Self {
        let load = |image: golden::Golden| {
            let bytes = image.image();
            let kinds = mutate::by_kind(mutate::metadata_blocks(&bytes));
            (image.name, Target { bytes: Arc::new(bytes), kinds })
        };
        Self { by_name: golden::manifest().into_iter().map(load).collect() }
    }

    /// The damaged image that belongs to a seed.
    pub fn case(&self, seed: u64) -> Crasher {
        let mut rng = Rng::new(seed);
        let names: Vec<_> = self.by_name.keys().collect();
        let golden = (*rng.pick(&names)).clone();
        let target = &self.by_name[&golden];
        let patch = mutate::damage(&target.bytes, &target.kinds, &mut rng);
        Crasher { golden, patch }
    }

    /// The damaged image that an input of the coverage-guided fuzzer stands for: its first byte picks the golden image,
    /// the rest is for [`mutate::damage_by`]. `None` for the empty one.
    pub fn case_of_input(&self, input: &[u8]) -> Option<Crasher> {
        let (&first, rest) = input.split_first()?;
        let (golden, target) = self.by_name.iter().nth(usize::from(first) % self.by_name.len())?;
        let patch = mutate::damage_by(&target.bytes, &target.kinds, rest);
        Some(Crasher { golden: golden.clone(), patch })
    }

    /// The undamaged images as cases.
    pub fn undamaged(&self) -> Vec<Crasher> {
        self.by_name.keys().map(|name| Crasher { golden: name.clone(), patch: Patch::default() }).collect()
    }

    /// Opens, walks, reads and checks one damaged image, then changes it; what it says does not matter, that it returns does.
    pub fn run_case(&self, case: &Crasher) {
        let target = &self.by_name[&case.golden];
        let device = OverlayDevice::patched(target.bytes.clone(), &case.patch);
        walk(device.clone());
        scribble(device, case.patch.bytes.len() as u64);
    }

    /// The same where a panic is to be survived.
    ///
    /// # Errors
    /// What the panic said.
    pub fn try_case(&self, case: &Crasher) -> Result<(), String> {
        catch_unwind(AssertUnwindSafe(|| self.run_case(case))).map_err(|panic| {
            let text = panic.downcast_ref::<String>().cloned();
            text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).into())).unwrap_or_default()
        })
    }
}
