//! The space of files without writing to them: xfskit and the kernel do the same to twins, and the twins stay equal.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::Command;

use rustix::fs::{FallocateFlags, fallocate};
use xfskit::volume::Allocate;
use xfskit_tests::extents;
use xfskit_tests::options::OptionSet;
use xfskit_tests::referee::{Referee, run};
use xfskit_tests::rng::{Rng, pattern};
use xfskit_tests::session::{Session, findings};
use xfskit_tests::temp::TempDir;

/// One step of a sequence.
#[derive(Debug, Clone, Copy)]
enum Step {
    Write {
        seed: u64,
        offset: u64,
        len: u64,
    },
    Truncate(u64),
    Allocate {
        what: Allocate,
        offset: u64,
        len: u64,
    },
    /// The file comes to share its blocks with another.
    Clone,
}

fn random_step(rng: &mut Rng, block: u64, reflink: bool) -> Step {
    let (mut offset, mut len) = (rng.below(60 * block), 1 + rng.below(20 * block));
    if rng.chance(40) {
        (offset, len) = (offset / block * block, len.next_multiple_of(block));
    }
    let keep_size = rng.chance(50);
    let what = match rng.below(12) {
        0..=2 => return Step::Write { seed: rng.bits(), offset, len },
        3 => return Step::Truncate(offset),
        4 if reflink => return Step::Clone,
        4 | 5 => Allocate::Blocks { keep_size },
        6 | 7 => Allocate::Punch,
        8 => Allocate::Zero { keep_size },
        9 => Allocate::Collapse,
        10 => Allocate::Insert,
        _ if reflink => Allocate::Unshare { keep_size },
        _ => Allocate::Punch,
    };
    if matches!(what, Allocate::Collapse | Allocate::Insert) && rng.chance(90) {
        (offset, len) = (offset / block * block, len.next_multiple_of(block));
    }
    Step::Allocate { what, offset, len }
}

fn flags(what: Allocate) -> FallocateFlags {
    let keep = |keep_size| if keep_size { FallocateFlags::KEEP_SIZE } else { FallocateFlags::empty() };
    match what {
        Allocate::Blocks { keep_size } => keep(keep_size),
        Allocate::Punch => FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE,
        Allocate::Zero { keep_size } => FallocateFlags::ZERO_RANGE | keep(keep_size),
        Allocate::Collapse => FallocateFlags::COLLAPSE_RANGE,
        Allocate::Insert => FallocateFlags::INSERT_RANGE,
        Allocate::Unshare { keep_size } => FallocateFlags::UNSHARE_RANGE | keep(keep_size),
        _ => unreachable!(),
    }
}

/// Blocks of a file in runs of one kind: first, number, unwritten or not.
type Shape = Vec<(u64, u64, bool)>;

fn push(shape: &mut Shape, (start, len, unwritten): (u64, u64, bool)) {
    match shape.last_mut() {
        Some(last) if last.0 + last.1 == start && last.2 == unwritten => last.1 += len,
        _ => shape.push((start, len, unwritten)),
    }
}

fn kernel_shape(path: &Path, block_bytes: u64) -> Shape {
    let path = path.to_owned();
    let mut shape = Shape::new();
    for extent in &extents::fiemap(std::slice::from_ref(&path))[&path] {
        let blocks = |count: u64| count * 512 / block_bytes;
        push(&mut shape, (blocks(extent.logical), blocks(extent.count), extent.unwritten));
    }
    shape
}

fn own_shape(session: &mut Session) -> Shape {
    let ino = session.ino(b"/file").expect("a path");
    let mut shape = Shape::new();
    for extent in session.volume().extents(ino).expect("extents") {
        push(&mut shape, (extent.offset_fsblocks, extent.len_fsblocks, extent.unwritten));
    }
    shape
}

/// Does a step through the kernel; false when it refuses.
fn by_kernel(dir: &Path, step: &Step) -> bool {
    let file = OpenOptions::new().read(true).write(true).open(dir.join("file")).expect("open");
    let done = match *step {
        Step::Write { seed, offset, len } => {
            file.write_all_at(&pattern(seed, offset, len as usize), offset).is_ok()
        }
        Step::Truncate(size) => file.set_len(size).is_ok(),
        Step::Allocate { what, offset, len } => fallocate(&file, flags(what), offset, len).is_ok(),
        Step::Clone => {
            let target = File::create(dir.join("clone")).expect("create");
            rustix::fs::ioctl_ficlone(&target, &file).is_ok()
        }
    };
    file.sync_all().expect("fsync");
    done
}

fn by_xfskit(session: &mut Session, step: &Step) -> bool {
    let ino = session.ino(b"/file").expect("a path");
    let clone = session.ino(b"/clone").expect("a path");
    let volume = session.volume();
    let outcome = match *step {
        Step::Write { seed, offset, len } => volume.write(ino, offset, &pattern(seed, offset, len as usize)),
        Step::Truncate(size) => volume.truncate(ino, size),
        Step::Allocate { what, offset, len } => volume.allocate(ino, what, offset, len),
        Step::Clone => volume.truncate(clone, 0).and_then(|()| volume.clone_file(ino, clone)),
    };
    outcome.and_then(|()| volume.fsync(ino)).is_ok()
}

/// The same sequences, by the kernel on one image and by xfskit on its twin: contents, extents and what is refused are
/// the same.
#[test]
fn sequences_leave_what_the_kernel_leaves() {
    let Some(referee) = Referee::find() else { return };
    let temp = TempDir::new("allocation");
    let seed = Rng::seed_or(3);
    for name in ["default_old", "rmapbt_nrext64", "bare"] {
        let set = OptionSet::named(name);
        let [theirs, ours] = ["kernel.img", "xfskit.img"].map(|name| temp.join(name));
        for hint_blocks in if name == "bare" { &[0, 5][..] } else { &[0] }.iter().copied() {
            referee.mkfs(set, &theirs);
            let mount = referee.mount(&theirs);
            for name in ["file", "clone"] {
                File::create(mount.path().join(name)).expect("create");
            }
            if hint_blocks > 0 {
                let hint = format!("extsize {}", hint_blocks * set.block_bytes);
                run(Command::new("xfs_io").args(["-c", &hint]).arg(mount.path().join("file")));
            }
            mount.unmount();
            std::fs::copy(&theirs, &ours).expect("copy");

            let label = format!("{name}, hint of {hint_blocks} (XFSKIT_SEED={seed})");
            let mut rng = Rng::named(seed, &label);
            let mount = referee.mount_without_speculation(&theirs);
            let mut session = Session::open(&ours, b"").expect("open");
            let mut history = Vec::new();
            for _ in 0..60 {
                let step = random_step(&mut rng, set.block_bytes, set.reflink);
                history.push(step);
                let (one, other) = (by_kernel(mount.path(), &step), by_xfskit(&mut session, &step));
                assert_eq!(one, other, "{label}: {step:?} is done by one alone, after {history:#?}");
                let expected = kernel_shape(&mount.path().join("file"), set.block_bytes);
                // With a hint the kernel rounds what its writes happen to ask for in one piece; that is told below.
                if hint_blocks == 0 {
                    assert_eq!(own_shape(&mut session), expected, "{label}: extents after {history:#?}");
                }
                let bytes = std::fs::read(mount.path().join("file")).expect("read");
                let ino = session.ino(b"/file").expect("a path");
                let mut own = vec![0; bytes.len() + 1];
                let len = session.volume().read(ino, 0, &mut own).expect("read");
                assert!(own[..len] == bytes, "{label}: contents after {history:#?}");
            }
            let found = findings(session.volume());
            assert!(found.is_empty(), "{label}: check finds\n{}", found.join("\n"));
            session.close().expect("close");
            mount.unmount();
            referee.repair_n(&ours);
            let mount = referee.mount_read_only(&ours);
            std::fs::read(mount.path().join("file")).expect("read");
            mount.unmount();
        }
    }
}

/// With an extent size hint, blocks are allocated in whole units of it, moved over where a neighbour is in the way.
#[test]
fn hints_round_as_the_kernel_does() {
    let Some(referee) = Referee::find() else { return };
    let temp = TempDir::new("extsize");
    let set = OptionSet::named("default_old");
    let [theirs, ours] = ["kernel.img", "xfskit.img"].map(|name| temp.join(name));
    referee.mkfs(set, &theirs);
    let mount = referee.mount(&theirs);
    for name in ["file", "clone"] {
        File::create(mount.path().join(name)).expect("create");
    }
    run(Command::new("xfs_io").args(["-c", "extsize 32k"]).arg(mount.path().join("file")));
    mount.unmount();
    std::fs::copy(&theirs, &ours).expect("copy");
    let mount = referee.mount(&theirs);
    let mut session = Session::open(&ours, b"").expect("open");
    let block = |number: u64| number * set.block_bytes;
    let blocks = Allocate::Blocks { keep_size: false };
    for step in [
        // What is allocated behind the end goes when the kernel closes a file.
        Step::Truncate(block(200)),
        Step::Write { seed: 1, offset: 0, len: 1 },
        Step::Write { seed: 1, offset: block(25), len: 5000 },
        Step::Allocate { what: blocks, offset: block(40) + 1, len: 1 },
        Step::Write { seed: 1, offset: block(100), len: block(8) },
        Step::Allocate { what: Allocate::Punch, offset: block(98), len: block(5) },
        Step::Write { seed: 1, offset: block(102), len: 3 },
        Step::Allocate { what: blocks, offset: block(10), len: block(3) },
        Step::Allocate { what: Allocate::Zero { keep_size: false }, offset: block(38), len: block(30) },
    ] {
        assert!(by_kernel(mount.path(), &step) && by_xfskit(&mut session, &step), "{step:?}");
        let expected = kernel_shape(&mount.path().join("file"), set.block_bytes);
        assert_eq!(own_shape(&mut session), expected, "after {step:?}");
    }
    session.close().expect("close");
    mount.unmount();
    referee.repair_n(&ours);
}
