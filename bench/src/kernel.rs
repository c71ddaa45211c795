//! The kernel's side: a loop mount around the work.

use std::process::Command;

use crate::lab::{IMAGE, Lab, MOUNT};

/// Mounts the lab's image, does the work, makes it durable, unmounts; a failed work is unmounted too.
pub(crate) fn with_mount<'a>(
    lab: &'a Lab,
    work: impl FnOnce(&Lab) -> Result<(), String> + 'a,
) -> impl FnOnce() -> Result<(), String> + 'a {
    move || {
        lab.run(lab.host("mount").args(["-t", "xfs", "-o", "loop,nouuid", IMAGE, MOUNT]))?;
        let worked = work(lab).and_then(|()| lab.run(lab.host("sync").args(["-f", MOUNT])));
        let unmounted = lab.run(lab.host("umount").arg(MOUNT));
        worked.and(unmounted)
    }
}

/// The number of extents that the kernel reports of a file on the lab's image.
pub(crate) fn count_extents(lab: &Lab, file: &str) -> Result<f64, String> {
    let mut count = 0_u32;
    let counting = |lab: &Lab| {
        let mut map = Command::new("xfs_io");
        map.current_dir(&lab.folder).args(["-r", "-c", "fiemap", &format!("{MOUNT}{file}")]);
        let output = map.output().map_err(|error| format!("xfs_io: {error}"))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let is_extent = |line: &&str| line.contains("..") && !line.contains("hole");
        count = u32::try_from(text.lines().filter(is_extent).count()).unwrap_or(u32::MAX);
        Ok(())
    };
    with_mount(lab, counting)()?;
    Ok(f64::from(count))
}
