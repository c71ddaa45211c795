//! Crashes: the power goes at any moment, or the device fails, and what is there afterwards is one of the things that
//! may be there.
//!
//! A [driver] does the operations of a [scenario](scenarios) to a volume on a [recorder](record) and to a
//! [model]. From the recording come [states], each of which is opened, which recovers it, checked, and held against
//! what the model says may be there: a [verdict]. [`trial`] also crashes the recovery, and does new work on what it
//! leaves. [`campaign`] runs all that; [`failing`] has the device fail instead.
//!
//! Everything follows from a seed and a number of a state. `cargo xtask crash` shows one again, or looks for new ones
//! for as long as it is given.

pub mod campaign;
pub mod driver;
pub mod failing;
pub mod image;
pub mod model;
pub mod record;
pub mod scenarios;
mod scripts;
pub mod states;
pub mod trial;
pub mod verdict;
