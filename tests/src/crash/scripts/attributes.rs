//! Extended attributes, access control lists and parent pointers, in every form.

use xfskit::acl::{Acl, AclEntry, AclKind, Tag};

use super::names::{link, rename};
use super::{Done, FILES, bytes, create, few_files, maybe_fsync, mkdir, unlink};
use crate::crash::driver::Driver;
use crate::ops::{Bytes, How, Op};
use crate::rng::Rng;

/// Most attributes of one file.
const NAMES: u64 = 60;

fn name(number: u64) -> Bytes {
    bytes(&format!("attribute {number}{}", "-".repeat((number * 7 % 40) as usize)))
}

/// Sets one of the attributes of a file, which may be there.
fn set(driver: &mut Driver, path: &str, number: u64, len_bytes: u64) -> Done {
    let seed = driver.next_seed();
    let len_bytes = len_bytes as usize;
    driver.op(Op::SetXattr { path: bytes(path), name: name(number), seed, len_bytes })
}

/// Removes one of the attributes of a file, if it is there.
fn remove(driver: &mut Driver, path: &str, number: u64) -> Done {
    let full = [b"user.".as_slice(), &name(number)].concat();
    match driver.model.xattrs(path.as_bytes()).contains_key(&full) {
        true => driver.op(Op::RemoveXattr { path: bytes(path), name: name(number) }),
        false => Ok(()),
    }
}

fn set_acl(driver: &mut Driver, path: &str, kind: AclKind, rng: &mut Rng) -> Done {
    let mut perm = || rng.below(8) as u8;
    let mut entries = vec![
        AclEntry { tag: Tag::UserObj, perm: perm() },
        AclEntry { tag: Tag::User(1000), perm: perm() },
        AclEntry { tag: Tag::GroupObj, perm: perm() },
        AclEntry { tag: Tag::Mask, perm: perm() },
        AclEntry { tag: Tag::Other, perm: perm() },
    ];
    let list = match perm() {
        0 => None,
        1 => {
            entries.retain(|entry| !matches!(entry.tag, Tag::User(_) | Tag::Mask));
            Some(entries)
        }
        _ => Some(entries),
    };
    let list = list.map(|entries| Acl::new(entries).expect("a valid list"));
    driver.op(Op::SetAcl { path: bytes(path), kind, list })
}

/// Files with attributes: `/a` a few, `/b` many, `/c` one that is large.
pub(in crate::crash) fn few_attributes(driver: &mut Driver, rng: &mut Rng) -> Done {
    few_files(driver, rng)?;
    mkdir(driver, "/dir")?;
    set(driver, "/a", 0, 10)?;
    for number in 0..NAMES {
        set(driver, "/b", number, rng.range(100, 300))?;
    }
    set(driver, "/c", 0, 20_000)?;
    driver.op(Op::Sync)
}

/// Attributes are set, replaced and removed while their fork grows from the inode to a tree, and back.
pub(in crate::crash) fn attributes(driver: &mut Driver, rng: &mut Rng) -> Done {
    let mut first = 0;
    // Within the inode, in a leaf, in a tree, and with values in blocks of their own.
    for (count, lens, steps) in
        [(3, 1..20, 8), (12, 20..200, 20), (NAMES, 100..600, 70), (8, 500..65_537, 12)]
    {
        for _ in 0..steps {
            let len_bytes = rng.range(lens.start, lens.end);
            set(driver, "/a", first + rng.below(count), len_bytes)?;
            if rng.chance(20) {
                remove(driver, "/a", first + rng.below(count))?;
            }
            maybe_fsync(driver, "/a", rng, 20)?;
        }
        first += if count == NAMES { count } else { 0 };
    }
    // What is replaced has been durable for long: by something as long, by something longer or shorter, and by a value
    // in blocks of its own.
    for number in 0..12 {
        set(driver, "/b", number, rng.range(1, 300))?;
        set(driver, "/c", 0, rng.range(1, 65_536))?;
        maybe_fsync(driver, "/c", rng, 40)?;
        set(driver, "/b", number + 12, rng.range(3000, 5000))?;
        let path = *rng.pick(&FILES);
        set_acl(driver, path, AclKind::Access, rng)?;
        set_acl(driver, "/dir", *rng.pick(&[AclKind::Access, AclKind::Default]), rng)?;
        maybe_fsync(driver, "/b", rng, 40)?;
    }
    for number in 0..NAMES {
        remove(driver, "/b", number * 7 % NAMES)?;
        remove(driver, "/a", first + number)?;
        maybe_fsync(driver, "/b", rng, 10)?;
    }
    unlink(driver, "/a")?;
    driver.op(Op::Sync)
}

/// Names that a file has before anything happens. They fit a leaf of parent pointers, just so.
const LINKS: u64 = 24;

fn long_name(number: u64) -> String {
    format!("/dir/{number} {}", "n".repeat(110 + (number * 13 % 50) as usize))
}

/// A file of many names.
pub(in crate::crash) fn linked_often(driver: &mut Driver, rng: &mut Rng) -> Done {
    few_files(driver, rng)?;
    mkdir(driver, "/dir")?;
    for number in 0..LINKS {
        link(driver, "/a", &long_name(number))?;
    }
    driver.op(Op::Sync)
}

/// Its names become more and are moved, so that its parent pointers are a tree; then most of them go.
pub(in crate::crash) fn links_in_node(driver: &mut Driver, rng: &mut Rng) -> Done {
    for number in LINKS..2 * LINKS {
        link(driver, "/a", &long_name(number))?;
        maybe_fsync(driver, "/a", rng, 30)?;
    }
    for number in 0..LINKS {
        let (old, other) = (long_name(number * 2), long_name(number * 2 + 1));
        match rng.below(4) {
            0 => rename(driver, &old, &format!("/{number} {}", "m".repeat(100)), How::NoReplace)?,
            1 => rename(driver, &old, "/b", How::Exchange)?,
            2 => {
                create(driver, "/new")?;
                rename(driver, "/new", &old, How::Replace)?;
            }
            _ => rename(driver, &other, "/c", How::Replace)?,
        }
        maybe_fsync(driver, "/a", rng, 30)?;
    }
    for number in 0..2 * LINKS {
        let path = long_name(number);
        if driver.model.state().contains_key(path.as_bytes()) {
            unlink(driver, &path)?;
            maybe_fsync(driver, "/a", rng, 15)?;
        }
    }
    driver.op(Op::Sync)
}
