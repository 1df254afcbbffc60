//! What is done when a store is full: when a creation cannot get a run of bytes in the store, an entry in its table, or
//! memory of the file system.
//!
//! It always works in rounds, each of which is followed by another attempt: reap (again while waiting, as holders may
//! crash meanwhile), evict, wait. The rounds end at the creator's own deadline or interrupt, and only then the creation
//! fails. Nothing here writes to shared memory by itself.

use std::time::{Duration, Instant};

use super::attachment::Attachment;
use super::locked::Others;
use super::options::full_timeout;
use crate::error::{Error, Result};
use crate::interrupt;
use crate::sync::clock;
use crate::timeout::{Deadline, Timeout};

/// How often a creator that waits asks whether that is to end.
const ASK: Duration = Duration::from_millis(100);
/// How often it looks for the dead, and for whether anybody lives who could make room.
const LOOK: Duration = Duration::from_millis(250);
/// How long it sleeps between two tries; and where each try asks the file system for memory, which costs more.
const NAP: Duration = Duration::from_millis(2);
const LONG_NAP: Duration = Duration::from_millis(20);

/// A creation that lacks something.
pub(super) struct Shortage {
    deadline: Deadline,
    polls: bool,
    /// The timeout was not given: not waited for when nobody else can make room.
    by_default: bool,
    asked: Instant,
    looked: Option<Instant>,
    others: Others,
}

impl Shortage {
    pub(super) fn new(timeout: Option<Timeout>) -> Shortage {
        let now = clock::now();
        Shortage {
            deadline: timeout.unwrap_or_else(|| Timeout::After(full_timeout())).deadline(),
            polls: timeout == Some(Timeout::Poll),
            by_default: timeout.is_none(),
            asked: now,
            looked: None,
            others: Others::None,
        }
    }

    /// One round for `bytes` (`None`: for an entry); `grows`: it was the file system that had no memory. Returns when it is worth
    /// trying again; fails with `why` when it is not.
    pub(super) fn relieve(
        &mut self,
        store: &Attachment,
        bytes: Option<u64>,
        grows: bool,
        why: Error,
    ) -> Result<()> {
        store.interrupt_error()?;
        if clock::since(self.asked) >= ASK {
            self.asked = clock::now();
            interrupt::ask()?;
        }
        if self.looked.is_none_or(|looked| clock::since(looked) >= LOOK) {
            // The first look is ours; the later ones are shared by all who wait.
            let reaped = if self.looked.is_none() { store.reap_dead() } else { store.reap_by_turn() };
            self.looked = Some(clock::now());
            self.others = store.locked(|locked| Ok(locked.others()))?;
            if reaped > 0 {
                return Ok(());
            }
        }
        let left = self.deadline.left(LONG_NAP);
        // A poll evicts, too: it waits for nobody.
        if (left.is_some() || self.polls) && store.evict_turn(bytes)?.is_some() {
            return Ok(());
        }
        let Some(left) = left else { return Err(why) };
        if self.by_default && self.others != Others::Living {
            return Err(why);
        }
        clock::sleep(left.min(if grows { LONG_NAP } else { NAP }));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::testing::fresh;
    use super::*;
    use crate::error::Kind;

    /// What a round of a creation by default says, where nothing can be done for it.
    fn round(shortage: &mut Shortage, store: &Attachment) -> Kind {
        let full = Error::new(Kind::OutOfMemory, "full");
        shortage.relieve(store, Some(100), false, full).unwrap_err().kind()
    }

    #[test]
    fn nothing_is_tried_again_where_nobody_can_make_room() {
        let store = fresh("relieved");
        for timeout in [None, Some(Timeout::Poll)] {
            assert_eq!(round(&mut Shortage::new(timeout), &store.attachment), Kind::OutOfMemory);
        }
    }

    #[test]
    fn whether_a_wait_is_to_end_is_asked_now_and_then() {
        let store = fresh("asked");
        let mut shortage = Shortage::new(None);
        let ours = std::thread::current().id();
        interrupt::set(Some(Arc::new(move || std::thread::current().id() == ours)));
        // However slow the machine is, the time has not come.
        shortage.asked = clock::now() + Duration::from_secs(3600);
        let early = round(&mut shortage, &store.attachment);
        shortage.asked = clock::now() - ASK;
        let late = round(&mut shortage, &store.attachment);
        interrupt::set(None);
        assert_eq!((early, late), (Kind::OutOfMemory, Kind::Interrupted));
    }
}
