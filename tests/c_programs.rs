//! Compiles the programs in `tests/c` (as C and as C++) and `tests/cpp` against the shared library and runs them.

mod support;

use support::programs::{compile, program, Running, Stores};
use support::{root, run, scratch, Compiler, C11, CPP17, CPP20};

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
fn what_the_wrapper_deduces() {
    compile_and_run("cpp/deduction.cpp", &BOTH_CPP, false);
}

#[test]
fn the_wrapper() {
    compile_and_run("cpp/wrapper.cpp", &BOTH_CPP, true);
}

/// Functions that the wrapper refuses when they are compiled, and the sentence it says then.
const REFUSED: [(&str, &str); 15] = [
    ("void f(double, call &) {}", "call &, the first one"),
    ("void f(table &) {}", "gets its inputs by value or by const reference"),
    ("void f(std::complex<long double>) {}", "the elements of a tensor are"),
    ("void f(const table &t) { t.column<bool>(\"x\"); }", "bools are stored as bits"),
    ("void f(double *) {}", "not a pointer"),
    ("void f(tensor_view<double, 1>) {}", "an input is read-only: write tensor_view<const T, N>"),
    ("int f(double) { return 0; }", "a processing function returns void"),
    ("void f(double &) {}", "only output<T, N> may be a reference"),
    ("void f(std::vector<double>) {}", "a parameter of a processing function is bool"),
    ("void f(output<const double, 1>) {}", "its elements are not const"),
    ("void f(tensor_view<const char, 1>) {}", "the elements of a tensor are"),
    ("void f(std::optional<std::optional<double>>) {}", "has no meaning here"),
    ("void f(tensor_view<const double, 2> v) { (void)v.data(); }", "take a dense_view<const T, N>, which has data()"),
    ("void f(dense_view<double, 2>) {}", "an input is read-only"),
    ("void f(ref r) { (void)r.get<double, 2>().to_vector().data(); auto t = r.get<double, 2>(); (void)t.data(); }",
     "take a dense_view<const T, N>, which has data()"),
];

/// Statements that would show the memory of a temporary that has gone, and what the compiler names in refusing them.
const TRAPS: [(&str, &str); 12] = [
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
];

#[test]
fn what_shows_the_memory_of_a_temporary_does_not_compile() {
    let source = scratch("refused").join("traps.txt");
    let mut text = "#include <sdp_dal.hpp>\nusing namespace sdp_dal;\n".to_owned();
    for (i, (statement, _)) in TRAPS.iter().enumerate() {
        text.push_str(&format!("void f{i}(store &s, ref r) {{ (void)s; (void)r; {statement} (void)v; }}\n"));
    }
    std::fs::write(&source, text).expect("the test's folder is writable");
    let output = CPP17.command().arg("-fsyntax-only").arg(&source).output().expect("c++ is installed");
    let said = String::from_utf8_lossy(&output.stderr);
    for (i, (statement, named)) in TRAPS.iter().enumerate() {
        let place = format!("traps.txt:{}:", i + 3);
        let refused = |line: &str| {
            line.contains(&place) && line.contains("use of deleted function") && line.contains(named)
        };
        assert!(said.lines().any(refused), "'{statement}' is not refused as '{named}':\n{said}");
    }
}

#[test]
fn what_the_wrapper_refuses_to_compile() {
    let folder = scratch("refused");
    // The wrapper itself is read once, not for every program.
    let wrapper = folder.join("wrapper.hpp");
    std::fs::write(&wrapper, "#include <sdp_dal.hpp>\n").expect("the test's folder is writable");
    let mut precompile = CPP17.command();
    precompile.args(["-x", "c++-header", "-c"]).arg(&wrapper);
    run(precompile.arg("-o").arg(folder.join("wrapper.hpp.gch")));
    let compile = |name: &str, function: &str| {
        let source = folder.join(name);
        let text = format!(
            "#include <sdp_dal.hpp>\nusing namespace sdp_dal;\n{function}\n\
             void add(processor &p) {{ p.add<f>(\"f\", {{\"x\"}}); }}\n"
        );
        std::fs::write(&source, text).expect("the test's folder is writable");
        let mut command = CPP17.command();
        command.arg("-fsyntax-only").arg("-include").arg(&wrapper).arg("-Winvalid-pch").arg(&source);
        command.output().expect("c++ is installed")
    };
    let right = compile("right.txt", "void f(double) {}");
    assert!(right.status.success(), "{}", String::from_utf8_lossy(&right.stderr));
    for (i, (function, sentence)) in REFUSED.iter().enumerate() {
        let output = compile(&format!("refused-{i}.txt"), function);
        let said = String::from_utf8_lossy(&output.stderr).replace('\n', " ");
        assert!(!output.status.success(), "{function} compiles");
        assert!(said.contains(sentence), "{function}: the compiler does not say '{sentence}' but\n{said}");
    }
}
