//! How a process ended, as its parent learns it, and how that fits into a word of its client's slot.

use std::fmt::{self, Display, Formatter};

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessEnd {
    /// It exited with this status.
    Exited(u8),
    /// This signal ended it.
    Signal(u8),
}

/// The names of the signals from 1 to 31. (They have these numbers on x86-64 and on Arm.)
const SIGNALS: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE",
    "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ",
    "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];

impl ProcessEnd {
    /// Whether it is a success: status 0.
    pub fn is_success(self) -> bool {
        self == ProcessEnd::Exited(0)
    }

    /// The exit status with which a shell reports it: 128 and the signal's number for a signal.
    pub fn status(self) -> u8 {
        match self {
            ProcessEnd::Exited(status) => status,
            ProcessEnd::Signal(signal) => 128u8.saturating_add(signal),
        }
    }
}

impl Display for ProcessEnd {
    /// Writes it as the end of a sentence whose subject is the process.
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match *self {
            ProcessEnd::Exited(status) => write!(out, "exited with status {status}"),
            ProcessEnd::Signal(signal) => {
                match usize::from(signal).checked_sub(1).and_then(|at| SIGNALS.get(at)) {
                    Some(name) => write!(out, "was ended by signal {signal} (SIG{name})"),
                    None => write!(out, "was ended by signal {signal}"),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_a_sentence_and_a_status() {
        for (end, text, status) in [
            (ProcessEnd::Exited(0), "exited with status 0", 0),
            (ProcessEnd::Exited(255), "exited with status 255", 255),
            (ProcessEnd::Signal(6), "was ended by signal 6 (SIGABRT)", 134),
            (ProcessEnd::Signal(31), "was ended by signal 31 (SIGSYS)", 159),
            (ProcessEnd::Signal(64), "was ended by signal 64", 192),
        ] {
            assert_eq!((end.to_string().as_str(), end.status()), (text, status));
        }
        assert_eq!(SIGNALS[libc::SIGSEGV as usize - 1], "SEGV");
        assert_eq!(SIGNALS[libc::SIGXCPU as usize - 1], "XCPU");
    }
}
