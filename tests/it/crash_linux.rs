//! Crashes of xfskit, recovered by Linux: it replays our log, finds the volume sound, and shows what our own recovery
//! shows.

use std::path::Path;

use xfskit::Volume;
use xfskit::volume::OpenOptions;
use xfskit_tests::crash::campaign::Played;
use xfskit_tests::crash::image::Image;
use xfskit_tests::crash::record::Recorder;
use xfskit_tests::crash::scenarios::SCENARIOS;
use xfskit_tests::crash::trial::open;
use xfskit_tests::crash::verdict::View;
use xfskit_tests::referee::{Referee, Xfsprogs, say, text_of};
use xfskit_tests::rng::Rng;
use xfskit_tests::temp::TempDir;
use xfskit_tests::tree;

/// Crash states of each scenario.
const STATES: u64 = 7;

#[test]
fn linux_recovers_what_we_recover() {
    let Some(referee) = Referee::find() else { return };
    let temp = TempDir::new("crash");
    let image = temp.join("a.img");
    let seed = Rng::seed_or(1);
    let mut judged = 0;
    for (index, scenario) in SCENARIOS.iter().enumerate() {
        let seed = seed + index as u64;
        let played = Played::on(scenario, scenario.shape(seed).for_linux(), seed);
        let mut rng = Rng::named(seed, scenario.name);
        for _ in 0..STATES {
            let number = rng.below(2 * played.recording.moments());
            let state = played.recording.state(seed, number);
            let disk = played.recording.build(&state).to_image();
            let label = format!("scenario {}, seed {seed}, state {number}, {state:?}", scenario.name);
            disk.save(&image);
            recover_with_linux(referee, &image);
            let mut volume = volume_in(&image);
            let view = View::of(&mut volume).expect("read");
            if let Err(text) = played.verdict(state.at).judge(&view) {
                panic!("{label}, recovered by Linux: {text}");
            }
            compare(&mut volume, disk, &label);
            judged += 1;
        }
    }
    say(&format!("{judged} states"));
}

/// Mounts the image, which replays its log, and has xfs_repair look at it after that.
fn recover_with_linux(referee: &Referee, image: &Path) {
    referee.mount(image).unmount();
    referee.repair_n(image);
}

fn volume_in(image: &Path) -> Volume {
    let bytes = std::fs::read(image).expect("read the image");
    let device = xfskit::device::MemoryDevice::new(bytes);
    Volume::open(Box::new(device), &OpenOptions::default()).expect("open")
}

/// Our own recovery of the same state leaves the same tree.
fn compare(by_linux: &mut Volume, disk: Image, label: &str) {
    let recorder = Recorder::new(disk);
    let mut ours = open(recorder).unwrap_or_else(|complaint| panic!("{label}: {complaint}"));
    let ours = tree::from_volume(&mut ours).expect("read");
    let theirs = tree::from_volume(by_linux).expect("read");
    if let Some(text) = ours.diff("our recovery", &theirs, "that of Linux") {
        panic!("{label}: {text}");
    }
}

/// xfs_logprint reads our logs to their ends, while they are new: it stumbles over headers of records that go on at the
/// start of the log, which Linux does not.
#[test]
fn logs_are_printed_to_the_end() {
    let Some(referee) = Referee::find() else { return };
    let temp = TempDir::new("logprint");
    let image = temp.join("a.img");
    for (index, scenario) in SCENARIOS.iter().enumerate() {
        let seed = index as u64;
        let played = Played::on(scenario, scenario.shape(seed).for_linux().with_new_log(), seed);
        // Moments at which nothing is in flight.
        let moments = played.recording.quiet_moments();
        let mut rng = Rng::named(seed, scenario.name);
        for _ in 0..3 {
            let state = played.recording.state(seed, *rng.pick(&moments) as u64);
            played.recording.build(&state).to_image().save(&image);
            let mut command = referee.xfsprogs(Xfsprogs::V6_1, "xfs_logprint");
            let output = command.arg("-t").arg("-i").arg(&image).output().expect("start xfs_logprint");
            let said = text_of(&output);
            let complains = ["ERROR", "bad ", "Bad ", "illegal", "corrupt", "unknown"]
                .iter()
                .any(|word| said.contains(word));
            assert!(output.status.success() && !complains, "{}: {state:?}: {said}", scenario.name);
        }
    }
}
