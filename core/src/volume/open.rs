//! How far a volume may be opened.
//!
//! What cannot be read is refused where it is met. What can be read but not written leaves the volume read-only, with
//! a reason that names the feature; what a user has to know besides is a warning.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::OpenOptions;
use crate::error::Result;
use crate::format::features::{Incompat, unknown_bits};
use crate::journal::log_state::{LogState, log_state};
use crate::journal::{Position, Store};

/// `sb_flags` bit of a volume that was made read-only.
const SB_READ_ONLY: u8 = 1;

/// Why a volume is read-only, and what else there is to say about it.
#[derive(Debug, Default)]
pub(super) struct Policy {
    /// The reason, when there is one.
    pub(super) read_only: Option<String>,
    /// For the user to know.
    pub(super) warnings: Vec<String>,
    /// The superblock's counters were not brought up to date when the volume was last left.
    pub(super) has_stale_counters: bool,
}

impl Policy {
    /// Looks at the superblock, the device and the log.
    ///
    /// # Errors
    /// Those of the device.
    pub(super) fn of(store: &mut Store, options: &OpenOptions) -> Result<Self> {
        let mut policy = Self::default();
        policy.look_at_log(store)?;
        policy.look_at_features(store);
        // Last: what lies in the volume says more than how it was opened.
        if options.read_only {
            policy.refuse("opened read-only");
        }
        if store.device().is_read_only() {
            policy.refuse("the image is read-only");
        }
        Ok(policy)
    }

    /// The first reason stays.
    fn refuse(&mut self, reason: impl Into<String>) {
        let reason = reason.into();
        self.read_only.get_or_insert(reason);
    }

    /// A reason that the user did not ask for is a warning as well.
    fn warn(&mut self, reason: String) {
        self.warnings.push(format!("{reason}; opened read-only"));
        self.refuse(reason);
    }

    fn look_at_log(&mut self, store: &mut Store) -> Result<()> {
        match log_state(store)? {
            LogState::Clean { head } => store.set_log(Position::clean(head), Vec::new()),
            LogState::Dirty { reason, .. } => {
                self.has_stale_counters = true;
                self.warn(format!("dirty log: {reason}"));
                self.warnings.push(
                    "changes that are only in the log are not seen; mounting the volume in Linux replays them"
                        .to_string(),
                );
            }
            LogState::External => self.warn("external log".to_string()),
        }
        Ok(())
    }

    fn look_at_features(&mut self, store: &mut Store) {
        let geometry = store.geometry();
        if geometry.incompat.contains(Incompat::NEEDSREPAIR) {
            self.has_stale_counters = true;
            self.warn("volume is flagged as needing repair (NEEDSREPAIR)".to_string());
        }
        if let Some(bits) = unknown_bits(&store.geometry().ro_compat) {
            self.warn(format!("unknown read-only compatible feature bits {bits}"));
        }
        if let Some(bits) = unknown_bits(&store.geometry().log_incompat) {
            self.warn(format!("unknown log feature bits {bits}"));
        }
        let geometry = store.geometry();
        if geometry.incompat.contains(Incompat::METADIR) {
            self.refuse("metadata directory tree (METADIR)");
        }
        if geometry.rblocks > 0 {
            self.refuse("realtime device");
        }
        if store.raw_superblock().flags & SB_READ_ONLY != 0 {
            self.refuse("volume is marked read-only");
        }
    }
}
