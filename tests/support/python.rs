//! Python for tests: the system's, or one with packages of its own.

use std::path::PathBuf;
use std::process::Command;

/// A Python that has this module: the first in the path, or the system's.
pub fn python_with(module: &str) -> &'static str {
    let has = |python: &&str| {
        let import = Command::new(python).args(["-c", &format!("import {module}")]).output();
        import.is_ok_and(|output| output.status.success())
    };
    ["python3", "/usr/bin/python3"].into_iter().find(has).unwrap_or_else(|| {
        panic!("no python3 has the module {module}: scripts/test.sh installs what is missing")
    })
}

/// The Python of a virtual environment with these packages (pip's requirements), made in cargo's folder once.
pub fn environment(name: &str, packages: &[&str]) -> PathBuf {
    let folder = super::scratch("python").join(name);
    let (python, done) = (folder.join("bin/python"), folder.join("packages.txt"));
    let wanted = packages.join("\n");
    // Its Python is the system's, which may have been replaced since.
    let runs = || Command::new(&python).arg("--version").output().is_ok_and(|output| output.status.success());
    if std::fs::read_to_string(&done).is_ok_and(|installed| installed == wanted) && runs() {
        return python;
    }
    super::run(Command::new(python_with("ensurepip")).args(["-m", "venv", "--clear"]).arg(&folder));
    super::run(
        Command::new(&python)
            .args(["-m", "pip", "install", "--quiet", "--only-binary", ":all:"])
            .args(packages),
    );
    std::fs::write(&done, wanted).expect("cargo's folder for tests is writable");
    python
}
