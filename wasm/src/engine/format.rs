//! Making a fresh volume.

use js_sys::{Object, Reflect, Uint8Array};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use xfskit::Volume;
use xfskit::mkfs::FormatOptions;

use super::{Engine, timestamp};
use crate::disk::Disk;
use crate::failure::{Failure, Result};

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = "
/** What a fresh volume looks like; what is left out is as current mkfs.xfs makes it. */
export interface FormatOptions {
  /** 16 random bytes. */
  uuid: Uint8Array;
  /** Seed of the inodes' generation numbers. */
  seed: number;
  /** Milliseconds since 1970. */
  now: number;
  /** Bytes in a block. */
  blockSize?: number;
  /** Bytes in a sector. */
  sectorSize?: number;
  /** At most 12 bytes. */
  label?: string;
  /** Number of allocation groups. */
  agCount?: number;
  /** Bytes of the log. */
  logBytes?: number;
  /** The disk does not read as zeros. */
  wipe?: boolean;
}
";

#[wasm_bindgen]
extern "C" {
    /// See the TypeScript above.
    #[wasm_bindgen(typescript_type = "FormatOptions")]
    pub type Options;
}

#[wasm_bindgen]
impl Engine {
    /// Makes a fresh volume that fills `disk`. All that was on it is lost. Volumes from 16 MiB on are made.
    ///
    /// # Errors
    /// `EINVAL` when the options contradict each other or the disk is too small; those of the store.
    pub fn format(disk: &Disk, options: &Options) -> Result<()> {
        let object = options.unchecked_ref::<Object>();
        let uuid: [u8; 16] = field(object, "uuid")
            .and_then(|uuid| uuid.dyn_into::<Uint8Array>().ok())
            .and_then(|uuid| uuid.to_vec().try_into().ok())
            .ok_or_else(|| Failure::invalid("a volume needs 16 bytes of uuid"))?;
        let seed = number(object, "seed")?.unwrap_or_default();
        let now = field(object, "now").and_then(|now| now.as_f64()).unwrap_or_default();
        let mut format = FormatOptions::new(uuid::Uuid::from_bytes(uuid), timestamp(now), seed);
        format.small = true;
        format.assume_zeroed = !field(object, "wipe").is_some_and(|wipe| wipe.is_truthy());
        if let Some(bytes) = number(object, "blockSize")? {
            format.block_size = bytes;
        }
        if let Some(bytes) = number(object, "sectorSize")? {
            format.sector_size = bytes;
        }
        if let Some(label) = field(object, "label").and_then(|label| label.as_string()) {
            format.label = label.into_bytes();
        }
        format.ag_count = number(object, "agCount")?;
        format.log_fsblocks = number(object, "logBytes")?.map(|bytes| bytes / format.block_size.max(1));
        Volume::format(disk.device(), &format)?;
        Ok(())
    }
}

/// A field that is there.
fn field(object: &Object, name: &str) -> Option<JsValue> {
    Reflect::get(object, &name.into()).ok().filter(|value| !value.is_undefined() && !value.is_null())
}

fn number(object: &Object, name: &str) -> Result<Option<u32>> {
    let Some(value) = field(object, name) else { return Ok(None) };
    match value.as_f64() {
        Some(number) if number >= 0.0 && number <= f64::from(u32::MAX) && number.fract() == 0.0 => {
            Ok(Some(number as u32))
        }
        _ => Err(Failure::invalid("an option of the volume is no number")),
    }
}
