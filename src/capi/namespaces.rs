//! Namespaces: reserving one, and sdp_dal_namespaces, the list of those that are declared.

use std::ffi::c_char;

use super::guard::{guard, guard_value, Site};
use super::handle::{make, word, Handle};
use super::schema::sdp_dal_schema;
use super::schema_metadata::metadata_value;
use super::status::sdp_dal_status;
use super::store::sdp_dal_store;
use super::structs::Extensible;
use crate::dal::{namespaces, DeclaredNamespace, Namespace, NamespaceOptions};
use crate::error::Result;
use crate::store::PREFIX_SIZE;
use crate::wire::{CallSchema, Metadata};

/// What a namespace declares.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sdp_dal_namespace_options {
    /// sizeof(sdp_dal_namespace_options).
    pub struct_size: usize,
    /// Its name in displays; NULL: the program's.
    pub name: *const c_char,
    /// First bytes of its prefix; may be NULL if there are none.
    pub prefix: *const u8,
    /// Bytes of prefix, 0 to SDP_DAL_PREFIX_SIZE.
    pub prefix_size: usize,
    /// Functions whose calls are to be put into it; may be NULL if there are none.
    pub schemas: *const *const sdp_dal_schema,
    /// Number of schemas.
    pub num_schemas: usize,
    /// Keys of what else is said about it; may be NULL if there are none. They do not start with "proc:".
    pub metadata_keys: *const *const c_char,
    /// The values of the keys.
    pub metadata_values: *const *const c_char,
    /// Number of keys, and of values.
    pub num_metadata: usize,
}

// SAFETY: repr(C), struct_size first, every bit pattern is a value.
unsafe impl Extensible for sdp_dal_namespace_options {
    const NAME: &'static str = "sdp_dal_namespace_options";
}
const _: () = assert!(size_of::<sdp_dal_namespace_options>() == 9 * size_of::<usize>());

/// A declared namespace.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sdp_dal_namespace_info {
    /// sizeof(sdp_dal_namespace_info).
    pub struct_size: usize,
    /// Number of the client that declared it.
    pub owner: u32,
    /// The owner's process ID in its own container.
    pub pid: u32,
    /// Calls in its queue that have not ended.
    pub queued: u32,
    /// 1 if the owner lives and has not closed it, else 0.
    pub alive: u32,
    /// Number of the owner's arguments, its program included.
    pub num_args: u32,
    /// Its prefix.
    pub prefix: [u8; 4],
}

// SAFETY: repr(C), struct_size first, every bit pattern is a value.
unsafe impl Extensible for sdp_dal_namespace_info {
    const NAME: &'static str = "sdp_dal_namespace_info";
}
const _: () = assert!(size_of::<sdp_dal_namespace_info>() == size_of::<usize>() + 5 * 4 + PREFIX_SIZE);

const NO_INFO: sdp_dal_namespace_info = sdp_dal_namespace_info {
    struct_size: 0,
    owner: 0,
    pid: 0,
    queued: 0,
    alive: 0,
    num_args: 0,
    prefix: [0; PREFIX_SIZE],
};

/// The namespaces of a store as they were at one moment, by prefix. Made by sdp_dal_namespace_list(), ended by
/// sdp_dal_namespaces_free().
pub struct sdp_dal_namespaces {
    _opaque: [u8; 0],
}

impl Handle for sdp_dal_namespaces {
    type Value = Vec<DeclaredNamespace>;
    const WORD: u64 = word(b"sdpNames");
    const OF_STORE: bool = false;
}

/// Reserves a namespace of the same attachment at once: the lowest free prefix that starts as the options say.
///
/// Objects that are left under the prefix are deleted first. It stays reserved as long as the handle, or an owning
/// reference made from it, lives. With schemas it is what callers look for, and their calls are put into it;
/// sdp_dal_processor_open() is for those that also run them.
///
/// options: NULL for the defaults.
/// out: The caller owns *out and must call sdp_dal_store_close().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NAMESPACE_IN_USE if the only such prefix belongs to a living client,
/// SDP_DAL_LIMIT_REACHED, SDP_DAL_OUT_OF_MEMORY, SDP_DAL_FORKED. Does not wait for others.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_namespace_reserve(
    store: *const sdp_dal_store,
    options: *const sdp_dal_namespace_options,
    out: *mut *mut sdp_dal_store,
) -> sdp_dal_status {
    guard("sdp_dal_namespace_reserve", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, namespace, options) = unsafe {
            (site.out(out, "out")?, site.handle(store, "store")?, site.namespace_options(options)?)
        };
        out.set(make(Namespace::reserve(namespace.store(), options)?));
        Ok(())
    })
}

/// Lists the declared namespaces.
///
/// out: The caller owns *out and must call sdp_dal_namespaces_free().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_CORRUPT, SDP_DAL_BUSY, SDP_DAL_FORKED. Does not wait for others.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_namespace_list(
    store: *const sdp_dal_store,
    out: *mut *mut sdp_dal_namespaces,
) -> sdp_dal_status {
    guard("sdp_dal_namespace_list", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, namespace) = unsafe { (site.out(out, "out")?, site.handle(store, "store")?) };
        out.set(make(namespaces(namespace.store())?));
        Ok(())
    })
}

/// The number of namespaces in a list; 0 if list is no list of namespaces. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_namespaces_count(list: *const sdp_dal_namespaces) -> usize {
    guard_value("sdp_dal_namespaces_count", 0, |site| {
        // SAFETY: the header's rules for pointers.
        Ok(unsafe { site.handle(list, "list")? }.len())
    })
}

/// One namespace of a list.
///
/// index: 0 to sdp_dal_namespaces_count() - 1. out: filled; set its struct_size first.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_namespaces_info(
    list: *const sdp_dal_namespaces,
    index: usize,
    out: *mut sdp_dal_namespace_info,
) -> sdp_dal_status {
    guard("sdp_dal_namespaces_info", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, list) = unsafe { (site.out_struct(out, "out")?, site.handle(list, "list")?) };
        let namespace = site.namespace(list, index)?;
        out.set(sdp_dal_namespace_info {
            owner: namespace.owner,
            pid: namespace.pid,
            queued: namespace.queued,
            alive: u32::from(namespace.alive),
            num_args: u32::try_from(namespace.argv.len()).unwrap_or(u32::MAX),
            prefix: namespace.prefix,
            ..NO_INFO
        });
        Ok(())
    })
}

/// Copies the name that a namespace gave itself; "" if its declaration is damaged.
///
/// index: 0 to sdp_dal_namespaces_count() - 1. buffer, length: as in sdp_dal_last_error().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_namespaces_name(
    list: *const sdp_dal_namespaces,
    index: usize,
    buffer: *mut c_char,
    length: *mut usize,
) -> sdp_dal_status {
    guard("sdp_dal_namespaces_name", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, list) = unsafe { (site.text_out(buffer, length)?, site.handle(list, "list")?) };
        out.set(&site.namespace(list, index)?.name);
        Ok(())
    })
}

/// Copies an argument of the process that declared a namespace; the first is its program.
///
/// Every client of the store can read them, also after the process has ended. With SDP_DAL_ARGV=0 in its environment a
/// process declares its program only. Default: all arguments, but only the program in a store made with
/// SDP_DAL_STORE_SHARE_WITH_GROUP, unless SDP_DAL_ARGV is 1.
///
/// index: 0 to sdp_dal_namespaces_count() - 1. arg: 0 to the info's num_args - 1.
/// buffer, length: as in sdp_dal_last_error().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_namespaces_arg(
    list: *const sdp_dal_namespaces,
    index: usize,
    arg: usize,
    buffer: *mut c_char,
    length: *mut usize,
) -> sdp_dal_status {
    guard("sdp_dal_namespaces_arg", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, list) = unsafe { (site.text_out(buffer, length)?, site.handle(list, "list")?) };
        let argv = &site.namespace(list, index)?.argv;
        let past = || site.wrong(format_args!("'arg' is {arg}, the process has {} arguments", argv.len()));
        out.set(argv.get(arg).ok_or_else(past)?);
        Ok(())
    })
}

/// The number of keys of a namespace's metadata; 0 if there is no such namespace. Does not block.
///
/// index: 0 to sdp_dal_namespaces_count() - 1.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_namespaces_num_metadata(
    list: *const sdp_dal_namespaces,
    index: usize,
) -> usize {
    guard_value("sdp_dal_namespaces_num_metadata", 0, |site| {
        // SAFETY: the header's rules for pointers.
        let list = unsafe { site.handle(list, "list")? };
        Ok(site.namespace(list, index)?.metadata.len())
    })
}

/// Copies a key of a namespace's metadata; they are sorted. Those of the library start with "proc:".
///
/// index: 0 to sdp_dal_namespaces_count() - 1. key: 0 to sdp_dal_namespaces_num_metadata() - 1.
/// buffer, length: as in sdp_dal_last_error().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_namespaces_metadata_key(
    list: *const sdp_dal_namespaces,
    index: usize,
    key: usize,
    buffer: *mut c_char,
    length: *mut usize,
) -> sdp_dal_status {
    guard("sdp_dal_namespaces_metadata_key", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, list) = unsafe { (site.text_out(buffer, length)?, site.handle(list, "list")?) };
        out.set(site.metadata_key(&site.namespace(list, index)?.metadata, key)?);
        Ok(())
    })
}

/// Copies what is said about a namespace under a key.
///
/// index: 0 to sdp_dal_namespaces_count() - 1.
/// buffer, length: as in sdp_dal_last_error(). The value of "proc:argv" has a NUL behind each argument.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NOT_FOUND. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_namespaces_metadata(
    list: *const sdp_dal_namespaces,
    index: usize,
    key: *const c_char,
    buffer: *mut c_char,
    length: *mut usize,
) -> sdp_dal_status {
    guard("sdp_dal_namespaces_metadata", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, list, key) =
            unsafe { (site.text_out(buffer, length)?, site.handle(list, "list")?, site.text(key, "key")?) };
        out.set(metadata_value(&site.namespace(list, index)?.metadata, key)?);
        Ok(())
    })
}

/// The number of functions that a namespace offers; 0 if there is no such namespace. Does not block.
///
/// index: 0 to sdp_dal_namespaces_count() - 1.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_namespaces_num_functions(
    list: *const sdp_dal_namespaces,
    index: usize,
) -> usize {
    guard_value("sdp_dal_namespaces_num_functions", 0, |site| {
        // SAFETY: the header's rules for pointers.
        let list = unsafe { site.handle(list, "list")? };
        Ok(site.namespace(list, index)?.functions.len())
    })
}

/// A function that a namespace offers.
///
/// index: 0 to sdp_dal_namespaces_count() - 1. function: 0 to sdp_dal_namespaces_num_functions() - 1.
/// out: The caller owns *out and must call sdp_dal_schema_free().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_namespaces_function(
    list: *const sdp_dal_namespaces,
    index: usize,
    function: usize,
    out: *mut *mut sdp_dal_schema,
) -> sdp_dal_status {
    guard("sdp_dal_namespaces_function", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, list) = unsafe { (site.out(out, "out")?, site.handle(list, "list")?) };
        let functions: &[CallSchema] = &site.namespace(list, index)?.functions;
        let past = || {
            let count = functions.len();
            site.wrong(format_args!("'function' is {function}, the namespace offers {count}"))
        };
        out.set(make(functions.get(function).ok_or_else(past)?.clone()));
        Ok(())
    })
}

/// Ends a list of namespaces. NULL is allowed. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_namespaces_free(list: *mut sdp_dal_namespaces) {
    guard("sdp_dal_namespaces_free", |site| {
        // SAFETY: the header's rules for pointers.
        drop(unsafe { site.end(list, "list")? });
        Ok(())
    });
}

impl Site {
    fn namespace(self, list: &[DeclaredNamespace], index: usize) -> Result<&DeclaredNamespace> {
        let past = || self.wrong(format_args!("'index' is {index}, the list has {} namespaces", list.len()));
        list.get(index).ok_or_else(past)
    }

    /// # Safety
    /// The header's rules for pointers, for `options` and what it points to.
    unsafe fn namespace_options(self, options: *const sdp_dal_namespace_options) -> Result<NamespaceOptions> {
        // SAFETY: the caller's promise.
        unsafe {
            let Some(options) = self.in_struct(options, "options")? else {
                return Ok(NamespaceOptions::default());
            };
            let count = options.num_metadata;
            let keys = self.items(options.metadata_keys, count, "options.metadata_keys")?;
            let values = self.items(options.metadata_values, count, "options.metadata_values")?;
            let mut metadata = Metadata::new();
            for (key, value) in keys.iter().zip(values) {
                let key = self.text(*key, "options.metadata_keys")?;
                metadata.insert(key.to_owned(), self.text(*value, "options.metadata_values")?.to_owned());
            }
            Ok(NamespaceOptions {
                name: self.text_or_none(options.name, "options.name")?.map(str::to_owned),
                prefix: self.start_of_prefix(options.prefix, options.prefix_size)?.to_vec(),
                functions: self.schemas(options.schemas, options.num_schemas, "options.schemas")?,
                metadata,
            })
        }
    }
}
