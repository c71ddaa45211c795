//! What is timed, and at most how much of the kernel's time it may take.

use crate::images::{
    self, APPENDS, ARCHIVE, BIG, BIG_BYTES, CLONED, DIRTY, EMPTY, FILES, FRAGMENTED, MILLION, NAMES,
    OVERWRITES, SEED,
};
use crate::kernel::{count_extents, with_mount};
use crate::lab::{IMAGE, Lab, MOUNT, Runner, TREE};

/// What the page cache holds when the clock starts.
pub(crate) enum Cache {
    /// The image and the tree.
    Warm,
    /// Nothing.
    Cold,
}

/// One row of the table.
pub(crate) struct Work {
    pub(crate) name: &'static str,
    /// Of the kernel's time.
    pub(crate) limit: f64,
    /// What it starts from; nothing for mkfs.
    pub(crate) image: Option<&'static str>,
    pub(crate) cache: Cache,
    pub(crate) kernel: fn(&Lab) -> Result<(), String>,
    pub(crate) ours: fn(&Lab, Runner) -> Result<(), String>,
    /// The file whose extents are counted afterwards.
    pub(crate) counted: Option<&'static str>,
}

/// The whole table.
pub(crate) fn all() -> Vec<Work> {
    let work = |name, limit, image, kernel, ours| Work {
        name,
        limit,
        image: Some(image),
        cache: Cache::Warm,
        kernel,
        ours,
        counted: None,
    };
    vec![
        Work { image: None, ..work("mkfs", 1.5, EMPTY, images::mkfs, our_mkfs) },
        work("20 000 files copied in", 0.7, EMPTY, kernel_copy_in, our_copy_in),
        work("100 000 files unpacked from an archive", 0.5, EMPTY, kernel_import, our_import),
        work("512 MiB sequential write", 1.2, EMPTY, kernel_write, our_write),
        Work { cache: Cache::Cold, ..work("512 MiB sequential read, cold", 1.2, BIG, kernel_read, our_read) },
        work("512 MiB sequential read, warm", 1.2, BIG, kernel_read, our_read),
        work("clone of 512 MiB in one extent", 1.5, BIG, kernel_clone, our_clone),
        Work {
            counted: Some("/clone"),
            ..work("20 000 random overwrites of the clone", 0.7, CLONED, kernel_overwrite, our_overwrite)
        },
        work("clone of the fragmented file", 0.2, FRAGMENTED, kernel_clone_again, our_clone_again),
        work("20 000 files removed", 0.7, FILES, kernel_remove, our_remove),
        work("2 000 appends of 4 KiB, each with fsync", 1.0, EMPTY, kernel_append, our_append),
        work("recovery of a full log of 64 MiB", 1.0, DIRTY, kernel_recover, our_recover),
        work("directory of a million names, made", 1.0, EMPTY, kernel_make_names, our_make_names),
        Work {
            cache: Cache::Cold,
            ..work("directory of a million names, one looked up, cold", 1.0, MILLION, kernel_find, our_find)
        },
        Work {
            cache: Cache::Cold,
            ..work("directory of a million names, listed, cold", 1.0, MILLION, kernel_list, our_list)
        },
        work("directory of a million names, removed", 1.0, MILLION, kernel_empty, our_empty),
    ]
}

/// The extents of the work's counted file as the image stands now.
pub(crate) fn extents(lab: &Lab, work: &Work) -> Result<Option<f64>, String> {
    work.counted.map(|file| count_extents(lab, file)).transpose()
}

fn mounted(file: &str) -> String {
    format!("{MOUNT}/{file}")
}

fn inside(file: &str) -> String {
    format!("{IMAGE}:/{file}")
}

fn our_mkfs(lab: &Lab, runner: Runner) -> Result<(), String> {
    lab.run(&mut lab.xfskit(runner, &["mkfs", IMAGE, "--size", "4G"]))
}

fn kernel_copy_in(lab: &Lab) -> Result<(), String> {
    with_mount(lab, |lab| lab.run(lab.host("cp").args(["-a", TREE, &mounted(TREE)])))()
}

fn our_copy_in(lab: &Lab, runner: Runner) -> Result<(), String> {
    lab.run(&mut lab.xfskit(runner, &["cp", "-r", "-p", TREE, &inside(TREE)]))
}

fn kernel_import(lab: &Lab) -> Result<(), String> {
    with_mount(lab, |lab| lab.run(lab.host("tar").args(["-x", "-p", "-f", ARCHIVE, "-C", MOUNT])))()
}

fn our_import(lab: &Lab, runner: Runner) -> Result<(), String> {
    lab.run(&mut lab.xfskit(runner, &["import", &inside(""), ARCHIVE]))
}

fn kernel_write(lab: &Lab) -> Result<(), String> {
    let write =
        |lab: &Lab| lab.run(&mut lab.worker(Runner::Host, &["host", "write", &mounted("big"), BIG_BYTES]));
    with_mount(lab, write)()
}

fn our_write(lab: &Lab, runner: Runner) -> Result<(), String> {
    lab.run(&mut lab.worker(runner, &["image", IMAGE, "write", "/big", BIG_BYTES]))
}

fn kernel_read(lab: &Lab) -> Result<(), String> {
    with_mount(lab, |lab| lab.run(&mut lab.worker(Runner::Host, &["host", "read", &mounted("big")])))()
}

fn our_read(lab: &Lab, runner: Runner) -> Result<(), String> {
    lab.run(&mut lab.worker(runner, &["image", IMAGE, "read", "/big"]))
}

fn kernel_clone(lab: &Lab) -> Result<(), String> {
    let (from, to) = (mounted("big"), mounted("clone"));
    with_mount(lab, |lab| lab.run(lab.host("cp").args(["--reflink=always", &from, &to])))()
}

fn our_clone(lab: &Lab, runner: Runner) -> Result<(), String> {
    lab.run(&mut lab.xfskit(runner, &["cp", "--reflink=always", &inside("big"), &inside("clone")]))
}

fn kernel_overwrite(lab: &Lab) -> Result<(), String> {
    let args = ["host", "overwrite", &mounted("clone"), OVERWRITES, SEED];
    with_mount(lab, |lab| lab.run(&mut lab.worker(Runner::Host, &args)))()
}

fn our_overwrite(lab: &Lab, runner: Runner) -> Result<(), String> {
    lab.run(&mut lab.worker(runner, &["image", IMAGE, "overwrite", "/clone", OVERWRITES, SEED]))
}

fn kernel_clone_again(lab: &Lab) -> Result<(), String> {
    let (from, to) = (mounted("clone"), mounted("again"));
    with_mount(lab, |lab| lab.run(lab.host("cp").args(["--reflink=always", &from, &to])))()
}

fn our_clone_again(lab: &Lab, runner: Runner) -> Result<(), String> {
    lab.run(&mut lab.xfskit(runner, &["cp", "--reflink=always", &inside("clone"), &inside("again")]))
}

fn kernel_remove(lab: &Lab) -> Result<(), String> {
    with_mount(lab, |lab| lab.run(lab.host("rm").args(["-r", &mounted(TREE)])))()
}

fn our_remove(lab: &Lab, runner: Runner) -> Result<(), String> {
    lab.run(&mut lab.xfskit(runner, &["rm", "-r", &inside(TREE)]))
}

fn kernel_append(lab: &Lab) -> Result<(), String> {
    let args = ["host", "append", &mounted("log"), APPENDS];
    with_mount(lab, |lab| lab.run(&mut lab.worker(Runner::Host, &args)))()
}

fn our_append(lab: &Lab, runner: Runner) -> Result<(), String> {
    lab.run(&mut lab.worker(runner, &["image", IMAGE, "append", "/log", APPENDS]))
}

fn kernel_recover(lab: &Lab) -> Result<(), String> {
    with_mount(lab, |_| Ok(()))()
}

fn our_recover(lab: &Lab, runner: Runner) -> Result<(), String> {
    lab.run(&mut lab.xfskit(runner, &["recover", IMAGE]))
}

/// Any one of the million.
const WANTED: &str = "654321";

fn kernel_names(lab: &Lab, words: &[&str]) -> Result<(), String> {
    let dir = mounted("names");
    let (work, rest) = (words[0], &words[1..]);
    let args = [&["host", work, &dir], rest].concat();
    with_mount(lab, |lab| lab.run(&mut lab.worker(Runner::Host, &args)))()
}

fn our_names(lab: &Lab, runner: Runner, words: &[&str]) -> Result<(), String> {
    let (work, rest) = (words[0], &words[1..]);
    lab.run(&mut lab.worker(runner, &[&["image", IMAGE, work, "/names"], rest].concat()))
}

fn kernel_make_names(lab: &Lab) -> Result<(), String> {
    kernel_names(lab, &["make", NAMES])
}

fn our_make_names(lab: &Lab, runner: Runner) -> Result<(), String> {
    our_names(lab, runner, &["make", NAMES])
}

fn kernel_find(lab: &Lab) -> Result<(), String> {
    kernel_names(lab, &["find", WANTED])
}

fn our_find(lab: &Lab, runner: Runner) -> Result<(), String> {
    our_names(lab, runner, &["find", WANTED])
}

fn kernel_list(lab: &Lab) -> Result<(), String> {
    kernel_names(lab, &["list", NAMES])
}

fn our_list(lab: &Lab, runner: Runner) -> Result<(), String> {
    our_names(lab, runner, &["list", NAMES])
}

fn kernel_empty(lab: &Lab) -> Result<(), String> {
    kernel_names(lab, &["empty"])
}

fn our_empty(lab: &Lab, runner: Runner) -> Result<(), String> {
    our_names(lab, runner, &["empty"])
}
