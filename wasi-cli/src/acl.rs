//! Access control lists as text, as `acl(5)` has it.

use std::fmt::Write as _;

use xfskit::volume::{Acl, AclEntry, Tag};

/// Entries of a list while it is put together: in order, one for each tag.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Entries(Vec<AclEntry>);

impl Entries {
    /// Those of a list.
    pub(crate) fn of(acl: &Acl) -> Self {
        let mut entries = Self::default();
        acl.entries().iter().for_each(|entry| entries.set(*entry));
        entries
    }

    /// Sets an entry.
    pub(crate) fn set(&mut self, entry: AclEntry) {
        match self.0.binary_search_by_key(&order(entry.tag), |entry| order(entry.tag)) {
            Ok(at) => self.0[at] = entry,
            Err(at) => self.0.insert(at, entry),
        }
    }

    /// Removes an entry; says whether it was there.
    pub(crate) fn remove(&mut self, tag: Tag) -> bool {
        let before = self.0.len();
        self.0.retain(|entry| entry.tag != tag);
        self.0.len() < before
    }

    /// The permissions of an entry.
    pub(crate) fn get(&self, tag: Tag) -> Option<u8> {
        self.0.iter().find(|entry| entry.tag == tag).map(|entry| entry.perm)
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = AclEntry> {
        self.0.iter().copied()
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether there are entries that a mask limits.
    pub(crate) fn has_named(&self) -> bool {
        self.0.iter().any(|entry| matches!(entry.tag, Tag::User(_) | Tag::Group(_)))
    }

    /// Makes the mask what lets every entry have what it says.
    pub(crate) fn calculate_mask(&mut self) {
        let limited = |tag| matches!(tag, Tag::User(_) | Tag::GroupObj | Tag::Group(_));
        let perm = self.0.iter().filter(|entry| limited(entry.tag)).fold(0, |all, entry| all | entry.perm);
        self.set(AclEntry { tag: Tag::Mask, perm });
    }

    /// The list.
    pub(crate) fn acl(self) -> xfskit::Result<Acl> {
        Acl::new(self.0)
    }
}

fn order(tag: Tag) -> (u8, u32) {
    match tag {
        Tag::UserObj => (0, 0),
        Tag::User(id) => (1, id),
        Tag::GroupObj => (2, 0),
        Tag::Group(id) => (3, id),
        Tag::Mask => (4, 0),
        Tag::Other => (5, 0),
    }
}

/// `rwx` with dashes.
fn permissions(perm: u8) -> String {
    [(4, 'r'), (2, 'w'), (1, 'x')]
        .iter()
        .map(|&(bit, letter)| if perm & bit != 0 { letter } else { '-' })
        .collect()
}

/// A line for each entry, as getfacl prints it.
pub(crate) fn show(acl: &Acl, prefix: &str) -> String {
    let entries = Entries::of(acl);
    let mask = entries.get(Tag::Mask).unwrap_or(7);
    let mut text = String::new();
    for entry in entries.iter() {
        let (word, is_limited) = match entry.tag {
            Tag::UserObj => ("user:".to_owned(), false),
            Tag::User(id) => (format!("user:{id}"), true),
            Tag::GroupObj => ("group:".to_owned(), true),
            Tag::Group(id) => (format!("group:{id}"), true),
            Tag::Mask => ("mask:".to_owned(), false),
            Tag::Other => ("other:".to_owned(), false),
        };
        let _ = write!(text, "{prefix}{word}:{}", permissions(entry.perm));
        if is_limited && entry.perm & !mask != 0 {
            let _ = write!(text, "\t#effective:{}", permissions(entry.perm & mask));
        }
        text.push('\n');
    }
    text
}

/// Permissions as they are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wanted {
    bits: u8,
    /// Execution too, for directories and where somebody has it already.
    conditional_x: bool,
}

impl Wanted {
    fn parse(text: &str) -> Option<Self> {
        if let Some(digit) = text.chars().next().filter(|_| text.len() == 1).and_then(|c| c.to_digit(8)) {
            return Some(Self { bits: digit as u8, conditional_x: false });
        }
        let mut wanted = Self { bits: 0, conditional_x: false };
        for letter in text.chars() {
            match letter {
                'r' => wanted.bits |= 4,
                'w' => wanted.bits |= 2,
                'x' => wanted.bits |= 1,
                'X' => wanted.conditional_x = true,
                '-' => {}
                _ => return None,
            }
        }
        Some(wanted)
    }

    /// The permissions, for a file that may be a directory or may be executed by somebody.
    pub(crate) fn perm(self, gets_x: bool) -> u8 {
        self.bits | u8::from(self.conditional_x && gets_x)
    }
}

/// One entry of a specification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spec {
    /// Whether it is about the default list.
    pub(crate) is_default: bool,
    /// Whom it is about.
    pub(crate) tag: Tag,
    /// What is permitted; `None` where that is not said.
    pub(crate) wanted: Option<Wanted>,
}

impl Spec {
    /// Parses entries like `u:1000:rw,g::r,d:o:-`.
    ///
    /// # Errors
    /// What is wrong, with the entry that is.
    pub(crate) fn parse_list(text: &str) -> Result<Vec<Self>, String> {
        let parts = text.split(|c: char| c == ',' || c.is_whitespace()).filter(|part| !part.is_empty());
        parts
            .map(|part| Self::parse(part).ok_or_else(|| format!("invalid entry of an ACL: {part}")))
            .collect()
    }

    fn parse(text: &str) -> Option<Self> {
        let mut words: Vec<&str> = text.split(':').collect();
        let is_default = matches!(words[0], "d" | "default") && words.len() > 1;
        if is_default {
            words.remove(0);
        }
        // A number by itself is a user.
        if words[0].bytes().all(|byte| byte.is_ascii_digit()) && !words[0].is_empty() {
            words.insert(0, "u");
        }
        let id = |word: Option<&&str>| match word {
            None | Some(&"") => Some(None),
            Some(word) => word.parse::<u32>().ok().filter(|&id| id != u32::MAX).map(Some),
        };
        let (tag, rest) = match words[0] {
            "u" | "user" => (id(words.get(1))?.map_or(Tag::UserObj, Tag::User), words.get(2..)),
            "g" | "group" => (id(words.get(1))?.map_or(Tag::GroupObj, Tag::Group), words.get(2..)),
            "m" | "mask" => (Tag::Mask, after_empty(&words)),
            "o" | "other" => (Tag::Other, after_empty(&words)),
            _ => return None,
        };
        let wanted = match rest.unwrap_or_default() {
            [] => None,
            [perm] => Some(Wanted::parse(perm)?),
            _ => return None,
        };
        Some(Self { is_default, tag, wanted })
    }
}

/// What follows a word that takes no id: `o:r` and `o::r` are the same.
fn after_empty<'a, 'b>(words: &'a [&'b str]) -> Option<&'a [&'b str]> {
    if words.len() > 2 && words[1].is_empty() { words.get(2..) } else { words.get(1..) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(text: &str) -> Option<(bool, Tag, Option<u8>)> {
        Spec::parse(text)
            .map(|spec| (spec.is_default, spec.tag, spec.wanted.map(|wanted| wanted.perm(false))))
    }

    #[test]
    fn entries_are_written_as_setfacl_takes_them() {
        assert_eq!(spec("u::rwx"), Some((false, Tag::UserObj, Some(7))));
        assert_eq!(spec("user:1000:r-x"), Some((false, Tag::User(1000), Some(5))));
        assert_eq!(spec("1000:6"), Some((false, Tag::User(1000), Some(6))));
        assert_eq!(spec("d:g:5:w"), Some((true, Tag::Group(5), Some(2))));
        assert_eq!(spec("m::rX"), Some((false, Tag::Mask, Some(4))));
        assert_eq!(spec("m:rX"), Some((false, Tag::Mask, Some(4))));
        assert_eq!(spec("default:o:-"), Some((true, Tag::Other, Some(0))));
        assert_eq!(spec("u:7"), Some((false, Tag::User(7), None)));
        for wrong in ["x::r", "u:root:r", "u::rwz", "u:1:r:r", "u:4294967295:r", "", "o:5:r"] {
            assert_eq!(spec(wrong), None, "{wrong}");
        }
    }
}
