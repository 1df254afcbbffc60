//! Programs in C and C++: compiled against the library, and run as processes.

use std::cell::RefCell;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::{cdylib, install_library, root, run, runs, Compiler};

/// For waits that a test would else hang in.
pub const WATCHDOG: Duration = Duration::from_secs(120);

/// A folder on a tmpfs for the stores of one test; removed at its end.
pub struct Stores(tempfile::TempDir);

impl Stores {
    /// An empty one.
    pub fn new() -> Stores {
        // Whose it is, if this process is killed.
        let mine = format!("-{}", std::process::id());
        let folder = tempfile::Builder::new().prefix("sdp-dal-test-").suffix(&mine).tempdir_in("/dev/shm");
        Stores(folder.expect("/dev/shm is writable"))
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        self.0.path()
    }

    /// The path for a store.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

/// A program of one source and the library; needs: what else it is linked with, by pkg-config.
pub fn compile_with(folder: &Path, source: &Path, compiler: Compiler, needs: &[&str]) -> PathBuf {
    let stem = source.file_stem().expect("a source has a name").to_string_lossy();
    let program = folder.join(format!("{stem}-{}", compiler.standard));
    let mut command = compiler.command();
    command.arg(source).args(["-x", "none"]).arg(cdylib()).args(["-pthread", "-lm", "-o"]).arg(&program);
    if !needs.is_empty() {
        let flags = run(Command::new("pkg-config").args(["--cflags", "--libs"]).args(needs));
        // Warnings are for this project's sources.
        let flags = String::from_utf8_lossy(&flags.stdout).replace("-I", "-isystem");
        command.args(flags.split_whitespace());
    }
    run(&mut command);
    program
}

/// A program of one source and the library.
pub fn compile(folder: &Path, source: &Path, compiler: Compiler) -> PathBuf {
    compile_with(folder, source, compiler, &[])
}

/// `tests/preload/kernel.c`, to be preloaded: a kernel as the environment says.
pub fn kernel(folder: &Path) -> PathBuf {
    let library = folder.join("kernel.so");
    let source = root().join("tests/preload/kernel.c");
    run(Command::new("cc")
        .args(["-O1", "-shared", "-fPIC", "-Wall", "-Werror", "-o"])
        .arg(&library)
        .arg(source));
    library
}

/// A command that finds the library and nothing of the user's environment.
pub fn program(folder: &Path, program: &Path) -> Command {
    install_library(folder);
    installed(folder, program)
}

/// The same where the library is installed: several may be made at once.
pub fn installed(folder: &Path, program: &Path) -> Command {
    let mut command = runs(program);
    command.env("LD_LIBRARY_PATH", folder).env_remove("SDP_DAL_STORE").env_remove("SDP_DAL_STORE_SIZE");
    command
}

/// A running program: ended with Ctrl-C, killed if the test fails. What it says is read as it says it.
pub struct Running {
    child: Child,
    said: mpsc::Receiver<String>,
    readers: Vec<JoinHandle<()>>,
    so_far: RefCell<String>,
}

impl Running {
    /// Starts it.
    pub fn start(command: &mut Command) -> Running {
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
        let (sender, said) = mpsc::channel();
        let streams: [Box<dyn Read + Send>; 2] = [
            Box::new(child.stdout.take().expect("it is a pipe")),
            Box::new(child.stderr.take().expect("it is a pipe")),
        ];
        let readers = streams
            .into_iter()
            .map(|stream| {
                let sender = sender.clone();
                std::thread::spawn(move || {
                    for line in BufReader::new(stream).lines() {
                        let line = line.expect("programs print UTF-8");
                        let _ = sender.send(line + "\n");
                    }
                })
            })
            .collect();
        Running { child, said, readers, so_far: RefCell::new(String::new()) }
    }

    /// Waits until it has said a line with this text.
    pub fn says(&self, text: &str) {
        let mut so_far = self.so_far.borrow_mut();
        while !so_far.contains(text) {
            let line = self.said.recv_timeout(WATCHDOG);
            match line {
                Ok(line) => so_far.push_str(&line),
                Err(_) => panic!("it does not say '{text}' but\n{so_far}"),
            }
        }
    }

    /// SIGKILL, and waits for its end; what it has said.
    pub fn kill(mut self) -> String {
        self.child.kill().expect("a child can be killed");
        self.child.wait().expect("a child can be waited for");
        self.everything()
    }

    /// SIGSTOP: it does nothing until [`Running::go_on`].
    pub fn stop(&self) {
        run(Command::new("kill").args(["-STOP", &self.child.id().to_string()]));
    }

    /// SIGCONT.
    pub fn go_on(&self) {
        run(Command::new("kill").args(["-CONT", &self.child.id().to_string()]));
    }

    /// Ctrl-C; its output when it has ended well.
    pub fn interrupt(self) -> String {
        run(Command::new("kill").args(["-INT", &self.child.id().to_string()]));
        self.ended()
    }

    /// Ctrl-C, and waits for its end, whatever its status is; what it has said.
    pub fn press_ctrl_c(mut self) -> String {
        run(Command::new("kill").args(["-INT", &self.child.id().to_string()]));
        self.child.wait().expect("a child can be waited for");
        self.everything()
    }

    /// SIGTERM; its status if it ended by itself, and its output.
    pub fn terminate(mut self) -> (Option<i32>, String) {
        run(Command::new("kill").args(["-TERM", &self.child.id().to_string()]));
        let sent = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                return (status.code(), self.everything());
            }
            assert!(sent.elapsed() < WATCHDOG, "SIGTERM does not end it");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Its output when it has ended well by itself.
    pub fn ended(mut self) -> String {
        let status = self.child.wait().expect("a child can be waited for");
        let said = self.everything();
        assert!(status.success(), "{status}: {said}");
        said
    }

    fn everything(&mut self) -> String {
        for reader in self.readers.drain(..) {
            reader.join().expect("what it says can be read");
        }
        let mut said = self.so_far.take();
        said.extend(self.said.try_iter());
        said
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let status = self.child.wait();
        if std::thread::panicking() {
            println!("the other program ended with {status:?} and had said:\n{}", self.everything());
        }
    }
}
