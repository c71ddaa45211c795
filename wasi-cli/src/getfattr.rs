//! `getfattr`: extended attributes, as the tool of that name shows them.

use clap::ValueEnum;
use serde::Serialize;
use xfskit::volume::{Follow, Namespace, XattrName};

use crate::address::Address;
use crate::failure::Failure;
use crate::image::{Access, Image, at_each};
use crate::name;
use crate::output::Output;
use crate::session::Session;

const AFTER_HELP: &str = "\
All namespaces are shown: user, trusted, security; access control lists are
there as trusted.SGI_ACL_FILE and trusted.SGI_ACL_DEFAULT.

Examples:
  xfskit getfattr -d disk.img:/a
  xfskit getfattr -n security.capability -e hex disk.img:/bin/ping";

/// Arguments of `getfattr`.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// Files
    #[arg(required = true, value_name = "IMAGE:PATH", value_parser = Address::parser())]
    addresses: Vec<Address>,
    /// Values too, not only names
    #[arg(short, long)]
    dump: bool,
    /// Only this attribute, with its value (user.NAME, trusted.NAME, security.NAME)
    #[arg(short, long, value_name = "NAME")]
    name: Option<String>,
    /// How values are shown. Without it: text where it is printable, else base64
    #[arg(short, long)]
    encoding: Option<Encoding>,
    /// Symbolic links themselves, not what they point at
    #[arg(long)]
    no_dereference: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Encoding {
    Text,
    Hex,
    Base64,
}

#[derive(Debug, Serialize)]
struct JsonFile {
    image: String,
    path: String,
    attributes: Vec<JsonAttribute>,
}

#[derive(Debug, Serialize)]
struct JsonAttribute {
    name: String,
    size: usize,
    /// As names are written.
    value: String,
    value_base64: String,
}

/// Carries it out.
pub(crate) fn run(args: &Args, session: &mut Session) -> Result<(), Failure> {
    let wanted = args.name.as_deref().map(parse_name).transpose()?;
    let follow = if args.no_dereference { Follow::No } else { Follow::Yes };
    let mut out = Output::new();
    let mut json = session.json.then(Vec::new);
    at_each(&args.addresses, Access::Read, session, |image, address, _| {
        let attributes = gather(image, address, follow, wanted.as_ref())?;
        if let Some(json) = &mut json {
            json.push(json_file(image, address, &attributes));
            return Ok(());
        }
        if attributes.is_empty() {
            return Ok(());
        }
        out.line(format_args!("# file: {address}"))?;
        for (name, value) in attributes {
            let name = name::escaped(&name.full_name());
            if args.dump || wanted.is_some() {
                out.line(format_args!("{name}={}", show(&value, args.encoding)))?;
            } else {
                out.line(name)?;
            }
        }
        out.line("")
    })?;
    if let Some(json) = json {
        out.json(&json)?;
    }
    out.finish()
}

/// The attribute of that full name.
pub(crate) fn parse_name(full: &str) -> Result<XattrName, Failure> {
    for namespace in [Namespace::User, Namespace::Trusted, Namespace::Security] {
        if let Some(name) = full.as_bytes().strip_prefix(namespace.prefix()).filter(|name| !name.is_empty()) {
            return Ok(XattrName { namespace, name: name.to_vec() });
        }
    }
    let why = "an attribute's name starts with user., trusted. or security.";
    Err(Failure::Usage(format!("{}: {why}", name::escaped(full.as_bytes()))))
}

/// Attributes by name, with their values.
fn gather(
    image: &mut Image,
    address: &Address,
    follow: Follow,
    wanted: Option<&XattrName>,
) -> Result<Vec<(XattrName, Vec<u8>)>, Failure> {
    let ino = image.resolve(&address.path, follow)?;
    let names = match wanted {
        Some(name) => vec![name.clone()],
        None => {
            let names = image.volume.list_xattrs(ino);
            let mut names =
                names.map_err(|error| image.fail(&address.path, "cannot list attributes", &error))?;
            names.sort_unstable();
            names
        }
    };
    let mut attributes = Vec::with_capacity(names.len());
    for name in names {
        let value = image
            .volume
            .xattr(ino, name.namespace, &name.name)
            .map_err(|error| image.fail(&address.path, &name::escaped(&name.full_name()), &error))?;
        attributes.push((name, value));
    }
    Ok(attributes)
}

fn json_file(image: &Image, address: &Address, attributes: &[(XattrName, Vec<u8>)]) -> JsonFile {
    JsonFile {
        image: image.name().to_owned(),
        path: name::for_json(&address.path),
        attributes: attributes
            .iter()
            .map(|(name, value)| JsonAttribute {
                name: name::for_json(&name.full_name()),
                size: value.len(),
                value: name::for_json(value),
                value_base64: name::base64(value),
            })
            .collect(),
    }
}

fn show(value: &[u8], encoding: Option<Encoding>) -> String {
    let encoding = encoding.unwrap_or_else(|| {
        let is_text = str::from_utf8(value).is_ok_and(|text| !text.chars().any(char::is_control));
        if is_text { Encoding::Text } else { Encoding::Base64 }
    });
    match encoding {
        Encoding::Text => format!("\"{}\"", name::escaped(value).replace('"', "\\\"")),
        Encoding::Hex => format!("0x{}", name::hex(value)),
        Encoding::Base64 => format!("0s{}", name::base64(value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_show_as_getfattr_has_them() {
        assert_eq!(show(b"say \"hi\"", None), "\"say \\\"hi\\\"\"");
        assert_eq!(show(b"\x01\xff", None), "0sAf8=");
        assert_eq!(show(b"\x01\xff", Some(Encoding::Hex)), "0x01ff");
        assert_eq!(show(b"\x01\xff", Some(Encoding::Text)), "\"\\001\\377\"");
    }

    #[test]
    fn names_need_a_namespace() {
        assert!(parse_name("user.x").is_ok());
        assert!(parse_name("user.").is_err());
        assert!(parse_name("system.posix_acl_access").is_err());
    }
}
