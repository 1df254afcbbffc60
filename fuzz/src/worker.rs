//! The child process in which inputs run: one after the other, so that its death belongs to one of them.
//!
//! It reads inputs from standard input, each behind its length (four bytes, little-endian), and answers each with a byte. A
//! worker whose driver is gone ends.

use std::io::{self, Read, Write};

use crate::targets::Target;

/// Address space of a worker: what damaged bytes make the library ask for beyond it is a failure.
const MEMORY: u64 = 8 << 30;

/// Bounds what a bad input can do to the machine.
fn restrain() {
    let bound = |resource, bytes| {
        let limit = libc::rlimit { rlim_cur: bytes, rlim_max: bytes };
        // SAFETY: the struct lives over the call; that it may fail is no matter.
        unsafe { libc::setrlimit(resource, &limit) };
    };
    bound(libc::RLIMIT_CORE, 0);
    bound(libc::RLIMIT_AS, MEMORY);
    // SAFETY: asks for a signal when the driver dies.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
}

/// Runs inputs until there are no more.
pub fn work(target: &Target) -> io::Result<()> {
    restrain();
    let (mut inputs, mut answers) = (io::stdin().lock(), io::stdout().lock());
    let mut length = [0; 4];
    let mut input = Vec::new();
    loop {
        match inputs.read_exact(&mut length) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(error),
        }
        input.resize(usize::try_from(u32::from_le_bytes(length)).unwrap_or(0), 0);
        inputs.read_exact(&mut input)?;
        (target.run)(&input);
        answers.write_all(&[1])?;
        answers.flush()?;
    }
}
