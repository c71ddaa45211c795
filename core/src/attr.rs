//! Extended attributes, in every form.

use alloc::vec::Vec;

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
