//! `info`: shape, features, counters and log of a volume.

use std::path::PathBuf;

use serde::Serialize;
use xfskit::format::features::{Incompat, LogIncompat, RoCompat, Version};
use xfskit::geometry::Geometry;
use xfskit::volume::StatFs;

use crate::address::Address;
use crate::failure::Failure;
use crate::image::{Access, Image};
use crate::output::Output;
use crate::session::Session;
use crate::stat::bits;
use crate::{name, size};

/// Arguments of `info`.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(after_help = "Example:\n  xfskit info disk.img")]
pub(crate) struct Args {
    /// Image
    #[arg(value_name = "IMAGE", value_parser = Address::image_parser())]
    image: PathBuf,
}

#[derive(Debug, Serialize)]
struct JsonInfo {
    image: String,
    uuid: String,
    label: String,
    blocksize: u32,
    sectsize: u32,
    inodesize: u32,
    dir_blocksize: u32,
    dblocks: u64,
    agcount: u32,
    agblocks: u32,
    log: JsonLog,
    rtblocks: u64,
    stripe_unit_fsblocks: u32,
    inoalignmt_fsblocks: u32,
    imax_pct: u8,
    rootino: u64,
    features: Vec<String>,
    total_fsblocks: u64,
    free_fsblocks: u64,
    inodes: u64,
    free_inodes: u64,
    /// Why changes would be refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    read_only: Option<String>,
    warnings: Vec<String>,
}

#[derive(Debug, Serialize)]
struct JsonLog {
    fsblocks: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    ag: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agblock: Option<u32>,
    sunit_bytes: u32,
    version: u32,
    state: &'static str,
    /// Transactions that wait for replay.
    #[serde(skip_serializing_if = "Option::is_none")]
    transactions: Option<u64>,
}

/// Carries it out.
pub(crate) fn run(args: &Args, session: &mut Session) -> Result<(), Failure> {
    let mut image = Image::open(&args.image, Access::Read, session)?;
    let statfs = image.volume.statfs();
    let statfs = statfs.map_err(|error| Failure::new(image.name(), "cannot read counters", error))?;
    let mut out = Output::new();
    if session.json {
        out.json(&json(&image, &statfs))?;
    } else {
        for line in lines(&image, &statfs) {
            out.line(line)?;
        }
    }
    out.finish()
}

fn lines(image: &Image, statfs: &StatFs) -> Vec<String> {
    let g = image.volume.geometry();
    let bytes = |fsblocks: u64| size::human(fsblocks.saturating_mul(g.blocksize.into()));
    let label = g.label();
    let mut lines = vec![
        format!("image      {}", image.name()),
        format!("uuid       {}", g.uuid),
        format!("label      {}", if label.is_empty() { "-".to_owned() } else { name::escaped(label) }),
        format!("size       {} blocks of {} bytes ({})", g.dblocks, g.blocksize, bytes(g.dblocks)),
        format!("groups     {} AGs of {} blocks ({})", g.agcount, g.agblocks, bytes(g.agblocks.into())),
        format!("sectors    {} bytes", g.sectsize),
        format!("inodes     {} bytes each, at most {}% of the space", g.inodesize, g.imax_pct),
        format!("dirblocks  {} bytes", g.dir_blocksize()),
        format!("log        {}", log_line(image, g)),
    ];
    if g.stripe_unit > 0 {
        lines.push(format!("stripes    unit {} blocks", g.stripe_unit));
    }
    if g.rblocks > 0 {
        lines.push(format!("realtime   {} blocks", g.rblocks));
    }
    lines.push(format!("features   {}", features(g).join(" ")));
    let (total, free) = (statfs.total_fsblocks, statfs.free_fsblocks);
    lines.push(format!("space      {} of {} blocks free ({} of {})", free, total, bytes(free), bytes(total)));
    lines.push(format!("files      {} inodes allocated, {} of them free", statfs.inodes, statfs.free_inodes));
    if let Some(reason) = image.reason() {
        lines.push(format!("read-only  {reason}"));
    }
    lines
}

fn log_line(image: &Image, g: &Geometry) -> String {
    let length = format!("{} blocks ({})", g.logblocks, size::human(u64::from(g.logblocks) << g.blocklog));
    if g.logstart.is_null() {
        return format!("external, {length}");
    }
    let (ag, agblock) = g.split(g.logstart);
    let state = match log_state(image) {
        (state, Some(count)) => format!("{state}: {} to replay", crate::log::count(count, "transaction")),
        (state, None) => state.to_owned(),
    };
    format!("{length} at AG {ag} block {agblock}, {state}")
}

/// State of the log, and how many transactions it has to replay where that is known.
fn log_state(image: &Image) -> (&'static str, Option<u64>) {
    let volume = &image.volume;
    if volume.geometry().logstart.is_null() {
        return ("unknown", None);
    }
    if let Some(report) = volume.recovered() {
        return ("dirty", Some(report.replayed.checkpoints));
    }
    (if volume.has_dirty_log() { "dirty" } else { "clean" }, None)
}

fn json(image: &Image, statfs: &StatFs) -> JsonInfo {
    let g = image.volume.geometry();
    let (state, transactions) = log_state(image);
    let log_at = (!g.logstart.is_null()).then(|| g.split(g.logstart));
    JsonInfo {
        image: image.name().to_owned(),
        uuid: g.uuid.to_string(),
        label: name::for_json(g.label()),
        blocksize: g.blocksize,
        sectsize: g.sectsize,
        inodesize: g.inodesize,
        dir_blocksize: g.dir_blocksize(),
        dblocks: g.dblocks,
        agcount: g.agcount,
        agblocks: g.agblocks,
        log: JsonLog {
            fsblocks: g.logblocks,
            ag: log_at.map(|(ag, _)| ag.0),
            agblock: log_at.map(|(_, agblock)| agblock.0),
            sunit_bytes: g.logsunit_bytes,
            version: 2,
            state,
            transactions,
        },
        rtblocks: g.rblocks,
        stripe_unit_fsblocks: g.stripe_unit,
        inoalignmt_fsblocks: g.inoalignmt,
        imax_pct: g.imax_pct,
        rootino: g.rootino.0,
        features: features(g),
        total_fsblocks: statfs.total_fsblocks,
        free_fsblocks: statfs.free_fsblocks,
        inodes: statfs.inodes,
        free_inodes: statfs.free_inodes,
        read_only: image.reason().map(str::to_owned),
        warnings: image.volume.warnings().to_vec(),
    }
}

/// Features that a volume may lack, by name; bits without a name in hexadecimal.
fn features(g: &Geometry) -> Vec<String> {
    let unknown = |bits: u32, known: u32| u64::from(bits & !known);
    let mut names = vec!["crc".to_owned()];
    if g.version.contains(Version::BORG) {
        names.push("ascii-ci".to_owned());
    }
    if g.version.contains(Version::QUOTA) {
        names.push("quota".to_owned());
    }
    names.extend(bits(g.ro_compat.iter_names(), unknown(g.ro_compat.bits(), RoCompat::all().bits())));
    names.extend(bits(g.incompat.iter_names(), unknown(g.incompat.bits(), Incompat::all().bits())));
    let log = bits(g.log_incompat.iter_names(), unknown(g.log_incompat.bits(), LogIncompat::all().bits()));
    names.extend(log.into_iter().map(|name| format!("log-{name}")));
    names
}
