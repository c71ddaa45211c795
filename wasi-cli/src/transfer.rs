//! What moving contents about has in common: the buffer, and where zeros need not be written.

use std::ops::Range;

use xfskit::volume::Stat;
use xfskit::{Result, Volume};

/// Bytes moved by one call.
pub(crate) const BUFFER_BYTES: usize = 1 << 20;

/// Zeros shorter than this are written like everything else.
const HOLE_BYTES: usize = 4096;

/// The buffer that a file of this size needs. One byte more than the file, so that one short read tells its end.
pub(crate) fn buffer_bytes(size: u64) -> usize {
    usize::try_from(size.saturating_add(1)).unwrap_or(BUFFER_BYTES).clamp(4096, BUFFER_BYTES)
}

/// The byte ranges of a file that hold data, by rising offset; holes and unwritten extents are left out.
pub(crate) fn data_ranges(volume: &mut Volume, stat: &Stat) -> Result<Vec<Range<u64>>> {
    let mut ranges: Vec<Range<u64>> = Vec::new();
    if stat.size == 0 {
        return Ok(ranges);
    }
    if stat.blocks_512.saturating_mul(512) >= stat.size {
        // Perhaps with a hole, and as many blocks behind its end: not worth the look.
        ranges.push(0..stat.size);
        return Ok(ranges);
    }
    for extent in volume.extents(stat.ino)? {
        let unit = u64::from(stat.blocksize);
        let start = extent.offset_fsblocks.saturating_mul(unit).min(stat.size);
        let end =
            extent.offset_fsblocks.saturating_add(extent.len_fsblocks).saturating_mul(unit).min(stat.size);
        match ranges.last_mut() {
            _ if extent.unwritten || start >= end => {}
            Some(last) if last.end == start => last.end = end,
            _ => ranges.push(start..end),
        }
    }
    Ok(ranges)
}

/// Splits a buffer that starts at byte `offset` of a file into runs of data and of zeros: `(is_data, start, end)`.
/// Runs of zeros begin and end at multiples of `blocksize` in the file, or with the buffer.
pub(crate) fn runs(buffer: &[u8], offset: u64, blocksize: u32) -> Vec<(bool, usize, usize)> {
    let step = (blocksize as usize).max(HOLE_BYTES);
    let mut runs: Vec<(bool, usize, usize)> = Vec::new();
    let mut start = 0;
    while start < buffer.len() {
        let into_block = (offset % step as u64) as usize + start;
        let end = (start + step - into_block % step).min(buffer.len());
        let is_data = !is_zero(&buffer[start..end]);
        match runs.last_mut() {
            Some(last) if last.0 == is_data => last.2 = end,
            _ => runs.push((is_data, start, end)),
        }
        start = end;
    }
    runs
}

fn is_zero(bytes: &[u8]) -> bool {
    // Whole chunks at a time, so that the compiler can use wide registers, yet data ends the search at once.
    bytes.chunks(256).all(|chunk| chunk.iter().fold(0, |any, byte| any | byte) == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_are_found_at_block_borders() {
        let mut buffer = vec![0; 20_000];
        buffer[0] = 1;
        buffer[9_000] = 1;
        assert_eq!(
            runs(&buffer, 0, 4096),
            [(true, 0, 4096), (false, 4096, 8192), (true, 8192, 12_288), (false, 12_288, 20_000)]
        );
        assert_eq!(runs(&buffer[..1], 5, 1024), [(true, 0, 1)]);
        assert_eq!(runs(&[0; 5000], 4000, 1024), [(false, 0, 5000)]);
        assert!(runs(&[], 0, 1024).is_empty());
    }

    #[test]
    fn buffers_fit_their_files() {
        assert_eq!(buffer_bytes(0), 4096);
        assert_eq!(buffer_bytes(4096), 4097);
        assert_eq!(buffer_bytes(u64::MAX), BUFFER_BYTES);
    }
}
