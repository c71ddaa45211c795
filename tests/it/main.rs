//! Tests that cross crates, in one binary.

mod golden;
mod harness;
