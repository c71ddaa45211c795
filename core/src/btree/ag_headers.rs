//! AGF and AGI as the btrees of an AG see them: verified views inside a transaction.

use zerocopy::FromBytes;

use crate::error::{Error, Place, Problem, Result};
use crate::format::BlockKind;
use crate::format::agf::Agf;
use crate::format::agi::Agi;
use crate::geometry::Geometry;
use crate::journal::{Locator, Transaction};
use crate::units::{AgBlock, AgNumber, Daddr};

/// Where the AGF of `ag` lies.
#[must_use]
pub fn agf_locator(geometry: &Geometry, ag: AgNumber) -> Locator {
    sector(geometry, ag, 1, &[BlockKind::Agf])
}

/// Where the AGI of `ag` lies.
#[must_use]
pub fn agi_locator(geometry: &Geometry, ag: AgNumber) -> Locator {
    sector(geometry, ag, 2, &[BlockKind::Agi])
}

/// Where the AGFL of `ag` lies.
#[must_use]
pub fn agfl_locator(geometry: &Geometry, ag: AgNumber) -> Locator {
    sector(geometry, ag, 3, &[BlockKind::Agfl])
}

fn sector(geometry: &Geometry, ag: AgNumber, number: u32, kinds: &'static [BlockKind]) -> Locator {
    Locator::new(kinds, geometry.ag_sector(ag, number), geometry.sectsize, Some(ag.0.into()))
}

fn check(
    ag: AgNumber,
    structure: &'static str,
    field: &'static str,
    expected: u32,
    found: u32,
) -> Result<()> {
    if expected == found {
        return Ok(());
    }
    let problem = Problem::Value { field, expected: expected.into(), found: found.into() };
    Err(Error::corrupt(structure, Place::ag(ag), problem))
}

/// The AGF of `ag`.
///
/// # Errors
/// Those of reading it; corruption when its length is not the AG's.
pub fn agf<'t>(tx: &'t mut Transaction<'_>, ag: AgNumber) -> Result<&'t Agf> {
    let (at, length) = (agf_locator(tx.geometry(), ag), tx.geometry().ag_len(ag));
    let agf = Agf::ref_from_prefix(tx.read(&at)?).expect("a sector holds an AGF").0;
    check(ag, "AGF", "length", length, agf.length.get())?;
    Ok(agf)
}

/// The AGF of `ag`, to change it.
///
/// # Errors
/// Those of [`agf`].
pub fn agf_mut<'t>(tx: &'t mut Transaction<'_>, ag: AgNumber) -> Result<&'t mut Agf> {
    agf(tx, ag)?;
    let at = agf_locator(tx.geometry(), ag);
    let bytes = tx.modify(&at, 0..size_of::<Agf>())?;
    Ok(Agf::mut_from_prefix(bytes).expect("a sector holds an AGF").0)
}

/// The AGI of `ag`.
///
/// # Errors
/// Those of reading it; corruption when its length is not the AG's.
pub fn agi<'t>(tx: &'t mut Transaction<'_>, ag: AgNumber) -> Result<&'t Agi> {
    let (at, length) = (agi_locator(tx.geometry(), ag), tx.geometry().ag_len(ag));
    let agi = Agi::ref_from_prefix(tx.read(&at)?).expect("a sector holds an AGI").0;
    check(ag, "AGI", "length", length, agi.length.get())?;
    Ok(agi)
}

/// The AGI of `ag`, to change it.
///
/// # Errors
/// Those of [`agi`].
pub fn agi_mut<'t>(tx: &'t mut Transaction<'_>, ag: AgNumber) -> Result<&'t mut Agi> {
    agi(tx, ag)?;
    let at = agi_locator(tx.geometry(), ag);
    let bytes = tx.modify(&at, 0..size_of::<Agi>())?;
    Ok(Agi::mut_from_prefix(bytes).expect("a sector holds an AGI").0)
}

/// Disk address of an AG block that a tree of `ag` points to.
pub(super) fn ag_ptr(geometry: &Geometry, ag: AgNumber, ptr: u64) -> Option<Daddr> {
    let agblock = AgBlock(u32::try_from(ptr).ok()?);
    geometry.is_valid_ag_extent(ag, agblock, 1).then(|| geometry.ag_daddr(ag, agblock))
}

/// The part of [`Tree`](super::Tree) that is the same for every tree rooted in an AG header.
///
/// `$ag` is the field of the tree that holds its AG number; the header is read by `$header` and changed by
/// `$header_mut`, and keeps root and height in `$root` and `$level`.
macro_rules! rooted_in_ag_header {
    ($ag:tt, $header:ident, $header_mut:ident, $root:ident, $level:ident) => {
        fn owner(&self) -> u64 {
            self.$ag.0.into()
        }

        fn daddr(&self, geometry: &Geometry, ptr: u64) -> Option<Daddr> {
            $crate::btree::ag_headers::ag_ptr(geometry, self.$ag, ptr)
        }

        fn root(&self, tx: &mut Transaction<'_>) -> Result<Root> {
            let header = $crate::btree::ag_headers::$header(tx, self.$ag)?;
            Ok(Root::Block { ptr: header.$root.get().into(), height: header.$level.get() as usize })
        }

        fn set_root(&self, tx: &mut Transaction<'_>, ptr: u64, height: usize) -> Result<()> {
            let header = $crate::btree::ag_headers::$header_mut(tx, self.$ag)?;
            header.$root.set(ptr as u32);
            header.$level.set(height as u32);
            Ok(())
        }
    };
}
pub(super) use rooted_in_ag_header;
