//! Tests that cross crates, in one binary.

mod allocation;
mod attributes;
mod check;
mod cli;
mod cli_attributes;
mod cli_cp;
mod cli_log;
mod cli_names;
mod crash;
mod crash_linux;
mod directories;
mod export;
mod fuzz;
mod golden;
mod growth;
mod harness;
mod import;
mod mkfs;
mod names;
mod pipeline;
mod reading;
mod recovery;
mod recovery_items;
mod refusals;
mod writing;
mod xattrs;
