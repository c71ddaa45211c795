//! How far a volume may be opened.
//!
//! What cannot be read is refused where it is met. What can be read but not written leaves the volume read-only, with
//! a reason that names the feature; what a user has to know besides is a warning.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::OpenOptions;
use super::recover::LogOutcome;
use crate::device::{BlockDevice, read_vec};
use crate::error::{Error, Place, Problem, Result};
use crate::format::BlockKind;
use crate::format::features::{Incompat, unknown_bits};
use crate::format::header;
use crate::format::superblock::RawSuperblock;
use crate::geometry::Geometry;
use crate::journal::Store;
use crate::units::Daddr;

/// `sb_flags` bit of a volume that was made read-only.
pub(super) const SB_READ_ONLY: u8 = 1;

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
    /// Looks at the superblock, the device and what became of the log.
    pub(super) fn of(store: &mut Store, log: &LogOutcome, options: &OpenOptions) -> Self {
        let mut policy = Self::default();
        policy.look_at_log(store, log);
        policy.look_at_features(store);
        // Last: what lies in the volume says more than how it was opened.
        if options.read_only {
            policy.refuse("opened read-only");
        }
        if store.device().is_read_only() || log.is_in_memory() {
            policy.refuse("the image is read-only");
        }
        policy
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

    fn look_at_log(&mut self, store: &Store, log: &LogOutcome) {
        if let Some(reason) = log.refusal() {
            self.has_stale_counters = true;
            self.warnings.push(format!("{reason}; opened read-only, {}", log.consequence()));
            self.refuse(reason);
        }
        self.warnings.extend(log.warnings());
        if store.geometry().logstart.is_null() {
            self.warn("external log".to_string());
        }
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

/// Reads and verifies the primary superblock; returns the shape and the superblock's whole sector.
pub(super) fn read_superblock(device: &mut dyn BlockDevice) -> Result<(Geometry, Vec<u8>)> {
    let first = read_vec(device, 0, 512)?;
    if !BlockKind::Superblock.has_magic(&first) {
        return Err(Error::unsupported("no XFS superblock at the start of the image"));
    }
    let sectsize = usize::from(header::be_u16(&first, core::mem::offset_of!(RawSuperblock, sectsize)));
    let sector = match sectsize {
        1024 | 2048 | 4096 | 8192 | 16384 | 32768 => read_vec(device, 0, sectsize)?,
        _ => first,
    };
    let (raw, _) = zerocopy::FromBytes::read_from_prefix(&sector).expect("a sector holds a superblock");
    let raw: RawSuperblock = raw;
    // The version first: older versions have no checksum.
    let geometry = Geometry::from_superblock(&raw)?;
    let identity = header::Identity { uuid: &raw.uuid, daddr: Daddr(0), owner: None };
    header::verify(BlockKind::Superblock, &sector, &identity)?;
    let needed = geometry.dblocks << geometry.blocklog;
    if device.len_bytes() < needed {
        let problem = Problem::Value {
            field: "bytes of the device (truncated image)",
            expected: needed,
            found: device.len_bytes(),
        };
        let place = Place::daddr(Daddr(0));
        return Err(Error::corrupt("superblock", place, problem));
    }
    Ok((geometry, sector))
}
