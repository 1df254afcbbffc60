//! The programs of `docs/bindings.md` work when they are pasted: each calls a processor that runs beside them.

mod support;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use support::documents::{blocks, name, package};
use support::programs::Stores;
use support::{cdylib, python, root, run, scratch, C11};

/// The path of the store in the document's lines.
const STORE: &str = "/dev/shm/store";

/// A program of the document, and the console block behind it if there is one.
struct Program {
    name: String,
    text: String,
    console: Option<String>,
}

fn programs() -> Vec<Program> {
    let document = std::fs::read_to_string(root().join("docs/bindings.md")).expect("there is a document");
    let mut found: Vec<Program> = Vec::new();
    for block in blocks(&document) {
        if block.language == "console" {
            let program = found.last_mut().expect("a program stands before its console");
            assert!(program.console.is_none(), "{} has two consoles", program.name);
            program.console = Some(block.text);
        } else {
            found.push(Program { name: name(&block.text), text: block.text, console: None });
        }
    }
    found
}

fn program(wanted: &str) -> Program {
    programs().into_iter().find(|program| program.name == wanted).unwrap_or_else(|| panic!("no {wanted}"))
}

/// Writes a program of the document into a file of its name.
fn write(folder: &Path, name: &str) -> Program {
    let program = program(name);
    std::fs::write(folder.join(name), &program.text).expect("the test's folder is writable");
    program
}

/// A running process, killed at the end of the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn example(folder: &Path, name: &str) -> PathBuf {
    let built = folder.join(name);
    let source = root().join("c_examples").join(format!("{name}.c"));
    run(C11.command().arg(source).args(["-x", "none"]).arg(cdylib()).arg("-o").arg(&built));
    built
}

/// A folder for a test, the package in it, and a store of its own.
struct Place {
    folder: PathBuf,
    stores: Stores,
}

impl Place {
    fn new(name: &str) -> Place {
        let folder = scratch(&format!("bindings-{name}"));
        package(&folder);
        Place { folder, stores: Stores::new() }
    }

    fn store(&self) -> PathBuf {
        self.stores.path("store")
    }

    /// A command that finds the package, and a small store.
    fn prepare<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command
            .current_dir(&self.folder)
            .env("PKG_CONFIG_PATH", &self.folder)
            .env("LD_LIBRARY_PATH", &self.folder);
        command.env("SDP_DAL_STORE_SIZE", "16000000").env("SDP_DAL_PROTECT", "1").env_remove("SDP_DAL_STORE")
    }

    /// `simple_processor`, ready for calls.
    fn processor(&self) -> Running {
        let mut command = Command::new(example(&self.folder, "simple_processor"));
        let command = self.prepare(&mut command).arg(self.store()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the example starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("it is a pipe"))
            .read_line(&mut line)
            .expect("it prints UTF-8");
        assert!(line.contains("waiting for calls"), "{line}");
        Running(child)
    }

    /// Runs a line of the document on this test's store.
    fn shell(&self, line: &str) -> Command {
        assert!(line.contains(STORE), "the command runs on {STORE}: {line}");
        let mut command = Command::new("sh");
        self.prepare(&mut command).args(["-euc", &line.replace(STORE, &self.store().to_string_lossy())]);
        command
    }
}

/// The commands of a console block, and what it shows after them.
fn console(program: &Program) -> (Vec<String>, String) {
    let text = program.console.as_ref().unwrap_or_else(|| panic!("no console behind {}", program.name));
    let commands =
        text.lines().map_while(|line| line.strip_prefix("$ ")).map(str::to_owned).collect::<Vec<_>>();
    let output = text.lines().skip(commands.len()).map(|line| format!("{line}\n")).collect();
    (commands, output)
}

fn says(place: &Place, line: &str, output: &str) {
    let _processor = place.processor();
    let said = run(&mut place.shell(line));
    assert_eq!(String::from_utf8_lossy(&said.stdout), output, "what the document says of '{line}'");
}

/// The document's line, with a Python that has the module.
fn with_python(line: &str, module: &str) -> String {
    let rest = line.strip_prefix("python3 ").expect("a line for Python");
    format!("{} {rest}", python::python_with(module))
}

#[test]
fn python_with_ctypes() {
    let place = Place::new("ctypes");
    let program = write(&place.folder, "simple_ctypes.py");
    let (commands, output) = console(&program);
    says(&place, &with_python(&commands[0], "ctypes"), &output);
}

#[test]
fn python_with_cffi() {
    let place = Place::new("cffi");
    let program = write(&place.folder, "simple_cffi.py");
    let (commands, output) = console(&program);
    says(&place, &with_python(&commands[0], "cffi"), &output);
}

#[test]
fn a_processor_in_python() {
    let place = Place::new("pull");
    let caller = program("simple_cffi.py").text;
    let beginning = caller.find("signature = ").expect("the program has a signature");
    let program = program("processor_cffi.py");
    std::fs::write(place.folder.join(&program.name), caller[..beginning].to_owned() + &program.text).unwrap();
    example(&place.folder, "simple_caller");
    let (commands, output) = console(&program);
    let line = with_python(commands[0].trim_end_matches(" &"), "cffi");
    // The caller waits until its processor is there.
    let mut processor = Running(place.shell(&format!("exec {line}")).spawn().unwrap());
    let said = run(&mut place.shell(&commands[1]));
    assert_eq!(String::from_utf8_lossy(&said.stdout), output);
    assert!(processor.0.wait().unwrap().success());
}

#[test]
fn fortran() {
    for name in ["simple.f90", "column_major.f90"] {
        let place = Place::new(name);
        let (commands, output) = console(&write(&place.folder, name));
        says(
            &place,
            &commands[0].replacen("gfortran", "gfortran -std=f2008 -Wall -Wextra -Werror", 1),
            &output,
        );
    }
}

/// The document shows the crate's example, which cargo compiles with its tests.
#[test]
#[cfg(feature = "ndarray")]
fn rust() {
    let place = Place::new("rust");
    let program = program("simple.rs");
    let example = std::fs::read_to_string(root().join("examples/simple.rs")).expect("there is an example");
    assert_eq!(program.text, example);
    let (commands, output) = console(&program);
    assert_eq!(commands, [format!("cargo run --quiet --features ndarray --example simple -- {STORE}")]);
    let built = cdylib().with_file_name("examples").join("simple");
    // It has a processor of its own.
    let said = run(&mut place.shell(&format!("{} {STORE}", built.display())));
    assert_eq!(String::from_utf8_lossy(&said.stdout), output);
}

#[test]
fn every_program_of_the_document_is_run() {
    let names: Vec<String> = programs().into_iter().map(|program| program.name).collect();
    let run = ["simple_ctypes.py", "simple_cffi.py", "processor_cffi.py", "simple.f90"];
    assert_eq!(names, [&run[..], &["column_major.f90", "simple.rs"]].concat());
}
