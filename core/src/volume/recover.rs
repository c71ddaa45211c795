//! Opening a volume whose log is dirty.
//!
//! For writing, what the log holds is put in place first. For reading, the same is done in memory: the image stays as it
//! is, byte for byte. A log that is not understood is left alone, and the volume opens read-only without it.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::OpenOptions;
use super::open::read_superblock;
use crate::device::{BlockDevice, OverlayDevice};
use crate::error::{Error, Result};
use crate::format::features::{Incompat, unknown_bits};
use crate::geometry::Geometry;
use crate::journal::log_state::{LogState, log_state};
use crate::journal::recovery::{self as log, Plan};
use crate::journal::{Position, Store};
use crate::recovery::{self, Report};

/// A volume whose log is clean, or as clean as it can be made.
pub(super) struct Opened {
    pub(super) store: Store,
    /// What was done to the log.
    pub(super) log: LogOutcome,
}

/// What became of the log.
pub(super) enum LogOutcome {
    /// It was clean, or there is none here.
    Clean,
    /// It was replayed into the volume.
    Replayed(Report),
    /// It was replayed in memory.
    InMemory(Report),
    /// It was replayed, in memory or for good, but what it left open could not be finished.
    Unfinished {
        /// Why.
        reason: String,
        /// Whether that was in memory.
        in_memory: bool,
    },
    /// It is dirty and was left alone.
    LeftAlone(String),
}

/// Opens the volume on `device` and sees to its log.
///
/// # Errors
/// Those of the device, and of a superblock that cannot be used.
pub(super) fn open(mut device: Box<dyn BlockDevice>, options: &OpenOptions) -> Result<Opened> {
    let cache_bytes = options.cache_bytes.max(1 << 20);
    let (geometry, superblock) = read_superblock(&mut *device)?;
    let geometry = Arc::new(geometry);
    let mut store = Store::new(device, Arc::clone(&geometry), superblock.clone(), cache_bytes);
    let is_writable =
        !options.read_only && !store.device().is_read_only() && can_be_written(&geometry, &store);
    let reason = match log_state(&mut store)? {
        LogState::Dirty { reason, .. } => reason,
        state => {
            if let (LogState::Clean { head }, true) = (state, is_writable) {
                store.set_log(Position::clean(head), Vec::new());
            }
            return Ok(Opened { store, log: LogOutcome::Clean });
        }
    };
    if geometry.incompat.contains(Incompat::NEEDSREPAIR) {
        let reason = format!("{reason}, and the volume needs repair first (NEEDSREPAIR)");
        return Ok(Opened { store, log: LogOutcome::LeftAlone(reason) });
    }
    let mut device = store.into_device();
    let planned = plan(&mut *device, &geometry);
    let left_alone = |device, error: Error| {
        let store = Store::new(device, Arc::clone(&geometry), superblock.clone(), cache_bytes);
        Ok(Opened { store, log: LogOutcome::LeftAlone(format!("{error}")) })
    };
    let plan = match planned {
        Ok(plan) => plan,
        Err(Error::Device(error)) => return Err(error.into()),
        Err(error) => return left_alone(device, error),
    };
    if !is_writable {
        device = Box::new(OverlayDevice::new(device));
    }
    let recovered = match plan.replay(&mut *device, &geometry) {
        Ok(recovered) => recovered,
        Err(Error::Device(error)) => return Err(error.into()),
        Err(error) => return left_alone(if is_writable { device } else { below(device) }, error),
    };
    // Counters, features, even the size may be others now.
    let (geometry, superblock) = read_superblock(&mut *device)?;
    let mut store = Store::new(device, Arc::new(geometry), superblock, cache_bytes);
    let log = match recovery::finish(&mut store, recovered) {
        Ok(report) if is_writable => LogOutcome::Replayed(report),
        Ok(report) => LogOutcome::InMemory(report),
        Err(Error::Device(error)) => return Err(error.into()),
        Err(error) => LogOutcome::Unfinished { reason: format!("{error}"), in_memory: !is_writable },
    };
    Ok(Opened { store, log })
}

/// What is to be recovered, once it is known that all of it can be.
fn plan(device: &mut dyn BlockDevice, geometry: &Geometry) -> Result<Plan> {
    let plan = log::plan(device, geometry)?;
    recovery::check(geometry, plan.intents())?;
    Ok(plan)
}

/// Whether anything but the log keeps the volume from being written.
fn can_be_written(geometry: &Geometry, store: &Store) -> bool {
    unknown_bits(&geometry.ro_compat).is_none()
        && unknown_bits(&geometry.log_incompat).is_none()
        && !geometry.incompat.contains(Incompat::NEEDSREPAIR)
        && !geometry.incompat.contains(Incompat::METADIR)
        && geometry.rblocks == 0
        && store.raw_superblock().flags & super::open::SB_READ_ONLY == 0
}

/// The device below an overlay.
pub(super) fn below(device: Box<dyn BlockDevice>) -> Box<dyn BlockDevice> {
    let any: Box<dyn core::any::Any> = device;
    any.downcast::<OverlayDevice>().expect("the device is an overlay").into_inner()
}

impl LogOutcome {
    /// Why the volume takes no changes because of its log, if it does not.
    pub(super) fn refusal(&self) -> Option<String> {
        match self {
            Self::Unfinished { reason, .. } | Self::LeftAlone(reason) => Some(format!("dirty log: {reason}")),
            Self::Clean | Self::Replayed(_) | Self::InMemory(_) => None,
        }
    }

    /// What a refusal means for whoever reads the volume.
    pub(super) fn consequence(&self) -> &'static str {
        match self {
            Self::Unfinished { .. } => "without finishing what the log left open",
            _ => "without the changes that are only in the log",
        }
    }

    /// Whether the volume in memory is not the one on the device.
    pub(super) fn is_in_memory(&self) -> bool {
        matches!(self, Self::InMemory(_) | Self::Unfinished { in_memory: true, .. })
    }

    /// Whether the log on the device is as dirty as it was.
    pub(super) fn is_left_dirty(&self) -> bool {
        !matches!(self, Self::Clean | Self::Replayed(_))
    }

    /// What was recovered.
    pub(super) fn into_report(self) -> Option<Report> {
        match self {
            Self::Replayed(report) | Self::InMemory(report) => Some(report),
            Self::Clean | Self::Unfinished { .. } | Self::LeftAlone(_) => None,
        }
    }

    /// What a user should know.
    pub(super) fn warnings(&self) -> Vec<String> {
        match self {
            Self::Clean => Vec::new(),
            Self::Replayed(report) => report.warnings.clone(),
            Self::InMemory(report) => {
                let count = report.replayed.checkpoints;
                let plural = if count == 1 { "" } else { "s" };
                let line = format!(
                    "dirty log: {count} transaction{plural} replayed in memory; the image is unchanged"
                );
                core::iter::once(line).chain(report.warnings.iter().cloned()).collect()
            }
            // Told together with the reason.
            Self::Unfinished { .. } | Self::LeftAlone(_) => Vec::new(),
        }
    }
}
