//! sdp_dal_ref: an object that may not exist yet.

use std::ffi::{c_void, CStr, CString};
use std::sync::OnceLock;

use super::buffer::sdp_dal_buffer;
use super::expected::sdp_dal_expectation;
use super::guard::guard;
use super::handle::{make, word, Exclusive, Handle};
use super::status::{self, sdp_dal_status};
use super::store::sdp_dal_store;
use super::tensor::{sdp_dal_tensor, HeldTensor};
use super::view::{sdp_dal_tensor_spec, sdp_dal_tensor_view, DimNames, TensorSpec};
use crate::dal::{wait_many, Ref, TensorWriter, WaitMode};
use crate::error::{Error, Kind, Result};

/// A reference to an object that may not exist yet. An owning reference comes from putting or creating an object, from
/// sdp_dal_ref_new(), or from the output of a call. It keeps the object, and freeing the last one in this process
/// deletes the object. A borrowed reference comes from an ID, or is received in a call. It does not keep the object.
/// Freed by sdp_dal_ref_free().
pub struct sdp_dal_ref {
    _opaque: [u8; 0],
}

impl Handle for sdp_dal_ref {
    type Value = RefState;
    const WORD: u64 = word(b"sdpRefer");
}

/// A reference, and the tensor that is being written through it.
pub(super) struct RefState {
    reference: Ref,
    writer: Exclusive<Option<TensorWriter>>,
    /// The expected dimensions' names, once they were asked for.
    names: OnceLock<DimNames>,
    /// The text of the part, once it was asked for.
    part: OnceLock<CString>,
}

impl RefState {
    pub(super) fn new(reference: Ref) -> RefState {
        RefState { reference, writer: Exclusive::new(None), names: OnceLock::new(), part: OnceLock::new() }
    }

    pub(super) fn reference(&self) -> &Ref {
        &self.reference
    }

    /// The expected dimensions' names, as long as this: none if no tensor is expected, or any.
    pub(super) fn dim_names(&self) -> Option<&DimNames> {
        let names = self.reference.expectation().names.as_ref()?;
        Some(self.names.get_or_init(|| DimNames::new(names)))
    }

    /// The text of the part that it refers to, as long as this: none for a whole object.
    pub(super) fn part(&self) -> Option<&CStr> {
        let part = self.reference.as_part()?;
        // The names of dimensions that other programs write may have a NUL.
        Some(self.part.get_or_init(|| CString::new(part.to_string().replace('\0', "?")).unwrap_or_default()))
    }

    /// Starts a tensor; the memory to fill is valid until it is sealed or this is dropped.
    pub(super) fn create(&mut self, spec: &TensorSpec) -> Result<*mut u8> {
        if self.writer.get_mut().is_some() {
            return Err(Error::new(
                Kind::AlreadyExists,
                format!("tensor {} is being written through this reference", self.reference.id()),
            ));
        }
        let reference = &self.reference;
        let reference = reference.with_full_timeout(spec.full_timeout.or(reference.full_timeout()));
        let mut writer =
            reference.create_tensor(spec.elem, &spec.shape, &spec.names, spec.order, spec.zeroed)?;
        let data = writer.data_ptr();
        *self.writer.get_mut() = Some(writer);
        Ok(data)
    }

    fn shrink(&mut self, shape: &[i64]) -> Result<()> {
        match self.writer.get_mut() {
            Some(writer) => writer.shrink(shape),
            None => Err(self.not_written()),
        }
    }

    fn not_written(&self) -> Error {
        let id = self.reference.id();
        let text = format!("nothing is being written through the reference to {id}: create the tensor first");
        Error::invalid(text)
    }

    fn seal(&mut self) -> Result<()> {
        let Some(writer) = self.writer.get_mut().take() else { return Err(self.not_written()) };
        // The same object: our own reference stays, so that its clones and this stay one.
        writer.seal().map(drop)
    }
}

/// Makes a tensor that is being written in place smaller, without a copy: its first dimension if it is in C order, its last
/// one if it is in F order. The elements that stay are where they were, and the store gets the rest of the memory back at
/// once. To be called before sdp_dal_ref_seal().
///
/// ndim, shape: the dimensions. Only the one dimension may differ, and must not be larger.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_BUSY, SDP_DAL_FORKED. Does not wait for other clients.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_ref_shrink(
    reference: *mut sdp_dal_ref,
    ndim: i32,
    shape: *const i64,
) -> sdp_dal_status {
    guard("sdp_dal_ref_shrink", |site| {
        // SAFETY: the header's rules for pointers.
        let (state, shape) = unsafe {
            let state = site.handle_mut(reference, "ref")?;
            (state, site.items(shape, site.ndim(ndim, "ndim")?, "shape")?)
        };
        state.shrink(shape)
    })
}

/// Creates an owning reference to an object that does not exist yet. Pass it as the output of a call, or write the
/// object later with sdp_dal_ref_put_tensor(), sdp_dal_ref_create_tensor() or sdp_dal_ref_put_table().
///
/// expected: describes the object. NULL: any object.
/// out: The caller owns *out and must call sdp_dal_ref_free().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_LIMIT_REACHED, SDP_DAL_OUT_OF_MEMORY, SDP_DAL_FORKED. Does not wait for
/// other clients.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_ref_new(
    store: *const sdp_dal_store,
    expected: *const sdp_dal_expectation,
    out: *mut *mut sdp_dal_ref,
) -> sdp_dal_status {
    guard("sdp_dal_ref_new", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, namespace, expected) = unsafe {
            (site.out(out, "out")?, site.handle(store, "store")?, site.expectation(expected, "expected")?)
        };
        out.set(make(RefState::new(namespace.new_ref(expected)?)));
        Ok(())
    })
}

/// Creates a borrowed reference to the object with an ID. What is read or written through it is checked.
///
/// An ID belongs to one store. Caveat: a saved ID may be used with a store that was created later at the same path,
/// where it refers to nothing. Fix: save the identity of the store too (sdp_dal_store_info), and compare it.
///
/// id: SDP_DAL_ID_SIZE bytes. expected: what the object must be. NULL: any object.
/// out: The caller owns *out and must call sdp_dal_ref_free().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_ref_from_id(
    store: *const sdp_dal_store,
    id: *const u8,
    expected: *const sdp_dal_expectation,
    out: *mut *mut sdp_dal_ref,
) -> sdp_dal_status {
    guard("sdp_dal_ref_from_id", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, namespace, id, expected) = unsafe {
            (
                site.out(out, "out")?,
                site.handle(store, "store")?,
                site.id(id, "id")?,
                site.expectation(expected, "expected")?,
            )
        };
        out.set(make(RefState::new(namespace.borrow(id, expected))));
        Ok(())
    })
}

/// Sets how long writing the object of a reference waits for space when the store is full. A new reference has the time of
/// its store.
///
/// full_timeout_ns: as in sdp_dal_store_set_full_timeout().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_ref_set_full_timeout(
    reference: *mut sdp_dal_ref,
    full_timeout_ns: i64,
) -> sdp_dal_status {
    guard("sdp_dal_ref_set_full_timeout", |site| {
        // SAFETY: the header's rules for pointers.
        let state = unsafe { site.handle_mut(reference, "reference")? };
        state.reference = state.reference.with_full_timeout(site.full_timeout(full_timeout_ns)?);
        Ok(())
    })
}

/// Writes the tensor of a reference whose object does not exist yet: one copy into the store.
///
/// value: the tensor to copy.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_ALREADY_EXISTS, SDP_DAL_OUT_OF_MEMORY, SDP_DAL_LIMIT_REACHED,
/// SDP_DAL_INTERRUPTED, SDP_DAL_BUSY, SDP_DAL_FORKED. Blocks while the store is full, up to the time of
/// sdp_dal_ref_set_full_timeout().
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_ref_put_tensor(
    reference: *mut sdp_dal_ref,
    value: *const sdp_dal_tensor_view,
) -> sdp_dal_status {
    guard("sdp_dal_ref_put_tensor", |site| {
        // SAFETY: the header's rules for pointers; the memory is only used until we return.
        unsafe {
            let state = site.handle_mut(reference, "reference")?;
            let value = site.callers_tensor(value, "value")?;
            state.reference.put_tensor(&value.source())
        }
    })
}

/// Creates the tensor of a reference whose object does not exist yet, in place. Fill its memory, then call
/// sdp_dal_ref_seal().
///
/// spec: element type, shape, names and order.
/// out_data: as in sdp_dal_tensor_create().
///
/// Errors: like sdp_dal_tensor_create(), and SDP_DAL_ALREADY_EXISTS. Blocks while the store is full, up to the time of
/// sdp_dal_ref_set_full_timeout().
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_ref_create_tensor(
    reference: *mut sdp_dal_ref,
    spec: *const sdp_dal_tensor_spec,
    out_data: *mut *mut c_void,
) -> sdp_dal_status {
    guard("sdp_dal_ref_create_tensor", |site| {
        // SAFETY: the header's rules for pointers.
        let (out_data, state, spec) = unsafe {
            (
                site.out(out_data, "out_data")?,
                site.handle_mut(reference, "reference")?,
                site.tensor_spec(spec, "spec")?,
            )
        };
        out_data.set(state.create(&spec)?.cast());
        Ok(())
    })
}

/// Seals a tensor that was created in place: it is complete and visible, and its memory must not be written any more.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also if nothing is being written), SDP_DAL_ALREADY_EXISTS, SDP_DAL_FORKED. Does
/// not wait for other clients.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_ref_seal(reference: *mut sdp_dal_ref) -> sdp_dal_status {
    guard("sdp_dal_ref_seal", |site| {
        // SAFETY: the header's rules for pointers.
        unsafe { site.handle_mut(reference, "reference")? }.seal()
    })
}

/// Waits until the object exists. With SDP_DAL_POLL it checks whether the object exists now. It returns SDP_DAL_OK,
/// SDP_DAL_TIMEOUT, or the error of an object that will never exist, with the message in sdp_dal_last_error().
///
/// Caveat: in a processing function it returns SDP_DAL_INVALID_ARGUMENT if it waits for a call that cannot run before
/// the function has returned. There are two reasons. The call needs, directly or through other functions, a function
/// that is running and is not SDP_DAL_FUNCTION_REENTRANT. Or all threads that take calls for the processor have waited
/// like that for five seconds. Fix: return and defer the call, process calls in more threads, or make the function
/// re-entrant. Such a wait is detected within one processor, in the threads in which sdp_dal_processor_process() runs
/// functions. It is not detected for calls from sdp_dal_processor_next(), in threads that a function has started, and
/// across several processors. There it lasts until its timeout.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_TIMEOUT, SDP_DAL_OBJECT_DELETED, SDP_DAL_PROCESSOR_LOST, the error of
/// a failed object (SDP_DAL_FUNCTION_FAILED and others), SDP_DAL_INTERRUPTED, SDP_DAL_FORKED.
/// Blocks up to timeout_ns.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_ref_wait(reference: *const sdp_dal_ref, timeout_ns: i64) -> sdp_dal_status {
    guard("sdp_dal_ref_wait", |site| {
        // SAFETY: the header's rules for pointers.
        let state = unsafe { site.handle(reference, "reference")? };
        state.reference.wait(site.timeout(timeout_ns)?)
    })
}

/// How many of several objects must have ended, for sdp_dal_ref_wait_many().
#[repr(C)]
pub enum sdp_dal_wait_mode {
    /// All of them.
    SDP_DAL_WAIT_ALL = 0,
    /// One of them.
    SDP_DAL_WAIT_ANY = 1,
}

/// Waits until all or any of several objects have ended: they exist, or will never exist.
///
/// refs: count references to objects of one store. mode: one of sdp_dal_wait_mode.
/// out_statuses: count statuses, each as sdp_dal_ref_wait() would return it now: SDP_DAL_TIMEOUT for an object that has
/// not ended, or the error of one that will never exist. May be NULL.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_TIMEOUT if not enough have ended, SDP_DAL_INTERRUPTED, SDP_DAL_FORKED. An
/// object that failed has ended, which is not an error of this function. Blocks up to timeout_ns.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_ref_wait_many(
    refs: *const *const sdp_dal_ref,
    count: usize,
    mode: i32,
    timeout_ns: i64,
    out_statuses: *mut sdp_dal_status,
) -> sdp_dal_status {
    guard("sdp_dal_ref_wait_many", |site| {
        let statuses = if out_statuses.is_null() {
            None
        } else {
            // SAFETY: the header's rules for pointers.
            Some(unsafe { site.out_array(out_statuses, count, "out_statuses")? })
        };
        let mode = match mode {
            mode if mode == sdp_dal_wait_mode::SDP_DAL_WAIT_ALL as i32 => WaitMode::All,
            mode if mode == sdp_dal_wait_mode::SDP_DAL_WAIT_ANY as i32 => WaitMode::Any,
            other => {
                return Err(
                    site.wrong(format_args!("'mode' is {other}, which is not a value of sdp_dal_wait_mode"))
                )
            }
        };
        // SAFETY: the header's rules for pointers.
        let refs = unsafe { site.handles(refs, count, "refs")? };
        let refs: Vec<&Ref> = refs.into_iter().map(RefState::reference).collect();
        let ends = wait_many(&refs, mode, site.timeout(timeout_ns)?)?;
        let pending = |end: &Result<()>| matches!(end, Err(error) if error.kind() == Kind::Timeout);
        let open = ends.iter().filter(|end| pending(end)).count();
        let enough = match mode {
            WaitMode::All => open == 0,
            WaitMode::Any => open < ends.len() || ends.is_empty(),
        };
        for (out, end) in statuses.into_iter().flatten().zip(&ends) {
            out.set(end.as_ref().map_or_else(|error| error.kind().code(), |()| status::OK));
        }
        if enough {
            return Ok(());
        }
        let count = ends.len();
        Err(Error::new(Kind::Timeout, format!("{open} of {count} objects were not created in time")))
    })
}

/// Waits until the object exists, and holds it as a tensor. Nothing is copied. A part is held in the bytes of the whole,
/// with its strides.
///
/// out: The caller owns *out and must call sdp_dal_tensor_free().
/// out_view: filled in as by sdp_dal_tensor_get_view(). Set its struct_size first. May be NULL.
///
/// Errors: like sdp_dal_ref_wait(), and SDP_DAL_INVALID_ARGUMENT if the object is not a tensor, or does not have all
/// elements of the part. Blocks up to timeout_ns.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_ref_get_tensor(
    reference: *const sdp_dal_ref,
    timeout_ns: i64,
    out: *mut *mut sdp_dal_tensor,
    out_view: *mut sdp_dal_tensor_view,
) -> sdp_dal_status {
    guard("sdp_dal_ref_get_tensor", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, out_view, state) = unsafe {
            (
                site.out(out, "out")?,
                site.out_struct_or_none(out_view, "out_view")?,
                site.handle(reference, "reference")?,
            )
        };
        let held = HeldTensor::new(state.reference.get_tensor(site.timeout(timeout_ns)?)?);
        if let Some(out_view) = out_view {
            out_view.set(held.view());
        }
        out.set(make(held));
        Ok(())
    })
}

/// Waits until the object exists, and holds its bytes. The object may be of any kind. Nothing is copied.
///
/// out: The caller owns *out and must call sdp_dal_buffer_free().
///
/// Errors: like sdp_dal_ref_wait(). Blocks up to timeout_ns.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_ref_get_buffer(
    reference: *const sdp_dal_ref,
    timeout_ns: i64,
    out: *mut *mut sdp_dal_buffer,
) -> sdp_dal_status {
    guard("sdp_dal_ref_get_buffer", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, state) = unsafe { (site.out(out, "out")?, site.handle(reference, "reference")?) };
        out.set(make(state.reference.get_buffer(site.timeout(timeout_ns)?)?));
        Ok(())
    })
}

/// Keeps the object when its last reference is freed: it stays until sdp_dal_object_delete().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_OBJECT_DELETED, SDP_DAL_BUSY, SDP_DAL_FORKED.
/// Does not wait for other clients.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_ref_disown(reference: *const sdp_dal_ref) -> sdp_dal_status {
    guard("sdp_dal_ref_disown", |site| {
        // SAFETY: the header's rules for pointers.
        unsafe { site.handle(reference, "reference")? }.reference.disown()
    })
}

/// Keeps another object alive until this one exists or has failed, and the library has noticed that.
///
/// reference: the object that depends on the other one. other: the object to keep until then. The handle may be freed
/// at once. Objects that the other one keeps alive are kept too.
/// timeout_ns: how long to wait until the other one exists.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also if the other object is this one, or keeps this one alive), SDP_DAL_TIMEOUT,
/// and the other errors of sdp_dal_ref_wait(). Blocks up to timeout_ns.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_ref_add_dependency(
    reference: *const sdp_dal_ref,
    other: *const sdp_dal_ref,
    timeout_ns: i64,
) -> sdp_dal_status {
    guard("sdp_dal_ref_add_dependency", |site| {
        // SAFETY: the header's rules for pointers.
        let (state, other) = unsafe { (site.handle(reference, "reference")?, site.handle(other, "other")?) };
        state.reference.add_dependency(&other.reference, site.timeout(timeout_ns)?)
    })
}

/// Keeps another object alive as long as this one is needed: by this reference, by its clones, or by a call that has it
/// as an input.
///
/// reference: the object that refers to the other one. other: the object to keep as long. The handle may be freed at
/// once.
/// timeout_ns: how long to wait until the other one exists.
///
/// Errors and blocking: like sdp_dal_ref_add_dependency().
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_ref_add_reference(
    reference: *const sdp_dal_ref,
    other: *const sdp_dal_ref,
    timeout_ns: i64,
) -> sdp_dal_status {
    guard("sdp_dal_ref_add_reference", |site| {
        // SAFETY: the header's rules for pointers.
        let (state, other) = unsafe { (site.handle(reference, "reference")?, site.handle(other, "other")?) };
        state.reference.add_reference(&other.reference, site.timeout(timeout_ns)?)
    })
}

/// Creates a second handle of the same reference, which is freed separately. A tensor that is being written belongs to
/// the first handle.
///
/// out: The caller owns *out and must call sdp_dal_ref_free().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_ref_clone(
    reference: *const sdp_dal_ref,
    out: *mut *mut sdp_dal_ref,
) -> sdp_dal_status {
    guard("sdp_dal_ref_clone", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, state) = unsafe { (site.out(out, "out")?, site.handle(reference, "reference")?) };
        out.set(make(RefState::new(state.reference.clone())));
        Ok(())
    })
}

/// Frees a reference. Freeing the last owning one in this process deletes the object, unless it was disowned. A tensor
/// that was created in place and not sealed is aborted. NULL is allowed. Waits at most 100 ms.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_ref_free(reference: *mut sdp_dal_ref) {
    guard("sdp_dal_ref_free", |site| {
        // SAFETY: the header's rules for pointers.
        unsafe { site.end(reference, "reference") }
    });
}
