//! Everything that writing can do, done to an image that may be hostile.

use xfskit::Volume;
use xfskit::device::BlockDevice;
use xfskit::units::Ino;
use xfskit::volume::{FileType, Namespace, OpenOptions, RenameMode, SetAttributes, SetMode, Timestamp};

use crate::rng::{Rng, pattern};
use crate::session::new_inode;

/// Inodes that are written to.
const MOST_INODES: usize = 150;
const OPERATIONS: u64 = 60;

/// Opens a volume and changes it in many ways. Errors are fine; each operation has to end, and soon.
pub fn scribble(device: impl BlockDevice, seed: u64) {
    let Ok(mut volume) = Volume::open(Box::new(device), &OpenOptions::default()) else { return };
    let mut rng = Rng::new(seed);
    let (dirs, files) = find(&mut volume, &mut rng);
    for serial in 0..OPERATIONS {
        if rng.chance(20) {
            let among = if files.is_empty() || rng.chance(30) { &dirs } else { &files };
            let ino = *rng.pick(among);
            change_attributes(&mut volume, ino, serial, &mut rng);
        } else if rng.chance(40) || files.is_empty() {
            change_names(&mut volume, &dirs, serial, &mut rng);
        } else {
            let (file, other) = (*rng.pick(&files), *rng.pick(&files));
            change_file(&mut volume, file, other, serial, &mut rng);
        }
        if rng.chance(10) {
            let _ = volume.sync();
        }
    }
    let _ = volume.check(&mut |finding| drop(format!("{}", finding.corruption)));
    let _ = volume.close();
}

/// Some directories and regular files of the volume.
fn find(volume: &mut Volume, rng: &mut Rng) -> (Vec<Ino>, Vec<Ino>) {
    let (mut dirs, mut files) = (vec![volume.root()], Vec::new());
    let mut next = 0;
    while next < dirs.len() && files.len() + dirs.len() < MOST_INODES {
        for entry in volume.read_dir(dirs[next]).unwrap_or_default() {
            match entry.file_type {
                Some(FileType::Directory) if dirs.len() < MOST_INODES => dirs.push(entry.ino),
                Some(FileType::Regular) if rng.chance(30) => files.push(entry.ino),
                _ => {}
            }
        }
        next += 1;
    }
    (dirs, files)
}

const WHITEOUT: RenameMode = RenameMode::Whiteout { uid: 0, gid: 0, no_replace: false };

fn change_names(volume: &mut Volume, dirs: &[Ino], serial: u64, rng: &mut Rng) {
    let dir = *rng.pick(dirs);
    let name = format!("scribble-{serial}").into_bytes();
    let kind = rng.below(10);
    if kind < 5 {
        return make_name(volume, dir, &name, kind);
    }
    let entries = volume.read_dir(dir).unwrap_or_default();
    if entries.is_empty() {
        return;
    }
    let (entry, other) = (rng.pick(&entries), rng.pick(&entries));
    let to = *rng.pick(dirs);
    let mode = *rng.pick(&[RenameMode::Replace, RenameMode::Exchange, WHITEOUT]);
    let _ = match kind {
        5 => volume.unlink(dir, &entry.name),
        6 => volume.rmdir(dir, &entry.name),
        7 => volume.link(entry.ino, to, &name),
        8 => volume.rename(dir, &entry.name, to, &name, mode),
        _ => volume.rename(dir, &entry.name, dir, &other.name, mode),
    };
}

fn make_name(volume: &mut Volume, dir: Ino, name: &[u8], kind: u64) {
    let new = new_inode(0o700);
    match kind {
        0 => drop(volume.create(dir, name, &new)),
        1 => drop(volume.mkdir(dir, name, &new)),
        2 => drop(volume.symlink(dir, name, &[b'x'; 500], &new)),
        3 => drop(volume.mknod(dir, name, FileType::Fifo, (0, 0), &new)),
        _ => {
            if let Ok(ino) = volume.tmpfile(dir, &new) {
                let _ = volume.link(ino, dir, name);
                let _ = volume.release(ino);
            }
        }
    }
}

fn change_attributes(volume: &mut Volume, ino: Ino, serial: u64, rng: &mut Rng) {
    let names = volume.list_xattrs(ino).unwrap_or_default();
    if rng.chance(50) && !names.is_empty() {
        let name = rng.pick(&names);
        let _ = volume.remove_xattr(ino, name.namespace, &name.name);
        return;
    }
    let value = pattern(serial, 0, *rng.pick(&[3, 100, 700, 3000, 20_000]));
    for number in 0..*rng.pick(&[1, 1, 10]) {
        let name = format!("scribble-{serial}-{number}");
        let _ = volume.set_xattr(ino, Namespace::User, name.as_bytes(), &value, SetMode::Either);
    }
    if let Some(name) = names.first() {
        let _ = volume.set_xattr(ino, name.namespace, &name.name, &value, SetMode::Replace);
    }
}

fn change_file(volume: &mut Volume, file: Ino, other: Ino, serial: u64, rng: &mut Rng) {
    let size = volume.stat(file).map_or(0, |stat| stat.size);
    let offset = *rng.pick(&[0, size / 2, size, size.saturating_add(100_000), 1 << 40, (1 << 63) - 10]);
    let offset = if rng.chance(50) { offset / 4096 * 4096 } else { offset };
    let len = rng.range(1, 40_000);
    let mtime = Some(Timestamp { seconds: 1 << 40, nanoseconds: 5 });
    let _ = match rng.below(7) {
        0..3 => volume.write(file, offset, &pattern(serial, 0, len as usize)),
        3 => volume.truncate(file, offset),
        4 => volume.clone_file(other, file),
        5 => volume.clone_range(other, offset, file, rng.below(100) * 4096, len / 4096 * 4096),
        _ => volume.set_attributes(file, &SetAttributes { mtime, ..SetAttributes::default() }),
    };
}
