//! What strangers read is plain English: documents, headers, docstrings, help and error texts use the words of the field.
//!
//! The list says what to write in place of each word. Names in code and in backticks are left out.

mod support;

use std::path::{Path, PathBuf};

use support::prose::{docstrings, files, markdown, source, words, Parts, Passage};
use support::root;

/// Words and phrases that are not written, and what is.
const WORDS: [(&[&str], &str); 23] = [
    (&["whoever", "whomever"], "the client, the caller, the program, the owner"),
    (&["nobody"], "no client, no caller, no program"),
    (&["somebody", "somebody's"], "a client, another client, a user"),
    (&["anybody", "everybody"], "any client, all clients, all users"),
    (&["anew"], "again"),
    (&["dead"], "crashed"),
    (&["living"], "running"),
    (&["death", "deaths"], "crash, exit"),
    (&["died"], "crashed, exited"),
    (&["give back", "gives back", "gave back", "given back"], "free, return, reclaim"),
    (&["let go", "lets go"], "release"),
    (&["takes along"], "also takes, contains"),
    (&["goes with"], "is removed with"),
    (&["has gone", "have gone"], "crashed, was closed, was deleted"),
    (&["mend", "mends", "mended"], "fix, repair"),
    (&["a house", "the house"], "the implementation"),
    (&["a room", "the room", "rooms"], "module"),
    (&["add up", "adds up"], "is valid, is consistent"),
    (&["come to exist", "comes to exist"], "is created"),
    (&["for ever"], "forever"),
    (&["else"], "otherwise, or begin with 'Default: '"),
    (&["lie in", "lies in", "stand in", "stands in"], "is in"),
    (&["scribble", "scribbles"], "overwrite"),
];

/// Where a listed word is right: what precedes `else`.
const BEFORE_ELSE: [&str; 9] =
    ["something", "anything", "nothing", "everything", "someone", "what", "where", "or", "somewhere"];

/// Passages that quote: a part of the path, a word of the list, and why.
const ALLOWED: [(&str, &str, &str); 1] =
    [("cli/src/stub/", "else", "a word of C++, Python and Fortran, which it writes")];

/// What is read: a path from the repository's root, and how.
fn passages() -> Vec<(PathBuf, Vec<Passage>)> {
    let mut found = Vec::new();
    let mut read = |paths: Vec<PathBuf>, how: &dyn Fn(&str) -> Vec<Passage>| {
        for path in paths {
            if let Ok(text) = std::fs::read_to_string(&path) {
                let name = path.strip_prefix(root()).expect("it is below the root").to_owned();
                found.push((name, how(&text)));
            }
        }
    };
    let at = |path: &str| root().join(path);
    let top = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "python/README.md"];
    read(top.map(at).to_vec(), &markdown);
    read(files(&at("docs"), ".md"), &markdown);
    read(files(&at("python/src"), ".py"), &docstrings);
    for ending in [".h", ".hpp"] {
        read(files(&at("include"), ending), &|text| source(text, Parts::Comments));
    }
    read(files(&at("include"), ".hpp"), &|text| source(text, Parts::Strings));
    read(texts_of(&at("cli/src")), &|text| source(text, Parts::DocsAndStrings));
    read(texts_of(&at("src")), &|text| source(text, Parts::Strings));
    found
}

/// Rust files that are not for tests only.
fn texts_of(folder: &Path) -> Vec<PathBuf> {
    let for_tests = |path: &PathBuf| {
        let name = path.to_string_lossy();
        ["/tests", "testing.rs", "/sim/"].iter().any(|part| name.contains(part))
    };
    files(folder, ".rs").into_iter().filter(|path| !for_tests(path)).collect()
}

/// The listed words in a passage, with their lines and what to write.
fn wrong_in(passage: &Passage) -> Vec<(usize, &'static str, &'static str)> {
    let mut found = Vec::new();
    for (word, better) in
        WORDS.iter().flat_map(|(words, better)| words.iter().map(move |word| (*word, *better)))
    {
        let parts: Vec<&str> = word.split(' ').collect();
        for (at, window) in passage.windows(parts.len()).enumerate() {
            let same = window.iter().zip(&parts).all(|((_, said), part)| said == part);
            let before = at.checked_sub(1).map_or("", |before| passage[before].1.as_str());
            if same && !(word == "else" && BEFORE_ELSE.contains(&before)) {
                found.push((window[0].0, word, better));
            }
        }
    }
    found
}

fn is_allowed(path: &Path, word: &str) -> bool {
    ALLOWED.iter().any(|(part, allowed, _)| path.to_string_lossy().contains(part) && *allowed == word)
}

#[test]
fn the_words_are_those_of_the_field() {
    let passages = passages();
    assert!(passages.len() > 100, "only {} files found", passages.len());
    let mut wrong = Vec::new();
    for (path, passages) in &passages {
        for (line, word, better) in passages.iter().flat_map(wrong_in) {
            if !is_allowed(path, word) {
                wrong.push(format!("{}:{line}: '{word}': write {better}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{} words to replace:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn each_kind_of_text_is_read() {
    let said = |passages: Vec<Passage>| -> Vec<(usize, &str)> {
        passages.iter().flat_map(wrong_in).map(|(line, word, _)| (line, word)).collect()
    };
    let text = "Nobody\nknows `nobody`\n```sh\necho nobody\n```\nsomething else, or\nelse it has\ngone";
    assert_eq!(said(markdown(text)), [(1, "nobody"), (7, "has gone")]);
    let text = "def nobody():\n    \"\"\"Ends.\n\n    >>> nobody()\n    Lets\n    go.\"\"\"\n";
    assert_eq!(said(docstrings(text)), [(5, "lets go")]);
    let text =
        "/* Nobody */\nint nobody; /// it has\n/// gone\nif (a) b(\"anew\"); else c('\"'); // `anew`\n";
    assert_eq!(said(source(text, Parts::Comments)), [(1, "nobody"), (2, "has gone")]);
    let text = "// anew\n/// It died.\nfn f<'a>() { g(\"{dead} has \\\n    gone\", 'x', r#\"dead\"#) }\n#[cfg(test)]\nmod tests { \"anew\" }";
    assert_eq!(said(source(text, Parts::Strings)), [(3, "has gone"), (4, "dead")]);
    assert_eq!(said(source(text, Parts::DocsAndStrings)), [(2, "died"), (3, "has gone"), (4, "dead")]);
    assert_eq!(words("It's 'else'", 7), [(7, "it's".to_owned()), (7, "else".to_owned())]);
}
