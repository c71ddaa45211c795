//! A dirty log seen and recovered by the command. The image is one that Linux left dirty.

use std::process::Command;

use serde_json::Value;
use xfskit_tests::cli::Cli;
use xfskit_tests::golden;
use xfskit_tests::mutate::edit_superblock;

const INCOMPAT: usize = 216;
const LOG_INCOMPAT: usize = 220;
const NEEDSREPAIR: u32 = 0x10;

/// A folder with the image whose log is dirty.
fn dirty(name: &str) -> Cli {
    Cli::with_golden(name, "dirty-log")
}

/// Runs the command, which must succeed; returns what it prints and what it says.
fn both(cli: &Cli, args: &[&str]) -> (String, String) {
    let output = cli.output(args);
    let (out, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{args:?}: {said}");
    (out.into_owned(), said.into_owned())
}

/// Entries of a dump that are of this type.
fn of_type(dump: &Value, kind: &str) -> u64 {
    let entries = dump["entries"].as_array().expect("entries");
    entries.iter().filter(|entry| entry["type"] == kind).count() as u64
}

#[test]
fn log_tells_its_ends_and_its_state() {
    let cli = dirty("log-state");
    let text = cli.text(&["log", "disk.img"]);
    for line in
        ["state      dirty: 14 transactions in 30 records to replay", "tail       1:2", "head       1:1297"]
    {
        assert!(text.lines().any(|found| found == line), "{line} is missing in:\n{text}");
    }
    let json = &cli.json(&["log", "disk.img", "--json"])[0];
    assert_eq!(json["state"], "dirty");
    assert_eq!((&json["records"], &json["transactions"]), (&30.into(), &14.into()));
    assert_eq!(json["head"]["block_bb"], 1297);
    let clean = &Cli::with_golden("log-clean", "default").json(&["log", "disk.img", "--dump", "--json"])[0];
    assert_eq!((&clean["state"], &clean["head"]), (&"clean".into(), &clean["tail"]));
    assert_eq!(clean["entries"], Value::Array(Vec::new()));
}

/// What is dumped is what xfs_logprint finds, where there is one: as many records, transactions and items of each type.
#[test]
fn dump_counts_what_logprint_counts() {
    let cli = dirty("log-dump");
    let dump = &cli.json(&["log", "disk.img", "--dump", "--json"])[0];
    let text = cli.text(&["log", "disk.img", "--dump"]);
    let counts = ["record", "transaction", "BUF", "INODE", "ICREATE"].map(|kind| of_type(dump, kind));
    assert_eq!(counts, [30, 14, 246, 1145, 13]);
    let lines = |start: &str| text.lines().filter(|line| line.trim_start().starts_with(start)).count() as u64;
    assert_eq!(["record ", "transaction ", "BUF ", "INODE ", "ICREATE "].map(lines), counts);
    let tool = Command::new("xfs_logprint").arg("-t").arg(cli.path("disk.img")).output();
    let Ok(tool) = tool else { return };
    let said = String::from_utf8_lossy(&tool.stdout);
    let theirs = |start: &str| said.lines().filter(|line| line.starts_with(start)).count() as u64;
    assert_eq!(["LOG REC AT", "TRANS: tid", "BUF: cnt", "INO: cnt", "ICR: cnt"].map(theirs), counts);
}

/// What is damaged is told, and what stands behind it is shown all the same.
#[test]
fn dump_goes_on_behind_what_it_cannot_follow() {
    let cli = dirty("log-damaged");
    let places = |dump: &Value| -> Vec<String> {
        let entries = dump["entries"].as_array().expect("entries").iter();
        entries.filter(|entry| entry["type"] == "record").map(|entry| entry["lsn"].to_string()).collect()
    };
    let args = &["log", "disk.img", "--dump", "--json"];
    let whole = places(&cli.json(args)[0]);
    let mut image = golden::named("dirty-log").image();
    let at = image.windows(8).position(|bytes| bytes == [0xfe, 0xed, 0xba, 0xbe, 0, 0, 0, 1]).expect("a log");
    // Somewhere in a record that is far from both ends, where records may be missing.
    let block: usize =
        whole[17].trim_matches('"').split(':').nth(1).expect("a place").parse().expect("a number");
    image[at + block * 512 + 700] ^= 1;
    cli.write("disk.img", &image);
    let damaged = &cli.json(args)[0];
    assert_eq!(damaged["state"], "refused");
    let mut expected = whole.clone();
    expected.remove(17);
    assert_eq!(places(damaged), expected);
    assert_eq!(of_type(damaged, "lost"), 1);
    let text = cli.text(&["log", "disk.img", "--dump"]);
    assert!(text.contains(&format!("cannot follow block {block} +")), "{text}");
}

/// A record stays until another one is written over it.
#[test]
fn dump_shows_what_a_clean_log_still_holds() {
    let cli = dirty("log-all");
    let args = &["log", "disk.img", "--dump", "--all", "--json"];
    let records = |dump: &Value, needed: bool| {
        let entries = dump["entries"].as_array().expect("entries").iter();
        entries.filter(|entry| entry["type"] == "record" && entry["needed"] == needed).count()
    };
    let before = &cli.json(args)[0];
    // What mkfs left stands before the tail.
    assert_eq!((records(before, true), records(before, false)), (30, 1));
    cli.ok(&["recover", "disk.img"]);
    let after = &cli.json(args)[0];
    assert_eq!(after["state"], "clean");
    assert!(records(after, true) == 0 && records(after, false) > 31, "{}", records(after, false));
    assert!(of_type(after, "transaction") > 14);
    assert_eq!(of_type(after, "lost"), 0);
    assert!(cli.text(&["log", "disk.img", "--dump", "--all"]).contains("\nold record 1:2, "));
    assert!(cli.fails(2, &["log", "disk.img", "--all"]).contains("--dump"));
}

/// A volume that needs repair is left alone, log and all.
#[test]
fn volume_that_needs_repair_is_not_recovered() {
    let cli = Cli::new("log-needsrepair");
    let mut image = golden::named("dirty-log").image();
    edit_superblock(&mut image, INCOMPAT, |bits| bits | NEEDSREPAIR);
    cli.write("disk.img", &image);
    for args in [&["recover", "disk.img"][..], &["recover", "--dry-run", "disk.img"]] {
        let said = cli.fails(1, args);
        assert!(said.contains("NEEDSREPAIR"), "{said}");
    }
    assert_eq!(cli.json(&["info", "disk.img", "--json"])[0]["log"]["state"], "dirty");
    assert!(cli.read("disk.img") == image);
}

/// Whatever only reads shows the volume as it is after recovery, says so in one line, and leaves the image alone.
#[test]
fn reading_a_dirty_image_does_not_change_it() {
    let cli = dirty("log-reading");
    let before = cli.read("disk.img");
    let recovered = dirty("log-reading-recovered");
    recovered.ok(&["recover", "disk.img"]);
    for args in [
        &["ls", "-l", "-R", "disk.img:/"][..],
        &["cat", "disk.img:/files/size-1"],
        &["export", "disk.img:/xattrs"],
        &["stat", "disk.img:/files/size-1"],
        &["df", "disk.img"],
        &["check", "disk.img"],
        &["recover", "--dry-run", "disk.img"],
        &["--read-only", "recover", "--dry-run", "disk.img"],
        &["log", "--dump", "disk.img"],
        &["info", "disk.img"],
    ] {
        let (out, said) = both(&cli, args);
        assert!(!out.is_empty(), "{args:?}");
        let is_told = !args.contains(&"recover") && !args.contains(&"log");
        assert_eq!(said.lines().count(), usize::from(is_told), "{args:?}: {said}");
        assert_eq!(
            said.contains("14 transactions replayed in memory; the image is unchanged"),
            is_told,
            "{said}"
        );
        assert!(cli.read("disk.img") == before, "{args:?} changed the image");
        if is_told && args[0] != "info" {
            assert!(cli.ok(args) == recovered.ok(args), "{args:?} shows something else once recovered");
        }
    }
}

#[test]
fn recover_does_what_the_dry_run_said() {
    let cli = dirty("log-recover");
    assert!(cli.text(&["info", "disk.img"]).contains(", dirty: 14 transactions to replay"));
    assert_eq!(cli.json(&["info", "disk.img", "--json"])[0]["log"]["transactions"], 14);
    let before = cli.read("disk.img");
    let told = &cli.json(&["recover", "disk.img", "--dry-run", "--json"])[0];
    let told_text = cli.text(&["recover", "disk.img", "--dry-run"]);
    assert!(cli.fails(1, &["--read-only", "recover", "disk.img"]).contains("--dry-run"));
    assert!(cli.read("disk.img") == before);

    let (done, said) = both(&cli, &["recover", "disk.img"]);
    assert_eq!(said, "");
    assert_eq!(told["counts"]["transactions"], 14);
    let told_text =
        told_text.replace("would replay", "replayed").replace("nothing was changed", "the log is clean now");
    assert_eq!(done, told_text);
    let recovered = cli.read("disk.img");
    assert!(recovered != before);

    for args in [&["recover", "disk.img"][..], &["recover", "--dry-run", "disk.img"]] {
        let (done, said) = both(&cli, args);
        assert!(done.contains("nothing to do"), "{done}");
        assert_eq!(said, "");
    }
    assert_eq!(cli.json(&["recover", "disk.img", "--json"])[0]["state"], "clean");
    assert!(both(&cli, &["info", "disk.img"]).0.contains(", clean"));
    assert_eq!(cli.json(&["info", "disk.img", "--json"])[0]["log"]["state"], "clean");
    assert!(cli.text(&["log", "disk.img"]).contains("state      clean"));
    assert!(cli.text(&["check", "disk.img"]).contains("sound"));
    assert!(cli.read("disk.img") == recovered, "a clean volume was changed");
}

/// A log with a feature that is not known is told, named, and left alone; what lies in place can be read.
#[test]
fn log_that_is_not_understood_is_left_alone() {
    let cli = Cli::new("log-unknown");
    let mut image = golden::named("dirty-log").image();
    edit_superblock(&mut image, LOG_INCOMPAT, |bits| bits | 1 << 25);
    cli.write("disk.img", &image);
    for args in [&["recover", "disk.img"][..], &["recover", "--dry-run", "disk.img"]] {
        let said = cli.fails(1, args);
        assert!(said.contains("0x2000000"), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
    assert!(cli.text(&["log", "disk.img"]).contains("cannot be replayed here"));
    assert_eq!(cli.json(&["log", "disk.img", "--json"])[0]["state"], "refused");
    let (_, said) = both(&cli, &["ls", "disk.img:/"]);
    assert!(said.contains("without the changes that are only in the log"), "{said}");
    assert!(both(&cli, &["info", "disk.img"]).0.contains(", dirty\n"));
    assert!(cli.read("disk.img") == image);
}
