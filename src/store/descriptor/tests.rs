//! Whose the number of the descriptor is when the attachment has gone.

use super::super::testing::fresh;
use super::*;

/// How often it was signalled since it was cleared last.
fn signals(fd: &EventFd) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", fd.number())).unwrap();
    let count = text.lines().find_map(|line| line.strip_prefix("eventfd-count:")).unwrap();
    u64::from_str_radix(count.trim(), 16).unwrap()
}

#[test]
fn a_descriptor_goes_with_its_attachment_unless_the_program_has_closed_it() {
    for kept in [true, false] {
        let store = fresh(&format!("descriptor-{kept}"));
        store.event_descriptor().unwrap();
        let descriptor = lock(&store.attachment.descriptor).take().unwrap();
        let fd = Arc::clone(&descriptor.fd);
        descriptor.end(&store.attachment, kept);
        // What was closed behind our back may be another file by now: nothing is done with it.
        let before = signals(&fd);
        fd.signal();
        assert_eq!(signals(&fd) - before, u64::from(kept));
        assert_eq!(Arc::strong_count(&fd), 1, "the thread has ended, and holds it no more");
    }
}
