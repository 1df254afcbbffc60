//! `sdp-dal stub`: what it writes compiles without a warning in each language, whatever the parameters are named, and what a
//! language has no type for is refused. That it works is shown by `docs/howto/stub.md`, which a test follows.

mod support;

use std::path::Path;
use std::process::{Command, Output};

use support::reader::program;
use support::{python, root, run, scratch, CPP17};

/// Names that are words of a language or that the written code uses, every kind of parameter, some that may be left
/// out.
const ODD: [&str; 2] = [
    "lambda(class: complex64[row,chan] C, in: float64[row]?, self: int32, Status: bool?, status: uint64, \
     results: utf8?, rows: table, blob: oid, tensor: uint16[a,b,c], _under: float64[], \
     z: complex128?) -> (count: float32[x,y] F, \
     def: table?, _: oid, arguments: int8[i]?)",
    "lambda(class: complex128[row,chan] C, in: float64[row]?, self: int32, Status: bool?, status: uint64, \
     results: utf8?, rows: table, blob: oid, tensor: uint16[a,b,c], _under: float64[], \
     z: complex128?) -> (count: float64[x,y] F, \
     def: table?, _: oid, arguments: int8[i]?)",
];

fn stub(language: &str, signatures: &[&str]) -> Output {
    let mut command = Command::new(program());
    command.args(["stub", "--language", language]);
    for signature in signatures {
        command.args(["--signature", signature]);
    }
    command.output().expect("sdp-dal starts")
}

/// What it writes, in a file.
fn written(folder: &Path, language: &str, signatures: &[&str], name: &str) -> std::path::PathBuf {
    let made = stub(language, signatures);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    assert_eq!(made.stdout, stub(language, signatures).stdout, "the text is always the same");
    let file = folder.join(name);
    std::fs::write(&file, made.stdout).expect("the test's folder is writable");
    file
}

#[test]
fn a_stub_in_cpp_compiles() {
    let folder = scratch("stub-cpp");
    for (name, signatures) in [("two", &ODD[..]), ("one", &ODD[..1]), ("none", &["f() -> ()"])] {
        written(&folder, "c++", signatures, &format!("{name}.hpp"));
        let source = folder.join(format!("{name}.cpp"));
        std::fs::write(
            &source,
            format!("#include \"{name}.hpp\"\n#include \"{name}.hpp\"\nint main() {{}}\n"),
        )
        .expect("the test's folder is writable");
        run(CPP17.command().arg("-fsyntax-only").arg(&source));
    }
}

#[test]
fn a_stub_in_fortran_compiles() {
    let folder = scratch("stub-fortran");
    for (name, signatures) in [("two", &ODD[..]), ("one", &ODD[..1]), ("none", &["f() -> ()"])] {
        let file = written(&folder, "fortran", signatures, &format!("{name}.f90"));
        let mut command = Command::new(std::env::var("FC").unwrap_or_else(|_| "gfortran".to_owned()));
        command.args(["-std=f2008", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-J"]).arg(&folder);
        run(command.arg(root().join("include/sdp_dal.f90")).arg(file));
    }
}

#[test]
fn a_stub_in_python_compiles() {
    let folder = scratch("stub-python");
    for (name, signatures) in [("two", &ODD[..]), ("one", &ODD[..1]), ("none", &["f() -> ()"])] {
        let file = written(&folder, "python", signatures, &format!("{name}.py"));
        run(Command::new(python::python_with("re")).args(["-W", "error", "-m", "py_compile"]).arg(&file));
        // Names of fields are checked when the class is made.
        let text = std::fs::read_to_string(&file).expect("it was written");
        let outputs = text.find("class LambdaOutputs").or_else(|| text.find("class FOutputs"));
        let class = &text[outputs.expect("a class of outputs")..];
        let class = class.split("\n\n\n").next().expect("split gives something");
        let program =
            format!("from __future__ import annotations\nfrom typing import NamedTuple, Optional\n{class}\n");
        run(Command::new(python::python_with("re")).args(["-c", &program]));
    }
}

#[test]
fn what_a_language_has_no_type_for_is_refused() {
    for (language, signature, sentence) in [
        ("c++", "f(x: list<int8>) -> ()", "a stub in C++ cannot pass parameter 'x' of type list<int8>"),
        ("c++", "f(x: float16[i]) -> ()", "parameter 'x' of type float16[i]"),
        ("fortran", "f(x: id) -> ()", "a stub in Fortran cannot pass parameter 'x' of type id"),
        ("fortran", "f(x: binary) -> ()", "parameter 'x' of type binary"),
        ("python", "f(x: int8", "f(x: int8"),
    ] {
        let refused = stub(language, &[signature]);
        let error = String::from_utf8_lossy(&refused.stderr);
        assert!(refused.status.code() == Some(2) && error.contains(sentence), "{signature}: {error}");
        assert!(refused.stdout.is_empty());
    }
    let refused = stub("python", &["f() -> ()", "g() -> ()"]);
    assert!(
        String::from_utf8_lossy(&refused.stderr).contains("all signatures must be forms of 'f', found 'g'")
    );
}
