//! Lists of inodes that no name leads to any more: what is still open, or has not been freed yet.
//!
//! The AGI has 64 buckets; an inode's is its AG-relative number modulo that. Members of a list are chained by
//! `di_next_unlinked`, and new ones go to the front.
//!
//! Source: "Unlinked Pointer", "AG Inode Management".

use crate::btree::ag_headers::{agi, agi_mut};
use crate::error::{Error, Place, Problem, Result};
use crate::format::agi::UNLINKED_BUCKETS;
use crate::inode::core::{core, core_mut};
use crate::journal::Transaction;
use crate::units::{AgIno, AgNumber, Ino};

/// The end of a list.
const END: u32 = u32::MAX;

fn bucket_of(agino: AgIno) -> usize {
    agino.0 as usize % UNLINKED_BUCKETS
}

/// The inode that a link in the list of `bucket` names.
fn follow(tx: &Transaction<'_>, ag: AgNumber, bucket: usize, link: u32) -> Result<Option<Ino>> {
    if link == END {
        return Ok(None);
    }
    let ino = tx.geometry().ino(ag, AgIno(link));
    let is_inside = tx.geometry().split_ino(ino) == (ag, AgIno(link)) && tx.geometry().is_valid_ino(ino);
    if is_inside && bucket_of(AgIno(link)) == bucket {
        return Ok(Some(ino));
    }
    let problem = Problem::Bounds { field: "unlinked", found: link.into() };
    Err(Error::corrupt("AGI", Place::ag(ag), problem))
}

/// The first inode of a list.
///
/// # Errors
/// Those of reading the AGI; corruption when its link leads nowhere.
pub fn first(tx: &mut Transaction<'_>, ag: AgNumber, bucket: usize) -> Result<Option<Ino>> {
    let link = agi(tx, ag)?.unlinked[bucket].get();
    follow(tx, ag, bucket, link)
}

/// Puts an inode at the front of its list. It must not be on it.
///
/// # Errors
/// Those of reading AGI and inode.
pub fn insert(tx: &mut Transaction<'_>, ino: Ino) -> Result<()> {
    let (ag, agino) = tx.geometry().split_ino(ino);
    let bucket = bucket_of(agino);
    let next = agi(tx, ag)?.unlinked[bucket];
    if core(tx, ino)?.next_unlinked.get() != END || next.get() == agino.0 {
        let problem = Problem::Rule("is on an unlinked list already");
        return Err(Error::corrupt("inode", Place::ino(ino), problem));
    }
    core_mut(tx, ino)?.next_unlinked = next;
    agi_mut(tx, ag)?.unlinked[bucket].set(agino.0);
    Ok(())
}

/// Takes an inode off its list.
///
/// # Errors
/// Corruption when it is not on it; those of reading what stands before it.
pub fn remove(tx: &mut Transaction<'_>, ino: Ino) -> Result<()> {
    let (ag, agino) = tx.geometry().split_ino(ino);
    let bucket = bucket_of(agino);
    let next = core(tx, ino)?.next_unlinked;
    follow(tx, ag, bucket, next.get())?;
    // No list is longer than the AG has inodes.
    let mut left = agi(tx, ag)?.count.get();
    let mut at = first(tx, ag, bucket)?;
    if at == Some(ino) {
        agi_mut(tx, ag)?.unlinked[bucket] = next;
        core_mut(tx, ino)?.next_unlinked.set(END);
        return Ok(());
    }
    while let Some(before) = at {
        let link = core(tx, before)?.next_unlinked.get();
        if link == agino.0 {
            core_mut(tx, before)?.next_unlinked = next;
            core_mut(tx, ino)?.next_unlinked.set(END);
            return Ok(());
        }
        if left == 0 {
            break;
        }
        left -= 1;
        at = follow(tx, ag, bucket, link)?;
    }
    let problem = Problem::Rule("is not on the unlinked list of its bucket");
    Err(Error::corrupt("inode", Place::ino(ino), problem))
}
