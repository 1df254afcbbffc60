//! Compiles the programs in `tests/c` (as C and as C++) and `tests/cpp` against the shared library and runs them.

mod support;

use std::path::PathBuf;
use std::process::Command;

use support::programs::{compile, compile_with, program, Running, Stores};
use support::{cdylib, root, run, scratch, Compiler, C11, CPP17, CPP20, CPP23};

fn compile_and_run(source: &str, compilers: &[Compiler], needs_store: bool) {
    let folder = scratch(&format!("programs-{}", source.replace(['/', '.'], "-")));
    let stores = Stores::new();
    for compiler in compilers {
        let built = compile(&folder, &root().join("tests").join(source), *compiler);
        let mut command = program(&folder, &built);
        if needs_store {
            command.arg(stores.path(compiler.standard));
        }
        run(&mut command);
    }
}

const C_AND_CPP: [Compiler; 2] = [C11, CPP17];
const BOTH_CPP: [Compiler; 2] = [CPP17, CPP20];

#[test]
fn what_needs_no_store() {
    compile_and_run("c/no_store.c", &C_AND_CPP, false);
}

#[test]
fn element_types_signatures_and_views() {
    compile_and_run("c/wire.c", &C_AND_CPP, false);
}

#[test]
fn raw_objects() {
    compile_and_run("c/raw_objects.c", &C_AND_CPP, true);
}

#[test]
fn what_outlives_a_store_or_a_thread() {
    compile_and_run("c/lives.c", &C_AND_CPP, true);
}

#[test]
fn handles_after_their_end() {
    compile_and_run("c/freed.c", &C_AND_CPP, true);
}

#[test]
fn tensors_and_references() {
    compile_and_run("c/tensors.c", &C_AND_CPP, true);
}

#[test]
fn tables_objects_and_values_between_processes() {
    compile_and_run("c/tables.c", &C_AND_CPP, true);
}

#[test]
fn dlpack_both_ways() {
    compile_and_run("c/dlpack.c", &C_AND_CPP, true);
}

#[test]
fn calls_as_arrays_of_values() {
    compile_and_run("c/values.c", &C_AND_CPP, true);
}

#[test]
fn calls_with_callbacks_and_pull_style() {
    compile_and_run("c/calls.c", &C_AND_CPP, true);
}

#[test]
fn how_a_processor_runs_its_functions() {
    let folder = scratch("programs-c-processor-c");
    let stores = Stores::new();
    for compiler in C_AND_CPP {
        let built = compile(&folder, &root().join("tests/c/processor.c"), compiler);
        let alone = stores.path(&format!("alone-{}", compiler.standard));
        run(program(&folder, &built).arg(&alone).arg("alone"));
        let shared = stores.path(compiler.standard);
        let mut command = program(&folder, &built);
        command.env("SDP_DAL_LOG", "error").arg(&shared).arg("processor");
        let processor = Running::start(&mut command);
        run(program(&folder, &built).arg(&shared).arg("caller"));
        let said = processor.ended();
        let logged: Vec<_> = said.lines().filter(|line| line.contains("the sink is blocked")).collect();
        assert_eq!(logged.len(), 1, "{said}");
        assert!(logged[0].contains("sink: ") && logged[0].contains("processor-c"), "{said}");
    }
}

#[test]
fn processors_end_while_threads_are_inside() {
    compile_and_run("c/closing.c", &C_AND_CPP, true);
}

#[test]
fn what_languages_with_a_runtime_of_their_own_need() {
    compile_and_run("c/managed.c", &C_AND_CPP, true);
}

#[test]
fn events_and_event_loops() {
    compile_and_run("c/events.c", &C_AND_CPP, true);
}

#[test]
fn schemas_ids_and_namespaces() {
    compile_and_run("c/schemas.c", &C_AND_CPP, true);
}

#[test]
fn batches_broadcasts_and_losses_with_processors_of_their_own() {
    compile_and_run("c/caller.c", &C_AND_CPP, true);
}

#[test]
fn forms_of_a_function_with_a_processor_of_their_own() {
    compile_and_run("c/forms.c", &C_AND_CPP, true);
}

#[test]
fn forms_of_a_function_by_the_wrapper() {
    compile_and_run("cpp/forms.cpp", &[CPP17], true);
}

#[test]
fn parts_of_tensors() {
    compile_and_run("c/parts.c", &C_AND_CPP, true);
}

#[test]
fn parts_of_tensors_by_the_wrapper() {
    compile_and_run("cpp/parts.cpp", &[CPP17], true);
}

#[test]
fn batches_broadcasts_and_the_call_itself_by_the_wrapper() {
    compile_and_run("cpp/calling.cpp", &[CPP17], true);
}

#[test]
fn schemas_objects_and_events_by_the_wrapper() {
    compile_and_run("cpp/operating.cpp", &[CPP17], true);
}

#[test]
fn tables_by_the_wrapper() {
    let folder = scratch("programs-cpp-tables-cpp");
    let stores = Stores::new();
    let built = compile(&folder, &root().join("tests/cpp/tables.cpp"), CPP17);
    run(program(&folder, &built).arg(stores.path("alone")).arg("alone"));
    let processor = Running::start(program(&folder, &built).arg(stores.path("store")).arg("processor"));
    run(program(&folder, &built).arg(stores.path("store")).arg("caller"));
    processor.ended();
}

#[test]
fn c_libraries_get_the_order_that_they_want() {
    let folder = scratch("programs-cpp-order-cpp");
    let stores = Stores::new();
    let built = compile(&folder, &root().join("tests/cpp/order.cpp"), CPP17);
    let processor = Running::start(program(&folder, &built).arg(stores.path("store")).arg("processor"));
    run(program(&folder, &built).arg(stores.path("store")).arg("caller"));
    processor.ended();
}

#[test]
fn what_is_in_the_store_is_passed_and_not_put_again() {
    for compiler in BOTH_CPP {
        let folder = scratch("programs-cpp-passed-cpp");
        let stores = Stores::new();
        let built = compile(&folder, &root().join("tests/cpp/passed.cpp"), compiler);
        let processor = Running::start(program(&folder, &built).arg(stores.path("store")).arg("processor"));
        run(program(&folder, &built).arg(stores.path("store")).arg("caller"));
        processor.ended();
    }
}

#[test]
fn what_the_wrapper_deduces() {
    compile_and_run("cpp/deduction.cpp", &BOTH_CPP, false);
}

/// The adaptor of a library, in a program with this library; needs: its names for pkg-config.
fn adapts(library: &str, needs: &[&str]) {
    let folder = scratch(&format!("programs-adapt-{library}"));
    let stores = Stores::new();
    let source = root().join("tests/cpp/adapt").join(format!("{library}.cpp"));
    let built = compile_with(&folder, &source, CPP17, needs);
    run(program(&folder, &built).arg(stores.path("store")));
}

#[test]
fn the_adaptor_of_eigen() {
    adapts("eigen", &["eigen3"]);
}

#[test]
fn the_adaptor_of_xtensor() {
    adapts("xtensor", &["xtensor"]);
}

#[test]
fn the_adaptor_of_casacore() {
    adapts("casacore", &["casacore"]);
}

/// The newest g++ has `<mdspan>`; that of https://github.com/kokkos/mdspan is found if CPATH names its folder `include`.
#[test]
fn the_adaptor_of_mdspan() {
    let source = scratch("programs-adapt-mdspan").join("there.txt");
    let asks = "#if __has_include(<mdspan>)\n#include <mdspan>\n#endif\n\
                #if !defined(__cpp_lib_mdspan) && !__has_include(<experimental/mdspan>) && \\\n\
                !__has_include(<mdspan/mdspan.hpp>)\n\
                #error there is none\n#endif\n";
    std::fs::write(&source, asks).expect("the test's folder is writable");
    for compiler in [CPP17, CPP20, CPP23] {
        let found = compiler.command().arg("-fsyntax-only").arg(&source).output().expect("c++ is installed");
        if !found.status.success() {
            println!("no mdspan in {}: its adaptor is not tested", compiler.standard);
            continue;
        }
        let folder = scratch("programs-adapt-mdspan");
        let built = compile(&folder, &root().join("tests/cpp/adapt/mdspan.cpp"), compiler);
        run(&mut program(&folder, &built));
    }
}

/// ducc0's headers lie where scripts/fetch_demo_data.sh puts them.
#[test]
fn the_adaptor_of_ducc0() {
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).or_else(home).unwrap_or_default();
    let headers = cache.join("sdp-dal/ducc0-0.42.0/src");
    if !headers.join("ducc0/infra/mav.h").exists() {
        println!("scripts/fetch_demo_data.sh has not fetched ducc0: its adaptor is not tested");
        return;
    }
    let folder = scratch("programs-adapt-ducc0");
    let source = root().join("tests/cpp/adapt/ducc0.cpp");
    let mut command = CPP17.command();
    command.arg("-isystem").arg(headers).arg(source).args(["-x", "none"]).arg(cdylib());
    let built = folder.join("ducc0");
    run(command.args(["-pthread", "-o"]).arg(&built));
    run(&mut program(&folder, &built));
}

#[test]
fn memory_handed_on_in_cpp() {
    compile_and_run("cpp/handed.cpp", &BOTH_CPP, true);
}

#[test]
fn the_wrapper() {
    compile_and_run("cpp/wrapper.cpp", &BOTH_CPP, true);
}

/// Functions that the wrapper refuses when they are compiled, and the sentence it says then.
const REFUSED: [(&str, &str); 18] = [
    ("void f(double, call &) {}", "call &, the first one"),
    ("void f(table &) {}", "gets its inputs by value or by const reference"),
    ("void f(std::complex<long double>) {}", "the elements of a tensor are"),
    ("void f(const table &t) { t.column<bool>(\"x\"); }", "bools are stored as bits"),
    ("void f(double *) {}", "not a pointer"),
    ("void f(std::optional<tensor_view<double, 1>>) {}", "an input is read-only: write std::optional<tensor_view"),
    ("int f(double) { return 0; }", "a processing function returns void"),
    ("void f(double &) {}", "only output<T, N> may be a reference"),
    ("struct other {}; void f(other) {}", "a parameter of a processing function is bool"),
    ("void f(const std::vector<double> &) {}", "a std::vector would be a copy of what is in the store: take tensor_view"),
    ("void f(tensor_view<const double, 1>) { args{{\"x\", std::vector<bool>(3)}}; }", "argument(const C&&)"),
    ("void f(ref r) { std::vector<bool> v; r.put(v); }", "a std::vector<bool> has no elements in memory"),
    ("void f(output<const double, 1>) {}", "its elements are not const"),
    ("void f(tensor_view<const char, 1>) {}", "the elements of a tensor are"),
    ("void f(std::optional<std::optional<double>>) {}", "has no meaning here"),
    ("void f(tensor_view<const double, 2> v) { (void)v.data(); }", "take a dense_view<const T, N>, which has data()"),
    ("void f(dense_view<double, 2>) {}", "an input is read-only"),
    ("void f(ref r) { (void)r.get<double, 2>().to_vector().data(); auto t = r.get<double, 2>(); (void)t.data(); }",
     "take a dense_view<const T, N>, which has data()"),
];

/// Statements that would show the memory of a temporary that has gone, and what the compiler names in refusing them.
const TRAPS: [(&str, &str); 13] = [
    ("auto v = r.get<double, 1>().view();", "view() const &&"),
    ("tensor_view<const double, 1> v = r.get<double, 1>();", "operator"),
    ("auto v = r.get<double, 1>().data();", "data() const &&"),
    ("auto v = s.create<double, 1>({5}).view();", "view() const &&"),
    ("auto v = r.get_buffer().data();", "data() const &&"),
    ("std::string_view v = r.get_buffer().bytes();", "bytes() const &&"),
    ("std::string_view v = r.get_buffer().metadata();", "metadata() const &&"),
    ("auto v = r.get_table().column<double>(\"x\");", "column("),
    ("auto v = r.get_table().texts(\"x\");", "texts("),
    ("auto v = r.get_table().schema();", "schema() const &&"),
    ("args v{{\"x\", std::vector<double>{1, 2}}};", "argument(const C&&)"),
    ("tensor_view<const double, 1> v(std::vector<double>{1, 2});", "tensor_view(const C&&)"),
    ("args v{{\"x\", std::array<double, 2>{1, 2}}};", "argument(const C&&)"),
];

/// The same for C++20.
const REFUSED_20: [(&str, &str); 3] = [
    ("void f(std::span<double>) {}", "an input is read-only: write std::span<const T>"),
    ("void f(std::span<const double, 3>) {}", "and the size into the name of the parameter: xyz[3]"),
    (
        "void f(tensor_view<const double, 2> v) { (void)v.span(); }",
        "dense().span() has the elements of several",
    ),
];

/// The same of arrays of other libraries.
const ADAPTED_TRAPS: [(&str, &str); 5] = [
    ("auto v = sdp_dal::view(Eigen::MatrixXd(2, 2));", "view(const Eigen::PlainObjectBase<Derived>&&)"),
    ("auto v = sdp_dal::view(xt::xtensor<double, 2>());", "view(const E&&)"),
    ("auto v = sdp_dal::view<2>(xt::xarray<double>());", "view(const E&&)"),
    ("auto v = sdp_dal::view<1>(casacore::Array<double>());", "view(const casacore::Array<"),
    ("auto v = sdp_dal::view(casacore::Cube<double>());", "view(const casacore::Cube<T, Alloc>&&)"),
];

#[test]
fn what_shows_the_memory_of_a_temporary_does_not_compile() {
    traps("#include <sdp_dal.hpp>", &TRAPS);
    traps("#include <sdp_dal.hpp>\n#include <sdp_dal/adapt.hpp>", &ADAPTED_TRAPS);
}

fn traps(headers: &str, traps: &[(&str, &str)]) {
    let source = scratch("refused").join("traps.txt");
    let mut text = format!("{headers}\nusing namespace sdp_dal;\n");
    let before = text.lines().count();
    for (i, (statement, _)) in traps.iter().enumerate() {
        text.push_str(&format!("void f{i}(store &s, ref r) {{ (void)s; (void)r; {statement} (void)v; }}\n"));
    }
    std::fs::write(&source, text).expect("the test's folder is writable");
    let mut command = CPP17.command();
    let eigen = run(Command::new("pkg-config").args(["--cflags", "eigen3"]));
    let eigen = String::from_utf8_lossy(&eigen.stdout).replace("-I", "-isystem");
    command.args(eigen.split_whitespace()).arg("-fsyntax-only").arg(&source);
    let output = command.output().expect("c++ is installed");
    let said = String::from_utf8_lossy(&output.stderr);
    for (i, (statement, named)) in traps.iter().enumerate() {
        let place = format!("traps.txt:{}:", before + i + 1);
        let refused = |line: &str| {
            line.contains(&place) && line.contains("use of deleted function") && line.contains(named)
        };
        assert!(said.lines().any(refused), "'{statement}' is not refused as '{named}':\n{said}");
    }
}

#[test]
fn what_the_wrapper_refuses_to_compile() {
    refuses(CPP17, &REFUSED);
    refuses(CPP20, &REFUSED_20);
}

fn refuses(compiler: Compiler, refused: &[(&str, &str)]) {
    let folder = scratch(&format!("refused-{}", compiler.standard));
    // The wrapper itself is read once, not for every program.
    let wrapper = folder.join("wrapper.hpp");
    std::fs::write(&wrapper, "#include <sdp_dal.hpp>\n").expect("the test's folder is writable");
    let mut precompile = compiler.command();
    precompile.args(["-x", "c++-header", "-c"]).arg(&wrapper);
    run(precompile.arg("-o").arg(folder.join("wrapper.hpp.gch")));
    let compile = |name: &str, function: &str| {
        let source = folder.join(name);
        let text = format!(
            "#include <sdp_dal.hpp>\nusing namespace sdp_dal;\n{function}\n\
             void add(processor &p) {{ p.add<f>(\"f\", {{\"x\"}}); }}\n"
        );
        std::fs::write(&source, text).expect("the test's folder is writable");
        let mut command = compiler.command();
        command.arg("-fsyntax-only").arg("-include").arg(&wrapper).arg("-Winvalid-pch").arg(&source);
        command.output().expect("c++ is installed")
    };
    let right = compile("right.txt", "void f(double) {}");
    assert!(right.status.success(), "{}", String::from_utf8_lossy(&right.stderr));
    for (i, (function, sentence)) in refused.iter().enumerate() {
        let output = compile(&format!("refused-{i}.txt"), function);
        let said = String::from_utf8_lossy(&output.stderr).replace('\n', " ");
        assert!(!output.status.success(), "{function} compiles");
        assert!(said.contains(sentence), "{function}: the compiler does not say '{sentence}' but\n{said}");
    }
}
