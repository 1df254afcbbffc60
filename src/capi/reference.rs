//! sdp_dal_ref: an object that may not exist yet.

use std::ffi::c_void;
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

/// A reference to an object that may not exist yet. An owning one (made by putting, creating, sdp_dal_ref_new(), or
/// a call's output) keeps the object: the last of them in this process deletes it. A borrowed one (made from an ID,
/// or received in a call) never does. Ended by sdp_dal_ref_free().
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
}

impl RefState {
    pub(super) fn new(reference: Ref) -> RefState {
        RefState { reference, writer: Exclusive::new(None), names: OnceLock::new() }
    }

    pub(super) fn reference(&self) -> &Ref {
        &self.reference
    }

    /// The expected dimensions' names, as long as this: none if no tensor is expected, or any.
    pub(super) fn dim_names(&self) -> Option<&DimNames> {
        let names = self.reference.expectation().names.as_ref()?;
        Some(self.names.get_or_init(|| DimNames::new(names)))
    }

    /// Starts a tensor; the memory to fill is valid until it is sealed or this is dropped.
    pub(super) fn create(&mut self, spec: &TensorSpec) -> Result<*mut u8> {
        if self.writer.get_mut().is_some() {
            return Err(Error::new(
                Kind::AlreadyExists,
                format!("tensor {} is being written through this reference", self.reference.id()),
            ));
        }
        let mut writer =
            self.reference.create_tensor(spec.elem, &spec.shape, &spec.names, spec.order, spec.zeroed)?;
        let data = writer.data_ptr();
        *self.writer.get_mut() = Some(writer);
        Ok(data)
    }

    fn seal(&mut self) -> Result<()> {
        let Some(writer) = self.writer.get_mut().take() else {
            return Err(Error::invalid(format!(
                "nothing is being written through the reference to {}: create the tensor first",
                self.reference.id()
            )));
        };
        // The same object: our own reference stays, so that its clones and this stay one.
        writer.seal().map(drop)
    }
}

/// An owning reference to an object that does not exist yet: to be passed as the output of a call, or to be written later by
/// sdp_dal_ref_put_tensor(), sdp_dal_ref_create_tensor() or sdp_dal_ref_put_table().
///
/// expected: what it will be; NULL: anything.
/// out: The caller owns *out and must call sdp_dal_ref_free().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_LIMIT_REACHED, SDP_DAL_OUT_OF_MEMORY, SDP_DAL_FORKED.
/// Does not wait for others.
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

/// Makes a borrowed reference to the object with an ID. What is read or written through it is checked.
///
/// An ID names an object of one store. Caveat: one that was written down may be used with a store that was made later at the
/// same path, in which it names nothing. Fix: write down the store's identity, too (sdp_dal_store_info), and compare it.
///
/// id: SDP_DAL_ID_SIZE bytes. expected: what it must be; NULL: anything.
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

/// Writes the value of a reference that has none yet: one copy into the store.
///
/// value: the tensor to copy.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_ALREADY_EXISTS, SDP_DAL_OUT_OF_MEMORY, SDP_DAL_LIMIT_REACHED,
/// SDP_DAL_INTERRUPTED, SDP_DAL_BUSY, SDP_DAL_FORKED. Blocks while the store is full, up to SDP_DAL_FULL_TIMEOUT.
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

/// Creates the tensor of a reference that has none yet, in place; to be sealed with sdp_dal_ref_seal().
///
/// spec: element type, shape, names and order.
/// out_data: as in sdp_dal_tensor_create().
///
/// Errors: as sdp_dal_tensor_create(), and SDP_DAL_ALREADY_EXISTS. Blocks while the store is full, up to
/// SDP_DAL_FULL_TIMEOUT.
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

/// Makes a tensor that was created in place complete and visible. Its memory must not be written any more.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also if nothing is being written), SDP_DAL_ALREADY_EXISTS, SDP_DAL_FORKED.
/// Does not wait for others.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_ref_seal(reference: *mut sdp_dal_ref) -> sdp_dal_status {
    guard("sdp_dal_ref_seal", |site| {
        // SAFETY: the header's rules for pointers.
        unsafe { site.handle_mut(reference, "reference")? }.seal()
    })
}

/// Waits until the object exists. With SDP_DAL_POLL it tells whether it exists now: SDP_DAL_OK, SDP_DAL_TIMEOUT, or the error of
/// an object that will never exist, whose text sdp_dal_last_error() then has.
///
/// A processing function that waits for a call which cannot run before the function has returned gets
/// SDP_DAL_INVALID_ARGUMENT: the call needs the turn of that function (which is not SDP_DAL_FUNCTION_REENTRANT), directly or
/// by what other functions wait for, or all threads that take calls for the processor have waited like that for 5 s. Fix:
/// return and defer the call, process in more threads, or make the function re-entrant. This is seen within one processor, in the
/// threads in which sdp_dal_processor_process() runs functions. It is not seen for calls that sdp_dal_processor_next()
/// gave, for threads that a function has started, and across several processors: there such a wait lasts as long as its timeout.
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

/// Waits until all, or any, of several objects exist or never will.
///
/// refs: count references into one store. mode: one of sdp_dal_wait_mode.
/// out_statuses: count statuses, each what sdp_dal_ref_wait() would return now: SDP_DAL_TIMEOUT for what has not ended,
/// the error of what will never exist. NULL if not asked for.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_TIMEOUT if not enough have ended, SDP_DAL_INTERRUPTED, SDP_DAL_FORKED.
/// An object that failed has ended, and is no error of this function. Blocks up to timeout_ns.
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
            other => return Err(site.wrong(format_args!("'mode' is {other}, which is no sdp_dal_wait_mode"))),
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
        Err(Error::new(Kind::Timeout, format!("{open} of {count} objects did not come to exist in time")))
    })
}

/// Waits until the object exists, and holds it as a tensor. Nothing is copied.
///
/// out: The caller owns *out and must call sdp_dal_tensor_free().
/// out_view: filled as by sdp_dal_tensor_get_view(); set its struct_size first. NULL if not asked for.
///
/// Errors: as sdp_dal_ref_wait(), and SDP_DAL_INVALID_ARGUMENT if the object is no tensor.
/// Blocks up to timeout_ns.
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

/// Waits until the object exists, and holds its bytes, whatever it is. Nothing is copied.
///
/// out: The caller owns *out and must call sdp_dal_buffer_free().
///
/// Errors: as sdp_dal_ref_wait(). Blocks up to timeout_ns.
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

/// Makes the object stay when its last reference goes: it is kept until sdp_dal_object_delete().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_OBJECT_DELETED, SDP_DAL_BUSY, SDP_DAL_FORKED.
/// Does not wait for others.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_ref_disown(reference: *const sdp_dal_ref) -> sdp_dal_status {
    guard("sdp_dal_ref_disown", |site| {
        // SAFETY: the header's rules for pointers.
        unsafe { site.handle(reference, "reference")? }.reference.disown()
    })
}

/// Keeps another object alive until this one is found to exist, or to have failed.
///
/// reference: the object that needs the other one to come into being. other: what must live until then; it may be freed
/// at once. What it keeps alive itself is also kept.
/// timeout_ns: how long to wait until the other one exists.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also if the other one is, or keeps alive, this one), SDP_DAL_TIMEOUT, and the
/// others of sdp_dal_ref_wait(). Blocks up to timeout_ns.
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

/// Keeps another object alive as long as this one is needed: by this reference, by what was cloned from it, or by a call
/// that takes it as input.
///
/// reference: the object that refers to the other one. other: what must live as long; it may be freed at once.
/// timeout_ns: how long to wait until the other one exists.
///
/// Errors and blocking: as sdp_dal_ref_add_dependency().
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

/// A second handle of the same reference, with an end of its own. A tensor that is being written stays with the
/// first handle.
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

/// Ends a reference. The last owning one of this process deletes the object, unless it was disowned. A tensor that
/// was created in place and not sealed is aborted. NULL is allowed. Waits at most 100 ms.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_ref_free(reference: *mut sdp_dal_ref) {
    guard("sdp_dal_ref_free", |site| {
        // SAFETY: the header's rules for pointers.
        unsafe { site.end(reference, "reference") }
    });
}
