//! A Rust file cut into tokens, without comments, literals and unit tests: enough to see paths and the shape of items.

use std::path::{Path, PathBuf};

/// An identifier, `::`, or one punctuation character, and the line it stands on (from 1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) text: String,
    pub(crate) line: usize,
}

/// One file.
pub(crate) struct Source {
    /// Relative to the workspace.
    pub(crate) path: PathBuf,
    /// As it stands.
    pub(crate) text: String,
    /// Without what is compiled for tests only.
    pub(crate) tokens: Vec<Token>,
    /// Lines of the file that are not unit tests.
    pub(crate) line_count: usize,
}

impl Source {
    /// Cuts up a file.
    pub(crate) fn new(path: &Path, text: &str) -> Self {
        let (tokens, test_lines) = without_tests(tokens(text));
        let line_count = text.lines().count().saturating_sub(test_lines);
        Self { path: path.to_path_buf(), text: text.to_owned(), tokens, line_count }
    }

    /// Whether the whole file is tests.
    pub(crate) fn is_test(&self) -> bool {
        let is_tests = |part: &std::ffi::OsStr| part == "tests" || part == "tests.rs";
        self.path.iter().any(is_tests)
    }
}

/// The texts of tokens from `at` on, to be compared with a pattern.
pub(crate) fn matches(tokens: &[Token], at: usize, pattern: &[&str]) -> bool {
    let found = tokens.get(at..).unwrap_or_default().iter().map(|token| token.text.as_str());
    found.take(pattern.len()).eq(pattern.iter().copied())
}

/// The index after the bracket that closes the one at `open`.
pub(crate) fn after_group(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate().skip(open) {
        match token.text.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return index + 1;
        }
    }
    tokens.len()
}

/// Drops items under `#[cfg(test)]`; also returns how many lines they took.
fn without_tests(tokens: Vec<Token>) -> (Vec<Token>, usize) {
    let mut kept = Vec::with_capacity(tokens.len());
    let mut test_lines = 0;
    let mut at = 0;
    while at < tokens.len() {
        if is_test_attribute(&tokens, at) {
            let end = after_item(&tokens, at);
            test_lines += tokens[end - 1].line - tokens[at].line + 1;
            at = end;
        } else {
            kept.push(tokens[at].clone());
            at += 1;
        }
    }
    (kept, test_lines)
}

fn is_test_attribute(tokens: &[Token], at: usize) -> bool {
    if !matches(tokens, at, &["#", "[", "cfg", "("]) {
        return false;
    }
    let condition = &tokens[at..after_group(tokens, at + 1)];
    let has = |word: &str| condition.iter().any(|token| token.text == word);
    has("test") && !has("not") && !has("any")
}

/// The index after an item that begins, with its attributes, at `at`.
fn after_item(tokens: &[Token], mut at: usize) -> usize {
    while matches(tokens, at, &["#", "["]) {
        at = after_group(tokens, at + 1);
    }
    while at < tokens.len() {
        match tokens[at].text.as_str() {
            ";" => return at + 1,
            "{" => return after_group(tokens, at),
            "(" | "[" => at = after_group(tokens, at),
            _ => at += 1,
        }
    }
    tokens.len()
}

/// Cuts text into tokens.
fn tokens(text: &str) -> Vec<Token> {
    let mut scan = Scan { rest: text, line: 1 };
    let mut tokens = Vec::new();
    while let Some(first) = scan.rest.chars().next() {
        let line = scan.line;
        let length = scan.trivia_len();
        if length > 0 {
            scan.skip(length);
            continue;
        }
        let word = scan.rest.find(|c: char| !is_word(c)).unwrap_or(scan.rest.len());
        let length = match () {
            () if word > 0 => word,
            () if scan.rest.starts_with("::") => 2,
            () => first.len_utf8(),
        };
        tokens.push(Token { text: scan.rest[..length].to_owned(), line });
        scan.skip(length);
    }
    tokens
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// What is left to cut.
struct Scan<'a> {
    rest: &'a str,
    line: usize,
}

impl Scan<'_> {
    fn skip(&mut self, length: usize) {
        self.line += self.rest[..length].matches('\n').count();
        self.rest = &self.rest[length..];
    }

    /// The bytes of white space, a comment or a literal that comes next; 0 when code does.
    fn trivia_len(&self) -> usize {
        let rest = self.rest;
        if rest.starts_with("//") {
            return rest.find('\n').unwrap_or(rest.len());
        }
        if rest.starts_with("/*") {
            return comment_len(rest);
        }
        if rest.starts_with(char::is_whitespace) {
            return rest.find(|c: char| !c.is_whitespace()).unwrap_or(rest.len());
        }
        literal_len(rest)
    }
}

/// The bytes of a block comment; they nest.
fn comment_len(text: &str) -> usize {
    let bytes = text.as_bytes();
    let (mut at, mut depth) = (0, 0_usize);
    while at < bytes.len() {
        match bytes.get(at..at + 2) {
            Some(b"/*") => (depth, at) = (depth + 1, at + 2),
            Some(b"*/") => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    bytes.len()
}

/// The bytes of a string or character literal; 0 when there is none here (a lifetime is not one).
fn literal_len(text: &str) -> usize {
    let unprefixed = text.trim_start_matches(['b', 'c']);
    let prefix = text.len() - unprefixed.len();
    if prefix > 1 {
        return 0;
    }
    if let Some(raw) = unprefixed.strip_prefix('r') {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        if raw[hashes..].starts_with('"') {
            let close = format!("\"{}", "#".repeat(hashes));
            let body = &raw[hashes + 1..];
            let end = body.find(&close).map_or(body.len(), |at| at + close.len());
            return prefix + 1 + hashes + 1 + end;
        }
        return 0;
    }
    if unprefixed.starts_with('"') {
        return prefix + quoted_len(unprefixed, '"');
    }
    if prefix <= 1 && unprefixed.starts_with('\'') {
        let mut chars = unprefixed.chars().skip(1);
        let is_escape = chars.next() == Some('\\');
        if is_escape || chars.next() == Some('\'') {
            return prefix + quoted_len(unprefixed, '\'');
        }
    }
    0
}

/// The bytes from an opening quote to the closing one, both counted.
fn quoted_len(text: &str, quote: char) -> usize {
    let mut is_escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            _ if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(source: &str) -> Vec<String> {
        tokens(source).into_iter().map(|token| token.text).collect()
    }

    #[test]
    fn comments_and_literals_leave_no_tokens() {
        let source = "a /* b /* c */ d */ \"e \\\" f\" r#\"g \" h\"# 'i' b'\\'' // j\n<'k> crate::l";
        assert_eq!(texts(source), ["a", "<", "'", "k", ">", "crate", "::", "l"]);
    }

    #[test]
    fn lines_are_counted_through_strings() {
        let found = tokens("\"one\ntwo\"\nthree");
        assert_eq!(found, [Token { text: "three".into(), line: 3 }]);
    }

    #[test]
    fn tests_are_cut_out() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n    use crate::top;\n}\nfn b() {}\n";
        let source = Source::new(Path::new("core/src/x.rs"), text);
        assert!(!source.tokens.iter().any(|token| token.text == "top"));
        assert!(source.tokens.iter().any(|token| token.text == "b"));
        assert_eq!(source.line_count, 2);
    }

    #[test]
    fn code_not_for_tests_stays() {
        let text = "#[cfg(not(test))]\nmod a { use crate::b; }\n#[cfg(test)]\nmod tests;\nfn c() {}\n";
        let source = Source::new(Path::new("core/src/x.rs"), text);
        assert!(source.tokens.iter().any(|token| token.text == "b"));
        assert!(source.tokens.iter().any(|token| token.text == "c"));
        assert!(!source.tokens.iter().any(|token| token.text == "tests"));
    }
}
