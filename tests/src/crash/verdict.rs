//! Whether what a volume shows after a crash is one of the things that it may show.

use std::collections::BTreeMap;
use std::sync::Arc;

use xfskit::units::Ino;
use xfskit::volume::FileType;
use xfskit::{Result, Volume};

use super::driver::{child, shown_node, stamp};
use super::model::{Cell, File, FileId, Model, Node, Owned, Value, Xattrs};
use super::record::SECTOR_BYTES;
use crate::fresh::try_content;
use crate::tree::escape;

/// What a volume shows, by path.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct View {
    seen: BTreeMap<Vec<u8>, Seen>,
}

/// What a path shows.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    owned: Owned,
    /// Of a file.
    content: Option<Vec<u8>>,
    /// Of a symlink or a node.
    other: Option<Vec<u8>>,
}

impl Seen {
    fn is_dir(&self) -> bool {
        self.content.is_none() && self.other.is_none()
    }
}

impl View {
    /// Reads everything on a volume.
    ///
    /// # Errors
    /// The first error of the volume.
    pub fn of(volume: &mut Volume) -> Result<Self> {
        let mut view = Self::default();
        let mut pending = vec![(volume.root(), Vec::new())];
        while let Some((dir, prefix)) = pending.pop() {
            for entry in volume.read_dir(dir)? {
                let path = child(&prefix, &entry.name);
                let stat = volume.stat(entry.ino)?;
                let xattrs = xattrs(volume, entry.ino)?;
                let owned = Owned { mode: stat.mode, uid: stat.uid, gid: stat.gid, xattrs };
                let mut seen = Seen { owned, content: None, other: None };
                match stat.file_type {
                    FileType::Directory => pending.push((entry.ino, path.clone())),
                    FileType::Regular => seen.content = Some(try_content(volume, entry.ino)?),
                    FileType::Symlink => seen.other = Some(volume.read_link(entry.ino)?),
                    _ => seen.other = Some(shown_node(stat.rdev)),
                }
                view.seen.insert(path, seen);
            }
        }
        Ok(view)
    }

    /// Forgets a path and everything below.
    pub fn without(mut self, path: &[u8]) -> Self {
        let below = child(path, b"");
        self.seen.retain(|seen, _| seen != path && !seen.starts_with(&below));
        self
    }

    /// Paths of all files.
    pub fn files(&self) -> Vec<&[u8]> {
        let files = self.seen.iter().filter(|(_, seen)| seen.content.is_some());
        files.map(|(path, _)| path.as_slice()).collect()
    }

    /// Paths of everything but directories.
    pub fn no_directories(&self) -> Vec<&[u8]> {
        let others = self.seen.iter().filter(|(_, seen)| !seen.is_dir());
        others.map(|(path, _)| path.as_slice()).collect()
    }

    /// Paths of all directories.
    pub fn directories(&self) -> Vec<&[u8]> {
        let directories = self.seen.iter().filter(|(_, seen)| seen.is_dir());
        directories.map(|(path, _)| path.as_slice()).collect()
    }

    /// The content of a file.
    pub fn content(&self, path: &[u8]) -> Option<&[u8]> {
        self.seen.get(path)?.content.as_deref()
    }

    /// A path where two views differ.
    pub fn differs_at(&self, other: &Self) -> Option<String> {
        let paths = self.seen.keys().chain(other.seen.keys());
        paths.into_iter().find(|path| self.seen.get(*path) != other.seen.get(*path)).map(|path| escape(path))
    }
}

fn xattrs(volume: &mut Volume, ino: Ino) -> Result<Xattrs> {
    let mut found = BTreeMap::new();
    for name in volume.list_xattrs(ino)? {
        let value = Value::of(&volume.xattr(ino, name.namespace, &name.name)?);
        found.insert(name.full_name(), value);
    }
    Ok(found.into())
}

/// What may be there after a crash at one moment.
#[derive(Debug)]
pub struct Verdict<'a> {
    model: &'a Model,
    /// The last durable operation.
    durable: usize,
    /// The last operation that may have left a trace.
    begun: usize,
}

impl<'a> Verdict<'a> {
    /// For a crash when `events` events of the device had begun.
    pub fn at(model: &'a Model, events: usize) -> Self {
        let ops = model.ops();
        let is_durable = |op: &super::model::Done| op.is_durable && op.end <= events;
        let durable = ops.iter().rposition(is_durable).expect("the beginning is durable");
        let begun = ops.iter().rposition(|op| op.start < events).unwrap_or(0).max(durable);
        Self { model, durable, begun }
    }

    /// Number of the step that a view shows.
    ///
    /// # Errors
    /// Text, when it shows none that may be there.
    pub fn judge(&self, view: &View) -> std::result::Result<usize, String> {
        let steps = self.model.steps();
        let last = steps.partition_point(|step| step.op <= self.begun) - 1;
        let first = steps.partition_point(|step| step.op <= self.durable) - 1;
        let mut complaints = Vec::new();
        for index in (first..=last).rev() {
            match self.compare(index, last, view) {
                Ok(()) => return Ok(index),
                Err(text) => complaints.push(format!("  step {index} of {first}..={last}: {text}")),
            }
        }
        // The last two steps, and those whose names are right: the other complaints are noise.
        let is_told = |(index, text): &(usize, String)| *index < 2 || text.contains("sector");
        let told: Vec<String> =
            complaints.into_iter().enumerate().filter(is_told).map(|(_, text)| text).take(4).collect();
        let (durable, begun) = (&self.model.ops()[self.durable], &self.model.ops()[self.begun]);
        Err(format!(
            "what is there was never to be there; durable up to operation {} ({}), begun up to {} ({}):\n{}",
            self.durable,
            durable.text,
            self.begun,
            begun.text,
            told.join("\n")
        ))
    }

    fn compare(&self, index: usize, last: usize, view: &View) -> std::result::Result<(), String> {
        let step = &self.model.steps()[index];
        // The next step may be there in part.
        let next = self.model.steps().get(index + 1).filter(|next| index < last && next.in_parts.is_some());
        for path in view.seen.keys().chain(step.state.keys()) {
            let told = escape(path);
            let (node, seen) = match (step.state.get(path), view.seen.get(path)) {
                (Some(node), Some(seen)) => (node, seen),
                (None, _) => return Err(format!("{told} is there and should not be")),
                (_, None) => return Err(format!("{told} is missing")),
            };
            match (node, &seen.content, &seen.other) {
                (Node::Directory(owned), None, None) if *owned == seen.owned => {}
                (Node::Other(_, owned, what), None, Some(other)) if *owned == seen.owned && what == other => {
                }
                (Node::File(file), Some(content), None) if file.owned == seen.owned => {
                    let later = next.filter(|next| next.in_parts == Some(file.id));
                    let later = later.and_then(|next| match &next.state.get(path) {
                        Some(Node::File(later)) => Some(later),
                        _ => None,
                    });
                    self.compare_file(index, file, later, content)
                        .map_err(|text| format!("{told}: {text}"))?;
                }
                _ => return Err(format!("{told}: {node:?} expected, {:?} found", seen.owned)),
            }
        }
        Ok(())
    }

    fn compare_file(
        &self,
        step: usize,
        file: &File,
        later: Option<&Arc<File>>,
        content: &[u8],
    ) -> std::result::Result<(), String> {
        let (size, block_bytes) = (content.len() as u64, self.model.block_bytes());
        let is_between = |later: &File| {
            let range = file.size.min(later.size)..=file.size.max(later.size);
            range.contains(&size) && (size.is_multiple_of(block_bytes) || size == later.size)
        };
        if size != file.size && !later.is_some_and(|later| is_between(later)) {
            return Err(format!("{} bytes expected, {size} found", file.size));
        }
        for (block, found) in content.chunks(block_bytes as usize).enumerate() {
            let cell = file.cells.get(block).copied().flatten();
            let Err(text) = self.compare_block(step, file.id, cell, found) else { continue };
            let is_later = later.is_some_and(|later| {
                self.compare_block(step + 1, file.id, later.cells.get(block).copied().flatten(), found)
                    .is_ok()
            });
            if !is_later {
                return Err(format!("block {block}, {text}"));
            }
        }
        Ok(())
    }

    /// Whether `found` may be in a cell of a file in a step.
    fn compare_block(
        &self,
        step: usize,
        file: FileId,
        cell: Option<Cell>,
        found: &[u8],
    ) -> std::result::Result<(), String> {
        let Some(cell) = cell else {
            return match found.chunks(SECTOR_BYTES).position(|sector| sector.iter().any(|&byte| byte != 0)) {
                None => Ok(()),
                Some(sector) => Err(self.explain(&[], found, sector)),
            };
        };
        let contents = self.model.contents(cell);
        let end = contents.partition_point(|content| content.op <= self.begun);
        let start = contents.partition_point(|content| content.step <= step).saturating_sub(1);
        let (least, since) = contents[..end.max(start + 1)][start..].split_first().expect("one at least");
        let own = since.iter().filter(|content| content.file == file);
        let possible: Vec<_> = std::iter::once(least).chain(own).collect();
        if possible.iter().any(|content| content.bytes[..found.len()] == *found) {
            return Ok(());
        }
        for (index, sector) in found.chunks(SECTOR_BYTES).enumerate() {
            let from = index * SECTOR_BYTES;
            if !possible.iter().any(|content| content.bytes[from..from + sector.len()] == *sector) {
                let expected: Vec<_> = possible.iter().map(|content| &content.bytes[from..]).collect();
                return Err(self.explain(&expected, found, index));
            }
        }
        Ok(())
    }

    /// Tells a sector that should not be there.
    fn explain(&self, expected: &[&[u8]], found: &[u8], sector: usize) -> String {
        let found = &found[sector * SECTOR_BYTES..];
        let expected: Vec<String> = expected.iter().map(|bytes| self.tell(bytes)).collect();
        let expected = if expected.is_empty() { "zeros".to_owned() } else { expected.join(" or ") };
        format!("sector {sector}: {expected} expected, {} found", self.tell(found))
    }

    fn tell(&self, bytes: &[u8]) -> String {
        let sector = &bytes[..bytes.len().min(SECTOR_BYTES)];
        if sector.iter().all(|&byte| byte == 0) {
            return "zeros".into();
        }
        match stamp(sector) {
            Some((seed, place)) => {
                let mark = format!("seed: {seed},");
                let op = self.model.ops().iter().position(|op| op.text.contains(&mark));
                format!("sector {place} of write {seed} (operation {op:?})")
            }
            None => format!("{:02x?}...", &sector[..sector.len().min(20)]),
        }
    }
}
