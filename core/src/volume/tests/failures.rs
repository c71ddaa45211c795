//! A device that fails: the volume is what it was, or refuses further changes.

use super::{DIR, FILE, Shared, assert_sound, contents, fresh, pattern};
use crate::error::{Error, Result};
use crate::volume::{Namespace, SetMode, Volume};

const LEN: usize = 40_000;

/// Some of everything. Stops at the first error.
fn scenario(volume: &mut Volume) -> Result<()> {
    let root = volume.root();
    let dir = volume.mkdir(root, b"dir", &DIR)?;
    let source = volume.lookup(root, b"source")?;
    let clone = volume.create(dir, b"clone", &FILE)?;
    volume.clone_file(source, clone)?;
    volume.write(clone, 5000, &pattern(2, 9000))?;
    volume.set_xattr(clone, Namespace::User, b"small", b"value", SetMode::Create)?;
    volume.set_xattr(source, Namespace::Trusted, b"remote", &pattern(4, 9000), SetMode::Replace)?;
    volume.fsync(clone)?;
    volume.set_xattr(clone, Namespace::User, b"small", &pattern(5, 500), SetMode::Either)?;
    volume.remove_xattr(source, Namespace::Trusted, b"remote")?;
    volume.truncate(clone, 12_345)?;
    volume.unlink(root, b"victim")?;
    volume.write(clone, 50_000, &pattern(3, 5000))?;
    volume.sync()
}

fn prepared() -> Shared {
    let device = fresh(32, |_| {});
    let mut volume = device.open();
    let root = volume.root();
    for name in [&b"source"[..], b"victim"] {
        let ino = volume.create(root, name, &FILE).expect("create");
        volume.write(ino, 0, &pattern(1, LEN)).expect("write");
        volume
            .set_xattr(ino, Namespace::Trusted, b"remote", &pattern(6, 12_000), SetMode::Create)
            .expect("set");
    }
    volume.close().expect("close");
    device
}

#[test]
fn any_failing_call_leaves_a_volume_that_is_sound_or_says_that_it_is_not() {
    let prepared = prepared();
    for once in [true, false] {
        for call in 0.. {
            let device = prepared.snapshot();
            device.fail_once.set(once);
            let mut volume = device.open();
            device.calls_left.set(Some(call));
            let outcome = scenario(&mut volume);
            device.calls_left.set(None);
            let source = volume.lookup(volume.root(), b"source").expect("lookup");
            assert!(contents(&mut volume, source) == pattern(1, LEN), "a clone's source never changes");
            if outcome.is_ok() {
                // Fewer calls than that: the scenario is through.
                assert_sound(&mut volume);
                break;
            }
            match volume.sync() {
                // Everything that was committed is there, nothing else.
                Ok(()) => assert_sound(&mut device.open()),
                Err(Error::Shutdown { .. }) => {
                    let later = volume.create(volume.root(), b"later", &FILE);
                    assert_eq!(later.expect_err("refused").code(), "shutdown");
                    let after = device.open();
                    let says_so = after.read_only_reason().is_some_and(|reason| reason.contains("repair"));
                    if !says_so {
                        assert_sound(&mut device.open());
                    }
                }
                Err(error) => panic!("call {call}: {error}"),
            }
        }
    }
}

#[test]
fn a_failed_operation_changes_nothing() {
    let device = prepared();
    let mut volume = device.open();
    volume.sync().expect("sync");
    let before = device.bytes.borrow().clone();
    let root = volume.root();
    let source = volume.lookup(root, b"source").expect("lookup");
    let codes = [
        volume.create(root, b"source", &FILE).map(|_| ()),
        volume.create(source, b"x", &FILE).map(|_| ()),
        volume.create(root, &[b'x'; 256], &FILE).map(|_| ()),
        volume.create(root, b"a/b", &FILE).map(|_| ()),
        volume.mkdir(root, b"..", &FILE).map(|_| ()),
        volume.unlink(root, b"nobody"),
        volume.rmdir(root, b"source"),
        volume.write(root, 0, b"x"),
        volume.write(source, u64::MAX - 1, b"xyz"),
        volume.truncate(source, u64::MAX),
        volume.clone_range(source, 0, source, 0, 4096),
    ]
    .map(|outcome| outcome.expect_err("refused").code());
    assert_eq!(
        codes,
        [
            "invalid.exists",
            "invalid.not-a-directory",
            "invalid.name-too-long",
            "invalid.argument",
            "invalid.argument",
            "invalid.not-found",
            "invalid.not-a-directory",
            "invalid.is-a-directory",
            "invalid.file-too-large",
            "invalid.file-too-large",
            "invalid.argument",
        ]
    );
    volume.sync().expect("sync");
    assert!(*device.bytes.borrow() == before);
}

#[test]
fn a_damaged_file_keeps_no_other_from_the_device() {
    let device = fresh(32, |_| {});
    let mut volume = device.open();
    let root = volume.root();
    let [before, damaged, behind] =
        [&b"before"[..], b"damaged", b"behind"].map(|name| volume.create(root, name, &FILE).expect("create"));
    for ino in [before, damaged, behind] {
        volume.write(ino, 0, &pattern(1, 5000)).expect("write");
    }
    let mut tx = volume.transaction();
    crate::inode::core::core_mut(&mut tx, damaged).expect("core").format = 1;
    tx.commit().expect("commit");
    assert!(matches!(volume.close(), Err(Error::Corrupt(_))));
    let mut volume = device.open();
    for ino in [before, behind] {
        assert!(contents(&mut volume, ino) == pattern(1, 5000));
    }
}
