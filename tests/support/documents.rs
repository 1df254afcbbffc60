//! Programs that stand in documents, and the package that they are built with.

use std::path::{Path, PathBuf};

use super::{cdylib, install_library, root};

/// A fenced block: its language, and its lines.
pub struct Block {
    pub language: String,
    pub text: String,
}

/// All fenced blocks of a document.
pub fn blocks(document: &str) -> Vec<Block> {
    let mut found: Vec<Block> = Vec::new();
    let mut inside = false;
    for line in document.lines() {
        match line.strip_prefix("```") {
            Some(_) if inside => inside = false,
            Some(language) => {
                inside = true;
                found.push(Block { language: language.to_owned(), text: String::new() });
            }
            None if inside => {
                let block = found.last_mut().expect("a block was begun");
                block.text.push_str(line);
                block.text.push('\n');
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
        "includedir={}\nName: sdp_dal\nDescription: as built\nVersion: {}\nCflags: -I${{includedir}}\n\
         Libs: -L{} -lsdp_dal\n",
        root().join("include").display(),
        env!("CARGO_PKG_VERSION"),
        folder.display()
    );
    std::fs::write(folder.join("sdp_dal.pc"), text).expect("the test's folder is writable");
    folder.to_owned()
}
