//! A dirty log, cut short: the state of a crash that came earlier.
//!
//! That is such a state as long as Linux put nothing in place in between, which it does only after seconds. Only logs that
//! have never gone round are cut.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use xfskit::device::{BlockDevice, FileDevice, OverlayDevice};
use xfskit::geometry::Geometry;
use xfskit::journal::recovery::plan;

const BB: usize = 512;
const MAGIC: [u8; 4] = [0xfe, 0xed, 0xba, 0xbe];

/// Byte of the image where the log starts, and its length.
fn place(geometry: &Geometry) -> (u64, usize) {
    let bytes = u64::from(geometry.logblocks) << geometry.blocklog;
    (geometry.byte(geometry.logstart), usize::try_from(bytes).expect("a small log"))
}

/// The log of an image.
pub fn log_of(image: &Path, geometry: &Geometry) -> Vec<u8> {
    let (start, len) = place(geometry);
    let mut log = vec![0; len];
    File::open(image).expect("open the image").read_exact_at(&mut log, start).expect("read the log");
    log
}

/// First basic blocks of all records of the first round; none when there was a second one, since its records stand where
/// those of the first one stood.
pub fn records(log: &[u8]) -> Vec<usize> {
    let word = |sector: &[u8], at: usize| {
        let mut bytes = [0; 4];
        bytes.copy_from_slice(&sector[at..at + 4]);
        u32::from_be_bytes(bytes)
    };
    let cycle = if log[..4] == MAGIC { word(log, 4) } else { word(log, 0) };
    if cycle > 1 {
        return Vec::new();
    }
    let sectors = log.chunks_exact(BB).enumerate();
    let is_record = |at: usize, sector: &[u8]| {
        sector[..4] == MAGIC
            && word(sector, 4) == 1
            && word(sector, 20) as usize == at
            && word(sector, 12) > 0
    };
    sectors.filter(|(at, sector)| is_record(*at, sector)).map(|(at, _)| at).collect()
}

/// Makes the log of an image end before the record at `block`.
pub fn cut(image: &Path, geometry: &Geometry, block: usize) {
    let (start, len) = place(geometry);
    let file = File::options().write(true).open(image).expect("open the image");
    let from = block * BB;
    let zeros = vec![0; len - from];
    file.write_all_at(&zeros, start + from as u64).expect("write the log");
}

/// Where the log of an image can be cut, by the kinds of intents that are open then; 0 stands for none. Of cuts in the same
/// checkpoint one is enough.
pub fn cuts_by_intent(image: &Path, geometry: &Geometry) -> BTreeMap<u16, Vec<usize>> {
    let log = log_of(image, geometry);
    let (start, _) = place(geometry);
    let file = File::open(image).expect("open the image");
    let base = FileDevice::new(file, true).expect("length of the image");
    let mut device = OverlayDevice::new(Box::new(base));
    let mut found: BTreeMap<u16, Vec<usize>> = BTreeMap::new();
    let mut end = log.len();
    let mut checkpoints = None;
    // From the end on, so that each cut is one more of the same log.
    for block in records(&log).into_iter().skip(1).rev() {
        let from = block * BB;
        device.write_at(start + from as u64, &vec![0; end - from]).expect("in memory");
        end = from;
        let Ok(plan) = plan(&mut device, geometry) else { continue };
        // Before the first checkpoint the log is clean still.
        if plan.counts().checkpoints == 0 {
            continue;
        }
        if checkpoints.replace(plan.counts().checkpoints) == Some(plan.counts().checkpoints) {
            continue;
        }
        if plan.intents().is_empty() {
            found.entry(0).or_default().push(block);
        }
        for intent in plan.intents() {
            found.entry(intent.kind).or_default().push(block);
        }
    }
    found
}
