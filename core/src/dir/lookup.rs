//! Finding one name in a directory, by its hash.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::da::{Chain, Space, damaged};
use super::list::{check_ino, shortform};
use super::{Form, entries_end, form, locate_data};
use crate::error::{Problem, Result};
use crate::format::BlockKind;
use crate::format::da::is_same_but_for_case;
use crate::format::dir::data::{BlockTail, TAIL_BYTES, entry_at};
use crate::format::dir::leaf::{Leaf, LeafEntries};
use crate::format::dir::{Dataptr, is_valid_name};
use crate::format::inode::FileType;
use crate::geometry::Geometry;
use crate::inode::Inode;
use crate::journal::Transaction;
use crate::units::{FileBlock, Ino};

/// What an entry leads to: an inode, and its type as the directory remembers it.
pub type Found = (Ino, Option<FileType>);

/// The inode that `name` names in `dir`; `.` and `..` are known too.
///
/// # Errors
/// [`Error::Corrupt`](crate::Error::Corrupt); those of the device.
pub fn lookup(tx: &mut Transaction<'_>, dir: &Inode, name: &[u8]) -> Result<Option<Found>> {
    if !is_valid_name(name) {
        return Ok(None);
    }
    let wanted = Wanted::new(tx.geometry(), name);
    match form(tx, dir)? {
        Form::Shortform => in_shortform(tx.geometry(), dir, &wanted),
        form => Ok(in_blocks(tx, dir, form, &wanted)?.map(|at| at.found)),
    }
}

/// How the entry that `name` finds in `dir` is spelled, where it is not spelled like that.
///
/// # Errors
/// Those of [`lookup`].
pub fn spelling(tx: &mut Transaction<'_>, dir: &Inode, name: &[u8]) -> Result<Option<Vec<u8>>> {
    if !tx.geometry().ignores_case() || !is_valid_name(name) {
        return Ok(None);
    }
    let wanted = Wanted::new(tx.geometry(), name);
    match form(tx, dir)? {
        Form::Shortform => {
            let sf = shortform(dir)?;
            let found = best_match(&sf.entries, &wanted, |entry| entry.name);
            Ok(found.filter(|entry| entry.name != name).map(|entry| entry.name.to_vec()))
        }
        form => Ok(in_blocks(tx, dir, form, &wanted)?.and_then(|at| at.spelling)),
    }
}

/// An entry in a data block.
pub(super) struct EntryAt {
    /// Where it is.
    pub(super) address: Dataptr,
    /// What it leads to.
    pub(super) found: Found,
    /// How it is spelled, where that is not as asked for.
    spelling: Option<Vec<u8>>,
}

/// Finds a name in a directory of another form than shortform.
pub(super) fn in_blocks(
    tx: &mut Transaction<'_>,
    dir: &Inode,
    form: Form,
    wanted: &Wanted<'_>,
) -> Result<Option<EntryAt>> {
    if form == Form::Block { in_block(tx, dir, wanted) } else { in_leaves(tx, dir, wanted) }
}

/// A name that is looked for.
pub(super) struct Wanted<'a> {
    pub(super) name: &'a [u8],
    pub(super) hash: u32,
    /// Upper and lower case are the same.
    ignores_case: bool,
}

impl<'a> Wanted<'a> {
    pub(super) fn new(geometry: &Geometry, name: &'a [u8]) -> Self {
        Self { name, hash: geometry.dir_hash(name), ignores_case: geometry.ignores_case() }
    }

    pub(super) fn is(&self, name: &[u8]) -> bool {
        self.name == name || self.ignores_case && is_same_but_for_case(self.name, name)
    }
}

fn in_shortform(geometry: &Geometry, dir: &Inode, wanted: &Wanted<'_>) -> Result<Option<Found>> {
    let sf = shortform(dir)?;
    let (ino, ftype) = match wanted.name {
        b"." => return Ok(Some((dir.ino, Some(FileType::Directory)))),
        b".." => (sf.parent, FileType::Directory.dir_code()),
        _ => match best_match(&sf.entries, wanted, |entry| entry.name) {
            Some(entry) => (entry.ino, entry.ftype),
            None => return Ok(None),
        },
    };
    let ino = check_ino(geometry, ino).map_err(|problem| dir.corrupt(problem))?;
    Ok(Some((ino, FileType::from_dir_code(ftype))))
}

/// The entry of just that name, or else one that counts as the same.
fn best_match<'e, T>(entries: &'e [T], wanted: &Wanted<'_>, name: impl Fn(&T) -> &[u8]) -> Option<&'e T> {
    let exact = entries.iter().find(|entry| name(entry) == wanted.name);
    exact.or_else(|| entries.iter().find(|entry| wanted.is(name(entry))))
}

fn in_block(tx: &mut Transaction<'_>, dir: &Inode, wanted: &Wanted<'_>) -> Result<Option<EntryAt>> {
    let at = FileBlock(0);
    let fail = |problem| damaged(BlockKind::DirBlock, dir, at, problem);
    let Some(locator) = locate_data(tx, dir, at)? else {
        return Err(fail(Problem::Rule("directory without a first block")));
    };
    let block = tx.block(&locator)?;
    if block.kind != BlockKind::DirBlock {
        return Err(fail(Problem::Rule("data block of a directory without leaves")));
    }
    let bytes = &block.bytes;
    let tail = BlockTail::decode(bytes).map_err(fail)?;
    let leaf = LeafEntries::new(&bytes[tail.leaf_at(bytes.len())..bytes.len() - TAIL_BYTES]);
    let addresses: Vec<_> = leaf.with_hash(wanted.hash).map(|entry| entry.address).collect();
    Ok(matching(tx, dir, wanted, &addresses)?.map(|found| found.at(&addresses)))
}

fn in_leaves(tx: &mut Transaction<'_>, dir: &Inode, wanted: &Wanted<'_>) -> Result<Option<EntryAt>> {
    let space = Space::dir(tx.geometry());
    let mut chain = Chain::default();
    let mut next = Some(space.leaf_for(tx, dir, wanted.hash)?);
    let mut similar = None;
    while let Some(at) = next {
        let block = tx.block(&at.locator)?;
        let fail = |problem| damaged(block.kind, dir, at.block, problem);
        if block.kind == BlockKind::DaNode {
            return Err(fail(Problem::Rule("node in the chain of leaves")));
        }
        let leaf = Leaf::new(&block.bytes, block.kind == BlockKind::DirLeaf1).map_err(fail)?;
        let addresses: Vec<_> = leaf.entries.with_hash(wanted.hash).map(|entry| entry.address).collect();
        // Equal hashes can go on in the next leaf; one that is all stale may be passed over.
        let goes_on = leaf.entries.is_empty() || leaf.entries.get(leaf.entries.len() - 1).hash <= wanted.hash;
        let forw = if goes_on { leaf.header.info.forw.get() } else { 0 };
        match matching(tx, dir, wanted, &addresses)? {
            Some(found) if found.spelling.is_none() => return Ok(Some(found.at(&addresses))),
            found => similar = similar.or(found.map(|found| found.at(&addresses))),
        }
        next = space.next_leaf(tx, dir, &mut chain, forw)?;
    }
    Ok(similar)
}

/// What was found among entries of one hash.
pub(super) struct Match {
    /// Which of them it is.
    pub(super) index: usize,
    /// How it is spelled, where it is not the entry of just that name but one that counts as the same.
    pub(super) spelling: Option<Vec<u8>>,
    /// What it leads to.
    pub(super) found: Found,
}

impl Match {
    fn at(self, addresses: &[Dataptr]) -> EntryAt {
        EntryAt { address: addresses[self.index], found: self.found, spelling: self.spelling }
    }
}

/// Compares the names of the entries at `addresses`: the one of just that name, or else the first that counts as the
/// same.
pub(super) fn matching(
    tx: &mut Transaction<'_>,
    dir: &Inode,
    wanted: &Wanted<'_>,
    addresses: &[Dataptr],
) -> Result<Option<Match>> {
    let geometry = Arc::clone(tx.geometry());
    let len_bytes = u64::from(geometry.dir_blocksize());
    let mut similar = None;
    for (index, address) in addresses.iter().enumerate() {
        let at = FileBlock(address.byte() / len_bytes * u64::from(geometry.dir_fsblocks()));
        let fail = |problem| damaged(BlockKind::DirData, dir, at, problem);
        let Some(locator) = locate_data(tx, dir, at)? else {
            return Err(fail(Problem::Rule("leaf entry leads into a hole")));
        };
        let block = tx.block(&locator)?;
        let end = entries_end(block).map_err(fail)?;
        let entry = entry_at(&block.bytes, (address.byte() % len_bytes) as usize, end).map_err(fail)?;
        if !wanted.is(entry.name) {
            continue;
        }
        let ino = check_ino(&geometry, entry.ino).map_err(fail)?;
        let found = (ino, FileType::from_dir_code(entry.ftype));
        if entry.name == wanted.name {
            return Ok(Some(Match { index, spelling: None, found }));
        }
        similar.get_or_insert_with(|| Match { index, spelling: Some(entry.name.to_vec()), found });
    }
    Ok(similar)
}
