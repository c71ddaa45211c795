//! Addresses as in scp: `IMAGE:/PATH` names a path inside an image, everything else a path of the host.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};

use clap::builder::{OsStringValueParser, TypedValueParser, ValueParser};

use crate::host;
use crate::name;

/// A path inside an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    /// The image, a file or block device of the host.
    pub(crate) image: PathBuf,
    /// Absolute path inside it.
    pub(crate) path: Vec<u8>,
}

/// Either side of a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// A path of the host.
    Host(PathBuf),
    /// A path inside an image.
    Image(Address),
}

impl Address {
    /// Accepts `IMAGE:/PATH` and `IMAGE:`.
    pub(crate) fn parser() -> ValueParser {
        OsStringValueParser::new().try_map(|text| Self::parse(&text)).into()
    }

    /// Accepts what [`Address::parser`] does.
    pub(crate) fn parse(text: &OsStr) -> Result<Self, String> {
        match Target::parse(text)? {
            Target::Image(address) => Ok(address),
            Target::Host(_) => {
                Err("expected IMAGE:PATH with an absolute PATH (IMAGE: is its root directory)".to_owned())
            }
        }
    }

    /// Accepts an image by itself: `IMAGE`, or `IMAGE:` out of habit.
    pub(crate) fn image_parser() -> ValueParser {
        OsStringValueParser::new()
            .try_map(|text| match Target::parse(&text)? {
                Target::Image(address) if address.path == b"/" => Ok(address.image),
                Target::Image(_) => Err("expected an image, without a path inside it".to_owned()),
                Target::Host(path) => Ok(path),
            })
            .into()
    }

    /// The last component of the path; `None` for the root directory.
    pub(crate) fn last_name(&self) -> Option<&[u8]> {
        last_name(&self.path)
    }
}

impl Target {
    /// Accepts anything.
    pub(crate) fn parser() -> ValueParser {
        OsStringValueParser::new().try_map(|text| Self::parse(&text)).into()
    }

    pub(crate) fn parse(text: &OsStr) -> Result<Self, String> {
        let bytes = host::bytes(text);
        let colon = bytes.windows(2).position(|pair| pair == b":/");
        let (image, path) = match colon {
            Some(colon) => (&bytes[..colon], &bytes[colon + 1..]),
            None => match bytes.strip_suffix(b":") {
                Some(image) => (image, &b"/"[..]),
                None => return Ok(Self::Host(PathBuf::from(text))),
            },
        };
        if image.is_empty() {
            return Err("the image is missing in front of the colon".to_owned());
        }
        if path.contains(&0) {
            return Err("a path cannot contain a NUL".to_owned());
        }
        let image = PathBuf::from(OsString::from(host::os_str(image)));
        Ok(Self::Image(Address { image, path: path.to_vec() }))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", show_path(&self.image), name::escaped(&self.path))
    }
}

/// A path of the host, fit for a terminal.
pub(crate) fn show_path(path: &Path) -> String {
    name::escaped(host::bytes(path.as_os_str()))
}

/// The last component of a path inside an image; `None` when there is none to speak of (`/`, `/..`).
pub(crate) fn last_name(path: &[u8]) -> Option<&[u8]> {
    let last = path.split(|&byte| byte == b'/').rfind(|part| !part.is_empty())?;
    (last != b"." && last != b"..").then_some(last)
}

/// `name` inside the directory `path`.
pub(crate) fn join(path: &[u8], name: &[u8]) -> Vec<u8> {
    let mut joined = path.to_vec();
    push(&mut joined, name);
    joined
}

/// Appends a component to a path.
pub(crate) fn push(path: &mut Vec<u8>, name: &[u8]) {
    if path.last() != Some(&b'/') {
        path.push(b'/');
    }
    path.extend_from_slice(name);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(image: &str, path: &str) -> Target {
        Target::Image(Address { image: image.into(), path: path.into() })
    }

    #[test]
    fn the_first_colon_before_a_slash_divides() {
        for (text, target) in [
            ("disk.img:/etc", image("disk.img", "/etc")),
            ("disk.img:", image("disk.img", "/")),
            ("disk.img:/", image("disk.img", "/")),
            ("./a:b:/c:/d", image("./a:b", "/c:/d")),
            ("/dev/loop0:/x", image("/dev/loop0", "/x")),
            ("a:b", Target::Host("a:b".into())),
            ("./site", Target::Host("./site".into())),
            ("/etc/hosts", Target::Host("/etc/hosts".into())),
        ] {
            assert_eq!(Target::parse(OsStr::new(text)), Ok(target), "{text}");
        }
    }

    #[test]
    fn an_address_needs_an_image() {
        assert!(Target::parse(OsStr::new(":/x")).is_err());
        assert!(Target::parse(OsStr::new(":")).is_err());
    }

    #[test]
    fn last_names_and_joints() {
        assert_eq!(last_name(b"/a/b/"), Some(&b"b"[..]));
        assert_eq!(last_name(b"/a/.."), None);
        assert_eq!(last_name(b"/"), None);
        assert_eq!(join(b"/", b"a"), b"/a");
        assert_eq!(join(b"/a", b"b"), b"/a/b");
        assert_eq!(join(b"/a/", b"b"), b"/a/b");
    }
}
