//! Removing what an earlier use left on the device.

use zerocopy::FromBytes;

use crate::device::{BlockDevice, read_vec};
use crate::error::Result;
use crate::format::superblock::{MAGIC, RawSuperblock};

/// Filesystems and partition tables sign within this many bytes of either end.
const SIGNATURE_BYTES: u64 = 128 << 10;
/// Most superblock copies of an old XFS that are looked for.
const MAX_COPIES: u64 = 1 << 16;
const PIECE_BYTES: u64 = 1 << 20;

/// Wipes the signatures at both ends of the device, and the superblock copies of an XFS volume.
pub(super) fn signatures(device: &mut dyn BlockDevice) -> Result<()> {
    let len = device.len_bytes();
    old_copies(device)?;
    zero(device, 0, SIGNATURE_BYTES.min(len))?;
    let at_end = len.saturating_sub(SIGNATURE_BYTES);
    zero(device, at_end, len - at_end)
}

/// A repair program would take copies of the old superblock for true if ours were lost.
fn old_copies(device: &mut dyn BlockDevice) -> Result<()> {
    let sector = read_vec(device, 0, 512)?;
    let (old, _) = RawSuperblock::read_from_prefix(&sector).expect("a sector holds a superblock");
    if old.magicnum.get() != MAGIC || !(9..=16).contains(&old.blocklog) {
        return Ok(());
    }
    let stride = u64::from(old.agblocks.get()) << old.blocklog;
    let copies = u64::from(old.agcount.get()).min(MAX_COPIES);
    let offsets = (1..copies).map_while(|ag| ag.checked_mul(stride));
    let end = device.len_bytes().saturating_sub(512);
    for offset in offsets.take_while(|&offset| offset > 0 && offset < end) {
        zero(device, offset, 512)?;
    }
    Ok(())
}

/// Makes a range read as zeros. Reads it first: a hole in a file stays a hole.
pub(super) fn zero(device: &mut dyn BlockDevice, offset: u64, len_bytes: u64) -> Result<()> {
    let mut done = 0;
    let mut piece = alloc::vec![0; PIECE_BYTES.min(len_bytes) as usize];
    while done < len_bytes {
        let now = (len_bytes - done).min(PIECE_BYTES) as usize;
        device.read_at(offset + done, &mut piece[..now])?;
        if piece[..now].iter().any(|&byte| byte != 0) {
            piece[..now].fill(0);
            device.write_at(offset + done, &piece[..now])?;
        }
        done += now as u64;
    }
    Ok(())
}
