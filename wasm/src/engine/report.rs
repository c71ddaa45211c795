//! What there is to say about a volume: its shape, its space, its health.

use core::fmt::Write;

use js_sys::Float64Array;
use wasm_bindgen::prelude::wasm_bindgen;
use xfskit::check::Severity;
use xfskit::recovery::Report;

use super::{Engine, numbers};
use crate::failure::Result;

/// Findings of a check that are put into words; more are counted only.
const MAX_FINDINGS: usize = 1000;

#[wasm_bindgen]
impl Engine {
    /// Why every change is refused, if it is.
    ///
    /// # Errors
    /// `EBADF` when closed.
    #[wasm_bindgen(js_name = readOnlyReason)]
    pub fn read_only_reason(&mut self) -> Result<Option<String>> {
        Ok(self.volume()?.read_only_reason().map(str::to_owned))
    }

    /// What a person should know about the state of the volume.
    ///
    /// # Errors
    /// `EBADF` when closed.
    pub fn warnings(&mut self) -> Result<Vec<String>> {
        Ok(self.volume()?.warnings().to_vec())
    }

    /// What was recovered from a dirty log at opening: JSON of counts, or nothing for a clean one.
    ///
    /// # Errors
    /// `EBADF` when closed.
    pub fn recovered(&mut self) -> Result<Option<String>> {
        Ok(self.volume()?.recovered().map(recovery_json))
    }

    /// Block size, and blocks: of the volume without its log, free, free for new data; inodes, free ones among them.
    ///
    /// # Errors
    /// Those of the store.
    pub fn statfs(&mut self) -> Result<Float64Array> {
        let volume = self.volume()?;
        let stat = volume.statfs()?;
        let available = volume.available_fsblocks()?;
        Ok(numbers(&[
            f64::from(stat.blocksize),
            stat.total_fsblocks as f64,
            stat.free_fsblocks as f64,
            available as f64,
            stat.inodes as f64,
            stat.free_inodes as f64,
        ]))
    }

    /// The shape of the volume, as JSON.
    ///
    /// # Errors
    /// `EBADF` when closed.
    pub fn info(&mut self) -> Result<String> {
        let geometry = self.volume()?.geometry();
        let features = [
            ("rmapbt", geometry.has_rmapbt()),
            ("reflink", geometry.has_reflink()),
            ("finobt", geometry.has_finobt()),
            ("inobtcount", geometry.has_inobtcount()),
            ("sparse-inodes", geometry.has_sparse_inodes()),
            ("parent", geometry.has_parent_pointers()),
            ("ascii-ci", geometry.ignores_case()),
        ];
        let names = features.iter().filter(|(_, is_there)| *is_there);
        let names: Vec<String> = names.map(|(name, _)| format!("\"{name}\"")).collect();
        Ok(format!(
            "{{\"uuid\":\"{}\",\"label\":{},\"blockSize\":{},\"sectorSize\":{},\"inodeSize\":{},\
             \"agCount\":{},\"agBlocks\":{},\"blocks\":{},\"logStart\":{},\"logBlocks\":{},\"features\":[{}]}}",
            geometry.uuid,
            quoted(&String::from_utf8_lossy(geometry.label())),
            geometry.blocksize,
            geometry.sectsize,
            geometry.inodesize,
            geometry.agcount,
            geometry.agblocks,
            geometry.dblocks,
            if geometry.logstart.is_null() { 0 } else { geometry.byte(geometry.logstart) },
            geometry.logblocks,
            names.join(","),
        ))
    }

    /// Checks everything: JSON of `findings` (severity, code, text) and a `summary`.
    ///
    /// # Errors
    /// Those of the store. Damage is no error.
    pub fn check(&mut self) -> Result<String> {
        let mut findings = String::new();
        let mut count = 0;
        let summary = self.volume()?.check(&mut |finding| {
            count += 1;
            if count > MAX_FINDINGS {
                return;
            }
            let severity = match finding.severity {
                Severity::Warning => "warning",
                Severity::Damage => "damage",
            };
            let comma = if count > 1 { "," } else { "" };
            let text = quoted(&finding.corruption.to_string());
            let code = finding.code();
            // Writing to a string cannot fail.
            let _ = write!(
                findings,
                "{comma}{{\"severity\":\"{severity}\",\"code\":\"{code}\",\"text\":{text}}}"
            );
        })?;
        Ok(format!(
            "{{\"findings\":[{findings}],\"summary\":{{\"damage\":{},\"warnings\":{},\"inodes\":{},\
             \"directories\":{},\"entries\":{},\"extents\":{},\"freeBlocks\":{}}}}}",
            summary.damage,
            summary.warnings,
            summary.inodes,
            summary.directories,
            summary.entries,
            summary.extents,
            summary.free_fsblocks,
        ))
    }
}

fn recovery_json(report: &Report) -> String {
    let warnings: Vec<String> = report.warnings.iter().map(|warning| quoted(warning)).collect();
    format!(
        "{{\"records\":{},\"checkpoints\":{},\"buffers\":{},\"inodes\":{},\"intents\":{},\"unlinked\":{},\
         \"stagingBlocks\":{},\"warnings\":[{}]}}",
        report.replayed.records,
        report.replayed.checkpoints,
        report.replayed.buffers,
        report.replayed.inodes,
        report.intents.iter().map(|(_, count)| count).sum::<u64>(),
        report.unlinked,
        report.staging_fsblocks,
        warnings.join(","),
    )
}

/// A string of JSON.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c < ' ' => {
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
