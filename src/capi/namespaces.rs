//! Namespaces: making one, and sdp_dal_namespaces, the list of those that are declared.

use std::ffi::c_char;

use super::guard::{guard, Site};
use super::handle::{make, word, Handle};
use super::schema::{sdp_dal_schema, SchemaState};
use super::status::sdp_dal_status;
use super::store::{sdp_dal_store, StoreState};
use super::structs::Extensible;
use super::texts::{Infos, Texts};
use crate::dal::{namespaces, DeclaredNamespace, Namespace, NamespaceOptions};
use crate::error::{Error, Result};
use crate::store::PREFIX_SIZE;
use crate::wire::{CallSchema, Metadata};

/// Options of sdp_dal_store_new_namespace(): what the namespace declares.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sdp_dal_namespace_options {
    /// sizeof(sdp_dal_namespace_options).
    pub struct_size: usize,
    /// Its name in lists and messages. Default (NULL): the name of the program.
    pub name: *const c_char,
    /// First bytes of its prefix; may be NULL if there are none.
    pub prefix: *const u8,
    /// Bytes of prefix, 0 to SDP_DAL_PREFIX_SIZE.
    pub prefix_size: usize,
    /// Functions that it offers: callers put their calls into it. May be NULL if there are none.
    pub schemas: *const *const sdp_dal_schema,
    /// Number of schemas.
    pub num_schemas: usize,
    /// Keys of its metadata, which must not start with "proc:". May be NULL if there are none.
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

/// Description of a declared namespace.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sdp_dal_namespace_info {
    /// sizeof(sdp_dal_namespace_info).
    pub struct_size: usize,
    /// Its name, "" if its declaration is damaged. Borrowed: valid until the list is freed.
    pub name: *const c_char,
    /// The command line of the owner, the program first. Borrowed like name.
    ///
    /// Every client of the store can read them, also after the process has ended. With the environment variable
    /// SDP_DAL_ARGV=0 a process declares only its program. Default: all arguments. In a store created with
    /// SDP_DAL_STORE_SHARE_WITH_GROUP the default is only the program, unless SDP_DAL_ARGV is 1.
    pub args: *const *const c_char,
    /// Keys of its metadata, sorted. Those of the library start with "proc:". Borrowed like name.
    pub metadata_keys: *const *const c_char,
    /// The values of the keys. A value with a NUL byte ends there. Borrowed like name.
    pub metadata_values: *const *const c_char,
    /// Number of arguments.
    pub num_args: usize,
    /// Number of keys, and of values.
    pub num_metadata: usize,
    /// Number of functions that it offers.
    pub num_functions: usize,
    /// Number of the client that declared it.
    pub owner: u32,
    /// The process ID of the owner, in its own container.
    pub pid: u32,
    /// Number of unfinished calls in its queue.
    pub queued: u32,
    /// 1 if the owner is running and has not closed it, otherwise 0.
    pub alive: u32,
    /// Its prefix.
    pub prefix: [u8; 4],
    /// 0.
    pub reserved: u32,
}

// SAFETY: repr(C), struct_size first, every bit pattern is a value.
unsafe impl Extensible for sdp_dal_namespace_info {
    const NAME: &'static str = "sdp_dal_namespace_info";
}
const _: () = assert!(size_of::<sdp_dal_namespace_info>() == size_of::<[usize; 8]>() + 5 * 4 + PREFIX_SIZE);

fn info_of(namespace: &DeclaredNamespace, texts: &mut Texts) -> sdp_dal_namespace_info {
    let metadata = texts.lend_metadata(&namespace.metadata);
    sdp_dal_namespace_info {
        struct_size: size_of::<sdp_dal_namespace_info>(),
        name: texts.lend(&namespace.name),
        args: texts.lend_all(namespace.argv.iter().map(String::as_str)),
        metadata_keys: metadata.keys,
        metadata_values: metadata.values,
        num_args: namespace.argv.len(),
        num_metadata: metadata.count,
        num_functions: namespace.functions.len(),
        owner: namespace.owner,
        pid: namespace.pid,
        queued: namespace.queued,
        alive: u32::from(namespace.alive),
        prefix: namespace.prefix,
        reserved: 0,
    }
}

/// A snapshot of the namespaces of a store, sorted by prefix. Created by sdp_dal_store_list_namespaces(), freed by
/// sdp_dal_namespaces_free().
pub struct sdp_dal_namespaces {
    _opaque: [u8; 0],
}

impl Handle for sdp_dal_namespaces {
    type Value = NamespacesState;
    const WORD: u64 = word(b"sdpNames");
    const OF_STORE: bool = false;
}

/// What a list holds.
pub(super) struct NamespacesState {
    infos: Infos<sdp_dal_namespace_info>,
    functions: Vec<Vec<CallSchema>>,
}

/// Creates a second handle of a store with a namespace of its own: a prefix under which no other handle puts objects.
/// It shares the attachment.
///
/// It reserves the lowest free prefix that starts with the bytes in the options. This happens at once if the options
/// have a prefix, functions or metadata, otherwise when the first object is put. Objects that are left under the prefix
/// are deleted then. The prefix stays reserved as long as the handle, or an owning reference created from it, exists.
/// With schemas, callers find the namespace and put their calls into it. To run the calls, use
/// sdp_dal_processor_open().
///
/// options: NULL for the defaults.
/// out: The caller owns *out and must call sdp_dal_store_close().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NAMESPACE_IN_USE if the only such prefix is in use by another client,
/// SDP_DAL_LIMIT_REACHED, SDP_DAL_OUT_OF_MEMORY, SDP_DAL_FORKED. Does not wait for other clients.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_store_new_namespace(
    store: *const sdp_dal_store,
    options: *const sdp_dal_namespace_options,
    out: *mut *mut sdp_dal_store,
) -> sdp_dal_status {
    guard("sdp_dal_store_new_namespace", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, namespace, options) = unsafe {
            (site.out(out, "out")?, site.handle(store, "store")?, site.namespace_options(options)?)
        };
        let is_plain =
            options.prefix.is_empty() && options.functions.is_empty() && options.metadata.is_empty();
        let made = match is_plain {
            true => Namespace::new(namespace.store(), options.name.as_deref()),
            false => Namespace::reserve(namespace.store(), options)?,
        };
        out.set(make(StoreState::new(made)));
        Ok(())
    })
}

/// Lists the declared namespaces.
///
/// out: The caller owns *out and must call sdp_dal_namespaces_free(). out_count: how many there are.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_CORRUPT, SDP_DAL_BUSY, SDP_DAL_FORKED. Does not wait for other clients.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_store_list_namespaces(
    store: *const sdp_dal_store,
    out: *mut *mut sdp_dal_namespaces,
    out_count: *mut usize,
) -> sdp_dal_status {
    guard("sdp_dal_store_list_namespaces", |site| {
        // SAFETY: the header's rules for pointers.
        let ((out, out_count), namespace) =
            unsafe { (site.outs((out, "out"), (out_count, "out_count"))?, site.handle(store, "store")?) };
        let found = namespaces(namespace.store())?;
        let infos = Infos::new(&found, info_of);
        out_count.set(infos.len());
        let functions = found.into_iter().map(|namespace| namespace.functions).collect();
        out.set(make(NamespacesState { infos, functions }));
        Ok(())
    })
}

/// Returns one namespace of a list.
///
/// index: from 0 to the number of namespaces, exclusive. out: filled in. Set its struct_size first.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_namespaces_get_info(
    list: *const sdp_dal_namespaces,
    index: usize,
    out: *mut sdp_dal_namespace_info,
) -> sdp_dal_status {
    guard("sdp_dal_namespaces_get_info", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, list) = unsafe { (site.out_struct(out, "out")?, site.handle(list, "list")?) };
        out.set(list.infos.get(index).ok_or_else(|| site.past_namespaces(list, index))?);
        Ok(())
    })
}

/// Returns the schema of a function that a namespace offers. Forms of a function are functions of the same name.
///
/// index: from 0 to the number of namespaces, exclusive. function: 0 to the info's num_functions - 1.
/// out: The caller owns *out and must call sdp_dal_schema_free().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_namespaces_get_function(
    list: *const sdp_dal_namespaces,
    index: usize,
    function: usize,
    out: *mut *mut sdp_dal_schema,
) -> sdp_dal_status {
    guard("sdp_dal_namespaces_get_function", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, list) = unsafe { (site.out(out, "out")?, site.handle(list, "list")?) };
        let functions = list.functions.get(index).ok_or_else(|| site.past_namespaces(list, index))?;
        let past = || {
            let count = functions.len();
            site.wrong(format_args!("'function' is {function}, but the namespace offers {count} functions"))
        };
        out.set(make(SchemaState::new(functions.get(function).ok_or_else(past)?.clone())));
        Ok(())
    })
}

/// Frees a list of namespaces. NULL is allowed. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_namespaces_free(list: *mut sdp_dal_namespaces) {
    guard("sdp_dal_namespaces_free", |site| {
        // SAFETY: the header's rules for pointers.
        unsafe { site.end(list, "list") }
    });
}

impl Site {
    fn past_namespaces(self, list: &NamespacesState, index: usize) -> Error {
        self.wrong(format_args!("'index' is {index}, but the list has {} namespaces", list.infos.len()))
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
