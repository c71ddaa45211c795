//! Opening costs the same at 1 GiB and at 1 PiB.

use crate::lab::{Lab, MOUNT, Options, Runner};
use crate::sample::Sample;

/// Holds the image of 1 PiB, which is more than most filesystems let one file be; XFS does.
const HOST: &str = "host.img";

/// Times `info` on an image of either size.
pub(crate) fn run(lab: &Lab, options: &Options) -> Result<(), String> {
    lab.run(lab.host("rm").args(["-f", HOST]))?;
    lab.run(lab.host("mkfs.xfs").args(["-q", "-d", &format!("file,name={HOST},size=8g")]))?;
    lab.run(lab.host("mount").args(["-t", "xfs", "-o", "loop", HOST, MOUNT]))?;
    let measured = compare(lab, options);
    lab.run(lab.host("umount").arg(MOUNT))?;
    lab.run(lab.host("rm").args(["-f", HOST]))?;
    match measured {
        Ok((small, big)) => println!("\nopening (`info`): {small:.1} ms at 1 GiB, {big:.1} ms at 1 PiB"),
        Err(error) => println!("\nopening (`info`): failed: {error}"),
    }
    Ok(())
}

/// Medians in milliseconds.
fn compare(lab: &Lab, options: &Options) -> Result<(f64, f64), String> {
    let mut medians = Vec::new();
    for (name, size) in [("small", "1g"), ("big", "1p")] {
        let path = format!("{MOUNT}/{name}");
        let data = format!("file,name={path},size={size}");
        lab.run(lab.host("mkfs.xfs").args([
            "-q",
            "-m",
            "rmapbt=1,reflink=1",
            "-l",
            "size=64m",
            "-d",
            &data,
        ]))?;
        let open = || lab.timed(|| lab.run(&mut lab.xfskit(Runner::Host, &["info", &path])));
        medians.push(Sample::take(options.runs.max(9), open)?.median_ms());
    }
    Ok((medians[0], medians[1]))
}
