//! Handles: heap boxes with a word that tells their kind.
//!
//! C sees a pointer to an incomplete struct. Behind it lies a [`Boxed`]: the word of its kind, then the value.
//! The word is written when the handle is made, overwritten when it ends, and never changes in between, so that
//! any number of threads may read it.
//!
//! A handle that is used after its end is told as such as long as its memory is not used again, which is not so at once: a
//! thread keeps that of the last few that it has ended.

use std::any::Any;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::mem::{offset_of, MaybeUninit};
use std::ptr::{self, NonNull};

use super::guard::Site;
use crate::error::Result;
use crate::shm::liveness::{forked, forks};

/// A kind of handle. The exported type is a marker; the value is what it stands for.
pub(super) trait Handle {
    /// What the handle holds. A `const` handle is used by many threads at once.
    type Value: Send + Sync + 'static;
    /// The word of every handle of this kind.
    const WORD: u64;
    /// Whether it belongs to a store, so that a forked child cannot use it. What is memory only is the child's as well.
    const OF_STORE: bool = true;
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
    (ENDED, "a handle that was already freed or closed"),
];

/// The word of a handle after its end, as long as nobody else got its memory.
const ENDED: u64 = word(b"sdpEnded");

/// Where the word lies: behind what allocators write into memory that was freed (glibc: the four pointers of its lists).
const WORD_AT: usize = 32;

/// A word from eight letters.
pub(super) const fn word(letters: &[u8; 8]) -> u64 {
    u64::from_le_bytes(*letters)
}

fn kind_name(word: u64) -> &'static str {
    KINDS.iter().find(|(known, _)| *known == word).map_or(NO_HANDLE, |(_, name)| name)
}

const NO_HANDLE: &str = "not a handle of this library";

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
    /// The generation of forks in which it was made.
    forks: u32,
    /// Ended by whoever lent it: `_free()` refuses.
    lent: bool,
    _unused: [u8; WORD_AT - 5],
    word: u64,
    value: V,
}
const _: () = assert!(offset_of!(Boxed<u64>, word) == WORD_AT);

impl<V> Boxed<V> {
    #[inline(always)]
    fn new<H: Handle<Value = V>>(lent: bool, value: V) -> *mut Boxed<V> {
        Box::into_raw(Box::new(Boxed {
            forks: forks(),
            lent,
            _unused: [0; WORD_AT - 5],
            word: H::WORD,
            value,
        }))
    }

    /// Whether it belongs to a store of the process that this one was forked from. Then a thread that is not here may have
    /// locked what it holds, or half changed it: it is neither used nor dropped.
    fn is_inherited<H: Handle>(&self) -> bool {
        H::OF_STORE && self.forks != forks()
    }
}

/// A new handle; C owns it until [`Site::end`].
#[inline(always)]
pub(super) fn make<H: Handle>(value: H::Value) -> *mut H {
    Boxed::new::<H>(false, value).cast()
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
        let boxed = Boxed::new::<H>(true, value);
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
        unsafe {
            if !self.boxed.as_ref().is_inherited::<H>() {
                end_box(self.boxed.as_ptr());
            }
        }
    }
}

/// # Safety
/// `boxed` came out of `Box::into_raw` and is used by nobody else from now on.
unsafe fn end_box<V: 'static>(boxed: *mut Boxed<V>) {
    // SAFETY: the caller's promise. The value is dropped where it is, and not again with the box, which has the same layout.
    // Volatile: the write must not be dropped as one before a free.
    unsafe {
        ptr::write_volatile(&raw mut (*boxed).word, ENDED);
        ptr::drop_in_place(&raw mut (*boxed).value);
        keep(Box::from_raw(boxed.cast::<Boxed<MaybeUninit<V>>>()));
    }
}

thread_local! {
    /// The boxes of the last handles that this thread has ended, the oldest first. Without it the very text of the error that
    /// tells of such a handle could be written over its word.
    static KEPT_BOXES: RefCell<VecDeque<Box<dyn Any>>> = const { RefCell::new(VecDeque::new()) };
}

/// How many these are.
const KEPT: usize = 16;

fn keep(ended: Box<dyn Any>) {
    // A thread that ends keeps nothing.
    let _ = KEPT_BOXES.try_with(|kept| {
        let mut kept = kept.borrow_mut();
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back(ended);
    });
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
            return Err(self.wrong(format_args!("'{name}' is not an array: expected {count} handles")));
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

    /// Ends a handle and drops what it holds. Nothing is done for NULL; what a child inherited is not dropped: its memory stays.
    ///
    /// # Safety
    /// As [`Site::handle_mut`], and the handle is not used any more.
    pub(super) unsafe fn end<H: Handle>(self, handle: *mut H, name: &str) -> Result<()> {
        if handle.is_null() {
            return Ok(());
        }
        // SAFETY: the caller's promise; a lent handle stays with its owner.
        unsafe {
            self.check_kind(handle, name)?;
            let boxed = handle.cast::<Boxed<H::Value>>();
            if (*boxed).lent {
                return Err(self.wrong(format_args!("'{name}' is borrowed: only its owner may free it")));
            }
            if (*boxed).is_inherited::<H>() {
                ptr::write_volatile(&raw mut (*boxed).word, ENDED);
            } else {
                end_box(boxed);
            }
            Ok(())
        }
    }

    /// # Safety
    /// As [`Site::handle`].
    unsafe fn check<H: Handle>(self, handle: *const H, name: &str) -> Result<()> {
        // SAFETY: the caller's promise.
        let inherited = unsafe {
            self.check_kind(handle, name)?;
            (*handle.cast::<Boxed<H::Value>>()).is_inherited::<H>()
        };
        if inherited {
            return Err(forked());
        }
        Ok(())
    }

    /// # Safety
    /// `handle` is NULL or points to at least 40 readable bytes.
    unsafe fn check_kind<H: Handle>(self, handle: *const H, name: &str) -> Result<()> {
        let wrong =
            |what: &str| Err(self.wrong(format_args!("'{name}' is {what}, expected {}", kind_name(H::WORD))));
        if handle.is_null() {
            return wrong("NULL");
        }
        let word = handle.cast::<u8>().wrapping_add(WORD_AT).cast::<u64>();
        if !word.is_aligned() {
            return wrong(NO_HANDLE);
        }
        // SAFETY: aligned, and readable by the caller's promise.
        let found = unsafe { ptr::read(word) };
        if found != H::WORD {
            return wrong(kind_name(found));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::guard::guard;
    use super::super::{failures, status};
    use super::*;
    use crate::error::Kind;
    use crate::sync::atomic::Mutex;

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
        assert_eq!(
            failures::last_text(),
            "sdp_dal_test: 'store' is a caller handle, expected a store handle"
        );
        // SAFETY: made above, ended here.
        assert_eq!(guard("sdp_dal_test", |site| unsafe { site.end(pear, "caller") }), 0);
        for (i, (word, _)) in KINDS.iter().enumerate() {
            assert!(KINDS[i + 1..].iter().all(|(other, _)| other != word));
        }
    }

    #[test]
    fn a_lent_handle_is_not_freed() {
        let lent = Lent::<Apple>::new(7);
        // SAFETY: `lent` lives.
        let code = guard("sdp_dal_test", |site| unsafe { site.end(lent.as_ptr(), "store") });
        assert!(code < 0);
        assert!(failures::last_text().contains("borrowed"));
    }

    /// What cannot be dropped while its mutex is taken.
    struct Guarded(Mutex<()>);
    impl Drop for Guarded {
        fn drop(&mut self) {
            drop(self.0.lock());
        }
    }
    struct Nut;
    impl Handle for Nut {
        type Value = Guarded;
        const WORD: u64 = word(b"sdpRefer");
    }
    struct Stone;
    impl Handle for Stone {
        type Value = u32;
        const WORD: u64 = word(b"sdpSchem");
        const OF_STORE: bool = false;
    }

    fn in_child(nut: *mut Nut, lent: Lent<Nut>, stone: *mut Stone) -> bool {
        // SAFETY: handles that the parent made; `nut` and `stone` are not used after their end, except that it is told.
        unsafe {
            let used = guard("sdp_dal_test", |site| site.handle(nut, "nut").map(|_| ()));
            let borrowed = guard("sdp_dal_test", |site| site.handle(lent.as_ptr(), "nut").map(|_| ()));
            drop(lent);
            let ended = guard("sdp_dal_test", |site| site.end(nut, "nut"));
            let again = guard("sdp_dal_test", |site| site.end(nut, "nut"));
            let own = guard("sdp_dal_test", |site| site.end(stone, "stone"));
            used == Kind::Forked.code()
                && borrowed == used
                && ended == status::OK
                && again == Kind::InvalidArgument.code()
                && own == status::OK
        }
    }

    #[test]
    fn a_forked_child_neither_uses_nor_drops_what_a_thread_of_its_parent_may_have_locked() {
        // Whoever has a store open has been behind it.
        drop(crate::shm::fork::gate());
        let nut = make::<Nut>(Guarded(Mutex::new(())));
        let lent = Lent::<Nut>::new(Guarded(Mutex::new(())));
        let stone = make::<Stone>(7);
        // SAFETY: both live until the end of this test.
        let (one, two) = unsafe {
            (&(*nut.cast::<Boxed<Guarded>>()).value.0, &(*lent.as_ptr().cast::<Boxed<Guarded>>()).value.0)
        };
        let held = (one.lock(), two.lock());
        // SAFETY: the child uses what this test made, and leaves by _exit.
        let child = unsafe { libc::fork() };
        if child == 0 {
            // SAFETY: ends the child, also if it hangs.
            unsafe {
                libc::alarm(60);
                libc::_exit(i32::from(!in_child(nut, lent, stone)));
            }
        }
        let mut status = 0;
        // SAFETY: waits for our own child.
        assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
        assert_eq!(status, 0, "{status:#x}");
        drop(held);
        // SAFETY: made above, ended here.
        let code = guard("sdp_dal_test", |site| unsafe {
            site.end(nut, "nut")?;
            site.end(stone, "stone")
        });
        assert_eq!(code, status::OK);
    }
}
