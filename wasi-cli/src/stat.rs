//! `stat` and `readlink`.

use serde::Serialize;
use xfskit::volume::{FileType, Flags, Flags2, Follow, Stat};

use crate::address::Address;
use crate::failure::Failure;
use crate::image::{Access, Image, at_each};
use crate::output::Output;
use crate::session::Session;
use crate::{mode, name, time};

const AFTER_HELP: &str = "\
Examples:
  xfskit stat disk.img:/etc/hosts
  xfskit stat --json disk.img:/a disk.img:/b";

/// Arguments of `stat`.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// Files to show
    #[arg(required = true, value_name = "IMAGE:PATH", value_parser = Address::parser())]
    addresses: Vec<Address>,
    /// Follow symbolic links
    #[arg(short = 'L', long)]
    dereference: bool,
}

/// Arguments of `readlink`.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub(crate) struct ReadlinkArgs {
    /// Symbolic links
    #[arg(required = true, value_name = "IMAGE:PATH", value_parser = Address::parser())]
    addresses: Vec<Address>,
    /// No newline at the end
    #[arg(short, long)]
    no_newline: bool,
}

/// Attributes in JSON.
#[derive(Debug, Serialize)]
pub(crate) struct JsonStat {
    mode: u16,
    mode_text: String,
    uid: u32,
    gid: u32,
    nlink: u32,
    size: u64,
    blocks_512: u64,
    blocksize: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    rdev: Option<(u32, u32)>,
    atime: String,
    mtime: String,
    ctime: String,
    crtime: String,
    generation: u32,
    project_id: u32,
    flags: Vec<String>,
    extsize_fsblocks: u32,
    cowextsize_fsblocks: u32,
    data_fork: &'static str,
    extents: u64,
    attr_fork: &'static str,
    attr_extents: u64,
}

#[derive(Debug, Serialize)]
struct JsonFile {
    image: String,
    path: String,
    ino: u64,
    #[serde(rename = "type")]
    file_type: &'static str,
    #[serde(flatten)]
    stat: JsonStat,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<String>,
    parents: Vec<JsonParent>,
}

#[derive(Debug, Serialize)]
struct JsonParent {
    ino: u64,
    generation: u32,
    name: String,
}

impl JsonStat {
    /// The attributes that do not say where the file is.
    pub(crate) fn new(stat: &Stat) -> Self {
        Self {
            mode: stat.mode,
            mode_text: mode::show(stat.file_type, stat.mode),
            uid: stat.uid,
            gid: stat.gid,
            nlink: stat.nlink,
            size: stat.size,
            blocks_512: stat.blocks_512,
            blocksize: stat.blocksize,
            rdev: is_device(stat.file_type).then_some(stat.rdev),
            atime: time::iso(stat.atime),
            mtime: time::iso(stat.mtime),
            ctime: time::iso(stat.ctime),
            crtime: time::iso(stat.crtime),
            generation: stat.generation,
            project_id: stat.project_id,
            flags: flag_names(stat),
            extsize_fsblocks: stat.extsize,
            cowextsize_fsblocks: stat.cowextsize,
            data_fork: fork_word(stat.format),
            extents: stat.extents,
            attr_fork: fork_word(stat.attr_format),
            attr_extents: stat.attr_extents,
        }
    }
}

/// Carries out `stat`.
pub(crate) fn run(args: &Args, session: &mut Session) -> Result<(), Failure> {
    let mut out = Output::new();
    let mut json = session.json.then(Vec::new);
    let follow = if args.dereference { Follow::Yes } else { Follow::No };
    at_each(&args.addresses, Access::Read, session, |image, address, _| {
        let (stat, target) = gather(image, address, follow)?;
        if let Some(json) = &mut json {
            json.push(json_file(image, address, &stat, target.as_deref()));
            return Ok(());
        }
        out.line(for_people(address, &stat, target.as_deref()))
    })?;
    if let Some(json) = json {
        out.json(&json)?;
    }
    out.finish()
}

/// Carries out `readlink`.
pub(crate) fn readlink(args: &ReadlinkArgs, session: &mut Session) -> Result<(), Failure> {
    let mut out = Output::new();
    at_each(&args.addresses, Access::Read, session, |image, address, _| {
        let ino = image.volume.resolve(&address.path, Follow::No);
        let ino = ino.map_err(|error| image.fail(&address.path, "", &error))?;
        let stat =
            image.volume.stat(ino).map_err(|error| image.fail(&address.path, "cannot stat", &error))?;
        if stat.file_type != FileType::Symlink {
            return Err(Failure::new(address, "", "not a symbolic link"));
        }
        let target = image.volume.read_link(ino);
        let target =
            target.map_err(|error| image.fail(&address.path, "cannot read symbolic link", &error))?;
        out.name(&target)?;
        if args.no_newline { Ok(()) } else { out.line("") }
    })?;
    out.finish()
}

fn gather(image: &mut Image, address: &Address, follow: Follow) -> Result<(Stat, Option<Vec<u8>>), Failure> {
    let ino = image.resolve(&address.path, follow)?;
    let stat = image.volume.stat(ino);
    let mut stat = stat.map_err(|error| image.fail(&address.path, "cannot stat", &error))?;
    let parents = image.volume.parents(ino);
    stat.parents =
        parents.map_err(|error| image.fail(&address.path, "cannot read parent pointers", &error))?;
    let target = if stat.file_type == FileType::Symlink {
        let target = image.volume.read_link(ino);
        Some(target.map_err(|error| image.fail(&address.path, "cannot read symbolic link", &error))?)
    } else {
        None
    };
    Ok((stat, target))
}

fn json_file(image: &Image, address: &Address, stat: &Stat, target: Option<&[u8]>) -> JsonFile {
    JsonFile {
        image: image.name().to_owned(),
        path: name::for_json(&address.path),
        ino: stat.ino.0,
        file_type: mode::type_word(stat.file_type),
        stat: JsonStat::new(stat),
        target: target.map(name::for_json),
        parents: stat
            .parents
            .iter()
            .map(|parent| JsonParent {
                ino: parent.parent.0,
                generation: parent.generation,
                name: name::for_json(&parent.name),
            })
            .collect(),
    }
}

/// What coreutils print, then what only XFS has.
fn for_people(address: &Address, stat: &Stat, target: Option<&[u8]>) -> String {
    let arrow = target.map(|target| format!(" -> {}", name::escaped(target))).unwrap_or_default();
    let device = if is_device(stat.file_type) {
        format!("  Device type: {},{}", stat.rdev.0, stat.rdev.1)
    } else {
        String::new()
    };
    let mut lines = vec![
        format!("  File: {address}{arrow}"),
        format!(
            "  Size: {:<15} Blocks: {:<10} IO Block: {:<6} {}",
            stat.size,
            stat.blocks_512,
            stat.blocksize,
            mode::type_words(stat.file_type)
        ),
        format!(" Inode: {:<15} Links: {}{device}", stat.ino, stat.nlink),
        format!(
            "Access: ({:04o}/{})  Uid: {:<6} Gid: {:<6} Project: {}",
            stat.mode,
            mode::show(stat.file_type, stat.mode),
            stat.uid,
            stat.gid,
            stat.project_id
        ),
        format!("Access: {}", time::full(stat.atime)),
        format!("Modify: {}", time::full(stat.mtime)),
        format!("Change: {}", time::full(stat.ctime)),
        format!(" Birth: {}", time::full(stat.crtime)),
    ];
    let flags = flag_names(stat);
    lines.push(format!(
        " Forks: data {}, {} extents; attr {}, {} extents",
        fork_word(stat.format),
        stat.extents,
        fork_word(stat.attr_format),
        stat.attr_extents
    ));
    lines.push(format!(" Flags: {}", if flags.is_empty() { "-".to_owned() } else { flags.join(" ") }));
    lines.push(format!(
        " Hints: extsize {} blocks, cowextsize {} blocks  Generation: {}",
        stat.extsize, stat.cowextsize, stat.generation
    ));
    for parent in &stat.parents {
        lines.push(format!(
            "Parent: inode {} generation {} name {}",
            parent.parent,
            parent.generation,
            name::escaped(&parent.name)
        ));
    }
    lines.join("\n")
}

fn is_device(file_type: FileType) -> bool {
    matches!(file_type, FileType::CharDevice | FileType::BlockDevice)
}

fn flag_names(stat: &Stat) -> Vec<String> {
    let first = bits(stat.flags.iter_names(), (stat.flags.bits() & !Flags::all().bits()).into());
    let second = bits(stat.flags2.iter_names(), stat.flags2.bits() & !Flags2::all().bits());
    first.into_iter().chain(second).collect()
}

/// Names of flags in lower case, and what has no name in hexadecimal.
pub(crate) fn bits<F>(named: impl Iterator<Item = (&'static str, F)>, unknown: u64) -> Vec<String> {
    let mut names: Vec<String> = named.map(|(name, _)| name.to_ascii_lowercase()).collect();
    if unknown != 0 {
        names.push(format!("{unknown:#x}"));
    }
    names
}

fn fork_word(format: u8) -> &'static str {
    match format {
        0 => "device",
        1 => "local",
        2 => "extents",
        3 => "btree",
        _ => "other",
    }
}
