//! `include/sdp_dal.h` is what cbindgen makes of `src/capi`, and compiles alone, as C and as C++.
//!
//! `SDP_DAL_UPDATE_HEADER=1 cargo test --test header` writes it anew.

mod support;

use std::fs;

use parking_lot::Mutex;

use support::{fortran, root, run, scratch, Compiler, CPP17};

/// The files of `src/capi` with something for the header, in the header's order.
const FILES: [&str; 39] = [
    "version",
    "status",
    "last_error",
    "log",
    "interrupt",
    "types",
    "view",
    "store",
    "stores",
    "client",
    "ids",
    "schema",
    "schema_build",
    "namespaces",
    "object",
    "writer",
    "buffer",
    "list",
    "tensor_put",
    "tensor",
    "expected",
    "reference",
    "ref_info",
    "part",
    "passing",
    "table",
    "dlpack",
    "args",
    "results",
    "caller",
    "replies",
    "processor",
    "call",
    "call_inputs",
    "call_outputs",
    "call_run",
    "subscription",
    "value",
    "arrow",
];

/// cbindgen reports what it cannot translate as warnings; here they are failures.
struct Warnings(Mutex<Vec<String>>);

impl log::Log for Warnings {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.level() <= log::Level::Warn
    }

    fn log(&self, record: &log::Record<'_>) {
        let text = record.args().to_string();
        // Private items are skipped on purpose.
        let private = text.starts_with("Skip ") && text.ends_with("(not `pub`).");
        // Structs of other ABIs, which the header defines or declares by itself.
        let foreign =
            ["Can't find FFI_Arrow", "Can't find DLManaged"].iter().any(|start| text.starts_with(start));
        if self.enabled(record.metadata()) && !private && !foreign {
            self.0.lock().push(text);
        }
    }

    fn flush(&self) {}
}

static WARNINGS: Warnings = Warnings(parking_lot::const_mutex(Vec::new()));

fn version_macros() -> String {
    let number = |text: &str| text.parse::<u32>().expect("cargo checks versions");
    let (major, minor, patch) = (
        number(env!("CARGO_PKG_VERSION_MAJOR")),
        number(env!("CARGO_PKG_VERSION_MINOR")),
        number(env!("CARGO_PKG_VERSION_PATCH")),
    );
    format!(
        "#include <stdbool.h>\n#include <stddef.h>\n#include <stdint.h>\n\n\
         /* The version of this header; sdp_dal_version() gives that of the library. */\n\
         #define SDP_DAL_VERSION_MAJOR {major}\n\
         #define SDP_DAL_VERSION_MINOR {minor}\n\
         #define SDP_DAL_VERSION_PATCH {patch}\n\
         #define SDP_DAL_VERSION {:#010x}u\n\
         #define SDP_DAL_VERSION_STRING \"{major}.{minor}.{patch}\"",
        major << 24 | minor << 12 | patch
    )
}

fn generated() -> String {
    let capi = root().join("src/capi");
    let mut config =
        cbindgen::Config::from_file(root().join("cbindgen.toml")).expect("cbindgen.toml is right");
    let arrow = config.after_includes.take().unwrap_or_default();
    config.after_includes = Some(format!("{}\n{arrow}", version_macros()));
    let mut builder = cbindgen::Builder::new().with_config(config);
    for file in FILES {
        builder = builder.with_src(capi.join(format!("{file}.rs")));
    }
    let mut header = Vec::new();
    builder.generate().expect("src/capi is what cbindgen reads").write(&mut header);
    String::from_utf8(header).expect("cbindgen writes UTF-8")
}

#[test]
fn the_header_is_up_to_date() {
    log::set_logger(&WARNINGS).expect("nobody else logs here");
    log::set_max_level(log::LevelFilter::Warn);
    let header = generated();
    let warnings = WARNINGS.0.lock();
    assert!(warnings.is_empty(), "cbindgen warns:\n{}", warnings.join("\n"));

    let path = root().join("include/sdp_dal.h");
    if std::env::var_os("SDP_DAL_UPDATE_HEADER").is_some() {
        fs::write(&path, &header).expect("the header is writable");
        // What of the Fortran module follows from it; tests/fortran.rs compares.
        fortran::write_module(&path, &root().join("include/sdp_dal"));
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    let different = committed.lines().zip(header.lines()).position(|(old, new)| old != new);
    assert!(
        committed == header,
        "include/sdp_dal.h is not what src/capi says (first in line {}): run SDP_DAL_UPDATE_HEADER=1 cargo test \
         --test header and commit it",
        different.unwrap_or_else(|| committed.lines().count().min(header.lines().count())) + 1
    );
}

#[test]
fn every_file_of_the_room_is_listed() {
    let room = fs::read_to_string(root().join("src/capi/mod.rs")).expect("the room has a head");
    let mut exporting: Vec<&str> = room
        .lines()
        .filter_map(|line| line.strip_prefix("mod ")?.strip_suffix(';'))
        .filter(|file| {
            !["arrow_structs", "dlpack_abi", "failures", "guard", "handle", "strings", "structs", "texts"]
                .contains(file)
        })
        .collect();
    exporting.sort_unstable();
    let mut listed: Vec<&str> = FILES.to_vec();
    listed.sort_unstable();
    assert_eq!(exporting, listed);
}

/// Every standard that a user may compile with.
const C: [Compiler; 3] = [c("c99"), c("c11"), c("c17")];
/// The last is C++23, by the name that older compilers know, too.
const CPP: [Compiler; 3] = [cpp("c++17"), cpp("c++20"), cpp("c++2b")];

/// More than the programs are compiled with: a header must be silent in whatever a user switches on.
const STRICT: [&str; 2] = ["-Wsign-conversion", "-Wformat=2"];
const STRICT_C: [&str; 2] = ["-Wstrict-prototypes", "-Wmissing-prototypes"];
const STRICT_CPP: [&str; 3] = ["-Wold-style-cast", "-Woverloaded-virtual", "-Wnon-virtual-dtor"];

const fn c(standard: &'static str) -> Compiler {
    Compiler { language: "c", standard }
}

const fn cpp(standard: &'static str) -> Compiler {
    Compiler { language: "c++", standard }
}

fn compiles_alone(name: &str, header: &str, compiler: Compiler) {
    let folder = scratch("header");
    let source = folder.join(format!("{name}-{}.txt", compiler.standard));
    fs::write(&source, format!("#include <{header}>\n#include <{header}>\nint main(void) {{ return 0; }}\n"))
        .expect("the test's folder is writable");
    let mut command = compiler.command();
    command.args(STRICT).args(if compiler.language == "c" { &STRICT_C[..] } else { &STRICT_CPP[..] });
    run(command.arg("-fsyntax-only").arg(&source));
}

#[test]
fn the_c_header_compiles_alone() {
    for compiler in C.into_iter().chain(CPP) {
        compiles_alone("c", "sdp_dal.h", compiler);
    }
}

#[test]
fn the_cpp_header_compiles_alone() {
    for compiler in CPP {
        compiles_alone("cpp", "sdp_dal.hpp", compiler);
    }
}

/// With those libraries that the compiler finds without being told where.
#[test]
fn the_adaptors_compile_alone() {
    for compiler in CPP {
        compiles_alone("adapt", "sdp_dal/adapt.hpp", compiler);
    }
}

#[test]
fn every_part_of_the_cpp_header_compiles_alone() {
    let umbrella = fs::read_to_string(root().join("include/sdp_dal.hpp")).expect("there is a C++ header");
    let mut count = 0;
    for entry in fs::read_dir(root().join("include/sdp_dal")).expect("its parts lie beside it").flatten() {
        let part = format!("sdp_dal/{}", entry.file_name().to_string_lossy());
        // The Fortran module has .inc.
        if part.starts_with("sdp_dal/adapt") || part.ends_with(".inc") {
            continue;
        }
        assert!(umbrella.contains(&format!("#include \"{part}\"")), "sdp_dal.hpp includes {part}");
        compiles_alone(&part.replace('/', "-"), &part, CPP17);
        count += 1;
    }
    assert!(count > 5, "only {count} parts found");
}
