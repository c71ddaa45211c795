//! Archives both ways: tar, image, tar is the same archive, member by member; and what is unpacked is what GNU tar
//! unpacks.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use xfskit_tests::cli::Cli;
use xfskit_tests::options::OptionSet;
use xfskit_tests::populate::{Scale, populate};
use xfskit_tests::referee::{Referee, run};
use xfskit_tests::rng::pattern;
use xfskit_tests::tree::{self, Kind};

/// What an archive holds, by name: a digest of header and records without times of access and change, and the data.
fn members(archive: &[u8]) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut members = BTreeMap::new();
    let (mut at, mut records) = (0, Vec::new());
    while at + 512 <= archive.len() && archive[at..at + 512].iter().any(|&byte| byte != 0) {
        let header = tar::Header::from_byte_slice(&archive[at..at + 512]);
        let size = header.entry_size().expect("size") as usize;
        let data = archive[at + 512..at + 512 + size].to_vec();
        at += 512 + size.next_multiple_of(512);
        if header.entry_type().is_pax_local_extensions() {
            records = kept_records(&data);
            continue;
        }
        let mut digest = header.as_bytes().to_vec();
        digest.extend(records.drain(..).flatten());
        digest.extend(data);
        let name = header.path_bytes().into_owned();
        members.insert([name, members.len().to_string().into_bytes()].concat(), digest);
    }
    members
}

/// Records without those that no unpacking can keep.
fn kept_records(mut data: &[u8]) -> Vec<Vec<u8>> {
    let mut records = Vec::new();
    while !data.is_empty() {
        let space = data.iter().position(|&byte| byte == b' ').expect("a length");
        let len: usize = std::str::from_utf8(&data[..space]).expect("digits").parse().expect("a number");
        let record = &data[space + 1..len];
        if !record.starts_with(b"ctime=") {
            records.push(record.to_vec());
        }
        data = &data[len..];
    }
    records.sort();
    records
}

#[test]
fn archives_survive_the_way_through_an_image() {
    let Some(referee) = Referee::find() else { return };
    let cli = Cli::new("round-trip");
    let set = OptionSet::named("default_old");
    referee.mkfs(set, &cli.path("source.img"));
    let mount = referee.mount(&cli.path("source.img"));
    populate(mount.path(), set, Scale::Small, 3);
    let dir = mount.path().join("lists");
    std::fs::create_dir(&dir).expect("mkdir");
    let list = b"\x02\0\0\0\x01\0\x07\0\xff\xff\xff\xff\x02\0\x06\0\x05\0\0\0\x04\0\x05\0\xff\xff\xff\xff\
        \x10\0\x07\0\xff\xff\xff\xff\x20\0\0\0\xff\xff\xff\xff";
    for name in ["system.posix_acl_access", "system.posix_acl_default"] {
        rustix::fs::lsetxattr(&dir, name, list, rustix::fs::XattrFlags::empty()).expect("set");
    }
    std::fs::write(dir.join("inherits"), b"x").expect("write");
    rustix::fs::lsetxattr(
        dir.join("inherits"),
        "user.line\nbreak=",
        b"a\nb\n",
        rustix::fs::XattrFlags::empty(),
    )
    .expect("set");
    std::fs::File::create(dir.join("petabyte")).and_then(|file| file.set_len(1 << 50)).expect("create");
    mount.unmount();

    cli.ok(&["mkfs", "target.img", "--size", "600M"]);
    for dir in ["symlinks", "nodes", "names", "owners", "times", "xattrs", "shared", "lists"] {
        let mut export = cli.command(&["export", &format!("source.img:/{dir}")]);
        let first = export.stderr(Stdio::null()).output().expect("start").stdout;
        cli.ok(&["mkdir", &format!("target.img:/{dir}")]);
        cli.feed(&["import", &format!("target.img:/{dir}")], &first);
        let mut export = cli.command(&["export", &format!("target.img:/{dir}")]);
        let second = export.stderr(Stdio::null()).output().expect("start").stdout;
        let (first, second) = (members(&first), members(&second));
        assert!(first.keys().eq(second.keys()), "{dir}: {:?} instead of {:?}", second.keys(), first.keys());
        for (name, digest) in &first {
            let found = &second[name];
            assert!(
                digest == found,
                "{dir}: {}: {} instead of {}",
                String::from_utf8_lossy(name),
                String::from_utf8_lossy(found),
                String::from_utf8_lossy(digest)
            );
        }
    }
    cli.ok(&["check", "target.img"]);
    referee.repair_n(&cli.path("target.img"));
}

/// Archives that GNU tar makes, in its own format and as PAX, sparse files included: both unpack the same.
#[test]
fn what_gnu_tar_packs_is_unpacked_as_by_gnu_tar() {
    let Some(referee) = Referee::find() else { return };
    let cli = Cli::with_volume("gnu-tar");
    let host = cli.path("host");
    std::fs::create_dir_all(host.join("a/".to_owned() + &"long/".repeat(30))).expect("mkdir");
    std::fs::write(host.join("a/".to_owned() + &"long/".repeat(30) + "file"), pattern(1, 0, 5000))
        .expect("write");
    for (name, pieces) in [("one", 1_u64), ("few", 3), ("many", 60)] {
        let file = std::fs::File::create(host.join(name)).expect("create");
        for piece in 0..pieces {
            let bytes = pattern(piece, 0, 70_000);
            std::os::unix::fs::FileExt::write_all_at(&file, &bytes, (piece + 1) << 20).expect("write");
        }
        file.set_len((pieces + 2) << 20).expect("size");
    }
    std::fs::hard_link(host.join("one"), host.join("z link")).expect("link");
    std::os::unix::fs::symlink("x".repeat(200), host.join("symlink")).expect("symlink");
    run(Command::new("mkfifo").arg(host.join("fifo")));
    let kinds = [
        ("gnu", &["--format=gnu", "--sparse"][..]),
        ("pax", &["--format=pax", "--sparse", "--sparse-version=1.0"]),
        ("pax01", &["--format=pax", "--sparse", "--sparse-version=0.1"]),
        ("pax00", &["--format=pax", "--sparse", "--sparse-version=0.0"]),
        ("plain", &["--format=gnu"]),
    ];
    for (name, args) in kinds {
        let archive = cli.path(&format!("{name}.tar"));
        run(Command::new("tar").args(args).arg("-cf").arg(&archive).arg("-C").arg(&host).arg("."));
        cli.ok(&["mkdir", &format!("disk.img:/{name}")]);
        cli.ok(&["import", &format!("disk.img:/{name}"), &format!("{name}.tar")]);
        let once_more = cli.ok(&["import", &format!("disk.img:/{name}"), &format!("{name}.tar")]);
        assert!(once_more.is_empty(), "over itself");
    }
    cli.ok(&["check", "disk.img"]);
    let image = cli.path("disk.img");
    referee.repair_n(&image);
    let mount = referee.mount_read_only(&image);
    for (name, _) in kinds {
        let unpacked = mount.path().join(name);
        let mut differences = Command::new("diff");
        differences.args(["-r", "--no-dereference"]).arg(&host).arg(&unpacked);
        // Both have a fifo, which diff cannot look into.
        differences.args(["--exclude", "fifo"]);
        run(&mut differences);
        let links = rustix::fs::stat(unpacked.join("one")).expect("stat").st_nlink;
        assert_eq!(links, 2, "{name}: hard links");
        let tree = tree::from_mount(&unpacked);
        assert_eq!(tree.entries["/fifo"].kind, Kind::Fifo);
        if name != "plain" {
            let blocks = rustix::fs::stat(unpacked.join("many")).expect("stat").st_blocks;
            assert!(blocks < 60 * 2 * 144, "{name}: {blocks} blocks of a sparse file");
        }
    }
    mount.unmount();
}

fn entry(kind: tar::EntryType, name: &[u8], link: &str, data: &[u8]) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.as_gnu_mut().expect("gnu").name[..name.len()].copy_from_slice(name);
    header.set_link_name_literal(link).expect("short");
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(1);
    header.set_size(data.len() as u64);
    header.set_cksum();
    let mut bytes = header.as_bytes().to_vec();
    bytes.extend(data);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

#[test]
fn members_stay_below_the_directory_and_arrive_whole() {
    use tar::EntryType::{Link, Regular, Symlink};
    let cli = Cli::with_volume("import-unsafe");
    cli.feed(&["write", "disk.img:/secret"], b"untouched");
    cli.ok(&["mkdir", "disk.img:/in"]);
    cli.feed(&["write", "disk.img:/in/old"], b"old");
    let archive = [
        entry(Regular, b"../secret", "", b"up"),
        entry(Regular, b"/absolute", "", b"below"),
        entry(Symlink, b"way-out", "/", b""),
        entry(Regular, b"way-out/secret", "", b"through"),
        entry(Link, b"stolen", "../secret", b""),
        entry(Regular, b"old", "", b"new"),
    ]
    .concat();
    std::fs::write(cli.path("a.tar"), &archive).expect("write");
    let said = cli.fails(1, &["import", "disk.img:/in", "a.tar"]);
    for name in ["../secret", "way-out", "stolen"] {
        assert!(said.contains(name), "{name} in {said}");
    }
    assert_eq!(cli.ok(&["cat", "disk.img:/secret"]), b"untouched");
    assert_eq!(cli.ok(&["cat", "disk.img:/in/absolute"]), b"below");
    assert_eq!(cli.ok(&["cat", "disk.img:/in/old"]), b"new");

    // An archive that ends in the middle of a member: what was there before stays.
    let cut = entry(Regular, b"old", "", &[7; 3000]);
    std::fs::write(cli.path("cut.tar"), &cut[..1500]).expect("write");
    let said = cli.fails(1, &["import", "disk.img:/in", "cut.tar"]);
    assert!(said.contains("old") && said.contains("cut off"), "{said}");
    assert_eq!(cli.ok(&["cat", "disk.img:/in/old"]), b"new");
    let names = cli.text(&["ls", "-a", "disk.img:/in"]);
    assert!(!names.contains(".xfskit-"), "{names}");
    cli.fails(1, &["import", "disk.img:/secret", "a.tar"]);
    cli.ok(&["check", "disk.img"]);
}

/// A directory takes the place of a file, and is there before that goes.
#[test]
fn directories_take_the_places_of_files() {
    use tar::EntryType::{Directory, Regular};
    let cli = Cli::with_volume("import-over");
    for name in ["dir", "immutable", ".xfskit-0"] {
        cli.feed(&["write", &format!("disk.img:/{name}")], b"old");
    }
    cli.ok(&["chattr", "+i", "disk.img:/immutable"]);
    let archive = [
        entry(Directory, b"dir/", "", b""),
        entry(Regular, b"dir/file", "", b"x"),
        entry(Directory, b"immutable/", "", b""),
    ]
    .concat();
    std::fs::write(cli.path("a.tar"), &archive).expect("write");
    assert!(cli.fails(1, &["import", "disk.img:/", "a.tar"]).contains("immutable"));
    assert_eq!(cli.ok(&["cat", "disk.img:/dir/file"]), b"x");
    assert_eq!(cli.ok(&["cat", "disk.img:/immutable"]), b"old");
    assert_eq!(cli.text(&["ls", "-a", "disk.img:/"]), ".\n..\n.xfskit-0\ndir\nimmutable\n");
    cli.ok(&["check", "disk.img"]);
}

/// Much is said on standard error while much is still to be read.
#[test]
fn what_is_refused_is_told_while_the_archive_comes_in() {
    use tar::EntryType::Regular;
    let cli = Cli::with_volume("import-refused");
    let member = |n: usize| entry(Regular, format!("../{n}-{}", "n".repeat(80)).as_bytes(), "", b"x");
    let archive: Vec<u8> = (0..2000).flat_map(member).collect();
    let output = cli.feed_output(&["import", "disk.img:/"], &archive);
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stderr.len() > 1 << 17);
}

/// Owners and modes are those of the archive, whatever the directory that is unpacked into passes on.
#[test]
fn members_keep_their_owners_where_a_directory_passes_its_group_on() {
    use tar::EntryType::{Directory, Regular, Symlink};
    let cli = Cli::with_volume("import-setgid");
    cli.ok(&["mkdir", "disk.img:/in"]);
    cli.ok(&["chown", "0:9", "disk.img:/in"]);
    cli.ok(&["chmod", "2775", "disk.img:/in"]);
    cli.ok(&["setfacl", "-d", "-m", "u:7:rwx", "disk.img:/in"]);
    let archive = [
        entry(Directory, b"dir/", "", b""),
        entry(Regular, b"dir/file", "", b"x"),
        entry(Symlink, b"link", "x", b""),
    ]
    .concat();
    std::fs::write(cli.path("a.tar"), &archive).expect("write");
    cli.ok(&["import", "disk.img:/in", "a.tar"]);
    for (path, mode) in [("dir", "drw-r--r--"), ("dir/file", "-rw-r--r--"), ("link", "lrwxrwxrwx")] {
        let line = cli.text(&["ls", "-ld", &format!("disk.img:/in/{path}")]);
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!((words[0].trim_end_matches('+'), words[2], words[3]), (mode, "0", "0"), "{line}");
    }
    cli.ok(&["check", "disk.img"]);
}
