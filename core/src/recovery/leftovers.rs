//! Leftovers of a crash that the log does not speak of: unlinked inodes, and staging extents of copy-on-write.

use super::Report;
use crate::btree::ag_headers::agi;
use crate::error::{Error, Place, Problem, Result};
use crate::format::agi::UNLINKED_BUCKETS;
use crate::format::btree::{RmapOwner, RmapRec};
use crate::inode::core::core;
use crate::inode::inactivate::finish;
use crate::inode::unlinked;
use crate::journal::{Store, Transaction};
use crate::space::{alloc as space_alloc, refcount, rmap};
use crate::units::{AgNumber, Ino};

/// Empties the unlinked lists. What has no name any more is freed.
///
/// # Errors
/// Corruption of the lists; those of freeing.
pub(super) fn unlinked_inodes(store: &mut Store, report: &mut Report) -> Result<()> {
    let geometry = store.geometry().clone();
    for ag in geometry.ags() {
        let mut left = agi(&mut Transaction::new(store), ag)?.count.get();
        for bucket in 0..UNLINKED_BUCKETS {
            while let Some(ino) = unlinked::first(&mut Transaction::new(store), ag, bucket)? {
                if left == 0 {
                    let problem = Problem::Rule("unlinked lists are longer than the AG has inodes");
                    return Err(Error::corrupt("AGI", Place::ag(ag), problem));
                }
                left -= 1;
                free_inode(store, ino)?;
                report.unlinked += 1;
            }
        }
    }
    Ok(())
}

fn free_inode(store: &mut Store, ino: Ino) -> Result<()> {
    let mut tx = Transaction::new(store);
    let now = core(&mut tx, ino)?;
    if now.mode.get() == 0 {
        let problem = Problem::Rule("free inode on an unlinked list");
        return Err(Error::corrupt("inode", Place::ino(ino), problem));
    }
    if now.nlink.get() > 0 {
        unlinked::remove(&mut tx, ino)?;
        tx.commit()?;
        return Ok(());
    }
    drop(tx);
    finish(store, ino)
}

/// Frees the blocks that were meant to take the place of shared ones and never did.
///
/// # Errors
/// Corruption of the trees; those of freeing.
pub(super) fn staging_extents(store: &mut Store, report: &mut Report) -> Result<()> {
    let geometry = store.geometry().clone();
    if !geometry.has_reflink() {
        return Ok(());
    }
    for ag in geometry.ags() {
        while free_staging(store, ag, report)? {}
    }
    Ok(())
}

/// Frees some staging extents of an AG; false when there are none.
fn free_staging(store: &mut Store, ag: AgNumber, report: &mut Report) -> Result<bool> {
    let mut tx = Transaction::new(store);
    let mut found = false;
    while !tx.is_full() {
        let Some(rec) = refcount::first_staging(&mut tx, ag)? else { break };
        refcount::unstage(&mut tx, ag, rec.start, rec.len)?;
        rmap::unmap(&mut tx, ag, &RmapRec::of_volume(rec.start, rec.len, RmapOwner::COW))?;
        space_alloc::free_unmapped(&mut tx, ag, rec.start, rec.len)?;
        report.staging_fsblocks += u64::from(rec.len);
        found = true;
    }
    tx.commit()?;
    Ok(found)
}
