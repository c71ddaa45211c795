//! `extents`: where the blocks of a file lie.

use serde::Serialize;
use xfskit::volume::{ExtentPlace, FileExtent, Follow};

use crate::address::Address;
use crate::failure::Failure;
use crate::image::{Access, Image, at_each};
use crate::name;
use crate::output::Output;
use crate::session::Session;

const AFTER_HELP: &str = "\
All columns count filesystem blocks: FILE blocks of the file, AG the
allocation group, AGBLOCK blocks of that group, LENGTH. Flags: shared (other
files, or other parts of this one, use the blocks too), unwritten (allocated,
reads as zeros), delalloc (not on disk yet). What is not listed is a hole.

Examples:
  xfskit extents disk.img:/a
  xfskit extents --json disk.img:/a disk.img:/b";

/// Arguments of `extents`.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// Files
    #[arg(required = true, value_name = "IMAGE:PATH", value_parser = Address::parser())]
    addresses: Vec<Address>,
}

#[derive(Debug, Serialize)]
struct JsonFile {
    image: String,
    path: String,
    ino: u64,
    size: u64,
    blocksize: u32,
    extents: Vec<JsonExtent>,
}

#[derive(Debug, Serialize)]
struct JsonExtent {
    offset_fsblocks: u64,
    len_fsblocks: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    ag: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agblock: Option<u32>,
    /// Byte offset in the image.
    #[serde(skip_serializing_if = "Option::is_none")]
    image_byte: Option<u64>,
    flags: Vec<&'static str>,
}

/// Carries it out.
pub(crate) fn run(args: &Args, session: &mut Session) -> Result<(), Failure> {
    let mut out = Output::new();
    let mut json = session.json.then(Vec::new);
    at_each(&args.addresses, Access::Read, session, |image, address, _| {
        let ino = image.resolve(&address.path, Follow::Yes)?;
        let stat =
            image.volume.stat(ino).map_err(|error| image.fail(&address.path, "cannot stat", &error))?;
        let extents = image
            .volume
            .extents(ino)
            .map_err(|error| image.fail(&address.path, "cannot read extents", &error))?;
        if let Some(json) = &mut json {
            json.push(JsonFile {
                image: image.name().to_owned(),
                path: name::for_json(&address.path),
                ino: ino.0,
                size: stat.size,
                blocksize: stat.blocksize,
                extents: extents.iter().map(|extent| json_extent(image, extent)).collect(),
            });
            return Ok(());
        }
        out.line(format_args!(
            "{address}: {} bytes, {} extents, blocks of {} bytes",
            stat.size,
            extents.len(),
            stat.blocksize
        ))?;
        table(&mut out, &extents)
    })?;
    if let Some(json) = json {
        out.json(&json)?;
    }
    out.finish()
}

fn table(out: &mut Output, extents: &[FileExtent]) -> Result<(), Failure> {
    let mut rows = vec![["#", "FILE", "AG", "AGBLOCK", "LENGTH", "FLAGS"].map(str::to_owned)];
    for (index, extent) in extents.iter().enumerate() {
        let range = |start: u64| format!("{start}..{}", start.saturating_add(extent.len_fsblocks));
        let (ag, agblock) = match extent.place {
            ExtentPlace::Disk { ag, agblock } => (ag.to_string(), range(agblock.0.into())),
            ExtentPlace::Delalloc => ("-".to_owned(), "-".to_owned()),
        };
        let file = range(extent.offset_fsblocks);
        rows.push([
            index.to_string(),
            file,
            ag,
            agblock,
            extent.len_fsblocks.to_string(),
            flags(extent).join(","),
        ]);
    }
    let mut widths = [0; 6];
    for row in &rows {
        row.iter().zip(&mut widths).for_each(|(cell, width)| *width = cell.len().max(*width));
    }
    for [index, file, ag, agblock, len, flags] in &rows {
        let [w0, w1, w2, w3, w4, _] = widths;
        let line = format!("  {index:>w0$}  {file:<w1$}  {ag:>w2$}  {agblock:<w3$}  {len:>w4$}  {flags}");
        out.line(line.trim_end())?;
    }
    Ok(())
}

fn flags(extent: &FileExtent) -> Vec<&'static str> {
    let mut flags = Vec::new();
    if extent.shared {
        flags.push("shared");
    }
    if extent.unwritten {
        flags.push("unwritten");
    }
    if extent.place == ExtentPlace::Delalloc {
        flags.push("delalloc");
    }
    flags
}

fn json_extent(image: &Image, extent: &FileExtent) -> JsonExtent {
    let (ag, agblock, image_byte) = match extent.place {
        ExtentPlace::Disk { ag, agblock } => {
            (Some(ag.0), Some(agblock.0), Some(image.volume.geometry().ag_byte(ag, agblock)))
        }
        ExtentPlace::Delalloc => (None, None, None),
    };
    JsonExtent {
        offset_fsblocks: extent.offset_fsblocks,
        len_fsblocks: extent.len_fsblocks,
        ag,
        agblock,
        image_byte,
        flags: flags(extent),
    }
}
