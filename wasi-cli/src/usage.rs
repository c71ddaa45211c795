//! `df` and `du`: space of volumes and of trees.

use std::collections::HashSet;
use std::path::PathBuf;

use serde::Serialize;
use xfskit::units::Ino;
use xfskit::volume::{FileType, Follow, Stat, StatFs};

use crate::address::Address;
use crate::failure::Failure;
use crate::image::{Access, Image, at_each};
use crate::output::Output;
use crate::session::Session;
use crate::walk::{Step, Walk};
use crate::{name, size};

const DU_AFTER_HELP: &str = "\
Blocks that files share are counted for each of them; a file with several
names is counted once.

Examples:
  xfskit du -h disk.img:/srv
  xfskit du -sh disk.img:/srv disk.img:/home";

/// Arguments of `df`.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(disable_help_flag = true, after_help = "Example:\n  xfskit df -h disk.img")]
pub(crate) struct DfArgs {
    /// Images
    #[arg(required = true, value_name = "IMAGE", value_parser = Address::image_parser())]
    images: Vec<PathBuf>,
    /// Sizes such as 1.5G, not in units of 1024 bytes
    #[arg(short, long)]
    human_readable: bool,
    /// Inodes instead of blocks
    #[arg(short, long)]
    inodes: bool,
    /// Print help
    #[arg(long, action = clap::ArgAction::Help)]
    help: Option<bool>,
}

/// Arguments of `du`.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(disable_help_flag = true, after_help = DU_AFTER_HELP)]
pub(crate) struct DuArgs {
    /// Files and directories
    #[arg(required = true, value_name = "IMAGE:PATH", value_parser = Address::parser())]
    addresses: Vec<Address>,
    /// Sizes such as 1.5G, not in units of 1024 bytes
    #[arg(short, long)]
    human_readable: bool,
    /// Only the sum for each PATH
    #[arg(short, long)]
    summarize: bool,
    /// Print help
    #[arg(long, action = clap::ArgAction::Help)]
    help: Option<bool>,
}

#[derive(Debug, Serialize)]
struct JsonDf {
    image: String,
    blocksize: u32,
    total_bytes: u64,
    used_bytes: u64,
    free_bytes: u64,
    /// Of these, what new data can have.
    available_bytes: u64,
    inodes: u64,
    free_inodes: u64,
}

#[derive(Debug, Serialize)]
struct JsonDu {
    image: String,
    path: String,
    bytes: u64,
}

/// What `df` shows.
struct Space {
    statfs: StatFs,
    available_fsblocks: u64,
}

/// Carries out `df`.
pub(crate) fn df(args: &DfArgs, session: &mut Session) -> Result<(), Failure> {
    let mut out = Output::new();
    let mut json = session.json.then(Vec::new);
    let mut rows = vec![df_heading(args)];
    for path in &args.images {
        let outcome = Image::open(path, Access::Read, session).and_then(|mut image| {
            let counts = image.volume.statfs().and_then(|statfs| {
                Ok(Space { statfs, available_fsblocks: image.volume.available_fsblocks()? })
            });
            let space = counts.map_err(|error| Failure::new(image.name(), "cannot read counters", error))?;
            match &mut json {
                Some(json) => json.push(json_df(image.name(), &space)),
                None => rows.push(df_row(image.name(), &space, args)),
            }
            Ok(())
        });
        session.part(outcome)?;
    }
    if let Some(json) = json {
        out.json(&json)?;
    } else if rows.len() > 1 {
        let mut widths = [0; 5];
        for row in &rows {
            row.iter().zip(&mut widths).for_each(|(cell, width)| *width = cell.len().max(*width));
        }
        for [image, total, used, free, percent] in &rows {
            let [w0, w1, w2, w3, w4] = widths;
            out.line(format_args!("{image:<w0$} {total:>w1$} {used:>w2$} {free:>w3$} {percent:>w4$}"))?;
        }
    }
    out.finish()
}

fn df_heading(args: &DfArgs) -> [String; 5] {
    let [total, used, free, percent] = match (args.inodes, args.human_readable) {
        (true, _) => ["Inodes", "IUsed", "IFree", "IUse%"],
        (false, true) => ["Size", "Used", "Avail", "Use%"],
        (false, false) => ["1K-blocks", "Used", "Available", "Use%"],
    };
    ["Image", total, used, free, percent].map(str::to_owned)
}

fn df_row(image: &str, space: &Space, args: &DfArgs) -> [String; 5] {
    let statfs = &space.statfs;
    let (total, free, available) = if args.inodes {
        (statfs.inodes, statfs.free_inodes, statfs.free_inodes)
    } else {
        let bytes = |fsblocks: u64| fsblocks.saturating_mul(statfs.blocksize.into());
        (bytes(statfs.total_fsblocks), bytes(statfs.free_fsblocks), bytes(space.available_fsblocks))
    };
    let used = total.saturating_sub(free);
    let show = |number: u64| match (args.inodes, args.human_readable) {
        (_, true) => size::human(number),
        (true, false) => number.to_string(),
        (false, false) => number.div_ceil(1024).to_string(),
    };
    // Of what data can have, as the host's df counts it.
    let usable = used.saturating_add(available);
    let percent = match usable {
        0 => "-".to_owned(),
        _ => format!("{}%", (u128::from(used) * 100).div_ceil(usable.into())),
    };
    [image.to_owned(), show(total), show(used), show(available), percent]
}

fn json_df(image: &str, space: &Space) -> JsonDf {
    let statfs = &space.statfs;
    let bytes = |fsblocks: u64| fsblocks.saturating_mul(statfs.blocksize.into());
    JsonDf {
        image: image.to_owned(),
        blocksize: statfs.blocksize,
        total_bytes: bytes(statfs.total_fsblocks),
        used_bytes: bytes(statfs.total_fsblocks.saturating_sub(statfs.free_fsblocks)),
        free_bytes: bytes(statfs.free_fsblocks),
        available_bytes: bytes(space.available_fsblocks),
        inodes: statfs.inodes,
        free_inodes: statfs.free_inodes,
    }
}

/// Carries out `du`.
pub(crate) fn du(args: &DuArgs, session: &mut Session) -> Result<(), Failure> {
    let mut sums =
        Sums { args, out: Output::new(), json: session.json.then(Vec::new), counted: HashSet::new() };
    at_each(&args.addresses, Access::Read, session, |image, address, session| {
        sums.add_up(image, address, session)
    })?;
    if let Some(json) = &sums.json {
        sums.out.json(json)?;
    }
    sums.out.finish()
}

struct Sums<'a> {
    args: &'a DuArgs,
    out: Output,
    json: Option<Vec<JsonDu>>,
    /// Files with several names that were counted already, by image and inode.
    counted: HashSet<(PathBuf, Ino)>,
}

impl Sums<'_> {
    fn add_up(&mut self, image: &mut Image, address: &Address, session: &mut Session) -> Result<(), Failure> {
        let top = image.resolve(&address.path, Follow::No)?;
        let stat =
            image.volume.stat(top).map_err(|error| image.fail(&address.path, "cannot stat", &error))?;
        if stat.file_type != FileType::Directory {
            return self.show(image.name(), &address.path, stat.blocks_512);
        }
        let mut walk = Walk::new(&address.path);
        walk.enter(image, top)?;
        // What each open directory has summed up to, outermost first.
        let mut open = vec![stat.blocks_512];
        while let Some(step) = walk.next() {
            match step {
                Step::Leave => {
                    let blocks = open.pop().unwrap_or_default();
                    if open.is_empty() || !self.args.summarize {
                        self.show(image.name(), walk.path(), blocks)?;
                    }
                    if let Some(parent) = open.last_mut() {
                        *parent += blocks;
                    }
                }
                Step::Entry(entry) => {
                    let stat = image.volume.stat(entry.ino);
                    let outcome = match stat.map_err(|error| image.fail(walk.path(), "cannot stat", &error)) {
                        Ok(stat) if stat.file_type == FileType::Directory => {
                            walk.enter(image, entry.ino).map(|()| open.push(stat.blocks_512))
                        }
                        Ok(stat) => {
                            let is_new = self.is_new(address, &stat);
                            if let Some(sum) = open.last_mut().filter(|_| is_new) {
                                *sum += stat.blocks_512;
                            }
                            Ok(())
                        }
                        Err(failure) => Err(failure),
                    };
                    session.part(outcome)?;
                }
            }
        }
        Ok(())
    }

    fn is_new(&mut self, address: &Address, stat: &Stat) -> bool {
        stat.nlink < 2 || self.counted.insert((address.image.clone(), stat.ino))
    }

    fn show(&mut self, image: &str, path: &[u8], blocks_512: u64) -> Result<(), Failure> {
        if let Some(json) = &mut self.json {
            let bytes = blocks_512.saturating_mul(512);
            json.push(JsonDu { image: image.to_owned(), path: name::for_json(path), bytes });
            return Ok(());
        }
        let shown = if self.args.human_readable {
            size::human(blocks_512.saturating_mul(512))
        } else {
            blocks_512.div_ceil(2).to_string()
        };
        self.out.bytes(format!("{shown}\t{image}:").as_bytes())?;
        self.out.name(path)?;
        self.out.line("")
    }
}
