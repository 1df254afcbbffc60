//! Object IDs as text, and new ones.

use std::ffi::c_char;

use super::guard::guard;
use super::status::sdp_dal_status;
use super::store::sdp_dal_store;
use crate::store::{id_text, parse_id_start, ID_SIZE};

/// Writes an ID, or the first bytes of one, as hexadecimal digits.
///
/// id: size bytes, 0 to SDP_DAL_ID_SIZE. A prefix has SDP_DAL_PREFIX_SIZE bytes.
/// buffer, length: as in sdp_dal_last_error().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_id_format(
    id: *const u8,
    size: usize,
    buffer: *mut c_char,
    length: *mut usize,
) -> sdp_dal_status {
    guard("sdp_dal_id_format", |site| {
        // SAFETY: the header's rules for pointers.
        let out = unsafe { site.text_out(buffer, length)? };
        if size > ID_SIZE {
            return Err(site.wrong(format_args!("'size' is {size}, but an ID has at most {ID_SIZE} bytes")));
        }
        // SAFETY: the header's rules for pointers.
        out.set(&id_text(unsafe { site.bytes(id, size, "id")? }));
        Ok(())
    })
}

/// Reads an ID, or the first bytes of one, from hexadecimal digits.
///
/// text: an even number of digits, up to 40.
/// out: a buffer of SDP_DAL_ID_SIZE bytes. Bytes that text does not contain are set to 0. out_size: the number of bytes
/// in text.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_id_parse(
    text: *const c_char,
    out: *mut u8,
    out_size: *mut usize,
) -> sdp_dal_status {
    guard("sdp_dal_id_parse", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, out_size, text) =
            unsafe { (site.id_out(out, "out")?, site.out(out_size, "out_size")?, site.text(text, "text")?) };
        let (id, size) = parse_id_start(text)?;
        out.set(id);
        out_size.set(size);
        Ok(())
    })
}

/// Returns a new ID in the namespace of a handle, which is never returned again.
///
/// out_id: a buffer of SDP_DAL_ID_SIZE bytes.
///
/// Errors: like sdp_dal_store_get_prefix(). Does not wait for other clients.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_store_new_id(
    store: *const sdp_dal_store,
    out_id: *mut u8,
) -> sdp_dal_status {
    guard("sdp_dal_store_new_id", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, namespace) = unsafe { (site.id_out(out_id, "out_id")?, site.handle(store, "store")?) };
        out.set(namespace.new_id()?);
        Ok(())
    })
}
