//! Permission bits: octal, symbolic, and as `ls -l` shows them.

use xfskit::volume::FileType;

/// What `chmod` is asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Mode {
    /// These bits. On a directory, setuid and setgid stay unless five digits were given.
    Octal {
        /// The bits.
        bits: u16,
        /// Whether the digits speak of setuid and setgid of a directory too.
        is_complete: bool,
    },
    /// One change after the other.
    Symbolic(Vec<Clause>),
}

/// One change: `who` as a mask, an operator, and what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Clause {
    who: u16,
    operator: Operator,
    what: What,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Add,
    Remove,
    Set,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    /// Bits for everyone, to be cut to `who`; `X` apart.
    Bits { bits: u16, conditional_x: bool },
    /// The permissions of user (6), group (3) or others (0), by how far they are shifted.
    CopyOf(u16),
}

const USER: u16 = 0o4700;
const GROUP: u16 = 0o2070;
const OTHER: u16 = 0o0007;
const STICKY: u16 = 0o1000;
const SET_IDS: u16 = 0o6000;

impl Mode {
    /// Parses `755`, `u+rwX,go-w`, `a=r`, `g=u`. Without a `who`, everyone is meant: an image has no umask.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("invalid mode: {text}");
        if text.bytes().next().is_some_and(|byte| byte.is_ascii_digit()) {
            let bits = u16::from_str_radix(text, 8).map_err(|_| wrong())?;
            return if bits > 0o7777 {
                Err(wrong())
            } else {
                Ok(Self::Octal { bits, is_complete: text.len() > 4 })
            };
        }
        let mut clauses = Vec::new();
        for part in text.split(',') {
            parse_part(part, &mut clauses).ok_or_else(wrong)?;
        }
        Ok(Self::Symbolic(clauses))
    }

    /// The bits that a file with the bits `old` gets.
    pub(crate) fn apply(&self, old: u16, is_dir: bool) -> u16 {
        match self {
            Self::Octal { bits, is_complete } => {
                if is_dir && !is_complete {
                    bits | (old & SET_IDS)
                } else {
                    *bits
                }
            }
            Self::Symbolic(clauses) => clauses.iter().fold(old, |mode, clause| clause.apply(mode, is_dir)),
        }
    }
}

impl Clause {
    fn apply(self, mode: u16, is_dir: bool) -> u16 {
        let wanted = match self.what {
            What::Bits { bits, conditional_x } => {
                let x = conditional_x && (is_dir || mode & 0o111 != 0);
                if x { bits | 0o111 } else { bits }
            }
            What::CopyOf(shift) => ((mode >> shift) & 7) * 0o111,
        };
        let bits = wanted & self.who;
        match self.operator {
            Operator::Add => mode | bits,
            Operator::Remove => mode & !bits,
            Operator::Set => {
                // A directory keeps setuid and setgid unless they are named.
                let kept = if is_dir { SET_IDS } else { 0 };
                (mode & (!self.who | kept)) | bits
            }
        }
    }
}

fn parse_part(part: &str, clauses: &mut Vec<Clause>) -> Option<()> {
    let who_end = part.find(['+', '-', '='])?;
    let mut who = 0;
    for letter in part[..who_end].chars() {
        who |= match letter {
            'u' => USER,
            'g' => GROUP,
            'o' => OTHER | STICKY,
            'a' => 0o7777,
            _ => return None,
        };
    }
    let who = if who == 0 { 0o7777 } else { who | STICKY };
    let mut rest = &part[who_end..];
    while let Some(sign) = rest.chars().next() {
        let operator = match sign {
            '+' => Operator::Add,
            '-' => Operator::Remove,
            '=' => Operator::Set,
            _ => return None,
        };
        let end = rest[1..].find(['+', '-', '=']).map_or(rest.len(), |end| end + 1);
        clauses.push(Clause { who, operator, what: parse_what(&rest[1..end])? });
        rest = &rest[end..];
    }
    Some(())
}

fn parse_what(text: &str) -> Option<What> {
    match text {
        "u" => return Some(What::CopyOf(6)),
        "g" => return Some(What::CopyOf(3)),
        "o" => return Some(What::CopyOf(0)),
        _ => {}
    }
    let (mut bits, mut conditional_x) = (0, false);
    for letter in text.chars() {
        match letter {
            'r' => bits |= 0o444,
            'w' => bits |= 0o222,
            'x' => bits |= 0o111,
            'X' => conditional_x = true,
            's' => bits |= SET_IDS,
            't' => bits |= STICKY,
            _ => return None,
        }
    }
    Some(What::Bits { bits, conditional_x })
}

/// Type and permissions in ten characters.
pub(crate) fn show(file_type: FileType, mode: u16) -> String {
    let mut text = String::with_capacity(10);
    text.push(type_letter(file_type));
    for (shift, special, letter) in [(6, 0o4000, 's'), (3, 0o2000, 's'), (0, STICKY, 't')] {
        let bits = mode >> shift;
        text.push(if bits & 4 != 0 { 'r' } else { '-' });
        text.push(if bits & 2 != 0 { 'w' } else { '-' });
        text.push(match (bits & 1 != 0, mode & special != 0) {
            (true, false) => 'x',
            (false, false) => '-',
            (true, true) => letter,
            (false, true) => letter.to_ascii_uppercase(),
        });
    }
    text
}

/// The letter with which `ls -l` starts.
fn type_letter(file_type: FileType) -> char {
    match file_type {
        FileType::Regular => '-',
        FileType::Directory => 'd',
        FileType::CharDevice => 'c',
        FileType::BlockDevice => 'b',
        FileType::Fifo => 'p',
        FileType::Socket => 's',
        FileType::Symlink => 'l',
    }
}

/// The type in words, as `stat` has it.
pub(crate) fn type_words(file_type: FileType) -> &'static str {
    match file_type {
        FileType::Regular => "regular file",
        FileType::Directory => "directory",
        FileType::CharDevice => "character special file",
        FileType::BlockDevice => "block special file",
        FileType::Fifo => "fifo",
        FileType::Socket => "socket",
        FileType::Symlink => "symbolic link",
    }
}

/// The type as one word, for programs.
pub(crate) fn type_word(file_type: FileType) -> &'static str {
    match file_type {
        FileType::Regular => "file",
        FileType::Directory => "directory",
        FileType::CharDevice => "chardev",
        FileType::BlockDevice => "blockdev",
        FileType::Fifo => "fifo",
        FileType::Socket => "socket",
        FileType::Symlink => "symlink",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each case was compared with chmod of coreutils under umask 0.
    #[test]
    fn modes_apply_as_chmod_has_them() {
        for (text, old, is_dir, new) in [
            ("755", 0o644, false, 0o755),
            ("4755", 0o644, false, 0o4755),
            ("755", 0o2700, true, 0o2755),
            ("00755", 0o2700, true, 0o755),
            ("755", 0o2700, false, 0o755),
            ("u+x", 0o644, false, 0o744),
            ("+x", 0o644, false, 0o755),
            ("go-rwx", 0o755, false, 0o700),
            ("a=r,u+w", 0o777, false, 0o644),
            ("u+rwX,g=u", 0o600, false, 0o660),
            ("a+X", 0o600, true, 0o711),
            ("a+X", 0o610, false, 0o711),
            ("u+s,g+s", 0o755, false, 0o6755),
            ("u=rw", 0o4755, false, 0o655),
            ("+t", 0o755, true, 0o1755),
            ("o=", 0o777, false, 0o770),
            ("u=rw-r+x", 0o000, false, 0o300),
        ] {
            let mode = Mode::parse(text).expect(text);
            assert_eq!(mode.apply(old, is_dir), new, "{text} on {old:o}");
        }
    }

    #[test]
    fn nonsense_is_no_mode() {
        for text in ["", "8", "77777", "u", "z+r", "u+q", "u+r,", "u*r"] {
            assert!(Mode::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn special_bits_show() {
        assert_eq!(show(FileType::Regular, 0o4755), "-rwsr-xr-x");
        assert_eq!(show(FileType::Directory, 0o1776), "drwxrwxrwT");
        assert_eq!(show(FileType::Symlink, 0o2640), "lrw-r-S---");
    }
}
