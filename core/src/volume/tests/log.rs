//! What can be told of a log from outside.

use alloc::vec::Vec;
use core::ops::ControlFlow;

use super::{FILE, Shared, fresh, pattern};
use crate::volume::log::{Entry, Extent, ItemEntry, LogReport, State, dump, look};

/// How often each kind of entry is there: records, transactions, items.
fn counted(device: &Shared, most: u64) -> [u64; 3] {
    let mut counts = [0; 3];
    let visit = &mut |entry: Entry<'_>| {
        match entry {
            Entry::Record(_) => counts[0] += 1,
            Entry::Transaction(_) => counts[1] += 1,
            Entry::Item(_) => counts[2] += 1,
            Entry::Lost(lost) => panic!("{lost:?}"),
        }
        if counts.iter().sum::<u64>() < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    dump(&mut device.clone(), Extent::Needed, visit).expect("dump");
    counts
}

fn looked(device: &Shared) -> LogReport {
    look(&mut device.clone()).expect("look")
}

#[test]
fn clean_log_has_its_head_and_nothing_else() {
    let device = fresh(32, |_| {});
    let report = looked(&device);
    assert!(matches!(report.state, State::Clean), "{report:?}");
    let ends = report.ends.expect("ends");
    assert_eq!(ends.head, ends.tail);
    assert_eq!((report.records, report.transactions, report.intents.len()), (0, 0, 0));
    assert_eq!(counted(&device, u64::MAX), [0, 0, 0]);
}

/// Every fsync is a transaction; the file and what it takes to give it blocks are in each.
#[test]
fn dirty_log_tells_what_is_in_it() {
    let device = fresh(32, |_| {});
    let mut volume = device.open();
    let root = volume.root();
    let file = volume.create(root, b"file", &FILE).expect("create");
    for n in 0..5_u64 {
        volume.write(file, n * 4096, &pattern(n as u8, 4096)).expect("write");
        volume.fsync(file).expect("fsync");
    }
    let device = device.snapshot();
    let before = device.bytes.borrow().clone();
    let report = looked(&device);
    assert!(matches!(report.state, State::Dirty), "{report:?}");
    let ends = report.ends.expect("ends");
    assert!(ends.head > ends.tail);
    assert_eq!(report.transactions, 5);
    let [records, transactions, items] = counted(&device, u64::MAX);
    assert_eq!((records, transactions), (report.records, report.transactions));
    assert!(items >= 10, "{items} items");
    assert_eq!(counted(&device, 3).iter().sum::<u64>(), 3, "a dump can be broken off");
    let mut inodes = Vec::new();
    let visit = &mut |entry: Entry<'_>| {
        if let Entry::Item(ItemEntry::Inode(inode)) = entry {
            assert!(inode.field_names().any(|name| name == "core"));
            inodes.push(inode.ino);
        }
        ControlFlow::Continue(())
    };
    dump(&mut device.clone(), Extent::Needed, visit).expect("dump");
    assert_eq!(inodes.iter().filter(|&&ino| ino == file).count(), 5);
    assert!(*device.bytes.borrow() == before, "looking changed the volume");
    let volume = device.open();
    assert_eq!(volume.recovered().expect("recovered").replayed.checkpoints, 5);
}
