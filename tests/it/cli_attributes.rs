//! The commands that show and change attributes: what they print is what the tools of Linux print.

use std::process::Command;

use serde_json::json;
use xfskit_tests::cli::Cli;
use xfskit_tests::referee::{Referee, run};

fn has_tool(name: &str) -> bool {
    let found = Command::new(name).arg("--version").output().is_ok();
    if !found {
        xfskit_tests::referee::say(&format!("skipped: no {name}"));
    }
    found
}

#[test]
fn extended_attributes_are_set_and_removed() {
    let cli = Cli::with_volume("setfattr");
    cli.ok(&["touch", "disk.img:/a"]);
    cli.ok(&["setfattr", "-n", "user.text", "-v", "say \\\"hi\\\"", "disk.img:/a"]);
    cli.ok(&["setfattr", "-n", "trusted.hex", "-v", "0x01ff", "disk.img:/a"]);
    cli.ok(&["setfattr", "-n", "security.b64", "-v", "0sAf8=", "disk.img:/a"]);
    cli.ok(&["setfattr", "-n", "user.empty", "disk.img:/a"]);
    let text = cli.text(&["getfattr", "-d", "disk.img:/a"]);
    for line in
        ["user.text=\"say \\\"hi\\\"\"", "trusted.hex=0sAf8=", "security.b64=0sAf8=", "user.empty=\"\""]
    {
        assert!(text.lines().any(|found| found == line), "{line} in {text}");
    }
    cli.ok(&["setfattr", "-x", "user.empty", "disk.img:/a"]);
    assert!(cli.fails(1, &["setfattr", "-x", "user.empty", "disk.img:/a"]).contains("no such attribute"));
    cli.fails(2, &["setfattr", "-n", "text", "disk.img:/a"]);
    cli.fails(2, &["setfattr", "-n", "user.x", "-v", "0xz", "disk.img:/a"]);
    cli.ok(&["check", "disk.img"]);
}

/// setfacl of both sides, getfacl of both sides.
#[test]
fn access_control_lists_read_as_those_of_linux() {
    let Some(referee) = Referee::find() else { return };
    if !has_tool("setfacl") || !has_tool("getfacl") {
        return;
    }
    let cli = Cli::with_volume("setfacl");
    let changes: [&[&str]; 12] = [
        &["-m", "u:1000:rwx,g:55:r-x"],
        &["-m", "u::rw,g::rwx,o::x"],
        &["-n", "-m", "u:7:rwx,m::r"],
        &["-m", "u:7:rwx,g:8:w,m::r", "-x", "u:7"],
        &["-m", "d:u:5:rw,u:6:X"],
        &["-d", "-m", "g:5:rX,u:9:4"],
        &["--set", "u::7,g::5,o::-,u:3:6"],
        &["-m", "u:1:rw,m::x", "-b"],
        &["-m", "d:u:5:rwx,d:m::r", "-x", "u:77"],
        &["-m", "d:o::w,d:g::0", "-k"],
        &["-m", "m::w"],
        &["-x", "m"],
    ];
    // The first of two calls makes something that the second changes: only then do -b and -k have work.
    let calls = |change: &[&str]| -> Vec<Vec<String>> {
        let words: Vec<String> = change.iter().map(|word| (*word).to_owned()).collect();
        match words.last().map(String::as_str) {
            Some("-b" | "-k") => vec![words[..2].to_vec(), words[2..].to_vec()],
            _ => vec![words],
        }
    };
    for (number, change) in changes.iter().enumerate() {
        for kind in ["file", "dir"] {
            let address = format!("disk.img:/{kind}{number}");
            cli.ok(&[if kind == "dir" { "mkdir" } else { "touch" }, &address]);
            if kind == "file" && change.iter().any(|word| word.contains("d:") || *word == "-d") {
                continue;
            }
            for words in calls(change) {
                let mut args = vec!["setfacl"];
                args.extend(words.iter().map(String::as_str));
                args.push(&address);
                cli.ok(&args);
            }
        }
    }
    cli.ok(&["check", "disk.img"]);
    let own = cli.text(&["getfacl", "-R", "disk.img:/"]).replace("disk.img:", "");

    let image = cli.path("disk.img");
    referee.repair_n(&image);
    let mount = referee.mount(&image);
    let shown = |path: &str| {
        let mut command = Command::new("getfacl");
        command.args(["-n", "-p", path]).current_dir(mount.path());
        let text = String::from_utf8(run(&mut command).stdout).expect("text");
        text.replacen("# file: ", "# file: /", 1)
    };
    for (number, change) in changes.iter().enumerate() {
        for kind in ["file", "dir"] {
            let name = format!("{kind}{number}");
            assert!(own.contains(&shown(&name)), "{name} after {change:?}: {} in\n{own}", shown(&name));
            if kind == "file" && change.iter().any(|word| word.contains("d:") || *word == "-d") {
                continue;
            }
            let twin = mount.path().join(format!("twin {name}"));
            if kind == "dir" {
                std::fs::create_dir(&twin).expect("mkdir");
            } else {
                std::fs::write(&twin, b"").expect("create");
            }
            let mode =
                std::os::unix::fs::PermissionsExt::from_mode(if kind == "dir" { 0o755 } else { 0o644 });
            std::fs::set_permissions(&twin, mode).expect("chmod");
            for words in calls(change) {
                run(Command::new("setfacl").args(words).arg(&twin));
            }
            let theirs = shown(&format!("twin {name}")).replace("twin\\040", "").replace("twin ", "");
            assert_eq!(shown(&name), theirs, "setfacl {change:?} of a {kind}");
        }
    }
    mount.unmount();
}

#[test]
fn default_lists_are_inherited_by_what_the_command_makes() {
    let cli = Cli::with_volume("inherited");
    cli.ok(&["mkdir", "disk.img:/d"]);
    cli.ok(&["setfacl", "-m", "d:u:5:rwx,d:g::rwx,d:o::-", "disk.img:/d"]);
    cli.ok(&["touch", "disk.img:/d/file"]);
    cli.ok(&["mkdir", "disk.img:/d/dir"]);
    let lists = cli.json(&["getfacl", "--json", "disk.img:/d/file", "disk.img:/d/dir"]);
    assert_eq!(
        lists[0][0]["access"],
        json!(["user::rw-", "user:5:rwx", "group::rwx", "mask::rw-", "other::---"])
    );
    assert_eq!(lists[0][1]["default"].as_array().map(Vec::len), Some(5));
    cli.ok(&["chmod", "600", "disk.img:/d/file"]);
    assert!(cli.text(&["getfacl", "-c", "disk.img:/d/file"]).contains("mask::---"));
    cli.fails(2, &["setfacl", "-m", "u:root:r", "disk.img:/d"]);
    cli.fails(1, &["setfacl", "-m", "d:u:5:r", "disk.img:/d/file"]);
}

#[test]
fn flags_are_listed_and_changed_as_by_linux() {
    let Some(referee) = Referee::find() else { return };
    if !has_tool("lsattr") {
        return;
    }
    let cli = Cli::with_volume("chattr");
    cli.ok(&["mkdir", "-p", "disk.img:/d/sub"]);
    for letter in ["S", "i", "a", "d", "A", "x"] {
        let address = format!("disk.img:/d/{letter}");
        cli.ok(&["touch", &address]);
        cli.ok(&["chattr", &format!("+{letter}"), &address]);
    }
    cli.ok(&["chattr", "-p", "42", "+P", "disk.img:/d/sub"]);
    cli.ok(&["chattr", "--extsize", "64K", "--cowextsize", "32K", "disk.img:/d/sub"]);
    let own = cli.text(&["lsattr", "-p", "disk.img:/d"]);
    let json = cli.json(&["lsattr", "--json", "-d", "disk.img:/d/sub"]);
    assert_eq!(json[0][0]["extsize"], 65536);
    assert_eq!(json[0][0]["flags"], json!(["projinherit", "extszinherit", "cowextsize", "hasattr"]));
    assert_eq!(json[0][0]["project_id"], 42);
    assert!(cli.fails(1, &["truncate", "--size", "1", "disk.img:/d/i"]).contains("immutable"));
    // All that is asked for, or nothing.
    let before = cli.text(&["lsattr", "-dp", "disk.img:/d"]);
    cli.fails(1, &["chattr", "-p", "7", "--extsize", "4097", "+d", "disk.img:/d"]);
    assert_eq!(cli.text(&["lsattr", "-dp", "disk.img:/d"]), before);
    cli.fails(2, &["chattr", "+q", "disk.img:/d"]);
    cli.fails(2, &["chattr", "disk.img:/d"]);
    let mount = referee.mount(&cli.path("disk.img"));
    let output = run(Command::new("lsattr").args(["-p", "d"]).current_dir(mount.path()));
    let mut theirs: Vec<_> =
        String::from_utf8(output.stdout).expect("text").lines().map(str::to_owned).collect();
    theirs.sort_by_key(|line| line.rsplit('/').next().map(str::to_owned));
    let own: Vec<_> = own.lines().map(|line| line.replace("disk.img:/", "")).collect();
    assert_eq!(own, theirs);
    mount.unmount();
    cli.ok(&["chattr", "-ia", "disk.img:/d/i", "disk.img:/d/a"]);
    cli.ok(&["rm", "-r", "disk.img:/d"]);
    cli.ok(&["check", "disk.img"]);
}

#[test]
fn space_is_allocated_and_taken_back() {
    let cli = Cli::with_volume("fallocate");
    cli.ok(&["fallocate", "-l", "1M", "disk.img:/a"]);
    let blocks = |cli: &Cli| cli.json(&["stat", "--json", "disk.img:/a"])[0][0]["blocks_512"].as_u64();
    assert_eq!(blocks(&cli), Some(2048));
    cli.ok(&["fallocate", "-p", "-o", "64K", "-l", "512K", "disk.img:/a"]);
    assert_eq!(blocks(&cli), Some(1024));
    cli.ok(&["fallocate", "-n", "-o", "1M", "-l", "64K", "disk.img:/a"]);
    let stat = cli.json(&["stat", "--json", "disk.img:/a"]);
    assert_eq!((stat[0][0]["size"].as_u64(), blocks(&cli)), (Some(1 << 20), Some(1152)));
    cli.feed(&["write", "disk.img:/a"], &[7; 10_000]);
    cli.ok(&["fallocate", "-i", "-o", "4096", "-l", "8192", "disk.img:/a"]);
    let bytes = cli.ok(&["cat", "disk.img:/a"]);
    assert!(
        bytes[..4096] == [7; 4096] && bytes[4096..12288] == [0; 8192] && bytes[12288..18192] == [7; 5904]
    );
    cli.ok(&["fallocate", "-c", "-o", "4096", "-l", "8192", "disk.img:/a"]);
    assert_eq!(cli.ok(&["cat", "disk.img:/a"]).len(), 1 << 20);
    assert!(cli.fails(1, &["fallocate", "-c", "-o", "1", "-l", "8192", "disk.img:/a"]).contains("multiples"));
    cli.fails(2, &["fallocate", "-c", "-p", "-l", "8192", "disk.img:/a"]);
    cli.ok(&["check", "disk.img"]);
}
