//! The volume's counters, as its AGs have them.

use crate::btree::ag_headers::{agf, agi};
use crate::error::Result;
use crate::journal::{Counters, Transaction};

/// The counters of the volume, summed over its AGs.
///
/// # Errors
/// Those of reading the AGs' headers.
pub fn counted(tx: &mut Transaction<'_>) -> Result<Counters> {
    let mut sum = Counters::default();
    for ag in tx.geometry().ags() {
        let free = agf(tx, ag).map(|agf| [agf.freeblks, agf.flcount, agf.btreeblks])?;
        let fdblocks = free.iter().map(|count| i64::from(count.get())).sum();
        let agi = agi(tx, ag)?;
        let (icount, ifree) = (agi.count.get().into(), agi.freecount.get().into());
        sum = sum.plus(&Counters { icount, ifree, fdblocks });
    }
    Ok(sum)
}

/// Brings the counters of the volume to what its AGs have.
///
/// # Errors
/// Those of reading the AGs' headers.
pub fn recount(tx: &mut Transaction<'_>) -> Result<()> {
    let (now, then) = (counted(tx)?, tx.counters());
    let change = |now: i64, then: i64| now.saturating_sub(then);
    tx.count(
        change(now.icount, then.icount),
        change(now.ifree, then.ifree),
        change(now.fdblocks, then.fdblocks),
    );
    Ok(())
}
