//! Small images made by Linux, kept compressed, so that tests mean something where Linux can't judge.
//!
//! `golden/manifest.json` says how each was made; `make-golden` makes them anew.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::extents::Extent;
use crate::tree::Tree;

/// How one image was made.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Golden {
    /// Names its files.
    pub name: String,
    /// The command line of mkfs.xfs.
    pub command: String,
    /// Release of xfsprogs.
    pub xfsprogs: String,
    /// Release of the kernel that populated it.
    pub kernel: String,
    /// Size of the image in bytes.
    pub size_bytes: u64,
    /// Hash of the image.
    pub sha256: String,
    /// Whether the log waits for recovery; what is expected is then how the volume looks after it.
    pub dirty_log: bool,
}

/// What a golden image shows.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Expected {
    /// All names.
    pub tree: Tree,
    /// Extents by path, of files with plain names.
    pub extents: BTreeMap<String, Vec<Extent>>,
}

/// Where the images lie.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden")
}

/// All golden images.
pub fn manifest() -> Vec<Golden> {
    let text = std::fs::read(folder().join("manifest.json")).expect("read golden/manifest.json");
    serde_json::from_slice(&text).expect("parse golden/manifest.json")
}

/// The golden image of that name.
///
/// # Panics
/// If there is none.
pub fn named(name: &str) -> Golden {
    manifest()
        .into_iter()
        .find(|golden| golden.name == name)
        .unwrap_or_else(|| panic!("no golden image {name}"))
}

impl Golden {
    /// The bytes of the image.
    ///
    /// # Panics
    /// If they are not those that were once made.
    pub fn image(&self) -> Vec<u8> {
        let bytes = unpack(&folder().join(format!("{}.img.zst", self.name)));
        assert_eq!(hash(&bytes), self.sha256, "golden image {} has changed", self.name);
        bytes
    }

    /// What the image shows.
    pub fn expected(&self) -> Expected {
        let bytes = unpack(&folder().join(format!("{}.expected.zst", self.name)));
        serde_json::from_slice(&bytes).expect("parse what a golden image shows")
    }
}

/// SHA-256 in hexadecimal.
pub fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

fn unpack(path: &Path) -> Vec<u8> {
    let packed = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut bytes = Vec::new();
    let mut decoder = ruzstd::decoding::StreamingDecoder::new(&packed[..]).expect("start of a zstd frame");
    decoder.read_to_end(&mut bytes).expect("unpack zstd");
    bytes
}
