//! Files and functions that outgrow a reader.

use super::Finding;
use super::source::{Source, Token, after_group};

/// Ask why.
const FILE_WARNING_LINES: usize = 600;
/// Split.
const FILE_LIMIT_LINES: usize = 1_000;
/// A screen.
const FUNCTION_WARNING_LINES: usize = 70;

/// Files over the limits (unit tests not counted) and functions over a screen.
pub(crate) fn check(sources: &[Source]) -> Vec<Finding> {
    sources.iter().flat_map(check_file).collect()
}

fn check_file(source: &Source) -> Vec<Finding> {
    let path = source.path.display();
    let lines = source.line_count;
    let mut findings = Vec::new();
    if lines > FILE_LIMIT_LINES {
        findings.push(Finding::Error(format!("{path}: {lines} lines; split it at {FILE_LIMIT_LINES}")));
    } else if lines > FILE_WARNING_LINES {
        findings.push(Finding::Warning(format!("{path}: {lines} lines; is it one concern?")));
    }
    for (name, line, length) in functions(&source.tokens) {
        if length > FUNCTION_WARNING_LINES {
            findings.push(Finding::Warning(format!("{path}:{line}: fn {name} has {length} lines")));
        }
    }
    findings
}

/// Name, first line and length in lines of every function that has a body.
fn functions(tokens: &[Token]) -> Vec<(String, usize, usize)> {
    let mut found = Vec::new();
    for (index, pair) in tokens.windows(2).enumerate() {
        let is_named = pair[1].text.starts_with(|c: char| c.is_alphabetic() || c == '_');
        if pair[0].text != "fn" || !is_named {
            continue;
        }
        let Some(open) = body(tokens, index + 2) else { continue };
        let close = after_group(tokens, open) - 1;
        found.push((pair[1].text.clone(), pair[0].line, tokens[close].line - pair[0].line + 1));
    }
    found
}

/// The index of the brace that opens the body of a function whose signature goes on at `at`.
fn body(tokens: &[Token], mut at: usize) -> Option<usize> {
    loop {
        match tokens.get(at)?.text.as_str() {
            "{" => return Some(at),
            ";" => return None,
            "(" | "[" => at = after_group(tokens, at),
            _ => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn findings(text: &str) -> Vec<Finding> {
        check(&[Source::new(Path::new("a.rs"), text)])
    }

    #[test]
    fn small_files_pass() {
        assert_eq!(findings("fn a() {\n    b();\n}\n"), []);
    }

    #[test]
    fn big_files_warn_and_then_fail() {
        let warned = findings(&"// line\n".repeat(601));
        assert!(matches!(warned.as_slice(), [Finding::Warning(_)]));
        let failed = findings(&"// line\n".repeat(1_001));
        assert!(matches!(failed.as_slice(), [Finding::Error(_)]));
    }

    #[test]
    fn unit_tests_do_not_count() {
        let text =
            format!("fn a() {{}}\n#[cfg(test)]\nmod tests {{\n{}}}\n", "    fn b() {}\n".repeat(1_000));
        assert_eq!(findings(&text), []);
    }

    #[test]
    fn long_functions_warn() {
        let text =
            format!("trait T {{ fn f(&self); }}\nfn g(a: [u8; 4]) {{\n{}}}\n", "    h();\n".repeat(70));
        assert_eq!(findings(&text), [Finding::Warning("a.rs:2: fn g has 72 lines".into())]);
    }
}
