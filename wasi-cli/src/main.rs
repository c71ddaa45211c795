//! The command `xfskit`: make, read, edit, clone in and check XFS images without mounting them.
//!
//! One source for the host and for wasm32-wasip1. Every command is a module with its arguments and a `run`; what
//! they share lies beside them: addresses, images, failures, output.

mod acl;
mod address;
mod archive;
mod args;
mod attributes;
mod cat;
mod chattr;
mod check;
mod cp;
mod directories;
mod export;
mod extents;
mod failure;
mod fallocate;
mod getfacl;
mod getfattr;
mod host;
mod image;
mod import;
mod info;
mod ln;
mod log;
mod ls;
mod mkfs;
mod mknod;
mod mode;
#[cfg(target_os = "linux")]
mod mount;
mod mv;
mod name;
mod output;
mod path;
mod pax;
mod progress;
mod recover;
mod replace;
mod rm;
mod session;
mod setfacl;
mod setfattr;
mod size;
mod stat;
mod time;
mod transfer;
mod tree;
mod usage;
mod walk;
mod write;

use std::process::ExitCode;

use clap::Parser as _;

use crate::args::Cli;
use crate::session::Session;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let mut session = Session::new(cli.json, cli.read_only);
    if let Err(failure) = cli.command.run(&mut session) {
        session.report(&failure);
    }
    session.exit_code()
}
