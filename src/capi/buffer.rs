//! sdp_dal_buffer: the bytes of a sealed object, held.

use std::ffi::c_void;

use super::guard::guard;
use super::handle::{make, word, Handle};
use super::status::sdp_dal_status;
use super::structs::Extensible;
use crate::store::{Buffer, ID_SIZE};

/// The bytes of a complete object, valid as long as this handle. Freed by sdp_dal_buffer_free().
pub struct sdp_dal_buffer {
    _opaque: [u8; 0],
}

impl Handle for sdp_dal_buffer {
    type Value = Buffer;
    const WORD: u64 = word(b"sdpBuffr");
}

/// Addresses and sizes of the bytes of an object.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sdp_dal_buffer_info {
    /// sizeof(sdp_dal_buffer_info).
    pub struct_size: usize,
    /// The data. Borrowed: valid until the buffer is freed. Must not be written.
    pub data: *const c_void,
    /// Size of the data in bytes.
    pub data_size: usize,
    /// The metadata. Borrowed like data.
    pub metadata: *const c_void,
    /// Size of the metadata in bytes.
    pub metadata_size: usize,
    /// The ID of the object.
    pub id: [u8; 20],
    /// 0.
    pub reserved: u32,
}

// SAFETY: repr(C), struct_size first, every bit pattern is a value.
unsafe impl Extensible for sdp_dal_buffer_info {
    const NAME: &'static str = "sdp_dal_buffer_info";
}
const _: () = assert!(size_of::<sdp_dal_buffer_info>() == 5 * size_of::<usize>() + ID_SIZE + 4);

/// Returns the addresses and sizes of the bytes of an object.
///
/// out: filled in. Set its struct_size first.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_buffer_get_info(
    buffer: *const sdp_dal_buffer,
    out: *mut sdp_dal_buffer_info,
) -> sdp_dal_status {
    guard("sdp_dal_buffer_get_info", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, buffer) = unsafe { (site.out_struct(out, "out")?, site.handle(buffer, "buffer")?) };
        out.set(sdp_dal_buffer_info {
            struct_size: 0,
            data: buffer.data().as_ptr().cast(),
            data_size: buffer.data().len(),
            metadata: buffer.metadata().as_ptr().cast(),
            metadata_size: buffer.metadata().len(),
            id: *buffer.id().as_bytes(),
            reserved: 0,
        });
        Ok(())
    })
}

/// Creates a second handle of the same bytes, which is freed separately.
///
/// out: The caller owns *out and must call sdp_dal_buffer_free().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_buffer_clone(
    buffer: *const sdp_dal_buffer,
    out: *mut *mut sdp_dal_buffer,
) -> sdp_dal_status {
    guard("sdp_dal_buffer_clone", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, buffer) = unsafe { (site.out(out, "out")?, site.handle(buffer, "buffer")?) };
        out.set(make(buffer.clone()));
        Ok(())
    })
}

/// Releases the bytes of an object and frees the handle. NULL is allowed. Waits at most 100 ms.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_buffer_free(buffer: *mut sdp_dal_buffer) {
    guard("sdp_dal_buffer_free", |site| {
        // SAFETY: the header's rules for pointers.
        unsafe { site.end(buffer, "buffer") }
    });
}
