//! A device that is a file or a block device of the host.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};

use super::{BlockDevice, DeviceError, check_range};

/// A device backed by an open file.
///
/// Reads and writes seek first, which is the one form that every host offers, wasip1 included. The file's
/// length is taken when the device is made.
#[derive(Debug)]
pub struct FileDevice {
    file: File,
    len_bytes: u64,
    read_only: bool,
    position: Option<u64>,
}

impl FileDevice {
    /// A device on `file`, which must be open for reading and, unless `read_only`, for writing.
    ///
    /// # Errors
    /// Those of finding the file's length.
    pub fn new(mut file: File, read_only: bool) -> io::Result<Self> {
        let len_bytes = file.seek(SeekFrom::End(0))?;
        Ok(Self { file, len_bytes, read_only, position: None })
    }

    /// The file, for what the trait does not carry (locks, metadata).
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }

    fn seek_to(&mut self, offset: u64) -> Result<(), DeviceError> {
        if self.position != Some(offset) {
            self.position = None;
            self.file.seek(SeekFrom::Start(offset)).map_err(|e| device_error(&e))?;
            self.position = Some(offset);
        }
        Ok(())
    }

    fn moved(&mut self, len_bytes: usize, outcome: io::Result<()>) -> Result<(), DeviceError> {
        let before = self.position.take();
        outcome.map_err(|e| device_error(&e))?;
        self.position = before.map(|p| p + len_bytes as u64);
        Ok(())
    }
}

fn device_error(error: &io::Error) -> DeviceError {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => DeviceError::NoSpace,
        ErrorKind::ReadOnlyFilesystem => DeviceError::ReadOnly,
        _ => DeviceError::Io { code: error.raw_os_error().unwrap_or(0) },
    }
}

impl BlockDevice for FileDevice {
    fn len_bytes(&self) -> u64 {
        self.len_bytes
    }

    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<(), DeviceError> {
        check_range(offset, buf.len(), self.len_bytes)?;
        self.seek_to(offset)?;
        let outcome = self.file.read_exact(buf);
        self.moved(buf.len(), outcome)
    }

    fn write_at(&mut self, offset: u64, buf: &[u8]) -> Result<(), DeviceError> {
        if self.read_only {
            return Err(DeviceError::ReadOnly);
        }
        check_range(offset, buf.len(), self.len_bytes)?;
        self.seek_to(offset)?;
        let outcome = self.file.write_all(buf);
        self.moved(buf.len(), outcome)
    }

    fn flush(&mut self) -> Result<(), DeviceError> {
        if self.read_only {
            return Ok(());
        }
        self.file.sync_data().map_err(|e| device_error(&e))
    }

    fn is_read_only(&self) -> bool {
        self.read_only
    }
}
