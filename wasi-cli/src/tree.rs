//! `tree`: directories drawn as a tree.

use serde::Serialize;
use xfskit::volume::{DirEntry, FileType, Follow};

use crate::address::Address;
use crate::failure::Failure;
use crate::image::{Access, Image, at_each};
use crate::output::Output;
use crate::session::Session;
use crate::walk::{Step, Walk, type_of};
use crate::{mode, name};

const AFTER_HELP: &str = "\
Examples:
  xfskit tree disk.img:
  xfskit tree -L 2 -a disk.img:/srv";

/// Arguments of `tree`.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// Directories to show
    #[arg(required = true, value_name = "IMAGE:PATH", value_parser = Address::parser())]
    addresses: Vec<Address>,
    /// Names that start with a dot too
    #[arg(short, long)]
    all: bool,
    /// No deeper than this
    #[arg(short = 'L', long, value_name = "DEPTH", value_parser = clap::value_parser!(u32).range(1..))]
    level: Option<u32>,
}

/// A file in JSON. A directory has `children` too, which are written as they are found: a tree may be deeper than any
/// stack.
#[derive(Debug, Serialize)]
struct Node {
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<String>,
    name: String,
    #[serde(rename = "type")]
    file_type: &'static str,
    ino: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<String>,
}

/// Draws or collects one tree after the other.
struct Drawing<'a> {
    args: &'a Args,
    out: Output,
    json: bool,
    has_drawn: bool,
    /// Whether a file was written after the last bracket that opened.
    needs_comma: bool,
    directories: u64,
    files: u64,
}

/// Carries it out.
pub(crate) fn run(args: &Args, session: &mut Session) -> Result<(), Failure> {
    let mut drawing = Drawing {
        args,
        out: Output::new(),
        json: session.json,
        has_drawn: false,
        needs_comma: false,
        directories: 0,
        files: 0,
    };
    if drawing.json {
        drawing.out.bytes(b"[")?;
    }
    at_each(&args.addresses, Access::Read, session, |image, address, session| {
        drawing.draw(image, address, session)
    })?;
    if drawing.json {
        drawing.out.line("\n]")?;
    } else if drawing.has_drawn {
        let (directories, files) = (drawing.directories, drawing.files);
        drawing.out.line(format_args!("\n{directories} directories, {files} files"))?;
    }
    drawing.out.finish()
}

impl Drawing<'_> {
    fn draw(&mut self, image: &mut Image, address: &Address, session: &mut Session) -> Result<(), Failure> {
        let top = image.resolve(&address.path, Follow::Yes)?;
        let mut walk = Walk::new(&address.path);
        walk.enter(image, top)?;
        self.has_drawn = true;
        let node = Node {
            image: Some(image.name().to_owned()),
            name: name::for_json(&address.path),
            file_type: mode::type_word(FileType::Directory),
            ino: top.0,
            target: None,
        };
        if self.json {
            self.open(&node, true)?
        } else {
            self.out.line(address)?
        }
        // Whether the open directories have more to come, outermost first; the innermost is the walk's own.
        let mut has_more: Vec<bool> = Vec::new();
        while let Some(step) = walk.next() {
            match step {
                Step::Leave => {
                    has_more.pop();
                    self.close()?;
                }
                Step::Entry(entry) => {
                    if entry.name.starts_with(b".") && !self.args.all {
                        continue;
                    }
                    let is_last = self.is_last(&walk);
                    let is_dir = self.entry(image, &entry, &walk, &has_more, is_last, session)?;
                    let is_deep = self.args.level.is_some_and(|level| walk.depth() >= level as usize);
                    if is_dir && !is_deep {
                        match walk.enter(image, entry.ino) {
                            Ok(()) => has_more.push(!is_last),
                            Err(failure) => {
                                session.part(Err(failure))?;
                                self.close()?;
                            }
                        }
                    } else if is_dir {
                        self.close()?;
                    }
                }
            }
        }
        Ok(())
    }

    fn is_last(&self, walk: &Walk) -> bool {
        walk.rest().iter().all(|next| next.name.starts_with(b".") && !self.args.all)
    }

    /// Shows one entry; says whether it is a directory.
    fn entry(
        &mut self,
        image: &mut Image,
        entry: &DirEntry,
        walk: &Walk,
        has_more: &[bool],
        is_last: bool,
        session: &mut Session,
    ) -> Result<bool, Failure> {
        let file_type = match type_of(image, entry, walk.path()) {
            Ok(file_type) => Some(file_type),
            Err(failure) => {
                session.part(Err(failure))?;
                None
            }
        };
        let target =
            if file_type == Some(FileType::Symlink) { image.volume.read_link(entry.ino).ok() } else { None };
        let is_dir = file_type == Some(FileType::Directory);
        *(if is_dir { &mut self.directories } else { &mut self.files }) += 1;
        if self.json {
            let node = Node {
                image: None,
                name: name::for_json(&entry.name),
                file_type: file_type.map_or("unknown", mode::type_word),
                ino: entry.ino.0,
                target: target.as_deref().map(name::for_json),
            };
            self.open(&node, is_dir)?;
            return Ok(is_dir);
        }
        for &more in has_more {
            self.out.bytes(if more { "│   " } else { "    " }.as_bytes())?;
        }
        self.out.bytes(if is_last { "└── " } else { "├── " }.as_bytes())?;
        self.out.name(&entry.name)?;
        if let Some(target) = target {
            self.out.bytes(b" -> ")?;
            self.out.name(&target)?;
        }
        self.out.line("")?;
        Ok(is_dir)
    }

    /// Writes a file in JSON, a directory up to its children.
    fn open(&mut self, node: &Node, is_dir: bool) -> Result<(), Failure> {
        let comma = if self.needs_comma { "," } else { "" };
        self.needs_comma = !is_dir;
        let text = serde_json::to_string(node).map_err(|error| Failure::output(&error.into()))?;
        let text = if is_dir { text.trim_end_matches('}') } else { &text };
        let children = if is_dir { ",\"children\":[" } else { "" };
        self.out.bytes(format!("{comma}\n{text}{children}").as_bytes())
    }

    /// Ends the innermost directory.
    fn close(&mut self) -> Result<(), Failure> {
        self.needs_comma = true;
        if self.json { self.out.bytes(b"]}") } else { Ok(()) }
    }
}
