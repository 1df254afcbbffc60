//! What the pages of the site say works when it is typed (`tests/support/reader.rs` says how a page is read), and what
//! cannot be run is known by number.

mod support;

use std::collections::BTreeMap;

use support::documents::Block;
use support::reader::{follow, pages, Installed, Page};
use support::root;

/// The folders of the site's own pages. The documents above them have tests of their own.
const FOLDERS: [&str; 4] = ["tutorials", "howto", "reference", "explanation"];

/// Pages with blocks that no test runs, and how many: they need a cluster, the network, root, or a container.
const NOT_RUN: [(&str, usize); 7] = [
    ("howto/install.md", 8),
    ("howto/keep-running.md", 1),
    ("howto/kubernetes.md", 1),
    ("howto/plasma.md", 1),
    ("howto/slurm.md", 1),
    ("tutorials/imaging.md", 1),
    ("tutorials/two-processes.md", 1),
];

fn all() -> Vec<Page> {
    FOLDERS.into_iter().flat_map(pages).collect()
}

#[test]
fn every_page_works_when_it_is_typed() {
    let installed = Installed::new();
    let only = std::env::var("SDP_DAL_PAGE").unwrap_or_default();
    let followed =
        all().iter().filter(|page| page.name.contains(&only)).map(|page| follow(&installed, page)).count();
    assert!(followed > 0, "no page's name has '{only}' in it");
}

#[test]
fn what_is_not_run_is_known_by_number() {
    let not_run = |block: &&Block| block.class == "not-run";
    let counted: BTreeMap<String, usize> = all()
        .iter()
        .map(|page| (page.name.clone(), page.blocks.iter().filter(not_run).count()))
        .filter(|(_, count)| *count > 0)
        .collect();
    let known = NOT_RUN.map(|(page, count)| (page.to_owned(), count));
    assert_eq!(counted, BTreeMap::from(known), "blocks that are not run: run them, or count them here");
}

/// Programs outside of these folders are run by tests of their documents.
#[test]
fn other_documents_with_programs_have_tests_of_their_own() {
    let programs = ["python", "c", "cpp", "cmake", "fortran", "rust", "yaml", "pycon"];
    let mut with_programs: Vec<String> = std::fs::read_dir(root().join("docs"))
        .expect("there is a folder of documents")
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .filter(|path| {
            let text = std::fs::read_to_string(path).expect("documents are text");
            support::documents::blocks(&text).iter().any(|block| programs.contains(&block.language.as_str()))
        })
        .map(|path| path.file_name().expect("a file has a name").to_string_lossy().into_owned())
        .collect();
    with_programs.sort();
    // tests/bindings.rs, tests/wire_pyarrow.rs.
    assert_eq!(with_programs, ["bindings.md", "wire-format.md"]);
}

/// The first page has no code: what it shows stands on a page that is run.
#[test]
fn the_first_page_has_no_code() {
    let text = std::fs::read_to_string(root().join("docs/index.md")).expect("the site has a first page");
    for block in support::documents::blocks(&text) {
        assert!(block.language.starts_with('{') || block.language == "text", "{}", block.text);
    }
}
