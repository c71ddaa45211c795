//! `check`: damage looked for, nothing changed.

use std::path::PathBuf;

use serde::Serialize;
use xfskit::check::{CheckSummary, Finding, Severity};

use crate::address::{Address, show_path};
use crate::failure::Failure;
use crate::image::{Access, Image};
use crate::output::Output;
use crate::session::Session;

const AFTER_HELP: &str = "\
Looked at are superblocks, AG headers, counters, all btrees, every inode with
its forks and attributes, directories and link counts; free space, reference
counts and reverse mappings are recomputed from what is reachable. Each
finding is a line: damage or warning, structure, place, what was expected and
what was found.

Exit status: 0 sound, 1 the check itself failed, 3 damage found.

Example:
  xfskit check disk.img";

/// Arguments of `check`.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// Image
    #[arg(value_name = "IMAGE", value_parser = Address::image_parser())]
    image: PathBuf,
}

#[derive(Debug, Serialize)]
struct JsonFinding {
    severity: &'static str,
    code: &'static str,
    structure: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ag: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agblock: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ino: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_block: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    daddr: Option<u64>,
    problem: String,
}

#[derive(Debug, Serialize)]
struct JsonSummary {
    damage: u64,
    warnings: u64,
    inodes: u64,
    directories: u64,
    entries: u64,
    extents: u64,
    free_fsblocks: u64,
}

/// Findings on their way out; there may be more than memory holds.
struct Report {
    out: Output,
    json: bool,
    is_first: bool,
    /// Why nothing more can be written.
    stuck: Option<Failure>,
}

/// Carries it out.
pub(crate) fn run(args: &Args, session: &mut Session) -> Result<(), Failure> {
    let mut report = Report { out: Output::new(), json: session.json, is_first: true, stuck: None };
    let name = show_path(&args.image);
    let mut image = match Image::open(&args.image, Access::Read, session) {
        // Too damaged to be opened is damaged, too.
        Err(Failure::Corrupt { corruption, .. }) => {
            session.found_damage();
            report.start(&name)?;
            report.finding(&Finding { severity: Severity::Damage, corruption: *corruption });
            let mut summary = CheckSummary::default();
            summary.damage = 1;
            return report.finish(&name, &summary);
        }
        other => other?,
    };
    report.start(&name)?;
    let summary = image.volume.check(&mut |finding| report.finding(&finding));
    let summary = summary.map_err(|error| Failure::new(&name, "cannot check", error))?;
    if !summary.is_clean() {
        session.found_damage();
    }
    report.finish(&name, &summary)
}

impl Report {
    fn start(&mut self, image: &str) -> Result<(), Failure> {
        if !self.json {
            return Ok(());
        }
        let image = serde_json::to_string(image).map_err(|error| Failure::output(&error.into()))?;
        self.out.bytes(format!("{{\"image\":{image},\"findings\":[").as_bytes())
    }

    fn finding(&mut self, finding: &Finding) {
        if self.stuck.is_some() {
            return;
        }
        let written = if self.json { self.json_finding(finding) } else { self.out.line(finding) };
        self.stuck = written.err();
    }

    fn json_finding(&mut self, finding: &Finding) -> Result<(), Failure> {
        let place = finding.corruption.place;
        let finding = JsonFinding {
            severity: match finding.severity {
                Severity::Warning => "warning",
                Severity::Damage => "damage",
            },
            code: finding.code(),
            structure: finding.corruption.structure,
            ag: place.ag.map(|ag| ag.0),
            agblock: place.agblock.map(|agblock| agblock.0),
            ino: place.ino.map(|ino| ino.0),
            file_block: place.file_block.map(|file_block| file_block.0),
            daddr: place.daddr.map(|daddr| daddr.0),
            problem: finding.corruption.problem.to_string(),
        };
        let comma = if self.is_first { "" } else { "," };
        self.is_first = false;
        let text = serde_json::to_string(&finding).map_err(|error| Failure::output(&error.into()))?;
        self.out.bytes(format!("{comma}\n{text}").as_bytes())
    }

    fn finish(mut self, image: &str, summary: &CheckSummary) -> Result<(), Failure> {
        if let Some(failure) = self.stuck {
            return Err(failure);
        }
        if self.json {
            let summary = JsonSummary {
                damage: summary.damage,
                warnings: summary.warnings,
                inodes: summary.inodes,
                directories: summary.directories,
                entries: summary.entries,
                extents: summary.extents,
                free_fsblocks: summary.free_fsblocks,
            };
            let text = serde_json::to_string(&summary).map_err(|error| Failure::output(&error.into()))?;
            self.out.line(format_args!("\n],\"summary\":{text}}}"))?;
            return self.out.finish();
        }
        let verdict = match (summary.damage, summary.warnings) {
            (0, 0) => "sound".to_owned(),
            (0, warnings) => format!("sound, {warnings} warnings"),
            (damage, warnings) => format!("damaged: {damage} findings of damage, {warnings} warnings"),
        };
        self.out.line(format_args!(
            "{image}: {verdict}; {} inodes, {} directories, {} entries, {} extents, {} free blocks",
            summary.inodes, summary.directories, summary.entries, summary.extents, summary.free_fsblocks
        ))?;
        self.out.finish()
    }
}
