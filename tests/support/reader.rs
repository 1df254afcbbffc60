//! A reader of the site, who types what a page says: writes files under their names, runs commands in terminals, and
//! compares what they print with what the page shows.
//!
//! - A program (`python`, `c`, `cpp`, `fortran`, `cmake`, `yaml`) names its file in its first line. A later command or file of the page
//!   uses it.
//! - `sh`: commands that must succeed.
//! - `console`: commands behind `$ `, and what they print. In what is shown `...` stands for any text, alone in a line for
//!   any lines. With `:class: figures` numbers, IDs and the width of columns may differ. A caption names the terminal: `Terminal 1: leave it running` starts the last command and waits for what is
//!   shown; `Terminal 1 shows` waits for more of it; `Terminal 1: press Ctrl-C, then` ends it first.
//! - `pycon`: a session of Python; those of a page are one.
//! - `text`: no code. With `:class: signatures` each line is a function's signature.
//! - `:class: needs HEADER...`: is left out if the compiler finds none of these headers. CPATH names folders.
//! - `:class: not-run`: needs what a test does not have (a cluster, the network, another machine). Shell is checked by
//!   `bash -n`, YAML is parsed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::documents::{blocks, name, Block};
use super::programs::{Running, Stores};
use super::{cdylib, python, root, run, scratch, soname};

/// Languages whose blocks are files.
const FILES: [&str; 7] = ["python", "c", "cpp", "fortran", "cmake", "yaml", "ini"];

/// What a reader has installed.
pub struct Installed {
    prefix: PathBuf,
    python: PathBuf,
}

impl Installed {
    /// The package as CMake installs it, with the library that was built for tests, and the Python package.
    pub fn new() -> Installed {
        let folder = scratch("site-installed");
        let (build, prefix) = (folder.join("build"), folder.join("prefix"));
        run(Command::new("cmake").arg("-S").arg(root()).arg("-B").arg(&build));
        let lib = prefix.join("lib");
        for part in ["bin", "lib/cmake/sdp_dal", "lib/pkgconfig"] {
            std::fs::create_dir_all(prefix.join(part)).expect("cargo's folder for tests is writable");
        }
        for file in ["sdp_dalConfig.cmake", "sdp_dalConfigVersion.cmake"] {
            std::fs::copy(build.join(file), lib.join("cmake/sdp_dal").join(file)).expect("CMake wrote it");
        }
        std::fs::copy(build.join("sdp_dal.pc"), lib.join("pkgconfig/sdp_dal.pc")).expect("CMake wrote it");
        let version = env!("CARGO_PKG_VERSION");
        for name in [&format!("libsdp_dal.so.{version}"), &soname(), "libsdp_dal.so"] {
            link(&cdylib(), &lib.join(name));
        }
        link(&root().join("include"), &prefix.join("include"));
        link(&program(), &prefix.join("bin/sdp-dal"));
        Installed { python: package(&folder, &lib.join(soname())), prefix }
    }
}

/// The program `sdp-dal`, which cargo builds with the tests of the workspace.
pub fn program() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own path");
    // PROFILE/deps/TEST
    let program = test.ancestors().nth(2).expect("a test is in a folder of its profile").join("sdp-dal");
    assert!(program.exists(), "cargo build --package sdp-dal-cli makes {}", program.display());
    program
}

fn link(target: &Path, link: &Path) {
    let _ = std::fs::remove_file(link);
    std::os::unix::fs::symlink(target, link).expect("a link in the test's own folder");
}

/// A Python with the package, as a wheel would bring it.
fn package(folder: &Path, library: &Path) -> PathBuf {
    let packages = ["pyarrow>=17,<27", "numpy>=1.26,<3", "cffi>=1.15", "PyYAML>=6"];
    let python = python::environment("site", &packages);
    let into = folder.join("python/ska_sdp_dal");
    let _ = std::fs::remove_dir_all(&into);
    copy_modules(&root().join("python/src/ska_sdp_dal"), &into);
    // What an editable install puts there.
    for built in ["lib", "include"] {
        let _ = std::fs::remove_dir_all(into.join(built));
    }
    std::fs::create_dir_all(into.join("lib")).expect("cargo's folder for tests is writable");
    link(library, &into.join("lib").join(soname()));
    link(&root().join("include"), &into.join("include"));
    run(Command::new(&python)
        .arg(root().join("python/header_to_ffi.py"))
        .arg(root().join("include/sdp_dal.h"))
        .arg(into.join("_ffi.py")));
    python
}

/// The modules of a package and of those in it.
fn copy_modules(from: &Path, into: &Path) {
    std::fs::create_dir_all(into).expect("cargo's folder for tests is writable");
    for entry in std::fs::read_dir(from).expect("a folder of sources").flatten() {
        let path = entry.path();
        if path.is_dir() {
            copy_modules(&path, &into.join(entry.file_name()));
        } else if path.extension().is_some_and(|extension| extension == "py") {
            std::fs::copy(&path, into.join(entry.file_name())).expect("a copy");
        }
    }
}

/// A reader at a page.
pub struct Reader<'a> {
    installed: &'a Installed,
    folder: PathBuf,
    stores: Stores,
    terminals: BTreeMap<String, Running>,
}

/// A page: its name below `docs`, and its blocks.
pub struct Page {
    pub name: String,
    pub blocks: Vec<Block>,
}

/// The pages of a folder of the site.
pub fn pages(below: &str) -> Vec<Page> {
    let folder = root().join("docs").join(below);
    let mut names: Vec<String> = std::fs::read_dir(&folder)
        .expect("a folder of the site")
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name.ends_with(".md"))
        .collect();
    names.sort();
    let read = |name: String| {
        let text = std::fs::read_to_string(folder.join(&name)).expect("pages are text");
        Page { name: format!("{below}/{name}"), blocks: blocks(&text) }
    };
    names.into_iter().map(read).collect()
}

/// Reads a page from its beginning to its end, and does what it says.
pub fn follow(installed: &Installed, page: &Page) {
    println!("==== {}", page.name);
    let folder = scratch("site").join(page.name.replace('/', "-").replace(".md", ""));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("cargo's folder for tests is writable");
    let mut reader = Reader { installed, folder, stores: Stores::new(), terminals: BTreeMap::new() };
    used(page);
    let sessions = page.blocks.iter().filter(|block| block.language == "pycon");
    let session: String = sessions.map(|block| block.text.clone() + "\n").collect();
    for block in &page.blocks {
        reader.take(block);
    }
    if !session.is_empty() {
        reader.session(&session);
    }
    for (_, program) in reader.terminals {
        program.terminate();
    }
}

/// Each file of a page is used by what comes after it.
fn used(page: &Page) {
    for (at, block) in page.blocks.iter().enumerate() {
        if FILES.contains(&block.language.as_str()) && block.class != "not-run" && block.language != "yaml" {
            let name = name(&block.text);
            let stem = name.trim_end_matches(".py");
            let known = name == "CMakeLists.txt"
                || page.blocks[at + 1..].iter().any(|other| other.text.contains(stem));
            assert!(known, "{}: nothing uses {name}", page.name);
        }
    }
}

impl Reader<'_> {
    fn take(&mut self, block: &Block) {
        match block.language.as_str() {
            _ if block.class == "not-run" => self.check(block),
            _ if !available(block) => println!("left out, '{}': {}", block.class, block.text.trim_end()),
            "yaml" => {
                self.write(block);
                self.check(block);
            }
            language if FILES.contains(&language) => self.write(block),
            "sh" => drop(run(&mut self.shell(&block.text))),
            "console" => self.console(block),
            "text" if block.class == "signatures" => signatures(&block.text),
            "pycon" | "text" => {}
            language if language.starts_with('{') => {}
            language => panic!("no reader knows what to do with '{language}':\n{}", block.text),
        }
    }

    fn write(&self, block: &Block) {
        let file = self.folder.join(name(&block.text));
        std::fs::create_dir_all(file.parent().expect("it lies in a folder")).expect("a folder");
        std::fs::write(file, self.placed(&block.text)).expect("the test's folder is writable");
    }

    /// The same with stores where tests have them.
    fn placed(&self, text: &str) -> String {
        text.replace("/dev/shm/", &format!("{}/", self.stores.folder().display()))
    }

    /// The syntax of what is not run.
    fn check(&self, block: &Block) {
        match block.language.as_str() {
            "sh" | "console" => {
                let text = match block.language.as_str() {
                    "sh" => block.text.clone(),
                    _ => commands(&block.text).into_iter().map(|(command, _)| command + "\n").collect(),
                };
                run(Command::new("bash").args(["-n", "-c", &text]));
            }
            "yaml" => {
                let parse = "import sys, yaml; assert all(yaml.safe_load_all(sys.argv[1]))";
                run(Command::new(&self.installed.python).args(["-c", parse, &block.text]));
            }
            language => panic!("nothing checks the syntax of '{language}': run it, or write it differently"),
        }
    }

    /// A command of the page.
    fn shell(&self, text: &str) -> Command {
        let prefix = &self.installed.prefix;
        let mut command = Command::new("bash");
        command.args(["-euo", "pipefail", "-c", &self.placed(text)]).current_dir(&self.folder);
        let mut path = vec![prefix.join("bin"), self.installed.python.with_file_name("")];
        path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
        command.env("PATH", std::env::join_paths(path).expect("folders without colons"));
        command.env("PYTHONPATH", prefix.with_file_name("python")).env("PYTHONUNBUFFERED", "1");
        command
            .env("PKG_CONFIG_PATH", prefix.join("lib/pkgconfig"))
            .env("LD_LIBRARY_PATH", prefix.join("lib"));
        command.env("CMAKE_PREFIX_PATH", prefix).env("HOME", &self.folder);
        command.env("SDP_DAL_STORE_SIZE", "64000000").env("SDP_DAL_PROTECT", "1").env_remove("SDP_DAL_STORE");
        command.env_remove("SDP_DAL_LIBRARY").env_remove("CARGO_TARGET_DIR");
        command
    }

    fn console(&mut self, block: &Block) {
        let caption = block.caption.as_str();
        let terminal: String = caption.split([':', ',']).next().unwrap_or_default().replace(" shows", "");
        if caption.contains("press Ctrl-C") {
            let running =
                self.terminals.remove(&terminal).unwrap_or_else(|| panic!("nothing runs in {terminal}"));
            running.press_ctrl_c();
        }
        if caption.ends_with(" shows") {
            let running =
                self.terminals.get(&terminal).unwrap_or_else(|| panic!("nothing runs in {terminal}"));
            return self.awaits(running, &block.text);
        }
        let mut all = commands(&block.text);
        let last = if caption.ends_with("leave it running") { all.pop() } else { None };
        for (command, shown) in all {
            let said = run(&mut self.shell(&command));
            let said = String::from_utf8_lossy(&said.stdout).into_owned();
            let shown = self.placed(&shown);
            let (shown, said) = match block.class.as_str() {
                "figures" => (blurred(&shown), blurred(&said)),
                _ => (shown, said),
            };
            assert!(alike(&shown, &said), "'{command}' prints\n{said}\nand the page shows\n{shown}");
        }
        if let Some((command, shown)) = last {
            let running = Running::start(&mut self.shell(&format!("exec env {command}")));
            self.awaits(&running, &shown);
            self.terminals.insert(terminal, running);
        }
    }

    fn awaits(&self, running: &Running, shown: &str) {
        for line in self.placed(shown).lines() {
            let longest = line.split("...").max_by_key(|part| part.len()).expect("split gives something");
            running.says(longest.trim());
        }
    }

    fn session(&self, text: &str) {
        std::fs::write(self.folder.join("session.txt"), self.placed(text))
            .expect("the test's folder is writable");
        run(&mut self.shell("python -m doctest -o ELLIPSIS -o NORMALIZE_WHITESPACE session.txt"));
    }
}

/// Whether a block needs nothing, or the compiler finds one of the headers that it needs.
fn available(block: &Block) -> bool {
    let Some(headers) = block.class.strip_prefix("needs ") else { return true };
    headers.split_whitespace().any(|header| {
        let ask = format!("echo '#include <{header}>' | c++ -std=c++23 -fsyntax-only -x c++ -");
        let asked = Command::new("bash").args(["-c", &ask]).output();
        asked.expect("bash is installed").status.success()
    })
}

/// The commands of a console block, each with what it prints.
fn commands(text: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    for line in text.lines() {
        if let Some(command) = line.strip_prefix("$ ") {
            found.push((command.to_owned(), String::new()));
            continue;
        }
        let (command, shown) = found.last_mut().expect("a block of a console begins with a command");
        if command.ends_with('\\') && shown.is_empty() {
            command.push('\n');
            command.push_str(line);
        } else {
            shown.push_str(line);
            shown.push('\n');
        }
    }
    found
}

/// A text without its numbers, IDs and columns.
fn blurred(text: &str) -> String {
    let word = |word: &str| {
        if word.len() >= 8 && word.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return "#".to_owned();
        }
        let mut out = String::new();
        for part in word.chars() {
            match part.is_ascii_digit() {
                true if out.ends_with('#') => {}
                true => out.push('#'),
                false => out.push(part),
            }
        }
        out.replace("#.#", "#")
    };
    let line = |line: &str| line.split_whitespace().map(word).collect::<Vec<_>>().join(" ") + "\n";
    text.lines().map(line).collect()
}

/// Whether a program printed what is shown.
fn alike(shown: &str, said: &str) -> bool {
    fn rest(shown: &[&str], said: &[&str]) -> bool {
        match shown.split_first() {
            None => said.is_empty(),
            Some((line, more)) if line.trim() == "..." => (0..=said.len()).any(|at| rest(more, &said[at..])),
            Some((line, more)) => {
                said.split_first().is_some_and(|(first, others)| fits(line, first) && rest(more, others))
            }
        }
    }
    let (shown, said): (Vec<&str>, Vec<&str>) = (shown.lines().collect(), said.lines().collect());
    rest(&shown, &said)
}

/// Whether a line is what is shown of it.
fn fits(shown: &str, said: &str) -> bool {
    let mut parts = shown.trim_end().split("...");
    let first = parts.next().expect("split gives something");
    let Some(mut left) = said.trim_end().strip_prefix(first) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return left.is_empty() };
    for part in middle {
        let Some(at) = left.find(part) else { return false };
        left = &left[at + part.len()..];
    }
    left.ends_with(last)
}

/// Each line is a function's signature.
fn signatures(text: &str) {
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Err(problem) = sdp_dal::wire::CallSchema::parse(line) {
            panic!("'{line}' is no signature: {problem}");
        }
    }
}
