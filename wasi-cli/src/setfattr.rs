//! `setfattr`: extended attributes set and removed.

use xfskit::units::Ino;
use xfskit::volume::{Follow, SetMode, XattrName};

use crate::address::Address;
use crate::failure::Failure;
use crate::getfattr::parse_name;
use crate::image::{Access, Image, at_each};
use crate::name;
use crate::session::Session;

const AFTER_HELP: &str = "\
A VALUE that starts with 0x is hexadecimal, one that starts with 0s is base64;
any other is text, with or without quotes around it, in which \\\\, \\\" and \\OOO
(octal) stand for single bytes.

Examples:
  xfskit setfattr -n user.origin -v 'https://example.org' disk.img:/a
  xfskit setfattr -x user.origin disk.img:/a";

/// Arguments of `setfattr`.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// Set this attribute (user.NAME, trusted.NAME, security.NAME)
    #[arg(short, long, value_name = "NAME", required_unless_present = "remove", conflicts_with = "remove")]
    name: Option<String>,
    /// Its value; empty without this
    #[arg(short, long, requires = "name", allow_hyphen_values = true)]
    value: Option<String>,
    /// Remove this attribute
    #[arg(short = 'x', long, value_name = "NAME")]
    remove: Option<String>,
    /// Symbolic links themselves, not what they point at
    #[arg(long)]
    no_dereference: bool,
    /// Files
    #[arg(required = true, value_name = "IMAGE:PATH", value_parser = Address::parser())]
    addresses: Vec<Address>,
}

/// Carries it out.
pub(crate) fn run(args: &Args, session: &mut Session) -> Result<(), Failure> {
    let full = args.name.as_ref().or(args.remove.as_ref()).map_or("", String::as_str);
    let name = parse_name(full)?;
    let value = match (&args.remove, &args.value) {
        (Some(_), _) => None,
        (None, text) => {
            let value = decode(text.as_deref().unwrap_or_default());
            Some(value.map_err(|why| Failure::Usage(format!("value: {why}")))?)
        }
    };
    let follow = if args.no_dereference { Follow::No } else { Follow::Yes };
    at_each(&args.addresses, Access::Write, session, |image, address, _| {
        let ino = image.resolve(&address.path, follow)?;
        change(image, ino, &name, value.as_deref())
            .map_err(|error| image.fail(&address.path, &name::escaped(full.as_bytes()), &error))
    })
}

fn change(image: &mut Image, ino: Ino, name: &XattrName, value: Option<&[u8]>) -> xfskit::Result<()> {
    match value {
        Some(value) => image.volume.set_xattr(ino, name.namespace, &name.name, value, SetMode::Either),
        None => image.volume.remove_xattr(ino, name.namespace, &name.name),
    }
}

/// The bytes that a value on the command line stands for.
fn decode(text: &str) -> Result<Vec<u8>, &'static str> {
    match text.as_bytes() {
        [b'0', b'x' | b'X', digits @ ..] => from_hex(digits).ok_or("not hexadecimal"),
        [b'0', b's' | b'S', letters @ ..] => from_base64(letters).ok_or("not base64"),
        [b'"', inner @ .., b'"'] => unescape(inner),
        plain => unescape(plain),
    }
}

fn from_hex(digits: &[u8]) -> Option<Vec<u8>> {
    let digits: Option<Vec<u32>> = digits.iter().map(|&digit| char::from(digit).to_digit(16)).collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0)?;
    digits.chunks(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).ok()).collect()
}

fn from_base64(letters: &[u8]) -> Option<Vec<u8>> {
    let end = letters.iter().rposition(|&letter| letter != b'=').map_or(0, |last| last + 1);
    if letters.len() - end > 2 || !letters.len().is_multiple_of(4) {
        return None;
    }
    let mut bytes = Vec::new();
    let (mut bits, mut count) = (0_u32, 0);
    for &letter in &letters[..end] {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        (bits, count) = (bits << 6 | u32::from(value), count + 6);
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count & 0xff) as u8);
        }
    }
    Some(bytes)
}

fn unescape(text: &[u8]) -> Result<Vec<u8>, &'static str> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, after @ ..] = rest {
        rest = after;
        match (first, after) {
            (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', after @ ..]) => {
                bytes.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                rest = after;
            }
            (b'\\', [next, after @ ..]) => {
                bytes.push(*next);
                rest = after;
            }
            (b'\\', []) => return Err("ends in a backslash"),
            (byte, _) => bytes.push(*byte),
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_text_hexadecimal_or_base64() {
        for (text, bytes) in [
            ("", &b""[..]),
            ("plain", b"plain"),
            ("\"say \\\"hi\\\"\"", b"say \"hi\""),
            ("a\\134\\000b", b"a\\\0b"),
            ("0x01fF", b"\x01\xff"),
            ("0sAf8=", b"\x01\xff"),
            ("0sYWJj", b"abc"),
            ("0s", b""),
        ] {
            assert_eq!(decode(text), Ok(bytes.to_vec()), "{text}");
        }
        for text in ["0x1", "0xgg", "0sA", "0sA===", "0s!!!!", "a\\"] {
            assert!(decode(text).is_err(), "{text}");
        }
    }
}
