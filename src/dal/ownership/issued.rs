//! Calls that were issued: what they keep alive, and letting them go once they are done.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::{Arc, Weak};

use once_cell::sync::OnceCell;

use crate::error::Kind;
use crate::store::{EntryKey, ObjectId, Store, Want};
use crate::sync::atomic::Mutex;

use super::reference::{Ref, RefInner};

/// A call that was issued and what it needs. Held by the references of its outputs until they exist.
pub(in crate::dal) struct IssuedCall {
    /// The call object: another one after it was issued again. None only while it is dropped.
    object: Mutex<Option<CallObject>>,
    /// What issues it again should its processor be lost.
    again: OnceCell<Arc<dyn IssuedAgain>>,
    /// Claims on outputs whose references are borrowed, or that other rows of the call take as inputs.
    claims: Vec<Want>,
    /// Its inputs, if it has any; all processors of a broadcast share them.
    inputs: Option<Arc<Held>>,
}

/// A call object, and the attachment that is to run it.
struct CallObject {
    id: ObjectId,
    processor: u32,
    want: Want,
}

/// What issues a call again should its processor be lost.
pub(in crate::dal) trait IssuedAgain: Send + Sync {
    /// Whether it may still do so.
    fn is_open(&self) -> bool;
}

/// Objects that must live as long as something else does.
#[derive(Default)]
pub(in crate::dal) struct Held {
    pub(in crate::dal) refs: Vec<Ref>,
    /// Claims on objects whose references are borrowed.
    pub(in crate::dal) claims: Vec<Want>,
    /// Whether they are inputs of a call, which count as used.
    used: bool,
}

impl Held {
    /// Adds an input of a call: it is used until this is dropped.
    pub(in crate::dal) fn take(&mut self, input: Ref) {
        self.used = true;
        input.use_by(1);
        self.refs.push(input);
    }

    /// Whether there is nothing.
    pub(in crate::dal) fn is_empty(&self) -> bool {
        self.refs.is_empty() && self.claims.is_empty()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.used {
            self.refs.iter().for_each(|input| input.use_by(-1));
        }
        bury(std::mem::take(&mut self.refs));
    }
}

impl IssuedCall {
    pub(in crate::dal) fn new(
        id: ObjectId,
        processor: u32,
        want: Want,
        claims: Vec<Want>,
        inputs: Option<Arc<Held>>,
    ) -> IssuedCall {
        let object = Mutex::new(Some(CallObject { id, processor, want }));
        IssuedCall { object, again: OnceCell::new(), claims, inputs }
    }

    /// It is issued again by this, which lives as long as it.
    pub(in crate::dal) fn is_issued_again_by(&self, again: Arc<dyn IssuedAgain>) {
        let _ = self.again.set(again);
    }

    /// It was issued again, as another object. The one before goes.
    pub(in crate::dal) fn was_issued_again(&self, id: ObjectId, processor: u32, want: Want) {
        let before = self.object.lock().replace(CallObject { id, processor, want });
        drop(before);
    }

    /// What it takes.
    pub(in crate::dal) fn inputs(&self) -> Option<&Held> {
        self.inputs.as_deref()
    }

    /// Which call it is.
    pub(in crate::dal) fn name(&self) -> Option<(ObjectId, EntryKey)> {
        self.object.lock().as_ref().map(|object| (object.id, object.want.key()))
    }

    fn ended(&self, store: &Store) -> bool {
        let object =
            self.object.lock().as_ref().map(|object| (object.id, object.want.key(), object.processor));
        let Some((id, key, processor)) = object else { return true };
        let waits = || store.info(&id).is_ok_and(|info| info.key == key && !info.claimed);
        if self.again.get().is_some_and(|again| again.is_open()) && waits() {
            return false;
        }
        call_ended(store, &id, key, processor)
    }
}

/// Whether a call has ended of which no output tells: it is gone, or has ended, or was claimed by one who died
/// (pinned by nobody any more), or its processor died before it took it.
pub(in crate::dal) fn call_ended(store: &Store, id: &ObjectId, key: EntryKey, processor: u32) -> bool {
    match store.info(id) {
        Ok(info) if key != info.key => true,
        Ok(info) if info.claimed => info.ended || info.pinned_by.is_empty(),
        Ok(_) => !store.alive(processor),
        Err(error) => matches!(error.kind(), Kind::NotFound | Kind::ObjectDeleted),
    }
}

impl Drop for IssuedCall {
    fn drop(&mut self) {
        // The call goes before its inputs: see the module head.
        *self.object.get_mut() = None;
        self.claims.clear();
    }
}

thread_local! {
    /// References that wait to be dropped, while a drop runs further up this thread's stack.
    static GRAVES: RefCell<Option<Vec<Ref>>> = const { RefCell::new(None) };
}

/// Drops references without recursing: a chain of a hundred thousand calls, each the input of the next, would
/// otherwise overflow the stack when its last result is dropped.
fn bury(refs: Vec<Ref>) {
    if refs.is_empty() {
        return;
    }
    let mut refs = Some(refs);
    let outermost = GRAVES.try_with(|graves| match &mut *graves.borrow_mut() {
        Some(waiting) => {
            waiting.extend(refs.take().unwrap_or_default());
            false
        }
        none => {
            *none = refs.take();
            true
        }
    });
    // While the thread ends there is no list: `refs` is dropped here, recursively.
    if outermost != Ok(true) {
        return;
    }
    // Never dropped while the list is borrowed: a drop may add to it.
    while let Ok(Some(next)) = GRAVES.try_with(|graves| graves.borrow_mut().as_mut().and_then(Vec::pop)) {
        drop(next);
    }
    let _ = GRAVES.try_with(|graves| graves.borrow_mut().take());
}

/// Something of ours that a processor has still to do.
pub(in crate::dal) enum Unfinished {
    /// An output that somebody may still hold.
    Output(Weak<RefInner>),
    /// An output that shall be made though nobody holds it.
    Kept(Ref),
    /// A call without outputs.
    Call(Arc<IssuedCall>),
}

impl Unfinished {
    fn is_done(&self, store: &Store) -> bool {
        match self {
            Unfinished::Output(output) => {
                output.upgrade().is_none_or(|output| Ref::from_inner(output).is_settled())
            }
            Unfinished::Kept(output) => output.is_settled(),
            Unfinished::Call(call) => call.ended(store),
        }
    }
}

/// What a namespace has issued and not yet seen done.
#[derive(Default)]
pub(in crate::dal) struct Backlog {
    queue: VecDeque<Unfinished>,
}

impl Backlog {
    pub(in crate::dal) fn push(&mut self, item: Unfinished) {
        self.queue.push_back(item);
    }

    /// Looks at the `count` items that were not looked at for longest and drops those that are done. `lock`
    /// gives the backlog; nothing is looked at or dropped while it is held.
    pub(in crate::dal) fn sweep(lock: &Mutex<Backlog>, store: &Store, count: usize) {
        if store.here().is_err() {
            return;
        }
        let count = count.min(lock.lock().queue.len());
        for _ in 0..count {
            let Some(item) = lock.lock().queue.pop_front() else { return };
            if !item.is_done(store) {
                lock.lock().queue.push_back(item);
            }
        }
    }

    pub(in crate::dal) fn len(&self) -> usize {
        self.queue.len()
    }
}
