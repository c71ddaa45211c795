use alloc::boxed::Box;

use super::*;
use crate::device::{BlockDevice, MemoryDevice, check_range};
use crate::volume::OpenOptions;

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const TIB: u64 = 1 << 40;

fn small() -> FormatOptions {
    let mut options = FormatOptions::new(Uuid::from_u128(0x1234), Timestamp::default(), 7);
    options.small = true;
    options
}

fn format(len: u64, options: &FormatOptions) -> Result<Volume> {
    let device = MemoryDevice::new(alloc::vec![0xa5; len as usize]);
    let device = Volume::format(Box::new(device), options)?;
    Volume::open(device, &OpenOptions::default())
}

#[test]
fn a_fresh_volume_opens_again() {
    for block_size in [1024, 4096] {
        let mut options = small();
        options.block_size = block_size;
        options.label = b"twelve bytes".to_vec();
        let volume = format(20 * MIB, &options).expect("format");
        assert_eq!(volume.geometry().blocksize, block_size);
        assert_eq!(volume.geometry().label(), b"twelve bytes");
        assert_eq!(volume.geometry().uuid, options.uuid);
    }
}

#[test]
fn what_cannot_be_is_refused_before_anything_is_written() {
    struct Untouchable;
    impl BlockDevice for Untouchable {
        fn len_bytes(&self) -> u64 {
            20 * MIB
        }
        fn read_at(&mut self, _: u64, _: &mut [u8]) -> Result<(), DeviceError> {
            panic!("read")
        }
        fn write_at(&mut self, _: u64, _: &[u8]) -> Result<(), DeviceError> {
            panic!("write")
        }
        fn flush(&mut self) -> Result<(), DeviceError> {
            panic!("flush")
        }
    }
    let spoil: [fn(&mut FormatOptions); 9] = [
        |o| o.small = false,
        |o| o.block_size = 512,
        |o| o.block_size = 131_072,
        |o| o.sector_size = 8192,
        |o| o.inode_size = 4096,
        |o| o.dir_block_size = 2048,
        |o| o.label = alloc::vec![b'x'; 13],
        |o| o.finobt = false,
        |o| o.ag_count = Some(100),
    ];
    for (index, spoil) in spoil.iter().enumerate() {
        let mut options = small();
        spoil(&mut options);
        let error = Volume::format(Box::new(Untouchable), &options).err().expect("refused");
        assert_eq!(error.code(), "invalid.argument", "{index}");
    }
}

/// AGs, fsblocks of an AG, of the volume and of the log, percentage for inodes: as mkfs.xfs 7.2 says with `-N`.
#[test]
fn shapes_are_those_of_mkfs_xfs() {
    let table = [
        (4096, 16 * MIB, 1, 4096, 4096, 3075, 25),
        (4096, 40 * MIB, 2, 5120, 10240, 3075, 25),
        (4096, 64 * MIB, 4, 4096, 16384, 3075, 25),
        (4096, 299 * MIB, 4, 19136, 76544, 3075, 25),
        (4096, 300 * MIB, 4, 19200, 76800, 16384, 25),
        (4096, GIB, 4, 65536, 262_144, 16384, 25),
        (4096, 128 * GIB, 4, 8_388_608, 33_554_432, 16384, 25),
        (4096, 129 * GIB, 4, 8_454_144, 33_816_576, 16512, 25),
        (4096, TIB, 4, 67_108_864, 268_435_456, 131_072, 5),
        (4096, 4 * TIB, 4, 268_435_455, 1_073_741_820, 521_728, 5),
        (4096, 4097 * GIB, 5, 268_435_455, 1_074_003_968, 521_728, 5),
        (4096, 50 * TIB, 50, 268_435_455, 13_421_772_750, 521_728, 5),
        (4096, 1024 * TIB, 1024, 268_435_455, 274_877_905_920, 521_728, 1),
        (1024, 16 * MIB, 1, 16384, 16384, 5363, 25),
        (1024, 300 * MIB, 4, 76800, 307_200, 65536, 25),
        (1024, 200 * GIB, 4, 52_428_800, 209_715_200, 102_400, 25),
        (1024, 8 * TIB, 8, 1_073_741_823, 8_589_934_584, 1_048_576, 5),
        (8192, 200 * GIB, 4, 6_553_600, 26_214_400, 12800, 25),
        (16384, 256 * MIB, 4, 4096, 16384, 2671, 25),
        (32768, 300 * MIB, 4, 2400, 9600, 2213, 25),
        (32768, GIB, 4, 8192, 32768, 2605, 25),
        (32768, 180 * GIB, 4, 1_474_560, 5_898_240, 2880, 25),
        (65536, 500 * MIB, 4, 2000, 8000, 1984, 25),
        (65536, GIB, 4, 4096, 16384, 2180, 25),
        (65536, 100 * GIB, 4, 409_600, 1_638_400, 2570, 25),
        (65536, 1024 * TIB, 1025, 16_777_215, 17_179_869_184, 32608, 1),
    ];
    for (block_size, len, agcount, agblocks, dblocks, logblocks, percent) in table {
        let mut options = small();
        (options.block_size, options.parent) = (block_size, false);
        let geometry = Shape::new(len, &options).expect("shape").geometry;
        let found =
            (geometry.agcount, geometry.agblocks, geometry.dblocks, geometry.logblocks, geometry.imax_pct);
        assert_eq!(found, (agcount, agblocks, dblocks, logblocks, percent), "{block_size} {len}");
    }
}

/// The same for the log of volumes with parent pointers: sizes of block, directory block and volume, and its length.
#[test]
fn logs_with_parent_pointers_are_those_of_mkfs_xfs() {
    for (block_size, dir_block_size, len, logblocks) in [
        (1024, 4096, 17 * MIB, 4862),
        (1024, 65536, 200 * MIB, 21464),
        (1024, 4096, 300 * MIB, 65536),
        (2048, 8192, 200 * MIB, 3618),
        (4096, 4096, 24 * MIB, 2001),
        (4096, 4096, 299 * MIB, 2001),
        (4096, 4096, TIB, 131_072),
        (4096, 65536, 200 * MIB, 5310),
        (8192, 8192, 64 * MIB, 1766),
        (16384, 32768, 200 * MIB, 1645),
        (32768, 32768, 200 * MIB, 1157),
        (65536, 65536, 300 * MIB, 1127),
        (65536, 65536, 64 * GIB, 1127),
    ] {
        let mut options = small();
        (options.block_size, options.dir_block_size) = (block_size, dir_block_size);
        let geometry = Shape::new(len, &options).expect("shape").geometry;
        assert_eq!(geometry.logblocks, logblocks, "{block_size} {dir_block_size} {len}");
    }
}

/// A device that keeps only what is written, in pieces of 4 KiB.
#[derive(Default)]
struct Sparse {
    len: u64,
    written: u64,
    writes: u64,
}

impl BlockDevice for Sparse {
    fn len_bytes(&self) -> u64 {
        self.len
    }
    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<(), DeviceError> {
        buf.fill(0);
        check_range(offset, buf.len(), self.len)
    }
    fn write_at(&mut self, offset: u64, buf: &[u8]) -> Result<(), DeviceError> {
        self.written += buf.len() as u64;
        self.writes += 1;
        check_range(offset, buf.len(), self.len)
    }
    fn flush(&mut self) -> Result<(), DeviceError> {
        Ok(())
    }
}

#[test]
fn a_huge_volume_costs_its_ags_only() {
    let mut options = small();
    options.assume_zeroed = true;
    let device = Sparse { len: 1024 * TIB, ..Sparse::default() };
    let device = Volume::format(Box::new(device), &options).expect("format");
    let device: Box<dyn core::any::Any> = device;
    let device = device.downcast::<Sparse>().expect("the device that went in");
    assert!(device.writes < 1030 && device.written < 32 * MIB, "{} {}", device.writes, device.written);
}
