//! Crashes of xfskit, recovered by Linux: it replays our log, finds the volume sound, and shows what our own recovery
//! shows.

use std::path::Path;

use xfskit::Volume;
use xfskit::volume::{Follow, Namespace, OpenOptions, SetMode};
use xfskit_tests::crash::campaign::Played;
use xfskit_tests::crash::image::Image;
use xfskit_tests::crash::record::Recorder;
use xfskit_tests::crash::scenarios::{LARGE_BLOCKS, SCENARIOS, SMALL_BLOCKS, Shape};
use xfskit_tests::crash::states::CrashState;
use xfskit_tests::crash::trial::{crash_recovery_everywhere, open};
use xfskit_tests::crash::verdict::View;
use xfskit_tests::ops::{Bytes, Op};
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

pub(super) fn volume_in(image: &Path) -> Volume {
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

/// A directory whose blocks are on their way into place, torn or already there, while the log holds all steps that led to
/// them. Linux replays each step, and verifies what comes of it before it goes to the next: so every one has to be whole.
#[test]
fn linux_recovers_blocks_torn_on_their_way_into_place() {
    let Some(referee) = Referee::find() else { return };
    let temp = TempDir::new("torn");
    let image = temp.join("a.img");
    let name = |index: usize| Bytes(format!("{index}-{}", "n".repeat(10 + index * 7 % 60)).into_bytes());
    let dir = || Bytes(b"/dir".to_vec());
    let mut driver = LARGE_BLOCKS.for_linux().with_new_log().driver();
    let mkdir = Op::Mkdir { dir: Bytes(b"/".to_vec()), name: Bytes(b"dir".to_vec()), mode: 0o755 };
    driver.op(mkdir).expect("mkdir");
    for index in 0..40 {
        driver.op(Op::Create { dir: dir(), name: name(index), mode: 0o600 }).expect("create");
    }
    let prepared = driver.prepared().expect("close");
    let mut driver = prepared.driver();
    for round in 0..12 {
        if round == 6 {
            // Everything goes in place, and the volume goes on.
            driver.volume().expect("open").quiesce().expect("quiesce");
        }
        for index in [round * 3, round * 3 + 1] {
            driver.op(Op::Unlink { dir: dir(), name: name(index) }).expect("unlink");
        }
        driver.op(Op::Create { dir: dir(), name: name(100 + round), mode: 0o600 }).expect("create");
        driver.op(Op::Sync).expect("sync");
    }
    let synced = driver.recorder.count();
    driver.op(Op::Reopen).expect("close and open");
    driver.drop_volume();
    let end = driver.recorder.count();
    let recording = driver.recording(prepared.image.clone());
    // The writes into place are what comes first after the last sync.
    let is_wanted = move |state: &CrashState| (synced + 1..end).contains(&state.at);
    let states = |from: u64| (from..).map(|number| recording.state(1, number)).filter(is_wanted);
    // Behind the moments come the states that are drawn: most have blocks of which some sectors are old.
    for state in states(0).take(3).chain(states(recording.moments()).take(12)) {
        let disk = recording.build(&state).to_image();
        disk.save(&image);
        recover_with_linux(referee, &image);
        compare(&mut volume_in(&image), disk, &format!("{state:?} of {end} events"));
    }
}

/// A file with thousands of blocks of attributes that is freed in several transactions: wherever that stops, Linux goes on
/// with it, and so do we.
#[test]
fn linux_goes_on_freeing_a_large_attribute_fork() {
    let Some(referee) = Referee::find() else { return };
    let temp = TempDir::new("attrs");
    let image = temp.join("a.img");
    let shape = Shape { size_mib: 96, ..SMALL_BLOCKS }.for_linux().with_new_log();
    let mut driver = shape.driver();
    let (dir, name) = (Bytes(b"/".to_vec()), Bytes(b"file".to_vec()));
    driver.op(Op::Create { dir: dir.clone(), name: name.clone(), mode: 0o600 }).expect("create");
    let volume = driver.volume().expect("open");
    let file = volume.resolve(b"/file", Follow::No).expect("resolve");
    for index in 0..500_u32 {
        let value = vec![index as u8; 40_000 + index as usize * 41];
        let name = format!("attribute-{index}");
        volume.set_xattr(file, Namespace::User, name.as_bytes(), &value, SetMode::Either).expect("set");
    }
    let prepared = driver.prepared().expect("close");
    let mut driver = prepared.driver();
    driver.op(Op::Unlink { dir, name }).expect("unlink");
    driver.op(Op::Reopen).expect("close and open");
    driver.drop_volume();
    let recording = driver.recording(prepared.image.clone());
    let mut states = 0;
    // Some of them.
    for at in recording.quiet_moments().into_iter().step_by(3) {
        let state = recording.state(1, at as u64);
        let disk = recording.build(&state);
        let ours = open(disk.clone()).unwrap_or_else(|text| panic!("{state:?}: {text}"));
        if ours.recovered().is_none_or(|report| report.unlinked == 0) {
            continue;
        }
        crash_recovery_everywhere(&disk, 3).unwrap_or_else(|text| panic!("{state:?}: {text}"));
        let disk = disk.to_image();
        disk.save(&image);
        recover_with_linux(referee, &image);
        compare(&mut volume_in(&image), disk, &format!("{state:?}"));
        states += 1;
    }
    assert!(states > 1, "freed at once");
    say(&format!("{states} states"));
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
