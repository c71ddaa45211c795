//! The first inodes: an empty root directory, the two realtime inodes that every volume has, and free ones.
//!
//! Where a volume can be repaired while it is mounted, by reverse mappings and parent pointers, mkfs.xfs leaves a word in
//! an attribute of the root directory that it should be.

use alloc::vec::Vec;

use zerocopy::{FromZeros, IntoBytes};

use super::FormatOptions;
use super::shape::{Shape, USED_INODES};
use crate::btree::bmap::root_bytes;
use crate::format::BlockKind;
use crate::format::attr::{Attr, AttrFlags, Value, encode_shortform};
use crate::format::header::{self, Identity, put};
use crate::format::inode::{CORE_BYTES, Dinode, FileType, Flags, Flags2, fork_format};
use crate::units::{AgIno, AgNumber, Daddr, Ino};

/// Size of an empty shortform directory: two counts and the parent's number.
const EMPTY_DIR_BYTES: usize = 6;

/// All inodes of the root chunk, sealed.
pub(super) fn chunk(shape: &Shape, options: &FormatOptions) -> Vec<u8> {
    let geometry = &shape.geometry;
    let inodesize = geometry.inodesize as usize;
    let mut bytes = alloc::vec![0; (geometry.chunk_fsblocks() << geometry.blocklog) as usize];
    let mut generation = Generation(options.generation.into());
    let (_, first) = geometry.split_ino(geometry.rootino);
    for (index, inode) in (0_u32..).zip(bytes.chunks_exact_mut(inodesize)) {
        let ino = geometry.ino(AgNumber(0), AgIno(first.0 + index));
        let mut core = Dinode::new_zeroed();
        core.version = 3;
        core.gen_.set(generation.next());
        core.next_unlinked.set(AgIno::NULL.0);
        if index < USED_INODES {
            in_use(&mut core, index, options);
        }
        put(inode, 0, core.as_bytes());
        if index == 0 {
            let mut directory = [0; EMPTY_DIR_BYTES];
            // A root inode number always fits the short form: it lies at the start of AG 0.
            put(&mut directory, 2, &(ino.0 as u32).to_be_bytes());
            put(inode, CORE_BYTES, &directory);
            if has_autofsck(options) {
                autofsck(inode);
            }
        }
        let daddr = Daddr(geometry.ino_byte(Ino(ino.0)) >> 9);
        let identity = Identity { uuid: &geometry.meta_uuid, daddr, owner: Some(ino.0) };
        header::initialise(BlockKind::Inode, inode, &identity);
        header::seal(BlockKind::Inode, inode);
    }
    bytes
}

fn has_autofsck(options: &FormatOptions) -> bool {
    options.parent && options.rmapbt
}

/// Gives the root directory its attribute.
fn autofsck(inode: &mut [u8]) {
    let (name, value) = (&b"xfs:autofsck"[..], Value::Local(b"repair"));
    let attrs = encode_shortform(&[Attr { flags: AttrFlags::ROOT, name, value }]).expect("it is short");
    let border = border(inode.len());
    put(inode, core::mem::offset_of!(Dinode, forkoff), &[border, fork_format::LOCAL]);
    put(inode, CORE_BYTES + usize::from(border) * 8, &attrs);
}

/// Where the attribute fork starts behind the core, in units of 8 bytes: it has the least room that it can have.
fn border(inodesize: usize) -> u8 {
    ((inodesize - CORE_BYTES - root_bytes(2)) / 8) as u8
}

fn in_use(core: &mut Dinode, index: u32, options: &FormatOptions) {
    let mut flags2 = Flags2::empty();
    flags2.set(Flags2::BIGTIME, options.bigtime);
    flags2.set(Flags2::NREXT64, options.nrext64);
    core.flags2.set(flags2.bits());
    let now = core.encode_time(options.now);
    core.atime = now;
    core.mtime = now;
    core.ctime = now;
    core.crtime = now;
    core.changecount.set(1);
    core.aformat = fork_format::EXTENTS;
    if index == 0 {
        core.mode.set(FileType::Directory.mode_bits() | 0o755);
        core.format = fork_format::LOCAL;
        core.nlink.set(2);
        core.size.set(EMPTY_DIR_BYTES as u64);
        core.gen_.set(0);
    } else {
        core.mode.set(FileType::Regular.mode_bits());
        core.format = fork_format::EXTENTS;
        core.nlink.set(1);
        if index == 1 {
            core.flags.set(Flags::NEWRTBM.bits());
            // The bitmap inode keeps a sequence number in place of its access time.
            core.atime.set(options_epoch(options));
        }
    }
}

/// 1970-01-01 as an inode stores it.
fn options_epoch(options: &FormatOptions) -> u64 {
    crate::format::time::Timestamp::default().encode(options.bigtime)
}

/// Generation numbers from a seed (splitmix64).
struct Generation(u64);

impl Generation {
    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed >> 32) as u32
    }
}
