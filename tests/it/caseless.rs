//! Volumes on which upper and lower case are the same. Few kernels still mount them, so xfsprogs is the referee here: it
//! makes the volume with directories of every form, and judges what became of it.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use xfskit::error::{Error, Mistake};
use xfskit::units::Ino;
use xfskit::volume::{Follow, ParentPointer, RenameMode};
use xfskit_tests::options::OptionSet;
use xfskit_tests::referee::{Referee, Verdict, Xfsprogs, make_sparse, run};
use xfskit_tests::rng::Rng;
use xfskit_tests::session::{Session, findings, new_inode};
use xfskit_tests::temp::TempDir;

/// A byte in the other case, of Latin-1.
fn swap_case(byte: u8) -> u8 {
    match byte {
        0xd7 | 0xdf | 0xf7 | 0xff => byte,
        b'A'..=b'Z' | 0xc0..=0xde => byte + 32,
        b'a'..=b'z' | 0xe0..=0xfe => byte - 32,
        _ => byte,
    }
}

/// The name that stands for all that are the same.
fn folded(name: &[u8]) -> Vec<u8> {
    name.iter().map(|&byte| byte.max(swap_case(byte))).collect()
}

/// The same name, spelled anew.
fn respelled(name: &[u8], rng: &mut Rng) -> Vec<u8> {
    name.iter().map(|&byte| if rng.chance(50) { swap_case(byte) } else { byte }).collect()
}

/// What must be in a directory: how it is spelled, and what it leads to.
type Names = BTreeMap<Vec<u8>, (Vec<u8>, Ino)>;

/// Makes a volume with directories of 6, 40 and 900 names, and those names again.
fn make(referee: &Referee, temp: &TempDir, image: &Path, args: &[&str]) {
    let source = temp.join("source");
    for (dir, count) in [("few", 6), ("some", 40), ("many", 900)] {
        std::fs::create_dir_all(source.join(dir)).expect("mkdir");
        for number in 0..count {
            let mut name = format!("Größe Ñr {number} ").into_bytes();
            name.extend([0xc0 + (number % 64) as u8, b'[', b'@', b'{']);
            std::fs::File::create(source.join(dir).join(std::ffi::OsStr::from_bytes(&name))).expect("create");
        }
    }
    make_sparse(image, 320 << 20);
    let mut command = referee.xfsprogs(Xfsprogs::V7_2, "mkfs.xfs");
    run(command.arg("-q").args(args).arg("-p").arg(&source).arg(image));
}

fn names_of(session: &mut Session, dir: Ino) -> Names {
    let entries = session.volume().read_dir(dir).expect("list");
    entries
        .into_iter()
        .filter(|entry| entry.name != b"." && entry.name != b"..")
        .map(|entry| (folded(&entry.name), (entry.name, entry.ino)))
        .collect()
}

fn judge(referee: &Referee, image: &Path) {
    let mut session = Session::open(image, b"").expect("open");
    assert_eq!(findings(session.volume()), Vec::<String>::new());
    session.close().expect("close");
    assert_eq!(referee.repair_n_with(Xfsprogs::V7_2, image), Verdict::Clean);
}

/// The directories of the script, and what is in them.
struct Script<'a> {
    session: &'a mut Session,
    dirs: Vec<(Ino, Names)>,
    rng: Rng,
    serial: u32,
}

impl Script<'_> {
    /// One of the names of a directory.
    fn pick(&mut self, dir: usize) -> Option<(Vec<u8>, Ino)> {
        let names = &self.dirs[dir].1;
        (!names.is_empty()).then(|| names.values().nth(self.rng.index(names.len())).expect("a name").clone())
    }

    fn new_name(&mut self) -> Vec<u8> {
        self.serial += 1;
        let name = format!("Übung {} {}", self.serial, "Wort".repeat(self.rng.index(12)));
        respelled(name.as_bytes(), &mut self.rng)
    }

    /// One operation by names that are spelled anew.
    fn step(&mut self) {
        let (at, to) = (self.rng.index(self.dirs.len()), self.rng.index(self.dirs.len()));
        let (dir, new_dir) = (self.dirs[at].0, self.dirs[to].0);
        let new_name = self.new_name();
        let found = self.pick(at);
        let (Some((name, ino)), 0..70) = (found, self.rng.below(100)) else {
            let ino = self.session.volume().create(dir, &new_name, &new_inode(0o644)).expect("create");
            self.dirs[at].1.insert(folded(&new_name), (new_name, ino));
            return;
        };
        let asked = respelled(&name, &mut self.rng);
        let volume = self.session.volume();
        match self.rng.below(6) {
            0 | 1 => {
                volume.unlink(dir, &asked).expect("unlink");
                self.dirs[at].1.remove(&folded(&name));
            }
            2 => {
                volume.rename(dir, &asked, new_dir, &new_name, RenameMode::NoReplace).expect("rename");
                self.dirs[at].1.remove(&folded(&name));
                self.dirs[to].1.insert(folded(&new_name), (new_name, ino));
            }
            3 => {
                // Often the same one: it has more parent pointers than an inode holds.
                let ino = self.dirs[0].1.values().next().map_or(ino, |&(_, first)| first);
                volume.link(ino, new_dir, &new_name).expect("link");
                self.dirs[to].1.insert(folded(&new_name), (new_name, ino));
            }
            _ => self.over(at, to, (name, ino)),
        }
    }

    /// Moves a name over another one, or has both change places: the spelling of that one stays.
    fn over(&mut self, at: usize, to: usize, (name, ino): (Vec<u8>, Ino)) {
        let Some((target, target_ino)) = self.pick(to) else { return };
        let exchange = self.rng.chance(50);
        let mode = if exchange { RenameMode::Exchange } else { RenameMode::Replace };
        let asked = [&name, &target].map(|name| respelled(name, &mut self.rng));
        let (dir, new_dir) = (self.dirs[at].0, self.dirs[to].0);
        self.session.volume().rename(dir, &asked[0], new_dir, &asked[1], mode).expect("rename");
        if ino == target_ino {
            return;
        }
        self.dirs[to].1.insert(folded(&target), (target, ino));
        if exchange {
            self.dirs[at].1.insert(folded(&name), (name, target_ino));
        } else {
            self.dirs[at].1.remove(&folded(&name));
        }
    }

    /// Every name is there as it was spelled, found by any spelling, and remembered by what it leads to.
    fn check(&mut self) {
        let mut pointers: BTreeMap<Ino, Vec<(Ino, Vec<u8>)>> = BTreeMap::new();
        for (dir, names) in self.dirs.clone() {
            assert_eq!(names_of(self.session, dir), names);
            for (name, ino) in names.into_values() {
                let asked = respelled(&name, &mut self.rng);
                assert_eq!(self.session.volume().lookup(dir, &asked).expect("lookup"), ino);
                pointers.entry(ino).or_default().push((dir, name));
            }
        }
        if !self.session.volume().geometry().has_parent_pointers() {
            return;
        }
        for (ino, mut expected) in pointers {
            let pointer = |pointer: ParentPointer| (pointer.parent, pointer.name);
            let mut stored: Vec<_> =
                self.session.volume().parents(ino).expect("parents").into_iter().map(pointer).collect();
            stored.sort();
            expected.sort();
            assert_eq!(stored, expected, "inode {ino}");
        }
    }
}

/// Random changes of names, each by a spelling of its own, in directories that xfsprogs made.
fn names_change_by_any_spelling(args: &[&str]) {
    let Some(referee) = Referee::find() else { return };
    if !referee.has(Xfsprogs::V7_2) {
        return;
    }
    let temp = TempDir::new("caseless");
    let image = temp.join("caseless.img");
    make(referee, &temp, &image, args);
    judge(referee, &image);
    let mut session = Session::open(&image, b"").expect("open");
    let dirs: Vec<_> = ["/few", "/some", "/many"]
        .iter()
        .map(|path| {
            let dir = session.volume().resolve(path.as_bytes(), Follow::No).expect("a directory");
            (dir, names_of(&mut session, dir))
        })
        .collect();
    assert_eq!(dirs.iter().map(|(_, names)| names.len()).collect::<Vec<_>>(), [6, 40, 900]);
    let mut script =
        Script { session: &mut session, dirs, rng: Rng::named(1, args[args.len() - 1]), serial: 0 };
    script.check();
    for _ in 0..1500 {
        script.step();
    }
    script.check();
    session.close().expect("close");
    judge(referee, &image);
}

#[test]
fn names_change_by_any_spelling_with_parent_pointers() {
    names_change_by_any_spelling(&["-b", "size=1k", "-n", "version=ci,parent=1"]);
}

#[test]
fn names_change_by_any_spelling_without_parent_pointers() {
    names_change_by_any_spelling(&["-n", "version=ci,parent=0"]);
}

/// What only differs in case is taken, and a rename to it changes nothing, as in Linux.
#[test]
fn another_spelling_is_the_same_name() {
    let Some(referee) = Referee::find() else { return };
    if !referee.has(Xfsprogs::V7_2) {
        return;
    }
    let temp = TempDir::new("spelling");
    let image = temp.join("spelling.img");
    make_sparse(&image, OptionSet::named("default_new").size_bytes);
    run(referee.xfsprogs(Xfsprogs::V7_2, "mkfs.xfs").args(["-q", "-n", "version=ci"]).arg(&image));
    let mut session = Session::open(&image, b"").expect("open");
    let volume = session.volume();
    let root = volume.geometry().rootino;
    let file = volume.create(root, b"Name", &new_inode(0o644)).expect("create");
    let other = volume.create(root, b"other", &new_inode(0o644)).expect("create");
    let is_taken = |outcome: Result<(), Error>| matches!(outcome, Err(Error::Invalid(Mistake::Exists)));
    assert!(is_taken(volume.create(root, b"nAME", &new_inode(0o644)).map(drop)));
    assert!(is_taken(volume.mkdir(root, b"nAME", &new_inode(0o755)).map(drop)));
    assert!(is_taken(volume.link(other, root, b"nAME")));
    assert!(is_taken(volume.rename(root, b"OTHER", root, b"nAME", RenameMode::NoReplace)));
    assert!(is_taken(volume.rename(root, b"Name", root, b"NAME", RenameMode::NoReplace)));
    volume.rename(root, b"Name", root, b"NAME", RenameMode::Replace).expect("rename");
    assert_eq!(volume.lookup(root, b"name").expect("lookup"), file);
    volume.rename(root, b"OTHER", root, b"NAME", RenameMode::Replace).expect("rename");
    let left: Vec<_> = names_of(&mut session, root).into_values().collect();
    assert_eq!(left, [(b"Name".to_vec(), other)]);
    session.close().expect("close");
    judge(referee, &image);
}
