//! What the README says is so: its figures' place, its links, the environment. Its programs are run by the tests of the Python
//! package, which it installs.

mod support;

use std::path::Path;

use support::root;

/// Every file that the README links to, or names as code.
#[test]
fn what_the_readme_names_is_there() {
    let readme = std::fs::read_to_string(root().join("README.md")).expect("there is a README.md");
    let links = readme.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let code = readme.split('`').skip(1).step_by(2).filter(|code| {
        ["scripts/", "docs/", "include/"].iter().any(|folder| code.starts_with(folder))
            || code.ends_with(".txt")
    });
    let mut count = 0;
    for path in links.chain(code).filter(|path| !path.starts_with("https://")) {
        let path = path.split([' ', '#']).next().expect("split gives something");
        assert!(root().join(path).exists(), "the README names {path}, which is not there");
        count += 1;
    }
    assert!(count >= 25, "only {count} paths found");
}

/// The environment variables that the site lists are those that the library and its program read.
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
    // The program's own, and by way of a constant.
    read.extend(["SDP_DAL_COPY", "SDP_DAL_SUPERVISED"].map(str::to_owned));
    // Only in tests.
    assert!(read.remove("SDP_DAL_FAIL") && read.remove("SDP_DAL_PLAIN_COPIES"));
    let page = root().join("docs/reference/environment.md");
    let page = std::fs::read_to_string(page).expect("the site has a page about the environment");
    let listed: std::collections::BTreeSet<String> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `SDP_DAL_"))
        .map(|rest| format!("SDP_DAL_{}", rest.split('`').next().expect("split gives something")))
        .collect();
    assert_eq!(listed, read);
}
