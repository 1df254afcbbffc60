//! How a store, and everything that holds an object, keep the attachment open, with counts that threads do not share.
//!
//! Everything that holds an object keeps the attachment, and is counted for that. With one count for the whole process,
//! each get and each release of every thread would write the same word, and two threads would be slower than one.
//! Therefore a handle of the store has several counts of its own, and a thread uses the same one of them again and
//! again. Each count keeps the attachment, and so does the handle. The last of them releases it, whichever it is and in
//! whatever thread.

use std::cell::Cell;
use std::ops::Deref;
use std::sync::Arc;

use once_cell::sync::OnceCell;

use super::attachment::Attachment;
use crate::shm::segment::Mapped;
use crate::sync::atomic::{AtomicU32, Ordering};

/// How many counts a handle has besides its own. With more threads than this some share one, which costs time.
const COUNTS: u32 = 16;

thread_local! {
    /// Which of the counts this thread uses; `u32::MAX`: not drawn yet.
    static MINE: Cell<u32> = const { Cell::new(u32::MAX) };
}

fn mine() -> usize {
    let draw = || {
        static DRAWN: AtomicU32 = AtomicU32::new(0);
        DRAWN.fetch_add(1, Ordering::Relaxed) % COUNTS
    };
    let mine = MINE.try_with(|mine| {
        if mine.get() == u32::MAX {
            mine.set(draw());
        }
        mine.get()
    });
    // A thread that ends has none of its own any more.
    mine.unwrap_or(0) as usize
}

/// Keeps the attachment. Clones share one count.
#[derive(Clone)]
pub(super) struct Tie(Arc<Knot>);

/// One count, which has its cache lines to itself.
#[repr(align(128))]
struct Knot {
    attachment: Arc<Attachment>,
    /// Keeps the mapping, for bytes that are written.
    mapped: Arc<Mapped>,
    /// Of a handle: the counts of the threads, made as they are needed. Of such a count: none, so that none keeps itself.
    counts: Box<[OnceCell<Tie>]>,
}

impl Tie {
    /// That of a new handle.
    pub(super) fn new(attachment: Arc<Attachment>) -> Tie {
        Tie::with(attachment, (0..COUNTS).map(|_| OnceCell::new()).collect())
    }

    fn with(attachment: Arc<Attachment>, counts: Box<[OnceCell<Tie>]>) -> Tie {
        let mapped = Mapped::new(&attachment.segment);
        Tie(Arc::new(Knot { attachment, mapped, counts }))
    }

    /// One for what this thread holds: counted where others seldom write. What is made from such a one shares its count.
    pub(super) fn of_thread(&self) -> Tie {
        if self.0.counts.is_empty() {
            return self.clone();
        }
        let made = || Tie::with(Arc::clone(&self.0.attachment), Box::default());
        self.0.counts[mine()].get_or_init(made).clone()
    }

    /// The attachment, to be kept by others.
    pub(super) fn attachment(&self) -> &Arc<Attachment> {
        &self.0.attachment
    }

    /// What keeps the mapping.
    pub(super) fn mapped(&self) -> &Arc<Mapped> {
        &self.0.mapped
    }
}

impl Deref for Tie {
    type Target = Attachment;

    #[inline]
    fn deref(&self) -> &Attachment {
        &self.0.attachment
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{fresh, id, put};
    use super::super::Store;
    use super::*;
    use crate::timeout::Timeout;

    fn count(tie: &Tie) -> usize {
        Arc::strong_count(&tie.0)
    }

    #[test]
    fn what_holds_an_object_is_counted_by_its_thread_and_not_by_the_handle() {
        let store = fresh("ties");
        put(&store, &id(1));
        let hold = || store.get(&id(1), Timeout::Poll).unwrap();
        let of = |nth: usize| store.attachment.0.counts[nth].get().map_or(0, count);
        let before = (count(&store.attachment), Arc::strong_count(&store.attachment.segment));
        let held = [hold(), hold()];
        assert_eq!(of(mine()), 3);
        let (other, elsewhere) = std::thread::scope(|scope| scope.spawn(|| (hold(), mine())).join().unwrap());
        assert_eq!(of(elsewhere), if elsewhere == mine() { 4 } else { 2 });
        assert_eq!(count(&store.attachment), before.0);
        assert!(
            Arc::strong_count(&store.attachment.segment) <= before.1 + 1,
            "one for a thread, not for a buffer"
        );
        drop((held, other));
        assert_eq!((of(mine()), of(elsewhere)), (1, 1));
    }

    #[test]
    fn the_last_of_handle_and_buffers_detaches() {
        let store = fresh("tied");
        put(&store, &id(1));
        let (path, attachment) = (store.path().to_owned(), Arc::downgrade(store.attachment.attachment()));
        let held = store.get(&id(1), Timeout::Poll).unwrap();
        drop(store);
        assert!(attachment.upgrade().is_some() && path.exists());
        // A store that a buffer gives is as good as any other.
        let store: Store = held.store().clone();
        drop(held);
        put(&store, &id(2));
        drop(store.get(&id(2), Timeout::Poll).unwrap());
        drop(store);
        assert!(attachment.upgrade().is_none() && !path.exists());
    }
}
