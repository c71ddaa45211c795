//! `recover`: a dirty log replayed, now and not when the next change comes along.

use std::path::PathBuf;

use serde::{Serialize, Serializer};
use xfskit::volume::Report;
use xfskit::volume::log::State;

use crate::address::Address;
use crate::failure::Failure;
use crate::image::{Access, Image};
use crate::log::open;
use crate::output::Output;
use crate::session::Session;

const AFTER_HELP: &str = "\
Whatever changes an image recovers it first, and whatever reads it sees it as
it is after recovery; this is for doing it now, and for knowing what it does.
A log that is not understood is left alone, and so is the image.

Example:
  xfskit recover disk.img --dry-run";

/// Arguments of `recover`.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// Image
    #[arg(value_name = "IMAGE", value_parser = Address::image_parser())]
    image: PathBuf,
    /// Only say what it would do
    #[arg(long)]
    dry_run: bool,
}

/// Something that recovery counts: its name in JSON, its name for people with `#` where the plural's ending goes, how much.
type Count = (&'static str, &'static str, u64);

#[derive(Debug, Serialize)]
struct JsonRecovery<'r> {
    image: &'r str,
    /// What the log was before.
    state: &'static str,
    dry_run: bool,
    #[serde(serialize_with = "by_name", skip_serializing_if = "Vec::is_empty")]
    counts: Vec<Count>,
    warnings: Vec<String>,
}

/// Carries it out.
pub(crate) fn run(args: &Args, session: &mut Session) -> Result<(), Failure> {
    let (name, device, log) = open(&args.image)?;
    // It holds a lock.
    drop(device);
    if session.read_only && !args.dry_run {
        let why = "--read-only was given; --dry-run says what would be done";
        return Err(Failure::new(name, "cannot recover", why));
    }
    match log.state {
        State::Clean => return nothing_to_do(&name, args.dry_run, session),
        State::Refused(reason) => return Err(Failure::new(name, "cannot recover", reason)),
        State::External => return Err(Failure::new(name, "cannot recover", "the log is on another device")),
        _ => {}
    }
    let access = if args.dry_run { Access::Read } else { Access::Write };
    let image = Image::open_quietly(&args.image, access, session)?;
    let Some(report) = image.volume.recovered() else {
        return match image.volume.read_only_reason() {
            Some(reason) if args.dry_run => Err(Failure::new(name, "cannot recover", reason)),
            // Somebody else was faster.
            _ => nothing_to_do(&name, args.dry_run, session),
        };
    };
    let (counts, warnings) = (counts(report), report.warnings.clone());
    image.close()?;
    if session.json {
        let json = JsonRecovery { image: &name, state: "dirty", dry_run: args.dry_run, counts, warnings };
        return print_json(&json);
    }
    for warning in &warnings {
        session.warn(&name, warning);
    }
    print_line(&line(&name, args.dry_run, &counts))
}

/// What recovery did, or would do.
fn counts(report: &Report) -> Vec<Count> {
    let replayed = &report.replayed;
    vec![
        ("records", "record#", replayed.records),
        ("transactions", "transaction#", replayed.checkpoints),
        ("buffers", "block#", replayed.buffers),
        ("inodes", "inode#", replayed.inodes),
        ("chunks", "fresh inode chunk#", replayed.chunks),
        ("skipped", "outdated item# left out", replayed.skipped),
        ("intents", "intent# finished", report.intents.iter().map(|(_, count)| count).sum()),
        ("unlinked", "unlinked inode# freed", report.unlinked),
        ("staging_fsblocks", "block# of leftover staging extents freed", report.staging_fsblocks),
    ]
}

/// One line for people, without what did not happen.
fn line(name: &str, dry_run: bool, counts: &[Count]) -> String {
    let parts = counts.iter().filter(|(_, _, number)| *number > 0);
    let parts: Vec<String> = parts.map(|&(_, what, number)| counted(number, what)).collect();
    let (verb, end) = match dry_run {
        true => ("would replay", "nothing was changed"),
        false => ("replayed", "the log is clean now"),
    };
    format!("{name}: {verb} {}; {end}", parts.join(", "))
}

fn counted(number: u64, what: &str) -> String {
    format!("{number} {}", what.replace('#', if number == 1 { "" } else { "s" }))
}

fn nothing_to_do(name: &str, dry_run: bool, session: &Session) -> Result<(), Failure> {
    if session.json {
        let (counts, warnings) = (Vec::new(), Vec::new());
        return print_json(&JsonRecovery { image: name, state: "clean", dry_run, counts, warnings });
    }
    print_line(&format!("{name}: the log is clean, nothing to do"))
}

fn print_line(line: &str) -> Result<(), Failure> {
    let mut out = Output::new();
    out.line(line)?;
    out.finish()
}

fn print_json(json: &JsonRecovery<'_>) -> Result<(), Failure> {
    let mut out = Output::new();
    out.json(json)?;
    out.finish()
}

fn by_name<S: Serializer>(counts: &[Count], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(counts.iter().map(|(name, _, number)| (name, number)))
}
