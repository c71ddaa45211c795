//! `getfacl`: access control lists, as the tool of that name shows them with `-n`.

use serde::Serialize;
use xfskit::volume::{Acl, AclKind, FileType, Follow, Stat};

use crate::address::Address;
use crate::attributes::each_file;
use crate::failure::Failure;
use crate::image::{Access, Image, at_each};
use crate::output::Output;
use crate::session::Session;
use crate::{acl, name};
use xfskit::units::Ino;

/// Arguments of `getfacl`.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(after_help = "Examples:\n  xfskit getfacl disk.img:/srv\n  xfskit getfacl -R disk.img:/srv")]
pub(crate) struct Args {
    /// Files
    #[arg(required = true, value_name = "IMAGE:PATH", value_parser = Address::parser())]
    addresses: Vec<Address>,
    /// All that is below, too
    #[arg(short = 'R', long)]
    recursive: bool,
    /// Only the lists of access
    #[arg(short, long, conflicts_with = "default")]
    access: bool,
    /// Only the default lists
    #[arg(short, long)]
    default: bool,
    /// Without the lines on file and owners
    #[arg(short = 'c', long)]
    omit_header: bool,
}

#[derive(Debug, Serialize)]
struct JsonFile {
    image: String,
    path: String,
    uid: u32,
    gid: u32,
    mode: u16,
    access: Vec<String>,
    default: Vec<String>,
}

/// Carries it out.
pub(crate) fn run(args: &Args, session: &mut Session) -> Result<(), Failure> {
    let mut out = Output::new();
    let mut json = session.json.then(Vec::new);
    at_each(&args.addresses, Access::Read, session, |image, address, session| {
        each_file(image, address, args.recursive, Follow::Yes, session, |image, ino, path| {
            let stat = image.stat(ino, path)?;
            if stat.file_type == FileType::Symlink {
                return Ok(());
            }
            let (access, default) = lists(image, ino, path, &stat)?;
            if let Some(json) = &mut json {
                json.push(json_file(image, path, &stat, &access, default.as_ref()));
                return Ok(());
            }
            if !args.omit_header {
                out.bytes(header(&image.place(path), &stat).as_bytes())?;
            }
            if !args.default {
                out.bytes(acl::show(&access, "").as_bytes())?;
            }
            if let Some(default) = default.filter(|_| !args.access) {
                let prefix = if args.default { "" } else { "default:" };
                out.bytes(acl::show(&default, prefix).as_bytes())?;
            }
            out.line("")
        })
    })?;
    if let Some(json) = json {
        out.json(&json)?;
    }
    out.finish()
}

/// The lists of a file; the mode stands for that of access where there is none.
fn lists(image: &mut Image, ino: Ino, path: &[u8], stat: &Stat) -> Result<(Acl, Option<Acl>), Failure> {
    let mut list = |kind| image.volume.acl(ino, kind);
    let found = list(AclKind::Access).and_then(|access| Ok((access, list(AclKind::Default)?)));
    let (access, default) = found.map_err(|error| image.fail(path, "cannot read ACL", &error))?;
    Ok((access.unwrap_or_else(|| Acl::from_mode(stat.mode)), default))
}

fn header(place: &str, stat: &Stat) -> String {
    let mut text = format!("# file: {place}\n# owner: {}\n# group: {}\n", stat.uid, stat.gid);
    if stat.mode & 0o7000 != 0 {
        let letters = [(0o4000, 's'), (0o2000, 's'), (0o1000, 't')];
        let flags = letters.map(|(bit, letter)| if stat.mode & bit != 0 { letter } else { '-' });
        text.push_str(&format!("# flags: {}\n", flags.iter().collect::<String>()));
    }
    text
}

fn json_file(image: &Image, path: &[u8], stat: &Stat, access: &Acl, default: Option<&Acl>) -> JsonFile {
    let lines = |acl: &Acl| {
        let text = acl::show(acl, "");
        text.lines().map(|line| line.split('\t').next().unwrap_or_default().to_owned()).collect()
    };
    JsonFile {
        image: image.name().to_owned(),
        path: name::for_json(path),
        uid: stat.uid,
        gid: stat.gid,
        mode: stat.mode,
        access: lines(access),
        default: default.map(lines).unwrap_or_default(),
    }
}
