//! sdp_dal_store: an attachment with a namespace.

use std::ffi::{c_char, CString, OsString};
use std::ops::Deref;
use std::path::PathBuf;

use super::guard::{guard, Site};
use super::handle::{make, word, Handle};
use super::status::sdp_dal_status;
use super::structs::Extensible;
use super::types::sdp_dal_store_flag as flag;
use crate::dal::Namespace;
use crate::error::Result;
use crate::store::{self, Store, StoreOptions};

/// A store that this process uses, and a namespace in it. Opened by sdp_dal_store_open(), closed by
/// sdp_dal_store_close().
pub struct sdp_dal_store {
    _opaque: [u8; 0],
}

impl Handle for sdp_dal_store {
    type Value = StoreState;
    const WORD: u64 = word(b"sdpStore");
}

/// The namespace that a handle stands for, and the store's path as C reads it.
pub(super) struct StoreState {
    namespace: Namespace,
    path: CString,
}

impl StoreState {
    pub(super) fn new(namespace: Namespace) -> StoreState {
        // A path has no NUL.
        let path = CString::new(namespace.store().path().to_string_lossy().as_bytes()).unwrap_or_default();
        StoreState { namespace, path }
    }
}

impl Deref for StoreState {
    type Target = Namespace;

    fn deref(&self) -> &Namespace {
        &self.namespace
    }
}

/// Options of sdp_dal_store_open(). Zero bytes mean the default.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sdp_dal_store_options {
    /// sizeof(sdp_dal_store_options).
    pub struct_size: usize,
    /// Size of a new store: how many bytes can be put into it. Default (0): the environment variable
    /// SDP_DAL_STORE_SIZE, or half of the free space in the tmpfs or control group, whichever is less.
    pub size: u64,
    /// Name of this client in lists and messages. Default (NULL): the name of the program.
    pub name: *const c_char,
    /// Maximum number of objects in a new store, up to 2^26. It is rounded up to a power of two, and to 1024 (see
    /// sdp_dal_store_stat). Default: 1048576.
    pub max_objects: u32,
    /// Maximum number of clients of a new store, a multiple of 64 up to 1024. Default: 256.
    pub max_clients: u32,
    /// Group ID, used with SDP_DAL_STORE_SHARE_WITH_GROUP.
    pub group: u32,
    /// User ID, used with SDP_DAL_STORE_ACCEPT_OWNER.
    pub accept_owner: u32,
    /// One of sdp_dal_create_mode.
    pub create: i32,
    /// Bits of sdp_dal_store_flag.
    pub flags: u32,
}

// SAFETY: repr(C), struct_size first, every bit pattern is a value.
unsafe impl Extensible for sdp_dal_store_options {
    const NAME: &'static str = "sdp_dal_store_options";
}
const _: () = assert!(size_of::<sdp_dal_store_options>() == 2 * size_of::<usize>() + 8 + 6 * 4);

/// Statistics of a store: sizes in bytes, and counts.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sdp_dal_store_stat {
    /// sizeof(sdp_dal_store_stat).
    pub struct_size: usize,
    /// Size of the store: bytes that fit when it is empty.
    pub size: u64,
    /// Bytes in use, without those of used_small.
    pub used: u64,
    /// Bytes not in use.
    pub free: u64,
    /// The largest object that fits now, in bytes.
    pub largest_free: u64,
    /// Bytes that were allocated from the system.
    pub reserved: u64,
    /// Objects of every state.
    pub objects: u64,
    /// Complete objects.
    pub sealed: u64,
    /// Objects being written.
    pub creating: u64,
    /// Outputs that do not exist yet.
    pub awaited: u64,
    /// Objects that will never exist.
    pub failed: u64,
    /// Deleted objects that are still held.
    pub doomed: u64,
    /// Maximum number of objects: a power of two, at least what sdp_dal_store_options requested.
    pub max_objects: u64,
    /// How often the bookkeeping was rebuilt after a client crashed.
    pub recoveries: u64,
    /// Crashed clients whose objects and memory were reclaimed.
    pub reaped: u64,
    /// Number of clients.
    pub clients: u32,
    /// Maximum number of clients.
    pub max_clients: u32,
    /// Number of namespaces.
    pub namespaces: u32,
    /// 0.
    pub reserved_0: u32,
    /// Bytes in use by objects below 4 KiB, which have memory of their own besides size.
    pub used_small: u64,
    /// Bytes of arguments that calls have copied since the store was created: tensors and tables that were passed as
    /// values and were not in the store, or could not be passed as they are there.
    pub copied: u64,
}

// SAFETY: repr(C), struct_size first, every bit pattern is a value.
unsafe impl Extensible for sdp_dal_store_stat {
    const NAME: &'static str = "sdp_dal_store_stat";
}
const _: () = assert!(size_of::<sdp_dal_store_stat>() == size_of::<usize>() + 16 * 8 + 4 * 4);

const NO_STAT: sdp_dal_store_stat = sdp_dal_store_stat {
    struct_size: 0,
    size: 0,
    used: 0,
    free: 0,
    largest_free: 0,
    reserved: 0,
    objects: 0,
    sealed: 0,
    creating: 0,
    awaited: 0,
    failed: 0,
    doomed: 0,
    max_objects: 0,
    recoveries: 0,
    reaped: 0,
    clients: 0,
    max_clients: 0,
    namespaces: 0,
    reserved_0: 0,
    used_small: 0,
    copied: 0,
};

/// Opens the store at a path, and creates it if there is none.
///
/// A process has one attachment to a store, even if it opens the store several times. Every handle has a namespace of
/// its own, which is reserved when the first object is put into it.
///
/// path: the path of the store. NULL: the environment variable SDP_DAL_STORE.
/// options: NULL for the defaults.
/// out: The caller owns *out and must call sdp_dal_store_close().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NOT_FOUND, SDP_DAL_ALREADY_EXISTS (SDP_DAL_STORE_EXACT),
/// SDP_DAL_PERMISSION_DENIED, SDP_DAL_CORRUPT, SDP_DAL_UNSUPPORTED, SDP_DAL_LIMIT_REACHED, SDP_DAL_OUT_OF_MEMORY,
/// SDP_DAL_IO, SDP_DAL_BUSY. Blocks only as long as the operating system takes.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_store_open(
    path: *const c_char,
    options: *const sdp_dal_store_options,
    out: *mut *mut sdp_dal_store,
) -> sdp_dal_status {
    guard("sdp_dal_store_open", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, path, options) = unsafe {
            (site.out(out, "out")?, site.text_or_none(path, "path")?, site.store_options(options)?)
        };
        let path = match path {
            Some(path) => PathBuf::from(path),
            None => default_path().map(PathBuf::from).ok_or_else(|| {
                site.wrong(
                    "'path' is NULL, and the environment variable SDP_DAL_STORE is not set: pass the \
                     path of a store",
                )
            })?,
        };
        let store = Store::open(&path, &options)?;
        out.set(make(StoreState::new(Namespace::new(&store, options.name.as_deref()))));
        Ok(())
    })
}

fn default_path() -> Option<OsString> {
    std::env::var_os("SDP_DAL_STORE").filter(|path| !path.is_empty())
}

/// Sets how long everything that is put with this handle waits for space when the store is full. After that it fails with
/// SDP_DAL_OUT_OF_MEMORY. Callers and references that are created from the handle later keep this time, unless their own
/// options say otherwise.
///
/// full_timeout_ns: nanoseconds, 1 for not at all, or SDP_DAL_WAIT_FOREVER. Default (0): the environment variable
/// SDP_DAL_FULL_TIMEOUT, or 10 s, and only while another client can free space.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_store_set_full_timeout(
    store: *mut sdp_dal_store,
    full_timeout_ns: i64,
) -> sdp_dal_status {
    guard("sdp_dal_store_set_full_timeout", |site| {
        // SAFETY: the header's rules for pointers.
        let state = unsafe { site.handle_mut(store, "store")? };
        state.namespace = state.namespace.with_full_timeout(site.full_timeout(full_timeout_ns)?);
        Ok(())
    })
}

/// Closes a handle of a store. NULL is allowed.
///
/// All handles that were created from it stay valid, and the attachment ends with the last of them. Waits at most 100
/// ms.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_store_close(store: *mut sdp_dal_store) {
    guard("sdp_dal_store_close", |site| {
        // SAFETY: the header's rules for pointers.
        unsafe { site.end(store, "store") }
    });
}

/// The store to which a handle belongs.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sdp_dal_store_info {
    /// sizeof(sdp_dal_store_info).
    pub struct_size: usize,
    /// The path with which it was opened. Borrowed: valid until the handle is closed.
    pub path: *const c_char,
    /// A random number that identifies this store, the same for all clients and for the lifetime of the store. A store
    /// that is created later at the same path has another number. If an object ID is saved, save this number too, and
    /// compare it before the ID is used again.
    pub identity: u64,
    /// The number of this process as a client of the store.
    pub client: u32,
    /// 0.
    pub reserved: u32,
}

// SAFETY: repr(C), struct_size first, every bit pattern is a value.
unsafe impl Extensible for sdp_dal_store_info {
    const NAME: &'static str = "sdp_dal_store_info";
}
const _: () = assert!(size_of::<sdp_dal_store_info>() == 2 * size_of::<usize>() + 8 + 2 * 4);

/// Returns the path and the identity of the store of a handle.
///
/// out: filled in. Set its struct_size first.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_FORKED. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_store_get_info(
    store: *const sdp_dal_store,
    out: *mut sdp_dal_store_info,
) -> sdp_dal_status {
    guard("sdp_dal_store_get_info", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, state) = unsafe { (site.out_struct(out, "out")?, site.handle(store, "store")?) };
        let store = state.store();
        store.here()?;
        out.set(sdp_dal_store_info {
            struct_size: 0,
            path: state.path.as_ptr(),
            identity: store.identity(),
            client: store.number(),
            reserved: 0,
        });
        Ok(())
    })
}

/// Returns the prefix of the namespace of a handle, and reserves the namespace if that was not done before.
///
/// out_prefix: a buffer of SDP_DAL_PREFIX_SIZE bytes.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_LIMIT_REACHED, SDP_DAL_OUT_OF_MEMORY, SDP_DAL_FORKED. Does not wait for
/// other clients.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_store_get_prefix(
    store: *const sdp_dal_store,
    out_prefix: *mut u8,
) -> sdp_dal_status {
    guard("sdp_dal_store_get_prefix", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, namespace) =
            unsafe { (site.prefix_out(out_prefix, "out_prefix")?, site.handle(store, "store")?) };
        out.set(namespace.prefix()?);
        Ok(())
    })
}

/// Returns the current statistics of a store.
///
/// out: filled in. Set its struct_size first.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_CORRUPT, SDP_DAL_BUSY, SDP_DAL_FORKED. Does not wait for other clients.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_store_get_stat(
    store: *const sdp_dal_store,
    out: *mut sdp_dal_store_stat,
) -> sdp_dal_status {
    guard("sdp_dal_store_get_stat", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, namespace) = unsafe { (site.out_struct(out, "out")?, site.handle(store, "store")?) };
        let stat = namespace.store().stat()?;
        out.set(sdp_dal_store_stat {
            size: stat.size,
            used: stat.used,
            used_small: stat.used_small,
            copied: stat.copied,
            free: stat.free,
            largest_free: stat.largest_free,
            reserved: stat.reserved,
            objects: stat.objects,
            sealed: stat.sealed,
            creating: stat.creating,
            awaited: stat.awaited,
            failed: stat.failed,
            doomed: stat.doomed,
            max_objects: stat.max_objects,
            recoveries: stat.recoveries,
            reaped: stat.reaped,
            clients: stat.clients,
            max_clients: stat.max_clients,
            namespaces: stat.namespaces,
            ..NO_STAT
        });
        Ok(())
    })
}

/// Returns unused memory to the system: the memory after the last object. Gaps between objects stay, because they are
/// reused first. Without this function the store keeps its memory while it has clients, because memory that was used
/// before is faster. Memory that was reserved with SDP_DAL_STORE_RESERVE is returned too.
///
/// out_bytes: the number of bytes that were returned.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_CORRUPT, SDP_DAL_BUSY, SDP_DAL_FORKED, SDP_DAL_IO. Does not wait for other
/// clients, but clients that create objects wait for it, some milliseconds at a time.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_store_trim(
    store: *const sdp_dal_store,
    out_bytes: *mut u64,
) -> sdp_dal_status {
    guard("sdp_dal_store_trim", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, namespace) = unsafe { (site.out(out_bytes, "out_bytes")?, site.handle(store, "store")?) };
        out.set(namespace.store().trim()?);
        Ok(())
    })
}

/// Deletes evictable objects that no client wants or holds, until enough bytes are deleted or none is left. The object
/// that was released the longest time ago is deleted first. A store that was created with SDP_DAL_STORE_EVICTION does
/// this by itself when it is full. In other stores this function deletes nothing.
///
/// bytes: how many bytes to delete. out_bytes: the number of bytes of the deleted objects.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_CORRUPT, SDP_DAL_BUSY, SDP_DAL_FORKED. Does not wait for other clients.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_store_evict(
    store: *const sdp_dal_store,
    bytes: u64,
    out_bytes: *mut u64,
) -> sdp_dal_status {
    guard("sdp_dal_store_evict", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, namespace) = unsafe { (site.out(out_bytes, "out_bytes")?, site.handle(store, "store")?) };
        out.set(namespace.store().evict(bytes)?);
        Ok(())
    })
}

/// Removes the stores that no other client uses, without freeing handles. It is for programs that end without freeing
/// all their handles, as in garbage-collected languages. Handles stay valid, but no other process can find objects that
/// are put into such a store from now on. Stores with other clients are not changed: those clients notice the end of
/// this process.
///
/// If a process ends without closing its stores and without this function, the memory of stores without other clients
/// stays in use. It is freed when their paths are opened again, or by `sdp-dal stores --remove-left-over`.
///
/// Errors: none. Waits at most 100 ms for each store.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_stores_leave() -> sdp_dal_status {
    guard("sdp_dal_stores_leave", |_| {
        store::leave_all();
        Ok(())
    })
}

/// Interrupts all waits of this process on this store while on is true. Every function that waits, or would wait,
/// returns SDP_DAL_INTERRUPTED.
///
/// May be called from any thread, and from a signal handler.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_store_interrupt(store: *const sdp_dal_store, on: bool) -> sdp_dal_status {
    guard("sdp_dal_store_interrupt", |site| {
        // SAFETY: the header's rules for pointers.
        let namespace = unsafe { site.handle(store, "store")? };
        namespace.store().interrupt(on);
        Ok(())
    })
}

impl Site {
    /// # Safety
    /// The header's rules for pointers, for `options` and its name.
    unsafe fn store_options(self, options: *const sdp_dal_store_options) -> Result<StoreOptions> {
        // SAFETY: the caller's promise.
        let Some(options) = (unsafe { self.in_struct(options, "options")? }) else {
            return Ok(StoreOptions::default());
        };
        // SAFETY: the caller's promise.
        let name = unsafe { self.text_or_none(options.name, "options.name")? };
        const GROUP: u32 = flag::SDP_DAL_STORE_SHARE_WITH_GROUP as u32;
        const OWNER: u32 = flag::SDP_DAL_STORE_ACCEPT_OWNER as u32;
        const EVICTION: u32 = flag::SDP_DAL_STORE_EVICTION as u32;
        const RESERVE: u32 = flag::SDP_DAL_STORE_RESERVE as u32;
        const EXACT: u32 = flag::SDP_DAL_STORE_EXACT as u32;
        let known = GROUP | OWNER | EVICTION | RESERVE | EXACT;
        let flags = self.flags(options.flags, known, "options.flags")?;
        let given = |value: u32| (value != 0).then_some(value);
        Ok(StoreOptions {
            size: (options.size != 0).then_some(options.size),
            max_objects: given(options.max_objects),
            max_clients: given(options.max_clients),
            group: (flags & GROUP != 0).then_some(options.group),
            accept_owner: (flags & OWNER != 0).then_some(options.accept_owner),
            create: self.create_mode(options.create, "options.create")?,
            name: name.map(str::to_owned),
            eviction: flags & EVICTION != 0,
            reserve: flags & RESERVE != 0,
            exact: flags & EXACT != 0,
        })
    }
}
