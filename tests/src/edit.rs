//! Everything that changing can do, done to an image that may be hostile.

use xfskit::Volume;
use xfskit::units::Ino;
use xfskit::volume::{FileType, NewInode, SetAttributes};

const NEW: NewInode = NewInode { mode: 0o644, uid: 1, gid: 1 };

/// Files and directories that are changed, of each at most.
const MOST: usize = 30;

/// Changes a volume in every way. Errors are fine; each operation has to end, and soon.
///
/// `inodes` are those that reading came across.
pub fn edit(volume: &mut Volume, inodes: &[Ino]) {
    let of_type = |volume: &mut Volume, wanted| {
        let is_wanted = |ino: &&Ino| volume.stat(**ino).is_ok_and(|stat| stat.file_type == wanted);
        inodes.iter().filter(is_wanted).take(MOST).copied().collect::<Vec<Ino>>()
    };
    let files = of_type(volume, FileType::Regular);
    let directories = of_type(volume, FileType::Directory);
    for (index, &file) in files.iter().enumerate() {
        change_file(volume, file, files[(index + 1) % files.len()]);
    }
    let _ = volume.sync();
    for &dir in &directories {
        change_directory(volume, dir);
    }
    for &dir in &directories {
        for entry in volume.read_dir(dir).unwrap_or_default().into_iter().take(MOST) {
            let _ = volume.unlink(dir, &entry.name);
            let _ = volume.rmdir(dir, &entry.name);
        }
    }
    let _ = volume.sync();
}

fn change_file(volume: &mut Volume, file: Ino, other: Ino) {
    let size = volume.stat(file).map_or(0, |stat| stat.size);
    for offset in [0, 5000, size / 2, size, size.saturating_add(100_000)] {
        let _ = volume.write(file, offset, &[0x5a; 6000]);
    }
    let _ = volume.clone_file(file, other);
    let _ = volume.clone_range(other, 0, file, 65_536, 65_536);
    let _ = volume.write(file, 1000, &[0xa5; 70_000]);
    let _ = volume.writeback(file);
    let _ = volume.truncate(file, size / 3);
    let _ = volume.truncate(file, size.saturating_add(5));
    let _ = volume.set_attributes(file, &SetAttributes { mode: Some(0o600), ..SetAttributes::default() });
    let _ = volume.fsync(file);
}

fn change_directory(volume: &mut Volume, dir: Ino) {
    let _ = volume.mkdir(dir, b"a directory", &NEW);
    for n in 0..20 {
        let name = format!("a rather long name of a new file {n}");
        if let Ok(ino) = volume.create(dir, name.as_bytes(), &NEW) {
            let _ = volume.write(ino, n * 777, &[n as u8; 9000]);
        }
    }
    let _ = volume.sync();
    for n in (0..20).step_by(2) {
        let _ = volume.unlink(dir, format!("a rather long name of a new file {n}").as_bytes());
    }
}
