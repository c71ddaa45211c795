//! Steps that change attributes of all sorts.

use std::collections::BTreeSet;

use xfskit::volume::{Acl, AclEntry, AclKind, Namespace, SetMode, Tag, XFlags};

use super::{Sequence, Step};
use crate::ops::Bytes;
use crate::rng::Rng;
use crate::tree::{Kind, Time};

impl Sequence {
    pub(super) fn attribute_step(&mut self) -> Step {
        match self.rng.below(100) {
            0..12 => {
                let kind = if self.rng.chance(50) { Kind::File } else { Kind::Directory };
                let special = if self.rng.chance(20) { 0o10000 } else { 0o1000 };
                Step::Chmod { path: self.of_kind(kind), mode: self.rng.below(special) as u16 }
            }
            12..20 => {
                let (uid, gid) = (self.rng.below(100_000) as u32, self.rng.below(100_000) as u32);
                Step::Chown { path: self.any(), uid, gid }
            }
            20..28 => {
                let (atime, mtime) = (self.time(), self.time());
                Step::Utimes { path: self.any(), atime, mtime }
            }
            28..58 => self.set_xattr(),
            58..66 => {
                let (namespace, name) = self.xattr_name();
                Step::RemoveXattr { path: self.any(), namespace, name }
            }
            66..78 => self.set_acl(),
            78..92 => self.set_flags(),
            92..95 => self.set_project(),
            95..98 if self.hinted => {
                let kind = if self.rng.chance(60) { Kind::File } else { Kind::Directory };
                Step::SetExtsize { path: self.of_kind(kind), bytes: self.hint() }
            }
            _ => {
                let kind = if self.rng.chance(60) { Kind::File } else { Kind::Directory };
                Step::SetCowextsize { path: self.of_kind(kind), bytes: self.hint() }
            }
        }
    }

    fn hint(&mut self) -> u64 {
        match self.rng.below(8) {
            0..2 => 0,
            2 => 512,
            _ => self.rng.range(1, 9) * self.block,
        }
    }

    /// A time long past.
    fn time(&mut self) -> Time {
        let from = if self.bigtime { 1 << 31 } else { 0 };
        (self.rng.below(1_700_000_000 + from) as i64 - from as i64, self.rng.below(1_000_000_000) as u32)
    }

    fn xattr_name(&mut self) -> (Namespace, Bytes) {
        let namespace =
            *self.rng.pick(&[Namespace::User, Namespace::User, Namespace::Trusted, Namespace::Security]);
        let number = self.rng.below(30);
        // Never one name in several namespaces: xfs_repair takes what the kernel may make of that for damage.
        let letter = namespace.prefix()[0] as char;
        let tail = if number.is_multiple_of(10) { "y".repeat(200) } else { String::new() };
        (namespace, Bytes(format!("{number}{letter}{tail}").into_bytes()))
    }

    fn set_xattr(&mut self) -> Step {
        let (namespace, name) = self.xattr_name();
        self.serial += 1;
        let block = self.block as usize;
        let len = match self.rng.below(40) {
            0 => 0,
            1 => 65536,
            2 => 65537,
            3..6 => (block - 100 + self.rng.index(200)).min(65536),
            6..12 => self.rng.index(3 * block).min(65536),
            12..20 => self.rng.index(1000),
            _ => self.rng.index(90),
        };
        let mut mode = *self.rng.pick(&[SetMode::Either, SetMode::Either, SetMode::Create, SetMode::Replace]);
        let path = self.any();
        if mode == SetMode::Replace && self.attributes(&path).is_none_or(BTreeSet::is_empty) {
            // Linux would make the fork for it, and then find that there is nothing to replace.
            mode = SetMode::Either;
        }
        Step::SetXattr { path, namespace, name, seed: self.serial, len, mode }
    }

    fn set_acl(&mut self) -> Step {
        let kind = if self.rng.chance(60) { AclKind::Access } else { AclKind::Default };
        let holder = match self.rng.below(20) {
            0 => self.any(),
            1..12 => self.of_kind(Kind::Directory),
            _ => self.of_kind(Kind::File),
        };
        let list = self.rng.chance(75).then(|| random_acl(&mut self.rng));
        Step::SetAcl { path: holder, kind, list }
    }

    fn set_flags(&mut self) -> Step {
        if !self.fixed.is_empty() && self.rng.chance(60) {
            let path = self.rng.pick(&self.fixed).clone();
            // What has the name now may be another, of any kind.
            let kind = self.names.get(&path).map(|named| named.kind);
            if matches!(kind, Some(Kind::File | Kind::Directory)) {
                return Step::SetFlags { path: Bytes(path), flags: XFlags::empty() };
            }
        }
        let is_dir = self.rng.chance(30);
        let path = self.of_kind(if is_dir { Kind::Directory } else { Kind::File });
        let mut flags = XFlags::empty();
        for (flag, percent) in [
            (XFlags::IMMUTABLE, 10),
            (XFlags::APPEND, 15),
            (XFlags::SYNC, 10),
            (XFlags::NOATIME, 30),
            (XFlags::NODUMP, 30),
        ] {
            flags.set(flag, self.rng.chance(percent));
        }
        flags.set(XFlags::PROJINHERIT, is_dir && self.rng.chance(15));
        if path.is_empty() {
            flags -= XFlags::IMMUTABLE | XFlags::APPEND;
        }
        Step::SetFlags { path, flags }
    }

    fn set_project(&mut self) -> Step {
        let kind = if self.rng.chance(60) { Kind::File } else { Kind::Directory };
        let id = if self.rng.chance(50) { self.rng.below(4) as u32 } else { self.rng.bits() as u32 >> 1 };
        Step::SetProject { path: self.of_kind(kind), id }
    }
}

fn random_acl(rng: &mut Rng) -> Acl {
    let mut entries = Vec::new();
    let mut push = |tag, rng: &mut Rng| entries.push(AclEntry { tag, perm: rng.below(8) as u8 });
    let (users, groups) = if rng.chance(20) { (0, 0) } else { (rng.below(4), rng.below(4)) };
    push(Tag::UserObj, rng);
    (0..users).for_each(|id| push(Tag::User(id as u32 * 7), rng));
    push(Tag::GroupObj, rng);
    (0..groups).for_each(|id| push(Tag::Group(id as u32 + 3_000_000_000), rng));
    if users + groups > 0 || rng.chance(30) {
        push(Tag::Mask, rng);
    }
    push(Tag::Other, rng);
    Acl::new(entries).expect("valid")
}
