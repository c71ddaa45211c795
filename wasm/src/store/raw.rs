//! A file of the host, and the store that is one, byte for byte.

use xfskit::device::{BlockDevice, DeviceError, check_range};

/// A file that is read and written at positions, as OPFS's sync access handles and Node's descriptors are.
///
/// What was never written below its length reads as zeros. Between two flushes, writes may land in any order, in part or
/// not at all.
pub trait RawFile: 'static {
    /// Reads into `buf` from byte `at` on; the count that the file gives, whatever it is.
    ///
    /// # Errors
    /// [`DeviceError`]
    fn read_at(&mut self, at: u64, buf: &mut [u8]) -> Result<usize, DeviceError>;

    /// Writes `bytes` at byte `at`, making the file longer where needed; the count that the file gives, whatever it is.
    ///
    /// # Errors
    /// [`DeviceError`]
    fn write_at(&mut self, at: u64, bytes: &[u8]) -> Result<usize, DeviceError>;

    /// Makes everything written, and the length, durable.
    ///
    /// # Errors
    /// [`DeviceError`]
    fn flush(&mut self) -> Result<(), DeviceError>;

    /// Makes the file `len_bytes` long: cut off, or with zeros added.
    ///
    /// # Errors
    /// [`DeviceError`]
    fn truncate(&mut self, len_bytes: u64) -> Result<(), DeviceError>;

    /// Its length in bytes.
    ///
    /// # Errors
    /// [`DeviceError`]
    fn len_bytes(&mut self) -> Result<u64, DeviceError>;
}

/// What a count is when the host gave a number that can't be one.
pub const NO_COUNT: usize = usize::MAX;

/// A count of bytes as JavaScript gives it: [`NO_COUNT`] for what is no count.
#[must_use]
pub fn count_of(number: f64) -> usize {
    // Both borders are exact, and NaN is in no range.
    if (0.0..=4_294_967_294.0).contains(&number) && number.fract() == 0.0 {
        number as usize
    } else {
        NO_COUNT
    }
}

/// The failure of a file that does not do what it says.
pub(super) const NONSENSE: DeviceError = DeviceError::Io { code: 5 };

/// Fills `buf` from byte `at` of a file on.
///
/// # Errors
/// [`DeviceError::Io`] where the file ends before, or gives a count that can't be.
pub(super) fn read_all(file: &mut dyn RawFile, mut at: u64, mut buf: &mut [u8]) -> Result<(), DeviceError> {
    while !buf.is_empty() {
        let count = file.read_at(at, buf)?;
        if count == 0 || count > buf.len() {
            return Err(NONSENSE);
        }
        buf = &mut buf[count..];
        at += count as u64;
    }
    Ok(())
}

/// Writes all of `bytes` at byte `at` of a file.
///
/// # Errors
/// [`DeviceError::NoSpace`] where the file takes no more, which some browsers say with a count instead of an exception;
/// [`DeviceError::Io`] for a count that can't be.
pub(super) fn write_all(file: &mut dyn RawFile, mut at: u64, mut bytes: &[u8]) -> Result<(), DeviceError> {
    while !bytes.is_empty() {
        let count = file.write_at(at, bytes)?;
        match count {
            0 => return Err(DeviceError::NoSpace),
            _ if count > bytes.len() => return Err(NONSENSE),
            _ => bytes = &bytes[count..],
        }
        at += count as u64;
    }
    Ok(())
}

/// An image as a file.
pub struct RawImage {
    file: Box<dyn RawFile>,
    len_bytes: u64,
    is_read_only: bool,
}

impl RawImage {
    /// A device of `len_bytes` bytes at the front of `file`, or as long as that when it is 0. A shorter file is made as
    /// long.
    ///
    /// # Errors
    /// Those of the file; [`DeviceError::NoSpace`] when it does not become that long.
    pub fn open(mut file: Box<dyn RawFile>, len_bytes: u64, is_read_only: bool) -> Result<Self, DeviceError> {
        let found = file.len_bytes()?;
        if found < len_bytes {
            if is_read_only {
                return Err(DeviceError::ReadOnly);
            }
            file.truncate(len_bytes)?;
            if file.len_bytes()? < len_bytes {
                return Err(DeviceError::NoSpace);
            }
        }
        Ok(Self { file, len_bytes: if len_bytes == 0 { found } else { len_bytes }, is_read_only })
    }
}

impl BlockDevice for RawImage {
    fn len_bytes(&self) -> u64 {
        self.len_bytes
    }

    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<(), DeviceError> {
        check_range(offset, buf.len(), self.len_bytes)?;
        read_all(&mut *self.file, offset, buf)
    }

    fn write_at(&mut self, offset: u64, buf: &[u8]) -> Result<(), DeviceError> {
        check_range(offset, buf.len(), self.len_bytes)?;
        if self.is_read_only {
            return Err(DeviceError::ReadOnly);
        }
        write_all(&mut *self.file, offset, buf)
    }

    fn flush(&mut self) -> Result<(), DeviceError> {
        if self.is_read_only { Ok(()) } else { self.file.flush() }
    }

    fn is_read_only(&self) -> bool {
        self.is_read_only
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::crashy::{CrashyFile, Fault};

    #[test]
    fn counts_are_counts_or_nonsense() {
        for (number, count) in [(0.0, 0), (-0.0, 0), (512.0, 512), (4_294_967_294.0, 4_294_967_294)] {
            assert_eq!(count_of(number), count);
        }
        for number in [-1.0, 0.5, f64::NAN, f64::INFINITY, 4_294_967_295.0, 1.8e19] {
            assert_eq!(count_of(number), NO_COUNT, "{number}");
        }
    }

    #[test]
    fn every_count_of_the_file_is_looked_at() {
        let file = CrashyFile::default();
        let mut image = RawImage::open(Box::new(file.clone()), 8192, false).expect("make it");
        image.write_at(512, &[7; 1024]).expect("room");
        file.set_fault(Some(Fault::Short));
        image.write_at(100, &[9; 1000]).expect("short counts are gone on from");
        let mut buf = [0; 1024];
        image.read_at(100, &mut buf).expect("the same");
        assert!(buf[..1000] == [9; 1000] && buf[1000..] == [7; 24]);
        for (fault, error) in [
            (Fault::None, DeviceError::NoSpace),
            (Fault::Nonsense, NONSENSE),
            (Fault::Error(DeviceError::NoSpace), DeviceError::NoSpace),
        ] {
            file.set_fault(Some(fault));
            assert_eq!(image.write_at(0, &[1; 512]), Err(error));
        }
        for (fault, error) in [(Fault::None, NONSENSE), (Fault::Nonsense, NONSENSE)] {
            file.set_fault(Some(fault));
            assert_eq!(image.read_at(0, &mut buf), Err(error));
        }
    }

    #[test]
    fn a_read_only_image_stays_as_it_is() {
        let file = CrashyFile::default();
        file.clone().truncate(4096).expect("no limit");
        let mut image = RawImage::open(Box::new(file.clone()), 0, true).expect("open");
        assert_eq!(image.len_bytes(), 4096);
        assert!(image.is_read_only());
        assert_eq!(image.write_at(0, &[1]), Err(DeviceError::ReadOnly));
        assert_eq!(RawImage::open(Box::new(file), 8192, true).err(), Some(DeviceError::ReadOnly));
    }
}
