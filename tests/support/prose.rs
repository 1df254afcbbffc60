//! The English in files: their words with their lines, without the code.

use std::path::{Path, PathBuf};

/// Words that follow each other, each with its line from 1.
pub type Passage = Vec<(usize, String)>;

/// What of a source file is read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Parts {
    /// Its comments.
    Comments,
    /// Its string literals, up to the module of its tests.
    Strings,
    /// Documentation comments (`///`, `//!`) and string literals, up to the module of its tests.
    DocsAndStrings,
}

/// The files below a folder whose name ends like this, sorted.
pub fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path, ending));
        } else if path.to_string_lossy().ends_with(ending) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// A Markdown document without its fenced blocks and without what is in backticks.
pub fn markdown(text: &str) -> Vec<Passage> {
    let mut fenced = false;
    let mut kept = String::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            kept.push_str(line);
        }
        kept.push('\n');
    }
    let kept = kept.replace("``", "`");
    let passages = kept.split('`').step_by(2).collect::<Vec<_>>();
    // A span of code stands for one word, and keeps its line ends.
    let spans = kept.split('`').skip(1).step_by(2);
    let lines = spans.map(|span| "\n".repeat(span.matches('\n').count())).chain([String::new()]);
    let prose: String =
        passages.into_iter().zip(lines).map(|(prose, ends)| format!("{prose}_{ends}")).collect();
    vec![words(&prose, 1)]
}

/// The texts in triple quotes of a Python file.
pub fn docstrings(text: &str) -> Vec<Passage> {
    let parts: Vec<&str> = text.split("\"\"\"").collect();
    let mut line = 1;
    let mut found = Vec::new();
    for (at, part) in parts.iter().enumerate() {
        if at % 2 == 1 {
            let prose = part.lines().map(without_prompt).collect::<Vec<_>>().join("\n");
            found.extend(markdown(&prose).into_iter().map(|words| shifted(words, line - 1)));
        }
        line += part.matches('\n').count();
    }
    found
}

/// A line of a docstring, empty if it is a program's.
fn without_prompt(line: &str) -> &str {
    let start = line.trim_start();
    if start.starts_with(">>>") || start.starts_with("... ") {
        ""
    } else {
        line
    }
}

fn shifted(words: Passage, lines: usize) -> Passage {
    words.into_iter().map(|(line, word)| (line + lines, word)).collect()
}

/// The English of a file in Rust, C or C++.
pub fn source(text: &str, parts: Parts) -> Vec<Passage> {
    let text = if parts == Parts::Comments { text } else { &text[..start_of_tests(text)] };
    let mut found: Vec<Passage> = Vec::new();
    let mut rest = Rest { text, at: 0, line: 1 };
    // The line after the last comment that is one line: what is there continues it.
    let mut next = 0;
    while let Some((piece, line)) = rest.next_piece() {
        let comment = match piece {
            Piece::Text(string) if parts != Parts::Comments => {
                found.push(words(&without_values(string), line));
                continue;
            }
            Piece::Line(comment) if parts == Parts::Comments => comment,
            Piece::Line(comment) if parts == Parts::DocsAndStrings && is_doc(comment) => comment,
            Piece::Block(comment) if parts == Parts::Comments => {
                let prose: Vec<&str> = comment.lines().map(without_star).collect();
                found.push(words(&prose.join("\n"), line));
                continue;
            }
            _ => continue,
        };
        let said = words(&markdown_spans(comment.trim_start_matches(['/', '!'])), line);
        match found.last_mut() {
            Some(passage) if line == next => passage.extend(said),
            _ => found.push(said),
        }
        next = line + 1;
    }
    found
}

/// Where the module of a file's own tests begins, or the file ends.
fn start_of_tests(text: &str) -> usize {
    let marks = text.match_indices("\n#[cfg(test)]");
    let begins = |(at, mark): &(usize, &str)| {
        let item = text[at + mark.len()..].trim_start();
        item.find(['{', ';']).is_some_and(|end| item[end..].starts_with('{') && item[..end].contains("mod "))
    };
    marks.into_iter().find(begins).map_or(text.len(), |(at, _)| at)
}

/// A string's text, without line continuations and without its placeholders.
fn without_values(string: &str) -> String {
    let mut prose = String::new();
    for (at, part) in string.replace("\\n", " ").replace("\\\n", "\n").split(['{', '}']).enumerate() {
        prose.push_str(if at % 2 == 0 { part } else { "_" });
    }
    prose
}

fn is_doc(comment: &str) -> bool {
    comment.starts_with("///") || comment.starts_with("//!")
}

/// A line without what is in backticks.
fn markdown_spans(line: &str) -> String {
    line.split('`').step_by(2).collect::<Vec<_>>().join("_")
}

/// A line of a block comment; empty if it is indented as a program is.
fn without_star(line: &str) -> &str {
    let prose = line.trim_start().trim_start_matches('*');
    if prose.starts_with("       ") {
        ""
    } else {
        prose
    }
}

/// A part of a source file that may hold English.
enum Piece<'a> {
    /// `// to the end of the line`
    Line(&'a str),
    /// `/* ... */`
    Block(&'a str),
    /// `"..."`, without its quotes.
    Text(&'a str),
}

struct Rest<'a> {
    text: &'a str,
    at: usize,
    line: usize,
}

impl<'a> Rest<'a> {
    /// The next comment or string, and the line where it begins.
    fn next_piece(&mut self) -> Option<(Piece<'a>, usize)> {
        loop {
            let rest = &self.text[self.at..];
            let first = rest.chars().next()?;
            if rest.starts_with("//") {
                return Some(self.take(rest.find('\n').unwrap_or(rest.len()), Piece::Line));
            } else if rest.starts_with("/*") {
                return Some(self.take(rest.find("*/").map_or(rest.len(), |end| end + 2), Piece::Block));
            } else if rest.starts_with("r#\"") || rest.starts_with("R\"(") {
                let close = if rest.starts_with('r') { "\"#" } else { ")\"" };
                return Some(self.take(rest[3..].find(close).map_or(rest.len(), |end| end + 5), Piece::Text));
            } else if first == '"' {
                return Some(self.take(end_of_string(rest), Piece::Text));
            } else if let Some(length) = character(rest) {
                self.skip(length);
            } else {
                self.skip(first.len_utf8());
            }
        }
    }

    fn take(&mut self, length: usize, piece: fn(&'a str) -> Piece<'a>) -> (Piece<'a>, usize) {
        let (line, text) = (self.line, &self.text[self.at..self.at + length]);
        self.skip(length);
        (piece(text), line)
    }

    fn skip(&mut self, length: usize) {
        self.line += self.text[self.at..self.at + length].matches('\n').count();
        self.at += length;
    }
}

/// Where a string that begins here ends, behind its quote.
fn end_of_string(text: &str) -> usize {
    let mut escaped = false;
    for (at, letter) in text.char_indices().skip(1) {
        match letter {
            '"' if !escaped => return at + 1,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    text.len()
}

/// The length of a character literal that begins here; a lifetime is none.
fn character(text: &str) -> Option<usize> {
    let inner = text.strip_prefix('\'')?;
    if inner.starts_with('\\') {
        return inner[2..].find('\'').map(|end| end + 4);
    }
    let first = inner.chars().next()?;
    inner[first.len_utf8()..].starts_with('\'').then_some(first.len_utf8() + 2)
}

/// The words of a text in lower case; an apostrophe belongs to a word, all else parts words.
pub fn words(text: &str, first_line: usize) -> Passage {
    let mut found = Vec::new();
    for (line, content) in (first_line..).zip(text.split('\n')) {
        let parted = content.split(|c: char| !c.is_alphanumeric() && !"'_".contains(c));
        let parted = parted.map(|word| word.trim_matches('\'').to_lowercase());
        found.extend(parted.filter(|word| !word.is_empty()).map(|word| (line, word)));
    }
    found
}
