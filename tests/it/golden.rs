//! Golden images: what Linux once made and showed is what xfskit reads, on any machine.

use xfskit_tests::golden;
use xfskit_tests::mutate::{self, metadata_blocks};

/// Every image of the manifest unpacks to the bytes it was made with, and something is known about it.
#[test]
fn golden_images_unpack() {
    for image in golden::manifest() {
        assert_eq!(image.image().len() as u64, image.size_bytes, "{}", image.name);
        assert!(image.expected().tree.entries.len() > 1000, "{}", image.name);
    }
}

/// The structure-aware damage finds blocks of every kind that XFS has, so that none is left unfuzzed.
#[test]
fn metadata_of_every_kind_is_found() {
    let mut kinds = std::collections::BTreeSet::new();
    for image in golden::manifest() {
        kinds.extend(metadata_blocks(&image.image()).into_iter().map(|block| block.magic));
    }
    let missing: Vec<_> = mutate::magics().filter(|magic| !kinds.contains(magic)).collect();
    assert!(missing.is_empty(), "no block of {missing:?} in any golden image");
}
