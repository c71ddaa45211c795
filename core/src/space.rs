//! Space of the volume: free extents, the AGFL, reverse mappings, reference counts, and what is kept in reserve.
//!
//! Invariants kept here:
//! * bnobt and cntbt hold the same extents; none of them is adjacent to another;
//! * before a tree of an AG changes, its AGFL holds enough blocks for that tree to split on every level;
//! * blocks that are busy (freed, not yet durable) or promised (wanted by a file's writeback) are not handed out;
//! * every AG keeps back what its refcountbt, rmapbt and finobt may still grow by, so that they never fail to.

pub mod agfl;
pub mod alloc;
pub mod counters;
pub mod free_extents;
pub mod refcount;
pub mod reserve;
pub mod rmap;
pub mod source;
