//! Handles: heap boxes with a word that tells their kind.
//!
//! C sees a pointer to an incomplete struct. Behind it lies a [`Boxed`]: the word of its kind, then the value.
//! The word is written when the handle is made, overwritten when it ends, and never changes in between, so that
//! any number of threads may read it.
//!
//! A handle that is used after its end is told as such as long as its memory is not used again. The memory of the last few
//! is kept from the allocator, so that it is not the next handle that the old pointer means.

use std::any::Any;
use std::collections::VecDeque;
use std::mem::{offset_of, MaybeUninit};
use std::ptr::{self, NonNull};

use parking_lot::Mutex;

use super::guard::Site;
use crate::error::Result;

/// A kind of handle. The exported type is a marker; the value is what it stands for.
pub(super) trait Handle {
    /// What the handle holds. A `const` handle is used by many threads at once.
    type Value: Send + Sync + 'static;
    /// The word of every handle of this kind.
    const WORD: u64;
}

/// Every kind's word, with the name that messages use.
const KINDS: [(u64, &str); 18] = [
    (word(b"sdpStore"), "a store handle"),
    (word(b"sdpWrite"), "a writer handle"),
    (word(b"sdpBuffr"), "a buffer handle"),
    (word(b"sdpList_"), "a list handle"),
    (word(b"sdpCensu"), "a stores handle"),
    (word(b"sdpClien"), "a clients handle"),
    (word(b"sdpTensr"), "a tensor handle"),
    (word(b"sdpRefer"), "a reference handle"),
    (word(b"sdpArgmt"), "an args handle"),
    (word(b"sdpReslt"), "a results handle"),
    (word(b"sdpCalls"), "a caller handle"),
    (word(b"sdpReply"), "a replies handle"),
    (word(b"sdpSchem"), "a schema handle"),
    (word(b"sdpNames"), "a list of namespaces"),
    (word(b"sdpProcs"), "a processor handle"),
    (word(b"sdpCall_"), "a call handle"),
    (word(b"sdpSubsc"), "a subscription handle"),
    (ENDED, "a handle that was freed or closed before"),
];

/// The word of a handle after its end, as long as nobody else got its memory.
const ENDED: u64 = word(b"sdpEnded");

/// Where the word lies: behind what allocators write into memory that was freed (glibc: the four pointers of its lists).
const WORD_AT: usize = 32;

/// How many handles that have ended are kept.
const KEPT: usize = 64;

/// The boxes of the last handles that have ended, the oldest first.
static KEPT_BOXES: Mutex<VecDeque<Box<dyn Any + Send>>> = Mutex::new(VecDeque::new());

/// A word from eight letters.
pub(super) const fn word(letters: &[u8; 8]) -> u64 {
    u64::from_le_bytes(*letters)
}

fn kind_name(word: u64) -> &'static str {
    KINDS.iter().find(|(known, _)| *known == word).map_or("not a handle of this library", |(_, name)| name)
}

/// A value that is only reached exclusively, and so may be part of a handle though it has no shared use itself.
pub(super) struct Exclusive<T>(T);

// SAFETY: a shared Exclusive gives no access to what it holds.
unsafe impl<T: Send> Sync for Exclusive<T> {}

impl<T> Exclusive<T> {
    pub(super) fn new(value: T) -> Exclusive<T> {
        Exclusive(value)
    }

    pub(super) fn get_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

#[repr(C)]
struct Boxed<V> {
    /// Ended by whoever lent it: `_free()` refuses.
    lent: bool,
    _unused: [u8; WORD_AT - 1],
    word: u64,
    value: V,
}
const _: () = assert!(offset_of!(Boxed<u64>, word) == WORD_AT);

impl<V> Boxed<V> {
    fn new<H: Handle<Value = V>>(value: V, lent: bool) -> *mut Boxed<V> {
        Box::into_raw(Box::new(Boxed { lent, _unused: [0; WORD_AT - 1], word: H::WORD, value }))
    }
}

/// A new handle; C owns it until [`Site::end`].
pub(super) fn make<H: Handle>(value: H::Value) -> *mut H {
    Boxed::new::<H>(value, false).cast()
}

/// A handle that C borrows: it ends when this is dropped.
pub(super) struct Lent<H: Handle> {
    boxed: NonNull<Boxed<H::Value>>,
}

// SAFETY: a Lent owns its value as a Box does, and Handle::Value is Send and Sync.
unsafe impl<H: Handle> Send for Lent<H> {}
// SAFETY: as above; through a shared Lent only shared access is given.
unsafe impl<H: Handle> Sync for Lent<H> {}

impl<H: Handle> Lent<H> {
    pub(super) fn new(value: H::Value) -> Lent<H> {
        let boxed = Boxed::new::<H>(value, true);
        // SAFETY: Box::into_raw never gives NULL.
        Lent { boxed: unsafe { NonNull::new_unchecked(boxed) } }
    }

    /// The handle, valid as long as this lives.
    pub(super) fn as_ptr(&self) -> *mut H {
        self.boxed.as_ptr().cast()
    }
}

impl<H: Handle> Drop for Lent<H> {
    fn drop(&mut self) {
        // SAFETY: made by Box::into_raw in new(), and dropped only here.
        unsafe { end_box(self.boxed.as_ptr()) };
    }
}

/// # Safety
/// `boxed` came out of `Box::into_raw` and is used by nobody else from now on.
unsafe fn end_box<V: Send + 'static>(boxed: *mut Boxed<V>) -> V {
    // SAFETY: the caller's promise. The value is moved out, and is not dropped with the box, which has the same layout.
    // Volatile: the write must not be dropped as one before a free.
    let (boxed, value) = unsafe {
        ptr::write_volatile(&raw mut (*boxed).word, ENDED);
        let value = ptr::read(&raw const (*boxed).value);
        (Box::from_raw(boxed.cast::<Boxed<MaybeUninit<V>>>()), value)
    };
    keep(boxed);
    value
}

/// Keeps a box that has ended from the allocator for a while. A lock that is taken is not waited for: after a fork its
/// holder may be gone.
fn keep(ended: Box<dyn Any + Send>) {
    let oldest = KEPT_BOXES.try_lock().and_then(|mut kept| {
        kept.push_back(ended);
        if kept.len() > KEPT {
            kept.pop_front()
        } else {
            None
        }
    });
    drop(oldest);
}

impl Site {
    /// The value of a handle.
    ///
    /// # Safety
    /// `handle` is NULL or points to at least 40 readable bytes; if the last eight are the word of `H`, it is a handle
    /// that lives as long as `'a` and that nobody uses exclusively meanwhile.
    pub(super) unsafe fn handle<'a, H: Handle>(self, handle: *const H, name: &str) -> Result<&'a H::Value> {
        // SAFETY: the caller's promise.
        unsafe {
            self.check(handle, name)?;
            Ok(&(*handle.cast::<Boxed<H::Value>>()).value)
        }
    }

    /// The values of an array of handles.
    ///
    /// # Safety
    /// `handles` is NULL or points to `count` pointers, each as for [`Site::handle`].
    pub(super) unsafe fn handles<'a, H: Handle>(
        self,
        handles: *const *const H,
        count: usize,
        name: &str,
    ) -> Result<Vec<&'a H::Value>> {
        if count > 0 && (handles.is_null() || !handles.is_aligned()) {
            return Err(self.wrong(format_args!("'{name}' is no array: {count} handles are needed")));
        }
        // SAFETY: the caller's promise.
        (0..count).map(|i| unsafe { self.handle(*handles.add(i), &format!("{name}[{i}]")) }).collect()
    }

    /// The value of a handle that one thread at a time may use.
    ///
    /// # Safety
    /// As [`Site::handle`], and nobody else uses the handle as long as `'a`.
    pub(super) unsafe fn handle_mut<'a, H: Handle>(
        self,
        handle: *mut H,
        name: &str,
    ) -> Result<&'a mut H::Value> {
        // SAFETY: the caller's promise.
        unsafe {
            self.check(handle, name)?;
            Ok(&mut (*handle.cast::<Boxed<H::Value>>()).value)
        }
    }

    /// Ends a handle and gives what it held; `None` for NULL.
    ///
    /// # Safety
    /// As [`Site::handle_mut`], and the handle is not used any more.
    pub(super) unsafe fn end<H: Handle>(self, handle: *mut H, name: &str) -> Result<Option<H::Value>> {
        if handle.is_null() {
            return Ok(None);
        }
        // SAFETY: the caller's promise; a lent handle stays with its owner.
        unsafe {
            self.check(handle, name)?;
            let boxed = handle.cast::<Boxed<H::Value>>();
            if (*boxed).lent {
                return Err(self.wrong(format_args!("'{name}' is borrowed: its owner ends it")));
            }
            Ok(Some(end_box(boxed)))
        }
    }

    /// # Safety
    /// `handle` is NULL or points to at least 40 readable bytes.
    unsafe fn check<H: Handle>(self, handle: *const H, name: &str) -> Result<()> {
        let wanted = kind_name(H::WORD);
        if handle.is_null() {
            return Err(self.wrong(format_args!("'{name}' is NULL, {wanted} is needed")));
        }
        let word = handle.cast::<u8>().wrapping_add(WORD_AT).cast::<u64>();
        if !word.is_aligned() {
            return Err(
                self.wrong(format_args!("'{name}' is not a handle of this library, {wanted} is needed"))
            );
        }
        // SAFETY: aligned, and readable by the caller's promise.
        let found = unsafe { ptr::read(word) };
        if found != H::WORD {
            return Err(self.wrong(format_args!("'{name}' is {}, {wanted} is needed", kind_name(found))));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::guard::guard;
    use super::super::status;
    use super::*;

    struct Apple;
    impl Handle for Apple {
        type Value = u32;
        const WORD: u64 = word(b"sdpStore");
    }
    struct Pear;
    impl Handle for Pear {
        type Value = u32;
        const WORD: u64 = word(b"sdpCalls");
    }

    #[test]
    fn every_kind_is_told_from_the_others() {
        let pear = make::<Pear>(7);
        // SAFETY: `pear` is a live handle of another kind.
        let code =
            guard("sdp_dal_test", |site| unsafe { site.handle(pear.cast::<Apple>(), "store") }.map(|_| ()));
        assert!(code < 0);
        assert_eq!(status::last_text(), "sdp_dal_test: 'store' is a caller handle, a store handle is needed");
        // SAFETY: made above, ended here.
        assert_eq!(guard("sdp_dal_test", |site| unsafe { site.end(pear, "caller") }.map(|_| ())), 0);
        for (i, (word, _)) in KINDS.iter().enumerate() {
            assert!(KINDS[i + 1..].iter().all(|(other, _)| other != word));
        }
    }

    #[test]
    fn a_lent_handle_is_not_freed() {
        let lent = Lent::<Apple>::new(7);
        // SAFETY: `lent` lives.
        let code = guard("sdp_dal_test", |site| unsafe { site.end(lent.as_ptr(), "store") }.map(|_| ()));
        assert!(code < 0);
        assert!(status::last_text().contains("borrowed"));
    }
}
