//! What the kernel may answer, and what becomes of it.

use std::sync::Arc;
use std::thread;

use super::*;
use crate::shm::segment::Segment;
use crate::shm::testing::Fresh;

/// From now on `fallocate()` fails so in this thread. False where the kernel has no filters for system calls.
fn refuse(code: u32) -> bool {
    let step = |code: u32, jf: u8, k: u32| libc::sock_filter { code: code as u16, jt: 0, jf, k };
    let is_it = u32::try_from(libc::SYS_fallocate).unwrap();
    let mut steps = [
        // The number of the system call lies first.
        step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0),
        step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 1, is_it),
        step(libc::BPF_RET | libc::BPF_K, 0, libc::SECCOMP_RET_ERRNO | code),
        step(libc::BPF_RET | libc::BPF_K, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: 4, filter: steps.as_mut_ptr() };
    // SAFETY: the program is a whole one, which the kernel copies. It is for this thread only, and lasts as long.
    unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
            && libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) == 0
    }
}

#[test]
fn memory_that_is_not_there_is_told_with_how_much_was_asked_for() {
    let fresh = Fresh::new("refused", 1 << 20);
    let file = fresh.segment.file();
    let from = fresh.segment.geometry().large;
    let refused = |code: i32| {
        let reserve = || refuse(code.unsigned_abs()).then(|| reserve_plain(file, from, from + 12_288));
        thread::scope(|scope| scope.spawn(reserve).join().unwrap()).map(Result::unwrap_err)
    };
    for (code, kind, text) in [
        (libc::ENOSPC, Kind::OutOfMemory, "12288 more bytes"),
        (libc::ENOMEM, Kind::OutOfMemory, "12288 more bytes"),
        (libc::EIO, Kind::Io, "reserving memory"),
    ] {
        let Some(error) = refused(code) else { return };
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(text), "{error}");
    }
    reserve_plain(file, from, from + 12_288).unwrap();
}

#[test]
fn memory_that_cannot_be_given_back_is_an_error() {
    let fresh = Fresh::new("kept", 1 << 20);
    let large = fresh.segment.geometry().large;
    let reader = fresh.place().open(false).unwrap();
    assert_eq!(punch(&reader, large, large + UNIT).unwrap_err().kind(), Kind::Io);
    punch(fresh.segment.file(), large, large + UNIT).unwrap();
}

#[test]
fn advice_tells_whether_it_was_taken() {
    let fresh = Fresh::new("advice", 8 << 20);
    let segment = Arc::new(Segment::open(fresh.place(), None, false).unwrap());
    let (from, to) = (segment.geometry().large, segment.geometry().large + UNIT);
    reserve_plain(segment.file(), from, to).unwrap();
    let start = segment.write_span(from, UNIT).unwrap().as_mut_ptr();
    let readable = segment.read_span(from, UNIT).unwrap().bytes().as_ptr();
    let base = |start: *const u8| start.wrapping_sub(to_usize(from));
    // SAFETY: advice for no bytes changes nothing, and tells whether the kernel knows it.
    let knows = unsafe { libc::madvise(start.cast(), 0, libc::MADV_POPULATE_WRITE) == 0 };
    assert_eq!(populate(base(start), from, to), knows);
    assert!(!populate(base(readable), from, to), "pages that cannot be written");
    // SAFETY: the advice changes no contents of our own mapping.
    if unsafe { libc::madvise(start.cast(), to_usize(UNIT), MADV_COLLAPSE) == 0 } {
        assert!(collapse(base(start), from, to), "it is a huge page already");
    }
    assert!(!collapse(std::ptr::null(), 0, UNIT), "nothing is mapped there");
}
