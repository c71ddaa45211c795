//! The images that works start from, all made by mkfs.xfs and the kernel, once per folder.

use std::fs;
use std::time::Instant;

use crate::kernel::with_mount;
use crate::lab::{IMAGE, Lab, MOUNT, Runner, TREE};

/// A new volume of 4 GiB.
pub(crate) const EMPTY: &str = "empty.img";
/// One file of 512 MiB.
pub(crate) const BIG: &str = "big.img";
/// That file and a clone of it.
pub(crate) const CLONED: &str = "cloned.img";
/// That clone after its random overwrites.
pub(crate) const FRAGMENTED: &str = "fragmented.img";
/// The tree of 20 000 files.
pub(crate) const FILES: &str = "files.img";

/// An archive of that tree five times over.
pub(crate) const ARCHIVE: &str = "tree.tar";
/// That tree with its attributes changed so often that the log is full, after a crash.
pub(crate) const DIRTY: &str = "dirty.img";

/// A directory of a million empty files, and no more.
pub(crate) const MILLION: &str = "million.img";
/// How many that is.
pub(crate) const NAMES: &str = "1000000";

/// 512 MiB.
pub(crate) const BIG_BYTES: &str = "536870912";
/// How many random overwrites of 4 KiB.
pub(crate) const OVERWRITES: &str = "20000";
/// The overwrites' seed: the same file blocks on both sides.
pub(crate) const SEED: &str = "7";

/// How many appends, each with an fsync.
pub(crate) const APPENDS: &str = "2000";
/// Changes of all attributes that fill a log of 64 MiB, about 5 MiB each.
const CHANGES: usize = 11;

const GROUPS: usize = 10;
const DIRECTORIES_EACH: usize = 20;
const FILES_EACH: usize = 100;
const FILE_BYTES: usize = 4096;

/// Makes what is missing.
pub(crate) fn prepare(lab: &Lab) -> Result<(), String> {
    make_tree(lab)?;
    make_archive(lab)?;
    make(lab, EMPTY, None, &[])?;
    let big = format!("{MOUNT}/big");
    let clone = format!("{MOUNT}/clone");
    let worker = lab.worker(Runner::Host, &[]).get_program().to_string_lossy().into_owned();
    make(lab, BIG, Some(EMPTY), &[&worker, "host", "write", &big, BIG_BYTES])?;
    make(lab, CLONED, Some(BIG), &["cp", "--reflink=always", &big, &clone])?;
    make(lab, FRAGMENTED, Some(CLONED), &[&worker, "host", "overwrite", &clone, OVERWRITES, SEED])?;
    make(lab, FILES, Some(EMPTY), &["cp", "-a", TREE, &format!("{MOUNT}/{TREE}")])?;
    make(lab, MILLION, Some(EMPTY), &[&worker, "host", "make", &format!("{MOUNT}/names"), NAMES])?;
    make_dirty(lab)
}

/// Packs the tree several times, each time below another directory.
fn make_archive(lab: &Lab) -> Result<(), String> {
    if lab.folder.join(ARCHIVE).exists() {
        return Ok(());
    }
    let script = format!(
        "set -e; rm -f partial.tar; for n in 1 2 3 4 5; do \
           tar -rf partial.tar --format=pax --transform \"s,^,copy-$n/,\" {TREE}; \
         done; mv partial.tar {ARCHIVE}"
    );
    lab.run(lab.host("sh").args(["-c", &script]))
}

/// Attributes of all files change again and again, each time made durable in the log; then the plug is pulled.
fn make_dirty(lab: &Lab) -> Result<(), String> {
    if lab.folder.join(DIRTY).exists() {
        return Ok(());
    }
    let script = format!(
        "set -e; mount -t xfs -o loop,nouuid {IMAGE} {MOUNT}; trap 'umount {MOUNT}' EXIT; \
         for n in $(seq {CHANGES}); do \
           find {MOUNT}/{TREE} -type f -exec chmod $((600 + n % 8)) {{}} +; xfs_io -c syncfs {MOUNT}; \
         done; \
         xfs_io -x -c 'shutdown -f' {MOUNT}"
    );
    lab.restore(FILES)?;
    lab.run(lab.host("sh").args(["-c", &script]))?;
    fs::rename(lab.folder.join(IMAGE), lab.folder.join(DIRTY)).map_err(|error| error.to_string())
}

/// Makes `image` from the one `before` by a command on its mount; without `before`, by mkfs.xfs.
fn make(lab: &Lab, image: &str, before: Option<&str>, words: &[&str]) -> Result<(), String> {
    if lab.folder.join(image).exists() {
        return Ok(());
    }
    let begun = Instant::now();
    match (before, words) {
        (Some(before), [program, args @ ..]) => {
            lab.restore(before)?;
            with_mount(lab, |lab| lab.run(lab.host(program).args(args)))()?;
        }
        _ => {
            lab.remove_image()?;
            mkfs(lab)?;
        }
    }
    fs::rename(lab.folder.join(IMAGE), lab.folder.join(image)).map_err(|error| error.to_string())?;
    println!("prepared {image} in {:.1} s", begun.elapsed().as_secs_f64());
    Ok(())
}

/// The features that both sides work on.
pub(crate) fn mkfs(lab: &Lab) -> Result<(), String> {
    let data = format!("file,name={IMAGE},size=4g");
    lab.run(lab.host("mkfs.xfs").args(["-q", "-m", "rmapbt=1,reflink=1", "-d", &data]))
}

/// The tree of small files, each different from the others.
fn make_tree(lab: &Lab) -> Result<(), String> {
    let tree = lab.folder.join(TREE);
    if tree.exists() {
        return Ok(());
    }
    let partial = lab.folder.join("tree.partial");
    let make = || -> std::io::Result<()> {
        for directory in 0..GROUPS * DIRECTORIES_EACH {
            let group = format!("group-{}", directory / DIRECTORIES_EACH);
            let folder = partial.join(group).join(format!("directory-{directory:03}"));
            fs::create_dir_all(&folder)?;
            for file in 0..FILES_EACH {
                let line = format!("{directory:03}/{file:03} of the small files\n");
                let bytes: Vec<u8> = line.bytes().cycle().take(FILE_BYTES).collect();
                fs::write(folder.join(format!("file-{file:03}")), bytes)?;
            }
        }
        fs::rename(&partial, &tree)
    };
    make().map_err(|error| error.to_string())
}
