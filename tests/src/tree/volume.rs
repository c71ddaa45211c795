//! A tree as xfskit shows it.

use std::collections::{BTreeMap, HashMap};

use xfskit::units::Ino;
use xfskit::volume::{ExtentPlace, FileType, Follow, Timestamp};
use xfskit::{Result, Volume};

use super::{ContentHasher, Entry, Kind, Time, Tree, digest, escape, sample};
use crate::extents::Extent;

/// Takes a snapshot of all that a volume holds.
///
/// # Errors
/// The first error of the volume.
pub fn from_volume(volume: &mut Volume) -> Result<Tree> {
    let mut known: HashMap<Ino, Entry> = HashMap::new();
    let mut tree = Tree::default();
    let root = volume.root();
    tree.entries.insert("/".into(), entry_of(volume, root)?);
    let mut pending = vec![(root, String::new())];
    while let Some((dir, prefix)) = pending.pop() {
        for found in volume.read_dir(dir)? {
            let path = format!("{prefix}/{}", escape(&found.name));
            let entry = match known.get(&found.ino) {
                Some(entry) => entry.clone(),
                None => entry_of(volume, found.ino)?,
            };
            known.insert(found.ino, entry.clone());
            assert_eq!(found.file_type.map(kind_of), Some(entry.kind), "type of {path} in its directory");
            if entry.kind == Kind::Directory {
                pending.push((found.ino, path.clone()));
            }
            tree.entries.insert(path, entry);
        }
    }
    Ok(tree)
}

/// The extents of the file at `path`.
///
/// # Errors
/// Those of the volume.
pub fn extents_of(volume: &mut Volume, path: &[u8]) -> Result<Vec<Extent>> {
    let ino = volume.resolve(path, Follow::No)?;
    let found = volume.extents(ino)?;
    let geometry = volume.geometry();
    let unit = u64::from(geometry.blocksize) / 512;
    let convert = |extent: &xfskit::volume::FileExtent| Extent {
        logical: extent.offset_fsblocks * unit,
        physical: match extent.place {
            ExtentPlace::Disk { ag, agblock } => geometry.ag_daddr(ag, agblock).0,
            ExtentPlace::Delalloc => panic!("delalloc after everything was synced"),
        },
        count: extent.len_fsblocks * unit,
        unwritten: extent.unwritten,
        shared: extent.shared,
    };
    Ok(found.iter().map(convert).collect())
}

fn kind_of(file_type: FileType) -> Kind {
    match file_type {
        FileType::Regular => Kind::File,
        FileType::Directory => Kind::Directory,
        FileType::CharDevice => Kind::CharDevice,
        FileType::BlockDevice => Kind::BlockDevice,
        FileType::Fifo => Kind::Fifo,
        FileType::Socket => Kind::Socket,
        FileType::Symlink => Kind::Symlink,
    }
}

fn time(stamp: Timestamp) -> Time {
    (stamp.seconds, stamp.nanoseconds)
}

fn entry_of(volume: &mut Volume, ino: Ino) -> Result<Entry> {
    let stat = volume.stat(ino)?;
    let kind = kind_of(stat.file_type);
    let is_device = matches!(kind, Kind::CharDevice | Kind::BlockDevice);
    let target = if kind == Kind::Symlink { Some(escape(&volume.read_link(ino)?)) } else { None };
    let content = if kind == Kind::File { Some(content(volume, ino, stat.size)?) } else { None };
    let mut xattrs = BTreeMap::new();
    for name in volume.list_xattrs(ino)? {
        let value = volume.xattr(ino, name.namespace, &name.name)?;
        xattrs.insert(escape(&name.full_name()), digest(&value));
    }
    Ok(Entry {
        kind,
        mode: stat.mode,
        uid: stat.uid,
        gid: stat.gid,
        nlink: stat.nlink,
        size: Some(stat.size),
        ino: Some(stat.ino.0),
        blocks: Some(stat.blocks_512),
        atime: Some(time(stat.atime)),
        mtime: Some(time(stat.mtime)),
        ctime: Some(time(stat.ctime)),
        crtime: Some(time(stat.crtime)),
        rdev: is_device.then_some(stat.rdev),
        target,
        content,
        xattrs: Some(xattrs),
    })
}

fn content(volume: &mut Volume, ino: Ino, size_bytes: u64) -> Result<String> {
    let mut hasher = ContentHasher::default();
    let mut buffer = vec![0; 1 << 20];
    for (start, len) in sample(size_bytes) {
        let mut offset = start;
        while offset < start + len {
            let want = usize::try_from((start + len - offset).min(1 << 20)).expect("at most a MiB");
            let count = volume.read(ino, offset, &mut buffer[..want])?;
            assert_eq!(count, want, "read stops inside inode {ino}");
            hasher.update(&buffer[..count]);
            offset += count as u64;
        }
    }
    Ok(hasher.finish())
}
