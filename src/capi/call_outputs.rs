//! What a processing function writes to its call, by name.

use std::ffi::{c_char, c_void};

use super::call::sdp_dal_call;
use super::guard::{guard, Site};
use super::status::sdp_dal_status;
use super::structs::Extensible;
use super::types::sdp_dal_tensor_flag;
use super::view::sdp_dal_tensor_view;
use crate::error::Result;

/// Options of sdp_dal_call_create_tensor(). Zero bytes mean the default.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sdp_dal_output_options {
    /// sizeof(sdp_dal_output_options).
    pub struct_size: usize,
    /// One of sdp_dal_order. Default: the order in the signature, or C if it has none.
    pub order: i32,
    /// Bits of sdp_dal_tensor_flag.
    pub flags: u32,
    /// How long to wait for space when the store is full, in nanoseconds, 1 for not at all, or SDP_DAL_WAIT_FOREVER. Default
    /// (0): that of sdp_dal_processor_options.
    pub full_timeout_ns: i64,
}

// SAFETY: repr(C), struct_size first, every bit pattern is a value.
unsafe impl Extensible for sdp_dal_output_options {
    const NAME: &'static str = "sdp_dal_output_options";
}
const _: () = assert!(size_of::<sdp_dal_output_options>() == size_of::<usize>() + 2 * 4 + 8);

/// What an output is to look like.
struct Form {
    ndim: i32,
    shape: *const i64,
    options: *const sdp_dal_output_options,
}

impl Site {
    /// # Safety
    /// The header's rules for pointers.
    unsafe fn create_output(
        self,
        call: *const sdp_dal_call,
        name: *const c_char,
        form: Form,
        out_data: *mut *mut c_void,
    ) -> Result<()> {
        // SAFETY: the caller's promise.
        unsafe {
            let out = self.out(out_data, "out_data")?;
            let state = self.handle(call, "call")?;
            let param = self.param(state.call(), name)?;
            let shape = self.items(form.shape, self.ndim(form.ndim, "ndim")?, "shape")?;
            let (order, zeroed, full_timeout) = match self.in_struct(form.options, "options")? {
                None => (None, false, None),
                Some(options) => {
                    let zeroed = sdp_dal_tensor_flag::SDP_DAL_TENSOR_ZEROED as u32;
                    let flags = self.flags(options.flags, zeroed, "options.flags")?;
                    let order = self.order(options.order, "options.order")?;
                    (order, flags & zeroed != 0, self.full_timeout(options.full_timeout_ns)?)
                }
            };
            let memory = state.call().create_output_within(param, shape, order, zeroed, full_timeout)?;
            out.set(memory.data.cast());
        }
        Ok(())
    }

    /// # Safety
    /// The header's rules for pointers.
    unsafe fn put_output(
        self,
        call: *const sdp_dal_call,
        name: *const c_char,
        value: *const sdp_dal_tensor_view,
    ) -> Result<()> {
        // SAFETY: the caller's promise; the memory is only used until we return.
        unsafe {
            let state = self.handle(call, "call")?;
            let param = self.param(state.call(), name)?;
            let value = self.callers_tensor(value, "value")?;
            state.call().put_tensor(param, &value.source())
        }
    }

    /// # Safety
    /// The header's rules for pointers.
    unsafe fn put_object(
        self,
        call: *const sdp_dal_call,
        name: *const c_char,
        (data, size): (*const c_void, usize),
        (metadata, metadata_size): (*const c_void, usize),
    ) -> Result<()> {
        // SAFETY: the caller's promise; the memory is only used until we return.
        unsafe {
            let state = self.handle(call, "call")?;
            let param = self.param(state.call(), name)?;
            let data = self.bytes(data.cast(), size, "data")?;
            let metadata = self.bytes(metadata.cast(), metadata_size, "metadata")?;
            state.call().put_object(param, data, metadata)
        }
    }

    /// # Safety
    /// The header's rules for pointers.
    unsafe fn get_output(
        self,
        call: *const sdp_dal_call,
        name: *const c_char,
        out: *mut sdp_dal_tensor_view,
    ) -> Result<()> {
        // SAFETY: the caller's promise; a view is as long as a handle of the call.
        unsafe {
            let out = self.out_struct(out, "out")?;
            let state = self.handle(call, "call")?;
            out.set(*state.output(self.param(state.call(), name)?)?.as_ptr());
        }
        Ok(())
    }

    /// # Safety
    /// The header's rules for pointers.
    unsafe fn shrink_output(
        self,
        call: *const sdp_dal_call,
        name: *const c_char,
        (ndim, shape): (i32, *const i64),
    ) -> Result<()> {
        // SAFETY: the caller's promise.
        let (state, param, shape) = unsafe {
            let state = self.handle(call, "call")?;
            let shape = self.items(shape, self.ndim(ndim, "ndim")?, "shape")?;
            (state, self.param(state.call(), name)?, shape)
        };
        state.call().shrink_output(param, shape).map(drop)
    }

    /// # Safety
    /// The header's rules for pointers.
    unsafe fn seal_output(self, call: *const sdp_dal_call, name: *const c_char) -> Result<()> {
        // SAFETY: the caller's promise.
        let (state, param) = unsafe {
            let state = self.handle(call, "call")?;
            (state, self.param(state.call(), name)?)
        };
        state.call().seal_output(param).map(drop)
    }

    /// # Safety
    /// The header's rules for pointers.
    unsafe fn abort_output(self, call: *const sdp_dal_call, name: *const c_char) -> Result<()> {
        // SAFETY: the caller's promise.
        let (state, param) = unsafe {
            let state = self.handle(call, "call")?;
            (state, self.param(state.call(), name)?)
        };
        state.call().abort_output(param)
    }
}

/// Creates an output tensor in place, without a copy. The element type is that of the signature. It is sealed when the
/// callback returns SDP_DAL_OK, by sdp_dal_call_finish(), or earlier by sdp_dal_call_seal(). It is not sealed when the
/// call fails.
///
/// ndim, shape: the dimensions. options: NULL for the defaults. out_data: the elements without gaps, 64-byte aligned,
/// not zeroed. Default order: that of the signature ("float64[x,y] F"), or C if it has none. Borrowed: valid until the
/// output is sealed or has failed.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also for a shape that the signature does not allow, or a null output),
/// SDP_DAL_NOT_FOUND, SDP_DAL_ALREADY_EXISTS, SDP_DAL_OUT_OF_MEMORY, SDP_DAL_INTERRUPTED, SDP_DAL_BUSY. Blocks while
/// the store is full, up to full_timeout_ns of the options of the processor.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_call_create_tensor(
    call: *const sdp_dal_call,
    name: *const c_char,
    ndim: i32,
    shape: *const i64,
    options: *const sdp_dal_output_options,
    out_data: *mut *mut c_void,
) -> sdp_dal_status {
    guard("sdp_dal_call_create_tensor", |site| {
        // SAFETY: the header's rules for pointers.
        unsafe { site.create_output(call, name, Form { ndim, shape, options }, out_data) }
    })
}

/// Returns the memory of an output that is being written: one that starts from an input ("sum: complex128[u,v] = grid"),
/// which has the elements of the input from the beginning, or one from sdp_dal_call_create_tensor(). The input itself
/// cannot be read in such a call.
///
/// out: filled in. Set its struct_size first. Its data may be written until the output is sealed or has failed. Borrowed:
/// valid until the callback returns or the last handle of the call is freed.
///
/// An output that starts from an input is sealed like one from sdp_dal_call_create_tensor(). If the input is null, or the
/// output exists already, it is not being written.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NOT_FOUND (also if it is not being written). Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_call_get_output(
    call: *const sdp_dal_call,
    name: *const c_char,
    out: *mut sdp_dal_tensor_view,
) -> sdp_dal_status {
    guard("sdp_dal_call_get_output", |site| {
        // SAFETY: the header's rules for pointers.
        unsafe { site.get_output(call, name, out) }
    })
}

/// Makes an output that is being written smaller, without a copy: its first dimension if it is in C order, its last one if
/// it is in F order. The elements that stay are where they were, and the store gets the rest of the memory back at once.
///
/// ndim, shape: the dimensions. Only the one dimension may differ, and must not be larger.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also if an input has a dimension of the same name with another size),
/// SDP_DAL_NOT_FOUND (also if it is not being written), SDP_DAL_BUSY, SDP_DAL_FORKED. Does not wait for other clients.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_call_shrink(
    call: *const sdp_dal_call,
    name: *const c_char,
    ndim: i32,
    shape: *const i64,
) -> sdp_dal_status {
    guard("sdp_dal_call_shrink", |site| {
        // SAFETY: the header's rules for pointers.
        unsafe { site.shrink_output(call, name, (ndim, shape)) }
    })
}

/// Writes an output tensor: one copy into the store.
///
/// value: the tensor to copy. Its element type must be that of the signature. It is stored in the order in the
/// signature, or if that has none, as by sdp_dal_tensor_put().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also for a shape that the signature does not allow, or a null output),
/// SDP_DAL_NOT_FOUND, SDP_DAL_ALREADY_EXISTS, SDP_DAL_OUT_OF_MEMORY, SDP_DAL_INTERRUPTED, SDP_DAL_BUSY. Blocks while
/// the store is full, up to full_timeout_ns of the options of the processor.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_call_put_tensor(
    call: *const sdp_dal_call,
    name: *const c_char,
    value: *const sdp_dal_tensor_view,
) -> sdp_dal_status {
    guard("sdp_dal_call_put_tensor", |site| {
        // SAFETY: the header's rules for pointers.
        unsafe { site.put_output(call, name, value) }
    })
}

/// Writes and seals an output of type oid, an object of any kind: one copy into the store.
///
/// data, size: the bytes of the object. data may be NULL if size is 0.
/// metadata, metadata_size: its metadata. metadata may be NULL if metadata_size is 0.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also for an output of another type, or a null one), SDP_DAL_NOT_FOUND,
/// SDP_DAL_ALREADY_EXISTS, SDP_DAL_OUT_OF_MEMORY, SDP_DAL_INTERRUPTED, SDP_DAL_BUSY. Blocks while the store is full, up
/// to full_timeout_ns of the options of the processor.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_call_put_object(
    call: *const sdp_dal_call,
    name: *const c_char,
    data: *const c_void,
    size: usize,
    metadata: *const c_void,
    metadata_size: usize,
) -> sdp_dal_status {
    guard("sdp_dal_call_put_object", |site| {
        // SAFETY: the header's rules for pointers.
        unsafe { site.put_object(call, name, (data, size), (metadata, metadata_size)) }
    })
}

/// Seals an output that was created in place before the function ends: it is complete and visible, and its memory must
/// not be written any more.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NOT_FOUND (also if it is not being written), SDP_DAL_BUSY. Does not wait
/// for other clients.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_call_seal(call: *const sdp_dal_call, name: *const c_char) -> sdp_dal_status {
    guard("sdp_dal_call_seal", |site| {
        // SAFETY: the header's rules for pointers.
        unsafe { site.seal_output(call, name) }
    })
}

/// Frees the memory of an output that was created in place. The output can then be created again, with another shape.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NOT_FOUND (also if it is not being written). Waits at most 100 ms.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_call_abort(
    call: *const sdp_dal_call,
    name: *const c_char,
) -> sdp_dal_status {
    guard("sdp_dal_call_abort", |site| {
        // SAFETY: the header's rules for pointers.
        unsafe { site.abort_output(call, name) }
    })
}
