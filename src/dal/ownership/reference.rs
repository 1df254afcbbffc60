//! References: handles to objects that may not exist yet.

use std::ops::Deref;
use std::sync::Arc;

use crate::error::{Error, Kind, Result};
use crate::store::{Buffer, CreateSpec, EntryKey, ObjectId, ObjectState, Store, Want, Watch, Writer};
use crate::sync::atomic::{AtomicU32, Mutex, MutexGuard, Ordering};
use crate::timeout::Timeout;
use crate::wire::{Order, TensorSource};

use super::super::expect::Expectation;
use super::super::standstill;
use super::super::tensor::{KnownTensor, Tensor, TensorForm};
use super::issued::{Held, IssuedCall, Unfinished};
use super::namespace::{raw_spec, Home, Namespace};
use super::part::PartOf;

/// A reference to an object that may not exist yet. Clones share it, and any thread may use it.
///
/// An *owning* reference comes from putting or creating an object, from [`new_ref`](super::Namespace::new_ref), or from
/// the output of a call. It keeps the object. When this process drops the last one, the object is deleted, or, if it
/// does not exist yet, the call that would create it is cancelled. A *borrowed* reference comes from an ID, or is
/// received in a call. It never deletes the object.
///
/// A reference to a [`part`](Ref::part) of an object is one to the whole object, of which it uses some elements. It keeps the
/// whole, and waits for it.
#[derive(Clone)]
pub struct Ref {
    pub(super) inner: Arc<RefInner>,
    /// Which elements it means. None: the whole object.
    pub(super) part: Option<Arc<PartOf>>,
    /// How long what is written through this handle waits for space.
    full_timeout: Option<Timeout>,
}

pub(in crate::dal) struct RefInner {
    store: Store,
    id: ObjectId,
    pub(super) expect: Expected,
    /// Owning references only.
    home: Option<Home>,
    /// An input of a call that was taken: its bytes are held, whatever became of the object.
    pinned: Option<Buffer>,
    pub(super) life: Mutex<Life>,
    /// How many unfinished calls of this process take it.
    users: AtomicU32,
    /// Not 0: given away to a call.
    given: AtomicU32,
}

/// What a reference expects: something of its own, or what a parameter does, which many references share.
pub(in crate::dal) enum Expected {
    Own(Expectation),
    Shared(Arc<Expectation>),
}

impl From<Expectation> for Expected {
    fn from(own: Expectation) -> Expected {
        Expected::Own(own)
    }
}

impl From<&Arc<Expectation>> for Expected {
    fn from(shared: &Arc<Expectation>) -> Expected {
        Expected::Shared(shared.clone())
    }
}

impl Deref for Expected {
    type Target = Expectation;

    fn deref(&self) -> &Expectation {
        match self {
            Expected::Own(own) => own,
            Expected::Shared(shared) => shared,
        }
    }
}

/// What this reference knows and holds of its object.
#[derive(Default)]
pub(in crate::dal) struct Life {
    /// Calls that are to make the object: mostly one, which needs no list. Dropped before the claim on the object.
    call: Option<Arc<IssuedCall>>,
    calls: Vec<Arc<IssuedCall>>,
    /// What must live until the object exists.
    pub(in crate::dal) dependencies: Held,
    want: Option<Want>,
    /// The entry this reference has seen: another object under the same ID is not meant.
    key: Option<EntryKey>,
    /// Promised by somebody, and gone before this reference saw the entry.
    lost: bool,
    /// Stays though nobody holds it.
    kept: bool,
    pub(super) tensor: Option<KnownTensor>,
    /// An event loop is to be woken when the object has ended.
    watch: Option<Watch>,
    /// What must live as long as the object. Dropped after the claim on it.
    pub(in crate::dal) references: Held,
}

impl Life {
    /// The references that this one holds.
    pub(in crate::dal) fn holds(&self, refs: &mut Vec<Ref>) {
        let inputs = self.call.iter().chain(&self.calls).filter_map(|call| call.inputs());
        for held in inputs.chain([&self.dependencies, &self.references]) {
            refs.extend(held.refs.iter().cloned());
        }
    }

    /// Whether something is held until the object exists.
    fn waits(&self) -> bool {
        self.has_calls() || !self.dependencies.refs.is_empty()
    }

    fn has_calls(&self) -> bool {
        self.call.is_some() || !self.calls.is_empty()
    }
}

impl Ref {
    pub(in crate::dal) fn owning(store: &Store, id: ObjectId, expect: Expected, home: Home) -> Ref {
        Ref::new(store, id, expect, Some(home), None, Life::default())
    }

    /// Notes which object the ID names now, so that its end can be told from never having been.
    pub(in crate::dal) fn borrowed(store: &Store, id: ObjectId, expect: impl Into<Expected>) -> Ref {
        let reference = Ref::new(store, id, expect.into(), None, None, Life::default());
        // Whatever goes wrong here goes wrong again, and is reported, when the reference is used.
        let _ = reference.state();
        reference
    }

    /// A reference received in a call: `key` is the entry seen when the call was taken, None if it was gone.
    pub(in crate::dal) fn received(
        store: &Store,
        id: ObjectId,
        expect: impl Into<Expected>,
        key: Option<EntryKey>,
    ) -> Ref {
        let life = Life { key, lost: key.is_none(), ..Life::default() };
        Ref::new(store, id, expect.into(), None, None, life)
    }

    /// A reference to an input that the call has pinned.
    pub(in crate::dal) fn pinned(buffer: Buffer, expect: impl Into<Expected>) -> Ref {
        let (store, id) = (buffer.store().clone(), buffer.id());
        let life = Life { key: Some(buffer.key()), ..Life::default() };
        Ref::new(&store, id, expect.into(), None, Some(buffer), life)
    }

    /// A reference to somebody else's object that we want, too, and to the calls on which it depends.
    pub(in crate::dal) fn imported(
        store: &Store,
        home: Home,
        want: Want,
        calls: Vec<Arc<IssuedCall>>,
    ) -> Ref {
        let id = want.id();
        let life = Life { calls, key: Some(want.key()), want: Some(want), ..Life::default() };
        Ref::new(store, id, Expectation::default().into(), Some(home), None, life)
    }

    fn new(
        store: &Store,
        id: ObjectId,
        expect: Expected,
        home: Option<Home>,
        pinned: Option<Buffer>,
        life: Life,
    ) -> Ref {
        let life = Mutex::new(life);
        let (users, given) = (AtomicU32::new(0), AtomicU32::new(0));
        let inner = RefInner { store: store.clone(), id, expect, home, pinned, life, users, given };
        Ref::from_inner(Arc::new(inner))
    }

    pub(in crate::dal) fn from_inner(inner: Arc<RefInner>) -> Ref {
        Ref::of_part(inner, None)
    }

    /// The whole object, or a part of it.
    pub(super) fn of_part(inner: Arc<RefInner>, part: Option<Arc<PartOf>>) -> Ref {
        Ref { inner, part, full_timeout: None }
    }

    /// The same reference, with another time that writing its object waits for space in a full store. None:
    /// `SDP_DAL_FULL_TIMEOUT`, and only while another client can free space. After that: OUT_OF_MEMORY.
    pub fn with_full_timeout(&self, full_timeout: Option<Timeout>) -> Ref {
        Ref { full_timeout, ..self.clone() }
    }

    /// The ID of the object. That of a part is the ID of the whole: no ID names a part.
    pub fn id(&self) -> ObjectId {
        self.inner.id
    }

    /// Whether it is an owning reference: dropping the last one deletes the object.
    pub fn is_owning(&self) -> bool {
        self.inner.home.is_some()
    }

    /// The expected kind of object.
    pub fn expectation(&self) -> &Expectation {
        match &self.part {
            None => &self.inner.expect,
            Some(part) => part.expectation(),
        }
    }

    /// Tells references to one handle from others.
    pub(in crate::dal) fn address(&self) -> usize {
        Arc::as_ptr(&self.inner).addr()
    }

    /// INVALID_ARGUMENT unless the object lies in this store; `what` the other one is used by.
    pub(in crate::dal) fn check_store(&self, ours: &Store, what: &str) -> Result<()> {
        let theirs = &self.inner.store;
        if ours.number() == theirs.number() && ours.path() == theirs.path() {
            return Ok(());
        }
        let (id, theirs, ours) = (self.inner.id, theirs.path().display(), ours.path().display());
        Err(Error::invalid(format!("object {id} is in the store {theirs}, {what} {ours}")))
    }

    /// How long writing its object waits for space in a full store.
    pub fn full_timeout(&self) -> Option<Timeout> {
        self.full_timeout
    }

    pub(in crate::dal) fn life(&self) -> MutexGuard<'_, Life> {
        self.inner.life.lock()
    }

    /// Where it was made, if it is an owning one and that still lives.
    pub(in crate::dal) fn namespace(&self) -> Option<Namespace> {
        self.inner.home.as_ref().and_then(Home::namespace)
    }

    pub(in crate::dal) fn store(&self) -> &Store {
        &self.inner.store
    }

    /// The state of the object. `Absent` also if the object that this reference has seen was deleted. Does not block.
    pub fn state(&self) -> Result<ObjectState> {
        let state = self.inner.store.look(&self.inner.id)?;
        let (key, sealed) = match &state {
            ObjectState::Absent => return Ok(state),
            // Never seen before and not promised either: it may be aborted, and then it has never existed.
            ObjectState::Creating { .. } if self.inner.life.lock().key.is_none() => return Ok(state),
            ObjectState::Awaited { key, .. } | ObjectState::Creating { key } => (*key, None),
            ObjectState::Sealed { key } => (*key, Some(true)),
            ObjectState::Failed { key, .. } => (*key, Some(false)),
        };
        if !self.saw(key) {
            return Ok(ObjectState::Absent);
        }
        if let Some(sealed) = sealed {
            self.settle(sealed);
        }
        Ok(state)
    }

    /// Whether the object exists (a failed object will never exist). Does not block.
    pub fn exists(&self) -> Result<bool> {
        self.inner.store.run_errands();
        Ok(self.inner.pinned.is_some() || matches!(self.state()?, ObjectState::Sealed { .. }))
    }

    /// The progress of the call that creates the object, from 0 to 1, as it reported. None before the call was taken, 1
    /// once the object exists. Does not block.
    pub fn progress(&self) -> Result<Option<f64>> {
        if self.inner.pinned.is_some() {
            return Ok(Some(1.0));
        }
        match self.state()? {
            ObjectState::Absent => Ok(None),
            ObjectState::Sealed { .. } => Ok(Some(1.0)),
            ObjectState::Awaited { key, .. }
            | ObjectState::Creating { key }
            | ObjectState::Failed { key, .. } => self.inner.store.progress(key),
        }
    }

    /// Whether a processor has taken the call that creates the object, and the call has not ended yet. Does not block.
    pub fn is_running(&self) -> Result<bool> {
        self.inner.store.run_errands();
        let open = matches!(self.state()?, ObjectState::Awaited { .. } | ObjectState::Creating { .. });
        Ok(open && self.progress()?.is_some())
    }

    /// Waits until the object exists. Returns the error of an object that failed. OBJECT_DELETED if this reference has
    /// seen the object and it was deleted. PROCESSOR_LOST if its processor crashed. TIMEOUT or INTERRUPTED.
    /// INVALID_ARGUMENT in a function that waits for a call that cannot run before the function has returned.
    pub fn wait(&self, timeout: Timeout) -> Result<()> {
        self.not_given()?;
        let key = self.inner.life.lock().key;
        let (None, Some(key)) = (&self.inner.pinned, key) else { return self.get_buffer(timeout).map(drop) };
        let (store, id) = (&self.inner.store, &self.inner.id);
        let waited = standstill::guard(&[*id], timeout, &mut |timeout| store.wait_key(key, id, timeout));
        match &waited {
            Ok(()) => self.settle(true),
            Err(error) => self.not_got(error),
        }
        waited
    }

    /// Waits like [`Ref::wait`], and pins the object.
    pub fn get_buffer(&self, timeout: Timeout) -> Result<Buffer> {
        if let Some(buffer) = &self.inner.pinned {
            return Ok(buffer.clone());
        }
        self.not_given()?;
        let (key, lost) = {
            let life = self.inner.life.lock();
            (life.key, life.lost)
        };
        let (store, id) = (&self.inner.store, &self.inner.id);
        let got = standstill::guard(&[*id], timeout, &mut |timeout| match key {
            Some(key) => store.get_key(key, id, timeout),
            None if lost => Err(self.deleted()),
            None => store.get(id, timeout),
        });
        match got {
            Ok(buffer) => {
                self.saw(buffer.key());
                self.settle(true);
                Ok(buffer)
            }
            Err(error) => {
                self.not_got(&error);
                Err(error)
            }
        }
    }

    /// A failed object has ended: its call and the inputs go.
    fn not_got(&self, error: &Error) {
        if !matches!(error.kind(), Kind::Timeout | Kind::Interrupted) {
            let _ = self.state();
        }
    }

    /// Waits like [`Ref::wait`], pins the object and reads it as a tensor. INVALID_ARGUMENT, with what was found and
    /// what was expected, if it is not the tensor that this reference expects. A part is a tensor over the same bytes, with
    /// the strides of the whole. INVALID_ARGUMENT, too, if the whole has not all its elements.
    pub fn get_tensor(&self, timeout: Timeout) -> Result<Tensor> {
        let buffer = self.get_buffer(timeout)?;
        if let Some(part) = &self.part {
            return part.read(&self.inner, buffer);
        }
        let known = self.inner.life.lock().tensor.clone();
        if let Some(known) = known {
            return Tensor::known(buffer, &known);
        }
        let tensor = Tensor::read(buffer)?;
        self.inner
            .expect
            .check(tensor.layout())
            .map_err(|error| error.context(format!("object {}", self.inner.id)))?;
        self.inner.life.lock().tensor = Some(tensor.header());
        Ok(tensor)
    }

    /// The tensor's layout if it was read before.
    pub(in crate::dal) fn known_tensor(&self) -> Option<KnownTensor> {
        match &self.part {
            None => self.inner.life.lock().tensor.clone(),
            Some(part) => part.known(&self.inner),
        }
    }

    /// Writes the tensor, with one copy. ALREADY_EXISTS if the object exists or is being created. INVALID_ARGUMENT if
    /// the value is not what this reference expects. Dimensions without a name get the expected one. If the reference
    /// is borrowed and its object is not the output of a call, the object stays until it is deleted.
    pub fn put_tensor(&self, value: &TensorSource<'_>) -> Result<()> {
        self.put_tensor_in(value, None)
    }

    /// As [`Ref::put_tensor`], in an order.
    pub(in crate::dal) fn put_tensor_in(&self, value: &TensorSource<'_>, order: Option<Order>) -> Result<()> {
        let form = TensorForm::of_value(value, &self.inner.expect, order)
            .map_err(|error| error.context(format!("object {}", self.inner.id)))?;
        let writer = self.create(|want, keep| form.spec(want, keep, false))?;
        let mut memory = form.into_memory(writer);
        memory.fill(value).map_err(|error| error.context(format!("object {}", self.inner.id)))?;
        let header = memory.header();
        self.born(memory.seal()?, Some(header))
    }

    /// Writes raw bytes.
    pub fn put_bytes(&self, data: &[u8], metadata: &[u8]) -> Result<()> {
        let mut writer = self.create(|want, keep| raw_spec(data.len(), metadata, want, keep))?;
        writer.copy_from(0, data);
        self.born(writer.seal()?, None)
    }

    /// Into the awaited entry if a call has promised the object, else a new one. `spec` is told whether the
    /// sealed object is wanted by us and whether it stays without that.
    pub(in crate::dal) fn create<'a>(
        &self,
        spec: impl FnOnce(bool, bool) -> Result<CreateSpec<'a>>,
    ) -> Result<Writer> {
        self.refuse_part("a part cannot be written: write the whole object, or an object of its own")?;
        let state = self.state()?;
        let (owning, full_timeout) = (self.is_owning(), self.full_timeout);
        let (kept, seen) = {
            let life = self.inner.life.lock();
            (life.kept, life.lost || life.key.is_some())
        };
        match state {
            ObjectState::Awaited { key, .. } => {
                let spec = CreateSpec { full_timeout, ..spec(owning, kept)? };
                self.inner.store.create_output(key, &self.inner.id, &spec)
            }
            ObjectState::Absent if seen => Err(self.deleted()),
            _ => {
                let spec = CreateSpec { full_timeout, ..spec(owning, kept || !owning)? };
                self.inner.store.create(&self.inner.id, &spec)
            }
        }
    }

    /// The object was sealed through this reference.
    pub(in crate::dal) fn born(&self, want: Option<Want>, header: Option<KnownTensor>) -> Result<()> {
        let Some(want) = want else { return self.state().map(drop) };
        let before = {
            let mut life = self.inner.life.lock();
            life.key = Some(want.key());
            life.tensor = header;
            life.want.replace(want)
        };
        drop(before);
        self.settle(true);
        Ok(())
    }

    /// A call was issued that is to make this object, which nobody had promised before if it is `new`. An
    /// owning reference takes the claim; a borrowed one gives it back for the call to hold, and what the call
    /// makes is then kept: nobody here will delete it.
    pub(in crate::dal) fn promised(&self, want: Want, new: bool) -> Option<Want> {
        let mut life = self.inner.life.lock();
        life.key = Some(want.key());
        life.lost = false;
        if !self.is_owning() {
            life.kept |= new;
            return Some(want);
        }
        let before = life.want.replace(want);
        drop(life);
        drop(before);
        None
    }

    /// Holds the call until the object exists.
    pub(in crate::dal) fn depend_on(&self, call: Arc<IssuedCall>) {
        let mut life = self.inner.life.lock();
        match life.call {
            None => life.call = Some(call),
            Some(_) => life.calls.push(call),
        }
    }

    /// The calls that are to make the object.
    pub(in crate::dal) fn calls(&self) -> Vec<Arc<IssuedCall>> {
        let life = self.inner.life.lock();
        life.call.iter().chain(&life.calls).cloned().collect()
    }

    /// The life of the object that this reference has seen.
    pub(in crate::dal) fn life_key(&self) -> Option<EntryKey> {
        self.inner.life.lock().key
    }

    /// What the namespace's backlog remembers of an output.
    pub(in crate::dal) fn unfinished(&self) -> Unfinished {
        if !self.is_owning() || self.inner.life.lock().kept {
            Unfinished::Kept(self.clone())
        } else {
            Unfinished::Output(Arc::downgrade(&self.inner))
        }
    }

    /// Whether nothing has to be held any more until this object exists.
    pub(in crate::dal) fn is_settled(&self) -> bool {
        let promised = {
            let life = self.inner.life.lock();
            if !life.waits() {
                return true;
            }
            life.lost || life.key.is_some()
        };
        match self.state() {
            Ok(ObjectState::Sealed { .. } | ObjectState::Failed { .. }) => true,
            // An entry that is gone will not be made any more; what nobody promised may still be put.
            Ok(ObjectState::Absent) if promised => {
                self.settle(false);
                true
            }
            _ => false,
        }
    }

    /// Sets whether the event descriptor of the store becomes readable when the object may have ended. Does not block.
    pub fn watch(&self, on: bool) -> Result<()> {
        let watch = on.then(|| self.inner.store.watch_from_now(&[self.inner.id])).transpose()?;
        let before = std::mem::replace(&mut self.inner.life.lock().watch, watch);
        drop(before);
        // What has not ended is told when it does, and needs no look before.
        if on && !self.is_open() {
            if let Some(watch) = &self.inner.life.lock().watch {
                watch.call();
            }
        }
        Ok(())
    }

    /// Whether the object may still be created.
    fn is_open(&self) -> bool {
        match self.state() {
            Ok(ObjectState::Awaited { .. } | ObjectState::Creating { .. }) => true,
            Ok(ObjectState::Absent) => {
                let life = self.inner.life.lock();
                life.key.is_none() && !life.lost && self.inner.pinned.is_none()
            }
            _ => false,
        }
    }

    /// Keeps the object: it stays until it is deleted by its ID. If it is the output of a call that has not ended, the
    /// call is kept as long as the namespace exists.
    pub fn disown(&self) -> Result<()> {
        self.refuse_part("a part cannot be kept without its whole: disown the reference to the whole")?;
        let (key, promised) = {
            let mut life = self.inner.life.lock();
            life.kept = true;
            (life.key, life.has_calls())
        };
        if let Some(key) = key {
            self.inner.store.set_keep(key, true)?;
        }
        if let Some(namespace) = self.namespace().filter(|_| promised) {
            namespace.remember(Unfinished::Kept(self.clone()));
        }
        Ok(())
    }

    /// A claim on the object for a call that takes it as input, if this reference has none of its own to
    /// offer. OBJECT_DELETED if it was there and is gone.
    pub(in crate::dal) fn claim_input(&self) -> Result<Option<Want>> {
        self.not_given()?;
        let (key, lost, held) = {
            let life = self.inner.life.lock();
            (life.key, life.lost, life.want.is_some())
        };
        if held {
            let lives = key.is_some_and(|key| self.inner.store.is_wanted(key));
            return if lives { Ok(None) } else { Err(self.deleted()) };
        }
        match self.inner.store.want(&self.inner.id) {
            Ok(want) if key.is_some_and(|key| key != want.key()) => Err(self.deleted()),
            Ok(want) => {
                self.saw(want.key());
                Ok(Some(want))
            }
            Err(error) if error.kind() == Kind::NotFound && key.is_none() && !lost => Ok(None),
            Err(error) if matches!(error.kind(), Kind::NotFound | Kind::ObjectDeleted) => Err(self.deleted()),
            Err(error) => Err(error),
        }
    }

    /// An unfinished call of this process takes it, or takes it no more.
    pub(super) fn use_by(&self, calls: i32) {
        self.inner.users.fetch_add(calls.cast_unsigned(), Ordering::Relaxed);
    }

    /// Whether no unfinished call of this process takes it.
    pub(in crate::dal) fn is_unused(&self) -> bool {
        self.inner.users.load(Ordering::Relaxed) == 0 && self.inner.pinned.is_none()
    }

    /// Whether this process claims the object no more than once: through this reference, or for a call that takes it.
    pub(in crate::dal) fn is_claimed_once(&self) -> bool {
        self.life_key().is_none_or(|key| self.inner.store.claims(key) <= 1)
    }

    /// A call was issued to which the object was given away.
    pub(in crate::dal) fn give_away(&self) {
        self.inner.given.store(1, Ordering::Relaxed);
    }

    /// OBJECT_DELETED if it was given away.
    fn not_given(&self) -> Result<()> {
        if self.inner.given.load(Ordering::Relaxed) == 0 {
            return Ok(());
        }
        let text =
            format!("object {} was given away to a call: use the output that starts from it", self.inner.id);
        Err(Error::new(Kind::ObjectDeleted, text))
    }

    /// Whether there was an entry of its object when this reference last looked: should it be absent later, it was
    /// deleted.
    pub(in crate::dal) fn was_seen(&self) -> bool {
        self.inner.life.lock().key.is_some()
    }

    pub(in crate::dal) fn deleted(&self) -> Error {
        Error::new(
            Kind::ObjectDeleted,
            format!("object {} was deleted: no owning reference kept it", self.inner.id),
        )
    }

    /// Notes the entry; false if this reference means an earlier one. An owning reference claims what
    /// somebody else has written under its ID.
    fn saw(&self, key: EntryKey) -> bool {
        {
            let mut life = self.inner.life.lock();
            if let Some(known) = life.key {
                return known == key;
            }
            if life.lost {
                return false;
            }
            life.key = Some(key);
            if !self.is_owning() || life.want.is_some() || life.kept {
                return true;
            }
        }
        if let Ok(want) = self.inner.store.want(&self.inner.id) {
            // A borrowed reference wrote it to stay; its owner decides now.
            let _ = self.inner.store.set_keep(key, false);
            let before = self.inner.life.lock().want.replace(want);
            drop(before);
        }
        true
    }

    /// The object has ended one way or the other: its calls and their inputs go.
    fn settle(&self, sealed: bool) {
        let (call, calls, dependencies, stays, watch) = {
            let mut life = self.inner.life.lock();
            let stays = life.key.filter(|_| sealed && life.kept && !self.is_owning());
            let dependencies = std::mem::take(&mut life.dependencies);
            (life.call.take(), std::mem::take(&mut life.calls), dependencies, stays, life.watch.take())
        };
        if let Some(watch) = watch {
            // The event loop has not looked, perhaps: this may be a sweep. Whoever ended the object may find nobody to ring any
            // more.
            watch.call();
        }
        if let Some(key) = stays.filter(|_| call.is_some() || !calls.is_empty()) {
            // Gone already if this fails: deleted by its ID.
            let _ = self.inner.store.set_keep(key, true);
        }
        drop((call, calls, dependencies));
    }
}
