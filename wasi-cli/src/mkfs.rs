//! `mkfs`: a fresh volume in a file or on a block device.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use uuid::Uuid;
use xfskit::device::{BlockDevice, DeviceError, FileDevice};
use xfskit::mkfs::FormatOptions;
use xfskit::{Error, Volume};

use crate::address::{Address, show_path};
use crate::failure::Failure;
use crate::image::{Access, lock};
use crate::output::Output;
use crate::session::Session;
use crate::{host, size};

const AFTER_HELP: &str = "\
A file that does not exist is made, sparse, with --size bytes; an existing
file or device keeps its size unless --size is given. What is not empty is
only overwritten with --force.

Examples:
  xfskit mkfs disk.img --size 1G
  xfskit mkfs disk.img --size 64M --small
  xfskit mkfs disk.img --size 10G --block-size 1K --label data --force";

/// How much at the start is looked at to tell whether there is something to lose.
const PROBE_BYTES: u64 = 1 << 18;

/// Arguments of `mkfs`.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// Image to make
    #[arg(value_name = "IMAGE", value_parser = Address::image_parser())]
    image: PathBuf,
    /// Size of the image: bytes, or with a suffix K, M, G, T or P
    #[arg(short, long, value_parser = size::parse)]
    size: Option<u64>,
    /// Size of a block: 1K to 64K
    #[arg(short, long, value_name = "SIZE", value_parser = size::parse, default_value = "4096")]
    block_size: u64,
    /// Label, at most 12 bytes
    #[arg(short = 'L', long, default_value = "")]
    label: String,
    /// UUID, instead of a random one
    #[arg(long)]
    uuid: Option<Uuid>,
    /// Leave parent pointers out
    #[arg(long)]
    no_parent: bool,
    /// Overwrite what is there
    #[arg(short, long)]
    force: bool,
    /// Allow sizes below 300 MB, down to 16 MiB
    #[arg(long)]
    small: bool,
    /// Print nothing
    #[arg(short, long)]
    quiet: bool,
}

/// Carries it out.
pub(crate) fn run(args: &Args, session: &mut Session) -> Result<(), Failure> {
    let name = show_path(&args.image);
    if session.read_only {
        return Err(Failure::new(name, "", "not made: --read-only was given"));
    }
    let existing = open_existing(&args.image).map_err(|error| Failure::io(&name, "cannot open", &error))?;
    let (file, is_new, options, len_bytes) = match existing {
        Some(mut file) => {
            lock(&file, Access::Write).map_err(|why| Failure::new(&name, "cannot lock", why))?;
            if !args.force {
                refuse_contents(&mut file, &name)?;
            }
            let len = file.seek(SeekFrom::End(0));
            let len = len.map_err(|error| Failure::io(&name, "cannot find its size", &error))?;
            let (options, len) = plan(args, &name, Some(len))?;
            (file, false, options, len)
        }
        None => {
            let (options, len) = plan(args, &name, None)?;
            let file = OpenOptions::new().read(true).write(true).create_new(true).open(&args.image);
            let file = file.map_err(|error| Failure::io(&name, "cannot create", &error))?;
            lock(&file, Access::Write).map_err(|why| Failure::new(&name, "cannot lock", why))?;
            (file, true, options, len)
        }
    };
    let outcome = make(file, options, len_bytes, &name);
    if outcome.is_err() && is_new {
        // What came of it is no volume, and was nothing before.
        let _ = std::fs::remove_file(&args.image);
    }
    let volume = outcome?;
    if args.quiet {
        return Ok(());
    }
    let mut out = Output::new();
    out.line(format_args!("{name}: {}", describe(&volume)))?;
    out.finish()
}

/// Decides on options and size, and has them checked before anything is touched.
fn plan(args: &Args, name: &str, existing: Option<u64>) -> Result<(FormatOptions, u64), Failure> {
    let len_bytes = match (args.size, existing) {
        (Some(size), _) => size,
        (None, Some(len)) if len > 0 => len,
        (None, _) => return Err(Failure::Usage(format!("{name}: --size is needed"))),
    };
    let uuid = args.uuid.unwrap_or_else(Uuid::new_v4);
    let seed = Uuid::new_v4().as_u128() as u32;
    let mut options = FormatOptions::new(uuid, host::now(), seed);
    options.block_size = u32::try_from(args.block_size).unwrap_or(u32::MAX);
    options.label = args.label.clone().into_bytes();
    options.small = args.small;
    options.parent = !args.no_parent;
    match Volume::format(Box::new(Nothing { len_bytes }), &options) {
        Err(Error::Device(DeviceError::ReadOnly)) | Ok(_) => Ok((options, len_bytes)),
        Err(error) => Err(Failure::new(name, "cannot make volume", error)),
    }
}

fn make(file: File, mut options: FormatOptions, len_bytes: u64, name: &str) -> Result<Volume, Failure> {
    let io = |what: &'static str| move |error| Failure::io(name, what, &error);
    let is_file = file.metadata().map_err(io("cannot stat"))?.is_file();
    if is_file {
        // Emptied first, it reads as zeros all over and takes no space.
        file.set_len(0).and_then(|()| file.set_len(len_bytes)).map_err(io("cannot set its size"))?;
        options.assume_zeroed = true;
    }
    let device = FileDevice::new(file, false).map_err(io("cannot open"))?;
    if !is_file && device.len_bytes() != len_bytes {
        return Err(Failure::new(name, "", "the size of a device cannot be chosen"));
    }
    let device = Volume::format(Box::new(device), &options)
        .map_err(|error| Failure::new(name, "cannot make volume", error))?;
    Volume::open(device, &xfskit::volume::OpenOptions::default())
        .map_err(|error| Failure::new(name, "cannot open volume", error))
}

fn open_existing(path: &Path) -> std::io::Result<Option<File>> {
    match OpenOptions::new().read(true).write(true).open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Refuses to overwrite anything but zeros.
fn refuse_contents(file: &mut File, name: &str) -> Result<(), Failure> {
    let mut start = Vec::new();
    file.take(PROBE_BYTES)
        .read_to_end(&mut start)
        .map_err(|error| Failure::io(name, "cannot read", &error))?;
    if start.iter().all(|&byte| byte == 0) {
        return Ok(());
    }
    let what = if start.starts_with(b"XFSB") { "an XFS volume" } else { "data" };
    Err(Failure::new(name, "", format!("holds {what}; --force overwrites it")))
}

fn describe(volume: &Volume) -> String {
    let geometry = volume.geometry();
    format!(
        "XFS, {} in {} AGs of {}, blocks of {} bytes, log of {}, uuid {}",
        size::human(geometry.dblocks << geometry.blocklog),
        geometry.agcount,
        size::human(u64::from(geometry.agblocks) << geometry.blocklog),
        geometry.blocksize,
        size::human(u64::from(geometry.logblocks) << geometry.blocklog),
        geometry.uuid
    )
}

/// A device that has a length and nothing else: what can be made on it can be asked without making it.
struct Nothing {
    len_bytes: u64,
}

impl BlockDevice for Nothing {
    fn len_bytes(&self) -> u64 {
        self.len_bytes
    }

    fn read_at(&mut self, _offset: u64, buf: &mut [u8]) -> Result<(), DeviceError> {
        buf.fill(0);
        Ok(())
    }

    fn write_at(&mut self, _offset: u64, _buf: &[u8]) -> Result<(), DeviceError> {
        Err(DeviceError::ReadOnly)
    }

    fn flush(&mut self) -> Result<(), DeviceError> {
        Ok(())
    }

    fn is_read_only(&self) -> bool {
        true
    }
}
