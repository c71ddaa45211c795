//! A record that goes round the end of the log and lands in part: what was durable before it stays so, whoever recovers.
//!
//! Its part at the start of the log may be there while that at the end is not, or some sectors of either. The search for
//! the head then meets a new cycle at the start, and behind it the old one that the last round left.

use xfskit_tests::crash::driver::Driver;
use xfskit_tests::crash::image::Image;
use xfskit_tests::crash::record::{Event, Recorder, SECTOR_BYTES};
use xfskit_tests::crash::scenarios::{LARGE_BLOCKS, SMALL_BLOCKS, Shape};
use xfskit_tests::crash::trial::open;
use xfskit_tests::ops::{Bytes, Op};
use xfskit_tests::referee::{Referee, say};
use xfskit_tests::temp::TempDir;
use xfskit_tests::tree;

use super::crash_linux::volume_in;

/// A write: where, and what.
type Write = (u64, Vec<u8>);

/// The moment before a flush that makes a checkpoint durable, one of whose records goes round.
struct Round {
    /// What was durable.
    durable: Image,
    /// Writes to other places than the log.
    in_place: Vec<Write>,
    /// Records before it.
    before: Vec<Write>,
    /// Its part at the end of the log.
    end: Write,
    /// Its part at the start of the log.
    start: Write,
    /// Records behind it.
    behind: Vec<Write>,
}

/// Some of the sectors of a write.
fn sectors((offset, bytes): &Write, wanted: impl Fn(usize, usize) -> bool) -> Vec<Write> {
    let count = bytes.len() / SECTOR_BYTES;
    let chosen = bytes.chunks(SECTOR_BYTES).enumerate().filter(|&(index, _)| wanted(index, count));
    chosen.map(|(index, sector)| (offset + (index * SECTOR_BYTES) as u64, sector.to_vec())).collect()
}

impl Round {
    /// Whether the checkpoint is there, all of it.
    fn is_whole(&self, landed: &[Write]) -> bool {
        let bytes_of = |writes: &[Write]| writes.iter().map(|(_, bytes)| bytes.len()).sum::<usize>();
        let all = [vec![self.end.clone(), self.start.clone()], self.before.clone(), self.behind.clone()];
        bytes_of(landed) == bytes_of(&all.concat())
    }

    /// What may have landed: by name, which is for messages.
    fn states(&self) -> Vec<(&'static str, Vec<Write>)> {
        let all = |write: &Write| vec![write.clone()];
        let is_last = |index: usize, count: usize| index + 1 == count;
        let start_and = |more: Vec<Write>| [all(&self.start), more].concat();
        vec![
            ("nothing", Vec::new()),
            ("the start", all(&self.start)),
            ("the start without its first sector", sectors(&self.start, |index, _| index > 0)),
            ("the first sector of the start", sectors(&self.start, |index, _| index == 0)),
            ("the last sector of the start", sectors(&self.start, is_last)),
            ("the start and the last sector of the end", start_and(sectors(&self.end, is_last))),
            (
                "the start and the header",
                start_and(sectors(&self.end, |index, count| index == 0 && count > 1)),
            ),
            ("all but the header", start_and(sectors(&self.end, |index, _| index > 0))),
            (
                "all but the last sector before the end",
                start_and(sectors(&self.end, |index, count| index + 1 < count)),
            ),
            ("the end", all(&self.end)),
            ("the end without its header", sectors(&self.end, |index, count| index > 0 && count > 1)),
            ("the start and all behind", start_and(self.behind.clone())),
            ("all behind", self.behind.clone()),
            ("the start and all before", start_and(self.before.clone())),
            ("all but the end", start_and([self.before.clone(), self.behind.clone()].concat())),
        ]
    }
}

/// Goes on with `act` until one of its checkpoints goes round.
fn go_round(driver: &mut Driver, act: impl Fn(&mut Driver, usize)) -> Round {
    let geometry = driver.volume().expect("open").geometry().clone();
    let log = geometry.byte(geometry.logstart);
    let end = log + (u64::from(geometry.logblocks) << geometry.blocklog);
    for serial in 0..4000 {
        let mut durable = driver.recorder.image();
        driver.recorder.forget();
        act(driver, serial);
        let events = driver.recorder.events().to_vec();
        for epoch in events.split(|event| *event == Event::Flush) {
            let writes: Vec<Write> = epoch
                .iter()
                .filter_map(|event| match event {
                    Event::Write { offset, bytes } => Some((*offset, bytes.to_vec())),
                    Event::Flush => None,
                })
                .collect();
            let (records, in_place): (Vec<_>, Vec<_>) =
                writes.into_iter().partition(|(offset, _)| (log..end).contains(offset));
            let is_end = |(offset, bytes): &Write| offset + bytes.len() as u64 == end;
            let goes_round = records.windows(2).position(|pair| is_end(&pair[0]) && pair[1].0 == log);
            // One that ends where the log does is followed by one with a header.
            match goes_round.filter(|&at| !records[at + 1].1.starts_with(&0xfeed_babe_u32.to_be_bytes())) {
                Some(at) => {
                    let [before, behind] = [&records[..at], &records[at + 2..]].map(<[Write]>::to_vec);
                    let (end, start) = (records[at].clone(), records[at + 1].clone());
                    return Round { durable, in_place, before, end, start, behind };
                }
                None => records.iter().chain(&in_place).for_each(|(at, bytes)| durable.write(*at, bytes)),
            }
        }
    }
    panic!("the log does not go round");
}

/// Linux, and we, recover what was durable from every state, and nothing else.
fn judge(referee: &Referee, round: &Round, label: &str) -> u64 {
    let temp = TempDir::new("round");
    let image = temp.join("a.img");
    let mut expected = None;
    let mut judged = 0;
    for (name, landed) in round.states() {
        if round.is_whole(&landed) {
            continue;
        }
        let mut disk = round.durable.clone();
        for (offset, bytes) in round.in_place.iter().chain(&landed) {
            disk.write(*offset, bytes);
        }
        disk.save(&image);
        referee.mount(&image).unmount();
        let label = format!("{label}: {name}");
        let mut ours = open(Recorder::new(disk)).unwrap_or_else(|complaint| panic!("{label}: {complaint}"));
        let ours = tree::from_volume(&mut ours).expect("read");
        let theirs = tree::from_volume(&mut volume_in(&image)).expect("read");
        let expected = expected.get_or_insert_with(|| {
            let mut volume = open(Recorder::new(round.durable.clone())).expect("open");
            tree::from_volume(&mut volume).expect("read")
        });
        for (tree, whose) in [(&ours, "our recovery"), (&theirs, "that of Linux")] {
            if let Some(text) = expected.diff("what was durable", tree, whose) {
                panic!("{label}: {text}");
            }
        }
        judged += 1;
    }
    // The last one, for all.
    referee.repair_n(&image);
    judged
}

fn changes(driver: &mut Driver, serial: usize, count: usize) {
    for index in 0..count {
        let name = Bytes(format!("{serial}-{index}").into_bytes());
        driver.op(Op::Create { dir: Bytes(b"/dir".to_vec()), name, mode: 0o600 }).expect("create");
    }
    driver.op(Op::Sync).expect("sync");
    for index in 0..count {
        let name = Bytes(format!("{serial}-{index}").into_bytes());
        driver.op(Op::Unlink { dir: Bytes(b"/dir".to_vec()), name }).expect("unlink");
    }
    driver.op(Op::Sync).expect("sync");
}

#[test]
fn what_was_durable_before_a_record_that_goes_round_stays() {
    let Some(referee) = Referee::find() else { return };
    let mut judged = 0;
    for (shape, count, laps) in [(SMALL_BLOCKS, 1, 2), (LARGE_BLOCKS, 700, 1)] {
        let shape: Shape = shape.for_linux();
        let mut driver = shape.driver();
        let name = Bytes(b"dir".to_vec());
        driver.op(Op::Mkdir { dir: Bytes(b"/".to_vec()), name, mode: 0o755 }).expect("mkdir");
        // In the first round what lies ahead is zeros, in others older records.
        for lap in 0..laps {
            driver.age_log(60_000).expect("age");
            // Linux takes seconds for a log of very many records.
            driver.op(Op::Reopen).expect("close and open");
            let round = go_round(&mut driver, |driver, serial| changes(driver, serial, count));
            judged += judge(referee, &round, &format!("{shape:?}, {count} at once, lap {lap}"));
        }
    }
    say(&format!("{judged} states"));
}
