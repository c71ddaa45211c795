//! Extended attributes of every size and namespace, and ACLs.

use std::path::Path;

use rustix::fs::XattrFlags;

use super::Maker;
use crate::rng::pattern;

impl Maker<'_> {
    pub(super) fn attributes(&mut self) {
        let dir = self.folder("xattrs");
        for size in [0, 1, 40, 200, 254, 255, 256, 1000, 3000, 4096, 20_000, 65_536] {
            let path = dir.join(format!("value-{size}"));
            self.file(&path, 5);
            set(&path, "user.value", &pattern(size as u64, 0, size));
        }
        let spaces = dir.join("namespaces");
        self.file(&spaces, 5);
        for name in ["user.same", "trusted.same", "security.same"] {
            set(&spaces, name, name.as_bytes());
        }
        set(&spaces, "user.odd \n\t\u{fc}", b"odd name");
        set(&spaces, &format!("user.{}", "n".repeat(250)), b"long name");
        let counts: &[u64] = if self.is_full() { &[2, 8, 40, 200, 900] } else { &[2, 8, 40, 200] };
        for &count in counts {
            let path = dir.join(format!("many-{count}"));
            self.file(&path, 5);
            self.many(&path, count);
        }
        let on_dir = self.folder("xattrs/on-a-directory");
        self.many(&on_dir, 60);
        let link = dir.join("on-a-symlink");
        std::os::unix::fs::symlink("value-1", &link).expect("symlink");
        set(&link, "trusted.of-link", b"links only have these");
        self.removed(&dir);
        self.acls(&dir);
    }

    fn many(&mut self, path: &Path, count: u64) {
        for index in 0..count {
            let len = match self.rng.below(30) {
                0 => self.rng.range(2000, 9000),
                _ => self.rng.below(90),
            };
            let space = *self.rng.pick(&["user", "trusted", "security"]);
            let value = pattern(index, 0, usize::try_from(len).expect("small"));
            set(path, &format!("{space}.attribute-{index}"), &value);
        }
    }

    /// Attributes that were more and are few, or none: the fork has shrunk again.
    fn removed(&mut self, dir: &Path) {
        for (name, kept) in [("removed-some", 5), ("removed-all", 0)] {
            let path = dir.join(name);
            self.file(&path, 5);
            self.many(&path, 100);
            let names: Vec<String> = ["user", "trusted", "security"]
                .iter()
                .flat_map(|space| (kept..100).map(move |index| format!("{space}.attribute-{index}")))
                .collect();
            for name in names {
                let _ = rustix::fs::lremovexattr(&path, name.as_str());
            }
        }
    }

    fn acls(&mut self, dir: &Path) {
        let path = dir.join("acl");
        self.file(&path, 5);
        set(&path, "system.posix_acl_access", &acl(12));
        let sub = self.folder("xattrs/default-acl");
        set(&sub, "system.posix_acl_default", &acl(3));
        self.file(&sub.join("inherits"), 5);
    }
}

fn set(path: &Path, name: &str, value: &[u8]) {
    rustix::fs::lsetxattr(path, name, value, XattrFlags::empty())
        .unwrap_or_else(|error| panic!("set {name} of {}: {error}", path.display()));
}

/// An ACL in the form of the system call: version 2, then entries of tag, permissions and id.
fn acl(named_users: u32) -> Vec<u8> {
    const NOBODY: u32 = u32::MAX;
    let mut entries = vec![(0x01_u16, 7_u16, NOBODY)];
    entries.extend((0..named_users).map(|user| (0x02, 5, 1000 + user)));
    entries.extend([(0x04, 5, NOBODY), (0x10, 7, NOBODY), (0x20, 4, NOBODY)]);
    let mut bytes = 2_u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in entries {
        bytes.extend(tag.to_le_bytes());
        bytes.extend(permissions.to_le_bytes());
        bytes.extend(id.to_le_bytes());
    }
    bytes
}
