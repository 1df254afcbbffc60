//! The processes of `run`: started, waited for, signalled, and their output passed on.
//!
//! Each copy is the leader of a process group. When it ends, what is left of its group is killed, while the copy is still
//! a zombie: so its process ID means no other process yet. Processes that are orphaned below us become our children, and are
//! waited for, too: in a container no other process does it.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, Instant};

use rustix::process::{
    kill_process_group, set_child_subreaper, wait, waitid, waitpid, Pid, Signal, WaitId, WaitIdOptions,
    WaitOptions,
};
use sdp_dal::error::{Error, Result};
use sdp_dal::store::ProcessEnd;

/// How long to wait for the end of the output, which a process outside of the group may still hold.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What is run, how often, and on which store.
pub struct Program<'a> {
    /// The program and its arguments.
    pub command: &'a [OsString],
    /// The store of the copies.
    pub store: Option<&'a Path>,
    /// By which the store knows this process; 0: there is none.
    pub token: u32,
    /// Whether there are several copies: then each line that they write names the copy.
    pub several: bool,
}

/// A copy that runs.
#[derive(Clone, Copy, Debug)]
pub struct Running {
    /// Its process.
    pub pid: Pid,
    /// When it was started.
    pub since: Instant,
}

/// Starts copies, and passes their output on.
pub struct Starter<'a> {
    program: &'a Program<'a>,
    // Dropped by each thread that passes output on.
    open: Sender<()>,
    closed: Receiver<()>,
}

impl<'a> Starter<'a> {
    /// Adopts what is orphaned below us, from now on.
    pub fn new(program: &'a Program<'a>) -> Result<Starter<'a>> {
        set_child_subreaper(Some(Pid::INIT)).map_err(|code| Error::io("adopting orphans", &code.into()))?;
        let (open, closed) = mpsc::channel();
        Ok(Starter { program, open, closed })
    }

    /// Starts the copy with this number. Only the main thread may: the kernel takes the end of the thread for that of the
    /// parent.
    pub fn start(&self, index: u32) -> Result<Running> {
        // The program of this process, whatever is at its path by now.
        let mut command = Command::new("/proc/self/exe");
        command
            .arg0("sdp-dal")
            .arg("start-copy")
            .arg(std::process::id().to_string())
            .arg(self.program.token.to_string())
            .args(self.program.command);
        command.env("SDP_DAL_COPY", index.to_string()).stdin(Stdio::null()).process_group(0);
        if let Some(store) = self.program.store {
            command.env("SDP_DAL_STORE", store);
        }
        if self.program.several {
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
        }
        let mut child = command.spawn().map_err(|e| Error::io("starting a process", &e))?;
        let since = Instant::now();
        if let Some(output) = child.stdout.take() {
            self.pass(index, output, std::io::stdout());
        }
        if let Some(output) = child.stderr.take() {
            self.pass(index, output, std::io::stderr());
        }
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        Ok(Running { pid: pid.ok_or_else(|| Error::internal("a process ID out of range"))?, since })
    }

    /// Passes whole lines on, each behind the number of its copy.
    fn pass(&self, index: u32, from: impl Read + Send + 'static, mut to: impl Write + Send + 'static) {
        let open = self.open.clone();
        std::thread::spawn(move || {
            let mut source = BufReader::new(from);
            let mut line = format!("[{index}] ").into_bytes();
            let start = line.len();
            while source.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                if line.last() != Some(&b'\n') {
                    line.push(b'\n');
                }
                // In one piece. A reader that has left must not stop the copies: they are read all the same.
                let _ = to.write_all(&line).and_then(|()| to.flush());
                line.truncate(start);
            }
            drop(open);
        });
    }

    /// Waits until all that the copies wrote is passed on.
    pub fn finish(self) {
        drop(self.open);
        let _ = self.closed.recv_timeout(LAST_WORDS);
    }
}

/// Tells of each of these copies that has ended. It is a zombie until that is told. Then takes all zombies away.
pub fn reap(copies: &[Pid], mut tell: impl FnMut(Pid, ProcessEnd)) {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    for pid in copies {
        let Ok(Some(status)) = waitid(WaitId::Pid(*pid), options) else { continue };
        if let Some(end) = end_of(status.exit_status(), status.terminating_signal()) {
            tell(*pid, end);
            signal(*pid, Signal::KILL);
            let _ = waitpid(Some(*pid), WaitOptions::empty());
        }
    }
    // Orphans, and perhaps a copy that has just ended.
    while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
        let end = end_of(status.exit_status(), status.terminating_signal());
        if let Some(end) = end.filter(|_| copies.contains(&pid)) {
            tell(pid, end);
            signal(pid, Signal::KILL);
        }
    }
}

fn end_of(status: Option<i32>, signal: Option<i32>) -> Option<ProcessEnd> {
    let byte = |number: Option<i32>| number.and_then(|number| u8::try_from(number).ok());
    byte(status).map(ProcessEnd::Exited).or(byte(signal).map(ProcessEnd::Signal))
}

/// Sends a signal to a copy and to what it has started.
pub fn signal(pid: Pid, signal: Signal) {
    let _ = kill_process_group(pid, signal);
}
