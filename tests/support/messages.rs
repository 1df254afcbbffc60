//! What `docs/errors.md` shows: each status with its number, and the sentences that the library says.

use super::documents::blocks;
use super::root;

/// A status of the document.
pub struct Status {
    /// As in the header.
    pub name: String,
    /// Its number.
    pub code: i32,
    /// Sentences; `…` stands for anything.
    pub examples: Vec<String>,
}

/// The document's statuses, in its order.
pub fn documented() -> Vec<Status> {
    let text = std::fs::read_to_string(root().join("docs/errors.md")).expect("there is a document");
    text.split("\n## ")
        .skip(1)
        .map(|section| {
            let heading = section.lines().next().expect("a section has a heading");
            let parts = heading.strip_prefix('`').and_then(|rest| rest.strip_suffix(')')?.split_once("` ("));
            let (name, code) = parts.unwrap_or_else(|| panic!("'{heading}' is no status and its number"));
            let examples = blocks(section).into_iter().filter(|block| block.language == "text");
            Status {
                name: name.to_owned(),
                code: code.parse().unwrap_or_else(|_| panic!("'{heading}' has no number")),
                examples: examples.flat_map(|block| lines(&block.text)).collect(),
            }
        })
        .collect()
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

/// Whether a sentence is this example's.
pub fn fits(example: &str, sentence: &str) -> bool {
    let mut parts = example.split('…');
    let Some(rest) = sentence.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let mut rest = rest;
    let mut parts = parts.peekable();
    while let Some(part) = parts.next() {
        // A placeholder stands for one character at least.
        let Some(first) = rest.chars().next() else { return false };
        let after = &rest[first.len_utf8()..];
        if parts.peek().is_none() {
            return after.ends_with(part);
        }
        let Some(place) = after.find(part) else { return false };
        rest = &after[place + part.len()..];
    }
    rest.is_empty()
}

/// Panics unless the document shows this sentence under the status with this number.
pub fn must_be_documented(code: i32, sentence: &str) {
    let statuses = documented();
    let status = statuses.iter().find(|status| status.code == code);
    let status = status.unwrap_or_else(|| panic!("docs/errors.md has no status {code}"));
    assert!(
        status.examples.iter().any(|example| fits(example, sentence)),
        "docs/errors.md does not show under {}:\n{sentence}\nonly:\n{}",
        status.name,
        status.examples.join("\n")
    );
}
