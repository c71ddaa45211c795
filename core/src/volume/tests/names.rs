//! Names: every operation on them, with parent pointers and without.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::vec::Vec;

use super::{DIR, FILE, Shared, assert_sound, contents, fresh, pattern};
use crate::error::{Error, Result};
use crate::format::inode::{Dinode, Flags};
use crate::inode::core::core_mut;
use crate::units::Ino;
use crate::volume::{FileType, NewInode, RenameMode, Volume};

const WHITEOUT: RenameMode = RenameMode::Whiteout { uid: 3, gid: 4, no_replace: false };

fn volumes() -> [Shared; 2] {
    [true, false].map(|parent| fresh(32, |options| options.parent = parent))
}

/// Names of a directory with what they lead to.
fn names(volume: &mut Volume, dir: Ino) -> BTreeMap<Vec<u8>, (Ino, Option<FileType>)> {
    let entries = volume.read_dir(dir).expect("read_dir");
    entries.into_iter().map(|entry| (entry.name, (entry.ino, entry.file_type))).collect()
}

fn nlink(volume: &mut Volume, ino: Ino) -> u32 {
    volume.stat(ino).expect("stat").nlink
}

/// The volume is sound, and so is what is on the device after it was closed.
fn judge(mut volume: Volume, device: &Shared) -> Volume {
    volume.sync().expect("sync");
    assert_sound(&mut volume);
    volume.close().expect("close");
    let mut volume = device.open();
    assert_sound(&mut volume);
    volume
}

#[test]
fn nodes_and_symlinks_are_what_they_were_made() {
    for device in volumes() {
        let mut volume = device.open();
        let root = volume.root();
        let dir = volume.mkdir(root, b"dir", &DIR).expect("mkdir");
        let types = [FileType::Fifo, FileType::Socket, FileType::CharDevice, FileType::BlockDevice];
        for (index, file_type) in types.into_iter().enumerate() {
            volume.mknod(dir, format!("n{index}").as_bytes(), file_type, (259, 300), &FILE).expect("mknod");
        }
        for len in [1, 100, 191, 192, 193, 335, 336, 337, 1000, 1023] {
            volume
                .symlink(dir, format!("l{len}").as_bytes(), &alloc::vec![b'x'; len], &FILE)
                .expect("symlink");
        }
        volume.symlink(dir, b"no", b"a\0b", &FILE).expect_err("NUL");
        for (target, code) in [(0, "invalid.not-found"), (1024, "invalid.name-too-long")] {
            let refused = volume.symlink(dir, b"no", &alloc::vec![b'x'; target], &FILE);
            assert_eq!(refused.expect_err("refused").code(), code);
        }
        let mut volume = judge(volume, &device);
        for (index, file_type) in types.into_iter().enumerate() {
            let ino = volume.lookup(dir, format!("n{index}").as_bytes()).expect("lookup");
            let stat = volume.stat(ino).expect("stat");
            let rdev = if index < 2 { (0, 0) } else { (259, 300) };
            assert_eq!((stat.file_type, stat.rdev, stat.nlink, stat.uid), (file_type, rdev, 1, 1000));
        }
        for len in [1, 100, 191, 192, 193, 335, 336, 337, 1000, 1023] {
            let ino = volume.lookup(dir, format!("l{len}").as_bytes()).expect("lookup");
            assert_eq!(volume.read_link(ino).expect("readlink"), alloc::vec![b'x'; len]);
        }
        for name in names(&mut volume, dir).into_keys() {
            volume.unlink(dir, &name).expect("unlink");
        }
        judge(volume, &device);
    }
}

#[test]
fn renames_move_what_they_should() {
    for device in volumes() {
        let mut volume = device.open();
        let root = volume.root();
        let [a, b] = [b"a", b"b"].map(|name| volume.mkdir(root, name, &DIR).expect("mkdir"));
        let file = volume.create(a, b"file", &FILE).expect("create");
        let other = volume.create(b, b"other", &FILE).expect("create");
        volume.write(file, 0, &pattern(1, 5000)).expect("write");
        volume.write(other, 0, &pattern(2, 5000)).expect("write");
        volume.rename(a, b"file", b, b"new", RenameMode::NoReplace).expect("over nothing");
        volume.rename(b, b"new", b, b"other", RenameMode::Replace).expect("over a file");
        assert_eq!(names(&mut volume, b), [(b"other".to_vec(), (file, Some(FileType::Regular)))].into());
        let sub = volume.mkdir(a, b"sub", &DIR).expect("mkdir");
        let empty = volume.mkdir(b, b"empty", &DIR).expect("mkdir");
        volume.rename(a, b"sub", b, b"empty", RenameMode::Replace).expect("over an empty directory");
        assert_eq!(volume.lookup(sub, b"..").expect("lookup"), b);
        assert_eq!([nlink(&mut volume, a), nlink(&mut volume, b)], [2, 3]);
        assert!(volume.stat(empty).is_err(), "it is gone");
        volume.rename(b, b"empty", root, b"other", RenameMode::NoReplace).expect("over nothing");
        volume.rename(root, b"other", b, b"other", RenameMode::Exchange).expect("exchange");
        assert_eq!(volume.lookup(root, b"other").expect("lookup"), file);
        assert_eq!(volume.lookup(b, b"other").expect("lookup"), sub);
        assert_eq!(volume.lookup(sub, b"..").expect("lookup"), b);
        volume.rename(b, b"other", a, b"moved", WHITEOUT).expect("whiteout");
        let whiteout = volume.lookup(b, b"other").expect("lookup");
        let stat = volume.stat(whiteout).expect("stat");
        assert_eq!((stat.file_type, stat.rdev, stat.mode), (FileType::CharDevice, (0, 0), 0));
        assert_eq!((stat.uid, stat.gid, stat.nlink), (3, 4, 1));
        assert_eq!([nlink(&mut volume, a), nlink(&mut volume, b), nlink(&mut volume, root)], [3, 2, 4]);
        let mut volume = judge(volume, &device);
        assert!(contents(&mut volume, file) == pattern(1, 5000));
    }
}

#[test]
fn renames_are_refused_as_linux_refuses_them() {
    use RenameMode::{Exchange, NoReplace, Replace};
    for device in volumes() {
        let mut volume = device.open();
        let root = volume.root();
        let dir = volume.mkdir(root, b"dir", &DIR).expect("mkdir");
        let sub = volume.mkdir(dir, b"sub", &DIR).expect("mkdir");
        let deep = volume.mkdir(sub, b"deep", &DIR).expect("mkdir");
        let file = volume.create(root, b"file", &FILE).expect("create");
        volume.link(file, root, b"link").expect("link");
        volume.sync().expect("sync");
        let before = device.bytes.borrow().clone();
        for (from, name, to, new_name, mode, code) in [
            (root, &b"dir"[..], sub, &b"x"[..], Replace, "invalid.argument"),
            (root, b"dir", dir, b"x", Replace, "invalid.argument"),
            (root, b"dir", deep, b"x", Exchange, "invalid.not-found"),
            (root, b"dir", sub, b"deep", Exchange, "invalid.argument"),
            (sub, b"deep", root, b"dir", Replace, "invalid.not-empty"),
            (sub, b"deep", root, b"dir", Exchange, "invalid.argument"),
            (root, b"file", root, b"dir", Replace, "invalid.is-a-directory"),
            (root, b"dir", root, b"file", Replace, "invalid.not-a-directory"),
            (sub, b"deep", root, b"file", Replace, "invalid.not-a-directory"),
            (root, b"file", root, b"link", NoReplace, "invalid.exists"),
            (root, b"none", root, b"link", Replace, "invalid.not-found"),
            (root, b"file", file, b"x", Replace, "invalid.not-a-directory"),
            (root, b".", root, b"x", Replace, "invalid.busy"),
            (root, b"file", dir, b"..", Replace, "invalid.busy"),
            (root, b"file", dir, &[b'x'; 256], Replace, "invalid.name-too-long"),
        ] {
            let outcome = volume.rename(from, name, to, new_name, mode);
            assert_eq!(
                outcome.expect_err("refused").code(),
                code,
                "{} {}",
                name.escape_ascii(),
                new_name.escape_ascii()
            );
        }
        assert_eq!(volume.link(dir, root, b"x").expect_err("refused").code(), "invalid.not-permitted");
        assert_eq!(volume.link(file, root, b"dir").expect_err("refused").code(), "invalid.exists");
        volume.rename(root, b"file", root, b"link", Replace).expect("two names of one file stay");
        volume.sync().expect("sync");
        assert!(*device.bytes.borrow() == before, "nothing changed");
        judge(volume, &device);
    }
}

#[test]
fn what_is_held_outlives_its_name() {
    for device in volumes() {
        let mut volume = device.open();
        let root = volume.root();
        let before = volume.statfs().expect("statfs").free_fsblocks;
        let file = volume.create(root, b"file", &FILE).expect("create");
        let dir = volume.mkdir(root, b"dir", &DIR).expect("mkdir");
        let above = volume.mkdir(root, b"above", &DIR).expect("mkdir");
        let below = volume.mkdir(above, b"below", &DIR).expect("mkdir");
        for ino in [file, file, dir, below] {
            volume.hold(ino).expect("hold");
        }
        volume.unlink(root, b"file").expect("unlink");
        volume.rmdir(root, b"dir").expect("rmdir");
        volume.rmdir(above, b"below").expect("rmdir");
        assert_eq!(volume.lookup(below, b"..").expect("lookup"), root);
        volume.rmdir(root, b"above").expect("rmdir");
        assert_eq!(volume.create(dir, b"x", &FILE).expect_err("gone").code(), "invalid.not-found");
        volume.write(file, 0, &pattern(1, 30_000)).expect("write");
        volume.quiesce().expect("quiesce");
        // A crash now frees all of it.
        let mut crashed = device.snapshot().open();
        assert_eq!(crashed.recovered().expect("recovered").unlinked, 3);
        assert_sound(&mut crashed);
        assert_eq!(crashed.statfs().expect("statfs").free_fsblocks, before);
        volume.release(file).expect("release");
        assert!(contents(&mut volume, file) == pattern(1, 30_000));
        for ino in [file, dir, below] {
            volume.release(ino).expect("release");
            assert!(volume.stat(ino).is_err());
        }
        let mut volume = judge(volume, &device);
        assert_eq!(volume.statfs().expect("statfs").free_fsblocks, before);
    }
}

#[test]
fn a_file_without_a_name_can_be_given_one() {
    for device in volumes() {
        let mut volume = device.open();
        let root = volume.root();
        let [kept, lost] = [1, 2].map(|seed| {
            let ino = volume.tmpfile(root, &FILE).expect("tmpfile");
            volume.write(ino, 0, &pattern(seed, 9000)).expect("write");
            ino
        });
        assert_eq!(nlink(&mut volume, kept), 0);
        volume.link(kept, root, b"kept").expect("link");
        volume.release(kept).expect("release");
        let mut volume = judge(volume, &device);
        assert!(contents(&mut volume, kept) == pattern(1, 9000));
        assert!(volume.stat(lost).is_err(), "nobody holds it after the volume is closed");
        assert_eq!(volume.link(lost, root, b"x").expect_err("free").code(), "corrupt.rule");
    }
}

/// As in Linux, only what never had a name can be given one.
#[test]
fn what_lost_its_last_name_gets_no_other() {
    for device in volumes() {
        let mut volume = device.open();
        let root = volume.root();
        let temporary = volume.tmpfile(root, &FILE).expect("tmpfile");
        volume.link(temporary, root, b"temporary").expect("link");
        let file = volume.create(root, b"file", &FILE).expect("create");
        volume.hold(file).expect("hold");
        for (ino, name) in [(temporary, b"temporary".as_slice()), (file, b"file")] {
            volume.unlink(root, name).expect("unlink");
            assert_eq!(volume.link(ino, root, b"again").expect_err("refused").code(), "invalid.not-found");
            volume.release(ino).expect("release");
        }
        judge(volume, &device);
    }
}

#[test]
fn paths_are_found_from_below() {
    let [device, without] = volumes();
    let mut volume = device.open();
    let root = volume.root();
    let a = volume.mkdir(root, b"a", &DIR).expect("mkdir");
    let b = volume.mkdir(a, b"b", &DIR).expect("mkdir");
    let file = volume.create(b, b"f", &FILE).expect("create");
    volume.link(file, root, b"g").expect("link");
    assert_eq!(volume.path_of(file).expect("paths"), [b"/a/b/f".to_vec(), b"/g".to_vec()]);
    assert_eq!(volume.path_of(root).expect("paths"), [b"/".to_vec()]);
    let unnamed = volume.tmpfile(a, &FILE).expect("tmpfile");
    assert!(volume.path_of(unnamed).expect("none").is_empty());
    let error = without.open().path_of(root).expect_err("refused");
    assert!(matches!(error, Error::Unsupported { .. }), "{error}");
}

/// A file with very many names has its parent pointers in a tree of blocks.
#[test]
fn many_names_of_one_file() {
    let device = fresh(32, |options| options.parent = true);
    let mut volume = device.open();
    let root = volume.root();
    let file = volume.create(root, b"file", &FILE).expect("create");
    let dirs: Vec<_> =
        (0..8).map(|n| volume.mkdir(root, format!("d{n}").as_bytes(), &DIR).expect("mkdir")).collect();
    let name = |n: usize| format!("a name of some length that fills blocks {n}").into_bytes();
    for n in 0..240 {
        volume.link(file, dirs[n % 8], &name(n)).expect("link");
    }
    assert_eq!(volume.stat(file).expect("stat").nlink, 241);
    assert_eq!(volume.parents(file).expect("parents").len(), 241);
    let mut volume = judge(volume, &device);
    for n in 0..240 {
        volume.unlink(dirs[n % 8], &name(n)).expect("unlink");
    }
    assert_eq!(volume.path_of(file).expect("path"), [b"/file".to_vec()]);
    judge(volume, &device);
}

/// Every operation on names. Stops at the first error.
fn scenario(volume: &mut Volume) -> Result<()> {
    let root = volume.root();
    let (a, b) = (volume.lookup(root, b"a")?, volume.lookup(root, b"b")?);
    let file = volume.lookup(a, b"file")?;
    volume.link(file, b, b"link")?;
    volume.symlink(a, b"short", b"target", &FILE)?;
    volume.symlink(a, b"long", &[b't'; 900], &FILE)?;
    volume.mknod(b, b"node", FileType::BlockDevice, (1, 2), &FILE)?;
    volume.rename(a, b"dir", b, b"dir", RenameMode::NoReplace)?;
    volume.rename(a, b"long", b, b"node", RenameMode::Replace)?;
    volume.rename(b, b"dir", a, b"file", RenameMode::Exchange)?;
    volume.sync()?;
    volume.rename(b, b"dir", b, b"other", WHITEOUT)?;
    let temporary = volume.tmpfile(a, &NewInode { mode: 0o600, ..FILE })?;
    volume.write(temporary, 0, &pattern(4, 5000))?;
    volume.link(temporary, a, b"named")?;
    volume.release(temporary)?;
    volume.hold(file)?;
    volume.unlink(b, b"link")?;
    volume.unlink(b, b"other")?;
    volume.release(file)?;
    volume.sync()
}

#[test]
fn any_failing_call_leaves_a_sound_volume() {
    for parent in [true, false] {
        let device = fresh(24, |options| options.parent = parent);
        let mut volume = device.open();
        let root = volume.root();
        let [a, _] = [b"a", b"b"].map(|name| volume.mkdir(root, name, &DIR).expect("mkdir"));
        volume.mkdir(a, b"dir", &DIR).expect("mkdir");
        let file = volume.create(a, b"file", &FILE).expect("create");
        volume.write(file, 0, &pattern(1, 20_000)).expect("write");
        volume.close().expect("close");
        for once in [true, false] {
            for call in 0.. {
                let device = device.snapshot();
                device.fail_once.set(once);
                let mut volume = device.open();
                device.calls_left.set(Some(call));
                let outcome = scenario(&mut volume);
                device.calls_left.set(None);
                if outcome.is_ok() {
                    assert_sound(&mut volume);
                    break;
                }
                match volume.sync() {
                    Ok(()) | Err(Error::Shutdown { .. }) => assert_sound(&mut device.open()),
                    Err(error) => panic!("call {call}: {error}"),
                }
            }
        }
    }
}

/// Changes the core of an inode behind the volume's back.
fn spoil(volume: &mut Volume, ino: Ino, change: impl FnOnce(&mut Dinode)) {
    let mut tx = volume.transaction();
    change(core_mut(&mut tx, ino).expect("read"));
    tx.commit().expect("commits");
}

#[test]
fn projects_link_counts_and_flags_set_limits() {
    let device = fresh(32, |_| {});
    let mut volume = device.open();
    let root = volume.root();
    let [dir, other] = [b"dir", b"oth"].map(|name| volume.mkdir(root, name, &DIR).expect("mkdir"));
    let file = volume.create(root, b"file", &FILE).expect("create");
    volume.mknod(root, b"node", FileType::Fifo, (0, 0), &FILE).expect("mknod");
    volume.mkdir(other, b"sub", &DIR).expect("mkdir");
    spoil(&mut volume, dir, |core| {
        core.projid_lo.set(7);
        core.flags.set(Flags::PROJINHERIT.bits());
    });
    let code = |outcome: Result<()>| outcome.expect_err("refused").code();
    let to = |volume: &mut Volume, name: &[u8]| volume.rename(root, name, dir, b"x", RenameMode::Replace);
    assert_eq!(code(to(&mut volume, b"file")), "invalid.cross-device");
    assert_eq!(code(volume.link(file, dir, b"x")), "invalid.cross-device");
    volume.symlink(dir, b"own", b"x", &FILE).expect("symlink");
    let own = volume.lookup(dir, b"own").expect("lookup");
    assert_eq!(volume.stat(own).expect("stat").project_id, 7);
    to(&mut volume, b"node").expect("special files may be without a project");
    spoil(&mut volume, dir, |core| core.nlink.set(i32::MAX as u32));
    spoil(&mut volume, file, |core| core.nlink.set(i32::MAX as u32));
    assert_eq!(code(volume.mkdir(dir, b"sub", &DIR).map(drop)), "invalid.too-many-links");
    assert_eq!(code(volume.link(file, root, b"x")), "invalid.too-many-links");
    spoil(&mut volume, dir, |core| core.projid_lo.set(0));
    let moved = volume.rename(other, b"sub", dir, b"sub", RenameMode::Replace);
    assert_eq!(code(moved), "invalid.too-many-links");
    for flag in [Flags::IMMUTABLE, Flags::APPEND] {
        spoil(&mut volume, file, |core| core.flags.set(flag.bits()));
        assert_eq!(code(volume.link(file, root, b"x")), "invalid.not-permitted");
        let moved = volume.rename(root, b"file", root, b"x", RenameMode::Replace);
        assert_eq!(code(moved), "invalid.not-permitted");
        let replaced = volume.rename(other, b"sub", root, b"file", RenameMode::Exchange);
        assert_eq!(code(replaced), "invalid.not-permitted");
    }
}

/// Names change what they lead to in a directory in a block, and ".." does.
#[test]
fn entries_of_a_block_lead_elsewhere() {
    for device in volumes() {
        let mut volume = device.open();
        let root = volume.root();
        let [a, b] = [b"a", b"b"].map(|name| volume.mkdir(root, name, &DIR).expect("mkdir"));
        for n in 0..40 {
            for dir in [a, b] {
                volume
                    .create(dir, format!("a name of this directory {n}").as_bytes(), &FILE)
                    .expect("create");
            }
        }
        let inner = volume.mkdir(a, b"inner", &DIR).expect("mkdir");
        for n in 0..40 {
            volume.create(inner, format!("a name of this directory {n}").as_bytes(), &FILE).expect("create");
        }
        let cookies = |volume: &mut Volume| -> Vec<_> {
            volume
                .read_dir(b)
                .expect("read_dir")
                .into_iter()
                .map(|entry| (entry.name, entry.cookie))
                .collect()
        };
        let before = cookies(&mut volume);
        let source = volume.lookup(a, b"a name of this directory 7").expect("lookup");
        let name = &b"a name of this directory 9"[..];
        volume.rename(a, b"a name of this directory 7", b, name, RenameMode::Replace).expect("over a file");
        assert_eq!(cookies(&mut volume), before, "entries stay where they are");
        assert_eq!(volume.lookup(b, name).expect("lookup"), source);
        volume.rename(a, b"inner", b, name, RenameMode::Exchange).expect("exchange");
        assert_eq!(cookies(&mut volume), before);
        assert_eq!(volume.lookup(inner, b"..").expect("lookup"), b);
        let mut volume = judge(volume, &device);
        assert_eq!(names(&mut volume, b)[name], (inner, Some(FileType::Directory)));
    }
}

#[test]
fn a_full_volume_refuses_names_and_stays_sound() {
    for device in volumes() {
        let mut volume = device.open();
        let root = volume.root();
        let dir = volume.mkdir(root, b"dir", &DIR).expect("mkdir");
        let file = volume.create(root, b"file", &FILE).expect("create");
        for len in [1 << 16, 4096] {
            let mut end = volume.stat(file).expect("stat").size;
            while volume.write(file, end, &pattern(1, len)).is_ok() {
                end += len as u64;
            }
        }
        let mut full = 0;
        for n in 0..400_u32 {
            let sub = format!("a directory with a long name so that few of them fit {}", n % 40);
            let target = alloc::vec![b't'; 1000];
            let outcome = match n % 3 {
                0 => volume.mkdir(dir, sub.as_bytes(), &DIR).map(drop),
                1 => volume.symlink(dir, format!("l{}", n % 40).as_bytes(), &target, &FILE).map(drop),
                _ => volume.rename(dir, sub.as_bytes(), root, sub.as_bytes(), RenameMode::NoReplace),
            };
            match outcome {
                Err(Error::NoSpace) => full += 1,
                Ok(()) | Err(Error::Invalid(_)) | Err(Error::Unsupported { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        }
        assert!(full > 0, "it was full at some time");
        let mut volume = judge(volume, &device);
        volume.unlink(root, b"file").expect("unlink");
        judge(volume, &device);
    }
}
