//! Compiles the programs in `tests/c` (as C and as C++) and `tests/cpp` against the shared library and runs them, and
//! the examples in `c_examples`.

mod support;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use support::{cdylib, install_library, root, run, scratch, Compiler, C11, CPP17, CPP20};

/// A folder on a tmpfs for the stores of one test; removed at its end.
struct Stores(tempfile::TempDir);

impl Stores {
    fn new() -> Stores {
        Stores(tempfile::tempdir_in("/dev/shm").expect("/dev/shm is writable"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

fn compile(folder: &Path, source: &Path, compiler: Compiler) -> PathBuf {
    let stem = source.file_stem().expect("a source has a name").to_string_lossy();
    let program = folder.join(format!("{stem}-{}", compiler.standard));
    let mut command = compiler.command();
    command.arg(source).args(["-x", "none"]).arg(cdylib()).arg("-pthread").arg("-o").arg(&program);
    run(&mut command);
    program
}

/// A command that finds the library and nothing of the user's environment.
fn program(folder: &Path, program: &Path) -> Command {
    install_library(folder);
    let mut command = Command::new(program);
    command.env("LD_LIBRARY_PATH", folder).env_remove("SDP_DAL_STORE").env_remove("SDP_DAL_STORE_SIZE");
    command
}

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
fn what_the_wrapper_deduces() {
    compile_and_run("cpp/deduction.cpp", &BOTH_CPP, false);
}

#[test]
fn the_wrapper() {
    compile_and_run("cpp/wrapper.cpp", &BOTH_CPP, true);
}

/// Functions that the wrapper refuses when they are compiled, and the sentence it says then.
const REFUSED: [(&str, &str); 8] = [
    ("void f(double *) {}", "not a pointer"),
    ("void f(tensor_view<double, 1>) {}", "an input is read-only: write tensor_view<const T, N>"),
    ("int f(double) { return 0; }", "a processing function returns void"),
    ("void f(double &) {}", "only output<T, N> may be a reference"),
    ("void f(std::vector<double>) {}", "a parameter of a processing function is bool"),
    ("void f(output<const double, 1>) {}", "its elements are not const"),
    ("void f(tensor_view<const char, 1>) {}", "the elements of a tensor are"),
    ("void f(std::optional<std::optional<double>>) {}", "has no meaning here"),
];

#[test]
fn what_the_wrapper_refuses_to_compile() {
    let folder = scratch("refused");
    let compile = |name: &str, function: &str| {
        let source = folder.join(name);
        let text = format!(
            "#include <sdp_dal.hpp>\nusing namespace sdp_dal;\n{function}\n\
             void add(processor &p) {{ p.add<f>(\"f\", {{\"x\"}}); }}\n"
        );
        std::fs::write(&source, text).expect("the test's folder is writable");
        CPP17.command().arg("-fsyntax-only").arg(&source).output().expect("c++ is installed")
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

/// A running example: ended with Ctrl-C, killed if the test fails.
struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> Running {
        Running(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the example starts"))
    }

    /// Ctrl-C; its output when it has ended well.
    fn interrupt(self) -> String {
        run(Command::new("kill").args(["-INT", &self.0.id().to_string()]));
        self.ended()
    }

    /// Its output when it has ended well by itself.
    fn ended(mut self) -> String {
        let status = self.0.wait().expect("a child can be waited for");
        let mut said = String::new();
        use std::io::Read;
        for mut stream in [
            self.0.stdout.take().map(|stream| Box::new(stream) as Box<dyn Read>),
            self.0.stderr.take().map(|stream| Box::new(stream) as Box<dyn Read>),
        ]
        .into_iter()
        .flatten()
        {
            stream.read_to_string(&mut said).expect("examples print UTF-8");
        }
        assert!(status.success(), "{status}: {said}");
        said
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn example(folder: &Path, name: &str) -> PathBuf {
    compile(folder, &root().join("c_examples").join(format!("{name}.c")), C11)
}

#[test]
fn the_examples_explain_themselves() {
    let folder = scratch("examples-help");
    for name in ["simple_processor", "simple_caller", "stream_processor", "streamer"] {
        let built = example(&folder, name);
        let help = run(program(&folder, &built).arg("--help"));
        assert!(String::from_utf8_lossy(&help.stdout).contains("usage:"), "{name} --help");
        let without = program(&folder, &built).output().expect("the example starts");
        assert!(!without.status.success(), "{name} needs a path");
        assert!(String::from_utf8_lossy(&without.stderr).contains("usage:"), "{name} without a path");
    }
}

#[test]
fn the_simple_example() {
    let folder = scratch("examples-simple");
    let stores = Stores::new();
    let path = stores.path("store");
    let processor = Running::start(program(&folder, &example(&folder, "simple_processor")).arg(&path));
    let caller = run(program(&folder, &example(&folder, "simple_caller")).arg(&path));
    let said = String::from_utf8_lossy(&caller.stdout);
    assert!(said.contains("Found processor SimpleProcessor at prefix"), "{said}");
    assert!(said.contains("zs = 1 2 3 4 5 6 7 8 9 10"), "{said}");
    let said = processor.interrupt();
    assert!(said.contains("SimpleProcessor waiting for calls at prefix"), "{said}");
}

#[test]
fn the_streaming_example() {
    let folder = scratch("examples-stream");
    let stores = Stores::new();
    let path = stores.path("store");
    let processor = Running::start(program(&folder, &example(&folder, "stream_processor")).arg(&path));
    let mut streamer = program(&folder, &example(&folder, "streamer"));
    let streamer = run(streamer.arg(&path).args(["--size", "1000000", "--seconds", "1"]));
    let sent = String::from_utf8_lossy(&streamer.stdout);
    assert!(sent.contains("Found processor StreamProcessor at prefix"), "{sent}");
    assert!(sent.contains("Payload size 1.0 MB"), "{sent}");
    let received = processor.interrupt();
    let count = |text: &str, verb: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(verb)).map(str::to_owned);
        let number = line.and_then(|line| line.split_whitespace().next().map(str::to_owned));
        number
            .and_then(|number| number.parse::<u64>().ok())
            .unwrap_or_else(|| panic!("no '{verb}' in {text}"))
    };
    let sent = count(&sent, "Sent ");
    assert!(sent > 0);
    assert_eq!(sent, count(&received, "Received "));
}
