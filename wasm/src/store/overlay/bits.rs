//! Which sectors are the upper's: in memory a page for each 512 bytes of the map in which a bit is set.

use xfskit::units::map::{Hashed, Ordered};

use super::SECTOR_BYTES;

/// Bytes of the map that are written together: a sector of the device, so that they land whole or not at all.
pub(super) const PAGE_BYTES: usize = 512;
const PAGE_SECTORS: u64 = PAGE_BYTES as u64 * 8;

/// Bytes of the map for an image of that length, padding included.
pub(super) fn map_bytes(image_bytes: u64) -> u64 {
    image_bytes.div_ceil(SECTOR_BYTES).div_ceil(8).next_multiple_of(4096)
}

type Page = [u8; PAGE_BYTES];

/// The bits.
pub(super) struct Bits {
    sectors: u64,
    pages: Hashed<u64, Box<Page>>,
    /// Pages with bits that are not in the upper's map yet.
    new: Ordered<u64, ()>,
}

impl Bits {
    pub(super) fn new(sectors: u64) -> Self {
        Self { sectors, pages: Hashed::new(), new: Ordered::new() }
    }

    /// Takes stored bytes of the map from byte `at` on, both multiples of a page.
    pub(super) fn load(&mut self, at: u64, bytes: &[u8]) {
        let first = at / PAGE_BYTES as u64;
        for (number, page) in (first..).zip(bytes.as_chunks::<PAGE_BYTES>().0) {
            if page.iter().any(|&byte| byte != 0) {
                self.pages.insert(number, Box::new(*page));
            }
        }
    }

    pub(super) fn is_set(&self, sector: u64) -> bool {
        self.pages.get(sector / PAGE_SECTORS).is_some_and(|page| is_set(page, sector % PAGE_SECTORS))
    }

    /// Sets the bits of sectors `first..end`.
    pub(super) fn set(&mut self, first: u64, end: u64) {
        for number in first / PAGE_SECTORS..end.div_ceil(PAGE_SECTORS) {
            let start = number * PAGE_SECTORS;
            let page = self.pages.get_or_insert_with(number, || Box::new([0; PAGE_BYTES]));
            let mut is_new = false;
            for sector in first.max(start) - start..(end - start).min(PAGE_SECTORS) {
                let (byte, bit) = ((sector / 8) as usize, 1 << (sector % 8));
                is_new |= page[byte] & bit == 0;
                page[byte] |= bit;
            }
            if is_new {
                self.new.insert(number, ());
            }
        }
    }

    /// Whether `sector` is the upper's, and how many sectors from there on are on the same side, at most `most`.
    pub(super) fn run(&self, sector: u64, most: u64) -> (bool, u64) {
        let (is_upper, end) = (self.is_set(sector), sector.saturating_add(most).min(self.sectors));
        let mut at = sector + 1;
        while at < end {
            let inside = at % PAGE_SECTORS;
            match self.pages.get(at / PAGE_SECTORS) {
                // A page without bits is passed at once, and so is a byte that is all one or the other.
                None if is_upper => break,
                None => at += PAGE_SECTORS - inside,
                Some(page) if inside.is_multiple_of(8) && page[(inside / 8) as usize] == whole(is_upper) => {
                    at += 8;
                }
                Some(page) if is_set(page, inside) == is_upper => at += 1,
                Some(_) => break,
            }
        }
        (is_upper, at.min(end).max(sector + 1) - sector)
    }

    pub(super) fn new_pages(&self) -> Vec<u64> {
        self.new.iter().map(|(number, ())| number).collect()
    }

    pub(super) fn encode_page(&self, number: u64) -> Page {
        self.pages.get(number).map_or([0; PAGE_BYTES], |page| **page)
    }

    /// All bits are in the upper's map, durably.
    pub(super) fn are_written(&mut self) {
        self.new.clear();
    }
}

fn is_set(page: &Page, sector: u64) -> bool {
    page[(sector / 8) as usize] >> (sector % 8) & 1 != 0
}

fn whole(is_set: bool) -> u8 {
    if is_set { 0xff } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::crashy::Rng;

    #[test]
    fn runs_are_what_single_bits_say() {
        let count = 3 * PAGE_SECTORS + 17;
        let mut rng = Rng(3);
        for _ in 0..20 {
            let (mut bits, mut plain) = (Bits::new(count), vec![false; count as usize]);
            for _ in 0..rng.below(12) {
                let first = rng.below(count);
                let most = [20, 6000][rng.below(2) as usize];
                let end = (first + 1 + rng.below(most)).min(count);
                bits.set(first, end);
                plain[first as usize..end as usize].fill(true);
            }
            for _ in 0..200 {
                let (sector, most) = (rng.below(count), 1 + rng.below(9000));
                let side = plain[sector as usize];
                let same = plain[sector as usize..].iter().take_while(|&&other| other == side).count();
                assert_eq!(bits.run(sector, most), (side, (same as u64).min(most)));
            }
        }
    }
}
