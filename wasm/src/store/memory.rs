//! A store in memory, of which untouched parts take none.

use xfskit::device::{BlockDevice, DeviceError, check_range};
use xfskit::units::map::Hashed;

const CHUNK_BYTES: usize = 64 << 10;

/// Bytes in chunks that come into being when they are written.
pub struct SparseMemory {
    len_bytes: u64,
    chunks: Hashed<u64, Box<[u8]>>,
}

impl SparseMemory {
    /// A store of `len_bytes` zeros.
    pub fn new(len_bytes: u64) -> Self {
        Self { len_bytes, chunks: Hashed::new() }
    }
}

/// Cuts `len` bytes from `offset` on where chunks end: chunk, offset in it, length.
fn pieces(offset: u64, len: usize) -> impl Iterator<Item = (u64, usize, usize)> {
    let mut at = offset;
    let end = offset + len as u64;
    std::iter::from_fn(move || {
        if at == end {
            return None;
        }
        let (chunk, inside) = (at / CHUNK_BYTES as u64, (at % CHUNK_BYTES as u64) as usize);
        let count = (CHUNK_BYTES - inside).min((end - at) as usize);
        at += count as u64;
        Some((chunk, inside, count))
    })
}

impl BlockDevice for SparseMemory {
    fn len_bytes(&self) -> u64 {
        self.len_bytes
    }

    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<(), DeviceError> {
        check_range(offset, buf.len(), self.len_bytes)?;
        let mut rest = buf;
        for (chunk, inside, count) in pieces(offset, rest.len()) {
            let (part, after) = rest.split_at_mut(count);
            match self.chunks.get(chunk) {
                Some(bytes) => part.copy_from_slice(&bytes[inside..inside + count]),
                None => part.fill(0),
            }
            rest = after;
        }
        Ok(())
    }

    fn write_at(&mut self, offset: u64, buf: &[u8]) -> Result<(), DeviceError> {
        check_range(offset, buf.len(), self.len_bytes)?;
        let mut rest = buf;
        for (chunk, inside, count) in pieces(offset, buf.len()) {
            let (part, after) = rest.split_at(count);
            let bytes = self.chunks.get_or_insert_with(chunk, || vec![0; CHUNK_BYTES].into());
            bytes[inside..inside + count].copy_from_slice(part);
            rest = after;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), DeviceError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_was_written_and_zeros_elsewhere() {
        let mut device = SparseMemory::new(1 << 40);
        let mut expected = vec![0; 300_000];
        for (at, len) in [(0, 1), (65_530, 20), (131_072, 65_536), (199_999, 100_001)] {
            let bytes = vec![at as u8 ^ 0x5a; len];
            device.write_at(at as u64, &bytes).expect("inside");
            expected[at..at + len].copy_from_slice(&bytes);
        }
        let mut all = vec![1; expected.len()];
        device.read_at(0, &mut all).expect("inside");
        assert_eq!(all, expected);
        assert_eq!(device.chunks.len(), 5);
        assert!(device.write_at((1 << 40) - 1, &[0, 0]).is_err());
    }
}
