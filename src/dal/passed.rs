//! Values whose memory is in the store already: they are passed as references, and not put again.
//!
//! The object is found by the address of the value ([`Store::find_address`](crate::store::Store::find_address)), and is passed
//! if the value is what a reference to it would give. It stays pinned until it is claimed, so that it cannot go in between.
//! What cannot be passed is copied, for a reason that is logged if it is more than [`MUCH`]; `stat` counts what calls copy.

use std::sync::Arc;

use crate::error::Result;
use crate::log::{self, Level};
use crate::store::{Buffer, EntryKey, ObjectId, Store, Want};
use crate::wire::{Order, Part, Placed, TableSource, TensorSource};

use super::args::PutValue;
use super::expect::Expectation;
use super::ownership::{Namespace, Ref};
use super::table::Table;
use super::tensor::Tensor;

/// Copies of more bytes are told.
const MUCH: u64 = 1 << 20;

/// Why a value is copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reason(&'static str);

const ELSEWHERE: Reason = Reason("its memory is not in this store");
const EMPTY: Reason = Reason("it has no elements");
const UNKNOWN: Reason = Reason(
    "its object has fewer than 4096 bytes, is deleted or is not sealed, or was not got through this process's store",
);
const PART: Reason = Reason("it is a part of its object");
const ORDER: Reason = Reason("it is not in the order that the parameter asks for");
const UNALIGNED: Reason = Reason("its elements do not lie at multiples of their size");
const WRONG: Reason = Reason("some of its elements are outside of its memory");
const OUTPUT: Reason = Reason("its object is an output of the same call");
const GONE: Reason = Reason("its object was deleted meanwhile");

/// An object that a value is, pinned.
pub(super) struct Passed {
    buffer: Buffer,
    /// Which part of it, unless it is the whole.
    part: Option<Arc<Part>>,
}

impl Passed {
    /// The object that a value is, if it fits the parameter as it is. `outputs` are those that were given.
    pub(super) fn of(
        store: &Store,
        value: PutValue<'_>,
        expect: &Expectation,
        order: Option<Order>,
        outputs: &[ObjectId],
    ) -> std::result::Result<Passed, Reason> {
        let passed = match value {
            PutValue::Tensor(source) => Passed::tensor(store, source, expect, order),
            PutValue::Array(array) => Passed::tensor(store, &array.source(), expect, order),
            PutValue::Table(table) => Passed::table(store, table),
        }?;
        if outputs.contains(&passed.buffer.id()) {
            return Err(OUTPUT);
        }
        Ok(passed)
    }

    /// A tensor.
    pub(super) fn tensor(
        store: &Store,
        source: &TensorSource<'_>,
        expect: &Expectation,
        order: Option<Order>,
    ) -> std::result::Result<Passed, Reason> {
        let layout = source.layout;
        let start = source.bytes.as_ptr().addr();
        if !store.holds_address(start) {
            return Err(ELSEWHERE);
        }
        if layout.is_empty() {
            return Err(EMPTY);
        }
        let mut value = Placed::from(source);
        value.check(source.bytes.len()).map_err(|_| WRONG)?;
        let span = value.span();
        let found = store.find_address(start.wrapping_add(span.start), span.len());
        let (buffer, at) = found.ok_or(UNKNOWN)?;
        if order.is_some_and(|order| !layout.is_contiguous(order)) {
            return Err(ORDER);
        }
        value.origin = at + (source.origin - span.start);
        if is_whole(&value, &buffer, expect) {
            return Ok(Passed { buffer, part: None });
        }
        value.layout.names = expect.fill_names(&layout.names, layout.shape.len());
        let part = Part::layout(value.origin, value.layout).map_err(|_| UNALIGNED)?;
        Ok(Passed { buffer, part: Some(Arc::new(part)) })
    }

    /// A table.
    pub(super) fn table(store: &Store, table: &TableSource) -> std::result::Result<Passed, Reason> {
        let start = table.address().ok_or(EMPTY)?;
        if !store.holds_address(start) {
            return Err(ELSEWHERE);
        }
        let (buffer, _) = store.find_address(start, 1).ok_or(UNKNOWN)?;
        let whole = Table::read(buffer).map_err(|_| PART)?;
        if !whole.content().is_same_memory(table) {
            return Err(PART);
        }
        Ok(Passed { buffer: whole.buffer().clone(), part: None })
    }

    /// A reference to it for a call, with the claim that the call holds.
    pub(super) fn into_input(
        self,
        expect: &Arc<Expectation>,
    ) -> std::result::Result<(Ref, Option<Want>), Reason> {
        let (id, key) = self.object();
        let store = self.buffer.store();
        let reference = match self.part {
            None => Ref::received(store, id, expect, Some(key)),
            Some(part) => Ref::received(store, id, Expectation::default(), Some(key)).elements(part, expect),
        };
        let claim = reference.claim_input().map_err(|_| GONE)?;
        Ok((reference, claim))
    }

    /// An owning reference to it, if it is a whole object: only that has an ID, which those who put it may pass on.
    pub(super) fn into_ref(self, namespace: &Namespace) -> std::result::Result<Ref, Reason> {
        if self.part.is_some() {
            return Err(PART);
        }
        let (id, key) = self.object();
        match namespace.store().want(&id) {
            Ok(want) if want.key() == key => Ok(namespace.adopt(want, Vec::new())),
            _ => Err(GONE),
        }
    }

    fn object(&self) -> (ObjectId, EntryKey) {
        (self.buffer.id(), self.buffer.key())
    }
}

/// Whether a value is the object's own tensor, with names that the parameter expects.
fn is_whole(value: &Placed, buffer: &Buffer, expect: &Expectation) -> bool {
    let Ok(tensor) = Tensor::read(buffer.clone()) else { return false };
    let (whole, given) = (tensor.placed(), &value.layout);
    let mut names = given.names.iter().zip(&whole.layout.names);
    let mut orders = [Order::C, Order::F].into_iter();
    value.origin == whole.origin
        && given.elem == whole.layout.elem
        && given.shape == whole.layout.shape
        && orders.any(|order| given.is_contiguous(order) && whole.layout.is_contiguous(order))
        && names.all(|(given, name)| given.is_empty() || given == name)
        && expect.check(&whole.layout).is_ok()
}

/// A copy that a call has made is counted, and a large one is told.
pub(super) fn copied(store: &Store, bytes: u64, what: impl FnOnce() -> String, why: Reason) {
    store.count_copied(bytes);
    tell(bytes, what, why);
}

/// A large copy is told.
pub(super) fn tell(bytes: u64, what: impl FnOnce() -> String, Reason(why): Reason) {
    if bytes > MUCH {
        log::write(Level::Debug, || format!("{}: copied {bytes} bytes into the store: {why}", what()));
    }
}

impl Namespace {
    /// Returns a reference to a tensor in the store. A value whose memory is in a sealed object of this store is not
    /// copied: the reference is to that object. Any other value is copied once: in F order if it is F contiguous and not
    /// C contiguous, and in C order otherwise. Waits for space if the store is full (OUT_OF_MEMORY).
    pub fn put_tensor(&self, value: &TensorSource<'_>) -> Result<Ref> {
        let passed = Passed::tensor(self.store(), value, &Expectation::default(), None);
        match passed.and_then(|passed| passed.into_ref(self)) {
            Ok(reference) => Ok(reference),
            Err(why) => {
                let reference = self.new_ref(Expectation::default())?;
                reference.put_tensor(value)?;
                tell(value.layout.byte_len(), || format!("put of {}", reference.id()), why);
                Ok(reference)
            }
        }
    }

    /// Returns a reference to a table in the store. A table that was got from this store, as a whole, is not copied: the
    /// reference is to that object. Any other table is copied once. Waits for space if the store is full
    /// (OUT_OF_MEMORY).
    pub fn put_table(&self, value: &TableSource) -> Result<Ref> {
        match Passed::table(self.store(), value).and_then(|passed| passed.into_ref(self)) {
            Ok(reference) => Ok(reference),
            Err(why) => {
                let reference = self.new_ref(Expectation::default())?;
                let bytes = reference.put_whole_table(value)?;
                tell(bytes, || format!("put of {}", reference.id()), why);
                Ok(reference)
            }
        }
    }
}
