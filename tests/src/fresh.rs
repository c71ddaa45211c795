//! A fresh volume that xfskit made, in a sparse file.

use std::fs::File;
use std::path::PathBuf;

use uuid::Uuid;
use xfskit::device::FileDevice;
use xfskit::mkfs::FormatOptions;
use xfskit::units::Ino;
use xfskit::volume::{OpenOptions, Timestamp};
use xfskit::{Result, Volume};

use crate::referee::{Referee, make_sparse};
use crate::session::{Session, findings, new_inode};
use crate::temp::TempDir;

/// The volume, open, in a folder of its own.
pub struct Fresh {
    temp: TempDir,
    session: Session,
}

/// Options of a fresh volume; the same in every run.
pub fn format_options() -> FormatOptions {
    FormatOptions::new(Uuid::from_u128(0x1234_5678), Timestamp::default(), 1)
}

impl Fresh {
    /// A volume of 300 MiB with the default options.
    pub fn new(name: &str) -> Self {
        Self::with(name, OpenOptions::default())
    }

    /// Like [`Fresh::new`], opened with options.
    pub fn with(name: &str, options: OpenOptions) -> Self {
        Self::formatted(name, 300 << 20, &format_options(), options)
    }

    /// A volume of any size and shape.
    pub fn formatted(name: &str, size_bytes: u64, format: &FormatOptions, options: OpenOptions) -> Self {
        let temp = TempDir::new(name);
        let image = temp.join("a.img");
        make_sparse(&image, size_bytes);
        let file = File::options().read(true).write(true).open(&image).expect("open the image");
        let device = FileDevice::new(file, false).expect("length of the image");
        Volume::format(Box::new(device), format).expect("make a volume");
        let session = Session::open_with(&image, b"", options).expect("open the volume");
        Self { temp, session }
    }

    /// The file that holds the volume.
    pub fn image(&self) -> PathBuf {
        self.temp.join("a.img")
    }

    /// The volume.
    pub fn volume(&mut self) -> &mut Volume {
        self.session.volume()
    }

    /// Makes a file in the root directory.
    pub fn create(&mut self, name: &str) -> Ino {
        let root = self.volume().root();
        self.volume().create(root, name.as_bytes(), &new_inode(0o644)).expect("create a file")
    }

    /// Writes to a file.
    pub fn write(&mut self, ino: Ino, offset: u64, bytes: &[u8]) {
        self.volume().write(ino, offset, bytes).expect("write");
    }

    /// Syncs the volume.
    pub fn sync(&mut self) {
        self.volume().sync().expect("sync");
    }

    /// All bytes of a file.
    pub fn content(&mut self, ino: Ino) -> Vec<u8> {
        content(self.volume(), ino)
    }

    /// Closes and opens the volume, with xfskit's own check before and xfs_repair, if it is here, between the two.
    pub fn judge(&mut self) {
        assert_eq!(findings(self.volume()), Vec::<String>::new());
        self.session.reopen().expect("close and open");
        if let Some(referee) = Referee::find() {
            referee.repair_n(&self.image());
        }
    }
}

/// All bytes of a file, which must be readable.
pub fn content(volume: &mut Volume, ino: Ino) -> Vec<u8> {
    try_content(volume, ino).expect("read")
}

/// All bytes of a file.
///
/// # Errors
/// Those of the volume.
pub fn try_content(volume: &mut Volume, ino: Ino) -> Result<Vec<u8>> {
    let size = usize::try_from(volume.stat(ino)?.size).expect("fits");
    let mut bytes = vec![0; size];
    assert_eq!(volume.read(ino, 0, &mut bytes)?, size);
    Ok(bytes)
}
