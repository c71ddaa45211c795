//! What an overlay says of its base.
//!
//! | byte | field |
//! |---|---|
//! | 0 | magic, 12 bytes |
//! | 12 | version, u32 |
//! | 16 | length of the base in bytes, u64 |
//! | 24 | bytes of the fingerprint, u32 |
//! | 28 | fingerprint, padded with zeros to 128 bytes |
//! | 508 | CRC-32C of all before, u32 |
//!
//! All little-endian.

use xfskit::format::crc::Crc32c;

use super::NAME;
use crate::store::StoreError;

/// Bytes that the head takes before the map.
pub(super) const HEAD_BYTES: u64 = 4096;
/// Bytes of it that are used: a sector, so that it is there whole or not at all.
pub(super) const USED_BYTES: usize = 512;

const MAGIC: [u8; 12] = *b"xfskit over\n";
const VERSION: u32 = 1;
const CRC_AT: usize = 508;
const FINGERPRINT_AT: usize = 28;
const FINGERPRINT_BYTES: usize = 128;

/// The base that an overlay is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    base_bytes: u64,
    fingerprint: Vec<u8>,
}

impl Head {
    pub(super) fn new(base_bytes: u64, fingerprint: &[u8]) -> Result<Self, StoreError> {
        if fingerprint.len() > FINGERPRINT_BYTES {
            return Err(StoreError::Argument("a fingerprint of more than 128 bytes"));
        }
        Ok(Self { base_bytes, fingerprint: fingerprint.to_vec() })
    }

    pub(super) fn encode(&self) -> [u8; USED_BYTES] {
        let mut bytes = [0; USED_BYTES];
        bytes[..12].copy_from_slice(&MAGIC);
        bytes[12..16].copy_from_slice(&VERSION.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.base_bytes.to_le_bytes());
        // At most `FINGERPRINT_BYTES`.
        bytes[24..28].copy_from_slice(&(self.fingerprint.len() as u32).to_le_bytes());
        bytes[FINGERPRINT_AT..FINGERPRINT_AT + self.fingerprint.len()].copy_from_slice(&self.fingerprint);
        let crc = Crc32c::new().update(&bytes[..CRC_AT]).finish();
        bytes[CRC_AT..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Whether a stored head is of an overlay for this base.
    pub(super) fn check(&self, bytes: &[u8; USED_BYTES]) -> Result<(), StoreError> {
        if bytes[..12] != MAGIC {
            return Err(StoreError::Foreign { store: NAME, found: "something else" });
        }
        let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        if word(CRC_AT) != Crc32c::new().update(&bytes[..CRC_AT]).finish() {
            return Err(StoreError::Damaged { store: NAME, problem: "checksum of its head" });
        }
        if word(12) != VERSION {
            return Err(StoreError::Version { store: NAME, version: word(12) });
        }
        let ours = self.encode();
        if bytes[16..24] != ours[16..24] {
            return Err(StoreError::OtherBase { what: "its length" });
        }
        if bytes[24..CRC_AT] != ours[24..CRC_AT] {
            return Err(StoreError::OtherBase { what: "its fingerprint" });
        }
        Ok(())
    }
}
