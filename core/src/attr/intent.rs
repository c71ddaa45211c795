//! Finishing a change of an attribute that a log only announces.
//!
//! Linux changes attributes in steps, and writes down first what it is up to (ATTRI). Of such a change some steps may
//! have happened, or all, or none: an attribute that was being written stands there as incomplete, and one that was
//! being removed may be gone. What is done here leads from each of these states to the same end.
//!
//! Source: "Extended Attribute Update Intent".

use super::edit::{Key, remove, set};
use crate::error::{Error, Place, Problem, Result};
use crate::format::attr::AttrFlags;
use crate::journal::Transaction;
use crate::units::Ino;

/// What an ATTRI announces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Intent<'a> {
    /// Low byte of its `op_flags`.
    pub op: u8,
    /// Its `attr_filter`: namespace bits as on disk.
    pub filter: u8,
    /// Name of the attribute.
    pub name: &'a [u8],
    /// Name that it will have, when it gets another one.
    pub new_name: &'a [u8],
    /// Value: the one to set, or of a parent pointer the old one.
    pub value: &'a [u8],
    /// Value that goes with the new name.
    pub new_value: &'a [u8],
}

/// `op_flags` of an ATTRI.
mod op {
    pub(super) const SET: u8 = 1;
    pub(super) const REMOVE: u8 = 2;
    pub(super) const REPLACE: u8 = 3;
    pub(super) const PPTR_SET: u8 = 4;
    pub(super) const PPTR_REMOVE: u8 = 5;
    pub(super) const PPTR_REPLACE: u8 = 6;
}

/// Does what an intent announces, as far as it was not done yet.
///
/// # Errors
/// Corruption for an intent that cannot be; [`Error::NoSpace`]; those of changing the trees.
pub fn apply_intent(tx: &mut Transaction<'_>, ino: Ino, intent: &Intent<'_>) -> Result<()> {
    let corrupt = |field, found: u8| {
        let problem = Problem::Bounds { field, found: found.into() };
        Error::corrupt("attribute intent", Place::ino(ino), problem)
    };
    let namespace = AttrFlags::from_bits_retain(intent.filter & !AttrFlags::INCOMPLETE.bits());
    let is_parent = namespace == AttrFlags::PARENT;
    let needs_parent = matches!(intent.op, op::PPTR_SET | op::PPTR_REMOVE | op::PPTR_REPLACE);
    if is_parent != needs_parent {
        return Err(corrupt("attr_filter", intent.filter));
    }
    let key = |name, value| match Key::new(namespace, name, value) {
        Err(Error::Invalid(_)) => Err(corrupt("attr_filter, name or value", intent.filter)),
        key => key,
    };
    match intent.op {
        op::SET | op::REPLACE | op::PPTR_SET => {
            key(intent.name, intent.value)?;
            set(tx, ino, namespace, intent.name, intent.value)
        }
        op::REMOVE => remove(tx, ino, &key(intent.name, &[])?).map(drop),
        op::PPTR_REMOVE => remove(tx, ino, &key(intent.name, intent.value)?).map(drop),
        op::PPTR_REPLACE => {
            let (old, _) = (key(intent.name, intent.value)?, key(intent.new_name, intent.new_value)?);
            remove(tx, ino, &old)?;
            set(tx, ino, namespace, intent.new_name, intent.new_value)
        }
        other => Err(corrupt("op_flags", other)),
    }
}
