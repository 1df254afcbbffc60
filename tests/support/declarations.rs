//! What `include/sdp_dal.h` declares, in the header's order: names and texts. Sizes, offsets and values are the compiler's.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};

use super::root;

/// A field of a struct: its name, and its declaration in one line.
pub struct Field {
    pub name: String,
    pub text: String,
}

/// A function: its name, what stands before it, and each parameter in one line.
pub struct Function {
    pub name: String,
    pub result: String,
    pub parameters: Vec<String>,
}

impl Function {
    /// The prototype in one line.
    pub fn text(&self) -> String {
        let space = if self.result.ends_with('*') { "" } else { " " };
        let parameters =
            if self.parameters.is_empty() { "void".to_owned() } else { self.parameters.join(", ") };
        format!("{}{space}{}({parameters})", self.result, self.name)
    }
}

/// One declaration of the header.
pub enum Declaration {
    /// An enum and its enumerators.
    Enum { name: String, values: Vec<String> },
    /// A struct with fields. `spelling` is how C names it: with `struct` in front if it has no typedef.
    Struct { spelling: String, fields: Vec<Field> },
    /// A struct that is only named.
    Opaque { name: String },
    /// Another name of a type, or the type of a function pointer.
    Alias { name: String, text: String },
    /// An exported function.
    Function(Function),
}

/// Everything that the header declares.
pub fn declarations() -> Vec<Declaration> {
    items(&code()).iter().map(|item| declaration(item)).collect()
}

/// The functions that the header declares.
pub fn functions() -> Vec<Function> {
    declarations()
        .into_iter()
        .filter_map(|found| if let Declaration::Function(function) = found { Some(function) } else { None })
        .collect()
}

/// The header without comments, directives, and what it includes.
fn code() -> String {
    let header = std::fs::read_to_string(root().join("include/sdp_dal.h")).expect("the header is there");
    let own: String =
        header.lines().filter(|line| !line.starts_with("#include")).fold(String::new(), |mut text, line| {
            let _ = writeln!(text, "{line}");
            text
        });
    let mut cc = Command::new("cc")
        .args(["-E", "-P", "-x", "c", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("cc is installed");
    let mut input = cc.stdin.take().expect("it is a pipe");
    // In a thread of its own: the header and what comes of it are larger than a pipe.
    let writer = std::thread::spawn(move || input.write_all(own.as_bytes()));
    let output = cc.wait_with_output().expect("cc runs");
    writer.join().expect("writing does not panic").expect("cc reads all of it");
    assert!(output.status.success(), "cc cannot read the header");
    String::from_utf8(output.stdout).expect("the header is UTF-8")
}

/// The declarations as lists of words.
fn items(code: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let (mut item, mut depth) = (Vec::new(), 0);
    for word in words(code) {
        match word.as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            ";" if depth == 0 => {
                found.push(std::mem::take(&mut item));
                continue;
            }
            _ => {}
        }
        item.push(word);
    }
    assert!(item.is_empty(), "the header ends within a declaration: {item:?}");
    found
}

fn words(code: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut joined = false;
    for c in code.chars() {
        let part_of_word = c.is_alphanumeric() || c == '_';
        if part_of_word && joined {
            found.last_mut().expect("a word was begun").push(c);
        } else if !c.is_whitespace() {
            found.push(c.to_string());
        }
        joined = part_of_word;
    }
    found
}

/// Words in one line, as this project writes C.
fn line(words: &[String]) -> String {
    let mut text = String::new();
    for (nth, word) in words.iter().enumerate() {
        let of_pointer = words.get(nth + 1).is_some_and(|next| next == "*");
        let tight = matches!(word.as_str(), "," | ")" | "[" | "]")
            || (word == "(" && !of_pointer)
            || text.ends_with(['*', '(', '[', '-'])
            || text.is_empty();
        if !tight {
            text.push(' ');
        }
        text.push_str(word);
    }
    text
}

/// The last word that is a name.
fn last_name(words: &[String]) -> String {
    let is_name = |word: &&String| word.starts_with(|c: char| c.is_alphabetic() || c == '_');
    words.iter().rfind(is_name).unwrap_or_else(|| panic!("no name in {words:?}")).clone()
}

/// `words` cut at each `separator` that is in no brackets.
fn split<'a>(words: &'a [String], separator: &str) -> Vec<&'a [String]> {
    let mut depth = 0;
    words
        .split(|word| {
            match word.as_str() {
                "(" | "{" | "[" => depth += 1,
                ")" | "}" | "]" => depth -= 1,
                _ => {}
            }
            depth == 0 && word == separator
        })
        .filter(|part| !part.is_empty())
        .collect()
}

/// The name that a declarator gives: behind `(*` of a function pointer, else the last one before a `[`.
fn declared_name(words: &[String]) -> String {
    let pointer = words.windows(3).find(|three| three[0] == "(" && three[1] == "*");
    match pointer {
        Some(three) => three[2].clone(),
        None => last_name(words.split(|word| word == "[").next().expect("split gives something")),
    }
}

fn declaration(item: &[String]) -> Declaration {
    let open = item.iter().position(|word| word == "{");
    let close = item.iter().rposition(|word| word == "}");
    let is_typedef = item[0] == "typedef";
    let kind = &item[usize::from(is_typedef)];
    match (open, close) {
        (Some(open), Some(close)) if kind == "enum" => {
            let values = split(&item[open + 1..close], ",").iter().map(|value| value[0].clone()).collect();
            Declaration::Enum { name: last_name(&item[close..]), values }
        }
        (Some(open), Some(close)) if kind == "struct" => {
            let spelling = if is_typedef { last_name(&item[close..]) } else { format!("struct {}", item[1]) };
            let field = |words: &&[String]| Field { name: declared_name(words), text: line(words) };
            Declaration::Struct {
                spelling,
                fields: split(&item[open + 1..close], ";").iter().map(field).collect(),
            }
        }
        (None, None) if is_typedef && kind == "struct" && item.len() == 4 && item[2] == item[3] => {
            Declaration::Opaque { name: item[3].clone() }
        }
        (None, None) if kind == "struct" && item.len() == 2 => Declaration::Opaque { name: item[1].clone() },
        (None, None) if is_typedef => {
            Declaration::Alias { name: declared_name(&item[1..]), text: line(&item[1..]) }
        }
        (None, None) if item.last().is_some_and(|word| word == ")") => {
            let open = item.iter().position(|word| word == "(").expect("it ends with a bracket");
            let mut parameters: Vec<String> =
                split(&item[open + 1..item.len() - 1], ",").iter().map(|words| line(words)).collect();
            parameters.retain(|parameter| parameter != "void");
            Declaration::Function(Function {
                name: item[open - 1].clone(),
                result: line(&item[..open - 1]),
                parameters,
            })
        }
        _ => panic!("the header has something new: {}", line(item)),
    }
}
