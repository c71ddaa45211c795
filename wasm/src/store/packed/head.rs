//! The first 4096 bytes of a packed image.
//!
//! | byte | field |
//! |---|---|
//! | 0 | magic, 12 bytes |
//! | 12 | version, u32 |
//! | 16 | length of the image in bytes, u64 |
//! | 24 | bytes of a chunk, u32 |
//! | 28 | CRC-32C of bytes 0 to 28, u32 |
//!
//! All little-endian. The rest is zeros.

use xfskit::device::DeviceError;
use xfskit::format::crc::Crc32c;

use super::NAME;
use crate::store::StoreError;
use crate::store::raw::{RawFile, read_all};

/// Where the map begins.
pub(super) const HEAD_BYTES: u64 = 4096;

const MAGIC: [u8; 12] = *b"xfskit pack\n";
const VERSION: u32 = 1;
const CRC_AT: usize = 28;
const USED_BYTES: usize = 32;

/// More chunks than that make the map long: the chunks of larger images are larger.
const MANY_CHUNKS: u64 = 1 << 20;
/// The map of that many chunks takes 256 MiB.
const MOST_CHUNKS: u64 = 1 << 26;

/// The shape of a packed image; only what can be is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    len_bytes: u64,
    chunk_bytes: u32,
}

/// Bytes of a chunk for an image of `len_bytes`.
pub(super) fn chunk_bytes_for(len_bytes: u64) -> u32 {
    let mut chunk_bytes = super::CHUNK_BYTES;
    while len_bytes / u64::from(chunk_bytes) > MANY_CHUNKS && chunk_bytes < 64 << 20 {
        chunk_bytes *= 2;
    }
    chunk_bytes
}

/// Whether a file holds nothing that may be lost: it is empty, or the zeros of a map whose head never came.
pub(super) fn is_vacant(file: &mut dyn RawFile) -> Result<bool, DeviceError> {
    let len = file.len_bytes()?;
    if len > HEAD_BYTES + MOST_CHUNKS * 4 {
        return Ok(false);
    }
    let mut bytes = vec![0; 64 << 10];
    let mut at = 0;
    while at < len {
        let piece = &mut bytes[..(len - at).min(64 << 10) as usize];
        read_all(file, at, piece)?;
        if piece.iter().any(|&byte| byte != 0) {
            return Ok(false);
        }
        at += piece.len() as u64;
    }
    Ok(true)
}

impl Head {
    pub(super) fn new(len_bytes: u64, chunk_bytes: u32) -> Result<Self, StoreError> {
        if !chunk_bytes.is_power_of_two() || !(4096..=64 << 20).contains(&chunk_bytes) {
            return Err(StoreError::Argument("bytes of a chunk"));
        }
        let count = len_bytes.div_ceil(u64::from(chunk_bytes));
        if len_bytes == 0 || !len_bytes.is_multiple_of(512) || count > MOST_CHUNKS {
            return Err(StoreError::Argument("length of a packed image"));
        }
        Ok(Self { len_bytes, chunk_bytes })
    }

    pub(super) fn read(file: &mut dyn RawFile) -> Result<Self, StoreError> {
        let mut bytes = [0; USED_BYTES];
        let len = file.len_bytes()?;
        if len < HEAD_BYTES {
            let found = if len == 0 { "an empty file" } else { "a short file" };
            return Err(StoreError::Foreign { store: NAME, found });
        }
        read_all(file, 0, &mut bytes)?;
        Self::decode(&bytes)
    }

    pub(super) fn encode(self) -> [u8; USED_BYTES] {
        let mut bytes = [0; USED_BYTES];
        bytes[..12].copy_from_slice(&MAGIC);
        bytes[12..16].copy_from_slice(&VERSION.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.len_bytes.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.chunk_bytes.to_le_bytes());
        let crc = Crc32c::new().update(&bytes[..CRC_AT]).finish();
        bytes[CRC_AT..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8; USED_BYTES]) -> Result<Self, StoreError> {
        if bytes[..12] != MAGIC {
            let found = match bytes {
                _ if bytes.iter().all(|&byte| byte == 0) => "zeros",
                _ if bytes.starts_with(b"XFSB") => "an XFS volume as it is",
                _ => "something else",
            };
            return Err(StoreError::Foreign { store: NAME, found });
        }
        let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        if word(CRC_AT) != Crc32c::new().update(&bytes[..CRC_AT]).finish() {
            return Err(StoreError::Damaged { store: NAME, problem: "checksum of its head" });
        }
        if word(12) != VERSION {
            return Err(StoreError::Version { store: NAME, version: word(12) });
        }
        let len_bytes = u64::from(word(16)) | u64::from(word(20)) << 32;
        Self::new(len_bytes, word(24))
            .map_err(|_| StoreError::Damaged { store: NAME, problem: "the shape in its head" })
    }

    pub(super) fn len_bytes(self) -> u64 {
        self.len_bytes
    }

    pub(super) fn chunk_bytes(self) -> u32 {
        self.chunk_bytes
    }

    pub(super) fn chunk_count(self) -> u32 {
        // At most `MOST_CHUNKS`.
        self.len_bytes.div_ceil(u64::from(self.chunk_bytes)) as u32
    }

    pub(super) fn chunk_of(self, offset: u64) -> u32 {
        (offset / u64::from(self.chunk_bytes)) as u32
    }

    /// Bytes of the map, padding up to a multiple of 4096 included.
    pub(super) fn map_bytes(self) -> u64 {
        (u64::from(self.chunk_count()) * 4).next_multiple_of(4096)
    }

    /// Where slot 0 begins.
    pub(super) fn data_at(self) -> u64 {
        HEAD_BYTES + self.map_bytes()
    }

    /// Where a slot begins.
    pub(super) fn slot_at(self, slot: u32) -> u64 {
        self.data_at() + u64::from(slot) * u64::from(self.chunk_bytes)
    }
}
