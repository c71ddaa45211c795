//! Cross-checks of a whole volume, streaming: what is wrong is reported, and the check goes on.
//!
//! The checker walks raw structures itself and shares only the decoding of formats with the code that changes
//! volumes, so it can be its referee. Phases, each of which only reads:
//!
//! 1. superblock and its copies;
//! 2. every AG: headers, AGFL, the btrees, their counters; what they own and what is free is noted;
//! 3. every inode: core, forks with their btrees, attributes; the blocks they own are noted;
//! 4. every directory: its forms, and where its entries lead;
//! 5. names and inodes: link counts, one parent for each directory, a way from the root, unlinked lists;
//! 6. blocks: each is free or owned, once or else shared; reference counts and reverse mappings are recomputed.
//!
//! What a phase could not read is reported once, and comparisons that need it are left out. Memory goes with the
//! number of extents and inodes (24 and 64 bytes each), never with what a damaged field claims.

mod ag;
mod attr;
mod btree;
mod context;
mod da;
mod dir;
mod dir_index;
mod fork;
mod inode;
mod inode_trees;
mod links;
mod owners;
mod report;
mod space_trees;
mod superblock;
#[cfg(test)]
mod tests;

use alloc::sync::Arc;

pub use report::{CheckSummary, Finding, Severity};

use crate::error::{Place, Problem, Result};
use crate::journal::log_state::{LogState, log_state};
use crate::units::Daddr;
use crate::volume::Volume;

use context::{Context, State};
use report::Report;

impl Volume {
    /// Checks everything on the volume and hands each finding to `sink`. Nothing is changed, but what waits in memory
    /// is put in place first.
    ///
    /// # Errors
    /// Those of the device. Damage is not an error but a [`Finding`].
    pub fn check(&mut self, sink: &mut dyn FnMut(Finding)) -> Result<CheckSummary> {
        // What waits in memory must be on the device, or could never get there.
        if self.read_only_reason().is_none() {
            self.quiesce()?;
        }
        let store = self.store();
        let log = log_state(store)?;
        let is_dirty = matches!(log, LogState::Dirty { .. });
        let head = if let LogState::Clean { head } = log { Some(head) } else { None };
        let superblock = store.raw_superblock();
        let geometry = Arc::clone(store.geometry());
        let report = Report::new(sink);
        let mut context = Context { device: store.device(), geometry, report, head };
        if is_dirty {
            let rule =
                Problem::Rule("log is dirty: this is the state before recovery, where damage is not certain");
            context.report.warn("log", Place::default(), rule);
        }
        if matches!(log, LogState::External) {
            context.report.warn("log", Place::default(), Problem::Rule("external log: not checked"));
        }
        let mut state = State::default();
        superblock::check(&mut context, &superblock)?;
        // What the log may still change is not certain.
        context.report.is_uncertain = is_dirty;
        check_all(&mut context, &mut state, &superblock)?;
        Ok(context.report.summary)
    }
}

fn check_all(
    cx: &mut Context<'_>,
    state: &mut State,
    superblock: &crate::format::superblock::RawSuperblock,
) -> Result<()> {
    for ag in cx.geometry.ags() {
        let checked = ag::check(cx, state, ag)?;
        state.ags.push(checked);
    }
    superblock::check_counters(cx, state, superblock);
    let directories = inode::check_all(cx, state)?;
    for ino in directories {
        dir::check(cx, state, ino)?;
    }
    links::check(cx, state, superblock)?;
    owners::check(cx, state)?;
    if !state.owners_complete {
        let rule = Problem::Rule(
            "not every owner could be read: free, shared and reverse mapped blocks were not compared",
        );
        cx.report.warn("volume", Place::daddr(Daddr(0)), rule);
    }
    Ok(())
}
