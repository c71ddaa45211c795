//! Access control lists, flags and hints of inodes: what xfskit sets the kernel shows, what the kernel sets xfskit
//! shows, and new inodes inherit the same from either.

use std::path::Path;
use std::process::Command;

use rustix::fs::{CWD, Mode, OFlags, XattrFlags};
use xfskit::volume::{Acl, AclEntry, AclKind, Namespace, SetMode, Tag, XFlags};
use xfskit_tests::options::OptionSet;
use xfskit_tests::referee::{Referee, run};
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

/// The letters of `xfs_io -c lsattr`, without those that tell of extended attributes.
fn letters(path: &Path) -> String {
    let output = run(Command::new("xfs_io").args(["-r", "-c", "lsattr"]).arg(path));
    let text = String::from_utf8(output.stdout).expect("text");
    text.split_whitespace().next().expect("letters").replace('X', "-")
}

/// Flags, hints and projects that xfskit sets are what the kernel shows, and those that either side's new inodes
/// inherit are the same.
#[test]
fn flags_and_hints_agree_with_the_kernel() {
    let Some(referee) = Referee::find() else { return };
    let temp = TempDir::new("flags");
    let image = temp.join("a.img");
    referee.mkfs(OptionSet::named("default_old"), &image);
    let any = [
        (XFlags::SYNC, "s"),
        (XFlags::NOATIME, "A"),
        (XFlags::NODUMP, "d"),
        (XFlags::NODEFRAG, "f"),
        (XFlags::FILESTREAM, "S"),
        (XFlags::APPEND, "a"),
        (XFlags::IMMUTABLE, "i"),
        (XFlags::DAX, "x"),
    ];
    let of_directories = [(XFlags::PROJINHERIT, "P"), (XFlags::NOSYMLINKS, "n")];
    let mut session = Session::open(&image, b"").expect("open");
    let volume = session.volume();
    let root = volume.root();
    for (flag, letter) in any {
        let ino = volume.create(root, letter.as_bytes(), &new_inode(0o644)).expect("create");
        volume.set_flags(ino, flag).expect("set");
        // New inodes have an attribute fork.
        assert_eq!(volume.flags(ino), Ok(flag | XFlags::HASATTR));
        for (flag, _) in of_directories {
            assert!(volume.set_flags(ino, flag).is_err(), "{flag:?} of a file");
        }
    }
    // What is inherited: one directory with everything, one with each flag.
    let everything = any
        .iter()
        .chain(&of_directories)
        .filter(|(flag, _)| !flag.intersects(XFlags::IMMUTABLE | XFlags::APPEND));
    let everything = everything.fold(XFlags::empty(), |all, (flag, _)| all | *flag);
    let dirs = [everything, XFlags::PROJINHERIT, XFlags::NOATIME, XFlags::NOSYMLINKS, XFlags::FILESTREAM];
    for (number, flags) in dirs.into_iter().enumerate() {
        let dir = volume.mkdir(root, format!("dir{number}").as_bytes(), &new_inode(0o755)).expect("mkdir");
        volume.set_flags(dir, flags).expect("set");
        volume.set_project(dir, 70_000 + number as u32).expect("project");
        if number % 2 == 0 {
            volume.set_extsize(dir, 64 << 10).expect("hint");
            volume.set_cowextsize(dir, 32 << 10).expect("hint");
        }
        volume.create(dir, b"own file", &new_inode(0o644)).expect("create");
        volume.mkdir(dir, b"own dir", &new_inode(0o755)).expect("mkdir");
    }
    let no_links = volume.resolve(b"/dir3", xfskit::volume::Follow::No).expect("a path");
    assert!(volume.symlink(no_links, b"link", b"target", &new_inode(0o777)).is_err());
    assert!(volume.set_extsize(root, 4097).is_err() && volume.set_extsize(root, 512 << 20).is_err());
    assert!(volume.set_flags(root, XFlags::RTINHERIT).is_err());
    assert_sound(referee, session, &image);

    let mount = referee.mount(&image);
    for (_, letter) in any {
        assert_eq!(letters(&mount.path().join(letter)).replace('-', ""), letter);
    }
    for number in 0..dirs.len() {
        let dir = mount.path().join(format!("dir{number}"));
        std::fs::write(dir.join("file"), b"").expect("create");
        std::fs::create_dir(dir.join("dir")).expect("mkdir");
        for name in ["file", "dir"] {
            let [own, theirs] = ["own ", ""].map(|side| dir.join(format!("{side}{name}")));
            assert_eq!(letters(&own), letters(&theirs), "{}", own.display());
            let shown = |path: &Path| {
                let output = run(Command::new("xfs_io").args(["-r", "-c", "stat -v"]).arg(path));
                let text = String::from_utf8(output.stdout).expect("text");
                let lines =
                    text.lines().filter(|line| line.contains("extsize =") || line.contains("projid ="));
                lines.map(str::to_owned).collect::<Vec<_>>()
            };
            assert_eq!(shown(&own), shown(&theirs), "{}", own.display());
        }
    }
    for (_, letter) in any {
        run(Command::new("xfs_io").args(["-r", "-c", "chattr -ai"]).arg(mount.path().join(letter)));
    }
    mount.unmount();
}

/// What an immutable or append-only inode does not let happen.
#[test]
fn immutable_and_append_only_are_honoured() {
    let Some(referee) = Referee::find() else { return };
    let temp = TempDir::new("immutable");
    let image = temp.join("a.img");
    referee.mkfs(OptionSet::named("default_old"), &image);
    let mount = referee.mount(&image);
    for name in ["immutable", "append"] {
        std::fs::write(mount.path().join(name), b"some data").expect("write");
        std::fs::create_dir(mount.path().join(format!("{name} dir"))).expect("mkdir");
        std::fs::write(mount.path().join(format!("{name} dir/a")), b"").expect("write");
        for path in [name.to_owned(), format!("{name} dir")] {
            let change = format!("chattr +{}", &name[..1]);
            run(Command::new("xfs_io").args(["-r", "-c", &change]).arg(mount.path().join(path)));
        }
    }
    mount.unmount();
    let mut session = Session::open(&image, b"").expect("open");
    let inos = ["/immutable", "/append", "/immutable dir", "/append dir"]
        .map(|path| session.ino(path.as_bytes()).expect("a path"));
    let volume = session.volume();
    let root = volume.root();
    let [immutable, append, immutable_dir, append_dir] = inos;
    for ino in inos {
        let mode = xfskit::volume::SetAttributes { mode: Some(0o600), ..Default::default() };
        assert!(volume.set_attributes(ino, &mode).is_err());
        let set = volume.set_xattr(ino, Namespace::User, b"a", b"", SetMode::Either);
        assert!(set.is_err());
        assert!(volume.set_acl(ino, AclKind::Access, Some(&Acl::from_mode(0o640))).is_err());
    }
    for (ino, name) in [(immutable, "immutable"), (append, "append")] {
        assert!(volume.truncate(ino, 1).is_err() && volume.write(ino, 0, b"x").is_err());
        assert!(volume.unlink(root, name.as_bytes()).is_err());
    }
    assert!(volume.write(immutable, 9, b"x").is_err());
    volume.write(append, 9, b" more").expect("appends");
    assert!(volume.create(immutable_dir, b"b", &new_inode(0o644)).is_err());
    volume.create(append_dir, b"b", &new_inode(0o644)).expect("names may come");
    assert!(volume.unlink(append_dir, b"a").is_err() && volume.unlink(immutable_dir, b"a").is_err());
    for ino in inos {
        volume.set_flags(ino, XFlags::empty()).expect("flags themselves may change");
    }
    volume.truncate(immutable, 1).expect("no longer immutable");
    volume.unlink(append_dir, b"a").expect("no longer append-only");
    assert_sound(referee, session, &image);
}
