//! The core stands on floors, and each imports only from below (or from its own).
//!
//! Every path in `core/src` that names a module of the crate is looked at, in `use` or in the middle of code, by `crate::` or by
//! enough `super::`. What `lib.rs` re-exports counts as its module. Unit tests may look up.

use std::collections::BTreeMap;
use std::path::Path;

use super::Finding;
use super::source::{Source, Token, after_group, matches};

/// Lowest first; the modules of one row may use each other.
const FLOORS: [&[&str]; 16] = [
    &["units", "error", "intervals", "sort"],
    &["format"],
    // A volume's shape is read from its superblock, so it stands on the format of that.
    &["geometry"],
    &["device"],
    &["cache"],
    &["journal"],
    &["btree"],
    &["space"],
    &["inode"],
    &["data"],
    &["dir", "attr", "symlink"],
    &["acl"],
    &["recovery"],
    &["volume"],
    &["mkfs"],
    &["check", "repair"],
];

/// The one place that knows of files: the device that is a file of the host, under the feature `std`.
const FILE_DEVICE: &str = "core/src/device/file.rs";
/// What the core has no business with: files, threads, clocks belong to whoever uses it.
const FORBIDDEN_STD: [&str; 7] = ["env", "fs", "net", "os", "process", "thread", "time"];

/// Every path that points up, at a module on no floor, or out of the core.
pub(crate) fn check(sources: &[Source]) -> Vec<Finding> {
    let in_core = |source: &&Source| source.path.starts_with("core/src");
    let exports = sources.iter().find(|source| source.path == Path::new("core/src/lib.rs")).map(exports);
    let exports = exports.unwrap_or_default();
    let bodies = sources.iter().filter(in_core).filter(|source| !source.is_test() && !is_root(&source.path));
    bodies.flat_map(|source| check_file(source, &exports)).collect()
}

fn is_root(path: &Path) -> bool {
    path == Path::new("core/src/lib.rs")
}

fn check_file(source: &Source, exports: &BTreeMap<String, String>) -> Vec<Finding> {
    let module = module_of(&source.path);
    let place = |line: usize| format!("{}:{line}", source.path.display());
    let mut findings = Vec::new();
    let Some(own) = module.first().and_then(|name| floor_of(name)) else {
        let name = module.join("::");
        findings.push(Finding::Error(format!("{}: module {name} stands on no floor", source.path.display())));
        return findings;
    };
    for (name, line) in references(&source.tokens, module.len()) {
        let target = exports.get(&name).unwrap_or(&name);
        match floor_of(target) {
            Some(floor) if floor <= own => {}
            Some(_) => {
                findings.push(Finding::Error(format!("{}: {} looks up at {target}", place(line), module[0])));
            }
            None => findings.push(Finding::Error(format!(
                "{}: crate::{name} is on no floor; name the module that it comes from",
                place(line)
            ))),
        }
    }
    for (index, token) in source.tokens.iter().enumerate() {
        let is_std = token.text == "std" && matches(&source.tokens, index + 1, &["::"]);
        let Some(name) = source.tokens.get(index + 2).filter(|_| is_std) else { continue };
        let is_file_device = name.text == "fs" && source.path == Path::new(FILE_DEVICE);
        if FORBIDDEN_STD.contains(&name.text.as_str()) && !is_file_device {
            findings.push(Finding::Error(format!(
                "{}: the core must not use std::{}",
                place(token.line),
                name.text
            )));
        }
    }
    findings
}

fn floor_of(module: &str) -> Option<usize> {
    FLOORS.iter().position(|row| row.contains(&module))
}

/// `core/src/data/write.rs` is `["data", "write"]`.
fn module_of(path: &Path) -> Vec<String> {
    let inner = path.strip_prefix("core/src").unwrap_or(path).with_extension("");
    inner.iter().map(|part| part.to_string_lossy().into_owned()).collect()
}

/// The first segment below the crate's root of every path that starts there, with its line.
fn references(tokens: &[Token], depth: usize) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if matches(tokens, at, &["crate", "::"]) {
            heads(tokens, at + 2, &mut found);
            at += 2;
        } else if matches(tokens, at, &["super", "::"]) {
            let mut supers = 0;
            while matches(tokens, at, &["super", "::"]) {
                (supers, at) = (supers + 1, at + 2);
            }
            if supers >= depth {
                heads(tokens, at, &mut found);
            }
        } else {
            at += 1;
        }
    }
    found
}

/// The names that a use-tree (or a plain path) at `at` begins with.
fn heads(tokens: &[Token], at: usize, found: &mut Vec<(String, usize)>) {
    let Some(first) = tokens.get(at) else { return };
    if first.text != "{" {
        found.push((first.text.clone(), first.line));
        return;
    }
    let end = after_group(tokens, at) - 1;
    let mut at = at + 1;
    let mut is_head = true;
    while at < end {
        match tokens[at].text.as_str() {
            "," => is_head = true,
            "{" => {
                at = after_group(tokens, at);
                continue;
            }
            _ if is_head => {
                found.push((tokens[at].text.clone(), tokens[at].line));
                is_head = false;
            }
            _ => {}
        }
        at += 1;
    }
}

/// What `lib.rs` lifts to the crate's root, by name, and the module it comes from.
fn exports(root: &Source) -> BTreeMap<String, String> {
    let tokens = &root.tokens;
    let mut exports = BTreeMap::new();
    for at in 0..tokens.len() {
        if !matches(tokens, at, &["pub", "use"]) {
            continue;
        }
        let mut path = at + 2;
        if matches(tokens, path, &["crate", "::"]) || matches(tokens, path, &["self", "::"]) {
            path += 2;
        }
        let Some(module) = tokens.get(path) else { continue };
        let statement = tokens[path..].iter().take_while(|token| token.text != ";");
        for token in statement.skip(1).filter(|token| token.text.starts_with(|c: char| c.is_alphabetic())) {
            exports.insert(token.text.clone(), module.text.clone());
        }
    }
    exports.retain(|name, _| floor_of(name).is_none());
    exports
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(files: &[(&str, &str)]) -> Vec<String> {
        let sources: Vec<_> = files.iter().map(|(path, text)| Source::new(Path::new(path), text)).collect();
        let text = |finding| match finding {
            Finding::Error(text) | Finding::Warning(text) => text,
        };
        check(&sources).into_iter().map(text).collect()
    }

    #[test]
    fn looking_down_and_sideways_is_fine() {
        let write = "use crate::{error::Error, inode::{fork::Fork, Inode}, space};\nuse super::remap;\nuse crate::data::x;";
        assert_eq!(errors(&[("core/src/data/write.rs", write)]), [""; 0]);
        assert_eq!(errors(&[("core/src/dir.rs", "fn f(a: crate::attr::Attr) {}")]), [""; 0]);
    }

    #[test]
    fn looking_up_is_found() {
        let found =
            errors(&[("core/src/btree/cursor.rs", "use crate::units::A;\nuse crate::space::Alloc;\n")]);
        assert_eq!(found, ["core/src/btree/cursor.rs:2: btree looks up at space"]);
    }

    #[test]
    fn looking_up_inside_a_group_is_found() {
        let found =
            errors(&[("core/src/cache.rs", "use crate::{\n    error::{A, B},\n    volume::Volume,\n};")]);
        assert_eq!(found, ["core/src/cache.rs:3: cache looks up at volume"]);
    }

    #[test]
    fn looking_up_in_the_middle_of_code_is_found() {
        let found = errors(&[("core/src/space/alloc.rs", "fn f() { let x = crate::inode::new(); }")]);
        assert_eq!(found, ["core/src/space/alloc.rs:1: space looks up at inode"]);
    }

    #[test]
    fn looking_up_by_super_is_found() {
        let found =
            errors(&[("core/src/space/alloc.rs", "use super::super::data::write;\nuse super::data;")]);
        assert_eq!(found, ["core/src/space/alloc.rs:1: space looks up at data"]);
    }

    #[test]
    fn a_re_export_counts_as_its_module() {
        let root = ("core/src/lib.rs", "pub use volume::{Volume, Options};\npub use error::Error;\n");
        let found = errors(&[
            root,
            ("core/src/data.rs", "use crate::Error;\nuse crate::Options;\nuse crate::Ghost;"),
        ]);
        let expected = [
            "core/src/data.rs:2: data looks up at volume",
            "core/src/data.rs:3: crate::Ghost is on no floor; name the module that it comes from",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn tests_and_comments_may_look_up() {
        let text = "//! See crate::volume.\n#[cfg(test)]\nmod tests { use crate::volume::Volume; }\n";
        assert_eq!(errors(&[("core/src/units.rs", text)]), [""; 0]);
        assert_eq!(errors(&[("core/src/units/tests.rs", "use crate::volume::Volume;")]), [""; 0]);
    }

    #[test]
    fn modules_on_no_floor_and_files_or_clocks_are_found() {
        assert_eq!(errors(&[("core/src/util.rs", "")]), ["core/src/util.rs: module util stands on no floor"]);
        let found = errors(&[("core/src/device.rs", "use std::fs::File;\nuse std::vec::Vec;")]);
        assert_eq!(found, ["core/src/device.rs:1: the core must not use std::fs"]);
    }
}
