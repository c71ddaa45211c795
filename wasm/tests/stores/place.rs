//! What keeps the bytes of a volume, and loses what was not made durable when it is killed.

use xfskit::device::{BlockDevice, DeviceError};
use xfskit::{Error, Result};
use xfskit_tests::rng::Rng;
use xfskit_wasm::store::memory::SparseMemory;
use xfskit_wasm::store::shared::Shared;

/// Bytes of the volumes here.
pub(crate) const LEN_BYTES: u64 = 96 << 20;

/// A store with all around it. Waiting is what a host does: the device never does.
pub(crate) trait Place {
    /// The device over what is kept, as a program finds it when it starts.
    async fn open(&mut self) -> Shared;

    /// Brings what the device said is missing.
    async fn fetch(&mut self) {
        unreachable!("nothing is ever missing here");
    }

    /// An operation is done. Something may be saved.
    async fn settle(&mut self, _rng: &mut Rng) {}

    /// What a flush has promised so far is durable when this returns, or never will be: whether it is.
    async fn durable(&mut self) -> bool {
        true
    }

    /// The program ends, at any moment; nobody is asked.
    async fn kill(&mut self, rng: &mut Rng);
}

/// Calls an operation until it is not something missing that stops it.
pub(crate) async fn trying<T>(place: &mut impl Place, mut operation: impl FnMut() -> Result<T>) -> Result<T> {
    for _ in 0..10_000 {
        match operation() {
            Err(Error::Device(DeviceError::NotResident { .. })) => place.fetch().await,
            other => return other,
        }
    }
    panic!("it never gets further");
}

/// Memory: what a private window has. It outlives a volume on it, and no more.
#[derive(Default)]
pub(crate) struct Memory(Option<Shared>);

impl Place for Memory {
    async fn open(&mut self) -> Shared {
        self.0.get_or_insert_with(|| Shared::new(SparseMemory::new(LEN_BYTES))).clone()
    }

    async fn kill(&mut self, _: &mut Rng) {}
}

/// A handle as devices are taken.
pub(crate) fn boxed(device: &Shared) -> Box<dyn BlockDevice> {
    Box::new(device.clone())
}
