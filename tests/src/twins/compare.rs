//! What the twins hold in the end, one against the other.
//!
//! Not compared are the places of blocks and inodes, which are the choice of whoever allocates, and what follows from
//! them: the blocks of an extent tree, which depend on how many pieces a file is in.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use xfskit::Volume;
use xfskit::device::FileDevice;
use xfskit::format::inode::fork_format;
use xfskit::units::Ino;
use xfskit::volume::{ExtentPlace, FileExtent, Flags, Flags2, OpenOptions, StatFs};

use crate::extents::fiemap;
use crate::referee::Referee;
use crate::tree::{self, Time, Tree, escape};

/// How exactly blocks are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exact {
    /// All that files have, and what is free.
    Blocks,
    /// Those with data. The kernel may have preallocated others, by rules of its own.
    Data,
}

/// Stands for any time during the sequence.
const NOW: Time = (i64::MAX, 0);

/// What stat(2) does not show, by field.
type Details = BTreeMap<&'static str, String>;

/// All of a volume that twins have in common.
struct View {
    tree: Tree,
    /// By path, for each inode under its first name.
    details: BTreeMap<String, Details>,
    /// Groups of blocks of files that are one block on disk: path and file block.
    shared: BTreeSet<Vec<(String, u64)>>,
    /// Files with the mark of those that may share blocks.
    marked: BTreeSet<String>,
    /// By path: blocks of an inode besides those of its data, and whether these are counted alike on both sides.
    others: BTreeMap<String, (u64, bool)>,
    space: StatFs,
}

impl View {
    /// Free blocks, and those of inodes that are not counted alike.
    fn free_or_uncounted(&self, uncounted: &BTreeSet<&String>) -> u64 {
        let others = self.others.iter().filter(|(path, _)| uncounted.contains(path));
        self.space.free_fsblocks + others.map(|(_, (blocks, _))| blocks).sum::<u64>()
    }
}

/// Compares two images through xfskit. Of files with extent size hints no blocks are compared.
///
/// # Errors
/// The first differences.
pub fn compare(images: &[PathBuf; 2], exact: Exact, start: SystemTime) -> Result<(), String> {
    let [theirs, ours] = images.each_ref().map(|image| view(image, exact, start));
    let (theirs, ours) = (theirs?, ours?);
    if let Some(text) = theirs.tree.diff("the kernel", &ours.tree, "xfskit") {
        return Err(text);
    }
    for (path, details) in &theirs.details {
        let Some(others) = ours.details.get(path) else {
            return Err(format!("{path} is the first name of its inode on the kernel's side alone"));
        };
        for (field, value) in details {
            let other = others.get(field).map_or("nothing", String::as_str);
            if value != other {
                return Err(format!("{path}: {field} is {value} by the kernel, {other} by xfskit"));
            }
        }
    }
    // Linux leaves the mark where it was when its page cache held back the last copy of a shared block.
    if let Some(path) = ours.marked.difference(&theirs.marked).next() {
        return Err(format!("{path}: marked as one that may share blocks by xfskit alone"));
    }
    let differs = |one: &View, other: &View| one.shared.difference(&other.shared).next().cloned();
    if let Some(group) = differs(&theirs, &ours) {
        return Err(format!("shared by the kernel alone: {group:?}"));
    }
    if let Some(group) = differs(&ours, &theirs) {
        return Err(format!("shared by xfskit alone: {group:?}"));
    }
    compare_space(&theirs, &ours, exact)
}

/// Compares blocks of inodes besides those of data, and totals: of blocks only where they are compared exactly.
fn compare_space(theirs: &View, ours: &View, exact: Exact) -> Result<(), String> {
    let used = |view: &View| view.space.inodes - view.space.free_inodes;
    if used(theirs) != used(ours) {
        return Err(format!("{} inodes in use by the kernel, {} by xfskit", used(theirs), used(ours)));
    }
    let mut uncounted = BTreeSet::new();
    for (path, (blocks, counts)) in &theirs.others {
        let (others, counts_too) = ours.others[path];
        if !counts || !counts_too {
            uncounted.insert(path);
        } else if *blocks != others {
            return Err(format!("{path}: {blocks} blocks besides data by the kernel, {others} by xfskit"));
        }
    }
    let [one, other] = [theirs, ours].map(|view| {
        let free = view.free_or_uncounted(&uncounted);
        format!("{free} fsblocks, {} inodes, {} of them free", view.space.inodes, view.space.free_inodes)
    });
    if one != other && exact == Exact::Blocks {
        return Err(format!("space is {one} by the kernel, {other} by xfskit"));
    }
    Ok(())
}

/// Compares two images through the kernel: trees, and which parts of files are holes, unwritten and shared.
///
/// # Errors
/// The first differences.
pub fn compare_mounted(
    referee: &Referee,
    images: &[PathBuf; 2],
    exact: Exact,
    start: SystemTime,
) -> Result<(), String> {
    let [theirs, ours] = images.each_ref().map(|image| {
        let mount = referee.mount_read_only(image);
        let tree = comparable(tree::from_mount(mount.path()), start);
        let files = tree::plain_files(mount.path());
        // xfs_io tells the names of files; those of links to them can be read.
        let links = image.with_extension("links");
        std::fs::create_dir_all(&links).expect("mkdir");
        let names: BTreeMap<PathBuf, &PathBuf> =
            files.iter().enumerate().map(|(number, file)| (links.join(number.to_string()), file)).collect();
        for (link, file) in &names {
            let _ = std::fs::remove_file(link);
            std::os::unix::fs::symlink(file, link).expect("symlink");
        }
        let plain = |link: &Path| names[link].strip_prefix(mount.path()).expect("below the mount").to_owned();
        let runs = |extents: Vec<crate::extents::Extent>| {
            let parts =
                extents.iter().map(|extent| (extent.logical, extent.count, extent.unwritten, extent.shared));
            runs(parts)
        };
        let links: Vec<_> = names.keys().cloned().collect();
        let found = if links.is_empty() || exact == Exact::Data { BTreeMap::new() } else { fiemap(&links) };
        let shapes: BTreeMap<_, _> =
            found.into_iter().map(|(path, found)| (plain(&path), runs(found))).collect();
        mount.unmount();
        (tree, shapes)
    });
    if let Some(text) = theirs.0.diff("the kernel's mount of its image", &ours.0, "that of xfskit's") {
        return Err(text);
    }
    for (path, shape) in &theirs.1 {
        if ours.1.get(path) != Some(shape) {
            return Err(format!(
                "FIEMAP of {}: {shape:?}, {:?} on xfskit's image",
                path.display(),
                ours.1.get(path)
            ));
        }
    }
    Ok(())
}

/// Start, length, unwritten, shared.
type Run = (u64, u64, bool, bool);

/// Joins what differs in nothing.
fn runs(parts: impl Iterator<Item = Run>) -> Vec<Run> {
    let mut joined: Vec<Run> = Vec::new();
    for part in parts {
        match joined.last_mut() {
            Some(last) if last.0 + last.1 == part.0 && (last.2, last.3) == (part.2, part.3) => {
                last.1 += part.1
            }
            _ => joined.push(part),
        }
    }
    joined
}

/// The tree without what may differ.
fn comparable(mut tree: Tree, start: SystemTime) -> Tree {
    let since = start.duration_since(SystemTime::UNIX_EPOCH).expect("a clock that goes");
    let start = (since.as_secs() as i64, since.subsec_nanos());
    for entry in tree.entries.values_mut() {
        (entry.ino, entry.blocks) = (None, None);
        for time in [&mut entry.atime, &mut entry.mtime, &mut entry.ctime, &mut entry.crtime] {
            if *time >= Some(start) {
                *time = Some(NOW);
            }
        }
    }
    tree
}

fn view(image: &Path, exact: Exact, start: SystemTime) -> Result<View, String> {
    let file = std::fs::File::open(image).expect("open the image");
    let device = FileDevice::new(file, true).expect("length of the image");
    let mut options = OpenOptions::default();
    options.read_only = true;
    let told = |error: xfskit::Error| format!("{}: {error}", image.display());
    let mut volume = Volume::open(Box::new(device), &options).map_err(told)?;
    let tree = tree::from_volume(&mut volume).map_err(told)?;
    let mut viewer = Viewer::default();
    for (path, ino) in first_names(&tree) {
        viewer.look_at(&mut volume, &path, ino, exact).map_err(told)?;
    }
    let space = volume.statfs().map_err(told)?;
    let shared = viewer.owners.into_values().filter(|owners| owners.len() > 1).collect();
    Ok(View {
        tree: comparable(tree, start),
        details: viewer.details,
        shared,
        others: viewer.others,
        marked: viewer.marked,
        space,
    })
}

/// Each inode once, with the first of its names.
fn first_names(tree: &Tree) -> Vec<(String, Ino)> {
    let mut seen = BTreeSet::new();
    let numbered = tree.entries.iter().filter_map(|(path, entry)| Some((path.clone(), Ino(entry.ino?))));
    numbered.filter(|(_, ino)| seen.insert(*ino)).collect()
}

/// Gathers what one volume shows.
#[derive(Default)]
struct Viewer {
    details: BTreeMap<String, Details>,
    owners: HashMap<(u32, u32), Vec<(String, u64)>>,
    others: BTreeMap<String, (u64, bool)>,
    marked: BTreeSet<String>,
}

impl Viewer {
    fn look_at(&mut self, volume: &mut Volume, path: &str, ino: Ino, exact: Exact) -> xfskit::Result<()> {
        let stat = volume.stat(ino)?;
        let mut details = Details::new();
        details.insert("flags", format!("{:?}", stat.flags));
        details.insert("flags2", format!("{:?}", stat.flags2 - Flags2::REFLINK));
        self.marked.extend(stat.flags2.contains(Flags2::REFLINK).then(|| path.to_owned()));
        details.insert("project", stat.project_id.to_string());
        details.insert("extsize", stat.extsize.to_string());
        details.insert("cowextsize", stat.cowextsize.to_string());
        let mut parents: Vec<_> =
            volume.parents(ino)?.into_iter().map(|parent| escape(&parent.name)).collect();
        parents.sort();
        details.insert("names in parent pointers", format!("{parents:?}"));
        let extents = volume.extents(ino)?;
        let mapped: u64 = extents.iter().map(|extent| extent.len_fsblocks).sum();
        let blocks = stat.blocks_512 * 512 / u64::from(stat.blocksize);
        let is_hinted = stat.flags.contains(Flags::EXTSIZE);
        if !is_hinted {
            let shown = extents.iter().filter(|e| exact == Exact::Blocks || !e.unwritten);
            let parts = shown.map(|e| (e.offset_fsblocks, e.len_fsblocks, e.unwritten, e.shared));
            details.insert("shape", format!("{:?}", runs(parts)));
        }
        // Where attributes have blocks, how many depends on what was ever in a leaf together.
        let counts = !is_hinted && stat.format != fork_format::BTREE && stat.attr_extents == 0;
        self.others.insert(path.to_owned(), (blocks - mapped, counts));
        self.details.insert(path.to_owned(), details);
        self.note_owners(path, &extents);
        Ok(())
    }

    fn note_owners(&mut self, path: &str, extents: &[FileExtent]) {
        for extent in extents {
            let ExtentPlace::Disk { ag, agblock } = extent.place else { continue };
            for block in 0..extent.len_fsblocks {
                let place = (ag.0, agblock.0 + block as u32);
                self.owners.entry(place).or_default().push((path.to_owned(), extent.offset_fsblocks + block));
            }
        }
    }
}
