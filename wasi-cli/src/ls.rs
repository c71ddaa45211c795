//! `ls`: directories listed as coreutils do.

use std::collections::HashSet;

use serde::Serialize;
use xfskit::units::Ino;
use xfskit::volume::{FileType, Follow, Stat, Timestamp};

use crate::address::{Address, join};
use crate::failure::Failure;
use crate::image::{Access, Image, Images};
use crate::output::Output;
use crate::session::Session;
use crate::{host, mode, name, size, time};

const AFTER_HELP: &str = "\
Examples:
  xfskit ls -l disk.img:/etc
  xfskit ls -lh disk.img:/boot disk.img:/srv
  xfskit ls -R --json disk.img: | jq -r '.[].path'

On a terminal, control characters in names are escaped as `ls -b` does;
elsewhere names are written as they are.";

/// Arguments of `ls`.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(after_help = AFTER_HELP, disable_help_flag = true)]
pub(crate) struct Args {
    /// What to list
    #[arg(required = true, value_name = "IMAGE:PATH", value_parser = Address::parser())]
    addresses: Vec<Address>,
    /// One line per file: mode, links, owner, group, size, time of change, name
    #[arg(short = 'l', long = "long")]
    long: bool,
    /// Names that start with a dot too
    #[arg(short, long)]
    all: bool,
    /// Directories themselves, not what is in them
    #[arg(short, long)]
    directory: bool,
    /// Subdirectories too
    #[arg(short = 'R', long)]
    recursive: bool,
    /// Inode numbers
    #[arg(short, long)]
    inode: bool,
    /// Sizes such as 1.5G
    #[arg(short, long)]
    human_readable: bool,
    /// Print help
    #[arg(long, action = clap::ArgAction::Help)]
    help: Option<bool>,
}

/// One line.
struct Row {
    path: Vec<u8>,
    name: Vec<u8>,
    ino: Ino,
    file_type: Option<FileType>,
    stat: Option<Stat>,
    target: Option<Vec<u8>>,
}

/// One object in JSON.
#[derive(Debug, Serialize)]
struct JsonRow {
    image: String,
    path: String,
    name: String,
    ino: u64,
    #[serde(rename = "type")]
    file_type: Option<&'static str>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    stat: Option<crate::stat::JsonStat>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<String>,
}

/// A run of `ls`.
struct Lister<'a> {
    args: &'a Args,
    out: Output,
    json: Option<Vec<JsonRow>>,
    now: Timestamp,
    /// Whether something was printed, and a heading is wanted.
    is_first: bool,
    has_headings: bool,
}

/// Carries it out.
pub(crate) fn run(args: &Args, session: &mut Session) -> Result<(), Failure> {
    let mut lister = Lister {
        args,
        out: Output::new(),
        json: session.json.then(Vec::new),
        now: host::now(),
        is_first: true,
        has_headings: args.recursive || args.addresses.len() > 1,
    };
    let mut images = Images::new(Access::Read);
    let dirs = lister.files_first(&mut images, session)?;
    for (address, ino) in dirs {
        let outcome = images
            .get(&address.image, session)
            .and_then(|image| lister.tree(image, &address.path, ino, session));
        session.part(outcome)?;
    }
    if let Some(rows) = &lister.json {
        lister.out.json(rows)?;
    }
    lister.out.finish()
}

impl Lister<'_> {
    /// Lists what is no directory, all in one table; returns the directories.
    fn files_first(
        &mut self,
        images: &mut Images,
        session: &mut Session,
    ) -> Result<Vec<(Address, Ino)>, Failure> {
        let (mut rows, mut dirs) = (Vec::new(), Vec::new());
        let follow = if self.args.long || self.args.directory { Follow::No } else { Follow::Yes };
        for address in &self.args.addresses {
            let outcome = images.get(&address.image, session).and_then(|image| {
                let ino = image.resolve(&address.path, follow)?;
                let stat = image
                    .volume
                    .stat(ino)
                    .map_err(|error| image.fail(&address.path, "cannot stat", &error))?;
                if stat.file_type == FileType::Directory && !self.args.directory {
                    dirs.push((address.clone(), ino));
                    return Ok(());
                }
                let shown = address.to_string().into_bytes();
                let image_name = image.name().to_owned();
                let row = self.row(image, &address.path, shown, ino, Some(stat.file_type))?;
                rows.push((image_name, row));
                Ok(())
            });
            session.part(outcome)?;
        }
        match &mut self.json {
            Some(json) => json.extend(rows.iter().map(|(image, row)| row.json(image))),
            None => self.table("", rows.into_iter().map(|(_, row)| row).collect(), false)?,
        }
        Ok(dirs)
    }

    /// Lists a directory, and with `-R` all below it.
    fn tree(
        &mut self,
        image: &mut Image,
        path: &[u8],
        ino: Ino,
        session: &mut Session,
    ) -> Result<(), Failure> {
        let mut seen = HashSet::new();
        let mut waiting = vec![(path.to_vec(), ino)];
        while let Some((path, ino)) = waiting.pop() {
            let outcome = if seen.insert(ino) {
                self.directory(image, &path, ino, session).map(|subdirs| waiting.extend(subdirs))
            } else {
                let why = format!("corrupt directory tree: directory inode {ino} is reached a second time");
                Err(Failure::new(image.place(&path), "", why))
            };
            session.part(outcome)?;
        }
        Ok(())
    }

    /// Lists one directory; returns its subdirectories, the last one first, when they are wanted.
    fn directory(
        &mut self,
        image: &mut Image,
        path: &[u8],
        ino: Ino,
        session: &mut Session,
    ) -> Result<Vec<(Vec<u8>, Ino)>, Failure> {
        let mut entries =
            image.volume.read_dir(ino).map_err(|error| image.fail(path, "cannot read directory", &error))?;
        name::sort(&mut entries, |entry| &entry.name);
        if !self.args.all {
            entries.retain(|entry| !entry.name.starts_with(b"."));
        }
        let (mut rows, mut subdirs) = (Vec::new(), Vec::new());
        if self.args.all {
            let parent = image.volume.lookup(ino, b"..").map_err(|error| image.fail(path, "", &error))?;
            for (name, ino) in [(&b"."[..], ino), (b"..", parent)] {
                let row = self.row(image, &join(path, name), name.to_vec(), ino, Some(FileType::Directory));
                session.part(row.map(|row| rows.push(row)))?;
            }
        }
        for entry in entries {
            let path = join(path, &entry.name);
            let row = self.row(image, &path, entry.name, entry.ino, entry.file_type);
            if self.args.recursive && entry.file_type == Some(FileType::Directory) {
                subdirs.push((path, entry.ino));
            }
            session.part(row.map(|row| rows.push(row)))?;
        }
        self.heading(&image.place(path))?;
        self.table(image.name(), rows, true)?;
        subdirs.reverse();
        Ok(subdirs)
    }

    fn row(
        &self,
        image: &mut Image,
        path: &[u8],
        name: Vec<u8>,
        ino: Ino,
        file_type: Option<FileType>,
    ) -> Result<Row, Failure> {
        let is_wanted = self.args.long || self.json.is_some() || file_type.is_none();
        let stat = if is_wanted {
            Some(image.volume.stat(ino).map_err(|error| image.fail(path, "cannot stat", &error))?)
        } else {
            None
        };
        let file_type = stat.as_ref().map(|stat| stat.file_type).or(file_type);
        let target = if is_wanted && file_type == Some(FileType::Symlink) {
            let target = image.volume.read_link(ino);
            Some(target.map_err(|error| image.fail(path, "cannot read symbolic link", &error))?)
        } else {
            None
        };
        Ok(Row { path: path.to_vec(), name, ino, file_type, stat, target })
    }

    fn heading(&mut self, place: &str) -> Result<(), Failure> {
        if self.json.is_some() || !self.has_headings {
            return Ok(());
        }
        let gap = if self.is_first { "" } else { "\n" };
        self.is_first = false;
        self.out.line(format_args!("{gap}{place}:"))
    }

    fn table(&mut self, image: &str, rows: Vec<Row>, has_total: bool) -> Result<(), Failure> {
        if let Some(json) = &mut self.json {
            json.extend(rows.iter().map(|row| row.json(image)));
            return Ok(());
        }
        self.is_first &= rows.is_empty();
        if self.args.long && has_total {
            let blocks = rows.iter().filter_map(|row| row.stat.as_ref()).map(|stat| stat.blocks_512).sum();
            self.out.line(format_args!("total {}", self.args.kibibytes(blocks)))?;
        }
        let cells: Vec<Vec<String>> = rows.iter().map(|row| self.args.cells(row, self.now)).collect();
        let mut widths = [0; 8];
        for row in &cells {
            row.iter().zip(&mut widths).for_each(|(cell, width)| *width = cell.len().max(*width));
        }
        for (row, cells) in rows.iter().zip(cells) {
            for (cell, width) in cells.iter().zip(widths) {
                self.out.bytes(format!("{cell:>width$} ").as_bytes())?;
            }
            self.out.name(&row.name)?;
            if let Some(target) = &row.target
                && self.args.long
            {
                self.out.bytes(b" -> ")?;
                self.out.name(target)?;
            }
            self.out.line("")?;
        }
        Ok(())
    }
}

impl Args {
    /// All columns in front of the name.
    fn cells(&self, row: &Row, now: Timestamp) -> Vec<String> {
        let mut cells = Vec::new();
        if self.inode {
            cells.push(row.ino.to_string());
        }
        if let Some(stat) = row.stat.as_ref().filter(|_| self.long) {
            cells.push(mode::show(stat.file_type, stat.mode));
            cells.extend([stat.nlink, stat.uid, stat.gid].map(|number| number.to_string()));
            cells.push(match stat.file_type {
                FileType::CharDevice | FileType::BlockDevice => format!("{}, {}", stat.rdev.0, stat.rdev.1),
                _ if self.human_readable => size::human(stat.size),
                _ => stat.size.to_string(),
            });
            cells.push(time::short(stat.mtime, now));
        }
        cells
    }

    fn kibibytes(&self, blocks_512: u64) -> String {
        if self.human_readable {
            size::human(blocks_512.saturating_mul(512))
        } else {
            blocks_512.div_ceil(2).to_string()
        }
    }
}

impl Row {
    fn json(&self, image: &str) -> JsonRow {
        JsonRow {
            image: image.to_owned(),
            path: name::for_json(&self.path),
            name: name::for_json(self.path.rsplit(|&byte| byte == b'/').next().unwrap_or_default()),
            ino: self.ino.0,
            file_type: self.file_type.map(mode::type_word),
            stat: self.stat.as_ref().map(crate::stat::JsonStat::new),
            target: self.target.as_deref().map(name::for_json),
        }
    }
}
