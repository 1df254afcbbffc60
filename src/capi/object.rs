//! Raw objects by their ID: what Plasma's client offered.

use std::ffi::c_void;

use super::buffer::sdp_dal_buffer;
use super::guard::{guard, Site};
use super::handle::make;
use super::list::{info_of, sdp_dal_list, sdp_dal_object_info};
use super::reference::{sdp_dal_ref, RefState};
use super::status::{self, sdp_dal_status};
use super::store::sdp_dal_store;
use super::structs::Extensible;
use super::types::sdp_dal_object_flag as flag;
use super::writer::{sdp_dal_writer, WriterState};
use crate::error::{Error, Kind, Result};
use crate::store::{CreateSpec, ObjectId, ObjectState, ID_SIZE};

/// Options of sdp_dal_object_create(). Zero bytes mean the default.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sdp_dal_object_spec {
    /// sizeof(sdp_dal_object_spec).
    pub struct_size: usize,
    /// Size of the data in bytes.
    pub data_size: u64,
    /// Metadata, which are copied and can be read beside the data. May be NULL if there are none.
    pub metadata: *const c_void,
    /// Size of the metadata in bytes.
    pub metadata_size: usize,
    /// How long to wait for space when the store is full, in nanoseconds, 1 for not at all, or SDP_DAL_WAIT_FOREVER.
    /// Default (0): the environment variable SDP_DAL_FULL_TIMEOUT, or 10 s.
    pub full_timeout_ns: i64,
    /// Bits of sdp_dal_object_flag.
    pub flags: u32,
    /// 0.
    pub reserved: u32,
}

// SAFETY: repr(C), struct_size first, every bit pattern is a value.
unsafe impl Extensible for sdp_dal_object_spec {
    const NAME: &'static str = "sdp_dal_object_spec";
}
const _: () = assert!(size_of::<sdp_dal_object_spec>() == 3 * size_of::<usize>() + 2 * 8 + 2 * 4);

/// Creates a raw object with an ID. Fill its memory, then call sdp_dal_writer_seal().
///
/// id: SDP_DAL_ID_SIZE bytes. spec: sizes, metadata and lifetime.
/// out_data: spec->data_size bytes, 64-byte aligned. Must not be written after sdp_dal_writer_seal(). Borrowed: valid
/// until the writer is sealed or freed.
/// out: The caller owns *out and must call sdp_dal_writer_free(), which also aborts an object that was not sealed.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_ALREADY_EXISTS, SDP_DAL_OUT_OF_MEMORY, SDP_DAL_LIMIT_REACHED,
/// SDP_DAL_INTERRUPTED, SDP_DAL_BUSY, SDP_DAL_FORKED. Blocks while the store is full, up to
/// spec->full_timeout_ns.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_object_create(
    store: *const sdp_dal_store,
    id: *const u8,
    spec: *const sdp_dal_object_spec,
    out_data: *mut *mut c_void,
    out: *mut *mut sdp_dal_writer,
) -> sdp_dal_status {
    guard("sdp_dal_object_create", |site| {
        // SAFETY: the header's rules for pointers.
        let ((out_data, out), namespace, id, spec) = unsafe {
            (
                site.outs((out_data, "out_data"), (out, "out"))?,
                site.handle(store, "store")?,
                site.id(id, "id")?,
                site.in_struct(spec, "spec")?,
            )
        };
        let spec = spec.ok_or_else(|| site.wrong("'spec' is NULL, expected the spec of the object"))?;
        // SAFETY: the header's rules for pointers.
        let metadata = unsafe { site.bytes(spec.metadata.cast(), spec.metadata_size, "spec.metadata")? };
        let mut writer = namespace.store().create(&id, &create_spec(site, &spec, metadata)?)?;
        out_data.set(writer.data_ptr().cast());
        out.set(make(WriterState::new(writer)));
        Ok(())
    })
}

fn create_spec<'a>(site: Site, spec: &sdp_dal_object_spec, metadata: &'a [u8]) -> Result<CreateSpec<'a>> {
    const ZEROED: u32 = flag::SDP_DAL_OBJECT_ZEROED as u32;
    const EVICTABLE: u32 = flag::SDP_DAL_OBJECT_EVICTABLE as u32;
    const WANTED: u32 = flag::SDP_DAL_OBJECT_WANTED as u32;
    let flags = site.flags(spec.flags, ZEROED | EVICTABLE | WANTED, "spec.flags")?;
    Ok(CreateSpec {
        data_size: spec.data_size,
        metadata,
        want: flags & WANTED != 0,
        keep: flags & WANTED == 0,
        evictable: flags & EVICTABLE != 0,
        zeroed: flags & ZEROED != 0,
        full_timeout: site.full_timeout(spec.full_timeout_ns)?,
    })
}

/// Puts bytes as a raw object into the namespace of the handle: one copy.
///
/// data, metadata: the bytes to copy. May be NULL if the size is 0.
/// out: an owning reference. The caller owns *out and must call sdp_dal_ref_free().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_OUT_OF_MEMORY, SDP_DAL_LIMIT_REACHED, SDP_DAL_INTERRUPTED, SDP_DAL_BUSY,
/// SDP_DAL_FORKED. Blocks while the store is full, up to the time of sdp_dal_store_set_full_timeout().
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_object_put(
    store: *const sdp_dal_store,
    data: *const c_void,
    data_size: usize,
    metadata: *const c_void,
    metadata_size: usize,
    out: *mut *mut sdp_dal_ref,
) -> sdp_dal_status {
    guard("sdp_dal_object_put", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, namespace, data, metadata) = unsafe {
            (
                site.out(out, "out")?,
                site.handle(store, "store")?,
                site.bytes(data.cast(), data_size, "data")?,
                site.bytes(metadata.cast(), metadata_size, "metadata")?,
            )
        };
        out.set(make(RefState::new(namespace.put_bytes(data, metadata)?)));
        Ok(())
    })
}

/// Waits for a raw object and holds its bytes.
///
/// id: SDP_DAL_ID_SIZE bytes. timeout_ns: how long to wait for it.
/// out: The caller owns *out and must call sdp_dal_buffer_free().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_TIMEOUT, SDP_DAL_OBJECT_DELETED, the error of a failed object,
/// SDP_DAL_PROCESSOR_LOST, SDP_DAL_INTERRUPTED, SDP_DAL_FORKED. Blocks up to timeout_ns.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_object_get(
    store: *const sdp_dal_store,
    id: *const u8,
    timeout_ns: i64,
    out: *mut *mut sdp_dal_buffer,
) -> sdp_dal_status {
    guard("sdp_dal_object_get", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, namespace, id) =
            unsafe { (site.out(out, "out")?, site.handle(store, "store")?, site.id(id, "id")?) };
        out.set(make(namespace.store().get(&id, site.timeout(timeout_ns)?)?));
        Ok(())
    })
}

/// Waits for many raw objects at once, and holds the bytes of those that exist when the wait ends.
///
/// ids: count object IDs of SDP_DAL_ID_SIZE bytes each, one after another.
/// timeout_ns: how long to wait for all of them in total.
/// out: count handles, NULL for an object that does not exist. The caller owns each (*out)[i] and must call
/// sdp_dal_buffer_free().
/// out_statuses: count statuses, each as sdp_dal_object_get() would return it. May be NULL.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_INTERRUPTED, SDP_DAL_FORKED. Missing objects are not an error of this
/// function. Blocks up to timeout_ns.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_object_get_many(
    store: *const sdp_dal_store,
    ids: *const u8,
    count: usize,
    timeout_ns: i64,
    out: *mut *mut sdp_dal_buffer,
    out_statuses: *mut sdp_dal_status,
) -> sdp_dal_status {
    guard("sdp_dal_object_get_many", |site| {
        // SAFETY: the header's rules for pointers.
        let (outs, statuses, namespace, ids) = unsafe {
            let outs = site.out_array(out, count, "out")?;
            let asked = if out_statuses.is_null() { 0 } else { count };
            let statuses = site.out_array(out_statuses, asked, "out_statuses")?;
            let bytes = count.checked_mul(ID_SIZE).ok_or_else(|| site.wrong("'count' is too large"))?;
            (outs, statuses, site.handle(store, "store")?, site.bytes(ids, bytes, "ids")?)
        };
        let ids = ids.chunks_exact(ID_SIZE).map(ObjectId::from_slice).collect::<Result<Vec<_>>>()?;
        let found = namespace.store().get_many(&ids, site.timeout(timeout_ns)?)?;
        let mut statuses = statuses.into_iter();
        for (out, result) in outs.into_iter().zip(found) {
            let code = match result {
                Ok(buffer) => {
                    out.set(make(buffer));
                    status::OK
                }
                Err(error) => error.kind().code(),
            };
            if let Some(status) = statuses.next() {
                status.set(code);
            }
        }
        Ok(())
    })
}

/// Checks whether a complete object with this ID exists.
///
/// id: SDP_DAL_ID_SIZE bytes.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_CORRUPT, SDP_DAL_FORKED. Does not wait for other clients.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_object_contains(
    store: *const sdp_dal_store,
    id: *const u8,
    out: *mut bool,
) -> sdp_dal_status {
    guard("sdp_dal_object_contains", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, namespace, id) =
            unsafe { (site.out(out, "out")?, site.handle(store, "store")?, site.id(id, "id")?) };
        out.set(namespace.store().contains(&id)?);
        Ok(())
    })
}

/// Deletes an object. In every mode its bytes stay readable for the clients that hold them.
///
/// id: SDP_DAL_ID_SIZE bytes. mode: one of sdp_dal_delete_mode.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NOT_FOUND, SDP_DAL_BUSY, SDP_DAL_FORKED.
/// Does not wait for holders.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_object_delete(
    store: *const sdp_dal_store,
    id: *const u8,
    mode: i32,
) -> sdp_dal_status {
    guard("sdp_dal_object_delete", |site| {
        // SAFETY: the header's rules for pointers.
        let (namespace, id) = unsafe { (site.handle(store, "store")?, site.id(id, "id")?) };
        if namespace.store().delete(&id, site.delete_mode(mode, "mode")?)? {
            return Ok(());
        }
        Err(Error::new(Kind::NotFound, format!("there is no object {id} to delete")))
    })
}

/// Sets whether an object stays even if no client wants it.
///
/// id: SDP_DAL_ID_SIZE bytes. keep: whether it stays until it is deleted.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NOT_FOUND, SDP_DAL_OBJECT_DELETED, SDP_DAL_BUSY, SDP_DAL_FORKED. Does not
/// wait for other clients.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_object_set_keep(
    store: *const sdp_dal_store,
    id: *const u8,
    keep: bool,
) -> sdp_dal_status {
    guard("sdp_dal_object_set_keep", |site| {
        // SAFETY: the header's rules for pointers.
        let (namespace, id) = unsafe { (site.handle(store, "store")?, site.id(id, "id")?) };
        match namespace.store().look(&id)? {
            ObjectState::Absent => {
                Err(Error::new(Kind::NotFound, format!("there is no object {id} to keep")))
            }
            ObjectState::Awaited { key, .. }
            | ObjectState::Creating { key }
            | ObjectState::Sealed { key }
            | ObjectState::Failed { key, .. } => namespace.store().set_keep(key, keep),
        }
    })
}

/// Returns a description of one object.
///
/// id: SDP_DAL_ID_SIZE bytes. out: filled in. Set its struct_size first.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NOT_FOUND, SDP_DAL_FORKED. Does not wait for other clients.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_object_get_info(
    store: *const sdp_dal_store,
    id: *const u8,
    out: *mut sdp_dal_object_info,
) -> sdp_dal_status {
    guard("sdp_dal_object_get_info", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, namespace, id) =
            unsafe { (site.out_struct(out, "out")?, site.handle(store, "store")?, site.id(id, "id")?) };
        out.set(info_of(&namespace.store().info(&id)?));
        Ok(())
    })
}

/// Lists the objects whose IDs start with the given bytes, in every state.
///
/// prefix: 0 to SDP_DAL_ID_SIZE bytes. May be NULL if prefix_size is 0, which lists all objects.
/// out: The caller owns *out and must call sdp_dal_list_free(). out_count: how many there are.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_CORRUPT, SDP_DAL_BUSY, SDP_DAL_FORKED. Does not wait for other clients.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_store_list_objects(
    store: *const sdp_dal_store,
    prefix: *const u8,
    prefix_size: usize,
    out: *mut *mut sdp_dal_list,
    out_count: *mut usize,
) -> sdp_dal_status {
    guard("sdp_dal_store_list_objects", |site| {
        // SAFETY: the header's rules for pointers.
        let ((out, out_count), namespace) =
            unsafe { (site.outs((out, "out"), (out_count, "out_count"))?, site.handle(store, "store")?) };
        if prefix_size > ID_SIZE {
            return Err(site.wrong(format_args!(
                "'prefix_size' is {prefix_size}, but an object ID has {ID_SIZE} bytes"
            )));
        }
        // SAFETY: the header's rules for pointers.
        let prefix = unsafe { site.bytes(prefix, prefix_size, "prefix")? };
        let infos = namespace.store().listing(prefix)?.map(|info| info.map(|info| info_of(&info)));
        let list = infos.collect::<Result<Vec<_>>>()?;
        out_count.set(list.len());
        out.set(make(list));
        Ok(())
    })
}
