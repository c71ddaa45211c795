//! Fresh volumes made by xfskit: sound in the eyes of xfs_repair, mounted and filled by Linux, and block for block
//! what mkfs.xfs makes of the same options.

use std::fs::OpenOptions;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use xfskit::Volume;
use xfskit::device::FileDevice;
use xfskit::format::time::Timestamp;
use xfskit::mkfs::FormatOptions;
use xfskit_tests::referee::{Referee, Xfsprogs, make_sparse, run};
use xfskit_tests::temp::TempDir;

const MIB: u64 = 1 << 20;

type Set = fn(&mut FormatOptions);

/// One volume: its size, and the same options for xfskit and for mkfs.xfs.
struct Case {
    size_bytes: u64,
    args: &'static [&'static str],
    set: Set,
}

const CASES: &[Case] = &[
    Case { size_bytes: 512 * MIB, args: &[], set: |_| {} },
    Case { size_bytes: 301 * MIB + 5000, args: &["-L", "label"], set: |o| o.label = b"label".to_vec() },
    Case { size_bytes: 512 * MIB, args: &["-m", "rmapbt=0"], set: |o| o.rmapbt = false },
    Case { size_bytes: 512 * MIB, args: &["-m", "reflink=0"], set: |o| o.reflink = false },
    Case {
        size_bytes: 512 * MIB,
        args: &[
            "-m",
            "rmapbt=0,reflink=0,finobt=0,inobtcount=0,bigtime=0",
            "-i",
            "sparse=0,nrext64=0,exchange=0",
        ],
        set: |o| {
            (o.rmapbt, o.reflink, o.finobt, o.inobtcount) = (false, false, false, false);
            (o.bigtime, o.sparse_inodes, o.nrext64, o.exchange) = (false, false, false, false);
        },
    },
    Case { size_bytes: 512 * MIB, args: &["-i", "exchange=0"], set: |o| o.exchange = false },
    Case {
        size_bytes: 512 * MIB,
        args: &["-b", "size=1024", "-i", "exchange=0"],
        set: |o| (o.block_size, o.exchange) = (1024, false),
    },
    Case { size_bytes: 512 * MIB, args: &["-m", "inobtcount=0"], set: |o| o.inobtcount = false },
    Case { size_bytes: 512 * MIB, args: &["-i", "sparse=0"], set: |o| o.sparse_inodes = false },
    Case { size_bytes: 512 * MIB, args: &["-i", "size=2048"], set: |o| o.inode_size = 2048 },
    Case { size_bytes: 512 * MIB, args: &["-s", "size=4096"], set: |o| o.sector_size = 4096 },
    Case { size_bytes: 512 * MIB, args: &["-n", "size=65536"], set: |o| o.dir_block_size = 65536 },
    Case { size_bytes: 512 * MIB, args: &["-b", "size=1024"], set: |o| o.block_size = 1024 },
    Case {
        size_bytes: 512 * MIB,
        args: &["-b", "size=1024", "-m", "rmapbt=0", "-n", "size=65536"],
        set: |o| (o.block_size, o.rmapbt, o.dir_block_size) = (1024, false, 65536),
    },
    Case {
        size_bytes: 512 * MIB,
        args: &["-b", "size=2048", "-i", "size=1024"],
        set: |o| (o.block_size, o.inode_size) = (2048, 1024),
    },
    Case {
        size_bytes: 512 * MIB,
        args: &["-b", "size=8192", "-s", "size=4096"],
        set: |o| (o.block_size, o.sector_size) = (8192, 4096),
    },
    Case { size_bytes: 512 * MIB, args: &["-b", "size=16384"], set: |o| o.block_size = 16384 },
    Case { size_bytes: 512 * MIB, args: &["-b", "size=32768"], set: |o| o.block_size = 32768 },
    Case { size_bytes: 600 * MIB, args: &["-b", "size=65536"], set: |o| o.block_size = 65536 },
    Case {
        size_bytes: 2048 * MIB,
        args: &["-b", "size=65536", "-s", "size=4096", "-m", "rmapbt=0", "-i", "sparse=0"],
        set: |o| (o.block_size, o.sector_size, o.rmapbt, o.sparse_inodes) = (65536, 4096, false, false),
    },
    Case { size_bytes: 16 * MIB, args: &[], set: |_| {} },
    Case { size_bytes: 24 * MIB, args: &["-m", "rmapbt=0"], set: |o| o.rmapbt = false },
    Case { size_bytes: 40 * MIB, args: &["-b", "size=1024"], set: |o| o.block_size = 1024 },
    Case { size_bytes: 64 * MIB, args: &["-b", "size=2048"], set: |o| o.block_size = 2048 },
    Case { size_bytes: 200 * MIB, args: &["-b", "size=8192"], set: |o| o.block_size = 8192 },
    Case { size_bytes: 256 * MIB, args: &["-b", "size=16384"], set: |o| o.block_size = 16384 },
    Case { size_bytes: 5 << 40, args: &[], set: |_| {} },
    Case { size_bytes: 1024 * MIB, args: &["-d", "agcount=9"], set: |o| o.ag_count = Some(9) },
];

fn format(image: &Path, options: &FormatOptions) {
    let file = OpenOptions::new().read(true).write(true).open(image).expect("open the image");
    let device = FileDevice::new(file, false).expect("a device");
    drop(Volume::format(Box::new(device), options).expect("format"));
}

fn options() -> FormatOptions {
    // Of its own every time: Linux mounts no two volumes of one UUID at once.
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let uuid = (u64::from(std::process::id()) << 32) | COUNT.fetch_add(1, Ordering::Relaxed);
    let uuid = format!("d786e341-bc35-43e3-{:04x}-{:012x}", uuid >> 48, uuid & 0xffff_ffff_ffff);
    let mut options = FormatOptions::new(
        uuid.parse().expect("a UUID"),
        Timestamp { seconds: 1_700_000_000, nanoseconds: 5 },
        42,
    );
    options.small = true;
    options
}

/// Linux mounts it, files can be made in it, and it is still sound.
fn linux_can_use(referee: &Referee, image: &Path) {
    referee.repair_n(image);
    let mount = referee.mount(image);
    for name in ["a", "b", "c"] {
        std::fs::create_dir(mount.path().join(name)).expect("mkdir");
        std::fs::write(mount.path().join(name).join("file"), vec![7; 20_000]).expect("write");
    }
    mount.unmount();
    referee.repair_n(image);
}

#[test]
fn fresh_volumes_are_sound_and_linux_can_use_them() {
    let Some(referee) = Referee::find() else { return };
    let temp = TempDir::new("mkfs");
    let image = temp.join("a.img");
    for (index, case) in CASES.iter().enumerate() {
        println!("{} MiB {:?}", case.size_bytes / MIB, case.args);
        make_sparse(&image, case.size_bytes);
        let mut options = options();
        (case.set)(&mut options);
        options.parent = index % 3 != 1;
        format(&image, &options);
        linux_can_use(referee, &image);
    }
}

#[test]
fn volumes_that_mkfs_xfs_would_refuse_are_sound_too() {
    let Some(referee) = Referee::find() else { return };
    let temp = TempDir::new("mkfs-odd");
    let image = temp.join("a.img");
    let sets: [(u64, Set); 5] = [
        (512 * MIB, |o| o.ag_count = Some(31)),
        (300 * MIB, |o| o.block_size = 65536),
        (64 * MIB, |o| o.block_size = 8192),
        (64 * MIB, |o| o.block_size = 16384),
        (16 * MIB, |o| (o.block_size, o.reflink) = (1024, false)),
    ];
    for (size_bytes, set) in sets {
        println!("{} MiB", size_bytes / MIB);
        make_sparse(&image, size_bytes);
        let mut options = options();
        set(&mut options);
        format(&image, &options);
        linux_can_use(referee, &image);
    }
}

/// Reads the start of each AG of both images, and the log's first blocks; root inodes differ by their times.
#[test]
fn metadata_is_that_of_mkfs_xfs() {
    let Some(referee) = Referee::find() else { return };
    if !referee.has(Xfsprogs::V7_2) {
        return;
    }
    let temp = TempDir::new("mkfs-same");
    let (ours, theirs) = (temp.join("ours.img"), temp.join("theirs.img"));
    for (case, parent) in CASES.iter().flat_map(|case| [(case, true), (case, false)]) {
        println!("{} MiB {:?} parent={parent}", case.size_bytes / MIB, case.args);
        make_sparse(&ours, case.size_bytes);
        let mut options = options();
        (case.set)(&mut options);
        options.parent = parent;
        format(&ours, &options);
        make_sparse(&theirs, case.size_bytes);
        let mut mkfs = referee.xfsprogs(Xfsprogs::V7_2, "mkfs.xfs");
        let parent = format!("parent={}", u8::from(parent));
        mkfs.args(["-q", "--unsupported", "-n", &parent]).args(case.args);
        run(mkfs.args(["-m", &format!("uuid={}", options.uuid)]).arg(&theirs));
        compare(&ours, &theirs, case);
    }
}

fn compare(ours: &Path, theirs: &Path, case: &Case) {
    let open = |path| {
        let device = FileDevice::new(std::fs::File::open(path).expect("open"), true).expect("a device");
        Volume::open(Box::new(device), &Default::default()).expect("open the volume")
    };
    let geometry = open(ours).geometry().clone();
    assert_eq!(&geometry, open(theirs).geometry(), "{:?}", case.args);
    let roots = u64::from(geometry.ag_header_blocks() + 6) << geometry.blocklog;
    let starts = geometry.ags().map(|ag| geometry.ag_byte(ag, xfskit::units::AgBlock(0)));
    for start in starts.chain([geometry.byte(geometry.logstart)]) {
        let (a, b) = (read(ours, start, roots), read(theirs, start, roots));
        if let Some(at) = a.iter().zip(&b).position(|(a, b)| a != b) {
            panic!("{:?}: byte {at} behind {start} is {:#x}, mkfs.xfs makes {:#x}", case.args, a[at], b[at]);
        }
    }
}

fn read(path: &Path, offset: u64, len: u64) -> Vec<u8> {
    use std::os::unix::fs::FileExt;
    let file = std::fs::File::open(path).expect("open");
    let mut bytes = vec![0; usize::try_from(len).expect("a length")];
    file.read_exact_at(&mut bytes, offset).expect("read");
    bytes
}
