//! Images mounted through FUSE: what programs and test suites make of them, and what is in the image afterwards.

use std::fs;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, symlink};
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use xfskit_tests::cli::Cli;
use xfskit_tests::fuse::{Mounted, can_mount, suite};
use xfskit_tests::referee::{Referee, run, say, text_of};

/// Checked by us and by Linux, after it was unmounted.
fn judge(cli: &Cli) {
    cli.ok(&["check", "disk.img"]);
    assert_eq!(cli.json(&["--json", "log", "disk.img"])[0]["state"], "clean");
    if let Some(referee) = Referee::find() {
        referee.repair_n(&cli.path("disk.img"));
    }
}

#[test]
fn programs_use_it_like_any_directory() {
    if !can_mount() {
        return;
    }
    let cli = Cli::with_volume("mount");
    let mounted = Mounted::new(&cli, "disk.img", &[]);
    let at = |name: &str| mounted.path().join(name);
    fs::create_dir_all(at("a/b")).expect("mkdir");
    fs::write(at("a/b/file"), vec![7; 100_000]).expect("write");
    fs::hard_link(at("a/b/file"), at("a/again")).expect("link");
    symlink("b/file", at("a/link")).expect("symlink");
    assert_eq!(fs::read(at("a/link")).expect("read").len(), 100_000);
    assert_eq!(fs::metadata(at("a/again")).expect("stat").nlink(), 2);
    fs::write(at("new"), "new").expect("write");
    fs::rename(at("new"), at("a/again")).expect("rename over");
    assert_eq!(fs::metadata(at("a/b/file")).expect("stat").nlink(), 1);
    for number in 0..700 {
        fs::write(at(&format!("a/b/{number:03}")), format!("{number}")).expect("write");
    }
    let mut names: Vec<_> =
        fs::read_dir(at("a/b")).expect("list").map(|e| e.expect("entry").file_name()).collect();
    names.sort();
    assert_eq!(names.len(), 701);
    assert_eq!(names[13], "013");
    assert_eq!(
        fs::remove_dir(at("a/b")).expect_err("not empty").kind(),
        std::io::ErrorKind::DirectoryNotEmpty
    );

    // What is open stays readable when its last name goes.
    let open = fs::File::options().read(true).write(true).open(at("a/b/file")).expect("open");
    fs::remove_file(at("a/b/file")).expect("unlink");
    open.write_all_at(b"still here", 50).expect("write");
    let mut buf = [0; 10];
    open.read_exact_at(&mut buf, 50).expect("read");
    assert_eq!(&buf, b"still here");
    drop(open);

    mounted.stop();
    judge(&cli);
    assert_eq!(cli.text(&["cat", "disk.img:/a/again"]), "new");
    assert_eq!(cli.text(&["ls", "disk.img:/a/b"]).lines().count(), 700);
}

#[test]
fn attributes_and_access_lists_pass_through() {
    if !can_mount() {
        return;
    }
    let cli = Cli::with_volume("mount-attr");
    let mounted = Mounted::new(&cli, "disk.img", &[]);
    let file = mounted.path().join("file");
    let dir = mounted.path().join("dir");
    fs::write(&file, "x").expect("write");
    fs::create_dir(&dir).expect("mkdir");
    run(Command::new("setfattr").args(["-n", "user.note", "-v", "hello"]).arg(&file));
    run(Command::new("setfacl").args(["-m", "u:12:rw"]).arg(&file));
    run(Command::new("setfacl").args(["-d", "-m", "g:34:rx"]).arg(&dir));
    fs::write(dir.join("heir"), "x").expect("write");
    let list = |path: &Path| {
        let output = run(Command::new("getfacl").args(["-nc", "--absolute-names"]).arg(path));
        String::from_utf8(output.stdout).expect("text")
    };
    assert!(list(&file).contains("user:12:rw-"), "{}", list(&file));
    assert!(list(&dir.join("heir")).contains("group:34:r-x"), "{}", list(&dir.join("heir")));
    let names = String::from_utf8(run(Command::new("getfattr").arg(&file)).stdout).expect("text");
    assert!(names.contains("user.note"), "{names}");
    let missing = Command::new("getfattr").args(["-n", "user.none"]).arg(&file).output().expect("start");
    assert!(text_of(&missing).contains("No such attribute"));
    mounted.stop();
    judge(&cli);
    assert!(cli.text(&["getfattr", "-d", "disk.img:/file"]).contains("user.note=\"hello\""));
    assert!(cli.text(&["getfacl", "disk.img:/dir/heir"]).contains("group:34:r-x"));
}

/// What follows from who does something is as on a mount by Linux, which is done the same to.
#[test]
fn who_asks_makes_the_difference_that_it_makes_in_linux() {
    let Some(referee) = Referee::find().filter(|_| can_mount()) else { return };
    let cli = Cli::with_volume("mount-callers");
    std::fs::copy(cli.path("disk.img"), cli.path("linux.img")).expect("copy");
    let linux = referee.mount(&cli.path("linux.img"));
    let theirs = seen_by_callers(linux.path());
    linux.unmount();
    let mounted = Mounted::new(&cli, "disk.img", &["--allow-other"]);
    assert_eq!(seen_by_callers(mounted.path()), theirs);
    mounted.stop();
    judge(&cli);
}

/// Modes after lists were set, and names of attributes, by and to users of whom not all are of the owning group.
fn seen_by_callers(dir: &Path) -> Vec<String> {
    let as_user = |groups: &[&str], program: &str, args: &[&str], path: &Path| {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", "1000", "--regid", "1000"]).args(groups).arg(program).args(args).arg(path);
        command.output().expect("start setpriv")
    };
    fs::set_permissions(dir, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("chmod");
    let mut seen = Vec::new();
    for (number, groups) in
        [&["--clear-groups"][..], &["--groups", "5000"], &["--groups", "5001"]].into_iter().enumerate()
    {
        for (kind, args) in [("access", ["-m", "u:12:rw"]), ("minimal", ["-m", "u::rw"])] {
            let file = dir.join(format!("{kind}-{number}"));
            fs::write(&file, "x").expect("write");
            std::os::unix::fs::chown(&file, Some(1000), Some(5000)).expect("chown");
            fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o2755)).expect("chmod");
            let set = as_user(groups, "setfacl", &args, &file);
            let mode = fs::metadata(&file).expect("stat").mode();
            seen.push(format!("{kind} {number}: {} {mode:o}", set.status));
        }
    }
    let file = dir.join("attributes");
    fs::write(&file, "x").expect("write");
    for name in ["user.one", "trusted.two"] {
        run(Command::new("setfattr").args(["-n", name, "-v", "v"]).arg(&file));
    }
    let list = ["--absolute-names", "-m", "-"];
    for output in [
        as_user(&["--clear-groups"], "getfattr", &list, &file),
        run(Command::new("getfattr").args(list).arg(&file)),
    ] {
        let text = String::from_utf8(output.stdout).expect("text");
        seen.extend(text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned));
    }
    seen
}

#[test]
fn copies_within_it_are_clones() {
    if !can_mount() {
        return;
    }
    let cli = Cli::with_volume("mount-clone");
    let mounted = Mounted::new(&cli, "disk.img", &[]);
    let at = |name: &str| mounted.path().join(name);
    let data: Vec<u8> = (0..1_000_001_u32).map(|index| (index / 7) as u8).collect();
    fs::write(at("file"), &data).expect("write");
    // The standard library copies by copy_file_range.
    fs::copy(at("file"), at("copy")).expect("copy");
    assert_eq!(fs::read(at("copy")).expect("read"), data);
    fs::File::options()
        .write(true)
        .open(at("copy"))
        .expect("open")
        .write_all_at(b"own", 500_000)
        .expect("write");
    mounted.stop();
    judge(&cli);
    let listed = &cli.json(&["--json", "extents", "disk.img:/copy"])[0][0];
    let extents = listed["extents"].as_array().expect("extents");
    let is_shared = |extent: &Value| extent["flags"].as_array().expect("flags").contains(&"shared".into());
    let shared: Vec<bool> = extents.iter().map(is_shared).collect();
    assert_eq!(shared, [true, false, true], "{listed}");
}

#[test]
fn a_directory_in_use_stays_mounted() {
    if !can_mount() {
        return;
    }
    let cli = Cli::with_volume("mount-busy");
    let mounted = Mounted::new(&cli, "disk.img", &[]);
    let mut user = Command::new("sleep").arg("1000").current_dir(mounted.path()).spawn().expect("start");
    mounted.interrupt();
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert!(mounted.is_mounted());
    fs::write(mounted.path().join("still"), "works").expect("write");
    user.kill().expect("kill our own");
    user.wait().expect("wait");
    mounted.stop();
    assert_eq!(cli.text(&["cat", "disk.img:/still"]), "works");
}

#[test]
fn read_only_when_asked_to() {
    if !can_mount() {
        return;
    }
    let cli = Cli::with_volume("mount-ro");
    cli.write("file", "here");
    cli.ok(&["cp", "file", "disk.img:/file"]);
    let before = cli.read("disk.img");
    let mounted = Mounted::new(&cli, "disk.img", &["--read-only"]);
    assert_eq!(fs::read_to_string(mounted.path().join("file")).expect("read"), "here");
    let refused = fs::write(mounted.path().join("new"), "x").expect_err("read-only");
    assert_eq!(refused.kind(), std::io::ErrorKind::ReadOnlyFilesystem);
    mounted.stop();
    assert!(cli.read("disk.img") == before, "the image has changed");
}

/// Modules, a library, a program and its test: what a small C project is made of.
#[test]
fn a_c_project_builds_in_it() {
    let has = |program: &str| Command::new(program).arg("--version").output().is_ok();
    if !can_mount() || !["make", "cc", "ar"].into_iter().all(has) {
        return say("skipped: no FUSE, or no make, cc or ar");
    }
    let cli = Cli::with_volume("mount-c");
    let mounted = Mounted::new(&cli, "disk.img", &[]);
    let project = mounted.path().join("project");
    write_project(&project);
    let make = |target: &str| {
        let output = run(Command::new("make").arg("-j2").arg("-C").arg(&project).arg(target));
        text_of(&output)
    };
    assert!(make("check").contains("sum 190"));
    assert!(!make("check").contains("cc -c"), "built again without a reason");
    fs::write(project.join("m3.c"), "int m3(void) { return 1003; }\n").expect("write");
    let again = make("check");
    assert!(again.contains("sum 1190") && again.matches("cc -c").count() == 1, "{again}");
    mounted.stop();
    judge(&cli);
    // The program that the image holds is a program still.
    cli.ok(&["cp", "-p", "disk.img:/project/program", "program"]);
    assert!(text_of(&run(&mut Command::new(cli.path("program")))).contains("sum 1190"));
}

fn write_project(project: &Path) {
    fs::create_dir_all(project).expect("mkdir");
    let (mut header, mut sum) = (String::new(), String::new());
    for module in 0..20 {
        let body = format!("#include \"all.h\"\nint m{module}(void) {{ return {module}; }}\n");
        fs::write(project.join(format!("m{module}.c")), body).expect("write");
        header += &format!("int m{module}(void);\n");
        sum += &format!(" + m{module}()");
    }
    fs::write(project.join("all.h"), header).expect("write");
    let main = format!(
        "#include <stdio.h>\n#include \"all.h\"\nint main(void) {{ printf(\"sum %d\\n\", 0{sum}); return 0; }}\n"
    );
    fs::write(project.join("main.c"), main).expect("write");
    let makefile = "\
OBJECTS := $(patsubst %.c,%.o,$(wildcard m[0-9]*.c))
program: main.o libm.a
\tcc -o $@ main.o libm.a
libm.a: $(OBJECTS)
\trm -f $@ && ar rcs $@ $(OBJECTS)
%.o: %.c
\tcc -c -o $@ $<
check: program
\t./program
";
    fs::write(project.join("Makefile"), makefile).expect("write");
}

/// Every case of pjdfstest that can be asked here passes.
#[test]
fn pjdfstest() {
    let (true, Some(program)) = (can_mount(), suite("pjdfstest")) else { return };
    let cli = Cli::with_volume("mount-pjdfstest");
    let mounted = Mounted::new(&cli, "disk.img", &[]);
    run(Command::new("chmod").arg("755").arg(mounted.path()));
    cli.write("pjdfstest.toml", PJDFSTEST);
    let mut command = Command::new(program);
    command.arg("-c").arg(cli.path("pjdfstest.toml")).arg("-p").arg(mounted.path());
    let output = command.current_dir(cli.path(".")).output().expect("start pjdfstest");
    let said = text_of(&output);
    let summary = said.lines().find(|line| line.starts_with("Summary:")).unwrap_or("no summary");
    assert!(output.status.success() && summary.starts_with("Summary: 0 failed"), "{summary}\n{said}");
    let skipped: Vec<&str> = said.lines().filter(|line| line.ends_with(" skipped")).collect();
    say(&format!("pjdfstest: {summary}"));
    for line in &skipped {
        let (case, _) = line.split_once(' ').expect("a name");
        let reason = SKIPPED.iter().find(|(part, _)| case.contains(part));
        assert!(reason.is_some(), "{case} was skipped, and there is no reason for it");
    }
    mounted.stop();
    judge(&cli);
}

/// Which cases of pjdfstest can't be asked here, and why.
const SKIPPED: [(&str, &str); 3] = [
    ("erofs", "FUSE lets Linux alone make a mount read-only while it is there; tested by a read-only mount"),
    ("exdev_target", "takes a second filesystem, and Linux answers before anything reaches this one"),
    ("link_count_max", "FUSE has no way to tell the limit (2^31 - 1), and so many links take days"),
];

const PJDFSTEST: &str = r#"
[features]
posix_fallocate = {}
rename_ctime = {}
utimensat = {}
utime_now = {}
[settings]
naptime = 0.01
allow_remount = false
[dummy_auth]
entries = [["nobody", "nogroup"], ["daemon", "daemon"]]
"#;

/// Three files at once, each worked on by fsx with a seed of its own.
#[test]
fn fsx() {
    let (true, Some(program)) = (can_mount(), suite("fsx")) else { return };
    let cli = Cli::with_volume("mount-fsx");
    let mounted = Mounted::new(&cli, "disk.img", &[]);
    cli.write("fsx.toml", FSX);
    std::thread::scope(|scope| {
        for seed in ["1", "2", "3"] {
            let mut command = Command::new(&program);
            command.args(["-q", "-N", "100000", "-S", seed, "-f"]).arg(cli.path("fsx.toml"));
            command.arg("-P").arg(cli.path(".")).arg(mounted.path().join(seed));
            scope.spawn(move || run(&mut command));
        }
    });
    mounted.stop();
    judge(&cli);
}

const FSX: &str = "\
flen = 1048576
[opsize]
max = 65536
[weights]
close_open = 1.0
invalidate = 1.0
mapread = 5.0
mapwrite = 5.0
read = 10.0
write = 10.0
truncate = 5.0
fsync = 0.05
fdatasync = 0.05
posix_fallocate = 2.0
punch_hole = 3.0
sendfile = 2.0
copy_file_range = 5.0
";
