use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use BlockKind::*;

use super::*;
use crate::device::MemoryDevice;
use crate::format::BlockKind;
use crate::format::header;
use crate::mkfs::FormatOptions;
use crate::volume::{NewInode, OpenOptions};

const BLOCK: usize = 4096;
/// Offset of the first record in a btree block.
const RECORD: usize = 56;

fn open(image: Vec<u8>) -> Volume {
    Volume::open(Box::new(MemoryDevice::new(image)), &OpenOptions::default()).expect("open")
}

fn format() -> Vec<u8> {
    let options = FormatOptions { small: true, ..FormatOptions::default() };
    let device = Box::new(MemoryDevice::new(alloc::vec![0; 32 << 20]));
    bytes_of(Volume::format(device, &options).expect("format"))
}

fn bytes_of(device: Box<dyn crate::device::BlockDevice>) -> Vec<u8> {
    let device: Box<dyn core::any::Any> = device;
    device.downcast::<MemoryDevice>().expect("the device that went in").into_bytes()
}

/// Some files, a clone that shares blocks with one of them, and a directory in block form.
fn populated() -> Vec<u8> {
    let mut volume = open(format());
    let root = volume.root();
    let new = NewInode { mode: 0o755, uid: 1, gid: 2 };
    let a = volume.create(root, b"a", &new).expect("create");
    volume.write(a, 0, &alloc::vec![7; 50 * BLOCK]).expect("write");
    let b = volume.create(root, b"b", &new).expect("create");
    volume.sync().expect("sync");
    volume.clone_file(a, b).expect("clone");
    volume.write(b, 10 * BLOCK as u64, &alloc::vec![8; 3 * BLOCK]).expect("write");
    let dir = volume.mkdir(root, b"dir", &new).expect("mkdir");
    for number in 0..40 {
        volume.create(dir, format!("a name of some length {number}").as_bytes(), &new).expect("create");
    }
    bytes_of(volume.close().expect("close"))
}

fn check(image: Vec<u8>) -> Vec<String> {
    let mut found = Vec::new();
    open(image).check(&mut |finding| found.push(finding.to_string())).expect("the device works");
    found
}

fn block_len(kind: BlockKind) -> usize {
    match kind {
        BlockKind::Superblock | BlockKind::Agf | BlockKind::Agi | BlockKind::Agfl | BlockKind::Inode => 512,
        _ => BLOCK,
    }
}

/// Changes bytes of the `number`th block of a kind, and mends its checksum.
fn damage(image: &mut [u8], kind: BlockKind, number: usize, at: usize, bytes: &[u8]) {
    let len = block_len(kind);
    let starts = (0..image.len()).step_by(len);
    let block = starts.filter(|&start| kind.has_magic(&image[start..start + len])).nth(number);
    let start = block.expect("there is such a block");
    header::put(&mut image[start..start + len], at, bytes);
    header::seal(kind, &mut image[start..start + len]);
}

#[test]
fn fresh_and_populated_volumes_are_clean() {
    for image in [format(), populated()] {
        let found = check(image);
        assert!(found.is_empty(), "{found:?}");
    }
}

/// Kind and number of a block, offset in it, bytes that go there, and how some finding must begin.
///
/// Inodes by number: 0 root, 3 and 4 the files that share, 5 the directory, 6 the first file in it.
const DAMAGE: &[(BlockKind, usize, usize, &[u8], &str)] = &[
    (Superblock, 1, 84, &[0, 0, 1, 0], "damage: superblock AG 1 daddr 32768: agblocks"),
    (Superblock, 1, 40, &[1], "damage: superblock AG 1 daddr 32768: uuid"),
    (Superblock, 1, 300, &[1], "damage: superblock AG 1 daddr 32768: the unused part"),
    (Superblock, 0, 128, &[0, 0, 0, 0, 0, 0, 0, 9], "damage: superblock daddr 0: icount"),
    (Superblock, 0, 136, &[0, 0, 0, 0, 0, 0, 0, 9], "damage: superblock daddr 0: ifree"),
    (Superblock, 0, 144, &[0, 0, 0, 0, 0, 0, 0, 9], "damage: superblock daddr 0: fdblocks"),
    (Agf, 0, 4, &[0, 0, 0, 2], "damage: AGF AG 0 daddr 1: versionnum"),
    (Agf, 0, 12, &[0, 0, 0, 2], "damage: AGF AG 0 daddr 1: length"),
    (Agf, 0, 16, &[9, 9, 9, 9], "damage: bnobt AG 0 block 151587081: pointer"),
    (Agf, 0, 28, &[0, 0, 0, 0], "damage: bnobt AG 0: height"),
    (Agf, 0, 48, &[0, 0, 0, 5], "damage: AGF AG 0 daddr 1: fllast"),
    (Agf, 0, 52, &[0, 0, 0, 2], "damage: AGF AG 0 daddr 1: freeblks"),
    (Agf, 0, 56, &[0, 0, 0, 2], "damage: AGF AG 0 daddr 1: longest"),
    (Agf, 0, 60, &[0, 0, 0, 2], "damage: AGF AG 0 daddr 1: btreeblks"),
    (Agf, 0, 80, &[0, 0, 0, 2], "damage: AGF AG 0 daddr 1: rmap_blocks"),
    (Agf, 0, 84, &[0, 0, 0, 2], "damage: AGF AG 0 daddr 1: refcount_blocks"),
    (Agi, 0, 16, &[0, 0, 0, 2], "damage: AGI AG 0 daddr 2: count"),
    (Agi, 0, 28, &[0, 0, 0, 2], "damage: AGI AG 0 daddr 2: freecount"),
    (Agi, 0, 336, &[0, 0, 0, 2], "damage: AGI AG 0 daddr 2: iblocks"),
    (Agi, 0, 340, &[0, 0, 0, 2], "damage: AGI AG 0 daddr 2: fblocks"),
    (Agi, 0, 40, &[0, 0, 0, 128], "warning: AGI AG 0: unlinked"),
    (Agi, 0, 44, &[0, 0, 0, 128], "damage: AGI inode 128: an inode is on the wrong"),
    (Agfl, 0, 40, &[0, 0, 0, 0], "damage: AGFL AG 0 daddr 3: block"),
    (Agfl, 0, 40, &[0, 0, 0, 1], "damage: block AG 0 block 1: is in use twice"),
    (Bnobt, 0, 4, &[0, 1], "damage: bnobt AG 0 block 1: level"),
    (Bnobt, 0, 6, &[9, 9], "damage: bnobt AG 0 block 1: numrecs"),
    (Bnobt, 0, 8, &[0, 0, 0, 7], "damage: bnobt AG 0 block 1: leftsib"),
    (Bnobt, 0, 12, &[0, 0, 0, 7], "damage: bnobt AG 0 block 1: rightsib"),
    (Bnobt, 0, RECORD, &[0, 0, 0, 3], "damage: bnobt AG 0 block 3: a free block is in use"),
    (Bnobt, 0, 48, &[0, 0, 0, 1], "damage: bnobt AG 0 block 1 daddr 8: owner"),
    (Cntbt, 0, RECORD + 4, &[0, 0, 0, 1], "damage: cntbt"),
    (Inobt, 0, RECORD, &[0, 0, 0, 1], "damage: inobt AG 0 block 3: startino"),
    (Inobt, 0, RECORD + 6, &[63], "damage: inobt AG 0 block 3: count"),
    (Inobt, 0, RECORD + 7, &[1], "damage: inobt AG 0 block 3: freecount"),
    (Inobt, 0, RECORD + 15, &[1], "damage: inode inode 128: has a mode"),
    (Finobt, 0, RECORD + 7, &[1], "damage: finobt AG 0 block 4: freecount"),
    (Rmapbt, 0, RECORD + 24 + 8, &[0; 8], "damage: rmapbt AG 0 block 1: a record"),
    (Refcountbt, 0, RECORD + 8, &[0, 0, 0, 3], "damage: refcountbt AG 0 block"),
    (Refcountbt, 0, RECORD + 8, &[0, 0, 0, 1], "damage: refcountbt AG 0 block 6: refcount"),
    (Inode, 6, 16, &[0, 0, 0, 2], "damage: inode inode 134: nlink"),
    (Inode, 0, 16, &[0, 0, 0, 9], "damage: directory inode 128: nlink"),
    (Inode, 6, 2, &[0o20, 0], "damage: inode inode 134: format"),
    (Inode, 6, 2, &[0, 0], "damage: inode inode 134: has no mode"),
    (Inode, 3, 64, &[0; 8], "damage: inode inode 131: nblocks"),
    (Inode, 3, 31, &[200], "damage: data fork inode 131: nextents"),
    (Inode, 3, 120, &[0; 8], "damage: inode inode 131"),
    (Inode, 3, 127, &[0x18], "damage: inode inode 131 AG 0 block"),
    (Inode, 3, 82, &[200], "damage: inode inode 131: forkoff"),
    (Inode, 3, 132, &[1], "damage: inode inode 131: padding"),
    (Inode, 3, 152, &[1], "damage: inode inode 131 daddr"),
    (Inode, 3, 176 + 8, &[0xff; 4], "damage: data fork inode 131 file block 0: startblock"),
    (Inode, 5, 56, &[0; 8], "damage: directory inode 133: size"),
    (DirBlock, 0, 48, &[0, 0], "damage: directory inode 133 file block 0: bestfree offset"),
    (DirBlock, 0, 50, &[0, 8], "damage: directory inode 133 file block 0: bestfree"),
    (DirBlock, 0, 64 + 14, &[9, 9], "damage: directory inode 133 file block 0: tag"),
    (DirBlock, 0, 64 + 7, &[9], "damage: directory inode 133 file block 0: ."),
    (DirBlock, 0, 80 + 7, &[131], "damage: directory inode 133: .."),
    (DirBlock, 0, 96 + 7, &[190], "damage: directory inode 133 file block 0: inumber"),
    (DirBlock, 0, 96 + 7, &[131], "damage: inode inode 134: no name leads here"),
    (DirBlock, 0, 96 + 9, b"/", "damage: directory inode 133 file block 0: a name is not legal"),
    (DirBlock, 0, 96 + 9, b"b", "damage: directory index inode 133 file block 0: does not lead"),
    (DirBlock, 0, BLOCK - 8 - 42 * 8, &[0xff], "damage: directory index inode 133 file block 0: hashval"),
    (DirBlock, 0, BLOCK - 4, &[0, 0, 0, 3], "damage: directory index inode 133 file block 0: stale"),
];

#[test]
fn every_damage_is_named() {
    let image = populated();
    for (row, &(kind, number, at, bytes, expected)) in DAMAGE.iter().enumerate() {
        let mut image = image.clone();
        damage(&mut image, kind, number, at, bytes);
        let found = check(image);
        assert!(found.iter().any(|text| text.starts_with(expected)), "{row}: {expected}\n{found:#?}");
    }
}

#[test]
fn a_bad_checksum_is_found_everywhere() {
    let image = populated();
    for kind in [Superblock, Agf, Agi, Agfl, Bnobt, Cntbt, Inobt, Finobt, Rmapbt, Refcountbt, Inode, DirBlock]
    {
        let mut image = image.clone();
        let len = block_len(kind);
        // The primary superblock must be sound for the volume to open.
        let number = usize::from(kind == Superblock);
        let starts = (0..image.len()).step_by(len);
        let block = starts.filter(|&start| kind.has_magic(&image[start..start + len])).nth(number);
        image[block.expect("there is such a block") + 200] ^= 1;
        let found = check(image);
        let expected = format!("damage: {}", kind.name());
        let named = |text: &String| text.starts_with(&expected) && text.contains("checksum");
        assert!(found.iter().any(named), "{kind:?} {found:#?}");
    }
}
