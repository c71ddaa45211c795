//! The primary superblock's counters, and its copies in every other AG.

use core::mem::offset_of;

use zerocopy::FromBytes;

use super::context::{Context, State};
use crate::error::{Place, Problem, Result};
use crate::format::BlockKind;
use crate::format::features::{Incompat, Version};
use crate::format::superblock::RawSuperblock;
use crate::units::{AgBlock, AgNumber, Daddr};

const NAME: &str = "superblock";

/// Checks the primary superblock, and every copy.
pub(super) fn check(cx: &mut Context<'_>, primary: &RawSuperblock) -> Result<()> {
    let place = Place::daddr(Daddr(0));
    cx.report.expect(NAME, place, "bad_features2", primary.features2.get(), primary.bad_features2.get());
    if cx.geometry.incompat.contains(Incompat::NEEDSREPAIR) {
        cx.report.rule(NAME, place, "the volume is flagged as needing repair");
    }
    check_stripe(cx, place, primary);
    if primary.rblocks.get() != 0 {
        cx.report.warn(NAME, place, Problem::Rule("realtime device: not checked"));
    }
    if cx.geometry.version.contains(Version::QUOTA) {
        cx.report.warn(NAME, place, Problem::Rule("quota: counts are not checked"));
    }
    for ag in cx.geometry.ags() {
        check_copy(cx, ag, primary)?;
    }
    Ok(())
}

/// Stripe unit and width are set together, and the width is a multiple of the unit.
fn check_stripe(cx: &mut Context<'_>, place: Place, primary: &RawSuperblock) {
    let (unit, width) = (primary.unit.get(), primary.width.get());
    let is_striped = cx.geometry.version.contains(Version::DALIGN);
    let is_legal = if is_striped {
        unit > 0 && width > 0 && width.is_multiple_of(unit)
    } else {
        unit == 0 && width == 0
    };
    if !is_legal {
        cx.report.bounds(NAME, place, "unit or width", u64::from(width) << 32 | u64::from(unit));
    }
}

/// Counters, and fields that mkfs leaves unfinished, may differ: only the primary is kept up to date.
fn check_copy(cx: &mut Context<'_>, ag: AgNumber, primary: &RawSuperblock) -> Result<()> {
    let offset = cx.geometry.ag_byte(ag, AgBlock(0));
    let place = Place::ag(ag).at(Daddr(offset >> 9));
    let len = cx.geometry.sectsize as usize;
    let Some((_, bytes)) = cx.block(&[BlockKind::Superblock], offset, len, 0, place)? else { return Ok(()) };
    let metadir = Incompat::from_bits_retain(primary.features_incompat.get()).contains(Incompat::METADIR);
    let used = if metadir { size_of::<RawSuperblock>() } else { offset_of!(RawSuperblock, metadirino) };
    if bytes.iter().skip(used).any(|&byte| byte != 0) {
        cx.report.rule(NAME, place, "the unused part of the sector is not zero");
    }
    let (copy, _) = RawSuperblock::read_from_prefix(&bytes).expect("a sector holds a superblock");
    let is_used = |ino: u64| ino != 0 && ino != u64::MAX;
    let quota = [copy.uquotino, copy.gquotino, copy.pquotino].map(|ino| is_used(ino.get()));
    if ag.0 > 0 && quota.contains(&true) {
        cx.report.rule(NAME, place, "a copy names quota inodes");
    }
    if ag.0 > 0 {
        cx.report.expect(NAME, place, "qflags", 0_u32, copy.qflags.get());
    }
    if primary.rblocks.get() == 0 {
        cx.report.expect(NAME, place, "frextents", 0_u32, copy.frextents.get());
    }
    // A mount option may change the stripes in the primary, but does not make them.
    if !cx.geometry.version.contains(Version::DALIGN) {
        cx.report.expect(NAME, place, "unit", 0_u32, copy.unit.get());
        cx.report.expect(NAME, place, "width", 0_u32, copy.width.get());
    }
    // Set when first used, in the primary only.
    let version = |sb: &RawSuperblock| sb.versionnum.get() & !(Version::ATTR | Version::QUOTA).bits();
    let incompat = |sb: &RawSuperblock| sb.features_incompat.get() & !Incompat::NEEDSREPAIR.bits();
    let mut same = |field, primary: u64, copy: u64| cx.report.expect(NAME, place, field, primary, copy);
    macro_rules! same {
        ($($field:ident)+) => { $(same(stringify!($field), primary.$field.get().into(), copy.$field.get().into());)+ };
    }
    macro_rules! same_bytes {
        ($($field:ident)+) => { $(same(stringify!($field), primary.$field.into(), copy.$field.into());)+ };
    }
    same!(blocksize dblocks rblocks rextents logstart rextsize agblocks agcount rbmblocks logblocks);
    same!(sectsize inodesize inopblock inoalignmt logsectsize logsunit features2 spino_align);
    same!(features_compat features_ro_compat);
    same_bytes!(blocklog sectlog inodelog inopblog agblklog rextslog dirblklog logsectlog);
    same("versionnum", version(primary).into(), version(&copy).into());
    same("features_incompat", incompat(primary).into(), incompat(&copy).into());
    if (copy.uuid, copy.meta_uuid) != (primary.uuid, primary.meta_uuid) {
        cx.report.damage(NAME, place, Problem::Uuid);
    }
    Ok(())
}

/// The counters are sums over the AGs.
pub(super) fn check_counters(cx: &mut Context<'_>, state: &State, primary: &RawSuperblock) {
    let known = state.ags.iter().all(|ag| ag.counts.is_known);
    let sum = |count: fn(&super::context::AgCounts) -> u64| -> u64 {
        state.ags.iter().map(|ag| count(&ag.counts)).fold(0, u64::saturating_add)
    };
    let free = sum(|counts| counts.free_blocks);
    cx.report.summary.free_fsblocks = free;
    if known {
        let place = Place::daddr(Daddr(0));
        cx.report.expect(NAME, place, "icount", sum(|counts| counts.inodes), primary.icount.get());
        cx.report.expect(NAME, place, "ifree", sum(|counts| counts.free_inodes), primary.ifree.get());
        cx.report.expect(NAME, place, "fdblocks", free, primary.fdblocks.get());
    }
}
