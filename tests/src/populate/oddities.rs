//! Symlinks, device nodes, odd names, odd owners, odd times.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode, Timespec, Timestamps, Uid};

use super::Maker;

impl Maker<'_> {
    pub(super) fn oddities(&mut self) {
        self.symlinks();
        self.nodes();
        self.names_nobody_expects();
        self.owners();
        self.names_to_be_twisted();
    }

    /// Short directories whose names a test can overwrite with hostile ones of the same length.
    fn names_to_be_twisted(&mut self) {
        let dir = self.folder("innocent");
        std::os::unix::fs::symlink("../../escaped", dir.join("link")).expect("symlink");
        let sub = self.folder("innocent/lin2");
        self.file(&sub.join("file"), 9);
        let names = self.folder("innocent/names");
        for name in ["up-escaped", "ab-escaped", "i-slash", "i-nul-", "dt"] {
            self.file(&names.join(name), 9);
        }
    }

    fn symlinks(&mut self) {
        let dir = self.folder("symlinks");
        for len in [1, 20, 150, 335, 336, 337, 500, 900, 1000, 1023] {
            let target: String = "../target/".chars().cycle().take(len).collect();
            std::os::unix::fs::symlink(target, dir.join(format!("of-{len}"))).expect("symlink");
        }
        std::os::unix::fs::symlink(OsStr::from_bytes(b"bytes \xff\xfe\n"), dir.join("bytes"))
            .expect("symlink");
        std::os::unix::fs::symlink("loop", dir.join("loop")).expect("symlink");
        std::os::unix::fs::symlink("/etc/passwd", dir.join("absolute")).expect("symlink");
        std::os::unix::fs::symlink("../files/size-1", dir.join("good")).expect("symlink");
    }

    fn nodes(&mut self) {
        let dir = self.folder("nodes");
        for (name, kind, major, minor) in [
            ("null", FileType::CharacterDevice, 1, 3),
            ("largest-char", FileType::CharacterDevice, 511, 262_143),
            ("disk", FileType::BlockDevice, 8, 17),
            ("zero", FileType::CharacterDevice, 0, 0),
            ("fifo", FileType::Fifo, 0, 0),
            ("socket", FileType::Socket, 0, 0),
        ] {
            let device = rustix::fs::makedev(major, minor);
            rustix::fs::mknodat(CWD, dir.join(name), kind, Mode::from_raw_mode(0o640), device)
                .expect("mknod");
        }
    }

    fn names_nobody_expects(&mut self) {
        let dir = self.folder("names");
        let longest = [b'l'; 255];
        let names: [&[u8]; 16] = [
            &longest,
            b"\xff\xfe\x80",
            b"new\nline",
            b"-rf",
            b"...",
            b" ",
            b"tab\tand\x01control",
            b"quote'\"`$(id)",
            "gr\u{fc}\u{df}e-\u{65e5}\u{672c}-\u{1f600}".as_bytes(),
            b"back\\slash",
            b"colon:path",
            b"a",
            b"*",
            b"~",
            b"CON",
            b"x.",
        ];
        for name in names {
            self.file(&dir.join(OsStr::from_bytes(name)), name.len() as u64);
        }
        let unicode = "\u{e9}".repeat(127);
        self.file(&dir.join(unicode), 3);
    }

    fn owners(&mut self) {
        let dir = self.folder("owners");
        let owners = [
            (0, 0, 0o4755),
            (1, 2, 0o2755),
            (65_534, 65_534, 0o1777),
            (4_294_967_294, 70_000, 0),
            (1000, 100, 0o7777),
        ];
        for (index, (uid, gid, mode)) in owners.into_iter().enumerate() {
            let path = dir.join(format!("file{index}"));
            self.file(&path, 1);
            let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
            rustix::fs::chownat(CWD, &path, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW).expect("chown");
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("chmod");
        }
        std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o1777)).expect("chmod");
    }

    /// Comes last: later actions would touch the times of directories.
    pub(super) fn times(&mut self) {
        let dir = self.folder("times");
        let mut seconds = vec![0, 1, -1, 1_700_000_000, i64::from(i32::MIN), i64::from(i32::MAX)];
        if self.set.bigtime {
            seconds.extend([1_i64 << 31, 1 << 32, 16_299_260_424]);
        }
        for second in seconds {
            for nanosecond in [0, 1, 999_999_999] {
                let path = dir.join(format!("at-{second}-{nanosecond}"));
                self.file(&path, 1);
                set_times(&path, (second, nanosecond), (second, 999_999_999 - nanosecond));
            }
        }
        set_times(&dir, (5, 6), (-7, 8));
    }
}

fn set_times(path: &Path, accessed: (i64, i64), modified: (i64, i64)) {
    let stamp = |(tv_sec, tv_nsec)| Timespec { tv_sec, tv_nsec };
    let times = Timestamps { last_access: stamp(accessed), last_modification: stamp(modified) };
    rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).expect("utimensat");
}
