//! What the README says works when it is pasted: its programs are compiled by its own lines, and say what it says.

mod support;

use std::path::Path;
use std::process::Command;

use support::documents::{blocks, name, package};
use support::programs::Stores;
use support::{root, run, scratch, Compiler, C11, CPP17};

/// The path of the store in the README's lines.
const STORE: &str = "/dev/shm/readme";

/// The only block of a language, and the console block right behind it.
fn program(language: &str) -> (String, String) {
    let readme = std::fs::read_to_string(root().join("README.md")).expect("there is a README.md");
    let blocks = blocks(&readme);
    let places: Vec<_> = (0..blocks.len()).filter(|at| blocks[*at].language == language).collect();
    let [place] = places[..] else { panic!("{} blocks in {language}, one is expected", places.len()) };
    let console = blocks.get(place + 1).filter(|block| block.language == "console");
    let console = console.unwrap_or_else(|| panic!("no console block follows the one in {language}"));
    (blocks[place].text.clone(), console.text.clone())
}

fn works_when_pasted(language: &str, compiler: Compiler) {
    let (source, console) = program(language);
    let folder = scratch(&format!("readme-{language}"));
    let package = package(&folder);
    let file = folder.join(name(&source));
    std::fs::write(&file, &source).expect("the test's folder is writable");
    // Without a single warning, too.
    run(compiler.command().arg("-fsyntax-only").arg(&file));

    let (line, output) = console.split_once('\n').expect("a command and what it prints");
    let line = line.strip_prefix("$ ").expect("a command begins with a prompt");
    let stores = Stores::new();
    let store = stores.path("store");
    assert!(line.contains(STORE), "the command runs on {STORE}: {line}");
    let line = line.replace(STORE, &store.to_string_lossy());
    let mut command = Command::new("sh");
    command.args(["-euc", &line]).current_dir(&folder);
    command.env("PKG_CONFIG_PATH", &package).env("LD_LIBRARY_PATH", &package);
    command.env("SDP_DAL_STORE_SIZE", "16000000").env("SDP_DAL_PROTECT", "1").env_remove("SDP_DAL_STORE");
    let said = run(&mut command);
    assert_eq!(String::from_utf8_lossy(&said.stdout), output, "what the README says of '{line}'");
    assert!(!store.exists(), "the store is still there when its last client has left");
}

#[test]
fn the_c_program_works_when_pasted() {
    works_when_pasted("c", C11);
}

#[test]
fn the_cpp_program_works_when_pasted() {
    works_when_pasted("cpp", CPP17);
}

/// Every script, folder and document that the README points to.
#[test]
fn what_the_readme_names_is_there() {
    let readme = std::fs::read_to_string(root().join("README.md")).expect("there is a README.md");
    let named = readme.split(|c: char| c.is_whitespace() || "`,;:()|".contains(c));
    let mut count = 0;
    for path in named.filter(|word| {
        ["scripts/", "docs/", "c_examples/"].iter().any(|folder| word.starts_with(folder))
            || *word == "LICENSE"
    }) {
        let path = path.trim_end_matches('.');
        assert!(root().join(path).exists(), "the README names {path}, which is not there");
        count += 1;
    }
    assert!(count >= 5, "only {count} paths found");
}

/// The environment variables that the README lists are those that the library and its program read.
#[test]
fn the_environment_is_the_one_that_is_read() {
    fn read_in(folder: &Path, found: &mut std::collections::BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).expect("a folder of sources").flatten() {
            let path = entry.path();
            if path.is_dir() {
                read_in(&path, found);
                continue;
            }
            if !path.extension().is_some_and(|extension| extension == "rs" || extension == "py") {
                continue;
            }
            let text = std::fs::read_to_string(&path).expect("sources are text");
            let text = text.replace("os.environ.get", "env::var");
            for part in text.split("env::var").skip(1) {
                let argument = part.trim_start_matches("_os").trim_start_matches("(\"");
                let name: String =
                    argument.chars().take_while(|c| c.is_ascii_uppercase() || *c == '_').collect();
                if name.starts_with("SDP_DAL_") {
                    found.insert(name);
                }
            }
        }
    }
    let mut read = std::collections::BTreeSet::new();
    read_in(&root().join("src"), &mut read);
    read_in(&root().join("python/src"), &mut read);
    // Only in tests.
    assert!(read.remove("SDP_DAL_FAIL") && read.remove("SDP_DAL_PLAIN_COPIES"));
    let readme = std::fs::read_to_string(root().join("README.md")).expect("there is a README.md");
    let listed: std::collections::BTreeSet<String> = readme
        .lines()
        .filter_map(|line| line.strip_prefix("| `SDP_DAL_"))
        .map(|rest| format!("SDP_DAL_{}", rest.split('`').next().expect("split gives something")))
        .collect();
    assert_eq!(listed, read);
}
