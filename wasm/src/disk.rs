//! What a volume lives on, as JavaScript sees it.

use js_sys::{Float64Array, Uint8Array};
use wasm_bindgen::prelude::wasm_bindgen;
use xfskit::device::{BlockDevice, DeviceError, check_range};

use crate::chunks::Chunks;
use crate::failure::{Failure, Result};
use crate::store::StoreError;
use crate::store::file::{HostFile, SyncFile};
use crate::store::memory::SparseMemory;
use crate::store::overlay::{Overlay, upper_bytes};
use crate::store::packed::Packed;
use crate::store::plug;
use crate::store::raw::RawImage;
use crate::store::shared::Shared;

/// A block device. Volumes opened on it share it.
#[wasm_bindgen]
pub struct Disk(Shared);

#[wasm_bindgen]
impl Disk {
    /// `len` bytes of zeros in memory; what is never written takes none.
    ///
    /// # Errors
    /// `EINVAL` for a length that cannot be.
    pub fn memory(len: f64) -> Result<Disk> {
        Ok(Self(Shared::new(SparseMemory::new(bytes(len)?))))
    }

    /// A raw image in `file`: as long as that, or `len` bytes if that is not 0; a shorter file is made as long.
    ///
    /// # Errors
    /// Those of the file.
    pub fn file(file: SyncFile, len: f64, read_only: bool) -> Result<Disk> {
        let image = RawImage::open(Box::new(HostFile::new(file)), bytes(len)?, read_only)?;
        Ok(Self(Shared::new(image)))
    }

    /// An image in chunks that are placed in `file` in order of first use, so that the file grows with use: the one that
    /// is there, or a new one of `len` bytes if nothing is and `len` is not 0.
    ///
    /// # Errors
    /// Those of the file; `EINVAL` for a file that is something else, or empty; `EUCLEAN` for damage.
    pub fn packed(file: SyncFile, len: f64, read_only: bool) -> Result<Disk> {
        let file = Box::new(HostFile::new(file));
        let image = match bytes(len)? {
            len if len > 0 && !read_only => Packed::open_or_create(file, len)?,
            _ => Packed::open(file, read_only)?,
        };
        Ok(Self(Shared::new(image)))
    }

    /// An image in chunks that are fetched and saved through `chunks`.
    pub fn chunked(chunks: &Chunks) -> Disk {
        Self(Shared::new(chunks.device()))
    }

    /// `base`, which is never written, with what differs in `upper`: [`Disk::overlay_bytes`] long, and all zeros when it
    /// is new. A `fingerprint` (at most 128 bytes) tells this base from its other versions.
    ///
    /// # Errors
    /// `EINVAL` when `upper` is no overlay, `ESTALE` when it is one for another base. Where it has to be fetched first,
    /// the first read of the disk says so.
    pub fn overlay(base: &Disk, upper: &Disk, fingerprint: Option<Vec<u8>>) -> Result<Disk> {
        let mut overlay = Overlay::new(base.device(), upper.device(), &fingerprint.unwrap_or_default())?;
        match overlay.load() {
            Ok(()) | Err(StoreError::Device(DeviceError::NotResident { .. })) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(Self(Shared::new(overlay)))
    }

    /// Bytes that the upper of a base of `len` bytes has.
    ///
    /// # Errors
    /// `EINVAL` for a length that cannot be.
    #[wasm_bindgen(js_name = overlayBytes)]
    pub fn overlay_bytes(len: f64) -> Result<f64> {
        Ok(upper_bytes(bytes(len)?) as f64)
    }

    /// Has every write and flush noted from now on, through whatever handle, and the power in somebody's hand.
    pub fn plug(&self) -> Plug {
        let mut plug = plug::Plug::default();
        self.0.wrap(|device| {
            let (hand, device) = plug::Plug::insert(device);
            plug = hand;
            device
        });
        Plug(plug)
    }

    /// Size in bytes.
    pub fn len(&self) -> f64 {
        self.0.len_bytes() as f64
    }

    /// Reads `len` bytes from byte `at` on.
    ///
    /// # Errors
    /// Those of the store; `EINVAL` outside of it.
    pub fn read(&mut self, at: f64, len: f64) -> Result<Uint8Array> {
        let (at, len) = (bytes(at)?, bytes(len)? as usize);
        check_range(at, len, self.0.len_bytes())?;
        let mut buf = vec![0; len];
        self.0.read_at(at, &mut buf)?;
        Ok(Uint8Array::from(&buf[..]))
    }

    /// Writes `data` at byte `at`.
    ///
    /// # Errors
    /// Those of the store; `EINVAL` outside of it.
    pub fn write(&mut self, at: f64, data: &[u8]) -> Result<()> {
        Ok(self.0.write_at(bytes(at)?, data)?)
    }

    /// Makes what was written durable, or, in a store that waits, closes the epoch that will be.
    ///
    /// # Errors
    /// Those of the store.
    pub fn flush(&mut self) -> Result<()> {
        Ok(self.0.flush()?)
    }
}

impl Disk {
    /// A handle for a volume.
    pub(crate) fn device(&self) -> Box<dyn BlockDevice> {
        Box::new(self.0.clone())
    }
}

/// The plug of a disk.
#[wasm_bindgen]
pub struct Plug(plug::Plug);

#[wasm_bindgen]
impl Plug {
    /// What was done since the last [`Plug::clear`]: kind (0 a write, 1 a flush), offset and length of each.
    pub fn events(&self) -> Float64Array {
        let triple = |event| match event {
            plug::Event::Write { offset, len_bytes } => [0.0, offset as f64, len_bytes as f64],
            plug::Event::Flush => [1.0, 0.0, 0.0],
        };
        let numbers: Vec<f64> = self.0.events().into_iter().flat_map(triple).collect();
        Float64Array::from(&numbers[..])
    }

    /// Forgets what was done, and a cut that is still to come.
    pub fn clear(&self) {
        self.0.clear();
    }

    /// Cuts the power after `count` events, counted from the last [`Plug::clear`].
    #[wasm_bindgen(js_name = cutAfter)]
    pub fn cut_after(&self, count: u32) {
        self.0.cut_after(count as usize);
    }

    /// The power is on again; what was done is forgotten. A volume that was open is not to be used any more.
    pub fn restore(&self) {
        self.0.restore();
    }

    /// Whether the power is off.
    #[wasm_bindgen(js_name = isCut)]
    pub fn is_cut(&self) -> bool {
        self.0.is_cut()
    }
}

/// A number of bytes from JavaScript.
///
/// # Errors
/// `EINVAL` for one that is negative, not whole, or too large to be exact.
pub(crate) fn bytes(number: f64) -> Result<u64> {
    if (0.0..=9_007_199_254_740_991.0).contains(&number) && number.fract() == 0.0 {
        Ok(number as u64)
    } else {
        Err(Failure::invalid("not a number of bytes"))
    }
}
