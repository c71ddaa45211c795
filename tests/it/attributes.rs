//! Access control lists, flags and hints of inodes: what xfskit sets the kernel shows, what the kernel sets xfskit
//! shows, and new inodes inherit the same from either.

use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, XattrFlags};
use xfskit::volume::{Acl, AclEntry, AclKind, Tag};
use xfskit_tests::options::OptionSet;
use xfskit_tests::referee::Referee;
use xfskit_tests::rng::Rng;
use xfskit_tests::session::{Session, findings, new_inode};
use xfskit_tests::temp::TempDir;

const KINDS: [AclKind; 2] = [AclKind::Access, AclKind::Default];
const DEFAULTS: usize = 40;
const MODES: [u16; 7] = [0o666, 0o777, 0o640, 0o4711, 0o2070, 0o1000, 0o007];

/// A list as the kernel's interface has it.
fn as_xattr(acl: &Acl) -> Vec<u8> {
    let mut bytes = 2_u32.to_le_bytes().to_vec();
    for entry in acl.entries() {
        let (tag, id) = match entry.tag {
            Tag::UserObj => (1_u16, u32::MAX),
            Tag::User(id) => (2, id),
            Tag::GroupObj => (4, u32::MAX),
            Tag::Group(id) => (8, id),
            Tag::Mask => (16, u32::MAX),
            Tag::Other => (32, u32::MAX),
        };
        bytes.extend(tag.to_le_bytes());
        bytes.extend(u16::from(entry.perm).to_le_bytes());
        bytes.extend(id.to_le_bytes());
    }
    bytes
}

fn xattr_name(kind: AclKind) -> &'static str {
    match kind {
        AclKind::Access => "system.posix_acl_access",
        AclKind::Default => "system.posix_acl_default",
    }
}

/// A list as the kernel shows it; `None` when there is none.
fn shown(path: &Path, kind: AclKind) -> Option<Vec<u8>> {
    let mut value = vec![0; 65536];
    match rustix::fs::lgetxattr(path, xattr_name(kind), &mut value[..]) {
        Ok(len) => Some(value[..len].to_vec()),
        Err(rustix::io::Errno::NODATA | rustix::io::Errno::OPNOTSUPP) => None,
        Err(error) => panic!("{}: {error}", path.display()),
    }
}

fn mode_of(path: &Path) -> u32 {
    rustix::fs::lstat(path).expect("stat").st_mode
}

fn random_acl(rng: &mut Rng) -> Acl {
    let mut entries = Vec::new();
    let mut push = |tag, rng: &mut Rng| entries.push(AclEntry { tag, perm: rng.below(8) as u8 });
    let (users, groups) = if rng.chance(20) { (0, 0) } else { (rng.below(4), rng.below(4)) };
    push(Tag::UserObj, rng);
    (0..users).for_each(|id| push(Tag::User(id as u32 * 7), rng));
    push(Tag::GroupObj, rng);
    (0..groups).for_each(|id| push(Tag::Group(id as u32 + 3_000_000_000), rng));
    if users + groups > 0 || rng.chance(30) {
        push(Tag::Mask, rng);
    }
    push(Tag::Other, rng);
    Acl::new(entries).expect("valid")
}

fn assert_sound(referee: &Referee, session: Session, image: &Path) {
    let mut session = session;
    let found = findings(session.volume());
    assert!(found.is_empty(), "check finds\n{}", found.join("\n"));
    session.close().expect("close");
    referee.repair_n(image);
}

/// Lists set by one side, then chmod by the other, are the same to both.
#[test]
fn access_control_lists_and_modes_agree_with_the_kernel() {
    let Some(referee) = Referee::find() else { return };
    let temp = TempDir::new("acls");
    let image = temp.join("a.img");
    referee.mkfs(OptionSet::named("default_old"), &image);
    let mut rng = Rng::new(Rng::seed_or(5));
    let lists: Vec<Acl> = (0..60).map(|_| random_acl(&mut rng)).collect();
    let modes: Vec<u16> = lists.iter().map(|_| rng.below(0o10000) as u16).collect();

    // The same on a file of each side: `k` is changed by the kernel, `x` by xfskit.
    let mount = referee.mount(&image);
    for (number, (acl, mode)) in lists.iter().zip(&modes).enumerate() {
        for side in ["k", "x"] {
            let dir = mount.path().join(format!("{side}{number}"));
            std::fs::create_dir(&dir).expect("mkdir");
            if number % 4 == 3 {
                // A list in the attribute fork's blocks.
                rustix::fs::lsetxattr(&dir, "user.large", &[7; 2000], XattrFlags::empty()).expect("setxattr");
            }
        }
        let path = mount.path().join(format!("k{number}"));
        for kind in KINDS {
            rustix::fs::lsetxattr(&path, xattr_name(kind), &as_xattr(acl), XattrFlags::empty()).expect("set");
        }
        if number % 2 == 1 {
            rustix::fs::chmod(&path, Mode::from_raw_mode((*mode).into())).expect("chmod");
        }
    }
    mount.unmount();

    let mut session = Session::open(&image, b"").expect("open");
    for (number, (acl, mode)) in lists.iter().zip(&modes).enumerate() {
        let ino = session.ino(format!("/x{number}").as_bytes()).expect("a path");
        let other = session.ino(format!("/k{number}").as_bytes()).expect("a path");
        let volume = session.volume();
        for kind in KINDS {
            volume.set_acl(ino, kind, Some(acl)).expect("set");
        }
        if number % 2 == 1 {
            let set = xfskit::volume::SetAttributes { mode: Some(*mode), ..Default::default() };
            volume.set_attributes(ino, &set).expect("chmod");
        }
        for kind in KINDS {
            let (own, theirs) = (volume.acl(ino, kind).expect("get"), volume.acl(other, kind).expect("get"));
            assert_eq!(own, theirs, "{kind:?} of {acl:?}");
        }
        assert_eq!(volume.stat(ino).expect("stat").mode, volume.stat(other).expect("stat").mode, "{acl:?}");
    }
    assert_sound(referee, session, &image);

    let mount = referee.mount(&image);
    for (number, acl) in lists.iter().enumerate() {
        let [one, other] = ["k", "x"].map(|side| mount.path().join(format!("{side}{number}")));
        for kind in KINDS {
            assert_eq!(shown(&one, kind), shown(&other, kind), "{kind:?} of {acl:?}");
        }
        assert_eq!(mode_of(&one), mode_of(&other), "mode of {acl:?}");
    }
    mount.unmount();
}

/// New files and directories get what the kernel gives them, from lists that the kernel stored.
#[test]
fn access_control_lists_are_inherited_as_from_the_kernel() {
    let Some(referee) = Referee::find() else { return };
    let temp = TempDir::new("inherited-acls");
    let image = temp.join("a.img");
    referee.mkfs(OptionSet::named("default_old"), &image);
    let mut rng = Rng::new(Rng::seed_or(6));

    let mount = referee.mount(&image);
    for number in 0..DEFAULTS {
        let dir = mount.path().join(number.to_string());
        std::fs::create_dir(&dir).expect("mkdir");
        if number % 5 == 4 {
            rustix::fs::chmod(&dir, Mode::from_raw_mode(0o2755)).expect("chmod");
        }
        let acl = as_xattr(&random_acl(&mut rng));
        rustix::fs::lsetxattr(&dir, xattr_name(AclKind::Default), &acl, XattrFlags::empty()).expect("set");
        for mode in MODES {
            let raw = Mode::from_raw_mode(mode.into());
            let flags = OFlags::CREATE | OFlags::RDWR;
            rustix::fs::openat(CWD, dir.join(format!("kf{mode:o}")), flags, raw).expect("create");
            rustix::fs::mkdir(dir.join(format!("kd{mode:o}")), raw).expect("mkdir");
        }
    }
    mount.unmount();

    let mut session = Session::open(&image, b"").expect("open");
    session.volume().set_umask(0o777);
    for number in 0..DEFAULTS {
        let dir = session.ino(format!("/{number}").as_bytes()).expect("a path");
        let volume = session.volume();
        for mode in MODES {
            // The kernel makes no directory with setuid or setgid, whatever is asked for.
            volume.create(dir, format!("xf{mode:o}").as_bytes(), &new_inode(mode)).expect("create");
            volume.mkdir(dir, format!("xd{mode:o}").as_bytes(), &new_inode(mode & 0o1777)).expect("mkdir");
        }
    }
    assert_sound(referee, session, &image);

    let mount = referee.mount(&image);
    for number in 0..DEFAULTS {
        for (mode, letter) in MODES.into_iter().flat_map(|mode| [(mode, 'f'), (mode, 'd')]) {
            let path = |side| mount.path().join(format!("{number}/{side}{letter}{mode:o}"));
            let (one, other) = (path('k'), path('x'));
            assert_eq!(mode_of(&one), mode_of(&other), "mode of {}", other.display());
            for kind in KINDS {
                assert_eq!(shown(&one, kind), shown(&other, kind), "{kind:?} list of {}", other.display());
            }
        }
    }
    mount.unmount();
}
