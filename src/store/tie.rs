//! How a store, and all that holds an object, keep the attachment: by counts that threads do not share.
//!
//! What holds an object keeps the attachment, and is counted for that. With one count for the whole process, each get and each
//! release of every thread would write the same word, and two threads would be slower than one. So a handle of the store has
//! counts beside its own, one for each shard of the entries: threads that use different
//! objects use different counts. A count keeps the attachment, and so does the handle: the last of them lets it go, whichever it is.

use std::ops::Deref;
use std::sync::Arc;

use once_cell::sync::OnceCell;

use super::attachment::Attachment;
use crate::shm::segment::Mapped;

/// How many counts a handle has besides its own. They are in the caches of whoever gets objects at random, so not more than needed.
const SHARDS: usize = 16;

/// Keeps the attachment. Clones share one count.
#[derive(Clone)]
pub(super) struct Tie(Arc<Knot>);

/// One count, which has its cache lines to itself.
#[repr(align(128))]
struct Knot {
    attachment: Arc<Attachment>,
    /// Keeps the mapping, for bytes that are written.
    mapped: Arc<Mapped>,
    /// Of a handle: the counts of the shards, made as they are needed. Of such a count: none, so that none keeps itself.
    shards: Box<[OnceCell<Tie>]>,
}

impl Tie {
    /// That of a new handle.
    pub(super) fn new(attachment: Arc<Attachment>) -> Tie {
        Tie::with(attachment, (0..SHARDS).map(|_| OnceCell::new()).collect())
    }

    fn with(attachment: Arc<Attachment>, shards: Box<[OnceCell<Tie>]>) -> Tie {
        let mapped = Mapped::new(&attachment.segment);
        Tie(Arc::new(Knot { attachment, mapped, shards }))
    }

    /// One for what holds this entry: counted where threads that use other entries do not write. What was made from such a one
    /// shares its count.
    pub(super) fn of_entry(&self, index: u32) -> Tie {
        let Some(shard) = self.0.shards.get(index as usize % SHARDS) else { return self.clone() };
        shard.get_or_init(|| Tie::with(Arc::clone(&self.0.attachment), Box::default())).clone()
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

    fn counts(tie: &Tie) -> usize {
        Arc::strong_count(&tie.0)
    }

    #[test]
    fn what_holds_an_object_is_not_counted_by_the_handle() {
        let store = fresh("ties");
        let before = (counts(&store.attachment), Arc::strong_count(&store.attachment.segment));
        let keys = [1, 2].map(|n| put(&store, &id(n)));
        let held = [1, 2].map(|n| store.get(&id(n), Timeout::Poll).unwrap());
        assert_eq!(counts(&store.attachment), before.0);
        // Each shard's count keeps the segment once, however many objects are held.
        assert_eq!(Arc::strong_count(&store.attachment.segment), before.1 + 2);
        let of =
            |nth: usize| counts(store.attachment.0.shards[keys[nth].index as usize % SHARDS].get().unwrap());
        assert_eq!((of(0), of(1)), (2, 2));
        let again = store.get(&id(1), Timeout::Poll).unwrap();
        assert_eq!((of(0), of(1)), (3, 2));
        drop((held, again));
        assert_eq!((of(0), of(1)), (1, 1));
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
