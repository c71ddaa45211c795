//! Names as text. Names in an image are bytes; terminals and JSON want characters.

use std::fmt::Write as _;

/// The name for a terminal or a message: a backslash, control characters and bytes that are not UTF-8 are escaped
/// as `ls -b` does (`\n`, `\033`), so that no name can play tricks.
pub(crate) fn escaped(name: &[u8]) -> String {
    convert(name, char::is_control, |out, byte| {
        let short = match byte {
            b'\n' => 'n',
            b'\t' => 't',
            b'\r' => 'r',
            _ => {
                let _ = write!(out, "\\{byte:03o}");
                return;
            }
        };
        out.push('\\');
        out.push(short);
    })
}

/// The name for JSON: UTF-8 as it is, any other byte as `\xHH`, a backslash doubled. Nothing is lost.
pub(crate) fn for_json(name: &[u8]) -> String {
    convert(
        name,
        |_| false,
        |out, byte| {
            let _ = write!(out, "\\x{byte:02x}");
        },
    )
}

/// Sorts by name. The names alone are sorted, and the items follow: so the sort is compiled once for all of them.
pub(crate) fn sort<T>(items: &mut Vec<T>, name: impl Fn(&T) -> &[u8]) {
    let mut names: Vec<(&[u8], usize)> = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        names.push((name(item), index));
    }
    names.sort_unstable();
    let order: Vec<usize> = names.into_iter().map(|(_, index)| index).collect();
    let mut sources: Vec<Option<T>> = items.drain(..).map(Some).collect();
    items.extend(order.into_iter().filter_map(|index| sources[index].take()));
}

fn convert(name: &[u8], is_odd: impl Fn(char) -> bool, escape: impl Fn(&mut String, u8)) -> String {
    let mut out = String::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        for character in chunk.valid().chars() {
            if character == '\\' {
                out.push_str("\\\\");
            } else if is_odd(character) {
                let mut bytes = [0; 4];
                character.encode_utf8(&mut bytes).bytes().for_each(|byte| escape(&mut out, byte));
            } else {
                out.push(character);
            }
        }
        chunk.invalid().iter().for_each(|&byte| escape(&mut out, byte));
    }
    out
}

/// A list of hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// Base64 with padding.
pub(crate) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let at = |index: usize| u32::from(group.get(index).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for digit in 0..4 {
            if digit > group.len() {
                out.push('=');
            } else {
                let index = (bits >> (18 - 6 * digit)) & 63;
                out.push(char::from(DIGITS[index as usize]));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminals_see_no_control_characters() {
        assert_eq!(escaped(b"a\x1b[2J\n\xff\\"), "a\\033[2J\\n\\377\\\\");
        assert_eq!(escaped("straße \u{9b}".as_bytes()), "straße \\302\\233");
    }

    #[test]
    fn json_names_are_lossless() {
        assert_eq!(for_json(b"a\xff\\x\n"), "a\\xff\\\\x\n");
        assert_eq!(for_json("straße".as_bytes()), "straße");
    }

    #[test]
    fn base64_pads() {
        for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")]
        {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }
}
