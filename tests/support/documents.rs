//! Programs that stand in documents, and the package that they are built with.

use std::path::{Path, PathBuf};

use super::{cdylib, install_library, root};

/// A fenced block: its language, its lines, and what a directive of the site says about it.
pub struct Block {
    pub language: String,
    pub text: String,
    pub caption: String,
    pub class: String,
}

/// All fenced blocks of a document. One of the site's `{code-block}` directives is a block of its language; what other
/// directives have inside is no code, and `{toctree}` is their language.
pub fn blocks(document: &str) -> Vec<Block> {
    let mut found: Vec<Block> = Vec::new();
    let mut inside = false;
    let mut options = false;
    for line in document.lines() {
        match line.strip_prefix("```") {
            Some(_) if inside => inside = false,
            Some(language) => {
                inside = true;
                options = language.starts_with('{');
                let language = language.strip_prefix("{code-block} ").unwrap_or(language).to_owned();
                found.push(Block {
                    language,
                    text: String::new(),
                    caption: String::new(),
                    class: String::new(),
                });
            }
            None if inside => {
                let block = found.last_mut().expect("a block was begun");
                if options && line.is_empty() {
                    options = false;
                } else if let Some((name, value)) =
                    line.strip_prefix(':').filter(|_| options).and_then(|rest| rest.split_once(": "))
                {
                    match name {
                        "caption" => block.caption = value.to_owned(),
                        "class" => block.class = value.to_owned(),
                        _ => {}
                    }
                } else {
                    options = false;
                    block.text.push_str(line);
                    block.text.push('\n');
                }
            }
            None => {}
        }
    }
    assert!(!inside, "the document's last block has no end");
    found
}

/// The name that a program's first line gives it: `/* name: what it does */`, or another kind of comment.
pub fn name(source: &str) -> String {
    let first = source.lines().next().expect("a program has lines");
    let name =
        first.trim_start_matches(['/', '*', '#', '!', ' ']).split(':').next().expect("split gives something");
    let is_file = !name.contains(' ') && Path::new(name).extension().is_some();
    assert!(is_file, "the first line names no file: {first}");
    name.to_owned()
}

/// A package as it is installed, for pkg-config; what the loader needs lies in it too.
pub fn package(folder: &Path) -> PathBuf {
    install_library(folder);
    let link = folder.join("libsdp_dal.so");
    let _ = std::fs::remove_file(&link);
    std::os::unix::fs::symlink(cdylib(), &link).expect("a link in the test's own folder");
    let text = format!(
        "includedir={}\nfortran=${{includedir}}/sdp_dal.f90\nName: sdp_dal\nDescription: as built\nVersion: {}\nCflags: -I${{includedir}}\n\
         Libs: -L{} -lsdp_dal\n",
        root().join("include").display(),
        env!("CARGO_PKG_VERSION"),
        folder.display()
    );
    std::fs::write(folder.join("sdp_dal.pc"), text).expect("the test's folder is writable");
    folder.to_owned()
}
