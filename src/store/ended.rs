//! How a client's process ended, as the process that started it knows.
//!
//! The kernel tells every client that another one has crashed, but only the parent of its process how. A supervisor
//! (`sdp-dal run`) therefore announces itself to the program that it starts, in the environment. The client of that
//! process has the supervisor's token in its slot. When the process ends, the supervisor writes into the slot how.
//!
//! The word is written without the lock, at a time when the slot may be freed and taken again. So it contains the number of
//! the client, and means nothing for another one. If the supervisor crashes at any step, the word is missing.
//!
//! Another client may find the crash first. It waits a moment for a supervisor that was announced, and then writes that it
//! waited: so that happens once for each client.

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use super::attachment::Attachment;
use super::Store;
use crate::shm::layout::Client;
use crate::sync::atomic::Ordering;
use crate::sync::{clock, fail};

/// How long to wait for a supervisor, and how often to look.
const PATIENCE: Duration = Duration::from_millis(100);
const LOOK: Duration = Duration::from_millis(1);

/// Set in the lower half of the word if it is known how the process ended.
const KNOWN: u32 = 1 << 31;
/// Set beside it if a signal ended the process.
const BY_SIGNAL: u32 = 1 << 8;
/// The lower half of the word after a wait in vain.
const UNTOLD: u32 = 1;

/// By which a program knows that its supervisor tells how it ends: the process ID of the program, a colon and the supervisor's
/// token. Processes that the program starts inherit the variable, and have another process ID.
pub const SUPERVISED: &str = "SDP_DAL_SUPERVISED";

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

    /// The lower half of the word.
    fn bits(self) -> u32 {
        KNOWN
            | match self {
                ProcessEnd::Exited(status) => u32::from(status),
                ProcessEnd::Signal(signal) => BY_SIGNAL | u32::from(signal),
            }
    }

    fn of_bits(bits: u32) -> Option<ProcessEnd> {
        let value = bits.to_le_bytes()[0];
        let end = if bits & BY_SIGNAL == 0 { ProcessEnd::Exited(value) } else { ProcessEnd::Signal(value) };
        (bits & KNOWN != 0).then_some(end)
    }
}

/// The word of a client.
fn word(number: u32, bits: u32) -> u64 {
    u64::from(number) << 32 | u64::from(bits)
}

/// The lower half of a client's word, if it was written for this number.
fn bits_of(client: &Client, number: u32) -> Option<u32> {
    // SYNC: pairs with the release store in `tell_end`. The word has all that there is to know.
    let word = client.ended.load(Ordering::Acquire);
    u32::try_from(word & u64::from(u32::MAX)).ok().filter(|_| word >> 32 == u64::from(number))
}

/// The token of this process's supervisor; 0: it has none.
pub(super) fn supervisor() -> u32 {
    let text = std::env::var(SUPERVISED).unwrap_or_default();
    let (pid, token) = text.split_once(':').unwrap_or_default();
    if pid.parse() == Ok(std::process::id()) {
        token.parse().unwrap_or(0)
    } else {
        0
    }
}

impl Store {
    /// Tells how the process `pid` ended that was started with this token in its environment ([`SUPERVISED`]). Its parent
    /// calls this at once, while the process is a zombie. Returns how many clients it was: 0 if it had closed the store, or
    /// never opened it.
    pub fn tell_end(&self, pid: u32, token: u32, end: ProcessEnd) -> u32 {
        if self.attachment.here().is_err() || token == 0 {
            return 0;
        }
        let mut told = 0;
        for slot in 0..self.attachment.segment.geometry().max_clients {
            let client = self.attachment.segment.client(slot);
            // SYNC: pairs with the release store in `take_slot`: the words below are those of this number, or of a later one.
            let number = client.number.load(Ordering::Acquire);
            let same = client.pid.load(Ordering::Relaxed) == pid
                && client.supervisor.load(Ordering::Relaxed) == token
                && client.number.load(Ordering::Acquire) == number;
            if number != 0 && same {
                // SYNC: if the slot has another owner by now, this means nothing for it. A crash before leaves it unknown.
                client.ended.store(word(number, end.bits()), Ordering::Release);
                fail::point("ended.told");
                told += 1;
            }
        }
        told
    }
}

impl Attachment {
    /// The slot of a client, also of one whose reaping has begun.
    fn client_of(&self, number: u32) -> Option<&Client> {
        let slots = 0..self.segment.geometry().max_clients;
        let mut clients = slots.map(|slot| self.segment.client(slot));
        clients.find(|client| number != 0 && client.number.load(Ordering::Acquire) == number)
    }

    /// How the process of this client ended, if that is known.
    pub(super) fn end_of(&self, number: u32) -> Option<ProcessEnd> {
        ProcessEnd::of_bits(bits_of(self.client_of(number)?, number)?)
    }

    /// Waits a moment for the supervisor of a crashed client, if it has one that has not told yet. Not under the lock.
    pub(super) fn hear_end(&self, number: u32) {
        let Some(client) = self.client_of(number) else { return };
        if client.supervisor.load(Ordering::Relaxed) == 0 {
            return;
        }
        let until = clock::now() + PATIENCE;
        while bits_of(client, number).is_none() && client.number.load(Ordering::Acquire) == number {
            if clock::now() >= until {
                let before = client.ended.load(Ordering::Relaxed);
                if before >> 32 != u64::from(number) {
                    // SYNC: a supervisor that is late writes over it, and is not written over. A crash before: the next
                    // client that looks waits, too.
                    let untold = word(number, UNTOLD);
                    let _ =
                        client.ended.compare_exchange(before, untold, Ordering::AcqRel, Ordering::Relaxed);
                }
                return;
            }
            clock::sleep(LOOK);
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
    use super::super::testing::{fresh, DEAD};
    use super::*;

    #[test]
    fn an_end_is_told_of_the_process_that_still_has_the_slot() {
        let store = fresh("ended");
        let client = store.attachment.segment.client(DEAD.1);
        client.pid.store(77, Ordering::Relaxed);
        client.number.store(DEAD.0, Ordering::Release);
        let killed = ProcessEnd::Signal(6);
        // One without a supervisor is not waited for.
        client.supervisor.store(0, Ordering::Relaxed);
        store.attachment.hear_end(DEAD.0);
        assert_eq!((bits_of(client, DEAD.0), store.tell_end(77, 0, killed)), (None, 0));
        // One with a supervisor is, once.
        client.supervisor.store(5, Ordering::Relaxed);
        store.attachment.hear_end(DEAD.0);
        assert_eq!((bits_of(client, DEAD.0), store.attachment.end_of(DEAD.0)), (Some(UNTOLD), None));
        assert_eq!((store.tell_end(78, 5, killed), store.tell_end(77, 6, killed)), (0, 0));
        assert_eq!(store.attachment.end_of(DEAD.0), None);
        assert_eq!(store.tell_end(77, 5, killed), 1);
        store.attachment.hear_end(DEAD.0);
        assert_eq!(store.attachment.end_of(DEAD.0), Some(killed));
        // What was written late means nothing for the next owner of the slot.
        client.number.store(DEAD.0 + 1, Ordering::Release);
        assert_eq!(store.attachment.end_of(DEAD.0 + 1), None);
        client.number.store(0, Ordering::Release);
        assert_eq!((store.attachment.end_of(DEAD.0), store.attachment.end_of(0)), (None, None));
        assert_eq!(supervisor(), 0);
    }

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
        for bits in [ProcessEnd::Exited(7), ProcessEnd::Exited(255), ProcessEnd::Signal(9)] {
            assert_eq!(ProcessEnd::of_bits(bits.bits()), Some(bits));
        }
        assert_eq!((ProcessEnd::of_bits(UNTOLD), ProcessEnd::of_bits(0)), (None, None));
        assert_eq!(SIGNALS[libc::SIGSEGV as usize - 1], "SEGV");
        assert_eq!(SIGNALS[libc::SIGXCPU as usize - 1], "XCPU");
    }
}
