//! `chattr` and `lsattr`: flags, project ids and hints of inodes.

use serde::Serialize;
use std::ffi::OsString;
use xfskit::units::Ino;
use xfskit::volume::{FileType, FlagChanges, Follow, XFlags};

use crate::address::{self, Address};
use crate::attributes::each_file;
use crate::failure::Failure;
use crate::image::{Access, Image, at_each};
use crate::output::Output;
use crate::session::Session;
use crate::stat::bits;
use crate::{name, size};

const AFTER_HELP: &str = "\
MODES are +LETTERS, -LETTERS or =LETTERS: a append-only, A no access times,
d not for dump, f not for defragmentation, i immutable, n no symbolic links,
P project inherited, S synchronous, x direct access.

Examples:
  xfskit chattr +i disk.img:/etc/passwd
  xfskit chattr -R -p 42 +P disk.img:/home/me
  xfskit chattr --extsize 1M disk.img:/var/db";

/// Letters of flags; those of e2fsprogs with their places in what `lsattr` prints.
const LETTERS: [(char, Option<usize>, XFlags); 9] = [
    ('S', Some(2), XFlags::SYNC),
    ('i', Some(4), XFlags::IMMUTABLE),
    ('a', Some(5), XFlags::APPEND),
    ('d', Some(6), XFlags::NODUMP),
    ('A', Some(7), XFlags::NOATIME),
    ('x', Some(16), XFlags::DAX),
    ('P', Some(19), XFlags::PROJINHERIT),
    ('n', None, XFlags::NOSYMLINKS),
    ('f', None, XFlags::NODEFRAG),
];

/// Places in what `lsattr` prints.
const PLACES: usize = 22;

/// Arguments of `chattr`.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct ChattrArgs {
    /// All that is below, too
    #[arg(short = 'R', long)]
    recursive: bool,
    /// Set the project id
    #[arg(short, long, value_name = "ID")]
    project: Option<u32>,
    /// Set the extent size hint, of an empty file or for what is made in a directory; 0 removes it
    #[arg(long, value_name = "BYTES", value_parser = size::parse)]
    extsize: Option<u64>,
    /// Set the hint for the size of copy-on-write extents; 0 removes it
    #[arg(long, value_name = "BYTES", value_parser = size::parse)]
    cowextsize: Option<u64>,
    /// What to change, then the files
    #[arg(required = true, value_name = "[MODE]... IMAGE:PATH", allow_hyphen_values = true)]
    words: Vec<OsString>,
}

/// Arguments of `lsattr`.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(after_help = "Example:\n  xfskit lsattr -R disk.img:/srv")]
pub(crate) struct LsattrArgs {
    /// Files, or directories, of which the entries are shown
    #[arg(required = true, value_name = "IMAGE:PATH", value_parser = Address::parser())]
    addresses: Vec<Address>,
    /// All that is below, too
    #[arg(short = 'R', long)]
    recursive: bool,
    /// Directories themselves, not their entries
    #[arg(short, long)]
    directory: bool,
    /// Names that start with a dot, too
    #[arg(short, long)]
    all: bool,
    /// Project ids, too
    #[arg(short, long)]
    project: bool,
}

/// What is to become of flags.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Modes {
    add: Option<XFlags>,
    remove: Option<XFlags>,
    set: Option<XFlags>,
}

impl Modes {
    /// Takes in one word.
    fn push(&mut self, text: &str) -> Result<(), String> {
        let (how, letters) = text.split_at(1);
        let mut flags = XFlags::empty();
        for letter in letters.chars() {
            let known = LETTERS.iter().find(|known| known.0 == letter);
            flags |= known.ok_or_else(|| format!("no flag of XFS: {letter}"))?.2;
        }
        let target = match how {
            "+" => &mut self.add,
            "-" => &mut self.remove,
            _ => &mut self.set,
        };
        *target = Some(target.unwrap_or(XFlags::empty()) | flags);
        Ok(())
    }

    /// What goes, and what comes, of the flags of an inode.
    fn changes(self, file_type: FileType) -> (XFlags, XFlags) {
        let none = XFlags::empty();
        let settable = LETTERS.iter().fold(none, |all, known| all | known.2);
        let remove = self.remove.unwrap_or(none);
        let base = self.set.unwrap_or(none).difference(remove);
        let mut add = base.union(self.add.unwrap_or(none));
        if file_type != FileType::Directory {
            // As in Linux, these are not for files and pass them by.
            add -= XFlags::PROJINHERIT | XFlags::NOSYMLINKS;
        }
        (if self.set.is_some() { settable } else { remove }, add)
    }
}

/// Carries out `chattr`.
pub(crate) fn chattr(args: &ChattrArgs, session: &mut Session) -> Result<(), Failure> {
    let mut modes = Modes::default();
    let mut addresses = Vec::new();
    for word in &args.words {
        match word.to_str().filter(|text| addresses.is_empty() && text.starts_with(['+', '-', '='])) {
            Some(text) => modes.push(text).map_err(Failure::Usage)?,
            None => addresses.push(Address::parse(word).map_err(Failure::Usage)?),
        }
    }
    let changes_nothing = modes == Modes::default()
        && args.project.is_none()
        && args.extsize.is_none()
        && args.cowextsize.is_none();
    if addresses.is_empty() || changes_nothing {
        return Err(Failure::Usage("chattr needs something to change, and files".to_owned()));
    }
    at_each(&addresses, Access::Write, session, |image, address, session| {
        each_file(image, address, args.recursive, Follow::Yes, session, |image, ino, path| {
            change(args, modes, image, ino, path)
        })
    })
}

fn change(args: &ChattrArgs, modes: Modes, image: &mut Image, ino: Ino, path: &[u8]) -> Result<(), Failure> {
    let file_type = image.stat(ino, path)?.file_type;
    if !matches!(file_type, FileType::Regular | FileType::Directory) {
        return Ok(());
    }
    let (remove, add) = modes.changes(file_type);
    let &ChattrArgs { project: project_id, extsize, cowextsize, .. } = args;
    let changes = FlagChanges { project_id, extsize, cowextsize, remove, add };
    let changed = image.volume.change_flags(ino, &changes);
    changed.map_err(|error| image.fail(path, "cannot set flags", &error))
}

#[derive(Debug, Serialize)]
struct JsonFile {
    image: String,
    path: String,
    letters: String,
    flags: Vec<String>,
    project_id: u32,
    extsize: u64,
    cowextsize: u64,
}

/// Carries out `lsattr`.
pub(crate) fn lsattr(args: &LsattrArgs, session: &mut Session) -> Result<(), Failure> {
    let mut out = Output::new();
    let mut json = session.json.then(Vec::new);
    at_each(&args.addresses, Access::Read, session, |image, address, session| {
        let mut show = |image: &mut Image, ino: Ino, path: &[u8]| {
            let file = json_file(image, ino, path)?;
            let Some(file) = file else { return Ok(()) };
            if let Some(json) = &mut json {
                json.push(file);
                return Ok(());
            }
            if args.project {
                out.bytes(format!("{:5} ", file.project_id).as_bytes())?;
            }
            out.line(format_args!("{} {}", file.letters, image.place(path)))
        };
        let top = image.resolve(&address.path, Follow::Yes)?;
        let is_dir = image.stat(top, &address.path)?.file_type == FileType::Directory;
        if args.directory || !is_dir {
            return show(image, top, &address.path);
        }
        if args.recursive {
            return each_file(image, address, true, Follow::Yes, session, show);
        }
        let entries = image.volume.read_dir(top);
        let mut entries =
            entries.map_err(|error| image.fail(&address.path, "cannot read directory", &error))?;
        entries.retain(|entry| args.all || entry.name.first() != Some(&b'.'));
        entries.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        for entry in entries {
            let outcome = show(image, entry.ino, &address::join(&address.path, &entry.name));
            session.part(outcome)?;
        }
        Ok(())
    })?;
    if let Some(json) = json {
        out.json(&json)?;
    }
    out.finish()
}

/// What there is to tell of an inode; `None` for those whose flags nobody asks for.
fn json_file(image: &mut Image, ino: Ino, path: &[u8]) -> Result<Option<JsonFile>, Failure> {
    let stat = image.stat(ino, path)?;
    if !matches!(stat.file_type, FileType::Regular | FileType::Directory) {
        return Ok(None);
    }
    let flags = image.volume.flags(ino).map_err(|error| image.fail(path, "cannot read flags", &error))?;
    Ok(Some(JsonFile {
        image: image.name().to_owned(),
        path: name::for_json(path),
        letters: letters(flags),
        flags: bits(flags.iter_names(), 0),
        project_id: stat.project_id,
        extsize: u64::from(stat.extsize) * u64::from(stat.blocksize),
        cowextsize: u64::from(stat.cowextsize) * u64::from(stat.blocksize),
    }))
}

fn letters(flags: XFlags) -> String {
    let mut shown = ['-'; PLACES];
    for (letter, place, flag) in LETTERS {
        if let Some(place) = place.filter(|_| flags.contains(flag)) {
            shown[place] = letter;
        }
    }
    shown.iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(words: &[&str], flags: XFlags) -> XFlags {
        let mut modes = Modes::default();
        words.iter().for_each(|word| modes.push(word).expect("valid"));
        let (remove, add) = modes.changes(FileType::Directory);
        flags.difference(remove).union(add)
    }

    #[test]
    fn modes_add_remove_and_set() {
        let (i, a, d) = (XFlags::IMMUTABLE, XFlags::APPEND, XFlags::NODUMP);
        assert_eq!(applied(&["+ia"], d), i | a | d);
        assert_eq!(applied(&["-i"], i | a), a);
        assert_eq!(applied(&["=i"], a | XFlags::EXTSZINHERIT), i | XFlags::EXTSZINHERIT);
        assert_eq!(applied(&["=", "+d"], a), d);
        assert!(Modes::default().push("+q").is_err());
    }

    #[test]
    fn letters_stand_where_lsattr_has_them() {
        assert_eq!(letters(XFlags::IMMUTABLE | XFlags::DAX), "----i-----------x-----");
        assert_eq!(letters(XFlags::PROJINHERIT), "-------------------P--");
    }
}
