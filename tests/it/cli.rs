//! The command from outside: what it prints, how it exits, and what it never does.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use xfskit_tests::cli::Cli;
use xfskit_tests::golden;
use xfskit_tests::mutate::{metadata_blocks, twist};
use xfskit_tests::referee::text_of;
use xfskit_tests::rng::pattern;

#[test]
fn help_names_every_command() {
    let cli = Cli::new("help");
    let text = cli.text(&["--help"]);
    for name in [
        "mkfs", "info", "ls", "tree", "stat", "cat", "cp", "write", "mkdir", "rm", "rmdir", "readlink",
        "touch", "truncate", "chmod", "chown", "getfattr", "extents", "df", "du", "export", "check", "log",
        "recover", "mv", "ln", "mknod", "mkfifo", "path",
    ] {
        assert!(text.split_whitespace().any(|word| word == name), "{name} is missing in:\n{text}");
        assert!(!cli.ok(&[name, "--help"]).is_empty());
    }
}

#[test]
fn wrong_usage_exits_with_2() {
    let cli = Cli::new("usage");
    for args in [
        &[][..],
        &["no-such-command"],
        &["ls"],
        &["ls", "--no-such-option", "a:/"],
        &["mkfs"],
        &["cp", "only-one"],
    ] {
        cli.fails(2, args);
    }
}

#[test]
fn failures_exit_with_1_and_say_where() {
    let cli = Cli::with_volume("failures");
    assert!(cli.fails(1, &["cat", "disk.img:/missing"]).contains("/missing"));
    assert!(cli.fails(1, &["ls", "missing.img:/"]).contains("missing.img"));
    cli.write("empty.img", b"");
    cli.fails(1, &["info", "empty.img"]);
    cli.write("noise.img", vec![0x5a; 1 << 20]);
    cli.fails(1, &["info", "noise.img"]);
    assert_eq!(cli.read("noise.img"), vec![0x5a; 1 << 20]);
}

#[test]
fn files_go_in_and_come_out() {
    let cli = Cli::with_volume("in-and-out");
    for size in [0, 1, 4096, 70_000, 3_000_000] {
        let bytes = pattern(size as u64, 0, size);
        cli.write("in", &bytes);
        cli.ok(&["cp", "in", &format!("disk.img:/file-{size}")]);
        assert_eq!(cli.ok(&["cat", &format!("disk.img:/file-{size}")]), bytes);
        cli.ok(&["cp", &format!("disk.img:/file-{size}"), "out"]);
        assert_eq!(cli.read("out"), bytes);
    }
    cli.ok(&["check", "disk.img"]);
}

#[test]
fn trees_go_in_and_come_out_with_modes_and_times() {
    let cli = Cli::with_volume("trees");
    for index in 0..30 {
        cli.write(&format!("in/sub{}/file {index}", index % 4), pattern(index, 0, 100 * index as usize));
    }
    let script = cli.path("in/sub1/script");
    std::fs::write(&script, "#!/bin/sh\n").expect("write");
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o750)).expect("chmod");
    cli.ok(&["cp", "-r", "-p", "in", "disk.img:/tree"]);
    cli.ok(&["check", "disk.img"]);
    cli.ok(&["cp", "-r", "-p", "disk.img:/tree", "out"]);
    same_tree(&cli.path("in"), &cli.path("out"));
    assert_eq!(std::fs::metadata(cli.path("out/sub1/script")).expect("stat").mode() & 0o7777, 0o750);
    cli.ok(&["rm", "-r", "disk.img:/tree"]);
    assert_eq!(cli.text(&["ls", "disk.img:/"]), "");
    cli.ok(&["check", "disk.img"]);
}

fn same_tree(left: &Path, right: &Path) {
    for entry in std::fs::read_dir(left).expect("read a directory") {
        let entry = entry.expect("read an entry");
        let other = right.join(entry.file_name());
        let (ours, theirs) = (entry.metadata().expect("stat"), std::fs::metadata(&other).expect("a copy"));
        assert_eq!(
            (ours.mode(), ours.mtime(), ours.mtime_nsec()),
            (theirs.mode(), theirs.mtime(), theirs.mtime_nsec())
        );
        if ours.is_dir() {
            same_tree(&entry.path(), &other);
        } else {
            assert_eq!(std::fs::read(entry.path()).expect("read"), std::fs::read(other).expect("read"));
        }
    }
}

#[test]
fn clone_shares_until_it_is_written() {
    let cli = Cli::with_volume("clone");
    let bytes = pattern(1, 0, 1 << 20);
    cli.write("in", &bytes);
    cli.ok(&["cp", "in", "disk.img:/a"]);
    assert!(!cli.text(&["extents", "disk.img:/a"]).contains("shared"));
    cli.ok(&["cp", "--reflink=always", "disk.img:/a", "disk.img:/b"]);
    for name in ["disk.img:/a", "disk.img:/b"] {
        assert!(cli.text(&["extents", name]).contains("shared"), "{name}");
    }
    cli.feed(&["write", "disk.img:/b", "--offset", "40960"], b"only in the clone");
    assert_eq!(cli.ok(&["cat", "disk.img:/a"]), bytes);
    let mut changed = bytes.clone();
    changed[40960..40977].copy_from_slice(b"only in the clone");
    assert_eq!(cli.ok(&["cat", "disk.img:/b"]), changed);
    let extents = cli.text(&["extents", "disk.img:/b"]);
    assert!(extents.lines().any(|line| line.contains("shared")), "{extents}");
    cli.ok(&["cp", "--reflink=never", "disk.img:/a", "disk.img:/c"]);
    assert!(!cli.text(&["extents", "disk.img:/c"]).contains("shared"));
    assert_eq!(cli.ok(&["cat", "disk.img:/c"]), bytes);
    cli.ok(&["check", "disk.img"]);
}

#[test]
fn write_creates_extends_and_truncates() {
    let cli = Cli::with_volume("write");
    cli.feed(&["write", "disk.img:/f"], b"0123456789");
    cli.feed(&["write", "disk.img:/f", "--offset", "20"], b"xy");
    assert_eq!(cli.ok(&["cat", "disk.img:/f"]), b"0123456789\0\0\0\0\0\0\0\0\0\0xy");
    cli.feed(&["write", "disk.img:/f", "--truncate"], b"short");
    assert_eq!(cli.ok(&["cat", "disk.img:/f"]), b"short");
    cli.ok(&["truncate", "--size", "8K", "disk.img:/f"]);
    assert_eq!(cli.ok(&["cat", "disk.img:/f"]).len(), 8192);
    cli.ok(&["check", "disk.img"]);
}

#[test]
fn directories_and_attributes_change() {
    let cli = Cli::with_volume("attributes");
    cli.ok(&["mkdir", "-p", "disk.img:/a/b/c"]);
    cli.ok(&["touch", "disk.img:/a/b/c/f"]);
    cli.ok(&["chmod", "640", "disk.img:/a/b/c/f"]);
    cli.ok(&["chown", "1000:100", "disk.img:/a/b/c/f"]);
    let long = cli.text(&["ls", "-l", "disk.img:/a/b/c"]);
    assert!(long.contains("-rw-r-----") && long.contains("1000"), "{long}");
    cli.fails(1, &["rmdir", "disk.img:/a/b"]);
    cli.fails(1, &["rm", "disk.img:/a/b"]);
    cli.fails(1, &["mkdir", "disk.img:/a/b"]);
    cli.ok(&["rm", "disk.img:/a/b/c/f"]);
    cli.ok(&["rmdir", "disk.img:/a/b/c"]);
    cli.ok(&["check", "disk.img"]);
}

/// Damage in each kind of AG header, with a CRC that fits: found, exit status 3.
#[test]
fn check_finds_damage_and_exits_with_3() {
    let cli = Cli::with_golden("damage", "default");
    cli.ok(&["check", "disk.img"]);
    let image = cli.read("disk.img");
    for block in metadata_blocks(&image[..1 << 20]).into_iter().filter(|block| block.range.start < 8192) {
        let mut damaged = image.clone();
        let at = block.range.start + block.crc_at + 1;
        damaged[at] ^= 0x10;
        std::fs::write(cli.path("damaged.img"), &damaged).expect("write");
        let output = cli.output(&["check", "damaged.img"]);
        let is_primary_superblock = block.range.start == 0;
        let wanted = if is_primary_superblock { [1, 3] } else { [3, 3] };
        let code = output.status.code().unwrap_or(-1);
        assert!(wanted.contains(&code), "{}: check exits with {code}", block.magic);
        assert_eq!(cli.read("damaged.img"), damaged, "check changed the image");
    }
}

#[test]
fn listings_come_as_json() {
    let cli = Cli::with_golden("json", "default");
    for args in [
        &["ls", "disk.img:/files"][..],
        &["ls", "-l", "-R", "disk.img:/names"],
        &["tree", "disk.img:/dirs/nested"],
        &["stat", "disk.img:/files/size-1"],
        &["extents", "disk.img:/files/sparse"],
        &["getfattr", "-d", "disk.img:/xattrs/namespaces"],
        &["df", "disk.img"],
        &["du", "disk.img:/files"],
        &["info", "disk.img"],
        &["check", "disk.img"],
        &["log", "disk.img"],
        &["recover", "disk.img"],
    ] {
        let mut with_json = args.to_vec();
        with_json.push("--json");
        assert!(!cli.json(&with_json).is_empty(), "{args:?}");
        assert!(!cli.ok(args).is_empty(), "{args:?}");
    }
}

#[test]
fn read_only_changes_nothing() {
    let cli = Cli::with_golden("read-only", "default");
    let before = cli.read("disk.img");
    cli.fails(1, &["--read-only", "mkdir", "disk.img:/d"]);
    cli.ok(&["--read-only", "ls", "disk.img:/"]);
    cli.ok(&["ls", "disk.img:/"]);
    assert!(cli.read("disk.img") == before);
}

#[test]
fn mkfs_does_not_overwrite_by_accident() {
    let cli = Cli::with_volume("overwrite");
    cli.ok(&["mkdir", "disk.img:/precious"]);
    cli.fails(1, &["mkfs", "disk.img", "--size", "300M"]);
    assert!(cli.text(&["ls", "disk.img:/"]).contains("precious"));
}

#[test]
fn second_writer_is_refused() {
    let cli = Cli::with_volume("locked");
    let mut first = cli.command(&["write", "disk.img:/f"]);
    let mut first = first.stdin(std::process::Stdio::piped()).spawn().expect("start xfskit");
    let mut refused = false;
    for _ in 0..50 {
        std::thread::sleep(std::time::Duration::from_millis(100));
        let second = cli.output(&["mkdir", "disk.img:/d"]);
        if !second.status.success() {
            refused = true;
            break;
        }
        cli.ok(&["rmdir", "disk.img:/d"]);
    }
    drop(first.stdin.take());
    assert!(first.wait().expect("the first writer ends").success());
    assert!(refused, "two writers at once");
    cli.ok(&["check", "disk.img"]);
}

/// Names and symlinks of a hostile image never lead out of the folder that is copied to.
#[test]
fn copying_out_stays_in_the_target_folder() {
    let cli = Cli::new("hostile");
    let mut image = golden::named("default").image();
    twist(&mut image, b"up-escaped", b"../escaped");
    twist(&mut image, b"ab-escaped", b"/x/escaped");
    twist(&mut image, b"i-slash", b"i/slash");
    twist(&mut image, b"i-nul-", b"i\0nul-");
    twist(&mut image, b"dt", b"..");
    // A symlink that leads out, and a directory of the same name with a file to be put behind it.
    twist(&mut image, b"lin2", b"link");
    cli.write("box/disk.img", &image);
    cli.write("box/escaped/keep", b"kept");
    let before = listing(&cli.path("."));
    for source in ["box/disk.img:/innocent", "box/disk.img:/innocent/names"] {
        let _ = std::fs::remove_dir_all(cli.path("box/in/out"));
        std::fs::create_dir_all(cli.path("box/in/out")).expect("mkdir");
        let output = cli.output(&["cp", "-r", "-p", source, "box/in/out"]);
        assert!(!text_of(&output).contains("panicked"), "{}", text_of(&output));
        std::fs::remove_dir_all(cli.path("box/in")).expect("remove the target");
        assert_eq!(listing(&cli.path(".")), before, "{source} got out");
    }
    let _ = cli.output(&["export", "box/disk.img:/innocent"]);
    let _ = cli.output(&["ls", "-R", "box/disk.img:/"]);
}

/// All paths below a folder, with sizes.
fn listing(dir: &Path) -> Vec<(PathBuf, u64)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).expect("read a directory") {
        let entry = entry.expect("read an entry");
        let stat = entry.metadata().expect("stat");
        found.push((entry.path(), if stat.is_dir() { 0 } else { stat.len() }));
        if stat.is_dir() {
            found.extend(listing(&entry.path()));
        }
    }
    found.sort();
    found
}
