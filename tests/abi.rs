//! The ABI as text: `tests/abi/sdp_dal.abi.txt` is what a C compiler makes of the header and what the library exports.
//!
//! `scripts/abi.sh --update` writes it anew, `scripts/abi.sh` compares what was exported before with libabigail too.
//! Names come from the header; every size, offset and value is printed by a program that the C compiler made.

mod support;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::PathBuf;
use std::process::Command;

use support::declarations::{declarations, functions, Declaration};
use support::{cdylib, root, run, scratch, Compiler, C11};

const HEAD: &str = "\
# What a program that was compiled with include/sdp_dal.h relies on, on a 64-bit machine. A test compares it with the
# header and the library; scripts/abi.sh --update writes it. Before a release the diff of this file is the review:
# nothing may change or go within a major version (before 1.0: a minor one), new lines may come.
#
# A field: its offset, its size, its declaration. An enumerator: its value.
";

/// A C program that prints the header's types.
fn program(found: &[Declaration]) -> String {
    let mut text = String::from(
        "#include <sdp_dal.h>\n#include <stdio.h>\n#include <stddef.h>\n\
         #define TYPE(text, type) printf(\"\\n%s: size %zu, align %zu\\n\", text, sizeof(type), _Alignof(type))\n\
         #define FIELD(type, field, text) printf(\"    %3zu %3zu  %s\\n\", offsetof(type, field), \
         sizeof(((type *)0)->field), text)\n\
         #define VALUE(value) printf(\"    %s = %lld\\n\", #value, (long long)(value))\n\
         int main(void) {\n",
    );
    for declaration in found {
        let _ = match declaration {
            Declaration::Enum { name, values } => {
                let values =
                    values.iter().fold(String::new(), |all, value| format!("{all}VALUE({value});\n"));
                write!(text, "TYPE(\"enum {name}\", {name});\n{values}")
            }
            Declaration::Struct { spelling, fields } => {
                let fields = fields.iter().fold(String::new(), |all, field| {
                    format!("{all}FIELD({spelling}, {}, \"{}\");\n", field.name, field.text)
                });
                let name = spelling.trim_start_matches("struct ");
                write!(text, "TYPE(\"struct {name}\", {spelling});\n{fields}")
            }
            Declaration::Alias { name, text: line } => {
                write!(text, "TYPE(\"typedef {name}\", {name});\nputs(\"    {line}\");\n")
            }
            Declaration::Opaque { .. } | Declaration::Function(_) => Ok(()),
        };
    }
    text.push_str("return 0;\n}\n");
    text
}

fn build(name: &str, source: &str, compiler: Compiler) -> PathBuf {
    let folder = scratch("abi");
    let file = folder.join(format!("{name}.c"));
    std::fs::write(&file, source).expect("the test's folder is writable");
    let built = folder.join(name);
    run(compiler.command().arg("-Wno-pedantic").arg(&file).arg("-o").arg(&built));
    built
}

fn exported() -> BTreeSet<String> {
    let output = run(Command::new("nm").args(["-D", "--defined-only", "--format=posix"]).arg(cdylib()));
    let text = String::from_utf8(output.stdout).expect("nm prints UTF-8");
    text.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

/// The SONAME that the linker wrote into the library.
fn soname() -> String {
    let output = run(Command::new("readelf").arg("-d").arg(cdylib()));
    let text = String::from_utf8(output.stdout).expect("readelf prints UTF-8");
    let name = text.split("Library soname: [").nth(1).and_then(|rest| rest.split(']').next());
    name.unwrap_or_else(|| panic!("no SONAME in {text}")).to_owned()
}

fn dump() -> String {
    let found = declarations();
    let types = run(&mut Command::new(build("layout", &program(&found), C11)));
    let mut text = format!("{HEAD}\nSONAME {}\n", soname());
    text.push_str(&String::from_utf8(types.stdout).expect("C names are ASCII"));
    text.push_str("\nhandles\n");
    for declaration in &found {
        if let Declaration::Opaque { name } = declaration {
            let _ = writeln!(text, "    {name}");
        }
    }
    text.push_str("\nexported functions\n");
    let declared = functions();
    for symbol in exported() {
        let prototype = declared.iter().find(|function| function.name == symbol);
        let prototype = prototype.unwrap_or_else(|| panic!("{symbol} is exported, but not in the header"));
        let _ = writeln!(text, "    {}", prototype.text());
    }
    text
}

/// The lines that only one of the two texts has.
fn difference(old: &str, new: &str) -> String {
    let only = |mark: char, here: &str, there: &str| {
        let there: BTreeSet<&str> = there.lines().collect();
        let lines = here.lines().filter(|line| !there.contains(line));
        lines.fold(String::new(), |all, line| format!("{all}{mark} {line}\n"))
    };
    only('-', old, new) + &only('+', new, old)
}

#[test]
fn the_abi_is_the_one_under_version_control() {
    let path = root().join("tests/abi/sdp_dal.abi.txt");
    let dump = dump();
    if std::env::var_os("SDP_DAL_UPDATE_ABI").is_some() {
        std::fs::write(&path, &dump).expect("the dump is writable");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == dump,
        "the ABI is not the one in {}:\n{}If that is meant, run scripts/abi.sh --update and commit what it writes.",
        path.display(),
        difference(&committed, &dump)
    );
}

/// C code that defines every function of the header, with an empty body; and a function for each enum and each offset of
/// a field, as functions are what libabigail compares.
fn shell() -> String {
    let mut text = String::from("#include <sdp_dal.h>\n");
    for declaration in declarations() {
        let _ = match declaration {
            Declaration::Function(function) => {
                let body = if function.result == "void" { "{}" } else { "{ return 0; }" };
                writeln!(text, "{} {body}", function.text())
            }
            Declaration::Enum { name, .. } => writeln!(text, "void enum_{name}({name} value) {{}}"),
            Declaration::Struct { spelling, fields } => fields.iter().try_for_each(|field| {
                let (name, field) = (spelling.replace(' ', "_"), &field.name);
                let offset = format!("offsetof({spelling}, {field})");
                writeln!(text, "void offset_{name}_{field}(char (*place)[1 + {offset}]) {{}}")
            }),
            Declaration::Opaque { .. } | Declaration::Alias { .. } => Ok(()),
        };
    }
    text
}

/// What scripts/abi.sh lets libabigail read; that script says why. Its functions are the library's, or this fails.
#[test]
fn a_shell_of_the_library_can_be_compiled() {
    let declared: BTreeSet<String> = functions().into_iter().map(|function| function.name).collect();
    assert_eq!(exported(), declared);
    let folder = scratch("abi");
    std::fs::write(folder.join("shell.c"), shell()).expect("the test's folder is writable");
    // By its bare name, so that no path gets into the debug information.
    let mut command = Command::new("cc");
    command.args(["-std=c11", "-g", "-O0", "-fPIC", "-shared", "-Wall", "-Werror", "-Wno-unused-parameter"]);
    command.arg(format!("-Wl,-soname,{}", soname())).arg("-nostdlib").arg("-I").arg(root().join("include"));
    run(command.current_dir(&folder).arg("shell.c").arg("-o").arg("libsdp_dal_shell.so"));
}
