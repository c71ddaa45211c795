//! `mknod` and `mkfifo`.

use xfskit::volume::{FileType, NewInode};

use crate::address::Address;
use crate::failure::Failure;
use crate::image::{Access, at_each};
use crate::mode::Mode;
use crate::session::Session;

/// Arguments of `mknod`.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(after_help = "Example:\n  xfskit mknod disk.img:/dev/null c 1 3")]
pub(crate) struct MknodArgs {
    /// The node to make
    #[arg(value_name = "IMAGE:PATH", value_parser = Address::parser())]
    address: Address,
    /// b: block device; c or u: character device; p: fifo; s: socket
    #[arg(value_name = "TYPE", value_parser = parse_type)]
    file_type: FileType,
    /// Major number of a device
    #[arg(value_parser = number)]
    major: Option<u32>,
    /// Minor number of a device
    #[arg(value_parser = number)]
    minor: Option<u32>,
    /// Permissions, as in chmod
    #[arg(short, long, default_value = "644", value_parser = Mode::parse)]
    mode: Mode,
}

/// Arguments of `mkfifo`.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub(crate) struct MkfifoArgs {
    /// Fifos to make
    #[arg(required = true, value_name = "IMAGE:PATH", value_parser = Address::parser())]
    addresses: Vec<Address>,
    /// Permissions, as in chmod
    #[arg(short, long, default_value = "644", value_parser = Mode::parse)]
    mode: Mode,
}

fn parse_type(text: &str) -> Result<FileType, String> {
    match text {
        "b" => Ok(FileType::BlockDevice),
        "c" | "u" => Ok(FileType::CharDevice),
        "p" => Ok(FileType::Fifo),
        "s" => Ok(FileType::Socket),
        _ => Err("the type is one of b, c, u, p, s".to_owned()),
    }
}

/// Decimal, 0x hexadecimal or 0 octal.
fn number(text: &str) -> Result<u32, String> {
    let parsed = match (text.strip_prefix("0x"), text.strip_prefix('0')) {
        (Some(digits), _) => u32::from_str_radix(digits, 16),
        (None, Some(digits)) if !digits.is_empty() => u32::from_str_radix(digits, 8),
        _ => text.parse(),
    };
    parsed.map_err(|_| format!("invalid number {text}"))
}

/// Carries out `mknod`.
pub(crate) fn mknod(args: &MknodArgs, session: &mut Session) -> Result<(), Failure> {
    let is_device = matches!(args.file_type, FileType::CharDevice | FileType::BlockDevice);
    let rdev = match (is_device, args.major, args.minor) {
        (true, Some(major), Some(minor)) => (major, minor),
        (false, None, None) => (0, 0),
        (true, ..) => return Err(Failure::Usage("a device has a major and a minor number".to_owned())),
        (false, ..) => return Err(Failure::Usage("only devices have numbers".to_owned())),
    };
    make(std::slice::from_ref(&args.address), args.file_type, rdev, &args.mode, session)
}

/// Carries out `mkfifo`.
pub(crate) fn mkfifo(args: &MkfifoArgs, session: &mut Session) -> Result<(), Failure> {
    make(&args.addresses, FileType::Fifo, (0, 0), &args.mode, session)
}

fn make(
    addresses: &[Address],
    file_type: FileType,
    rdev: (u32, u32),
    mode: &Mode,
    session: &mut Session,
) -> Result<(), Failure> {
    let new = NewInode { mode: mode.apply(0o666, false), uid: 0, gid: 0 };
    at_each(addresses, Access::Write, session, |image, address, _| {
        let (parent, name) = image.parent_of(&address.path)?;
        let made = image.volume.mknod(parent, &name, file_type, rdev, &new);
        made.map(drop).map_err(|error| image.fail(&address.path, "cannot create", &error))
    })
}
