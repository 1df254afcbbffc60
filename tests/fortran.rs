//! The Fortran module: its structs are those of C, arrays come back as they were, and Fortran's processors and callers work with
//! those of other languages.

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use support::declarations::{declarations, Declaration};
use support::fortran::{write_module, FILES};
use support::programs::{compile, installed, Running, Stores};
use support::{cdylib, install_library, root, run, scratch, C11, CPP17};

/// A program of these sources and the module, with all that the compiler can check.
fn fortran(folder: &Path, name: &str, sources: &[PathBuf]) -> PathBuf {
    let (modules, program) = (folder.join(format!("{name}.modules")), folder.join(name));
    std::fs::create_dir_all(&modules).expect("the test's folder is writable");
    install_library(folder);
    let mut command = Command::new(std::env::var("FC").unwrap_or_else(|_| "gfortran".to_owned()));
    command.args(["-std=f2008", "-g", "-fcheck=all", "-Wall", "-Wextra", "-Werror", "-J"]).arg(&modules);
    command.arg(root().join("include/sdp_dal.f90")).args(sources).arg(cdylib()).arg("-o").arg(&program);
    run(&mut command);
    program
}

fn example(folder: &Path, name: &str) -> PathBuf {
    let source = |name: &str| root().join(format!("fortran_examples/{name}.f90"));
    fortran(folder, name, &[source("stopping"), source(name)])
}

#[test]
fn arrays_come_back_as_they_were() {
    let folder = scratch("fortran-arrays");
    let program = fortran(&folder, "arrays", &[root().join("tests/fortran/arrays.f90")]);
    let stores = Stores::new();
    let said = run(installed(&folder, &program).arg(stores.path("store")));
    assert_eq!(String::from_utf8_lossy(&said.stdout), "all right\n");
    for (fault, sentence) in [
        (
            "type",
            "rank 2 and type float32 cannot point to a tensor with 2 dimensions and elements of type float64",
        ),
        ("order", "ask for sdp_dal_order_c, which gives the dimensions in reversed order"),
        ("library", "sdp_dal: sdp_dal_ref_wait: 'reference' is NULL"),
    ] {
        let path = stores.path("store");
        let said = installed(&folder, &program).arg(&path).arg(fault).output().expect("the program starts");
        let error = String::from_utf8_lossy(&said.stderr);
        assert!(!said.status.success() && error.contains(sentence), "{fault}: {error}");
        assert!(!path.exists(), "an error leaves the store");
    }
}

#[test]
fn the_module_is_up_to_date() {
    let folder = scratch("fortran-module");
    write_module(&root().join("include/sdp_dal.h"), &folder);
    for name in FILES {
        let read = |folder: &Path| std::fs::read_to_string(folder.join(name)).expect("the script writes it");
        assert!(
            read(&root().join("include/sdp_dal")) == read(&folder),
            "include/sdp_dal/{name} is not what sdp_dal.h says: run python3 scripts/header_to_fortran.py include/sdp_dal.h \
             include/sdp_dal, and commit it"
        );
    }
}

/// Where the fields of the module's structs lie, their sizes and the values of its constants, compared with what the C compiler says of
/// the header's.
#[test]
fn structs_and_constants_are_those_of_c() {
    let folder = scratch("fortran-c");
    let mut in_c = "#include <sdp_dal.h>\n#include <stdio.h>\nint main(void) {\n".to_owned();
    let mut in_fortran = "program sizes\n  use sdp_dal_c\n  implicit none\n".to_owned();
    let mut statements = String::new();
    let mut count = 0;
    for declaration in declarations() {
        match declaration {
            Declaration::Struct { spelling, fields } => {
                let name = spelling.trim_start_matches("struct ").to_owned();
                in_fortran += &format!("  type({name}), target :: v{count}\n");
                for field in fields {
                    // Where a field lies, and how large all is. An array begins at its first element.
                    let (at, first) = (&field.name, if field.text.contains('[') { "(1)" } else { "" });
                    in_c += &format!("printf(\"%zu\\n\", offsetof({spelling}, {at}));\n");
                    statements += &format!(
                        "  print '(i0)', transfer(c_loc(v{count}%{at}{first}), 0_c_intptr_t) - &\n      \
                         transfer(c_loc(v{count}), 0_c_intptr_t)\n"
                    );
                }
                in_c += &format!("printf(\"%zu\\n\", sizeof({spelling}));\n");
                statements += &format!("  print '(i0)', c_sizeof(v{count})\n");
                count += 1;
            }
            Declaration::Enum { values, .. } => {
                for value in values {
                    in_c += &format!("printf(\"%d\\n\", {value});\n");
                    statements += &format!("  print '(i0)', {value}\n");
                }
            }
            _ => {}
        }
    }
    assert!(count > 25, "only {count} structs found");
    let (c, f90) = (folder.join("sizes.c"), folder.join("sizes.f90"));
    std::fs::write(&c, in_c + "return 0;\n}\n").expect("the test's folder is writable");
    std::fs::write(&f90, in_fortran + &statements + "end program\n").expect("the test's folder is writable");
    let wanted = run(&mut installed(&folder, &compile(&folder, &c, C11)));
    let found = run(&mut installed(&folder, &fortran(&folder, "sizes", &[f90])));
    assert_eq!(String::from_utf8_lossy(&found.stdout), String::from_utf8_lossy(&wanted.stdout));
}

const ZS: &str = "zs = 1 2 3 4 5 6 7 8 9 10\nzs = 101 102 103 104 105 106 107 108 109 110\n";

#[test]
fn processors_and_callers_of_fortran_and_c_work_together() {
    let folder = scratch("fortran-simple");
    let caller = example(&folder, "simple_caller");
    let in_fortran = example(&folder, "simple_processor");
    let c = |name: &str| compile(&folder, &root().join(format!("c_examples/{name}.c")), C11);
    let (c_caller, in_c) = (c("simple_caller"), c("simple_processor"));
    for processor in [&in_fortran, &in_c] {
        let stores = Stores::new();
        let path = stores.path("store");
        let running = Running::start(installed(&folder, processor).arg(&path));
        running.says("waiting for calls");
        for caller in [&caller, &c_caller] {
            let said = run(installed(&folder, caller).arg(&path));
            let said = String::from_utf8_lossy(&said.stdout);
            assert!(said.ends_with(ZS), "{}: {said}", caller.display());
        }
        let (status, said) = running.terminate();
        assert_eq!(status, Some(0), "{said}");
        assert!(!path.exists(), "the last client has left the store behind");
    }
}

#[test]
fn signals_and_help_are_as_in_the_other_examples() {
    let folder = scratch("fortran-signals");
    for (name, waits) in [("simple_processor", true), ("simple_caller", false), ("averaging_processor", true)]
    {
        let program = example(&folder, name);
        let help = run(installed(&folder, &program).arg("--help"));
        assert!(String::from_utf8_lossy(&help.stdout).contains("usage:"), "{name} --help");
        let without = installed(&folder, &program).output().expect("the example starts");
        assert_eq!(without.status.code(), Some(2), "{name} needs a path");
        let stores = Stores::new();
        let path = stores.path("store");
        let running = Running::start(installed(&folder, &program).arg(&path));
        if waits {
            running.says("waiting for calls");
        } else {
            // It looks for a processor once the store is there.
            while !path.exists() {
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
            std::thread::sleep(std::time::Duration::from_millis(300));
        }
        let (status, said) = running.terminate();
        assert_eq!(status, Some(if waits { 0 } else { 143 }), "{said}");
        assert!(!path.exists(), "{name} has left the store behind");
    }
}

/// Channels are averaged right whatever the order of the inputs, and the outputs have the order of the visibilities.
#[test]
fn a_caller_in_cpp_averages_channels_in_any_order() {
    let folder = scratch("fortran-averaging");
    let processor = example(&folder, "averaging_processor");
    let caller = compile(&folder, &root().join("tests/fortran/averaging.cpp"), CPP17);
    let stores = Stores::new();
    let path = stores.path("store");
    let running = Running::start(installed(&folder, &processor).arg(&path));
    running.says("waiting for calls");
    let said = run(installed(&folder, &caller).arg(&path));
    assert_eq!(String::from_utf8_lossy(&said.stdout), "all right\n");
    running.interrupt();
}
