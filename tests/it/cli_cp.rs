//! How `cp` reads its target, what it leaves alone, and that nobody listening is no reason to stop.

use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, symlink};
use std::process::Stdio;

use xfskit_tests::cli::Cli;

/// The target is read as coreutils read it.
#[test]
fn directories_take_sources_in_and_other_names_are_given() {
    let cli = Cli::with_volume("cp-target");
    cli.write("in/sub/a", b"a");
    cli.write("b", b"b");
    cli.ok(&["cp", "-r", "in", "disk.img:/new"]);
    cli.ok(&["cp", "-r", "in", "disk.img:/new"]);
    cli.ok(&["cp", "b", "in/sub/a", "disk.img:/new/"]);
    cli.ok(&["cp", "-r", "in/.", "disk.img:/new/sub"]);
    let listed = cli.text(&["ls", "-R", "disk.img:/new"]);
    let names: Vec<&str> = listed.lines().filter(|line| !line.is_empty()).collect();
    assert_eq!(
        names,
        [
            "disk.img:/new:",
            "a",
            "b",
            "in",
            "sub",
            "disk.img:/new/in:",
            "sub",
            "disk.img:/new/in/sub:",
            "a",
            "disk.img:/new/sub:",
            "a",
            "sub",
            "disk.img:/new/sub/sub:",
            "a",
        ]
    );
    cli.fails(1, &["cp", "b", "in/sub/a", "disk.img:/new/a"]);
    cli.fails(1, &["cp", "b", "disk.img:/missing/"]);
    cli.fails(1, &["cp", "in", "disk.img:/other"]);
    cli.fails(1, &["cp", "-r", "disk.img:/new", "disk.img:/new/in"]);
    cli.fails(1, &["cp", "disk.img:/new/a", "disk.img:/new/a"]);
    assert_eq!(cli.ok(&["cat", "disk.img:/new/a"]), b"a");
    cli.ok(&["check", "disk.img"]);
}

/// Holes are neither written on the way in nor on the way out.
#[test]
fn holes_stay_holes_both_ways() {
    let cli = Cli::with_volume("cp-holes");
    cli.write("in", b"start");
    let file = std::fs::OpenOptions::new().write(true).open(cli.path("in")).expect("open");
    file.set_len(64 << 20).expect("grow");
    drop(file);
    cli.ok(&["cp", "in", "disk.img:/sparse"]);
    cli.ok(&["cp", "--reflink=never", "disk.img:/sparse", "disk.img:/copy"]);
    cli.ok(&["cp", "disk.img:/copy", "out"]);
    assert_eq!(cli.text(&["extents", "disk.img:/copy"]).lines().count(), 3);
    assert!(std::fs::metadata(cli.path("out")).expect("stat").blocks() < 1024);
    assert!(cli.read("out") == cli.read("in"));
}

/// Below the target nothing is followed; the image itself is not copied into itself.
#[test]
fn links_of_the_host_are_not_written_through() {
    let cli = Cli::with_volume("cp-links");
    cli.write("tree/dir/file", b"new");
    cli.write("outside/file", b"old");
    cli.ok(&["cp", "-r", "tree", "disk.img:/tree"]);
    std::fs::create_dir_all(cli.path("out/tree")).expect("mkdir");
    symlink("../../outside", cli.path("out/tree/dir")).expect("symlink");
    assert!(cli.fails(1, &["cp", "-r", "disk.img:/tree", "out"]).contains("symbolic link"));
    assert_eq!(cli.read("outside/file"), b"old");
    assert!(cli.fails(1, &["cp", "-r", ".", "disk.img:/all"]).contains("is the image itself"));
    cli.ok(&["check", "disk.img"]);
}

/// What can't be made does not cost what is in its place.
#[test]
fn what_fails_replaces_nothing() {
    let cli = Cli::with_volume("cp-over");
    cli.ok(&["mkdir", "disk.img:/dir"]);
    cli.feed(&["write", "disk.img:/dir/link"], b"old");
    std::fs::create_dir_all(cli.path("dir")).expect("mkdir");
    // Longer than a symbolic link of XFS may be.
    symlink("x".repeat(2000), cli.path("dir/link")).expect("symlink");
    cli.fails(1, &["cp", "-r", "dir", "disk.img:/"]);
    assert_eq!(cli.ok(&["cat", "disk.img:/dir/link"]), b"old");
    std::fs::remove_file(cli.path("dir/link")).expect("remove");
    symlink("short", cli.path("dir/link")).expect("symlink");
    cli.ok(&["cp", "-r", "dir", "disk.img:/"]);
    assert!(cli.text(&["ls", "-l", "disk.img:/dir"]).contains("link -> short"));
    assert_eq!(cli.text(&["ls", "-a", "disk.img:/dir"]), ".\n..\nlink\n");
    cli.ok(&["check", "disk.img"]);
}

/// Copied out with all that an archive keeps: several names of one inode stay that, and nodes are nodes.
#[test]
fn names_and_nodes_are_kept_on_the_way_out() {
    let cli = Cli::with_volume("cp-out");
    cli.ok(&["mkdir", "-p", "disk.img:/d/sub"]);
    cli.feed(&["write", "disk.img:/d/a"], b"contents");
    cli.ok(&["ln", "disk.img:/d/a", "disk.img:/d/sub/b"]);
    cli.ok(&["ln", "-s", "a", "disk.img:/d/link"]);
    cli.ok(&["ln", "disk.img:/d/link", "disk.img:/d/sub/link"]);
    cli.ok(&["mkfifo", "disk.img:/d/fifo"]);
    cli.ok(&["chown", "5:6", "disk.img:/d/fifo"]);
    cli.ok(&["chmod", "0642", "disk.img:/d/fifo"]);
    cli.fails(1, &["cp", "disk.img:/d/fifo", "fifo"]);
    cli.ok(&["cp", "-a", "disk.img:/d", "out"]);
    let stat = |name: &str| std::fs::symlink_metadata(cli.path(name)).expect(name);
    for names in [["out/a", "out/sub/b"], ["out/link", "out/sub/link"]] {
        let [one, other] = names.map(stat);
        assert_eq!((one.ino(), one.nlink()), (other.ino(), 2), "{names:?}");
    }
    assert_eq!(cli.read("out/sub/b"), b"contents");
    let fifo = stat("out/fifo");
    assert!(fifo.file_type().is_fifo());
    assert_eq!(fifo.mode() & 0o7777, 0o642);
    if rustix::process::geteuid().is_root() {
        assert_eq!((fifo.uid(), fifo.gid()), (5, 6));
        cli.ok(&["mknod", "disk.img:/d/null", "c", "1", "3"]);
        cli.ok(&["cp", "-a", "disk.img:/d/null", "null"]);
        assert_eq!(stat("null").rdev(), rustix::fs::makedev(1, 3));
    }
    // A name that is there already gives way, and is not written through.
    cli.write("again/d/a", b"old");
    cli.write("again/d/sub/b", b"old");
    cli.ok(&["cp", "-a", "disk.img:/d/", "again"]);
    assert_eq!(stat("again/d/a").ino(), stat("again/d/sub/b").ino());
    assert_eq!(cli.read("again/d/sub/b"), b"contents");
    assert_eq!(std::fs::read_dir(cli.path("again/d/sub")).expect("list").count(), 2);
}

/// A program loses setuid when it changes hands.
#[test]
fn chown_takes_setuid_away() {
    let cli = Cli::with_volume("chown");
    cli.ok(&["touch", "disk.img:/program"]);
    cli.ok(&["chmod", "4755", "disk.img:/program"]);
    cli.ok(&["chown", "7", "disk.img:/program"]);
    assert!(cli.text(&["ls", "-l", "disk.img:/program"]).starts_with("-rwxr-xr-x 1 7 0 "));
}

/// What keeps its owner gets no group from the directory that it comes into.
#[test]
fn owners_are_kept_where_a_directory_passes_its_group_on() {
    let cli = Cli::with_volume("setgid");
    cli.ok(&["mkdir", "disk.img:/from", "disk.img:/to"]);
    cli.feed(&["write", "disk.img:/from/file"], b"x");
    cli.ok(&["chown", "5:6", "disk.img:/from/file"]);
    cli.ok(&["chown", "0:9", "disk.img:/to"]);
    cli.ok(&["chmod", "2775", "disk.img:/to"]);
    cli.ok(&["cp", "-a", "disk.img:/from", "disk.img:/to"]);
    cli.write("in", b"x");
    cli.ok(&["cp", "-p", "in", "disk.img:/to/in"]);
    let owner = |path: &str| {
        let line = cli.text(&["ls", "-ld", &format!("disk.img:/to/{path}")]);
        let words: Vec<String> = line.split_whitespace().take(4).map(str::to_owned).collect();
        (words[0].clone(), words[2].clone(), words[3].clone())
    };
    let of = |mode: &str, uid: u32, gid: u32| (mode.to_owned(), uid.to_string(), gid.to_string());
    assert_eq!(owner("from"), of("drwxr-xr-x", 0, 0));
    assert_eq!(owner("from/file"), of("-rw-r--r--", 5, 6));
    let host = std::fs::metadata(cli.path("in")).expect("stat");
    assert_eq!((owner("in").1, owner("in").2), (host.uid().to_string(), host.gid().to_string()));
}

#[test]
fn closed_outputs_are_no_reason_to_crash() {
    let cli = Cli::with_volume("closed");
    cli.write("in", vec![1; 3 << 20]);
    cli.ok(&["cp", "in", "disk.img:/f"]);
    let mut child =
        cli.command(&["cat", "disk.img:/f", "disk.img:/f"]).stdout(Stdio::piped()).spawn().expect("start");
    drop(child.stdout.take());
    assert_eq!(child.wait().expect("it ends").code(), Some(1));
    let mut child = cli.command(&["ls", "disk.img:/missing"]).stderr(Stdio::piped()).spawn().expect("start");
    drop(child.stderr.take());
    assert_eq!(child.wait().expect("it ends").code(), Some(1));
}
