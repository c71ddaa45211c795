//! The checksum of all metadata: CRC-32C, stored little-endian even though everything around it is big-endian.
//!
//! Source: "Metadata Integrity".

#[cfg(not(feature = "std"))]
use alloc::boxed::Box;

#[cfg(not(feature = "std"))]
use once_cell::race::OnceBox;

/// A running CRC-32C over several pieces of one object.
#[derive(Debug, Clone, Copy)]
pub struct Crc32c(u32);

#[cfg(feature = "std")]
fn extend(state: u32, bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(state, bytes)
}

#[cfg(not(feature = "std"))]
fn extend(state: u32, bytes: &[u8]) -> u32 {
    // The tables are computed when they are first needed: 16 KiB that nothing can compress would be a sixteenth of what a
    // page has to load.
    static CRC: OnceBox<crc::Crc<u32, crc::Table<16>>> = OnceBox::new();
    let crc = CRC.get_or_init(|| Box::new(crc::Crc::<u32, crc::Table<16>>::new(&crc::CRC_32_ISCSI)));
    // `state` is a finished CRC. The register it came from is its complement, and the crate takes a starting
    // register in unreflected order.
    let mut digest = crc.digest_with_initial((!state).reverse_bits());
    digest.update(bytes);
    digest.finalize()
}

impl Crc32c {
    /// The CRC of nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self(0)
    }

    /// Adds `bytes`.
    #[must_use]
    pub fn update(self, bytes: &[u8]) -> Self {
        if bytes.is_empty() { self } else { Self(extend(self.0, bytes)) }
    }

    /// The finished value.
    #[must_use]
    pub const fn finish(self) -> u32 {
        self.0
    }
}

impl Default for Crc32c {
    fn default() -> Self {
        Self::new()
    }
}

/// CRC of `bytes` with the four bytes at `crc_at` taken as zero.
#[must_use]
pub fn of_object(bytes: &[u8], crc_at: usize) -> u32 {
    let after = (crc_at + 4).min(bytes.len());
    let before = crc_at.min(bytes.len());
    Crc32c::new().update(&bytes[..before]).update(&[0; 4]).update(&bytes[after..]).finish()
}

/// The CRC stored at `crc_at`.
#[must_use]
pub fn stored(bytes: &[u8], crc_at: usize) -> u32 {
    match bytes.get(crc_at..crc_at + 4) {
        Some(&[a, b, c, d]) => u32::from_le_bytes([a, b, c, d]),
        _ => 0,
    }
}

/// Writes the CRC of `bytes` to its place at `crc_at`.
///
/// # Panics
/// When the object is too short to hold its CRC, which is a mistake of the caller.
pub fn stamp(bytes: &mut [u8], crc_at: usize) {
    let crc = of_object(bytes, crc_at);
    bytes[crc_at..crc_at + 4].copy_from_slice(&crc.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answer() {
        assert_eq!(Crc32c::new().update(b"123456789").finish(), 0xe306_9283);
    }

    #[test]
    fn pieces_make_the_whole() {
        let bytes: alloc::vec::Vec<u8> = (0..=255).collect();
        for cut in [0, 1, 100, 255, 256] {
            let (a, b) = bytes.split_at(cut);
            assert_eq!(Crc32c::new().update(a).update(b).finish(), Crc32c::new().update(&bytes).finish());
        }
    }

    #[test]
    fn stamp_then_stored() {
        let mut bytes = [7_u8; 64];
        stamp(&mut bytes, 12);
        assert_eq!(stored(&bytes, 12), of_object(&bytes, 12));
    }
}
