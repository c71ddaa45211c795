//! Dirty logs that hold what is rarely met in one: intents in the middle of their chains, new owners of trees, directory
//! blocks in pieces. Each is made for it, by a fixed amount of work.

use std::fs::{File, hard_link};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{FallocateFlags, fallocate};
use xfskit::format::log_item::item_type;
use xfskit::volume::log::{Entry, Extent, ItemEntry, dump};
use xfskit::volume::{Follow, OpenOptions};
use xfskit_tests::fresh::content;
use xfskit_tests::log_cut;
use xfskit_tests::options::{OptionSet, Written};
use xfskit_tests::referee::{Mount, Referee, Xfsprogs, run, say};
use xfskit_tests::rng::{Rng, pattern};
use xfskit_tests::temp::TempDir;
use xfskit_tests::tree;
use xfskit_tests::turmoil::{self, links};

use crate::recovery::{compare, open, problems, read_only, rounds};

/// Whether the log holds an item of this kind that is to be replayed.
fn holds(image: &Path, wanted: impl Fn(&ItemEntry<'_>) -> bool) -> bool {
    let file = File::open(image).expect("open the image");
    let mut device = xfskit::device::FileDevice::new(file, true).expect("length of the image");
    let mut found = false;
    let dumped = dump(&mut device, Extent::Needed, &mut |entry| {
        found |= matches!(&entry, Entry::Item(item) if wanted(item));
        std::ops::ControlFlow::Continue(())
    });
    dumped.expect("the log can be followed");
    found
}

/// Parent pointers and attributes whose chains of transactions were cut in the middle: Linux and xfskit finish the same
/// ATTRIs to the same end.
#[test]
fn attribute_changes_that_were_begun_are_finished() {
    let Some(referee) = Referee::find() else { return };
    if !referee.has(Xfsprogs::V7_2) {
        return;
    }
    let temp = TempDir::new("attri");
    let (image, state) = (temp.join("a.img"), temp.join("state.img"));
    let set = OptionSet::named("default_new");
    referee.mkfs(set, &image);
    links::run(referee.mount(&image), 3, 1200, Rng::seed_or(5));
    let geometry = open(&image, &read_only()).geometry().clone();
    let cuts = log_cut::cuts_by_intent(&image, &geometry);
    let begun = cuts.get(&item_type::ATTRI).cloned().unwrap_or_default();
    say(&format!("{} states with a change of an attribute that was begun", begun.len()));
    let step = (begun.len() / rounds(4) as usize).max(1);
    for &block in begun.iter().step_by(step) {
        run(Command::new("cp").arg("--sparse=always").arg(&image).arg(&state));
        log_cut::cut(&state, &geometry, block);
        compare(referee, set, &state, &format!("cut at {block}"));
    }
}

/// An exchange of two files that was promised happens as a whole, wherever the log ends. (Linux 6.18 gives up blocks that
/// lie behind the size that it has got to, so it is no judge of this.)
#[test]
fn an_exchange_that_was_begun_is_finished() {
    let Some(referee) = Referee::find() else { return };
    if !referee.has(Xfsprogs::V7_2) {
        return;
    }
    let temp = TempDir::new("exchange");
    let (image, state) = (temp.join("a.img"), temp.join("state.img"));
    referee.mkfs(OptionSet::named("default_new"), &image);
    let mount = referee.mount(&image);
    let (one, two) = (mount.path().join("one"), mount.path().join("two"));
    // Blocks of both by turns, the one file longer than the other: every block is an extent of its own.
    let files = [&one, &two].map(|path| File::create(path).expect("create"));
    for block in 0..1200 {
        for (file, (seed, len)) in files.iter().zip([(1, 1200), (2, 800)]) {
            if block < len {
                file.write_all_at(&pattern(seed, block * 4096, 4096), block * 4096).expect("write");
                file.sync_data().expect("fsync");
            }
        }
    }
    drop(files);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| turmoil::sync_on(mount.path(), &stop));
        let xfs_io = &mut referee.xfsprogs(Xfsprogs::V7_2, "xfs_io");
        run(xfs_io.args(["-c", &format!("exchangerange {}", two.display())]).arg(&one));
        stop.store(true, Ordering::Relaxed);
    });
    mount.shut_down(true);
    let geometry = open(&image, &read_only()).geometry().clone();
    let cuts = log_cut::cuts_by_intent(&image, &geometry);
    let begun = cuts.get(&item_type::XMI).cloned().unwrap_or_default();
    say(&format!("{} states with an exchange that was begun", begun.len()));
    for block in begun {
        run(Command::new("cp").arg("--sparse=always").arg(&image).arg(&state));
        log_cut::cut(&state, &geometry, block);
        let mut volume = open(&state, &OpenOptions::default());
        assert_eq!(volume.read_only_reason(), None, "{:?}", volume.warnings());
        for (path, seed, len) in [(b"/one", 2, 800 * 4096), (b"/two", 1, 1200 * 4096)] {
            let ino = volume.resolve(path, Follow::No).expect("resolve");
            assert!(content(&mut volume, ino) == pattern(seed, 0, len), "cut at {block}");
        }
        assert_eq!(problems(&mut volume), Vec::<String>::new(), "cut at {block}");
        drop(volume.close().expect("close"));
        referee.repair_n(&state);
    }
}

/// Blocks of two files by turns, the second one with every other block only: every block is an extent of its own.
fn interleave(one: &Path, two: &Path, blocks: u64) {
    let files = [one, two].map(|path| File::create(path).expect("create"));
    for block in 0..blocks {
        for (file, seed) in files.iter().zip(1..) {
            file.write_all_at(&pattern(seed, block * 4096, 4096), block * 4096).expect("write");
            file.sync_data().expect("fsync");
        }
    }
}

/// Files that change their forks as a whole, as a defragmenter has them do where there is no rmapbt: the blocks of their
/// bmbts get new owners. (Linux 6.18 refuses such a log: it verifies the inode before that has its new checksum.)
#[test]
fn trees_that_change_hands_get_their_new_owner() {
    let Some(referee) = Referee::find() else { return };
    let temp = TempDir::new("owner");
    let image = temp.join("a.img");
    let set = OptionSet::named("bare");
    referee.mkfs(set, &image);
    let mount = referee.mount(&image);
    let (one, two) = (mount.path().join("one"), mount.path().join("two"));
    interleave(&one, &two, 300);
    mount.unmount();
    // What was logged before would be logged again, owner and all.
    let mount = referee.mount(&image);
    run(Command::new("xfs_io").args(["-c", &format!("swapext {}", two.display())]).arg(&one));
    assert!(std::fs::read(&one).expect("read") == pattern(2, 0, 300 * 4096), "the forks were exchanged");
    mount.shut_down(true);
    let is_owner = |item: &ItemEntry<'_>| match item {
        ItemEntry::Inode(inode) => inode.field_names().any(|name| name == "downer"),
        _ => false,
    };
    assert!(holds(&image, is_owner), "no change of an owner in the log");
    let mut volume = open(&image, &OpenOptions::default());
    assert_eq!(volume.read_only_reason(), None, "{:?}", volume.warnings());
    for (path, seed) in [(b"/one", 2), (b"/two", 1)] {
        let ino = volume.resolve(path, Follow::No).expect("resolve");
        assert!(content(&mut volume, ino) == pattern(seed, 0, 300 * 4096));
    }
    assert_eq!(problems(&mut volume), Vec::<String>::new());
    drop(volume.close().expect("close"));
    referee.repair_n(&image);
}

/// Takes all free space, and gives every other block back.
fn scatter_free_space(mount: &Mount) {
    // What Linux keeps back for itself would be free in one piece.
    run(Command::new("xfs_io").args(["-x", "-c", "resblks 0"]).arg(mount.path()));
    let file = File::create(mount.path().join("filler")).expect("create");
    let mut end = 0;
    for step in [1 << 20, 1 << 16, 1 << 12] {
        while fallocate(&file, FallocateFlags::empty(), end, step).is_ok() {
            end += step;
        }
    }
    for block in (0..end / 4096).step_by(2) {
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        fallocate(&file, flags, block * 4096, 4096).expect("punch");
    }
}

/// A log with directory blocks whose pieces lie all over the volume. Linux can't recover such a log, and must not be asked
/// to: it would never let go of the device again. So the tree before the crash is what there has to be after it.
#[test]
fn directory_blocks_in_pieces_are_recovered() {
    const SET: OptionSet = OptionSet {
        name: "pieces",
        version: Xfsprogs::V6_1,
        size_bytes: 64 << 20,
        args: &[
            "--unsupported",
            "-b",
            "size=4k",
            "-n",
            "size=64k",
            "-d",
            "agcount=1",
            "-m",
            "finobt=0,inobtcount=0,reflink=0,rmapbt=0",
        ],
        block_bytes: 4096,
        reflink: false,
        bigtime: true,
        written: Written::All,
    };
    let Some(referee) = Referee::find() else { return };
    let temp = TempDir::new("pieces");
    let image = temp.join("a.img");
    referee.mkfs(&SET, &image);
    let mount = referee.mount(&image);
    let dir = mount.path().join("dir");
    std::fs::create_dir(&dir).expect("create a directory");
    File::create(dir.join("file")).expect("create");
    scatter_free_space(&mount);
    mount.unmount();
    let mount = referee.mount(&image);
    run(Command::new("xfs_io").args(["-x", "-c", "resblks 0"]).arg(mount.path()));
    let dir = mount.path().join("dir");
    for index in 0..3000 {
        let name = format!("{index}-{}", "x".repeat(100 + index % 100));
        hard_link(dir.join("file"), dir.join(name)).expect("link");
    }
    for index in (0..3000).step_by(3) {
        let name = format!("{index}-{}", "x".repeat(100 + index % 100));
        std::fs::remove_file(dir.join(name)).expect("unlink");
    }
    let expected = tree::from_mount(mount.path());
    mount.shut_down(true);
    let dir_blocks = ["dir data", "dir leafn", "dir free", "dir leaf1", "da node"];
    let is_piece = |item: &ItemEntry<'_>| match item {
        ItemEntry::Buffer(buffer) => buffer.len_bb < 128 && dir_blocks.contains(&buffer.content),
        _ => false,
    };
    assert!(holds(&image, is_piece), "no directory block in pieces in the log");

    let mut volume = open(&image, &read_only());
    let in_memory = tree::from_volume(&mut volume).expect("read");
    expected.assert_same("Linux, before", &in_memory, "xfskit, in memory");
    assert_eq!(problems(&mut volume), Vec::<String>::new());
    drop(volume.close());
    let mut volume = open(&image, &OpenOptions::default());
    assert_eq!(volume.read_only_reason(), None, "{:?}", volume.warnings());
    let ours = tree::from_volume(&mut volume).expect("read");
    expected.assert_same("Linux, before", &ours, "xfskit");
    assert_eq!(problems(&mut volume), Vec::<String>::new());
    drop(volume.close().expect("close"));
    referee.repair_n(&image);
}
