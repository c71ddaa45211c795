//! The command `xfskit`.
fn main() {}
