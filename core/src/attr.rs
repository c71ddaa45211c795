//! Extended attributes: listed, found, set and removed in every form.
//!
//! Few and small ones live in the inode (shortform), then in one leaf, then in a tree of leaves by hash (node form);
//! values too large for a leaf have blocks of their own (remote).

mod edit;
mod fork;
mod intent;
mod leaf;
mod read;
mod remote;
mod tree;

pub use edit::{Key, add_parent, remove, remove_parent, set};
pub use intent::{Intent, apply_intent};
pub use read::{exists, get, list, parents};

use alloc::vec::Vec;

use crate::format::attr::AttrFlags;
use crate::units::Ino;

/// Who an extended attribute is for; the prefix of its full name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Namespace {
    /// `user.`
    User,
    /// `trusted.`
    Trusted,
    /// `security.`
    Security,
}

impl Namespace {
    /// The namespace that flags name; `None` for parent pointers.
    #[must_use]
    pub fn from_flags(flags: AttrFlags) -> Option<Self> {
        let namespace = flags.namespace();
        if namespace.is_empty() {
            Some(Self::User)
        } else if namespace == AttrFlags::ROOT {
            Some(Self::Trusted)
        } else if namespace == AttrFlags::SECURE {
            Some(Self::Security)
        } else {
            None
        }
    }

    /// The flags that stand for it.
    #[must_use]
    pub const fn flags(self) -> AttrFlags {
        match self {
            Self::User => AttrFlags::empty(),
            Self::Trusted => AttrFlags::ROOT,
            Self::Security => AttrFlags::SECURE,
        }
    }

    /// The prefix, with its dot.
    #[must_use]
    pub const fn prefix(self) -> &'static [u8] {
        match self {
            Self::User => b"user.",
            Self::Trusted => b"trusted.",
            Self::Security => b"security.",
        }
    }
}

/// Name of an extended attribute.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct XattrName {
    /// Its namespace.
    pub namespace: Namespace,
    /// The name behind the prefix.
    pub name: Vec<u8>,
}

impl XattrName {
    /// Prefix and name: `user.foo`.
    #[must_use]
    pub fn full_name(&self) -> Vec<u8> {
        let mut full = self.namespace.prefix().to_vec();
        full.extend_from_slice(&self.name);
        full
    }
}

/// A name of an inode, as the inode itself remembers it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ParentPointer {
    /// The directory.
    pub parent: Ino,
    /// The directory's generation.
    pub generation: u32,
    /// The name in it.
    pub name: Vec<u8>,
}
