//! Namespaces: the prefix under which this process names its objects.

use std::sync::{Arc, Weak};

use crate::error::{Error, Result};
use crate::log::{self, Level};
use crate::store::{id_text, CreateSpec, ObjectId, Prefix, Store, Want, ID_SIZE, PREFIX_SIZE};
use crate::sync::atomic::{AtomicU64, Mutex, Ordering};
use crate::timeout::Timeout;
use crate::wire::{CallSchema, Declaration, Metadata};

use super::super::expect::Expectation;
use super::issued::{Backlog, IssuedCall, Unfinished};
use super::reference::{Expected, Ref};

/// A namespace of this client. The IDs of the objects in it start with its prefix. Clones share it. Its prefix is
/// reserved when the first object is put, and stays reserved as long as a clone, or an owning reference created from
/// it, exists.
#[derive(Clone)]
pub struct Namespace {
    inner: Arc<NamespaceInner>,
    /// How long what is put with this handle waits for space.
    full_timeout: Option<Timeout>,
}

/// Options of a namespace: what it declares.
#[derive(Clone, Debug, Default)]
pub struct NamespaceOptions {
    /// The name that other clients see. Default: the name of the program.
    pub name: Option<String>,
    /// Start of the prefix, up to 4 bytes. A prefix of 4 bytes that is in use by another client is refused.
    pub prefix: Vec<u8>,
    /// Functions that it offers: callers put their calls into it.
    pub functions: Vec<CallSchema>,
    /// Its metadata.
    pub metadata: Metadata,
}

pub(in crate::dal) struct NamespaceInner {
    store: Store,
    declared: NamespaceOptions,
    reserved: Mutex<Option<Arc<Reserved>>>,
    backlog: Mutex<Backlog>,
}

/// The claim on the declaration: while it lives nobody else gets the prefix (whose objects are then deleted).
pub(in crate::dal) struct Reserved {
    prefix: Prefix,
    _declaration: Want,
}

/// Where an owning reference comes from.
pub(in crate::dal) struct Home {
    /// None for a reference that was imported: the prefix is another client's.
    _reserved: Option<Arc<Reserved>>,
    /// Weak: the namespace's backlog holds references.
    namespace: Weak<NamespaceInner>,
}

impl Home {
    pub(in crate::dal) fn namespace(&self) -> Option<Namespace> {
        self.namespace.upgrade().map(|inner| Namespace { inner, full_timeout: None })
    }
}

impl Namespace {
    /// Creates a namespace that other clients see as `name`. Default: the name of the program. Nothing is written yet.
    pub fn new(store: &Store, name: Option<&str>) -> Namespace {
        Namespace::declaring(
            store,
            NamespaceOptions { name: name.map(str::to_owned), ..NamespaceOptions::default() },
        )
    }

    /// Creates a namespace, and reserves at once the lowest free prefix with the given start. Objects that are left
    /// under the prefix are deleted first. With functions, callers find it and put their calls into it.
    /// NAMESPACE_IN_USE if the only such prefix is in use by another client.
    pub fn reserve(store: &Store, options: NamespaceOptions) -> Result<Namespace> {
        if let Some(key) = options.metadata.keys().find(|key| key.is_empty() || key.starts_with("proc:")) {
            return Err(Error::invalid(format!(
                "'{key}' is not a valid metadata key of a namespace: a key must not be empty, and 'proc:' at \
                 its start is reserved for the library"
            )));
        }
        let namespace = Namespace::declaring(store, options);
        namespace.prefix()?;
        Ok(namespace)
    }

    fn declaring(store: &Store, mut declared: NamespaceOptions) -> Namespace {
        declared.name.get_or_insert_with(program_name);
        let inner = NamespaceInner {
            store: store.clone(),
            declared,
            reserved: Mutex::new(None),
            backlog: Mutex::new(Backlog::default()),
        };
        Namespace { inner: Arc::new(inner), full_timeout: None }
    }

    /// The same namespace, with another time that what is put with it waits for space in a full store. None:
    /// `SDP_DAL_FULL_TIMEOUT`, and only while another client can free space. After that: OUT_OF_MEMORY. References that are
    /// created with it keep this time.
    pub fn with_full_timeout(&self, full_timeout: Option<Timeout>) -> Namespace {
        Namespace { inner: self.inner.clone(), full_timeout }
    }

    /// How long what is put with this handle waits for space.
    pub fn full_timeout(&self) -> Option<Timeout> {
        self.full_timeout
    }

    /// Its store.
    pub fn store(&self) -> &Store {
        &self.inner.store
    }

    /// The name that other clients see.
    pub fn name(&self) -> &str {
        self.inner.declared.name.as_deref().unwrap_or_default()
    }

    /// The prefix. Reserves it if that was not done before.
    pub fn prefix(&self) -> Result<Prefix> {
        Ok(self.reserved()?.prefix)
    }

    fn reserved(&self) -> Result<Arc<Reserved>> {
        // A forked child would give out the IDs of its parent.
        self.inner.store.here()?;
        let _held = log::hold();
        let mut reserved = self.inner.reserved.lock();
        if let Some(reserved) = &*reserved {
            return Ok(reserved.clone());
        }
        let NamespaceOptions { prefix, functions, metadata, .. } = self.inner.declared.clone();
        let declaration = declare(&self.inner.store, &prefix, self.name(), functions, metadata)?;
        let new = Arc::new(Reserved { prefix: declaration.id().prefix(), _declaration: declaration });
        *reserved = Some(new.clone());
        drop(reserved);
        log::write(Level::Info, || format!("Store using prefix {} for objects", id_text(&new.prefix)));
        Ok(new)
    }

    /// Returns a new ID, which is never returned again.
    pub fn new_id(&self) -> Result<ObjectId> {
        Ok(fresh_id(self.prefix()?, &self.inner.store))
    }

    /// Puts these bytes as a raw object.
    pub fn put_bytes(&self, data: &[u8], metadata: &[u8]) -> Result<Ref> {
        let reference = self.new_ref(Expectation::default())?;
        reference.put_bytes(data, metadata)?;
        Ok(reference)
    }

    /// Creates an owning reference to an object that does not exist yet, to pass it as an output or to put the object
    /// later.
    pub fn new_ref(&self, expect: impl Into<Expectation>) -> Result<Ref> {
        self.sweep(2);
        self.unswept_ref(expect.into())
    }

    /// As [`Namespace::new_ref`], for those that sweep once for many.
    pub(in crate::dal) fn unswept_ref(&self, expect: impl Into<Expected>) -> Result<Ref> {
        let reserved = self.reserved()?;
        let id = fresh_id(reserved.prefix, &self.inner.store);
        let home = Home { _reserved: Some(reserved), namespace: Arc::downgrade(&self.inner) };
        Ok(Ref::owning(&self.inner.store, id, expect.into(), home).with_full_timeout(self.full_timeout))
    }

    /// An owning reference to an object of somebody else's, which the claim is on, with the calls on which it depends.
    pub(in crate::dal) fn adopt(&self, want: Want, calls: Vec<Arc<IssuedCall>>) -> Ref {
        let home = Home { _reserved: None, namespace: Arc::downgrade(&self.inner) };
        let promised = !calls.is_empty();
        let reference = Ref::imported(&self.inner.store, home, want, calls);
        if promised {
            self.remember(reference.unfinished());
        }
        reference
    }

    /// Creates a borrowed reference to the object with an ID. It never deletes the object.
    pub fn borrow(&self, id: ObjectId, expect: impl Into<Expectation>) -> Ref {
        let expect: Expectation = expect.into();
        Ref::borrowed(&self.inner.store, id, expect).with_full_timeout(self.full_timeout)
    }

    /// Checks `count` of the outputs that this namespace waits for, and releases the calls of those that exist now,
    /// with their inputs. Every put and call does this for some outputs. A program that holds many results without
    /// checking them may call it too.
    pub fn sweep(&self, count: usize) {
        Backlog::sweep(&self.inner.backlog, &self.inner.store, count);
    }

    /// How many outputs and calls of this namespace are not known to have ended.
    pub fn unfinished(&self) -> usize {
        self.inner.backlog.lock().len()
    }

    pub(in crate::dal) fn remember(&self, item: Unfinished) {
        self.inner.backlog.lock().push(item);
    }
}

/// How an object of plain bytes is created.
pub(in crate::dal) fn raw_spec(
    data_len: usize,
    metadata: &[u8],
    want: bool,
    keep: bool,
) -> Result<CreateSpec<'_>> {
    let data_size =
        u64::try_from(data_len).map_err(|_| Error::invalid("more bytes than a store can hold"))?;
    Ok(CreateSpec { data_size, metadata, want, keep, evictable: false, zeroed: false, full_timeout: None })
}

/// Reserves the lowest free prefix that starts with `start` and writes the declaration.
pub(in crate::dal) fn declare(
    store: &Store,
    start: &[u8],
    name: &str,
    functions: Vec<CallSchema>,
    metadata: Metadata,
) -> Result<Want> {
    if start.len() > PREFIX_SIZE {
        return Err(Error::invalid(format!(
            "a namespace prefix has at most {PREFIX_SIZE} bytes, not {}",
            start.len()
        )));
    }
    let pid = process_id();
    let mut argv = arguments();
    if !tells_arguments(store) {
        argv.truncate(1);
    }
    let declaration = Declaration { name: name.to_owned(), pid, argv, functions, metadata };
    store.reserve(start, &mut |prefix| declaration.encode(prefix))
}

/// Counts all IDs of this process. Not a lock: a forked child would inherit it held. Never starts again, so
/// that a prefix which this attachment reserves a second time gives no ID twice.
static COUNTER: AtomicU64 = AtomicU64::new(1);

/// prefix (4 bytes), attachment number (4, big endian), identity of the store (its last 6), counter (6, big endian). The
/// identity makes an ID that was written down name nothing in a store that was made later at the same path.
pub(in crate::dal) fn fresh_id(prefix: Prefix, store: &Store) -> ObjectId {
    // SYNC: only uniqueness matters, nothing is published through the counter.
    compose_id(prefix, store.number(), store.identity(), next_number(&COUNTER))
}

#[cfg(not(feature = "simulate"))]
fn next_number(counter: &AtomicU64) -> u64 {
    counter.fetch_add(1, Ordering::Relaxed)
}

/// Of a simulated process, too, the first one is 1.
#[cfg(feature = "simulate")]
fn next_number(counter: &AtomicU64) -> u64 {
    crate::sync::sim::count(counter).unwrap_or_else(|| counter.fetch_add(1, Ordering::Relaxed))
}

fn compose_id(prefix: Prefix, number: u32, identity: u64, counter: u64) -> ObjectId {
    let mut id = [0; ID_SIZE];
    id[..4].copy_from_slice(&prefix);
    id[4..8].copy_from_slice(&number.to_be_bytes());
    id[8..14].copy_from_slice(&identity.to_be_bytes()[2..]);
    id[14..].copy_from_slice(&counter.to_be_bytes()[2..]);
    ObjectId::new(id)
}

/// Whether a declaration has all arguments of the program. Any client can read them there, also after the program's end. The
/// system shows them to the same user anyway, but not to a group with which the store is shared.
fn tells_arguments(store: &Store) -> bool {
    match std::env::var_os("SDP_DAL_ARGV") {
        Some(value) if value == "0" => false,
        Some(value) if value == "1" => true,
        _ => !store.is_shared_with_group(),
    }
}

fn process_id() -> u32 {
    // As long in every run, so that a seed replays.
    #[cfg(feature = "simulate")]
    if crate::sync::sim::is_task() {
        return 1000;
    }
    std::process::id()
}

/// This process's arguments.
fn arguments() -> Vec<String> {
    #[cfg(feature = "simulate")]
    if crate::sync::sim::is_task() {
        return vec!["simulated".to_owned()];
    }
    // In a C or Python program /proc has them whatever the runtime did to its copy.
    let raw = std::fs::read("/proc/self/cmdline").unwrap_or_default();
    let split = |raw: &[u8]| -> Vec<String> {
        raw.split(|byte| *byte == 0).map(|arg| String::from_utf8_lossy(arg).into_owned()).collect()
    };
    match raw.strip_suffix(&[0]) {
        Some(raw) => split(raw),
        None if raw.is_empty() => std::env::args_os().map(|arg| arg.to_string_lossy().into_owned()).collect(),
        None => split(&raw),
    }
}

/// The file name of the program.
pub(in crate::dal) fn program_name() -> String {
    let arguments = arguments();
    let path = arguments.first().map_or("", String::as_str);
    let name = path.rsplit('/').next().unwrap_or(path);
    if name.is_empty() {
        "unnamed".to_owned()
    } else {
        name.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_prefix_attachment_store_and_counter() {
        let id = compose_id([1, 2, 3, 4], 0x0506_0708, 0xa0a1_a2a3_a4a5_a6a7, 0x090a);
        assert_eq!(id.to_string(), "0102030405060708a2a3a4a5a6a700000000090a");
        assert_eq!(id.prefix(), [1, 2, 3, 4]);
        assert!(!id.is_declaration());
    }

    #[test]
    fn the_program_has_a_name() {
        let name = program_name();
        assert!(!name.is_empty() && !name.contains('/'), "{name}");
        assert!(arguments()[0].ends_with(&name));
    }
}
