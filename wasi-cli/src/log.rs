//! `log`: what the log says, before anything of it is replayed.

mod dump;

use std::path::{Path, PathBuf};

use serde::Serialize;
use xfskit::device::FileDevice;
use xfskit::units::Lsn;
use xfskit::volume::log::{Extent, LogReport, State, look};

use crate::address::{Address, show_path};
use crate::failure::Failure;
use crate::image::{Access, cannot_open, device};
use crate::output::Output;
use crate::session::Session;
use crate::size;

const AFTER_HELP: &str = "\
Places in the log are CYCLE:BLOCK, with blocks of 512 bytes from its start.
Nothing is replayed, and nothing is changed.

With --dump, records between tail and head follow, each with the transactions
that are committed in it, each of these with its items. With --all as well,
also what lies before the tail, which is in place already: an old record stays
until a new one is written over it, in a clean log too.

Example:
  xfskit log disk.img --dump";

/// Arguments of `log`.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// Image
    #[arg(value_name = "IMAGE", value_parser = Address::image_parser())]
    image: PathBuf,
    /// List records, transactions and their items
    #[arg(long)]
    dump: bool,
    /// With --dump, show everything that the log still holds
    #[arg(long, requires = "dump")]
    all: bool,
}

/// A place in the log.
#[derive(Debug, Serialize)]
struct JsonLsn {
    cycle: u32,
    block_bb: u32,
}

#[derive(Debug, Serialize)]
struct JsonLog<'r> {
    image: &'r str,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tail: Option<JsonLsn>,
    #[serde(skip_serializing_if = "Option::is_none")]
    head: Option<JsonLsn>,
    len_bb: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    ag: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agblock: Option<u32>,
    sunit_bytes: u32,
    records: u64,
    transactions: u64,
    intents: Vec<dump::JsonEntry>,
}

/// Carries it out.
pub(crate) fn run(args: &Args, session: &mut Session) -> Result<(), Failure> {
    let (name, mut device, report) = open(&args.image)?;
    let extent = if args.all { Extent::All } else { Extent::Needed };
    let mut out = Output::new();
    if session.json {
        let json = json(&name, &report);
        if args.dump {
            return dump::json(&mut device, &name, &json, extent, out);
        }
        out.json(&json)?;
    } else {
        for line in lines(&name, &report) {
            out.line(line)?;
        }
        if args.dump {
            return dump::text(&mut device, &name, extent, out);
        }
    }
    out.finish()
}

/// Looks at the log of an image; its name, its device and what was found.
pub(crate) fn open(path: &Path) -> Result<(String, FileDevice, LogReport), Failure> {
    let name = show_path(path);
    let mut device = device(path, Access::Read)?;
    let report = look(&mut device).map_err(|error| cannot_open(&name, error))?;
    Ok((name, device, report))
}

fn lines(name: &str, report: &LogReport) -> Vec<String> {
    let place = report.place.map(|(ag, agblock)| format!(" at AG {} block {}", ag.0, agblock.0));
    let length = size::human(report.len_bb.saturating_mul(512));
    let mut lines = vec![
        format!("image      {name}"),
        format!("state      {}", state_line(report)),
        format!("length     {} basic blocks ({length}){}", report.len_bb, place.unwrap_or_default()),
    ];
    if report.sunit_bytes > 0 {
        lines.push(format!("stripes    unit {} bytes", report.sunit_bytes));
    }
    if let Some(ends) = report.ends {
        lines.push(format!("tail       {}", place_of(ends.tail)));
        lines.push(format!("head       {}", place_of(ends.head)));
        lines.push(format!("cycle      {}", ends.head.cycle()));
    }
    for intent in &report.intents {
        lines.push(format!("pending    {}", dump::intent_line(intent)));
    }
    lines
}

fn state_line(report: &LogReport) -> String {
    match &report.state {
        State::Clean => "clean".to_owned(),
        State::Refused(reason) => format!("dirty, cannot be replayed here: {reason}"),
        State::External => "unknown: the log is on another device".to_owned(),
        _ => {
            let (transactions, records) = (report.transactions, report.records);
            format!("dirty: {} in {} to replay", count(transactions, "transaction"), count(records, "record"))
        }
    }
}

/// `CYCLE:BLOCK`.
fn place_of(lsn: Lsn) -> String {
    format!("{}:{}", lsn.cycle(), lsn.block_bb())
}

/// `1 record`, `2 records`.
pub(crate) fn count(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn json<'r>(name: &'r str, report: &LogReport) -> JsonLog<'r> {
    let (state, reason) = match &report.state {
        State::Clean => ("clean", None),
        State::Refused(reason) => ("refused", Some(reason.to_string())),
        State::External => ("external", None),
        _ => ("dirty", None),
    };
    let json = |lsn: Lsn| JsonLsn { cycle: lsn.cycle(), block_bb: lsn.block_bb() };
    JsonLog {
        image: name,
        state,
        reason,
        tail: report.ends.map(|ends| json(ends.tail)),
        head: report.ends.map(|ends| json(ends.head)),
        len_bb: report.len_bb,
        ag: report.place.map(|(ag, _)| ag.0),
        agblock: report.place.map(|(_, agblock)| agblock.0),
        sunit_bytes: report.sunit_bytes,
        records: report.records,
        transactions: report.transactions,
        intents: report.intents.iter().map(dump::JsonEntry::intent).collect(),
    }
}
