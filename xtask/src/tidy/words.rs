//! Words that mark work not done, or that only made sense on the machine where they were typed.

use super::Finding;
use super::source::{Source, matches};

/// Code that must not land, as tokens.
const CODE: [&[&str]; 5] = [
    &["todo", "!"],
    &["unimplemented", "!"],
    &["dbg", "!"],
    &["#", "[", "ignore"],
    &["#", "[", "allow", "("],
];

/// Comments that must not land. In two halves, so that this file may pass.
const TEXT: [(&str, &str); 3] = [("FIX", "ME"), ("XX", "X:"), ("TO", "DO")];

/// Each occurrence is an error.
pub(crate) fn check(sources: &[Source]) -> Vec<Finding> {
    sources.iter().flat_map(check_file).collect()
}

fn check_file(source: &Source) -> Vec<Finding> {
    let path = source.path.display();
    let mut findings = Vec::new();
    for (index, token) in source.tokens.iter().enumerate() {
        for pattern in CODE.iter().filter(|pattern| matches(&source.tokens, index, pattern)) {
            findings.push(Finding::Error(format!("{path}:{}: {}", token.line, pattern.concat())));
        }
    }
    for (index, line) in source.text.lines().enumerate() {
        for (head, tail) in TEXT {
            let word = format!("{head}{tail}");
            if line.contains(&word) {
                findings.push(Finding::Error(format!("{path}:{}: {word}", index + 1)));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn unfinished_work_is_found() {
        let text = format!("fn a() {{\n    {}!()\n}}\n// {}{} later\n", "todo", "FIX", "ME");
        let found = check(&[Source::new(Path::new("a.rs"), &text)]);
        let expected =
            [Finding::Error("a.rs:2: todo!".into()), Finding::Error(format!("a.rs:4: {}{}", "FIX", "ME"))];
        assert_eq!(found, expected);
    }

    #[test]
    fn the_same_words_in_strings_pass() {
        assert_eq!(check(&[Source::new(Path::new("a.rs"), "const A: &str = \"dbg!(x)\";\n")]), []);
    }
}
