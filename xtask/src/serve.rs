//! `cargo xtask serve`: builds the package and the playground, and serves them over loopback.

use crate::report::{Outcome, Report, Result, failure};
use crate::setup::node;
use crate::{npm, pages, run, setup};

/// Where the playground's sources are.
const PLAYGROUND: &str = "www";
/// Where it is served if nothing is said and it is free.
const PORT: &str = "8080";

/// Builds and serves until it is interrupted; `args` may name a port.
pub(crate) fn run(report: &mut Report, args: &[String]) -> Result<()> {
    let port = match args {
        [] => PORT,
        [port] if port.parse::<u16>().is_ok() => port,
        _ => return failure("serve takes no argument but the number of a port"),
    };
    setup::for_package(report)?;
    npm::run(report)?;
    playground(report)?;
    report.section("serving");
    let status = pages::program("server.js").arg(port).status()?;
    if status.success() { Ok(()) } else { failure(format!("the server ended with {status}")) }
}

/// Builds the playground, whose package must be there.
pub(crate) fn playground(report: &mut Report) -> Result<()> {
    report.step("the playground", || {
        run::logged(node::npm().args(["run", "build", "--workspace", PLAYGROUND]), "playground-build")?;
        Ok(Outcome::done())
    })
}
