//! Does what no single command does, the same way on a mounted file and inside an image, and leaves it durable.
//!
//! `worker host write|overwrite|append|read FILE …` works through the kernel, `worker image IMAGE write|overwrite|append|read
//! PATH …` through xfskit. `write BYTES` writes from the start on; `overwrite COUNT SEED` writes COUNT pieces of 4 KiB, aligned,
//! all over the file; `append COUNT` adds COUNT pieces of 4 KiB to a new file and makes each durable; `read` reads all of it.
//!
//! `worker host|image IMAGE make|find|list|empty DIR …`: `make COUNT` makes a directory with COUNT empty files; `find NUMBER` looks
//! one of them up, inside an image with a bound on the blocks that are read for it; `list` lists them and counts;
//! `empty` lists and removes them, and the directory.

use std::cell::Cell;
use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::process::ExitCode;
use std::rc::Rc;

use xfskit::Volume;
use xfskit::device::{BlockDevice, DeviceError, FileDevice};
use xfskit::volume::{Follow, NewInode, OpenOptions};

/// Bytes per call in sequential work.
const CHUNK_BYTES: usize = 1 << 20;
/// Bytes per random overwrite.
const PIECE_BYTES: usize = 4096;

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["host", "write", file, bytes] => host_write(file, bytes),
        ["host", "overwrite", file, count, seed] => host_overwrite(file, count, seed),
        ["host", "append", file, count] => host_append(file, count),
        ["host", "read", file] => host_read(file),
        ["image", image, "write", path, bytes] => image_write(image, path, bytes),
        ["image", image, "overwrite", path, count, seed] => image_overwrite(image, path, count, seed),
        ["image", image, "append", path, count] => image_append(image, path, count),
        ["image", image, "read", path] => image_read(image, path),
        ["host", "make", dir, count] => host_make(dir, count),
        ["host", "find", dir, number] => host_find(dir, number),
        ["host", "list", dir, count] => host_list(dir, count),
        ["host", "empty", dir] => host_empty(dir),
        ["image", image, "make", dir, count] => image_make(image, dir, count),
        ["image", image, "find", dir, number] => image_find(image, dir, number),
        ["image", image, "list", dir, count] => image_list(image, dir, count),
        ["image", image, "empty", dir] => image_empty(image, dir),
        _ => Err("not a work that is known".into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("worker: {error}");
            ExitCode::FAILURE
        }
    }
}

fn host_write(path: &str, bytes: &str) -> Outcome {
    let mut left: usize = bytes.parse()?;
    let chunk = pattern(CHUNK_BYTES, 1);
    let mut file = File::create(path)?;
    while left > 0 {
        let length = left.min(chunk.len());
        file.write_all(&chunk[..length])?;
        left -= length;
    }
    Ok(file.sync_all()?)
}

fn host_overwrite(path: &str, count: &str, seed: &str) -> Outcome {
    let mut file = fs::OpenOptions::new().write(true).open(path)?;
    let pieces = file.metadata()?.len() / u64::try_from(PIECE_BYTES)?;
    let piece = pattern(PIECE_BYTES, 2);
    let mut random = Random::new(seed.parse()?);
    for _ in 0..count.parse::<u64>()? {
        let offset = random.below(pieces) * u64::try_from(PIECE_BYTES)?;
        file.seek(SeekFrom::Start(offset))?;
        file.write_all(&piece)?;
    }
    Ok(file.sync_all()?)
}

fn host_append(path: &str, count: &str) -> Outcome {
    let piece = pattern(PIECE_BYTES, 3);
    let mut file = File::create(path)?;
    for _ in 0..count.parse::<u64>()? {
        file.write_all(&piece)?;
        file.sync_all()?;
    }
    Ok(())
}

fn host_read(path: &str) -> Outcome {
    let mut file = File::open(path)?;
    let mut chunk = vec![0; CHUNK_BYTES];
    while file.read(&mut chunk)? > 0 {}
    Ok(())
}

fn image_write(image: &str, path: &str, bytes: &str) -> Outcome {
    let mut volume = open(image)?;
    let (dir, name) = volume.resolve_parent(path.as_bytes())?;
    let ino = volume.create(dir, &name, &NewInode { mode: 0o644, uid: 0, gid: 0 })?;
    let chunk = pattern(CHUNK_BYTES, 1);
    let total: u64 = bytes.parse()?;
    let mut offset = 0;
    while offset < total {
        let length = usize::try_from(total - offset)?.min(chunk.len());
        volume.write(ino, offset, &chunk[..length])?;
        offset += u64::try_from(length)?;
    }
    volume.close()?;
    Ok(())
}

fn image_overwrite(image: &str, path: &str, count: &str, seed: &str) -> Outcome {
    let mut volume = open(image)?;
    let ino = volume.resolve(path.as_bytes(), Follow::Yes)?;
    let piece = pattern(PIECE_BYTES, 2);
    let pieces = volume.stat(ino)?.size / u64::try_from(PIECE_BYTES)?;
    let mut random = Random::new(seed.parse()?);
    for _ in 0..count.parse::<u64>()? {
        volume.write(ino, random.below(pieces) * u64::try_from(PIECE_BYTES)?, &piece)?;
    }
    volume.close()?;
    Ok(())
}

fn image_append(image: &str, path: &str, count: &str) -> Outcome {
    let mut volume = open(image)?;
    let (dir, name) = volume.resolve_parent(path.as_bytes())?;
    let ino = volume.create(dir, &name, &NewInode { mode: 0o644, uid: 0, gid: 0 })?;
    let piece = pattern(PIECE_BYTES, 3);
    for n in 0..count.parse::<u64>()? {
        volume.write(ino, n * u64::try_from(PIECE_BYTES)?, &piece)?;
        volume.fsync(ino)?;
    }
    volume.close()?;
    Ok(())
}

fn image_read(image: &str, path: &str) -> Outcome {
    let mut volume = open(image)?;
    let ino = volume.resolve(path.as_bytes(), Follow::Yes)?;
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut offset = 0;
    loop {
        let length = volume.read(ino, offset, &mut chunk)?;
        if length == 0 {
            break;
        }
        offset += u64::try_from(length)?;
    }
    volume.close()?;
    Ok(())
}

/// Names in no order of their hashes.
fn name_of(number: u64) -> String {
    format!("{:08x}-{number}", number.wrapping_mul(0x9e37_79b1) & 0xffff_ffff)
}

fn expect_count(found: usize, count: &str) -> Outcome {
    if found == count.parse::<usize>()? { Ok(()) } else { Err(format!("{found} names, not {count}").into()) }
}

fn host_make(dir: &str, count: &str) -> Outcome {
    fs::create_dir(dir)?;
    for number in 0..count.parse()? {
        File::create_new(format!("{dir}/{}", name_of(number)))?;
    }
    Ok(())
}

fn host_find(dir: &str, number: &str) -> Outcome {
    fs::metadata(format!("{dir}/{}", name_of(number.parse()?)))?;
    Ok(())
}

fn host_list(dir: &str, count: &str) -> Outcome {
    expect_count(fs::read_dir(dir)?.count(), count)
}

fn host_empty(dir: &str) -> Outcome {
    for entry in fs::read_dir(dir)? {
        fs::remove_file(entry?.path())?;
    }
    Ok(fs::remove_dir(dir)?)
}

fn image_make(image: &str, dir: &str, count: &str) -> Outcome {
    let mut volume = open(image)?;
    let (parent, name) = volume.resolve_parent(dir.as_bytes())?;
    let dir = volume.mkdir(parent, &name, &NewInode { mode: 0o755, uid: 0, gid: 0 })?;
    for number in 0..count.parse()? {
        volume.create(dir, name_of(number).as_bytes(), &NewInode { mode: 0o644, uid: 0, gid: 0 })?;
    }
    volume.close()?;
    Ok(())
}

/// Reads from the device that looking up one name in a large directory may take.
const MOST_READS: u64 = 12;

fn image_find(image: &str, dir: &str, number: &str) -> Outcome {
    let reads = Rc::new(Cell::new(0));
    let device = Counting { inner: FileDevice::new(File::open(image)?, true)?, reads: Rc::clone(&reads) };
    let mut volume = Volume::open(Box::new(device), &OpenOptions::default())?;
    let dir = volume.resolve(dir.as_bytes(), Follow::Yes)?;
    let before = reads.get();
    volume.lookup(dir, name_of(number.parse()?).as_bytes())?;
    let taken = reads.get() - before;
    if taken > MOST_READS {
        return Err(format!("{taken} reads for one name, at most {MOST_READS} expected").into());
    }
    println!("{taken} reads");
    Ok(())
}

fn image_list(image: &str, dir: &str, count: &str) -> Outcome {
    let mut volume = open(image)?;
    let dir = volume.resolve(dir.as_bytes(), Follow::Yes)?;
    let (mut cookie, mut found) = (0, 0);
    loop {
        let entries = volume.read_dir_from(dir, cookie, LIST_STEP)?;
        let Some(last) = entries.last() else { break };
        cookie = last.cookie;
        found += entries.len();
    }
    expect_count(found, count)
}

/// Names that are listed at once.
const LIST_STEP: usize = 4096;

fn image_empty(image: &str, path: &str) -> Outcome {
    let mut volume = open(image)?;
    let (parent, name) = volume.resolve_parent(path.as_bytes())?;
    let dir = volume.lookup(parent, &name)?;
    let mut cookie = 0;
    loop {
        let entries = volume.read_dir_from(dir, cookie, LIST_STEP)?;
        let Some(last) = entries.last() else { break };
        cookie = last.cookie;
        for entry in &entries {
            volume.unlink(dir, &entry.name)?;
        }
    }
    volume.rmdir(parent, &name)?;
    volume.close()?;
    Ok(())
}

/// A device that counts how often it is read.
struct Counting {
    inner: FileDevice,
    reads: Rc<Cell<u64>>,
}

impl BlockDevice for Counting {
    fn len_bytes(&self) -> u64 {
        self.inner.len_bytes()
    }

    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<(), DeviceError> {
        self.reads.set(self.reads.get() + 1);
        self.inner.read_at(offset, buf)
    }

    fn write_at(&mut self, offset: u64, buf: &[u8]) -> Result<(), DeviceError> {
        self.inner.write_at(offset, buf)
    }

    fn flush(&mut self) -> Result<(), DeviceError> {
        self.inner.flush()
    }
}

fn open(image: &str) -> Result<Volume, Box<dyn std::error::Error>> {
    let file = fs::OpenOptions::new().read(true).write(true).open(image)?;
    Ok(Volume::open(Box::new(FileDevice::new(file, false)?), &OpenOptions::default())?)
}

/// Bytes that are neither zeros nor all the same.
fn pattern(length: usize, salt: u8) -> Vec<u8> {
    (0..=u8::MAX).cycle().map(|byte| byte.wrapping_mul(31).wrapping_add(salt)).take(length).collect()
}

/// A small generator: the same seed gives the same offsets on both sides.
struct Random {
    state: u64,
}

impl Random {
    fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next number, evenly spread over `0..limit` for limits far below 2^64.
    fn below(&mut self, limit: u64) -> u64 {
        // Weyl sequence with a multiplicative finish; spread is all that is asked of it.
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit.max(1)
    }
}
