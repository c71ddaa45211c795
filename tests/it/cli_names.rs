//! Names on the command line: mv, ln, mknod, mkfifo, path, and what cp makes of more than files.

use std::os::unix::fs::{FileTypeExt, MetadataExt, symlink};
use std::process::Command;

use xfskit_tests::cli::Cli;
use xfskit_tests::referee::{Referee, run};

fn ls(cli: &Cli, path: &str) -> Vec<String> {
    cli.text(&["ls", path]).lines().map(str::to_owned).collect()
}

/// Fields of `stat --json` of one path.
fn stat(cli: &Cli, path: &str) -> serde_json::Value {
    let value = cli.json(&["stat", path, "--json"]).remove(0);
    if value.is_array() { value[0].clone() } else { value }
}

#[test]
fn mv_moves_as_coreutils_do() {
    let cli = Cli::with_volume("mv");
    for name in ["a", "b", "c"] {
        cli.feed(&["write", &format!("disk.img:/{name}")], name.as_bytes());
    }
    cli.ok(&["mkdir", "-p", "disk.img:/dir/sub", "disk.img:/empty"]);
    cli.ok(&["mv", "disk.img:/a", "disk.img:/new"]);
    cli.ok(&["mv", "disk.img:/new", "disk.img:/b", "disk.img:/dir"]);
    assert_eq!(ls(&cli, "disk.img:/dir"), ["b", "new", "sub"]);
    cli.ok(&["mv", "disk.img:/dir/new", "disk.img:/c"]);
    assert_eq!(cli.ok(&["cat", "disk.img:/c"]), b"a");
    cli.ok(&["mv", "-n", "disk.img:/dir/b", "disk.img:/c"]);
    assert_eq!(cli.ok(&["cat", "disk.img:/c"]), b"a");
    cli.ok(&["mv", "--exchange", "disk.img:/dir/b", "disk.img:/c"]);
    assert_eq!(cli.ok(&["cat", "disk.img:/c"]), b"b");
    cli.ok(&["mv", "-T", "disk.img:/dir", "disk.img:/empty"]);
    assert_eq!(ls(&cli, "disk.img:/"), ["c", "empty"]);
    cli.ok(&["ln", "disk.img:/c", "disk.img:/link"]);
    cli.ok(&["mv", "disk.img:/link", "disk.img:/c"]);
    assert_eq!(ls(&cli, "disk.img:/"), ["c", "empty"]);
    for (args, why) in [
        (&["disk.img:/c", "disk.img:/c"][..], "same file"),
        (&["disk.img:/empty", "disk.img:/empty/sub"], "below itself"),
        (&["disk.img:/missing", "disk.img:/x"], "no such file"),
        (&["disk.img:/c", "disk.img:/empty", "disk.img:/x"], "not a directory"),
        (&["disk.img:/c", "disk.img:/x/"], "not a directory"),
        (&["-T", "disk.img:/c", "disk.img:/empty"], "is a directory"),
        (&["disk.img:/", "disk.img:/x"], "not a name"),
    ] {
        let said = cli.fails(1, &[&["mv"][..], args].concat());
        assert!(said.contains(why), "{args:?}: {said}");
    }
    cli.fails(2, &["mv", "disk.img:/c", "other.img:/c"]);
    assert_eq!(ls(&cli, "disk.img:/"), ["c", "empty"]);
    cli.ok(&["check", "disk.img"]);
}

#[test]
fn ln_makes_names_and_symbolic_links() {
    let cli = Cli::with_volume("ln");
    cli.feed(&["write", "disk.img:/file"], b"content");
    cli.ok(&["mkdir", "disk.img:/dir"]);
    cli.ok(&["ln", "disk.img:/file", "disk.img:/dir"]);
    cli.ok(&["ln", "-s", "../file", "disk.img:/dir/soft"]);
    cli.ok(&["ln", "-s", "/far/away", "disk.img:/dir"]);
    assert_eq!(ls(&cli, "disk.img:/dir"), ["away", "file", "soft"]);
    assert_eq!(cli.ok(&["cat", "disk.img:/dir/soft"]), b"content");
    assert_eq!(stat(&cli, "disk.img:/file")["nlink"], 2);
    assert!(cli.fails(1, &["ln", "disk.img:/file", "disk.img:/dir/soft"]).contains("exists"));
    cli.ok(&["ln", "-f", "disk.img:/file", "disk.img:/dir/soft"]);
    assert_eq!(stat(&cli, "disk.img:/file")["nlink"], 3);
    cli.ok(&["ln", "-sf", "elsewhere", "disk.img:/dir/away"]);
    assert_eq!(cli.text(&["readlink", "disk.img:/dir/away"]).trim_end(), "elsewhere");
    assert!(cli.fails(1, &["ln", "disk.img:/dir", "disk.img:/x"]).contains("not permitted"));
    assert!(cli.fails(1, &["ln", "-f", "disk.img:/file", "disk.img:/file"]).contains("same file"));
    cli.fails(2, &["ln", "file", "disk.img:/x"]);
    let inode = stat(&cli, "disk.img:/file")["ino"].to_string();
    assert_eq!(cli.text(&["path", "disk.img", "--inode", &inode]), "/dir/file\n/dir/soft\n/file\n");
    let json = cli.json(&["path", "disk.img", "--inode", &inode, "--json"]);
    assert_eq!(json[0][0]["paths"][2], "/file");
    assert!(cli.fails(1, &["path", "disk.img", "--inode", "999999"]).contains("inode 999999"));
    cli.ok(&["check", "disk.img"]);
    cli.ok(&["mkfs", "old.img", "--size", "300M", "--no-parent"]);
    assert!(cli.fails(1, &["path", "old.img", "--inode", "128"]).contains("parent pointers"));
}

#[test]
fn nodes_are_made() {
    let cli = Cli::with_volume("mknod");
    cli.ok(&["mknod", "disk.img:/null", "c", "1", "3"]);
    cli.ok(&["mknod", "-m", "600", "disk.img:/disk", "b", "0x8", "020"]);
    cli.ok(&["mknod", "disk.img:/socket", "s"]);
    cli.ok(&["mkfifo", "disk.img:/one", "disk.img:/two"]);
    let listed = cli.text(&["ls", "-l", "disk.img:/"]);
    let modes: Vec<&str> = listed.lines().skip(1).filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(modes, ["brw-------", "crw-r--r--", "prw-r--r--", "srw-r--r--", "prw-r--r--"]);
    assert_eq!(stat(&cli, "disk.img:/disk")["rdev"], serde_json::json!([8, 16]));
    cli.fails(2, &["mknod", "disk.img:/x", "c"]);
    cli.fails(2, &["mknod", "disk.img:/x", "p", "1", "2"]);
    cli.fails(2, &["mknod", "disk.img:/x", "d"]);
    cli.fails(1, &["mknod", "disk.img:/x", "c", "512", "0"]);
    cli.fails(1, &["mkfifo", "disk.img:/one"]);
    cli.ok(&["check", "disk.img"]);
}

/// A tree with everything in it goes in as it is, is copied inside, and the kernel sees the same.
#[test]
fn cp_copies_links_and_nodes() {
    let cli = Cli::with_volume("cp-nodes");
    cli.write("tree/file", b"content");
    cli.write("tree/sub/other", b"other");
    symlink("../file", cli.path("tree/sub/soft")).expect("symlink");
    symlink("x".repeat(400), cli.path("tree/long")).expect("symlink");
    std::fs::hard_link(cli.path("tree/file"), cli.path("tree/sub/hard")).expect("link");
    run(Command::new("mkfifo").arg(cli.path("tree/fifo")));
    cli.ok(&["cp", "-a", "tree", "disk.img:/tree"]);
    cli.ok(&["cp", "-a", "disk.img:/tree", "disk.img:/copy"]);
    cli.ok(&["cp", "-r", "disk.img:/tree", "disk.img:/plain"]);
    // Once more over what is there.
    cli.ok(&["cp", "-a", "tree/.", "disk.img:/copy"]);
    assert_eq!(stat(&cli, "disk.img:/copy/file")["nlink"], 2);
    assert_eq!(stat(&cli, "disk.img:/copy/file")["ino"], stat(&cli, "disk.img:/copy/sub/hard")["ino"]);
    assert_eq!(stat(&cli, "disk.img:/plain/file")["nlink"], 1);
    assert_eq!(cli.text(&["readlink", "disk.img:/plain/long"]).trim_end(), "x".repeat(400));
    assert!(cli.fails(1, &["cp", "tree/fifo", "disk.img:/x"]).contains("-r"));
    assert!(
        cli.fails(1, &["cp", "-a", "disk.img:/tree/fifo", "disk.img:/tree/fifo"])
            .contains("cannot overwrite")
    );
    cli.ok(&["check", "disk.img"]);
    let Some(referee) = Referee::find() else { return };
    referee.repair_n(&cli.path("disk.img"));
    let mount = referee.mount_read_only(&cli.path("disk.img"));
    for name in ["tree", "copy", "plain"] {
        let top = mount.path().join(name);
        assert!(std::fs::symlink_metadata(top.join("fifo")).expect("stat").file_type().is_fifo());
        assert_eq!(std::fs::read(top.join("sub/soft")).expect("follow"), b"content");
        let links = if name == "plain" { 1 } else { 2 };
        assert_eq!(std::fs::metadata(top.join("sub/hard")).expect("stat").nlink(), links, "{name}");
    }
}
