//! Something new in the place of what has its name: it is made beside that, and moved over it when it is whole, so that
//! what fails loses nothing.

use xfskit::error::Mistake;
use xfskit::units::Ino;
use xfskit::volume::RenameMode;
use xfskit::{Error, Result, Volume};

/// A name that nothing in a directory has.
pub(crate) fn free_name(volume: &mut Volume, dir: Ino) -> Result<Vec<u8>> {
    let mut number = 0_u64;
    loop {
        let name = format!(".xfskit-{number}").into_bytes();
        match volume.lookup(dir, &name) {
            Ok(_) => number += 1,
            Err(Error::Invalid(Mistake::NotFound)) => return Ok(name),
            Err(error) => return Err(error),
        }
    }
}

/// Gives `name` to what was made as `aside` in the same directory. What had it goes; if that fails, `aside` goes.
pub(crate) fn put_over(volume: &mut Volume, dir: Ino, aside: &[u8], name: &[u8]) -> Result<()> {
    let moved = volume.rename(dir, aside, dir, name, RenameMode::Replace);
    // It is there still as well where both are names of one file.
    let _ = volume.unlink(dir, aside);
    moved
}

/// The same for a directory that is to have the name of something else.
pub(crate) fn put_dir_over(volume: &mut Volume, dir: Ino, aside: &[u8], name: &[u8]) -> Result<()> {
    let moved = volume.rename(dir, aside, dir, name, RenameMode::Exchange);
    match moved {
        Ok(()) => volume.unlink(dir, aside),
        Err(error) => volume.rmdir(dir, aside).and(Err(error)),
    }
}
