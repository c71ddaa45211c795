//! Damage with a plan: pick a metadata block of a golden image, change a field of it, and mend its CRC so that the change
//! gets past the checksum.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::rng::Rng;

/// One metadata block of an image whose CRC holds.
#[derive(Debug, Clone)]
pub struct MetadataBlock {
    /// The magic number as text.
    pub magic: String,
    /// Bytes of the image that the CRC covers.
    pub range: Range<usize>,
    /// Where in the block the CRC is stored.
    pub crc_at: usize,
}

/// A change of one image: replaced bytes by position.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Patch {
    /// Position in the image in bytes, and what stands there now, in hexadecimal.
    pub bytes: Vec<(u64, String)>,
}

/// Magic number, where it stands in the block, where the CRC stands.
const MAGICS: &[(&[u8], usize, usize)] = &[
    (b"XFSB", 0, 224),
    (b"XAGF", 0, 216),
    (b"XAGI", 0, 312),
    (b"XAFL", 0, 32),
    (b"AB3B", 0, 52),
    (b"AB3C", 0, 52),
    (b"IAB3", 0, 52),
    (b"FIB3", 0, 52),
    (b"RMB3", 0, 52),
    (b"R3FC", 0, 52),
    (b"BMA3", 0, 64),
    (b"XDB3", 0, 4),
    (b"XDD3", 0, 4),
    (b"XDF3", 0, 4),
    (b"\x3d\xf1", 8, 12),
    (b"\x3d\xff", 8, 12),
    (b"\x3e\xbe", 8, 12),
    (b"\x3b\xee", 8, 12),
    (b"XARM", 0, 12),
    (b"XSLM", 0, 12),
    (b"IN", 0, 100),
];

/// The magic numbers of all kinds of metadata blocks, as text.
pub fn magics() -> impl Iterator<Item = String> {
    MAGICS.iter().map(|(magic, _, _)| String::from_utf8_lossy(magic).into_owned())
}

/// Finds all metadata blocks of an image: whatever starts with a magic number and has the CRC to it, stale blocks too.
pub fn metadata_blocks(image: &[u8]) -> Vec<MetadataBlock> {
    let sizes: Vec<usize> = (9..=16).map(|log| 1 << log).collect();
    let mut found = Vec::new();
    for start in (0..image.len()).step_by(512) {
        for &(magic, magic_at, crc_at) in MAGICS {
            if image.get(start + magic_at..start + magic_at + magic.len()) != Some(magic) {
                continue;
            }
            let fits = sizes.iter().find(|&&len| {
                image
                    .get(start..start + len)
                    .is_some_and(|block| crc_of(block, crc_at) == stored_crc(block, crc_at))
            });
            if let Some(&len) = fits {
                let magic = String::from_utf8_lossy(magic).into_owned();
                found.push(MetadataBlock { magic, range: start..start + len, crc_at });
            }
        }
    }
    found
}

/// The metadata blocks by kind, so that the few headers are hit as often as the many inodes.
pub fn by_kind(blocks: Vec<MetadataBlock>) -> Vec<Vec<MetadataBlock>> {
    let mut kinds: std::collections::BTreeMap<String, Vec<MetadataBlock>> = std::collections::BTreeMap::new();
    for block in blocks {
        kinds.entry(block.magic.clone()).or_default().push(block);
    }
    kinds.into_values().collect()
}

/// Damages up to four fields.
pub fn damage(image: &[u8], kinds: &[Vec<MetadataBlock>], rng: &mut Rng) -> Patch {
    let mut patch = Patch::default();
    for _ in 0..rng.range(1, 5) {
        let kind = rng.pick(kinds);
        let block = rng.pick(kind);
        let mut bytes = image[block.range.clone()].to_vec();
        change_field(&mut bytes, block, rng);
        if rng.chance(95) {
            mend_crc(&mut bytes, block.crc_at);
        }
        record_change(&mut patch, image, block, &bytes);
    }
    patch
}

/// Damages the bytes that an input of the coverage-guided fuzzer says: six bytes of it are a kind of metadata block (1),
/// a block of that kind (2), a place in it (2) and what stands there (1).
pub fn damage_by(image: &[u8], kinds: &[Vec<MetadataBlock>], input: &[u8]) -> Patch {
    let mut changed = std::collections::BTreeMap::new();
    for change in input.chunks_exact(6) {
        let kind = &kinds[usize::from(change[0]) % kinds.len()];
        let block = &kind[usize::from(u16::from_be_bytes([change[1], change[2]])) % kind.len()];
        let bytes =
            changed.entry(block.range.start).or_insert_with(|| (block, image[block.range.clone()].to_vec()));
        let at = usize::from(u16::from_be_bytes([change[3], change[4]])) % block.range.len();
        bytes.1[at] = change[5];
    }
    let mut patch = Patch::default();
    for (block, mut bytes) in changed.into_values() {
        mend_crc(&mut bytes, block.crc_at);
        record_change(&mut patch, image, block, &bytes);
    }
    patch
}

fn change_field(bytes: &mut [u8], block: &MetadataBlock, rng: &mut Rng) {
    let len = bytes.len();
    // Most fields that steer anything stand at the front; inodes keep their fork behind the core, at 176.
    let reach = if rng.chance(60) { len.min(256) } else { len };
    let width = *rng.pick(&[1, 2, 2, 4, 4, 8]);
    let at = rng.index(reach - width + 1) / width.min(4) * width.min(4);
    if at < block.crc_at + 4 && block.crc_at < at + width {
        return;
    }
    let field = &mut bytes[at..at + width];
    let old = field.iter().fold(0_u64, |value, &byte| value << 8 | u64::from(byte));
    let bits = width as u64 * 8;
    let new = match rng.below(12) {
        0 => 0,
        1 => u64::MAX,
        2 => old ^ 1 << (bits - 1),
        3 => old ^ 1 << (bits / 2),
        4 => old ^ 1,
        5 => old.wrapping_add(1),
        6 => old.wrapping_sub(1),
        7 => rng.below(256),
        8 => old.wrapping_shl(1),
        9 => 1 << rng.below(bits),
        10 => old ^ 1 << rng.below(bits),
        _ => rng.bits(),
    };
    field.copy_from_slice(&new.to_be_bytes()[8 - width..]);
}

/// Notes the runs of bytes in which the new block differs from the image.
fn record_change(patch: &mut Patch, image: &[u8], block: &MetadataBlock, bytes: &[u8]) {
    let old = &image[block.range.clone()];
    let mut at = 0;
    while at < bytes.len() {
        if old[at] == bytes[at] {
            at += 1;
            continue;
        }
        let run = (at..bytes.len()).take_while(|&index| old[index] != bytes[index]).count();
        let hex = bytes[at..at + run].iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
        patch.bytes.push(((block.range.start + at) as u64, hex));
        at += run;
    }
}

impl Patch {
    /// The changed bytes by position.
    ///
    /// # Panics
    /// If the patch holds anything but hexadecimal digits.
    pub fn pieces(&self) -> Vec<(u64, Vec<u8>)> {
        let digit = |pair: &[u8]| {
            let text = std::str::from_utf8(pair).expect("ASCII");
            u8::from_str_radix(text, 16).expect("hexadecimal digits")
        };
        self.bytes.iter().map(|(at, hex)| (*at, hex.as_bytes().chunks(2).map(digit).collect())).collect()
    }
}

/// Changes a big-endian field of 32 bits of the primary superblock, and mends the CRC.
pub fn edit_superblock(image: &mut [u8], at: usize, change: impl Fn(u32) -> u32) {
    let sector_bytes = usize::from(u16::from_be_bytes([image[102], image[103]]));
    let block = &mut image[..sector_bytes];
    let old = block[at..at + 4].iter().fold(0, |value, &byte| value << 8 | u32::from(byte));
    block[at..at + 4].copy_from_slice(&change(old).to_be_bytes());
    mend_crc(block, 224);
}

/// Overwrites a name or target that is kept inside an inode with another of the same length, and mends the CRC.
///
/// # Panics
/// If no inode holds it.
pub fn twist(image: &mut [u8], from: &[u8], to: &[u8]) {
    assert_eq!(from.len(), to.len(), "lengths of names");
    let mut is_found = false;
    for block in metadata_blocks(image).into_iter().filter(|block| block.magic == "IN") {
        let bytes = &mut image[block.range];
        let Some(at) = bytes.windows(from.len()).position(|window| window == from) else { continue };
        bytes[at..at + to.len()].copy_from_slice(to);
        mend_crc(bytes, block.crc_at);
        is_found = true;
    }
    assert!(is_found, "no inode holds {from:?}");
}

fn crc_of(block: &[u8], crc_at: usize) -> u32 {
    let crc = crc32c::crc32c(&block[..crc_at]);
    let crc = crc32c::crc32c_append(crc, &[0; 4]);
    crc32c::crc32c_append(crc, &block[crc_at + 4..])
}

fn mend_crc(block: &mut [u8], crc_at: usize) {
    let crc = crc_of(block, crc_at);
    block[crc_at..crc_at + 4].copy_from_slice(&crc.to_le_bytes());
}

fn stored_crc(block: &[u8], crc_at: usize) -> u32 {
    let mut bytes = [0; 4];
    bytes.copy_from_slice(&block[crc_at..crc_at + 4]);
    u32::from_le_bytes(bytes)
}
