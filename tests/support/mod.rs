//! What the tests of the C interface share: where things are, and compilers.
//!
//! The same tests run in other ways by the environment: `CC` and `CXX` are other compilers, `CFLAGS` and `CXXFLAGS` are added to
//! what they are told, and `SDP_DAL_TEST_RUNNER` is a command that runs the compiled programs (`scripts/sanitize.sh`).
#![allow(dead_code, reason = "each test uses its part of it")]

pub mod declarations;
pub mod documents;
pub mod fortran;
pub mod messages;
pub mod programs;
pub mod prose;
pub mod python;
pub mod reader;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

/// The repository.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The shared library for C, with the features and in the profile of this test. Cargo builds none for a test: it is asked to,
/// once in a process, and has nothing to do where the library is up to date.
pub fn cdylib() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(build_cdylib).clone()
}

fn build_cdylib() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own path");
    // TARGET/[TRIPLE/]PROFILE/deps/TEST
    let profile = test.ancestors().nth(2).expect("a test lies in a folder of its profile");
    let name =
        |folder: &Path| folder.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
    let mut target = profile.parent().expect("a profile's folder lies in the target folder");
    let mut cargo = Command::new(env!("CARGO"));
    // Of the workspace, as the tests are: other features of the crates below would compile all of it again.
    cargo.args(["build", "--quiet", "--locked", "--lib", "--workspace"]).current_dir(root());
    cargo.args(["--exclude", "sdp-dal-mutants", "--exclude", "sdp-dal-simulate"]);
    // Cargo keeps in the target folder what it knows of the compiler.
    if !target.join(".rustc_info.json").exists() {
        cargo.arg("--target").arg(name(target));
        target = target.parent().expect("a target's folder lies in the target folder");
    }
    cargo.arg("--target-dir").arg(target);
    cargo.args(["--profile", &name(profile).replace("debug", "dev")]);
    for (feature, is_on) in
        [("failpoints", cfg!(feature = "failpoints")), ("sdp-dal/ndarray", cfg!(feature = "ndarray"))]
    {
        if is_on {
            cargo.args(["--features", feature]);
        }
    }
    run(&mut cargo);
    profile.join("libsdp_dal.so")
}

/// A folder for this test's files, below cargo's.
pub fn scratch(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&folder).expect("cargo's folder for tests is writable");
    folder
}

/// A compiler and the language it is to compile.
#[derive(Clone, Copy, Debug)]
pub struct Compiler {
    /// `-x`.
    pub language: &'static str,
    /// `-std=`.
    pub standard: &'static str,
}

/// C11 by the system's C compiler.
pub const C11: Compiler = Compiler { language: "c", standard: "c11" };
/// C++17 by the system's C++ compiler.
pub const CPP17: Compiler = Compiler { language: "c++", standard: "c++17" };
/// C++20 by the system's C++ compiler.
pub const CPP20: Compiler = Compiler { language: "c++", standard: "c++20" };
/// The newest.
pub const CPP23: Compiler = Compiler { language: "c++", standard: "c++23" };

impl Compiler {
    /// The command so far, with every warning an error.
    pub fn command(self) -> Command {
        let (variable, default, flags) =
            if self.language == "c" { ("CC", "cc", "CFLAGS") } else { ("CXX", "c++", "CXXFLAGS") };
        let mut command = Command::new(std::env::var(variable).unwrap_or_else(|_| default.to_owned()));
        command.arg(format!("-std={}", self.standard));
        command.args([
            "-Wall",
            "-Wextra",
            "-Wpedantic",
            "-Wconversion",
            "-Wshadow",
            "-Wcast-qual",
            "-Wundef",
        ]);
        command.args(["-Werror", "-O1"]);
        command.args(words(flags));
        command.arg("-I").arg(root().join("include"));
        command.args(["-x", self.language]);
        command
    }
}

/// The words of an environment variable.
fn words(variable: &str) -> Vec<String> {
    std::env::var(variable).unwrap_or_default().split_whitespace().map(str::to_owned).collect()
}

/// A command that runs a compiled program, or lets the runner of the environment run it.
pub fn runs(program: &Path) -> Command {
    let runner = words("SDP_DAL_TEST_RUNNER");
    let Some((first, more)) = runner.split_first() else { return Command::new(program) };
    let mut command = Command::new(first);
    command.args(more).arg(program);
    command
}

/// Runs a command; its output if it succeeded, else a panic that shows everything.
pub fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// The library under its SONAME in `folder`, as the loader looks for it; `folder` goes into LD_LIBRARY_PATH.
pub fn install_library(folder: &Path) {
    let link = folder.join(soname());
    // A program of this folder may be starting: the link is there all the time.
    if std::fs::read_link(&link).is_ok_and(|target| target == cdylib()) {
        return;
    }
    let fresh = folder.join("new-link");
    let _ = std::fs::remove_file(&fresh);
    std::os::unix::fs::symlink(cdylib(), &fresh).expect("a link in the test's own folder");
    std::fs::rename(&fresh, &link).expect("a link in the test's own folder");
}

/// What capi/build.rs makes of the version.
pub fn soname() -> String {
    let (major, minor) = (env!("CARGO_PKG_VERSION_MAJOR"), env!("CARGO_PKG_VERSION_MINOR"));
    if major == "0" {
        format!("libsdp_dal.so.{major}.{minor}")
    } else {
        format!("libsdp_dal.so.{major}")
    }
}
