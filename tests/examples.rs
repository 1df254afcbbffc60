//! The examples, as processes of their own: each says what it should, and leaves nothing behind.

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use support::programs::{compile, compile_with, installed, program, Running, Stores, WATCHDOG};
use support::{install_library, root, run, scratch, Compiler, C11, CPP17};

/// An example in C.
fn example(folder: &Path, name: &str) -> PathBuf {
    compile(folder, &root().join("c_examples").join(format!("{name}.c")), C11)
}

#[test]
fn the_examples_explain_themselves() {
    let folder = scratch("examples-help");
    let in_c = ["simple_processor", "simple_caller", "stream_processor", "streamer", "usage_guide"];
    let in_cpp = guide(CPP17);
    let built = in_c.map(|name| example(&folder, name));
    for built in built.iter().chain([&in_cpp.guide]) {
        let name = built.display();
        let help = run(program(&folder, built).arg("--help"));
        assert!(String::from_utf8_lossy(&help.stdout).contains("usage:"), "{name} --help");
        let without = program(&folder, built).output().expect("the example starts");
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

/// The status with which a program ends that SIGTERM stops before it is done.
const STOPPED: i32 = 143;

/// Starts a program on a store, waits for a line, and sends SIGTERM: it ends with a status, and without its store.
fn ends_on_sigterm(command: &mut Command, path: &Path, line: &str, status: i32) {
    let running = Running::start(command.arg(path));
    running.says(line);
    let (found, said) = running.terminate();
    assert_eq!(found, Some(status), "{command:?}: {said}");
    assert!(!path.exists(), "{command:?} has left the store behind");
}

#[test]
fn sigterm_ends_every_example_in_c() {
    let folder = scratch("examples-sigterm");
    install_library(&folder);
    let stores = Stores::new();
    let path = stores.path("store");
    for (name, line, status) in [
        ("simple_processor", "waiting for calls at prefix", 0),
        ("stream_processor", "waiting for calls at prefix", 0),
        // These wait for a processor.
        ("simple_caller", "Store using prefix", STOPPED),
        ("streamer", "Store using prefix", STOPPED),
        ("fft_caller", "Store using prefix", STOPPED),
    ] {
        ends_on_sigterm(&mut installed(&folder, &example(&folder, name)), &path, line, status);
    }
    let fftw = compile_with(&folder, &root().join("c_examples/fft_processor.c"), C11, &["fftw3"]);
    ends_on_sigterm(&mut installed(&folder, &fftw), &path, "waiting for calls at prefix", 0);

    // In the middle of its work, too.
    let processor = Running::start(installed(&folder, &folder.join("stream_processor-c11")).arg(&path));
    let mut streamer = installed(&folder, &folder.join("streamer-c11"));
    let streamer = Running::start(streamer.arg(&path).args(["--size", "1000000"]));
    streamer.says("GB/s");
    let (status, said) = streamer.terminate();
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains("Sent "), "{said}");
    let (status, said) = processor.terminate();
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains("Received ") && !path.exists(), "{said}");
}

#[test]
fn sigterm_ends_the_guide_at_any_moment() {
    for language in BOTH {
        let Guide { folder, guide: program_of_guide, processor } = guide(language);
        let stores = Stores::new();
        let path = stores.path("store");
        ends_on_sigterm(&mut installed(folder, processor), &path, "waiting for calls at prefix", 0);
        // It waits for a processor; at whatever moment the signal comes once there is a store.
        for delay in [0, 1, 200] {
            let waiting = Running::start(installed(folder, program_of_guide).arg(&path).arg("simple"));
            let begun = Instant::now();
            while !path.exists() {
                assert!(begun.elapsed() < WATCHDOG, "there is no store");
                std::thread::sleep(Duration::from_millis(1));
            }
            std::thread::sleep(Duration::from_millis(delay));
            let (status, said) = waiting.terminate();
            assert_eq!(status, Some(STOPPED), "{said}");
            assert!(!path.exists(), "the caller has left the store behind");
        }
    }
}

/// The usage guide and its processor in one language; compiled by the first test that needs them.
struct Guide {
    folder: PathBuf,
    guide: PathBuf,
    processor: PathBuf,
}

fn guide(language: Compiler) -> &'static Guide {
    static IN_C: OnceLock<Guide> = OnceLock::new();
    static IN_CPP: OnceLock<Guide> = OnceLock::new();
    let (guide, sources, ending) = match language.language {
        "c" => (&IN_C, "c_examples", "c"),
        _ => (&IN_CPP, "cpp_examples", "cpp"),
    };
    guide.get_or_init(|| {
        let folder = scratch(&format!("usage-guide-{sources}"));
        let built =
            |name: &str| compile(&folder, &root().join(sources).join(format!("{name}.{ending}")), language);
        let (guide, processor) = (built("usage_guide"), built("simple_processor"));
        install_library(&folder);
        Guide { folder, guide, processor }
    })
}

/// Runs a section of the usage guide with `processors` processes of `simple_processor`; the lines it prints.
fn usage_guide(language: Compiler, section: &str, processors: usize) -> Vec<String> {
    let Guide { folder, guide, processor } = guide(language);
    let stores = Stores::new();
    let path = stores.path("store");
    let started = |_| Running::start(installed(folder, processor).arg(&path));
    let running: Vec<_> = (0..processors).map(started).collect();
    for processor in &running {
        processor.says("waiting for calls at prefix");
    }
    let said = run(installed(folder, guide).arg(&path).arg(section));
    for processor in running {
        processor.interrupt();
    }
    assert!(!path.exists(), "the last client has left the store behind");
    let said = String::from_utf8(said.stdout).expect("examples print UTF-8");
    // The examples in C also say whom they found.
    let wanted = |line: &&str| !line.starts_with("Store using") && !line.starts_with("Found processor");
    said.lines().filter(wanted).map(str::to_owned).collect()
}

const BOTH: [Compiler; 2] = [C11, CPP17];
const THREE: [&str; 3] = ["zs = 1 ... 100", "zs = 2 ... 101", "zs = 3 ... 102"];

#[test]
fn the_usage_guide_simple() {
    assert_eq!(usage_guide(C11, "simple", 1), ["zs = 1 ... 100"]);
    // By position and by name.
    assert_eq!(usage_guide(CPP17, "simple", 1), ["zs = 1 ... 100", "zs = 1 ... 100"]);
}

#[test]
fn the_usage_guide_references() {
    for language in BOTH {
        assert_eq!(usage_guide(language, "references", 1), THREE);
    }
}

#[test]
fn the_usage_guide_graph() {
    for language in BOTH {
        assert_eq!(usage_guide(language, "graph", 1), ["zs = 6 ... 105"]);
    }
}

#[test]
fn the_usage_guide_batch() {
    for language in BOTH {
        assert_eq!(usage_guide(language, "batch", 1), THREE);
    }
}

#[test]
fn the_usage_guide_broadcast() {
    for language in BOTH {
        let mut expected = Vec::new();
        for i in 0..10 {
            expected.push("Have 2 processors".to_owned());
            expected.extend([format!("zs = {i} ... {}", i + 99), format!("zs = {i} ... {}", i + 99)]);
        }
        assert_eq!(usage_guide(language, "broadcast", 2), expected);
    }
    assert_eq!(usage_guide(CPP17, "broadcast", 0), ["Have 0 processors"; 10]);
}

#[test]
fn the_usage_guide_scoping() {
    for language in BOTH {
        let said = usage_guide(language, "scoping", 1);
        let [line] = &said[..] else { panic!("{said:?}") };
        let (finished, rest) = line.split_once(' ').expect("a number and what it means");
        assert!(finished.parse::<u32>().expect("a number") <= 100, "{line}");
        assert_eq!(rest, "of 100 calls were done in 10 ms, the others are cancelled");
    }
}

#[test]
fn the_fftw_example() {
    let source = root().join("c_examples/fft_processor.c");
    let text = std::fs::read_to_string(&source).expect("there is such an example");
    let lines = text.lines().skip_while(|line| !line.contains("irfft(sdp_dal_call"));
    let count = lines.take_while(|line| *line != "}").count() + 1;
    assert!((3..=12).contains(&count), "irfft has {count} lines, 12 are enough to wrap a library");

    let folder = scratch("examples-fftw");
    let stores = Stores::new();
    let path = stores.path("store");
    let processor = compile_with(&folder, &source, C11, &["fftw3"]);
    let caller = example(&folder, "fft_caller");
    let processor = Running::start(program(&folder, &processor).arg(&path).arg("1000"));
    processor.says("waiting for calls at prefix");
    // It compares the signal with the cosine whose spectrum it has put, twice: the input is as it was.
    let said = run(program(&folder, &caller).arg(&path).arg("1000"));
    let said = String::from_utf8_lossy(&said.stdout);
    assert!(said.contains("call 1: largest error") && said.contains("call 2: largest error"), "{said}");
    // The sizes stand in the signature.
    let wrong = program(&folder, &caller).arg(&path).arg("998").output().expect("the caller starts");
    assert!(!wrong.status.success());
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("freq"), "{wrong:?}");
    processor.interrupt();
    assert!(!path.exists(), "the last client has left the store behind");
}

/// The programs in a folder: its sources with an ending that have a main function.
fn programs_in(folder: &str, ending: &str, main: &str) -> Vec<String> {
    let entries = std::fs::read_dir(root().join(folder)).into_iter().flatten().flatten();
    let sources =
        entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|e| e == ending));
    let programs =
        sources.filter(|path| std::fs::read_to_string(path).expect("sources are text").contains(main));
    programs
        .map(|path| format!("{folder}/{}", path.file_name().unwrap_or_default().to_string_lossy()))
        .collect()
}

#[test]
fn the_index_names_every_program() {
    let index = std::fs::read_to_string(root().join("docs/examples.md")).expect("there is an index");
    let rows = index.lines().filter(|line| line.starts_with("| `"));
    let rows: Vec<Vec<&str>> =
        rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect()).collect();
    let mut named: Vec<_> = rows.iter().map(|row| row[0].trim_matches('`').to_owned()).collect();
    let mut there = Vec::new();
    for (folder, ending, language, main) in [
        ("c_examples", "c", "C", "int main("),
        ("cpp_examples", "cpp", "C++", "int main("),
        ("cpp_examples", "py", "Python", "__main__"),
        ("python/examples", "py", "Python", "__main__"),
        ("examples", "rs", "Rust", "fn main("),
        ("fortran_examples", "f90", "Fortran", "\nprogram "),
    ] {
        let found = programs_in(folder, ending, main);
        for row in rows.iter().filter(|row| found.iter().any(|one| row[0].trim_matches('`') == one)) {
            assert_eq!(row[1], language, "{row:?}");
            let stem = Path::new(row[0].trim_matches('`')).file_stem().expect("a file has a name");
            let stem = stem.to_string_lossy();
            assert!(
                row[3].contains(&*stem) || row[3].starts_with("`scripts/demo.sh"),
                "how to run it: {row:?}"
            );
        }
        there.extend(found);
    }
    named.sort();
    there.sort();
    assert!(there.len() >= 22, "{there:?}");
    assert_eq!(named, there, "what docs/examples.md lists, and the programs in the folders");
}
